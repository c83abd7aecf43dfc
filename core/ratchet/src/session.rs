//! A session: a ratchet with one device of a peer, opened on one prekey.

use undertone_base::{Secret, Unix};

use crate::error::RatchetError;
use crate::installation::InstallationId;
use crate::keys::{EphemeralPublic, LocalIdentity, PrekeyId, RemoteIdentity, SessionKey};
use crate::limits::MAX_REPLACED_OPENINGS;
use crate::ratchet::{Header, Ratchet};

/// What names a session. Both identities are part of it.
///
/// DEVIATION: `security.md` S6: the original leaves the peer's identity out, so a stranger who claims the
/// peer's device can take the place of its session. Pinned by
/// `a_stranger_who_goes_by_the_name_of_a_device_takes_nothing_from_it`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionId {
    /// Our identity.
    pub own: LocalIdentity,
    /// The peer's identity.
    pub peer: RemoteIdentity,
    /// The peer's device.
    pub installation: InstallationId,
    /// The prekey that the session was opened on: the peer's if we opened it, else ours.
    pub prekey: PrekeyId,
}

/// Who opened a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// We did, on the peer's prekey.
    Initiator,
    /// The peer did, on ours.
    Responder,
}

/// A session as a value; the store keeps its [bytes](Session::to_bytes).
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) ratchet: Ratchet,
    /// The key that opened it; the initiator repeats it until the peer is heard.
    pub(crate) ephemeral: EphemeralPublic,
    pub(crate) role: Role,
    /// Whether a message of the peer was decrypted on it.
    pub(crate) heard: bool,
    /// The first eight bytes of SK until the peer is heard: of two sessions on which nobody was heard, the
    /// lower one is used (`security.md` 4.2).
    pub(crate) rank: Secret<8>,
    /// Last use in either direction.
    pub(crate) used: Unix,
    /// Whether nothing is sent on it any more: its device has lost it.
    pub(crate) closed: bool,
    /// Keys of openings that this session took the place of, oldest first: none of them opens again.
    pub(crate) replaced: Vec<EphemeralPublic>,
}

impl Session {
    pub(crate) fn new(role: Role, ratchet: Ratchet, ephemeral: EphemeralPublic, sk: &SessionKey) -> Self {
        let rank = Secret::fill(|out| {
            let (head, _) = sk.expose().split_at(out.len());
            out.copy_from_slice(head);
        });
        let used = Unix::default();
        Self { ratchet, ephemeral, role, heard: false, rank, used, closed: false, replaced: Vec::new() }
    }

    /// Remembers the opening of `old`, in whose place this session comes. Not so often that it has no end.
    pub(crate) fn replace(&mut self, old: &Self) -> bool {
        if old.replaced.len() >= MAX_REPLACED_OPENINGS {
            return false;
        }
        self.replaced.clone_from(&old.replaced);
        self.replaced.push(old.ephemeral);
        true
    }

    /// Who opened it.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether a message of the peer was decrypted on it. Until then the initiator repeats its opening.
    pub const fn is_heard(&self) -> bool {
        self.heard
    }

    /// When it was last used in either direction.
    pub const fn used(&self) -> Unix {
        self.used
    }

    /// The opening to send along, while the peer has not answered.
    pub(crate) fn opening(&self) -> Option<EphemeralPublic> {
        (self.role == Role::Initiator && !self.heard).then_some(self.ephemeral)
    }

    pub(crate) fn seal(&mut self, payload: &[u8], now: Unix) -> Result<(Header, Vec<u8>), RatchetError> {
        let sealed = self.ratchet.seal(payload)?;
        self.used = now;
        Ok(sealed)
    }

    /// A message of the peer was decrypted.
    ///
    /// DEVIATION: `security.md` S19: the original stops repeating its opening before it has decrypted the
    /// answer, so that a forged one silences it. Pinned by
    /// `an_answer_that_does_not_decrypt_does_not_silence_the_opening`.
    pub(crate) fn hear(&mut self, now: Unix) {
        self.heard = true;
        self.rank = Secret::new([0; 8]);
        self.used = now;
    }
}
