//! The contract of `core/transport` over the gossip machine.

mod inbox;
mod job;
mod keys;
mod outbox;
mod report;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use undertone_base::{Mono, Now, Secret};
use undertone_crypto::Keyring;
use undertone_transport::{
    Caps, Command, CommandError, Event, Failure, Flush, Listen, OpenWith, Progress, Received, Route, Send,
    SendId, Transport, Via, WireId,
};

use self::inbox::{Delivery, Inbox};
use self::job::{Candidate, OpenWork, Opener, Outcome, SealKey, SealWork, Work};
pub use self::job::{Job, JobDone, JobId, Step};
pub use self::keys::topic_of;
use self::keys::{RouteKeys, name_of};
use self::outbox::{Outbox, Outgoing, Turn};
use self::report::MAX_REPORTS;
pub use self::report::Report;
use crate::engine::{self, Config, Fault, FlushPolicy, Input, Transmit, Watch, Whisper};
use crate::envelope::{Envelope, EnvelopeHash, Header};
use crate::limits::{MAX_JOBS, MAX_PAYLOAD, MAX_TTL};
use crate::{Bloom, ClockSample, PeerId, Pow, Topic, WakuMode};

/// Payloads over this many bytes pay [`TransportConfig::large_pow`]
/// (`status-go: const largeSizeInBytes`).
pub const LARGE_PAYLOAD: usize = 50_000;

/// Which topics a node asks its peers for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Advertise {
    /// All of them: nobody learns what this node listens to, and it carries everything.
    Everything,
    /// Those it listens to. Bits are only ever added: taking one away would name its topic.
    #[default]
    Interest,
}

/// How [`WhisperTransport`] works.
#[derive(Clone, Copy, Debug)]
pub struct TransportConfig {
    /// The gossip below. Its bloom filter is set by [`TransportConfig::advertise`], which also says whether
    /// [`Config::waku`] is overruled by [`WakuMode::Full`].
    pub gossip: Config,
    /// Which topics are asked for.
    pub advertise: Advertise,
    /// Life of an envelope in seconds, 1..=[`MAX_TTL`].
    pub ttl: u32,
    /// PoW of payloads up to [`LARGE_PAYLOAD`].
    pub pow: Pow,
    /// PoW of larger ones.
    pub large_pow: Pow,
    /// When every connected peer asks for more than these, the least that one of them asks is paid, up to
    /// this: a geth that runs with its default of 0.2 would otherwise never be sent anything.
    pub max_pow: Pow,
    /// Whether what happens to envelopes is reported ([`WhisperTransport::poll_report`]).
    pub report: bool,
}

impl Default for TransportConfig {
    /// What status-go does: 15 s, 0.002, 0.000002 for large payloads; at most geth's default of 0.2 on demand.
    fn default() -> Self {
        Self {
            gossip: Config::default(),
            advertise: Advertise::Interest,
            ttl: 15,
            pow: Pow::STATUS,
            large_pow: Pow::STATUS_LARGE,
            max_pow: Pow::GETH,
            report: false,
        }
    }
}

/// Whisper as a [`Transport`]: above, routes and payloads; below, peers and packets; beside, jobs.
///
/// The shell gives what peers do to [`WhisperTransport::handle`], drains [`WhisperTransport::poll_transmit`] and
/// [`WhisperTransport::poll_job`], and gives results to [`WhisperTransport::job_done`]. Poll order after every
/// call: events, jobs, transmits, `poll_timeout`.
pub struct WhisperTransport {
    engine: Whisper,
    keyring: Arc<dyn Keyring>,
    config: TransportConfig,
    rng: ChaCha20Rng,
    keys: RouteKeys,
    listening: BTreeMap<Topic, BTreeSet<Listen>>,
    /// Every topic that was ever listened to.
    asked: BTreeSet<Topic>,
    outbox: Outbox,
    inbox: Inbox,
    /// Derivations and seals that nobody has taken yet.
    jobs: VecDeque<Job>,
    deriving: BTreeMap<JobId, Route>,
    running: BTreeSet<JobId>,
    next_job: u64,
    events: VecDeque<Event>,
    reports: VecDeque<Report>,
    lost_reports: u64,
}

impl WhisperTransport {
    /// A transport that signs and opens with the keys of `keyring`. All its randomness comes from `seed`, which
    /// must be fresh in every run.
    pub fn new(mut config: TransportConfig, keyring: Arc<dyn Keyring>, seed: &Secret<32>) -> Self {
        config.ttl = config.ttl.clamp(1, MAX_TTL);
        config.gossip.bloom = match config.advertise {
            Advertise::Everything => None,
            Advertise::Interest => Some(Bloom::EMPTY),
        };
        if config.advertise == Advertise::Everything {
            config.gossip.waku = WakuMode::Full;
        }
        if config.report && config.gossip.watch == Watch::Subscribed {
            config.gossip.watch = Watch::All;
        }
        let mut rng = ChaCha20Rng::from_seed(*seed.expose());
        let mut gossip_seed = [0; 32];
        rng.fill_bytes(&mut gossip_seed);
        Self {
            engine: Whisper::with_seed(&config.gossip, &Secret::new(gossip_seed)),
            keyring,
            config,
            rng,
            keys: RouteKeys::default(),
            listening: BTreeMap::new(),
            asked: BTreeSet::new(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            jobs: VecDeque::new(),
            deriving: BTreeMap::new(),
            running: BTreeSet::new(),
            next_job: 0,
            events: VecDeque::new(),
            reports: VecDeque::new(),
            lost_reports: 0,
        }
    }

    /// Takes what a peer did, or a change of wishes. [`Input::SetBloom`] and subscriptions belong to the machine.
    ///
    /// # Errors
    /// As [`Whisper::handle`].
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Fault> {
        let result = self.engine.handle(now, input);
        self.settle(now);
        result
    }

    /// What to send next, until `None`.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        self.engine.poll_transmit(now)
    }

    /// Work to do, until `None`. At most [`MAX_JOBS`] are out at once: ask again after each result.
    pub fn poll_job(&mut self) -> Option<Job> {
        if self.running.len() >= MAX_JOBS {
            return None;
        }
        let job = self.jobs.pop_front().or_else(|| {
            let (id, work) = self.inbox.start()?;
            Some(Job { id, work: Work::Open(work) })
        })?;
        self.running.insert(job.id);
        Some(job)
    }

    /// Takes the result of a job. A result that was not asked for is ignored.
    pub fn job_done(&mut self, now: Now, done: JobDone) {
        if !self.running.remove(&done.id) {
            return;
        }
        match done.outcome {
            Outcome::Key(key) => {
                if let Some(route) = self.deriving.remove(&done.id) {
                    self.keys.derived(route.clone(), key);
                    self.look_back(&route);
                }
            }
            Outcome::Opened(delivery) => {
                for delivery in self.inbox.finish(done.id, delivery, now.mono) {
                    self.deliver(delivery);
                }
            }
            Outcome::Sealed(envelope) => self.sealed(now, done.id, envelope.map(|e| *e)),
        }
        self.settle(now);
    }

    /// A job that ends without a result: it panicked, which is a bug, or the shell could not run it. What waited for
    /// it goes on without: its place among the results is given up, its send fails. A job that is not out is ignored.
    pub fn job_failed(&mut self, now: Now, id: JobId) {
        if !self.running.remove(&id) {
            return;
        }
        if let Some(route) = self.deriving.remove(&id) {
            self.keys.failed(&route);
            for turn in self.outbox.waiting_on(&route) {
                self.fail(turn, Failure::Refused);
            }
        }
        self.sealed(now, id, None);
        for delivery in self.inbox.finish(id, None, now.mono) {
            self.deliver(delivery);
        }
        self.settle(now);
    }

    /// What happened to envelopes, until `None`. Nothing unless [`TransportConfig::report`] asks for it.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Reports that were dropped because too many waited.
    pub const fn lost_reports(&self) -> u64 {
        self.lost_reports
    }

    /// As [`Whisper::take_news`].
    pub fn take_news(&mut self, out: &mut Vec<(PeerId, u32)>) {
        self.engine.take_news(out);
    }

    /// As [`Whisper::poll_clock_sample`].
    pub fn poll_clock_sample(&mut self) -> Option<ClockSample> {
        self.engine.poll_clock_sample()
    }

    /// The gossip machine, to look at.
    pub const fn engine(&self) -> &Whisper {
        &self.engine
    }

    /// Envelopes on our topics that were dropped because too many waited to be opened.
    pub const fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    fn settle(&mut self, now: Now) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                engine::Event::Accepted { envelope, from: Some(from) } => {
                    self.report(|| Report::Carried { envelope: envelope.clone(), from });
                    self.arrived(envelope, None);
                }
                engine::Event::Accepted { from: None, .. } | engine::Event::PeerReady(_) => {}
                engine::Event::Confirmed { hash, peer, batch } => {
                    self.report(|| Report::Confirmed { hash, peer, batch });
                    self.taken(&hash);
                }
                engine::Event::Returned { hash, peer } => {
                    self.report(|| Report::Returned { hash, peer });
                    self.taken(&hash);
                }
                engine::Event::Sent { hash, peer } => {
                    self.report(|| Report::Sent { hash, peer });
                    self.taken(&hash);
                }
                engine::Event::Ended(hash) => self.ended(&hash),
                engine::Event::Expired(hash) => self.report(|| Report::Expired(hash)),
                engine::Event::Received { hash, peer } => {
                    self.report(|| Report::Arrived { hash, from: peer });
                }
                // Another peer may take it; if none does it ends.
                engine::Event::Refused { hash, peer, clock, .. } => {
                    if let Some(send) = self.outbox.refused(&hash, clock) {
                        self.report(|| Report::Refused { send, peer, clock });
                    }
                }
                // Messages are stored by whoever they are delivered to; the pool is all that a client relays from.
                engine::Event::AckReady { ack, .. } => self.tell(now, Input::Durable(ack)),
                // Whom the shell trusts may bring what is old, and what no filter let through.
                engine::Event::Direct { envelope, .. } => self.arrived(envelope, None),
                // A client is no mail server.
                engine::Event::Request { .. } => {}
            }
        }
        self.start_seals(now);
    }

    fn listen(&mut self, now: Now, listen: Listen) -> Result<(), CommandError> {
        if let OpenWith::Identity(key) = listen.open_with {
            self.keyring.public(&key).ok_or(CommandError::UnknownKey)?;
        }
        if listen.route.is_sealed_to_a_key() != matches!(listen.open_with, OpenWith::Identity(_)) {
            return Err(CommandError::Recipient);
        }
        let topic = topic_of(&listen.route).ok_or(CommandError::Unsupported)?;
        let route = listen.route.clone();
        if !self.listening.entry(topic).or_default().insert(listen) {
            return Ok(());
        }
        self.tell(now, Input::Subscribe(topic));
        self.ask_for(now, topic);
        self.need_key(&route);
        self.look_back(&route);
        Ok(())
    }

    /// Nothing is ever taken back: that would say which topic it was.
    fn ask_for(&mut self, now: Now, topic: Topic) {
        if self.config.advertise == Advertise::Everything || !self.asked.insert(topic) {
            return;
        }
        let bloom = self.engine.status().bloom.map(|old| old.union(&Bloom::of_listener(topic)));
        // Nobody else is told them, and they may be many.
        let named = self.config.gossip.waku == WakuMode::Topics;
        let topics = self.asked.iter().filter(|_| named).copied().collect();
        self.tell(now, Input::SetInterest { bloom, topics });
    }

    fn unlisten(&mut self, now: Now, listen: &Listen) {
        let Some(topic) = topic_of(&listen.route) else { return };
        let Some(listeners) = self.listening.get_mut(&topic) else { return };
        if listeners.remove(listen) {
            if listeners.is_empty() {
                self.listening.remove(&topic);
            }
            self.tell(now, Input::Unsubscribe(topic));
        }
    }

    /// An input that cannot fail.
    fn tell(&mut self, now: Now, input: Input<'_>) {
        let told = self.engine.handle(now, input);
        debug_assert!(told.is_ok(), "wishes and subscriptions have no fault");
    }

    fn send(&mut self, now: Now, send: Send) -> Result<(), CommandError> {
        if send.payload.len() > MAX_PAYLOAD {
            return Err(CommandError::TooLarge { got: send.payload.len(), max: MAX_PAYLOAD });
        }
        if send.route.is_sealed_to_a_key() != send.to.is_some() {
            return Err(CommandError::Recipient);
        }
        self.keyring.public(&send.sign_as).ok_or(CommandError::UnknownKey)?;
        let topic = topic_of(&send.route).ok_or(CommandError::Unsupported)?;
        let route = send.route.clone();
        self.set_flush(now, send.flush);
        let outgoing = Outgoing {
            id: send.id,
            route: send.route,
            topic,
            to: send.to,
            sign_as: send.sign_as,
            payload: send.payload.into(),
            stale: 0,
            clock: None,
        };
        if !self.outbox.push(outgoing) {
            self.progress(send.id, Progress::Failed(Failure::Overloaded));
            return Ok(());
        }
        self.progress(send.id, Progress::Queued);
        self.need_key(&route);
        Ok(())
    }

    /// The last word on when messages leave holds for all that leaves, relayed envelopes too: if own ones alone took their
    /// time, that would show whose they are.
    fn set_flush(&mut self, now: Now, flush: Flush) {
        let policy = match flush {
            Flush::Blended => FlushPolicy::Blended,
            Flush::Fast => FlushPolicy::Fast,
        };
        if policy != self.engine.flush_policy() {
            self.tell(now, Input::SetFlush(policy));
        }
    }

    /// Starts to derive the key of a symmetric route, if that was not done before.
    fn need_key(&mut self, route: &Route) {
        if route.is_sealed_to_a_key() {
            return;
        }
        let in_use = |route: &Route| {
            let listened = topic_of(route).and_then(|topic| self.listening.get(&topic));
            listened.is_some_and(|all| all.iter().any(|l| l.route == *route)) || self.outbox.uses(route)
        };
        if self.keys.request(route, in_use)
            && let Some(name) = name_of(route)
        {
            let id = self.job_id();
            self.deriving.insert(id, route.clone());
            self.jobs.push_back(Job { id, work: Work::Derive { name } });
        }
    }

    const fn job_id(&mut self) -> JobId {
        self.next_job += 1;
        JobId(self.next_job)
    }

    /// What opens payloads for this listener, if that is known by now.
    fn candidate(&self, listen: &Listen) -> Option<Candidate> {
        let opener = match listen.open_with {
            OpenWith::Identity(key) => Opener::Asymmetric(key),
            OpenWith::ByRoute => Opener::Symmetric(self.keys.get(&listen.route)?.clone()),
            _ => return None,
        };
        Some(Candidate { listen: listen.clone(), opener })
    }

    /// Offers an envelope to the listeners on its topic, or to those on `route` alone.
    fn arrived(&mut self, envelope: Envelope, route: Option<&Route>) {
        let Some(listeners) = self.listening.get(&envelope.topic()) else { return };
        let offered = listeners.iter().filter(|l| route.is_none_or(|route| l.route == *route));
        let candidates: Vec<_> = offered.filter_map(|listen| self.candidate(listen)).collect();
        if candidates.is_empty() || self.inbox.has_seen(envelope.data()) {
            return;
        }
        let id = self.job_id();
        self.inbox.push(id, OpenWork { envelope, candidates, keyring: self.keyring.clone() });
    }

    /// A route can be opened from now on: what its topic brought before, and still lives, is looked at again.
    fn look_back(&mut self, route: &Route) {
        let Some(topic) = topic_of(route) else { return };
        if self.listening.contains_key(&topic) {
            let earlier = self.engine.envelopes().filter(|e| e.topic() == topic).cloned();
            for envelope in earlier.collect::<Vec<_>>() {
                self.arrived(envelope, Some(route));
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let Delivery { envelope, listen, author, payload } = delivery;
        let listeners = self.listening.get(&envelope.topic());
        if !listeners.is_some_and(|all| all.contains(&listen)) {
            return;
        }
        self.report(|| Report::Opened(envelope.hash()));
        let sealed_to = match listen.open_with {
            OpenWith::Identity(key) => self.keyring.public(&key),
            _ => None,
        };
        self.events.push_back(Event::Received(Box::new(Received {
            route: listen.route,
            author,
            sealed_to,
            payload,
            sent_at: envelope.sent_at(),
            wire_id: WireId::from_bytes(*envelope.hash().as_bytes()),
            via: Via::Live,
        })));
    }

    /// Seals what waits, while there is a peer to give it to: an envelope ages from the moment it is sealed.
    fn start_seals(&mut self, now: Now) {
        let Some(least) = self.engine.ready_peers().map(|(_, status)| status.min_pow).reduce(Pow::min) else {
            return;
        };
        let ready = |send: &Outgoing| send.to.is_some() || self.keys.get(&send.route).is_some();
        for turn in self.outbox.startable(ready) {
            let Some(work) = self.seal_work(now, turn, least) else { continue };
            let id = self.job_id();
            self.outbox.started(turn, id);
            self.jobs.push_back(Job { id, work: Work::Seal(Box::new(work)) });
        }
    }

    fn seal_work(&mut self, now: Now, turn: Turn, least: Pow) -> Option<SealWork> {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let send = self.outbox.get(turn)?;
        let to = match send.to {
            Some(key) => SealKey::Asymmetric(key),
            None => SealKey::Symmetric(self.keys.get(&send.route)?.clone()),
        };
        let large = send.payload.len() > LARGE_PAYLOAD;
        let base = if large { self.config.large_pow } else { self.config.pow };
        let expiry = now.unix.secs_u32().saturating_add(self.config.ttl);
        Some(SealWork {
            keyring: self.keyring.clone(),
            payload: send.payload.clone(),
            sign_as: send.sign_as,
            to,
            header: Header { expiry, ttl: self.config.ttl, topic: send.topic },
            target: base.max(least.min(self.config.max_pow)),
            rng: ChaCha20Rng::from_seed(seed),
        })
    }

    fn sealed(&mut self, now: Now, id: JobId, envelope: Option<Envelope>) {
        let Some(turn) = self.outbox.sealed(id) else { return };
        let Some(envelope) = envelope else {
            return self.fail(turn, Failure::ProofOfWork);
        };
        let hash = envelope.hash();
        self.inbox.mark_seen(envelope.data(), now.mono);
        let send = self.outbox.get(turn).map(|outgoing| outgoing.id);
        let copy = envelope.clone();
        if self.engine.handle(now, Input::Post(envelope)).is_ok() {
            if let Some(send) = send {
                self.report(|| Report::Sealed { send, envelope: copy });
            }
            return self.outbox.pooled(turn, hash);
        }
        // Too old when it was done: the workers were busy, or the work took longer than a life.
        if !self.outbox.retry(turn) {
            self.fail(turn, Failure::ProofOfWork);
        }
    }

    fn report(&mut self, report: impl FnOnce() -> Report) {
        if !self.config.report {
            return;
        }
        if self.reports.len() < MAX_REPORTS {
            self.reports.push_back(report());
        } else {
            self.lost_reports += 1;
        }
    }

    /// A link took one of our envelopes: the first time that is progress.
    fn taken(&mut self, hash: &EnvelopeHash) {
        if let Some(id) = self.outbox.of_envelope(hash).and_then(|turn| self.outbox.end(turn)) {
            self.progress(id, Progress::Relayed);
        }
    }

    /// One of our envelopes is over and nobody took it. Without a peer that is no failure: it waits on.
    fn ended(&mut self, hash: &EnvelopeHash) {
        let Some(turn) = self.outbox.of_envelope(hash) else { return };
        if self.engine.ready_peers().next().is_some() {
            let clock = self.outbox.get(turn).and_then(|send| send.clock);
            self.fail(turn, if clock.is_some() { Failure::Clock } else { Failure::Expired });
        } else {
            self.outbox.wait_again(turn);
        }
    }

    fn fail(&mut self, turn: Turn, why: Failure) {
        if let Some(id) = self.outbox.end(turn) {
            self.progress(id, Progress::Failed(why));
        }
    }

    fn progress(&mut self, id: SendId, progress: Progress) {
        self.events.push_back(Event::Progress { id, progress });
    }
}

impl Transport for WhisperTransport {
    fn caps(&self) -> Caps {
        Caps::live_only(MAX_PAYLOAD)
    }

    fn command(&mut self, now: Now, command: Command) -> Result<(), CommandError> {
        match command {
            Command::Listen(listen) => self.listen(now, listen)?,
            Command::Send(send) => self.send(now, send)?,
            Command::Unlisten(listen) => self.unlisten(now, &listen),
            _ => return Err(CommandError::Unsupported),
        }
        self.settle(now);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Now) {
        self.engine.handle_timeout(now);
        self.settle(now);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.engine.poll_timeout()
    }
}

impl fmt::Debug for WhisperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhisperTransport")
            .field("peers", &self.engine.ready_peers().count())
            .field("pooled", &self.engine.pooled())
            .field("listening", &self.listening.len())
            .finish_non_exhaustive()
    }
}
