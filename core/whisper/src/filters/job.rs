//! Trial opening as data.

use std::fmt;
use std::sync::Arc;

use undertone_base::Secret;
use undertone_crypto::{KeyId, Keyring};
use undertone_sealed::{Opened, open_asymmetric, open_symmetric};

use super::index::KeyPrint;
use super::pow_of;
use super::store::Message;
use crate::Envelope;

/// Names a job. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OpenId(pub(super) u64);

/// One envelope and some keys that try it: work for the shell's pool. Pure. Holds keys: drop it to forget it.
pub struct OpenJob {
    id: OpenId,
    envelope: Envelope,
    openers: Vec<(KeyPrint, Opener)>,
    keyring: Arc<dyn Keyring>,
}

/// The result of a job, to be given back with [`job_done`](super::Filters::job_done).
pub struct OpenDone {
    pub(super) id: OpenId,
    /// What came out, and the key that opened it.
    pub(super) opened: Option<(KeyPrint, Box<Message>)>,
}

#[derive(Clone, Debug)]
pub(super) enum Opener {
    Asymmetric(KeyId),
    Symmetric(Arc<Secret<32>>),
}

impl OpenJob {
    pub(super) fn new(
        id: OpenId,
        envelope: Envelope,
        openers: Vec<(KeyPrint, Opener)>,
        keyring: Arc<dyn Keyring>,
    ) -> Self {
        Self { id, envelope, openers, keyring }
    }

    /// Its id.
    pub const fn id(&self) -> OpenId {
        self.id
    }

    /// Keys that try.
    #[cfg(test)]
    pub(super) const fn openers(&self) -> usize {
        self.openers.len()
    }

    /// Tries the keys; the first that opens it has it.
    pub fn run(self) -> OpenDone {
        let Self { id, envelope, openers, keyring } = self;
        let opened = openers.iter().find_map(|(print, opener)| {
            let Opened { payload, padding, author } = opener.open(keyring.as_ref(), envelope.data())?;
            let recipient = match opener {
                Opener::Asymmetric(key) => keyring.public(key),
                Opener::Symmetric(_) => None,
            };
            let message = Message {
                header: envelope.header(),
                hash: envelope.hash(),
                pow: pow_of(&envelope),
                author,
                recipient,
                payload,
                padding,
            };
            Some((*print, Box::new(message)))
        });
        OpenDone { id, opened }
    }
}

impl Opener {
    fn open(&self, keyring: &dyn Keyring, data: &[u8]) -> Option<Opened> {
        match self {
            Self::Asymmetric(key) => open_asymmetric(keyring, *key, data).ok(),
            Self::Symmetric(key) => open_symmetric(key, data).ok(),
        }
    }
}

impl fmt::Debug for OpenJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenJob")
            .field("id", &self.id)
            .field("keys", &self.openers.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, opened } = self;
        f.debug_struct("OpenDone").field("id", id).field("opened", &opened.is_some()).finish_non_exhaustive()
    }
}
