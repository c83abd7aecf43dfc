//! Each check with a message that passes it and one that it refuses.

use super::*;
use crate::clock::ClockError;

const SENT: Unix = Unix::from_millis(1_600_000_000_000);

fn good() -> ChatMessage {
    ChatMessage {
        clock: SENT.millis(),
        timestamp: SENT.millis(),
        text: "hello".to_owned(),
        chat_id: "status".to_owned(),
        message_type: 2,
        content_type: 1,
        ..ChatMessage::default()
    }
}

/// Checks the good message after `change`.
fn check(change: impl FnOnce(&mut ChatMessage)) -> Result<CheckedChatMessage, ChatError> {
    let mut message = good();
    change(&mut message);
    RawChatMessage(message).check(SENT)
}

fn sticker(hash: &str) -> Option<Payload> {
    Some(Payload::Sticker(StickerMessage { hash: hash.to_owned(), pack: 4 }))
}

fn image(payload: &[u8], kind: i32) -> Option<Payload> {
    Some(Payload::Image(ImageMessage { payload: payload.to_vec(), r#type: kind }))
}

fn audio(payload: &[u8], kind: i32) -> Option<Payload> {
    Some(Payload::Audio(AudioMessage { payload: payload.to_vec(), r#type: kind, duration_ms: 7 }))
}

#[test]
fn c1_clock_is_not_zero() {
    assert!(check(|m| m.clock = 1).is_ok());
    assert_eq!(check(|m| m.clock = 0), Err(ChatError::Clock(ClockError::Zero)));
}

#[test]
fn c2_clock_is_not_far_ahead() {
    assert!(check(|m| m.clock += 120_000).is_ok());
    assert_eq!(check(|m| m.clock += 120_001), Err(ChatError::Clock(ClockError::TooHigh)));
    assert_eq!(check(|m| m.clock = 1 << 62), Err(ChatError::Clock(ClockError::TooHigh)));
}

#[test]
fn c3_timestamp_is_not_zero() {
    assert!(check(|m| m.timestamp = u64::MAX).is_ok());
    assert_eq!(check(|m| m.timestamp = 0), Err(ChatError::TimestampZero));
}

#[test]
fn c4_text_is_not_blank() {
    assert!(check(|m| m.text = "\u{200b}".to_owned()).is_ok());
    for blank in ["", " \t\r\n", "\u{a0}\u{85}\u{2003}\u{3000}\u{2028}"] {
        assert_eq!(check(|m| m.text = blank.to_owned()), Err(ChatError::TextBlank));
    }
}

#[test]
fn c5_text_is_counted_in_bytes() {
    assert!(check(|m| m.text = "é".repeat(2_048)).is_ok());
    assert_eq!(check(|m| m.text = "é".repeat(2_049)), Err(ChatError::TextTooLong { got: 4_098 }));
}

#[test]
fn c6_chat_id_is_not_empty() {
    assert!(check(|m| m.chat_id = "x".to_owned()).is_ok());
    assert_eq!(check(|m| m.chat_id.clear()), Err(ChatError::ChatIdEmpty));
}

#[test]
fn c7_message_type_is_for_the_wire() {
    for (number, kind) in [
        (1, Some(ChatKind::OneToOne)),
        (2, Some(ChatKind::Public)),
        (3, Some(ChatKind::PrivateGroup)),
        (77, None),
        (-1, None),
    ] {
        assert_eq!(check(|m| m.message_type = number).unwrap().chat_kind(), kind);
    }
    for got in [0, 4] {
        assert_eq!(check(|m| m.message_type = got), Err(ChatError::MessageType { got }));
    }
}

#[test]
fn c8_content_type_is_for_the_wire() {
    for (number, content) in [
        (1, Content::Text),
        (3, Content::Status),
        (4, Content::Emoji),
        (6, Content::Other(ContentType::SYSTEM_MESSAGE_CONTENT_PRIVATE_GROUP)),
        (99, Content::Other(ContentType::from_wire(99))),
    ] {
        assert_eq!(check(|m| m.content_type = number).unwrap().content(), &content);
    }
    for got in [0, 5] {
        assert_eq!(check(|m| m.content_type = got), Err(ChatError::ContentType { got }));
    }
}

#[test]
fn c9_a_sticker_has_a_hash() {
    let with = |payload| check(|m| (m.content_type, m.payload) = (2, payload));
    let content = Content::Sticker(Sticker { hash: "e301".to_owned(), pack: 4 });
    assert_eq!(with(sticker("e301")).unwrap().content(), &content);
    assert_eq!(with(sticker("")), Err(ChatError::StickerHashEmpty));
    assert_eq!(with(None), Err(ChatError::StickerMissing));
    assert_eq!(with(image(b"x", 1)), Err(ChatError::StickerMissing));
}

#[test]
fn c10_an_image_has_bytes_and_a_format() {
    let with = |payload| check(|m| (m.content_type, m.payload) = (7, payload));
    let content = Content::Image(Image { kind: ImageType::from_wire(9), bytes: b"x".to_vec() });
    assert_eq!(with(image(b"x", 9)).unwrap().content(), &content);
    assert_eq!(with(image(b"", 1)), Err(ChatError::ImageEmpty));
    assert_eq!(with(image(b"x", 0)), Err(ChatError::ImageType));
    assert_eq!(with(audio(b"x", 1)), Err(ChatError::ImageMissing));
}

#[test]
fn c11_audio_has_bytes_and_a_format() {
    let with = |payload| check(|m| (m.content_type, m.payload) = (8, payload));
    let content = Content::Audio(Audio { kind: AudioType::AMR, bytes: b"x".to_vec(), duration_ms: 7 });
    assert_eq!(with(audio(b"x", 2)).unwrap().content(), &content);
    assert_eq!(with(audio(b"", 1)), Err(ChatError::AudioEmpty));
    assert_eq!(with(audio(b"x", 0)), Err(ChatError::AudioType));
    assert_eq!(with(sticker("e301")), Err(ChatError::AudioMissing));
}

/// C12, C13 and what is taken as absent.
#[test]
fn our_own_bounds() {
    assert!(check(|m| m.chat_id = "x".repeat(CHAT_ID_MAX)).is_ok());
    let got = CHAT_ID_MAX + 1;
    assert_eq!(check(|m| m.chat_id = "x".repeat(got)), Err(ChatError::ChatIdTooLong { got }));

    let with = |hash: &str| check(|m| (m.content_type, m.payload) = (2, sticker(hash)));
    assert!(with(&"x".repeat(STICKER_HASH_MAX)).is_ok());
    let got = STICKER_HASH_MAX + 1;
    assert_eq!(with(&"x".repeat(got)), Err(ChatError::StickerHashTooLong { got }));

    let name = "x".repeat(ENS_NAME_MAX);
    assert_eq!(check(|m| m.ens_name = name.clone()).unwrap().ens_name(), name);
    assert_eq!(check(|m| m.ens_name = "x".repeat(ENS_NAME_MAX + 1)).unwrap().ens_name(), "");

    let id = MessageId::from_bytes([0xab; 32]);
    assert_eq!(check(|m| m.response_to = id.to_string()).unwrap().response_to(), Some(id));
    assert_eq!(check(|m| m.response_to = "0xab".to_owned()).unwrap().response_to(), None);
}

#[test]
fn an_attachment_of_another_content_is_ignored() {
    assert_eq!(check(|m| m.payload = sticker("e301")).unwrap().content(), &Content::Text);
}

#[test]
fn debug_shows_no_text() {
    let checked = check(|_| ()).unwrap();
    assert_eq!(
        format!("{checked:?}"),
        "CheckedChatMessage { clock: Clock(1600000000000), kind: PUBLIC_GROUP, content: Text, text: 5 bytes, .. }"
    );
    assert_eq!(
        format!("{:?}", RawChatMessage(good())),
        "RawChatMessage(clock 1600000000000, text of 5 bytes)"
    );
}
