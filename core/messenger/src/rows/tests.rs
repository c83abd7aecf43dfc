use proptest::prelude::*;
use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_payload::MessageId;
use undertone_ratchet::InstallationId;
use undertone_transport::{Flush, PublicName, SendId};

use super::keys::chat_of;
use super::*;
use crate::contact::{Profile, Verification, VerifiedBy};
use crate::{Chat, ChatId, FailReason, Message, MessageState, OpenedBy, Pfs, Protection};

fn person() -> PublicKey {
    SecretKey::from_slice(&[0xa1; 32]).unwrap().public()
}

fn lab() -> ChatId {
    ChatId::Public(PublicName::new("lab").unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Format 1, pinned: a change here is a migration.
#[test]
fn rows_of_format_1() {
    let state = State::from_bytes(
        &State::new(InstallationId::new("a11ce000-0000-4000-8000-000000000001").unwrap()).to_bytes(),
    )
    .unwrap();
    let chat =
        Chat { clock: 1_600_000_000_000, unread: 2, opened_by: OpenedBy::Stranger, ..Chat::new(lab()) };
    let message = Message {
        id: MessageId::from_bytes([7; 32]),
        chat: lab(),
        author: person(),
        text: "hello".to_owned(),
        clock: 1_600_000_000_000,
        timestamp: Unix::from_millis(1_600_000_000_001),
        state: MessageState::Failed(FailReason::ProofOfWork),
        protection: Protection::DhOnly,
    };
    let outbox = OutboxRow {
        address: Address::Negotiated(person()),
        payload: b"sealed".to_vec(),
        ephemeral: true,
        flush: Flush::Blended,
        carries: Carries::Pending(vec![1, 2, 3]),
        failures: 4,
        again: Some(Unix::from_millis(5)),
    };
    let label = DeviceLabel { clock: 3, name: "study".to_owned(), kind: "desktop".to_owned() };
    assert_eq!(DeviceLabel::from_bytes(&label.to_bytes()).unwrap(), label);
    insta::assert_snapshot!(
        [
            format!("state    {}", hex(&state.to_bytes())),
            format!("chat     {} {}", hex(&chat_key(&lab())), hex(&chat.to_bytes())),
            format!("chat     {}", hex(&chat_key(&ChatId::OneToOne(person())))),
            format!("message  {}", hex(&message.to_bytes())),
            format!("timeline {}", hex(&timeline_key(&lab(), 1, &message.id))),
            format!("outbox   {}", hex(&outbox.to_bytes())),
            format!(
                "contact  {}",
                hex(&ContactRow {
                    pfs: Some(Pfs::Off),
                    answered: Some(Unix::from_millis(7)),
                    shown_pfs: true,
                    weaker_allowed: true,
                    added: true,
                    blocked: true,
                    nickname: "Bob".to_owned(),
                    verified: Some(Verification { by: VerifiedBy::CodeOverCall, at: Unix::from_millis(9) }),
                    declined: 8,
                    ..ContactRow::default()
                }
                .to_bytes())
            ),
            format!(
                "device   {} {}",
                hex(&DeviceLabel::key(&InstallationId::new("a").unwrap())),
                hex(&label.to_bytes())
            ),
            format!("due      {}", hex(&Due::Outbox(SendId(9)).key(Unix::from_millis(5)))),
            format!("due      {}", hex(&Due::Pending(vec![1, 2]).key(Unix::from_millis(5)))),
        ]
        .join("\n")
    );
    assert_eq!(Chat::from_row(&chat_key(&lab()), &chat.to_bytes()).unwrap(), chat);
    assert_eq!(Message::from_row(message.id, &message.to_bytes()).unwrap(), message);
    assert_eq!(OutboxRow::from_bytes(&outbox.to_bytes()).unwrap(), outbox);
}

/// Fields that were added to a format say nothing while they are left out.
#[test]
fn what_a_person_claims_and_what_we_claim() {
    let claim = Claim { clock: 4, ens_name: "b.eth".to_owned(), picture: "data:image/gif".to_owned() };
    let row = ContactRow {
        session_lost: true,
        claim: Some(claim),
        told: true,
        told_clock: 5,
        ..ContactRow::default()
    };
    assert_eq!(ContactRow::from_bytes(&row.to_bytes()).unwrap(), row);
    insta::assert_snapshot!(hex(&row.to_bytes()), @"0801a00101aa011908041205622e6574681a0e646174613a696d6167652f676966b00101b80105");
    let profile = Profile { ens_name: "a.eth".to_owned(), picture: "data:image/png".to_owned() };
    let row = ProfileRow { clock: 7, profile };
    assert_eq!(ProfileRow::from_bytes(&row.to_bytes()).unwrap(), row);
    insta::assert_snapshot!(hex(&row.to_bytes()), @"080110071a05612e657468220e646174613a696d6167652f706e67");
    // What was written of a device before it had a clock of its own is skipped.
    let label = DeviceLabel { clock: 3, name: "a".to_owned(), kind: "b".to_owned() };
    let old = [label.to_bytes(), vec![0x28, 4]].concat();
    assert_eq!(DeviceLabel::from_bytes(&old).unwrap(), label);
}

/// What versions before contact states wrote.
#[test]
fn a_contact_row_without_states_is_read() {
    let row = ContactRow::from_bytes(&[8, 1, 16, 1, 24, 7, 32, 1, 40, 1]).unwrap();
    let expected = ContactRow {
        pfs: Some(Pfs::Off),
        answered: Some(Unix::from_millis(7)),
        shown_pfs: true,
        weaker_allowed: true,
        ..ContactRow::default()
    };
    assert_eq!(row, expected);
    assert_eq!(expected.to_bytes(), [8, 1, 16, 1, 24, 7, 32, 1, 40, 1]);
    for by in [VerifiedBy::CodeFaceToFace, VerifiedBy::CodeOverCall, VerifiedBy::QrCode] {
        let verified = Some(Verification { by, at: Unix::from_millis(3) });
        let row = ContactRow { verified, ..ContactRow::default() };
        assert_eq!(ContactRow::from_bytes(&row.to_bytes()).unwrap(), row);
    }
    assert!(ContactRow::from_bytes(&[8, 1, 80, 4]).is_err(), "no such way to verify");
}

#[test]
fn every_variant_comes_back() {
    let id = MessageId::from_bytes([1; 32]);
    let name = PublicName::new("lab").unwrap();
    for address in [
        Address::ContactCode(person()),
        Address::Negotiated(person()),
        Address::Partition(person()),
        Address::Public(name),
    ] {
        for carries in [Carries::Ack, Carries::ContactCode, Carries::Pending(vec![9]), Carries::Public(id)] {
            let row = OutboxRow::new(address.clone(), b"x".to_vec(), carries);
            assert_eq!(OutboxRow::from_bytes(&row.to_bytes()).unwrap(), row);
        }
    }
    let states = [
        MessageState::Composed,
        MessageState::Queued,
        MessageState::Sent,
        MessageState::Stored,
        MessageState::Delivered,
        MessageState::Failed(FailReason::Clock),
        MessageState::Failed(FailReason::GivenUp),
        MessageState::Failed(FailReason::NobodyTookIt),
        MessageState::Failed(FailReason::ProofOfWork),
        MessageState::Failed(FailReason::TooLarge),
        MessageState::Received,
    ];
    let protections =
        [Protection::Public, Protection::Ratchet, Protection::DhOnly, Protection::TransportOnly];
    for (state, protection) in states.into_iter().flat_map(|s| protections.map(|p| (s, p))) {
        let message = Message {
            id,
            chat: ChatId::OneToOne(person()),
            author: person(),
            text: String::new(),
            clock: 0,
            timestamp: Unix::default(),
            state,
            protection,
        };
        assert_eq!(Message::from_row(id, &message.to_bytes()).unwrap(), message);
    }
}

#[test]
fn rows_of_another_format_or_shape_are_corrupt() {
    for bytes in [&[][..], &[8, 2], &[0xff], &[8, 1]] {
        assert!(OutboxRow::from_bytes(bytes).is_err());
        assert!(State::from_bytes(bytes).is_err());
        assert!(Message::from_row(MessageId::from_bytes([0; 32]), bytes).is_err());
        assert!(Chat::from_row(&[9, 0], bytes).is_err());
    }
    assert!(ContactRow::from_bytes(&[8, 2]).is_err());
    assert!(DeviceLabel::from_bytes(&[8, 2]).is_err());
    assert!(Due::parse(&[0; 8]).is_err());
    assert!(Due::parse(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 5]).is_err());
    assert!(Due::parse(&[0, 0, 0, 0, 0, 0, 0, 0, 3, 0]).is_err());
    assert!(Due::parse(&[0, 0, 0, 0, 0, 0, 0, 0, 4]).is_err());
}

proptest! {
    #[test]
    fn readers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = (OutboxRow::from_bytes(&bytes), State::from_bytes(&bytes), ContactRow::from_bytes(&bytes));
        let _ = DeviceLabel::from_bytes(&bytes);
        let _ = (Chat::from_row(&bytes, &bytes), Due::parse(&bytes), chat_of(&bytes));
        let _ = Message::from_row(MessageId::from_bytes([0; 32]), &bytes);
    }

    /// The keys of a chat's timeline lie together, in the order of clock and id.
    #[test]
    fn timelines_do_not_mix(a in "[a-z]{1,8}", b in "[a-z]{1,8}", clocks: (u64, u64), ids: ([u8; 32], [u8; 32])) {
        let chat = |name: &str| ChatId::Public(PublicName::new(name).unwrap());
        let (one, two) = (chat(&a), chat(&b));
        prop_assert_eq!(chat_of(&chat_key(&one)), Some(one.clone()));
        let (i, j) = (MessageId::from_bytes(ids.0), MessageId::from_bytes(ids.1));
        let (x, y) = (timeline_key(&one, clocks.0, &i), timeline_key(&one, clocks.1, &j));
        prop_assert_eq!(x.cmp(&y), (clocks.0, i).cmp(&(clocks.1, j)));
        if one != two {
            prop_assert!(!timeline_key(&two, clocks.0, &i).starts_with(&chat_key(&one)));
        }
    }

    #[test]
    fn due_rows_come_back(at: u64, id: u64, key in proptest::collection::vec(any::<u8>(), 0..80)) {
        let at = Unix::from_millis(at);
        for due in [Due::Erase, Due::Outbox(SendId(id)), Due::Pending(key)] {
            prop_assert_eq!(Due::parse(&due.key(at)), Ok((at, due)));
        }
    }
}
