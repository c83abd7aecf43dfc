//! The gossip machine.

mod announce;
mod bundle;
mod config;
mod confirm;
mod direct;
mod flush;
mod io;
mod link;
mod packet;
mod rates;
mod receive;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use undertone_base::{Mono, Now, Secret};
use undertone_crypto::keccak256;

use self::announce::Told;
pub use self::config::{Bridge, Config, Requests, Watch};
pub use self::confirm::{AckId, Confirm};
pub use self::flush::FlushPolicy;
pub use self::io::{Event, Fault, Input, Refusal, Stats, Transmit};
use crate::Topic;
use crate::dialect::{Protocol, Protocols};
use crate::envelope::{Envelope, EnvelopeHash};
use crate::peer::{Peer, PeerId, Wishes};
use crate::pool::{Pool, Removed};
use crate::rate::RateLimiter;
use crate::skew::{ClockSample, FirstSeen};
use crate::wire::{PacketFault, Status, waku};

/// The gossip of Whisper: peers, a pool, and who gets what.
///
/// Poll order after every call: [`Whisper::poll_event`], [`Whisper::poll_transmit`] until `None`, then
/// [`Whisper::poll_timeout`].
#[derive(Clone, Debug)]
pub struct Whisper {
    protocols: Protocols,
    bridge: Bridge,
    requests: Requests,
    flush: FlushPolicy,
    rng: ChaCha20Rng,
    rates: RateLimiter,
    wishes: Wishes,
    told: Told,
    watch: Watch,
    topics: BTreeMap<Topic, u32>,
    pool: Pool,
    peers: BTreeMap<PeerId, Peer>,
    /// Deadlines of handshakes and second looks.
    timers: BTreeSet<(Mono, PeerId)>,
    /// Peers that may have something to get.
    queue: VecDeque<PeerId>,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
    first_seen: FirstSeen,
    confirm: Confirm,
    acks: BTreeMap<AckId, Transmit>,
    next_ack: u64,
    stats: Stats,
    clock: Now,
}

impl Whisper {
    /// A machine without peers and envelopes.
    pub fn new(config: &Config) -> Self {
        Self::with_seed(config, &Secret::new([0; 32]))
    }

    /// As [`Whisper::new`], with randomness for [`FlushPolicy::Blended`]: whoever knows the seed knows when each peer is
    /// served, so it must be fresh in every run.
    pub fn with_seed(config: &Config, seed: &Secret<32>) -> Self {
        let wishes = Wishes::new(config);
        let key = keccak256(seed.expose()).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self {
            protocols: config.protocols,
            bridge: config.bridge,
            requests: config.requests,
            flush: config.flush,
            rng: ChaCha20Rng::from_seed(*seed.expose()),
            rates: RateLimiter::new(config.packet_limits, config.byte_limits),
            told: Told::new(config.bloom, wishes.waku_status()),
            wishes,
            watch: config.watch,
            topics: BTreeMap::new(),
            pool: Pool::new(config.max_envelopes, config.max_bytes, key),
            peers: BTreeMap::new(),
            timers: BTreeSet::new(),
            queue: VecDeque::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            first_seen: FirstSeen::new(),
            confirm: config.confirm,
            acks: BTreeMap::new(),
            next_ack: 0,
            stats: Stats::default(),
            clock: Now { mono: Mono::ZERO, unix: undertone_base::Unix::from_millis(0) },
        }
    }

    /// Takes one input. Inputs of peers that are not connected have no effect.
    ///
    /// # Errors
    /// [`Fault::Packet`] when a packet ended the link, [`Fault::Post`] when our own envelope was not taken.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Fault> {
        self.clock = now;
        match input {
            Input::Connected(link) => self.connected(now, &link),
            Input::Disconnected(peer) => self.forget(peer),
            Input::Distrust(peer) => self.trust(peer, false),
            Input::Exempt { peer, exempt } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.exempt = exempt;
                }
            }
            Input::Packet { peer, protocol, code, body } => {
                if let Err(fault) = self.packet(now, peer, protocol, (code, body)) {
                    self.drop_peer(peer, fault);
                    return Err(fault.into());
                }
            }
            Input::Post(envelope) => self.post(now, &envelope)?,
            Input::Durable(ack) => self.durable(ack),
            Input::SendDirect { peer, envelopes } => self.send_direct(peer, &envelopes),
            Input::Sent(peer) => self.sent(now, peer),
            Input::SetBloom(bloom) => self.set_bloom(now, bloom),
            Input::SetFlush(flush) => self.flush = flush,
            Input::SetInterest { bloom, topics } => self.set_interest(now, bloom, topics),
            Input::SetLimits { packets, bytes } => self.set_limits(packets, bytes),
            Input::SetMinPow(pow) => self.set_min_pow(now, pow),
            Input::SetTopics(topics) => self.set_topics(now, topics),
            Input::Subscribe(topic) => *self.topics.entry(topic).or_default() += 1,
            Input::Trust(peer) => self.trust(peer, true),
            Input::Unsubscribe(topic) => {
                if let Some(count) = self.topics.get_mut(&topic) {
                    *count -= 1;
                    if *count == 0 {
                        self.topics.remove(&topic);
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends what is over: envelopes, waits, silent handshakes. Of many envelopes [`PORTION`](crate::limits::PORTION) at a
    /// time: [`Whisper::poll_timeout`] is over until the last is gone. They are dead before that: nobody gets them, and
    /// they do not count.
    pub fn handle_timeout(&mut self, now: Now) {
        self.clock = now;
        let secs = now.unix.secs_u32();
        let gone = self.pool.take_expired(secs);
        self.left_pool(gone);
        if self.pool.release(secs) {
            self.wake_all(now);
        }
        if self.told.due.is_some_and(|due| due <= now.mono) {
            self.tell(now);
        }
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now.mono) {
            self.timers.remove(&(at, id));
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.is_silent(now.mono) {
                self.drop_peer(id, PacketFault::Silent);
                continue;
            }
            // One of them may have fired for the other.
            let mut wake = false;
            for (_, side) in peer.sides_mut() {
                let (again, due) = (side.rescan(now.mono), side.is_due(secs));
                wake |= again || due;
            }
            self.flush_due(now, id);
            if wake {
                self.wake(now, id);
            }
        }
    }

    /// What to send next, until `None`.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        while let Some(out) = self.out.pop_front() {
            let out = self.paced_out(now, out);
            if out.is_some() {
                return out;
            }
        }
        while let Some(peer) = self.queue.pop_front() {
            let next = self.held_answer(now, peer).or_else(|| self.bundle(now, peer));
            if let Some((protocol, code, body)) = next {
                return Some(Transmit::Packet { peer, protocol, code, body });
            }
        }
        None
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Whisper::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let seconds = self.pool.next_change().map(|secs| {
            let millis = u64::from(secs).saturating_mul(1_000).saturating_sub(self.clock.unix.millis());
            self.clock.mono.after(Duration::from_millis(millis))
        });
        seconds.into_iter().chain(self.told.due).chain(self.timers.first().map(|(at, _)| *at)).min()
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Envelopes that live in the pool, and their bytes, by the clock of the last call.
    pub fn pooled(&self) -> (usize, usize) {
        self.pool.living(self.clock.unix.secs_u32())
    }

    /// An envelope that lives in the pool.
    pub fn envelope(&self, hash: &EnvelopeHash) -> Option<&Envelope> {
        let found = self.pool.find(hash).and_then(|slot| self.pool.get(slot)).map(|(envelope, _)| envelope);
        found.filter(|envelope| self.lives(envelope))
    }

    /// All envelopes that live in the pool, in no meaningful order.
    pub fn envelopes(&self) -> impl Iterator<Item = &Envelope> {
        self.pool.iter().filter(|envelope| self.lives(envelope))
    }

    /// With what is dead and not gone yet.
    #[cfg(test)]
    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    const fn lives(&self, envelope: &Envelope) -> bool {
        envelope.header().expiry >= self.clock.unix.secs_u32()
    }

    /// What each peer that is ready announced, by the preferred protocol, as far as `shh/6` has words for it: named topics
    /// show as a filter of them.
    pub fn ready_peers(&self) -> impl Iterator<Item = (PeerId, Status)> {
        self.peers.iter().filter_map(|(id, peer)| Some((*id, peer.first_wants()?.1.into())))
    }

    /// What a peer announced by one protocol, once that handshake is over.
    pub fn peer_wants(&self, peer: PeerId, protocol: Protocol) -> Option<&waku::Status> {
        self.peers.get(&peer).and_then(|peer| peer.wants(protocol))
    }

    /// Appends how many envelopes each peer brought first since this was last asked, where that is not zero.
    pub fn take_news(&mut self, out: &mut Vec<(PeerId, u32)>) {
        let news = self.peers.iter_mut().map(|(id, peer)| (*id, std::mem::take(&mut peer.news)));
        out.extend(news.filter(|(_, news)| *news > 0));
    }

    /// What envelopes say of other clocks, until `None`. At most 64 wait; more are dropped.
    pub fn poll_clock_sample(&mut self) -> Option<ClockSample> {
        self.first_seen.poll()
    }

    /// When envelopes leave.
    pub const fn flush_policy(&self) -> FlushPolicy {
        self.flush
    }

    /// What we announce by `shh/6`.
    pub const fn status(&self) -> Status {
        self.wishes.status()
    }

    /// What we announce by Waku.
    pub fn waku_status(&self) -> waku::Status {
        self.wishes.waku_status()
    }

    /// After envelopes came in: the pool fits its limits, and whoever may want them is asked.
    fn settle(&mut self, now: Now) {
        let secs = now.unix.secs_u32();
        let expired = self.pool.make_room(secs);
        self.left_pool(expired);
        let evicted = self.pool.evict(secs);
        self.stats.evicted += evicted.len() as u64;
        self.left_pool(evicted);
        self.wake_all(now);
    }

    fn left_pool(&mut self, gone: Vec<Removed>) {
        // Peer by peer: what is known to one lies together.
        for peer in self.peers.values_mut() {
            for removed in &gone {
                peer.known.remove(removed.slot);
            }
        }
        for Removed { envelope, origin, .. } in gone {
            if origin.is_local() {
                self.events.push_back(Event::Ended(envelope.hash()));
            } else if self.watch == Watch::Traffic {
                self.events.push_back(Event::Expired(envelope.hash()));
            }
        }
    }

    fn sent(&mut self, now: Now, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(in_flight) = peer.in_flight.take() {
            self.events.extend(in_flight.own.into_iter().map(|hash| Event::Sent { hash, peer: id }));
            self.wake(now, id);
        }
    }
}

/// Bytes of the header of a list of 64 KiB up to 16 MiB; a shorter one has less.
const LIST_HEADER: usize = 4;
