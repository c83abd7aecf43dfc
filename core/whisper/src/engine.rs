//! The gossip machine.

mod bundle;
mod confirm;
mod io;
mod receive;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use undertone_base::{Mono, Now};

pub use self::confirm::{AckId, Confirm};
pub use self::io::{Config, Event, Fault, Input, Refusal, Stats, Transmit, Watch};
use crate::envelope::{Envelope, EnvelopeHash};
use crate::limits::{ANNOUNCE_EVERY, MAX_MESSAGE, TOLERANCE};
use crate::peer::{Peer, PeerId, Phase, Tolerant, Wishes, widens};
use crate::pool::{Origin, Pool, Removed};
use crate::skew::{ClockSample, FirstSeen};
use crate::wire::{self, PacketCode, PacketFault, Service, Status};
use crate::{Bloom, Pow, Topic};

/// The gossip of Whisper: peers, a pool, and who gets what.
///
/// Poll order after every call: [`Whisper::poll_event`], [`Whisper::poll_transmit`] until `None`, then
/// [`Whisper::poll_timeout`].
#[derive(Clone, Debug)]
pub struct Whisper {
    wishes: Wishes,
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
    /// When our bloom filter was last told to the peers, and when it will be again.
    bloom_told: Option<Mono>,
    bloom_due: Option<Mono>,
    first_seen: FirstSeen,
    confirm: Confirm,
    acks: BTreeMap<AckId, Transmit>,
    next_ack: u64,
    stats: Stats,
    clock: Now,
}

impl Whisper {
    /// A machine without peers and envelopes.
    pub const fn new(config: &Config) -> Self {
        Self {
            wishes: Wishes {
                // DEVIATION: geth's Whisper starts with a tolerance of 0.2 whatever its minimum is; a node started
                // with 5.0 then accepts 0.2 for ever. Ours starts with the configured one, as Waku does
                // (test `tolerance_windows`).
                min_pow: Tolerant::new(config.min_pow),
                bloom: Tolerant::new(config.bloom),
                service: config.service,
                confirmations: !matches!(config.confirm, Confirm::Never),
            },
            watch: config.watch,
            topics: BTreeMap::new(),
            pool: Pool::new(config.max_envelopes, config.max_bytes),
            peers: BTreeMap::new(),
            timers: BTreeSet::new(),
            queue: VecDeque::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            bloom_told: None,
            bloom_due: None,
            first_seen: FirstSeen::new(),
            confirm: config.confirm,
            acks: BTreeMap::new(),
            next_ack: 0,
            stats: Stats {
                accepted: 0,
                duplicates: 0,
                early: 0,
                evicted: 0,
                expired: 0,
                ignored_packets: 0,
                low_pow: 0,
                dropped_peers: 0,
                refused: 0,
                refused_for_clock: 0,
                relayed: 0,
                bundles: 0,
                unacceptable: 0,
                unwanted: 0,
            },
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
            Input::Connected(peer) => self.connected(now, peer),
            Input::Disconnected(peer) => self.forget(peer),
            Input::Packet { peer, code, body } => {
                if let Err(fault) = self.packet(now, peer, code, body) {
                    self.drop_peer(peer, fault);
                    return Err(fault.into());
                }
            }
            Input::Post(envelope) => self.post(now, &envelope)?,
            Input::Durable(ack) => self.durable(ack),
            Input::Sent(peer) => self.sent(peer),
            Input::SetBloom(bloom) => self.set_bloom(now, bloom),
            Input::SetMinPow(pow) => {
                self.wishes.min_pow.set(pow, now.mono, TOLERANCE, Pow::min);
                self.announce(PacketCode::POW_REQUIREMENT, &wire::encode_pow(pow));
            }
            Input::Subscribe(topic) => *self.topics.entry(topic).or_default() += 1,
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

    /// Ends what is over: envelopes, waits, silent handshakes.
    pub fn handle_timeout(&mut self, now: Now) {
        self.clock = now;
        let secs = now.unix.secs_u32();
        while let Some(gone) = self.pool.pop_expired(secs) {
            self.left_pool(gone);
        }
        if self.pool.release(secs) {
            self.wake_all();
        }
        if self.bloom_due.is_some_and(|due| due <= now.mono) {
            self.tell_bloom(now);
        }
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now.mono) {
            self.timers.remove(&(at, id));
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.is_silent(now.mono) {
                self.drop_peer(id, PacketFault::Silent);
                continue;
            }
            // One of them may have fired for the other.
            let (again, due) = (peer.rescan(now.mono), peer.is_due(secs));
            if again || due {
                self.wake(id);
            }
        }
    }

    /// What to send next, until `None`.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        if let Some(out) = self.out.pop_front() {
            return Some(out);
        }
        while let Some(peer) = self.queue.pop_front() {
            if let Some(body) = self.bundle(now, peer) {
                return Some(Transmit::Packet { peer, code: PacketCode::MESSAGES, body });
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
        seconds.into_iter().chain(self.bloom_due).chain(self.timers.first().map(|(at, _)| *at)).min()
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Envelopes in the pool and their bytes.
    pub fn pooled(&self) -> (usize, usize) {
        (self.pool.len(), self.pool.bytes())
    }

    /// An envelope of the pool.
    pub fn envelope(&self, hash: &EnvelopeHash) -> Option<&Envelope> {
        self.pool.find(hash).and_then(|slot| self.pool.get(slot)).map(|(envelope, _)| envelope)
    }

    /// All envelopes of the pool, in no meaningful order.
    pub fn envelopes(&self) -> impl Iterator<Item = &Envelope> {
        self.pool.iter()
    }

    /// What each peer whose handshake is over announced.
    pub fn ready_peers(&self) -> impl Iterator<Item = (PeerId, &Status)> {
        self.peers.iter().filter_map(|(id, peer)| match &peer.phase {
            Phase::Ready(status) => Some((*id, status)),
            Phase::AwaitStatus { .. } => None,
        })
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

    /// What we announce.
    pub const fn status(&self) -> Status {
        self.wishes.status()
    }

    fn connected(&mut self, now: Now, id: PeerId) {
        if self.peers.contains_key(&id) {
            return;
        }
        let peer = Peer::new(now.mono);
        if let Phase::AwaitStatus { until } = peer.phase {
            self.timers.insert((until, id));
        }
        self.peers.insert(id, peer);
        let body = self.wishes.status().encode();
        self.out.push_back(Transmit::Packet { peer: id, code: PacketCode::STATUS, body });
    }

    fn forget(&mut self, id: PeerId) {
        if self.peers.remove(&id).is_some() {
            self.timers.retain(|(_, peer)| *peer != id);
            self.queue.retain(|peer| *peer != id);
            self.out.retain(|out| !matches!(out, Transmit::Packet { peer, .. } if *peer == id));
        }
    }

    fn drop_peer(&mut self, id: PeerId, fault: PacketFault) {
        self.forget(id);
        self.stats.dropped_peers += 1;
        self.out.push_back(Transmit::Disconnect { peer: id, reason: fault.reason() });
    }

    fn packet(&mut self, now: Now, id: PeerId, code: PacketCode, body: &[u8]) -> Result<(), PacketFault> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if body.len() > MAX_MESSAGE {
            return Err(PacketFault::Oversized { got: body.len() });
        }
        let Phase::Ready(status) = &mut peer.phase else {
            return self.first_packet(id, code, body);
        };
        let before = *status;
        match code {
            PacketCode::MESSAGES => return self.messages(now, id, body),
            PacketCode::POW_REQUIREMENT => status.min_pow = wire::decode_pow(body)?,
            PacketCode::BLOOM_FILTER => status.bloom = Some(wire::decode_bloom(body)?),
            PacketCode::BATCH_ACK | PacketCode::MESSAGE_RESPONSE if status.confirmations => {
                return if self.confirm == Confirm::Never {
                    Ok(())
                } else {
                    self.confirmation(now, id, code, body)
                };
            }
            // A second Status is ignored, as is what needs trust: codes 126 and 127 and status-go's own.
            _ => {
                self.stats.ignored_packets += 1;
                return Ok(());
            }
        }
        let after = *status;
        if widens(&before, &after) {
            let at = peer.wants_more(now.mono);
            self.timers.insert((at, id));
            self.handle_timeout(now);
        }
        Ok(())
    }

    fn first_packet(&mut self, id: PeerId, code: PacketCode, body: &[u8]) -> Result<(), PacketFault> {
        if code != PacketCode::STATUS {
            return Err(PacketFault::BeforeStatus(code));
        }
        let status = Status::decode(body)?;
        if status.service == Service::Light && self.wishes.service == Service::Light {
            return Err(PacketFault::TwoLight);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            if let Phase::AwaitStatus { until } = peer.phase {
                self.timers.remove(&(until, id));
            }
            peer.phase = Phase::Ready(status);
        }
        self.events.push_back(Event::PeerReady(id));
        self.wake(id);
        Ok(())
    }

    /// After envelopes came in: the pool fits its limits, and whoever may want them is asked.
    fn settle(&mut self, now: Now) {
        for gone in self.pool.shrink(now.unix.secs_u32()) {
            self.stats.evicted += 1;
            self.left_pool(gone);
        }
        self.wake_all();
    }

    fn left_pool(&mut self, gone: Removed) {
        for peer in self.peers.values_mut() {
            peer.known.remove(gone.slot);
        }
        if gone.origin == Origin::Local {
            self.events.push_back(Event::Ended(gone.envelope.hash()));
        }
    }

    fn sent(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(in_flight) = peer.in_flight.take() {
            self.events.extend(in_flight.own.into_iter().map(|hash| Event::Sent { hash, peer: id }));
            self.wake(id);
        }
    }

    fn set_bloom(&mut self, now: Now, bloom: Option<Bloom>) {
        let merge = |a: Option<Bloom>, b: Option<Bloom>| Some(a?.union(&b?));
        self.wishes.bloom.set(bloom, now.mono, TOLERANCE, merge);
        let next = self.bloom_told.map(|told| told.after(ANNOUNCE_EVERY)).filter(|next| *next > now.mono);
        match next {
            Some(next) => self.bloom_due = Some(next),
            None => self.tell_bloom(now),
        }
    }

    fn tell_bloom(&mut self, now: Now) {
        (self.bloom_told, self.bloom_due) = (Some(now.mono), None);
        let bloom = self.wishes.bloom.current().unwrap_or(Bloom::FULL);
        self.announce(PacketCode::BLOOM_FILTER, &wire::encode_bloom(&bloom));
    }

    /// Sends the same to every peer. Its Status has already left, so nothing overtakes it.
    fn announce(&mut self, code: PacketCode, body: &[u8]) {
        for peer in self.peers.keys() {
            self.out.push_back(Transmit::Packet { peer: *peer, code, body: body.to_vec() });
        }
    }

    fn wake_all(&mut self) {
        for (id, peer) in &mut self.peers {
            enqueue(&mut self.queue, *id, peer);
        }
    }

    fn wake(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            enqueue(&mut self.queue, id, peer);
        }
    }
}

/// Bytes of the header of a list of 64 KiB up to 16 MiB; a shorter one has less.
const LIST_HEADER: usize = 4;

fn enqueue(queue: &mut VecDeque<PeerId>, id: PeerId, peer: &mut Peer) {
    let ready = matches!(peer.phase, Phase::Ready(_));
    if ready && !peer.queued && peer.in_flight.is_none() {
        peer.queued = true;
        queue.push_back(id);
    }
}
