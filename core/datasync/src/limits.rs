//! Every bound of this crate.

use std::time::Duration;

/// Largest decrypted payload that is looked at, in bytes. Origin: no envelope of Whisper or Waku may exceed
/// 1 MiB (geth: `MaxMessageSize`).
pub const PAYLOAD_MAX: usize = 1_048_576;

/// Most ids (acks, offers and requests together) in one received payload. Origin: our choice; above what
/// fits in [`PAYLOAD_MAX`] at 36 bytes each (29,127), so an honest peer of any backlog stays below it.
pub const IDS_MAX: usize = 32_768;

/// Most messages in one received payload. Origin: our choice; above what fits in [`PAYLOAD_MAX`] of the
/// smallest signed message there is (a contact update with nothing but a clock: 132 bytes here; 7,943 fit).
pub const MESSAGES_MAX: usize = 8_192;

/// Most ids that one [`Acks`](crate::Acks) holds. Origin: our choice, twice [`MESSAGES_MAX`]. What does not
/// fit is not acked; its sender repeats it.
pub const ACKS_MAX: usize = 16_384;

/// Gaps after the first, second and third sending. Origin: our choice; the reference adds its own age to
/// the gap, so that a node of an hour waits an hour (`payloads.md` 6.2).
pub const RESEND_FIRST: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(60)];

/// Gap after each later sending, for as long as no ack comes. Origin: our choice.
pub const RESEND_LATER: Duration = Duration::from_secs(600);

/// Least time from a sending to a repetition that a REQUEST brings forward. Origin: our choice, the first of
/// [`RESEND_FIRST`]: a peer that asks in a loop gets no more than one message in that time.
pub const REQUEST_GAP: Duration = Duration::from_secs(5);

/// Bytes of one ack inside a payload: three of tag, one of length, the id.
pub(crate) const ACK_LEN: usize = 36;
