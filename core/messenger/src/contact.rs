//! What a person sees of people: who is added, verified, blocked.

use undertone_base::Unix;
use undertone_crypto::PublicKey;

use crate::io::Pfs;

/// A person as we see it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Contact {
    /// Who.
    pub key: PublicKey,
    /// What we make of it.
    pub state: ContactState,
    /// What we call it: ours alone, never sent, and no two people have the same.
    pub nickname: Option<String>,
    /// How its key was compared, and when. Stays while the person is blocked.
    pub verification: Option<Verification>,
    /// Whether what we send goes through the ratchet.
    pub pfs: Pfs,
    /// What was said of this person; none where the default decides.
    pub pfs_chosen: Option<Pfs>,
    /// Whether it has sent us something through the ratchet: from then on less is refused.
    pub shown_pfs: bool,
    /// Whether it may write to us with less all the same.
    pub weaker_allowed: bool,
    /// Whether it has told us that it has added us. Says nothing about who it is.
    pub has_added_us: bool,
    /// Whether we have told it that we have added it ([`Command::SendContactUpdate`](crate::Command)).
    pub told: bool,
    /// The ENS name that it claims. Unverified: to be shown only after the name was found to lead to its key.
    pub claimed_ens: Option<String>,
    /// The picture that it sent: a data URL of an image that nobody has looked into.
    pub picture: Option<String>,
}

impl Contact {
    /// Whether each of the two has added the other.
    pub const fn is_mutual(&self) -> bool {
        self.has_added_us && matches!(self.state, ContactState::Added | ContactState::Verified)
    }
}

/// What we claim of ourselves to those whom we tell that we have added them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Profile {
    /// Our ENS name, at most 255 bytes and ending in `.eth`; empty for none.
    pub ens_name: String,
    /// Our picture, a data URL of at most 64 KiB; empty for none.
    pub picture: String,
}

/// What we make of a person. Only commands change it, never what the person sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ContactState {
    /// We have said nothing about it.
    Unknown,
    /// We know it. Whether the key is its own we have only been told.
    Added,
    /// We have compared its key with it.
    Verified,
    /// We do not want to hear of it: what it sends is neither shown nor acknowledged nor answered, and teaches us
    /// nothing.
    Blocked,
}

impl ContactState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Added => "added",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
        }
    }
}

/// That a key was compared with the person who holds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verification {
    /// How.
    pub by: VerifiedBy,
    /// When.
    pub at: Unix,
}

/// How a key was compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum VerifiedBy {
    /// Both looked at the short code of the two keys, in one room.
    CodeFaceToFace,
    /// They read it to each other over a call: as good as their knowledge of the voice.
    CodeOverCall,
    /// Its QR code was scanned off its own screen.
    QrCode,
}

impl VerifiedBy {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CodeFaceToFace => "code-face-to-face",
            Self::CodeOverCall => "code-over-call",
            Self::QrCode => "qr-code",
        }
    }
}
