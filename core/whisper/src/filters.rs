//! Filters that people install: what arrives is opened for them and kept until they ask (`whisper.md` 5.11).
//!
//! ```text
//!  offer(envelope) ──▶ index: topic → keys ──▶ waiting ──▶ OpenJob: some keys try ──▶ OpenDone
//!                             anywhere → keys       ▲         │ none of them opens       │ one does
//!                                                   └─────────┘ the next keys            ▼
//!                                               take(filter) ◀── one copy for all filters with that key
//! ```
//!
//! geth's rules. A filter has one key, topics (none = all), a least PoW, perhaps an author, and says whether direct
//! messages are for it. Candidates for an envelope are the filters on its topic and those without topics; for a direct
//! message only those that take such. Keys try in turn until one opens it; then the filters with that key compare their
//! PoW and author. A message is in a filter once until it is taken.
//!
//! Nobody in this workspace installs filters yet: chats listen by routes, which have keys of their own. They are for the
//! JSON-RPC of geth and status-go (`shh_newMessageFilter`, `waku_newMessageFilter` and their subscriptions), which is to
//! stand on them, and for embedders.
//!
//! - Owns: filters, the envelopes that wait for a trial, the messages that wait to be taken.
//! - Inputs: [`Filters::install`], [`Filters::remove`], [`Filters::take`], [`Filters::offer`], [`Filters::job_done`],
//!   [`Filters::job_failed`]. Outputs: [`Filters::poll_job`], to be polled after each input. No timers.
//! - Each key tries once per envelope, however many filters have it, and only if one of them could take the message: ten
//!   thousand filters on other topics cost a look into a map.
//! - A job tries at most [`MAX_TRIALS`] keys; what is left follows in another. Envelopes that wait are bounded as those of
//!   the inbox are, messages by count and bytes, for each filter and for all: above that the oldest is dropped and
//!   counted.
//! - An envelope is for the filters that were there when it came. Messages are taken in the order in which their
//!   envelopes came, whatever job was done first.
//! - Same inputs, same outputs.
//!
//! DEVIATION: geth polls in random order, keeps messages without bound, tries a key again for each filter that has it, and
//! takes the PoW of a direct message for 0 until a filter without a least PoW has opened it; here it is what it is
//! (tests `filters_are_those_of_the_model`, `direct_messages_have_their_own_work`, `what_is_kept_is_bounded`).
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use undertone_base::Secret;
//! use undertone_crypto::MemoryKeyring;
//! use undertone_whisper::Topic;
//! use undertone_whisper::filters::{Filter, FilterKey, Filters};
//!
//! let mut filters = Filters::new(Arc::new(MemoryKeyring::new()));
//! let key = FilterKey::Symmetric(Arc::new(Secret::new([7; 32])));
//! let id = filters.install(Filter { topics: [Topic::of("status")].into(), ..Filter::of(key) })?;
//! // … offer envelopes, run jobs …
//! assert!(filters.take(id)?.is_empty());
//! # Ok::<(), undertone_whisper::filters::FilterError>(())
//! ```

mod index;
mod job;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use undertone_base::{FaultClass, Secret};
use undertone_crypto::{KeyId, Keyring, PublicKey, keccak256};

use self::index::{Index, KeyPrint};
use self::job::Opener;
pub use self::job::{OpenDone, OpenId, OpenJob};
pub use self::store::Message;
use self::store::Store;
use crate::limits::{
    MAX_FILTER_TOPICS, MAX_FILTERS, MAX_INBOX, MAX_INBOX_BYTES, MAX_INDEXED_TOPICS, MAX_JOBS, MAX_TRIALS,
};
use crate::{Envelope, Pow, RawEnvelope, Topic};

/// Names an installed filter. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FilterId(u64);

/// What opens messages for a filter: one key or the other, never both.
#[derive(Clone, Debug)]
pub enum FilterKey {
    /// A key pair of the keyring.
    Asymmetric(KeyId),
    /// A shared key.
    Symmetric(Arc<Secret<32>>),
}

/// What somebody wants to read.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What opens it.
    pub key: FilterKey,
    /// Whose messages alone; `None` = anybody's, unsigned ones too.
    pub from: Option<PublicKey>,
    /// On these topics, exactly; none = on all of them.
    pub topics: BTreeSet<Topic>,
    /// Least PoW as geth counts it; 0 = any.
    pub min_pow: Pow,
    /// Whether messages from trusted peers, which nothing was checked of, are read too.
    pub direct: Direct,
}

impl Filter {
    /// Everything that a key opens.
    pub const fn of(key: FilterKey) -> Self {
        Self { key, from: None, topics: BTreeSet::new(), min_pow: Pow::ZERO, direct: Direct::Ignored }
    }

    /// Whether an envelope may be for it, before anybody knows what is inside.
    fn may_take(&self, arrival: Arrival, pow: &mut LazyPow<'_>) -> bool {
        let heard = arrival == Arrival::Broadcast || self.direct == Direct::Taken;
        heard && (self.min_pow == Pow::ZERO || pow.get() >= self.min_pow.value())
    }
}

/// What a filter does about direct messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direct {
    /// They are not for it.
    #[default]
    Ignored,
    /// It takes them as well.
    Taken,
}

/// How an envelope came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// Through the pool: size, times, work and topic were checked.
    Broadcast,
    /// From a trusted peer, unchecked (packet 127).
    Direct,
}

/// Why a call was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A shared key of zeros, as senders refuse it.
    #[error("a key of zeros opens nothing")]
    InvalidKey,
    /// No filter has this id.
    #[error("no such filter")]
    NotFound,
    /// [`MAX_FILTERS`] are installed.
    #[error("more than {MAX_FILTERS} filters")]
    TooManyFilters,
    /// More than [`MAX_FILTER_TOPICS`], or [`MAX_INDEXED_TOPICS`] with those of all filters.
    #[error("too many topics for filters: {MAX_FILTER_TOPICS} for one, {MAX_INDEXED_TOPICS} for all")]
    TooManyTopics,
    /// The keyring has no such key pair.
    #[error("no such key pair")]
    UnknownKey,
}

impl FilterError {
    /// Whoever called.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidKey => "filter.invalid_key",
            Self::NotFound => "filter.not_found",
            Self::TooManyFilters => "filter.too_many",
            Self::TooManyTopics => "filter.too_many_topics",
            Self::UnknownKey => "filter.unknown_key",
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Envelopes that some filter could take.
    pub candidates: u64,
    /// Attempts to open one, each with one key.
    pub trials: u64,
    /// Envelopes that a key opened.
    pub opened: u64,
    /// Messages put into filters, counted in each.
    pub delivered: u64,
    /// Envelopes that were not tried to the end because too many waited.
    pub dropped: u64,
    /// Messages that were lost in a filter because nobody took them.
    pub untaken: u64,
}

/// Installed filters and what is in them.
pub struct Filters {
    keyring: Arc<dyn Keyring>,
    installed: BTreeMap<FilterId, Installed>,
    index: Index,
    store: Store,
    /// Waiting for a job, oldest first, but for those with more keys to try, which go before.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    running: BTreeMap<OpenId, Running>,
    next_filter: u64,
    next_arrival: u64,
    next_job: u64,
    stats: Stats,
}

struct Installed {
    filter: Filter,
    print: KeyPrint,
}

/// An envelope on its way through the keys.
struct Waiting {
    envelope: Envelope,
    how: Arrival,
    /// Its place among all that came.
    arrival: u64,
    /// Filters from this one on came later.
    before: FilterId,
    /// The last key that has tried; the next ones follow it in the order of prints.
    tried: Option<KeyPrint>,
}

struct Running {
    work: Waiting,
    last: KeyPrint,
}

impl Filters {
    /// No filters. Key pairs are those of `keyring`.
    pub fn new(keyring: Arc<dyn Keyring>) -> Self {
        Self {
            keyring,
            installed: BTreeMap::new(),
            index: Index::default(),
            store: Store::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            running: BTreeMap::new(),
            next_filter: 0,
            next_arrival: 0,
            next_job: 0,
            stats: Stats::default(),
        }
    }

    /// Envelopes that are offered from now on are looked at for it.
    ///
    /// # Errors
    /// All but [`FilterError::NotFound`].
    pub fn install(&mut self, filter: Filter) -> Result<FilterId, FilterError> {
        let print = self.print_of(&filter.key)?;
        if self.installed.len() >= MAX_FILTERS {
            return Err(FilterError::TooManyFilters);
        }
        let topics = filter.topics.len();
        if topics > MAX_FILTER_TOPICS || self.index.len().saturating_add(topics) > MAX_INDEXED_TOPICS {
            return Err(FilterError::TooManyTopics);
        }
        let id = FilterId(self.next_filter);
        self.next_filter += 1;
        self.index.insert(id, print, &filter.topics);
        self.installed.insert(id, Installed { filter, print });
        Ok(id)
    }

    fn print_of(&self, key: &FilterKey) -> Result<KeyPrint, FilterError> {
        match key {
            FilterKey::Asymmetric(id) => {
                self.keyring.public(id).ok_or(FilterError::UnknownKey)?;
                Ok(KeyPrint::Asymmetric(*id))
            }
            FilterKey::Symmetric(key) if key.ct_eq(&Secret::new([0; 32])).into() => {
                Err(FilterError::InvalidKey)
            }
            FilterKey::Symmetric(key) => Ok(KeyPrint::Symmetric(keccak256(key.expose()))),
        }
    }

    /// Forgets a filter and what is in it.
    ///
    /// # Errors
    /// [`FilterError::NotFound`].
    pub fn remove(&mut self, id: FilterId) -> Result<(), FilterError> {
        let Installed { filter, print } = self.installed.remove(&id).ok_or(FilterError::NotFound)?;
        self.index.remove(id, print, &filter.topics);
        self.store.take(id);
        Ok(())
    }

    /// What arrived since the last call, in the order in which it came.
    ///
    /// # Errors
    /// [`FilterError::NotFound`].
    pub fn take(&mut self, id: FilterId) -> Result<Vec<Arc<Message>>, FilterError> {
        self.filter(id).ok_or(FilterError::NotFound)?;
        Ok(self.store.take(id))
    }

    /// Looks whose an envelope may be. That it is new, or that its sender is trusted, is for the caller to know.
    pub fn offer(&mut self, envelope: &Envelope, how: Arrival) {
        let before = FilterId(self.next_filter);
        let arrival = self.next_arrival;
        let work = Waiting { envelope: envelope.clone(), how, arrival, before, tried: None };
        if self.keys_for(&work).next().is_none() {
            return;
        }
        self.next_arrival += 1;
        self.stats.candidates += 1;
        let size = work.envelope.bytes().len();
        while self.waiting.len() >= MAX_INBOX || self.waiting_bytes.saturating_add(size) > MAX_INBOX_BYTES {
            if self.pop_waiting().is_none() {
                break;
            }
            self.stats.dropped += 1;
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(size);
        self.waiting.push_back(work);
    }

    /// The keys that have not tried this envelope, and of which some filter could take it.
    fn keys_for<'a>(&'a self, work: &'a Waiting) -> impl Iterator<Item = KeyPrint> + 'a {
        let mut pow = LazyPow::of(&work.envelope);
        self.index.keys_after(work.envelope.topic(), work.tried).filter(move |print| {
            let filters = self.index.filters(work.envelope.topic(), *print);
            let mut filters = filters.filter(|id| *id < work.before).filter_map(|id| self.filter(id));
            filters.any(|filter| filter.may_take(work.how, &mut pow))
        })
    }

    fn pop_waiting(&mut self) -> Option<Waiting> {
        let work = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(work.envelope.bytes().len());
        Some(work)
    }

    /// Work to do, until `None`. At most [`MAX_JOBS`] are out at once: ask again after each result.
    pub fn poll_job(&mut self) -> Option<OpenJob> {
        while self.running.len() < MAX_JOBS {
            let work = self.pop_waiting()?;
            let openers: Vec<_> = self
                .keys_for(&work)
                .take(MAX_TRIALS)
                .filter_map(|print| Some((print, self.opener(work.envelope.topic(), print)?)))
                .collect();
            // Whoever could have taken it may be gone.
            let Some((last, _)) = openers.last() else { continue };
            let last = *last;
            self.stats.trials += u64::try_from(openers.len()).unwrap_or(u64::MAX);
            self.next_job += 1;
            let id = OpenId(self.next_job);
            let job = OpenJob::new(id, work.envelope.clone(), openers, self.keyring.clone());
            self.running.insert(id, Running { work, last });
            return Some(job);
        }
        None
    }

    /// A key, from any filter that has it.
    fn opener(&self, topic: Topic, print: KeyPrint) -> Option<Opener> {
        let id = self.index.filters(topic, print).next()?;
        Some(match &self.installed.get(&id)?.filter.key {
            FilterKey::Asymmetric(key) => Opener::Asymmetric(*key),
            FilterKey::Symmetric(key) => Opener::Symmetric(key.clone()),
        })
    }

    /// Takes the result of a job. A result that was not asked for is ignored.
    pub fn job_done(&mut self, done: OpenDone) {
        let Some(Running { work, last }) = self.running.remove(&done.id) else { return };
        match done.opened {
            Some((print, message)) => self.deliver(&work, print, Arc::new(*message)),
            None => self.go_on(Waiting { tried: Some(last), ..work }),
        }
    }

    /// A job that ends without a result: it panicked, which is a bug, or the shell could not run it. Its keys count as
    /// tried. A job that is not out is ignored.
    pub fn job_failed(&mut self, id: OpenId) {
        self.job_done(OpenDone { id, opened: None });
    }

    fn go_on(&mut self, work: Waiting) {
        if self.keys_for(&work).next().is_some() {
            self.waiting_bytes = self.waiting_bytes.saturating_add(work.envelope.bytes().len());
            self.waiting.push_front(work);
        }
    }

    fn deliver(&mut self, work: &Waiting, print: KeyPrint, message: Arc<Message>) {
        self.stats.opened += 1;
        let mut pow = LazyPow::known(message.pow);
        let candidates = self.index.filters(work.envelope.topic(), print).filter(|id| *id < work.before);
        let takers: Vec<FilterId> = candidates
            .filter(|id| {
                self.filter(*id).is_some_and(|filter| {
                    let by = filter.from.is_none_or(|author| message.author == Some(author));
                    by && filter.may_take(work.how, &mut pow)
                })
            })
            .collect();
        let put = self.store.put(work.arrival, &message, &takers);
        self.stats.delivered += put.filled;
        self.stats.untaken += put.dropped;
    }

    /// The filter, as it was installed.
    pub fn filter(&self, id: FilterId) -> Option<&Filter> {
        self.installed.get(&id).map(|installed| &installed.filter)
    }

    /// How many filters are installed.
    pub fn len(&self) -> usize {
        self.installed.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.installed.is_empty()
    }

    /// Messages that wait to be taken, each counted once, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        self.store.kept()
    }

    /// What was done so far.
    pub const fn stats(&self) -> Stats {
        self.stats
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters")
            .field("installed", &self.installed.len())
            .field("waiting", &self.waiting.len())
            .field("running", &self.running.len())
            .field("kept", &self.store.kept().0)
            .finish_non_exhaustive()
    }
}

/// The PoW of an envelope as geth counts it, hashed when somebody asks first.
struct LazyPow<'a> {
    envelope: Option<&'a Envelope>,
    pow: f64,
}

impl<'a> LazyPow<'a> {
    const fn of(envelope: &'a Envelope) -> Self {
        Self { envelope: Some(envelope), pow: 0.0 }
    }

    const fn known(pow: f64) -> Self {
        Self { envelope: None, pow }
    }

    fn get(&mut self) -> f64 {
        if let Some(envelope) = self.envelope.take() {
            self.pow = pow_of(envelope);
        }
        self.pow
    }
}

/// What geth counts, without its correction for clocks that are behind.
fn pow_of(envelope: &Envelope) -> f64 {
    RawEnvelope::decode(envelope.bytes()).map_or(0.0, |raw| raw.work().geth(raw.header.ttl))
}
