//! A message that waits for its acknowledgement.

use std::time::Duration;

use prost::Message as _;
use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;

use crate::id::{GroupId, SyncId};
use crate::limits::{REQUEST_GAP, RESEND_FIRST, RESEND_LATER};
use crate::message::SyncMessage;
use crate::payload::SyncPayloadOut;
use crate::proto;

/// One outgoing message and when to send it next. A value: each method gives the next state, the store
/// keeps it, and the ack of its peer deletes it.
///
/// ```
/// use undertone_base::Unix;
/// use undertone_crypto::SecretKey;
/// use undertone_datasync::{GroupId, Pending, wrap};
///
/// let alice = SecretKey::from_slice(&[0xa1; 32])?.public();
/// let bob = SecretKey::from_slice(&[0xb2; 32])?.public();
/// let now = Unix::from_secs(1_600_000_000);
/// let (_, message) = wrap(GroupId::of_pair(&alice, &bob), now, b"hello".to_vec());
/// let pending = Pending::new(bob, message, now);
/// assert!(pending.due(now));
/// let pending = pending.after_send(now);
/// assert_eq!(pending.next_at(), Unix::from_secs(1_600_000_005));
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pending {
    peer: PublicKey,
    id: SyncId,
    message: SyncMessage,
    attempts: u32,
    next_at: Unix,
    sent_at: Option<Unix>,
}

impl Pending {
    /// A message that was never sent and is due at once.
    pub fn new(peer: PublicKey, message: SyncMessage, now: Unix) -> Self {
        Self { peer, id: message.id(), message, attempts: 0, next_at: now, sent_at: None }
    }

    /// To whom. Only an ack of this peer counts.
    pub const fn peer(&self) -> &PublicKey {
        &self.peer
    }

    /// What the ack names.
    pub const fn id(&self) -> SyncId {
        self.id
    }

    /// The message.
    pub const fn message(&self) -> &SyncMessage {
        &self.message
    }

    /// How often it was sent.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When it is due, by the wall clock, so that it survives a restart.
    pub const fn next_at(&self) -> Unix {
        self.next_at
    }

    /// The payload with this one message.
    pub fn payload(&self) -> SyncPayloadOut {
        SyncPayloadOut::message(&self.message)
    }

    /// Whether to send it now. A due time further away than any gap means that the clock went back; then it
    /// is due, too.
    pub fn due(&self, now: Unix) -> bool {
        self.next_at <= now || self.next_at > now.after(RESEND_LATER)
    }

    /// The state after a sending `now`: the next one in 5 s, 15 s, 60 s, then every 10 min until acked.
    ///
    /// DEVIATION: the reference waits as long as it has been running (`payloads.md` 6.2); receivers do not
    /// care. Pinned by `the_schedule`.
    #[must_use]
    pub fn after_send(self, now: Unix) -> Self {
        let attempts = self.attempts.saturating_add(1);
        Self { attempts, next_at: now.after(gap(attempts)), sent_at: Some(now), ..self }
    }

    /// The state when it is not sent now although it is due, and looked at again at this time.
    #[must_use]
    pub fn put_off(self, until: Unix) -> Self {
        Self { next_at: until, ..self }
    }

    /// The state after the peer asked for it: due now, or 5 s after the last sending if that is later, so
    /// that asking in a loop brings no more than that. Never later than it was.
    #[must_use]
    pub fn after_request(self, now: Unix) -> Self {
        let earliest = match self.sent_at {
            Some(sent) if sent <= now => now.max(sent.after(REQUEST_GAP)),
            _ => now,
        };
        Self { next_at: self.next_at.min(earliest), ..self }
    }

    /// The stored form, version 1: `StoredPending` of `proto/datasync.proto`.
    pub fn to_stored(&self) -> Vec<u8> {
        proto::StoredPending {
            version: VERSION,
            peer: self.peer.to_compressed().to_vec(),
            group_id: self.message.group.as_bytes().to_vec(),
            timestamp: self.message.timestamp,
            body: self.message.body.clone(),
            attempts: self.attempts,
            next_at: self.next_at.millis(),
            sent_at: self.sent_at.map(Unix::millis),
        }
        .encode_to_vec()
    }

    /// The reverse of [`Pending::to_stored`]. The id is computed again, so it cannot disagree.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not what this version writes.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, StoreError> {
        let stored = proto::StoredPending::decode(bytes).map_err(|_| CORRUPT)?;
        if stored.version != VERSION {
            return Err(CORRUPT);
        }
        let message = SyncMessage {
            group: GroupId::from_slice(&stored.group_id).ok_or(CORRUPT)?,
            timestamp: stored.timestamp,
            body: stored.body,
        };
        Ok(Self {
            peer: PublicKey::from_compressed(&stored.peer).map_err(|_| CORRUPT)?,
            id: message.id(),
            message,
            attempts: stored.attempts,
            next_at: Unix::from_millis(stored.next_at),
            sent_at: stored.sent_at.map(Unix::from_millis),
        })
    }
}

/// The gap after sending number `attempts`, counted from one.
fn gap(attempts: u32) -> Duration {
    usize::try_from(attempts)
        .ok()
        .and_then(|n| RESEND_FIRST.get(n.saturating_sub(1)))
        .copied()
        .unwrap_or(RESEND_LATER)
}

const VERSION: u32 = 1;
const CORRUPT: StoreError = StoreError::Corrupt("pending message");

#[cfg(test)]
mod tests {
    use undertone_crypto::SecretKey;

    use super::*;
    use crate::wrap;

    const START: Unix = Unix::from_secs(1_600_000_000);

    fn pending() -> Pending {
        let alice = SecretKey::from_slice(&[0xa1; 32]).unwrap().public();
        let bob = SecretKey::from_slice(&[0xb2; 32]).unwrap().public();
        let (_, message) = wrap(GroupId::of_pair(&alice, &bob), START, b"hello".to_vec());
        Pending::new(bob, message, START)
    }

    fn secs(n: u64) -> Unix {
        START.after(Duration::from_secs(n))
    }

    #[test]
    fn the_schedule() {
        let mut state = pending();
        let mut sent = Vec::new();
        for second in 0..=2_000 {
            if state.due(secs(second)) {
                sent.push(second);
                state = state.after_send(secs(second));
            }
        }
        assert_eq!(sent, [0, 5, 20, 80, 680, 1_280, 1_880]);
        assert_eq!(state.attempts(), 7);
    }

    #[test]
    fn a_clock_that_went_back_does_not_silence_a_message() {
        let state = pending().after_send(secs(1_000_000));
        assert!(state.due(START));
    }

    #[test]
    fn a_request_brings_a_message_forward_but_not_in_a_loop() {
        let mut state = pending();
        for second in [0, 5, 20, 80] {
            state = state.after_send(secs(second));
        }
        assert!(!state.due(secs(100)));
        assert!(state.clone().after_request(secs(100)).due(secs(100)));
        let hasty = state.after_request(secs(82));
        assert!(!hasty.due(secs(84)));
        assert!(hasty.due(secs(85)));
        assert_eq!(hasty.clone().after_request(secs(90)).next_at(), hasty.next_at(), "never later");
    }

    #[test]
    fn a_request_after_the_clock_went_back_is_answered() {
        let state = pending().after_send(secs(1_000));
        assert!(state.after_request(secs(10)).due(secs(10)));
    }

    /// Version 1, pinned: a change here is a migration.
    #[test]
    fn stored_form_of_version_1() {
        let state = pending().after_send(secs(1));
        let pinned = undertone_base::decode_hex::<100>(concat!(
            "0801",                                                                   // version
            "1221036aa3da9b5c1d61956076cb3014ffdaa0996bacdae29ba4b89e39b4088f86ec78", // peer
            "1a20dfa689672761927e74ea360009954b835bfc329025a29161a0ba5385e49c9c0d",   // group
            "2080a0f8fa05",                                                           // timestamp
            "2a0568656c6c6f",                                                         // body
            "3001",                                                                   // attempts
            "38f0aebabbc82e",                                                         // next_at
            "40e887babbc82e",                                                         // sent_at
        ))
        .unwrap();
        assert_eq!(state.to_stored(), pinned);
        assert_eq!(Pending::from_stored(&pinned), Ok(state));
    }

    #[test]
    fn another_version_or_a_bad_field_is_corrupt() {
        let good = pending().to_stored();
        let mut other = good.clone();
        other[1] = 2;
        assert_eq!(Pending::from_stored(&other), Err(CORRUPT));
        let mut no_point = good.clone();
        no_point[4] = 7;
        assert_eq!(Pending::from_stored(&no_point), Err(CORRUPT));
        assert_eq!(Pending::from_stored(&good[..good.len() - 1]), Err(CORRUPT));
        assert_eq!(Pending::from_stored(&[]), Err(CORRUPT));
    }
}
