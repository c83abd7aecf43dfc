//! What goes into a backup and what comes out of it, on another device.

use super::*;
use crate::{ContactState, FailReason, Pfs, RestoreError, VerifiedBy};

/// Alice with a bit of everything: contacts, a public chat, messages sent, unsent and received.
fn lived() -> (Side, PublicKey) {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let (a, b) = (alice.key(), bob.key());
    alice.command(Command::AddContact { peer: b, nickname: Some("Bob".to_owned()) });
    alice.command(Command::Verify { peer: b, by: VerifiedBy::CodeOverCall });
    alice.command(Command::SetPfs { peer: b, pfs: Pfs::On });
    alice.command(Command::SetDefaultPfs(Pfs::Off));
    let (_, hello) = bob.say(&ChatId::OneToOne(a), "hello");
    alice.hear(b, &hello);
    alice.say(&ChatId::OneToOne(b), "it waits");
    alice.say(&"#lab".parse().unwrap(), "in public");
    alice.command(Command::Block(Side::unopened(3).key()));
    let (_, stranger) = Side::new(4).say(&ChatId::OneToOne(a), "who are you");
    alice.hear(Side::unopened(4).key(), &stranger);
    (alice, b)
}

fn restore(side: &mut Side, backup: &[u8]) -> Result<crate::Restored, RestoreError> {
    let before = side.store.clone();
    let outcome = side.messenger.restore(&mut side.store, &mut side.dice, backup);
    if outcome.is_err() {
        assert_eq!(side.store, before, "a refused backup writes nothing");
    }
    outcome
}

#[test]
fn a_backup_brings_people_and_chats_to_a_new_device() {
    let (alice, bob) = lived();
    let backup = alice.messenger.backup(&alice.store).unwrap();
    let mut anew = Side { dice: Dice::new(b"another device"), ..Side::unopened(1) };
    let restored = restore(&mut anew, &backup).unwrap();
    assert_eq!((restored.contacts, restored.chats, restored.messages), (2, 3, 4));

    let of = |side: &Side| side.messenger.installation_id(&side.store).unwrap().unwrap();
    assert_ne!(of(&anew), of(&alice), "another device");
    anew.open();
    assert_ne!(of(&anew), of(&alice));
    for table in [Table::OwnPrekey, Table::OwnState, Table::Session, Table::Device] {
        let rows = |side: &Side| side.store.scan(table, Keys::ALL, Order::Ascending, 99).unwrap();
        let old = rows(&alice);
        assert!(rows(&anew).iter().all(|row| !old.contains(row)), "{}: nothing of the ratchet", table.name());
    }
    assert_eq!(
        anew.messenger.contacts(&anew.store).unwrap(),
        alice.messenger.contacts(&alice.store).unwrap()
    );
    assert_eq!(anew.messenger.contact(&anew.store, &bob).unwrap().state, ContactState::Verified);
    assert_eq!(anew.messenger.default_pfs(&anew.store).unwrap(), Pfs::Off);
    assert_eq!(anew.messenger.chats(&anew.store).unwrap(), alice.messenger.chats(&alice.store).unwrap());
    let texts = |side: &Side, chat: &ChatId| -> Vec<_> {
        let messages = side.messenger.messages(&side.store, chat, None, 99).unwrap();
        messages.into_iter().map(|message| (message.id, message.text)).collect()
    };
    for chat in alice.messenger.chats(&alice.store).unwrap() {
        assert_eq!(texts(&anew, &chat.id), texts(&alice, &chat.id));
    }
    // What no peer had taken waits for nobody any more, and says so.
    let messages = anew.messenger.messages(&anew.store, &ChatId::OneToOne(bob), None, 99).unwrap();
    let waited = messages.iter().find(|message| message.text == "it waits").unwrap();
    assert_eq!(waited.state, MessageState::Failed(FailReason::GivenUp));
    assert_eq!(anew.store.count(Table::Pending), 0);
}

/// However few rows a scan gives, none is left out: pages that end within a table, at its end, and after one row.
#[test]
fn a_backup_has_every_row_whatever_its_page_is() {
    let (mut alice, bob) = lived();
    for n in 0..5 {
        alice.say(&ChatId::OneToOne(bob), &format!("and {n}"));
    }
    let rows = [Table::Contact, Table::Chat, Table::Message].map(|table| alice.store.count(table));
    assert_eq!(rows, [2, 3, 9]);
    let whole = alice.messenger.backup(&alice.store).unwrap();
    for page in 1..=10 {
        let paged = alice.messenger.backup_by_pages(&alice.store, page).unwrap();
        assert_eq!(paged, whole, "pages of {page}");
    }
    let mut anew = Side { dice: Dice::new(b"another device"), ..Side::unopened(1) };
    assert_eq!(restore(&mut anew, &whole).unwrap().messages, 9);
}

#[test]
fn what_is_no_backup_of_this_account_is_refused() {
    let (alice, _) = lived();
    let backup = alice.messenger.backup(&alice.store).unwrap();
    assert_eq!(restore(&mut Side::unopened(2), &backup), Err(RestoreError::OtherAccount));
    let mut used = Side::new(1);
    assert_eq!(restore(&mut used, &backup), Err(RestoreError::NotEmpty));
    let mut anew = Side { dice: Dice::new(b"another device"), ..Side::unopened(1) };
    for bad in [&b"garbage"[..], &backup[..backup.len() - 1], &[&backup[..], &[0x22, 0x00]].concat()] {
        assert_eq!(restore(&mut anew, bad), Err(RestoreError::Malformed));
    }
    assert_eq!(restore(&mut anew, &[]), Err(RestoreError::Version { got: 0 }));
    let mut later = backup.to_vec();
    later[1] = 2;
    assert_eq!(restore(&mut anew, &later), Err(RestoreError::Version { got: 2 }));
    assert!(restore(&mut anew, &backup).is_ok());
}

/// Random changes of a backup are refused or restore rows that this version reads.
#[test]
fn mangled_backups_are_refused_or_readable() {
    let (alice, _) = lived();
    let backup = alice.messenger.backup(&alice.store).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for at in 0..backup.len() {
        let mut bad = backup.to_vec();
        bad[at] ^= 1 << (at % 8);
        let mut anew = Side { dice: Dice::new(b"another device"), ..Side::unopened(1) };
        match restore(&mut anew, &bad) {
            Ok(_) => {
                anew.open();
                anew.messenger.contacts(&anew.store).unwrap();
                for chat in anew.messenger.chats(&anew.store).unwrap() {
                    anew.messenger.messages(&anew.store, &chat.id, None, 99).unwrap();
                }
                taken += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
}

#[test]
fn the_default_is_for_those_of_whom_nothing_else_was_said() {
    let (mut alice, bob, carol) = (Side::new(1), Side::unopened(2).key(), Side::unopened(3).key());
    let pfs = |side: &Side, who: &PublicKey| side.messenger.pfs(&side.store, who).unwrap();
    assert_eq!((pfs(&alice, &bob), pfs(&alice, &carol)), (Pfs::On, Pfs::On));
    alice.command(Command::SetPfs { peer: carol, pfs: Pfs::On });
    alice.command(Command::SetDefaultPfs(Pfs::Off));
    assert_eq!((pfs(&alice, &bob), pfs(&alice, &carol)), (Pfs::Off, Pfs::On));
    let (id, _) = alice.say(&ChatId::OneToOne(bob), "in the open");
    let message = alice.messenger.message(&alice.store, &id).unwrap().unwrap();
    assert_eq!(message.protection, crate::Protection::TransportOnly, "and it shows");
    alice.command(Command::PfsByDefault(carol));
    assert_eq!(pfs(&alice, &carol), Pfs::Off);
    let contact = alice.messenger.contact(&alice.store, &carol).unwrap();
    assert!(contact.pfs_chosen.is_none());
    alice.command(Command::SetDefaultPfs(Pfs::On));
    assert_eq!((pfs(&alice, &bob), pfs(&alice, &carol)), (Pfs::On, Pfs::On));
}
