//! CPU work as data: deriving keys, sealing, opening.

use std::fmt;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use undertone_base::Secret;
use undertone_crypto::kdf::topic_key;
use undertone_crypto::{KeyId, Keyring, PublicKey};
use undertone_sealed::{Padding, SealRequest, SealTo, open_asymmetric, open_symmetric, seal};
use undertone_transport::Listen;
use zeroize::Zeroizing;

use crate::envelope::{Envelope, Header};
use crate::pow::{Pow, Search, SearchStep};
use crate::transport::inbox::Delivery;

/// Names a job. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId(pub(crate) u64);

/// Work that the shell runs on its pool, wherever and whenever; a simulator runs it inline. Pure: the same job
/// gives the same result. Holds keys: drop it to forget it.
pub struct Job {
    pub(crate) id: JobId,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Derive { name: Zeroizing<String> },
    Open(Box<OpenWork>),
    Seal(Box<SealWork>),
    Search(Box<Search>),
}

/// A trial decryption of one envelope by everybody who listens on its topic.
pub(crate) struct OpenWork {
    pub(crate) envelope: Envelope,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) keyring: Arc<dyn Keyring>,
}

/// A listener and what opens what arrives there.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) listen: Listen,
    pub(crate) opener: Opener,
}

#[derive(Clone, Debug)]
pub(crate) enum Opener {
    Asymmetric(KeyId),
    Symmetric(Arc<Secret<32>>),
}

/// One payload on its way into an envelope.
pub(crate) struct SealWork {
    pub(crate) keyring: Arc<dyn Keyring>,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) sign_as: KeyId,
    pub(crate) to: SealKey,
    pub(crate) header: Header,
    pub(crate) target: Pow,
    pub(crate) rng: ChaCha20Rng,
}

#[derive(Clone, Debug)]
pub(crate) enum SealKey {
    Asymmetric(PublicKey),
    Symmetric(Arc<Secret<32>>),
}

/// How far a job got.
#[derive(Debug)]
pub enum Step {
    /// Run it again.
    Continue(Job),
    /// Give it back.
    Done(JobDone),
}

/// The result of a job, to be given back with [`job_done`](crate::WhisperTransport::job_done).
#[derive(Debug)]
pub struct JobDone {
    pub(crate) id: JobId,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    Key(Secret<32>),
    /// `None`: nobody here could open it, or it is not signed.
    Opened(Option<Box<Delivery>>),
    /// `None`: no such key any more, or no proof of work found.
    Sealed(Option<Box<Envelope>>),
}

impl Job {
    /// Its id.
    pub const fn id(&self) -> JobId {
        self.id
    }

    /// Runs it to the end.
    pub fn run(self) -> JobDone {
        let mut job = self;
        loop {
            match job.step(u64::MAX) {
                Step::Continue(more) => job = more,
                Step::Done(done) => return done,
            }
        }
    }

    /// Runs a slice of it: at most `attempts` hashes of a proof of work, or one other piece of work.
    pub fn step(self, attempts: u64) -> Step {
        let id = self.id;
        let outcome = match self.work {
            Work::Derive { name } => Outcome::Key(topic_key(&name)),
            Work::Open(work) => work.run(),
            Work::Seal(work) => match work.run() {
                Some(search) => {
                    return Step::Continue(Self { id, work: Work::Search(Box::new(search)) });
                }
                None => Outcome::Sealed(None),
            },
            Work::Search(search) => match search.run(attempts) {
                SearchStep::Continue(search) => {
                    return Step::Continue(Self { id, work: Work::Search(Box::new(search)) });
                }
                SearchStep::Done(result) => Outcome::Sealed(result.ok().map(Box::new)),
            },
        };
        Step::Done(JobDone { id, outcome })
    }
}

impl OpenWork {
    /// The first that opens it has it. What is not signed is nobody's: nothing above takes it.
    fn run(self) -> Outcome {
        let data = self.envelope.data();
        let opened = self.candidates.into_iter().find_map(|candidate| {
            let opened = match &candidate.opener {
                Opener::Asymmetric(key) => open_asymmetric(self.keyring.as_ref(), *key, data),
                Opener::Symmetric(key) => open_symmetric(key, data),
            };
            Some((candidate.listen, opened.ok()?))
        });
        Outcome::Opened(opened.and_then(|(listen, opened)| {
            let author = opened.author?;
            Some(Box::new(Delivery { envelope: self.envelope, listen, author, payload: opened.payload }))
        }))
    }
}

impl SealWork {
    fn run(mut self) -> Option<Search> {
        let request = SealRequest {
            payload: &self.payload,
            signer: Some((self.keyring.as_ref(), self.sign_as)),
            seal_to: match &self.to {
                SealKey::Asymmetric(key) => SealTo::Asymmetric(key),
                SealKey::Symmetric(key) => SealTo::Symmetric(key),
            },
            padding: Padding::Auto,
        };
        let data = seal(&request, &mut self.rng).ok()?;
        Search::new(self.header, data, self.target, self.rng.next_u64()).ok()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = match self.work {
            Work::Derive { .. } => "derive",
            Work::Open(_) => "open",
            Work::Seal(_) => "seal",
            Work::Search(_) => "search",
        };
        f.debug_struct("Job").field("id", &self.id).field("work", &work).finish()
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Opened(_) => "Opened",
            Self::Sealed(_) => "Sealed",
        })
    }
}
