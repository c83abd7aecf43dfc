//! Rows of table Contact.

use prost::Message as _;
use undertone_base::{StoreError, Unix};

use super::{FORMAT, check_format};
use crate::contact::{Contact, ContactState, Verification, VerifiedBy};
use crate::{Pfs, proto};

const CONTACT: StoreError = StoreError::Corrupt("contact");

/// What is kept of a person.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ContactRow {
    /// What was said of this person; none for what the default says.
    pub(crate) pfs: Option<Pfs>,
    /// When it was last told of our devices because its message was not for this one.
    pub(crate) answered: Option<Unix>,
    /// It has sent us something through the ratchet.
    pub(crate) shown_pfs: bool,
    /// It may write to us without, although it has.
    pub(crate) weaker_allowed: bool,
    /// We have added it.
    pub(crate) added: bool,
    /// We hear nothing of it.
    pub(crate) blocked: bool,
    /// What we call it; empty for nothing.
    pub(crate) nickname: String,
    pub(crate) verified: Option<Verification>,
    /// Up to this clock nothing that it wrote is shown again; 0 for none.
    pub(crate) declined: u64,
    /// A message of its devices could not be read for want of a session, and none was read since.
    pub(crate) session_lost: bool,
    /// What it said of itself when it told us that it had added us.
    pub(crate) claim: Option<Claim>,
    /// We have told it that we have added it.
    pub(crate) told: bool,
    /// The clock of what we told it last; 0 for nothing.
    pub(crate) told_clock: u64,
    /// Nothing but its devices is known of it, from what it said where everybody may speak: when it was last heard.
    pub(crate) acquaintance: Option<Unix>,
    /// How often it was told of our devices again since `answered`, because it has a new one.
    pub(crate) answers: u32,
    /// When a person was told last that a bundle of its messages was left out.
    pub(crate) dropped_told: Option<Unix>,
}

/// What a person claims of itself. Nobody has checked it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Claim {
    pub(crate) clock: u64,
    pub(crate) ens_name: String,
    pub(crate) picture: String,
}

impl ContactRow {
    /// As it is shown, where messages go by `default` to whomever nothing else was said of.
    pub(crate) fn contact(&self, key: undertone_crypto::PublicKey, default: Pfs) -> Contact {
        let state = match self {
            Self { blocked: true, .. } => ContactState::Blocked,
            Self { verified: Some(_), .. } => ContactState::Verified,
            Self { added: true, .. } => ContactState::Added,
            _ => ContactState::Unknown,
        };
        let claimed =
            |what: fn(&Claim) -> &String| self.claim.as_ref().map(what).filter(|s| !s.is_empty()).cloned();
        Contact {
            key,
            state,
            nickname: Some(self.nickname.clone()).filter(|name| !name.is_empty()),
            verification: self.verified,
            pfs: self.pfs.unwrap_or(default),
            pfs_chosen: self.pfs,
            shown_pfs: self.shown_pfs,
            weaker_allowed: self.weaker_allowed,
            has_added_us: self.claim.is_some(),
            told: self.told,
            claimed_ens: claimed(|claim| &claim.ens_name),
            picture: claimed(|claim| &claim.picture),
        }
    }

    /// Whether we have said anything about this person but that its chat was declined once.
    pub(crate) const fn is_kept(&self) -> bool {
        self.pfs.is_some()
            || self.weaker_allowed
            || self.added
            || self.blocked
            || self.verified.is_some()
            || self.told
    }

    /// Whether we have said anything about this person.
    pub(crate) const fn is_decided(&self) -> bool {
        self.is_kept() || self.declined != 0
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::Contact {
            format: FORMAT,
            pfs_off: self.pfs == Some(Pfs::Off),
            answered_ms: self.answered.map_or(0, Unix::millis),
            shown_pfs: self.shown_pfs,
            weaker_allowed: self.weaker_allowed,
            added: self.added,
            blocked: self.blocked,
            nickname: self.nickname.clone(),
            verified_ms: self.verified.map_or(0, |verified| verified.at.millis()),
            verified_by: self.verified.map_or(0, |verified| number(verified.by)),
            declined_clock: self.declined,
            pfs_on: self.pfs == Some(Pfs::On),
            session_lost: self.session_lost,
            claim: self.claim.as_ref().map(|claim| proto::ContactClaim {
                clock: claim.clock,
                ens_name: claim.ens_name.clone(),
                picture: claim.picture.clone(),
            }),
            told: self.told,
            told_clock: self.told_clock,
            acquaintance_ms: self.acquaintance.map_or(0, Unix::millis),
            answers: self.answers,
            dropped_told_ms: self.dropped_told.map_or(0, Unix::millis),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::Contact::decode(bytes).map_err(|_| CONTACT)?;
        check_format(row.format, CONTACT)?;
        let verified = match row.verified_by {
            0 => None,
            by => Some(Verification {
                by: verified_by(by).ok_or(CONTACT)?,
                at: Unix::from_millis(row.verified_ms),
            }),
        };
        Ok(Self {
            pfs: match (row.pfs_off, row.pfs_on) {
                (true, _) => Some(Pfs::Off),
                (false, true) => Some(Pfs::On),
                (false, false) => None,
            },
            answered: Some(Unix::from_millis(row.answered_ms)).filter(|at| *at != Unix::default()),
            shown_pfs: row.shown_pfs,
            weaker_allowed: row.weaker_allowed,
            added: row.added,
            blocked: row.blocked,
            nickname: row.nickname,
            verified,
            declined: row.declined_clock,
            session_lost: row.session_lost,
            claim: row.claim.map(|claim| Claim {
                clock: claim.clock,
                ens_name: claim.ens_name,
                picture: claim.picture,
            }),
            told: row.told,
            told_clock: row.told_clock,
            acquaintance: Some(Unix::from_millis(row.acquaintance_ms)).filter(|at| *at != Unix::default()),
            answers: row.answers,
            dropped_told: Some(Unix::from_millis(row.dropped_told_ms)).filter(|at| *at != Unix::default()),
        })
    }
}

const fn number(by: VerifiedBy) -> u32 {
    match by {
        VerifiedBy::CodeFaceToFace => 1,
        VerifiedBy::CodeOverCall => 2,
        VerifiedBy::QrCode => 3,
    }
}

const fn verified_by(number: u32) -> Option<VerifiedBy> {
    Some(match number {
        1 => VerifiedBy::CodeFaceToFace,
        2 => VerifiedBy::CodeOverCall,
        3 => VerifiedBy::QrCode,
        _ => return None,
    })
}
