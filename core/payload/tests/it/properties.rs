//! What holds for all inputs.

use proptest::collection::vec;
use proptest::prelude::*;
use undertone_base::Unix;
use undertone_crypto::{KeyId, MemoryKeyring, SecretKey};
use undertone_payload::{
    Attribution, Audio, AudioType, ChatMessageOut, Clock, Content, Image, ImageType, MessageId, MessageType,
    Metadata, RawChatMessage, RawMetadata, RawPairInstallation, Sticker, limits,
};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_slice(&[byte; 32]).unwrap()
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Text),
        Just(Content::Status),
        Just(Content::Emoji),
        ("[0-9a-f]{1,76}", any::<i32>()).prop_map(|(hash, pack)| Content::Sticker(Sticker { hash, pack })),
        (1i32..9, vec(any::<u8>(), 1..50))
            .prop_map(|(kind, bytes)| Content::Image(Image { kind: ImageType::from_wire(kind), bytes })),
        (1i32..9, vec(any::<u8>(), 1..50), any::<u64>()).prop_map(|(kind, bytes, duration_ms)| {
            Content::Audio(Audio { kind: AudioType::from_wire(kind), bytes, duration_ms })
        }),
    ]
}

fn message() -> impl Strategy<Value = ChatMessageOut> {
    let parts = (1u64..1 << 50, 0u64..200_000, ".{0,40}", content());
    (parts, any::<Option<[u8; 32]>>(), ".{0,30}", 0u8..3, "[a-z]{0,20}").prop_map(
        |((now, ahead, text, content), response_to, ens_name, kind, chat)| {
            let (clock, now) = (Clock::from_value(now + ahead), Unix::from_millis(now));
            let mut message = match kind {
                0 => ChatMessageOut::one_to_one(&key(7).public(), text, clock, now),
                1 => ChatMessageOut::public(chat, text, clock, now),
                _ => ChatMessageOut::private_group(chat, text, clock, now),
            };
            message.content = content;
            message.response_to = response_to.map(MessageId::from_bytes);
            message.ens_name = ens_name;
            message
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(read) = RawMetadata::decode(bytes.clone()).and_then(|raw| raw.identify(&key(1).public())) {
            let _ = read.parse();
        }
        if let Ok(raw) = RawPairInstallation::decode(&bytes) {
            let _ = raw.check(Unix::from_secs(1));
        }
        if let Ok(raw) = RawChatMessage::decode(&bytes) {
            let _ = raw.check(Unix::from_secs(1));
        }
        let _ = (ImageType::sniff(&bytes), AudioType::sniff(&bytes));
    }

    #[test]
    fn what_is_signed_is_identified(payload in vec(any::<u8>(), 0..200), kind in any::<i32>(), by in 1u8..200) {
        let mut keyring = MemoryKeyring::new();
        let author = key(by).public();
        let signer = keyring.insert(key(by));
        prop_assert_eq!(signer, KeyId::of(&author));
        let kind = MessageType::from_wire(kind);
        let sent = Metadata::sign(kind, payload.clone(), &keyring, &signer).unwrap();
        prop_assert_eq!(&Metadata::sign(kind, payload.clone(), &keyring, &signer).unwrap(), &sent);
        let read = RawMetadata::decode(sent.as_bytes().to_vec()).unwrap().identify(&author).unwrap();
        prop_assert_eq!(read.author(), &author);
        prop_assert_eq!(read.attribution(), Attribution::Direct);
        prop_assert_eq!((read.id(), read.kind(), read.payload()), (sent.id(), kind, payload.as_slice()));
    }

    /// Whatever bit of a signed message changes, it is not that message any more, and if its payload or
    /// signature changed, not that author's.
    #[test]
    fn a_changed_bit_changes_the_id(payload in vec(any::<u8>(), 1..60), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut keyring = MemoryKeyring::new();
        let author = key(3).public();
        let signer = keyring.insert(key(3));
        let sent = Metadata::sign(MessageType::CHAT_MESSAGE, payload.clone(), &keyring, &signer).unwrap();
        let mut bytes = sent.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = RawMetadata::decode(bytes).and_then(|raw| raw.identify(&author)) {
            prop_assert_ne!(read.id(), sent.id());
            if read.attribution() == Attribution::Direct {
                prop_assert_eq!(read.payload(), payload.as_slice());
            }
        }
    }

    /// What we make, others take: `encode` succeeds exactly when `check` does, and nothing is lost.
    #[test]
    fn what_is_made_is_taken(message in message()) {
        let good = !message.text.trim().is_empty()
            && !message.chat_id.is_empty()
            && message.clock.value() <= message.timestamp.millis() + limits::CLOCK_DRIFT_MAX;
        let Ok(bytes) = message.encode() else {
            prop_assert!(!good);
            return Ok(());
        };
        prop_assert!(good);
        let read = RawChatMessage::decode(&bytes).unwrap().check(message.timestamp).unwrap();
        prop_assert_eq!((read.clock(), read.timestamp()), (message.clock, message.timestamp));
        prop_assert_eq!(read.text(), &message.text);
        prop_assert_eq!(read.chat_id(), &message.chat_id);
        prop_assert_eq!(read.chat_kind(), Some(message.chat_kind));
        prop_assert_eq!(read.content(), &message.content);
        prop_assert_eq!(read.response_to(), message.response_to);
        prop_assert_eq!(read.ens_name(), &message.ens_name);
    }

    #[test]
    fn a_bid_is_above_the_last_and_not_before_now(last in 0u64..u64::MAX, now in any::<u64>()) {
        let bid = Clock::bid(Clock::from_value(last), Unix::from_millis(now));
        prop_assert!(bid > Clock::from_value(last));
        prop_assert!(bid.value() >= now);
    }
}
