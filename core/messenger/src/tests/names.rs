//! Names of ENS: whom they stand for, and what is remembered when they lead elsewhere.

use super::*;
use crate::rows::{NameRow, name_key};
use crate::{NameMoved, NamePin, VerifiedBy};

fn somebody(byte: u8) -> PublicKey {
    SecretKey::from_slice(&[byte; 32]).unwrap().public()
}

fn led(side: &mut Side, name: &str, key: PublicKey) {
    side.command(Command::NameLedTo { name: name.to_owned(), key });
}

fn names(side: &Side) -> Vec<NamePin> {
    side.messenger.names(&side.store).unwrap()
}

fn pin(name: &str, key: PublicKey, moved: Option<NameMoved>) -> NamePin {
    NamePin { name: name.to_owned(), key, moved }
}

#[test]
fn a_name_stands_for_whom_it_led_to_first() {
    let (mut alice, bob, mallory, carol) = (Side::new(0xa1), somebody(2), somebody(3), somebody(4));
    assert_eq!(alice.messenger.name(&alice.store, "bob.eth").unwrap(), None);
    led(&mut alice, "Bob.eth", bob);
    led(&mut alice, "bobby.eth", bob);
    assert_eq!(names(&alice), [pin("bob.eth", bob, None), pin("bobby.eth", bob, None)]);

    // Sold, and sold again: when it moved first, and where it leads now.
    let moved_at = alice.now.unix;
    led(&mut alice, "bob.eth", mallory);
    alice.later(Duration::from_secs(60));
    led(&mut alice, "bob.eth", carol);
    let moved = Some(NameMoved { to: carol, at: moved_at });
    assert_eq!(alice.messenger.name(&alice.store, "BOB.eth").unwrap(), Some(pin("bob.eth", bob, moved)));
    // Leading back is no excuse.
    let before = alice.store.clone();
    led(&mut alice, "bob.eth", bob);
    assert_eq!(alice.messenger.name(&alice.store, "bob.eth").unwrap(), Some(pin("bob.eth", bob, moved)));
    assert_eq!(alice.store, before);

    // Whose key was compared is whom the name stands for.
    alice.command(Command::Verify { peer: bob, by: VerifiedBy::CodeFaceToFace });
    assert_eq!(names(&alice), [pin("bob.eth", bob, None), pin("bobby.eth", bob, None)]);
    led(&mut alice, "bob.eth", mallory);
    assert!(names(&alice)[0].moved.is_some(), "seen anew");
    // Who is removed is forgotten with its names.
    alice.command(Command::RemoveContact(bob));
    assert_eq!(names(&alice), []);
    led(&mut alice, "bob.eth", mallory);
    assert_eq!(names(&alice), [pin("bob.eth", mallory, None)]);
}

/// Also for who was never added: a name alone can be removed.
#[test]
fn a_name_of_nobody_whom_we_know_is_forgotten_too() {
    let mut alice = Side::new(0xa1);
    led(&mut alice, "bob.eth", somebody(2));
    alice.command(Command::RemoveContact(somebody(2)));
    assert_eq!(names(&alice), []);
}

#[test]
fn whom_we_call_by_the_name_goes_first() {
    let (mut alice, bob, mallory) = (Side::new(0xa1), somebody(2), somebody(3));
    alice.command(Command::AddContact { peer: bob, nickname: Some("Bob.eth".to_owned()) });
    led(&mut alice, "bob.eth", mallory);
    let moved = Some(NameMoved { to: mallory, at: alice.now.unix });
    assert_eq!(names(&alice), [pin("bob.eth", bob, moved)]);
}

#[test]
fn what_is_no_name_is_refused() {
    let mut alice = Side::new(0xa1);
    let before = alice.store.clone();
    let long = format!("{}.eth", "x".repeat(252));
    for name in ["", "bob", "bob.ethan", "b\u{202e}ob.eth", "b\nob.eth", &long] {
        let command = Command::NameLedTo { name: name.to_owned(), key: somebody(2) };
        assert_eq!(alice.try_step(Input::Command(command)).unwrap_err(), Fault::Name, "{name:?}");
    }
    assert_eq!(alice.store, before);
}

#[test]
fn names_are_kept_and_come_back_with_a_backup() {
    let (mut alice, bob, mallory) = (Side::new(0xa1), somebody(2), somebody(3));
    led(&mut alice, "bob.eth", bob);
    led(&mut alice, "bob.eth", mallory);
    led(&mut alice, "carol.eth", mallory);
    let backup = alice.messenger.backup(&alice.store).unwrap();
    let mut anew = Side::unopened(0xa1);
    anew.messenger.restore(&mut anew.store, &mut anew.dice, &backup).unwrap();
    assert_eq!(names(&anew), names(&alice));
}

#[test]
fn rows_of_names_are_what_they_were() {
    let moved = Some(NameMoved { to: somebody(3), at: Unix::from_millis(1_600_000_000_123) });
    for row in [NameRow { key: somebody(2), moved: None }, NameRow { key: somebody(2), moved }] {
        let bytes = row.to_bytes();
        assert_eq!(bytes[..4], [8, 1, 0x12, 33]);
        assert_eq!(bytes.len(), if row.moved.is_some() { 2 + 35 + 35 + 7 } else { 2 + 35 });
        assert_eq!(NameRow::from_bytes(&bytes).unwrap(), row);
        assert!(row.clone().pin(b"name/x.eth").is_ok());
        assert!(row.clone().pin(b"name/\xff").is_err() && row.pin(b"other").is_err());
    }
    assert_eq!(name_key("x.eth"), b"name/x.eth");
    for bytes in [&[][..], &[8, 2], &[8, 1], &[8, 1, 0x12, 1, 2], &[0xff]] {
        assert!(NameRow::from_bytes(bytes).is_err());
    }
}
