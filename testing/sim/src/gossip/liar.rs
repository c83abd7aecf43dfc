//! Nodes that mean harm: each does one thing, as fast as its plan says, and relays nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy_rlp::Header as List;
use rand_core::Rng as _;
use serde::Deserialize;
use undertone_base::Mono;
use undertone_whisper::limits::FUTURE_SECS;
use undertone_whisper::wire::{self, PacketCode, Status};
use undertone_whisper::{Bloom, Envelope, Header, Pow};

use super::node::{Node, TOPIC, frame};
use crate::engine::{Cx, LinkChange, LinkId};
use crate::scenario::FloodPlan;

/// Packets of a liar in a second on each link; what it makes is spread over them.
const TICKS: u32 = 10;

/// KiB a second that a slow reader takes from a link.
pub(super) const SLOW_KIB: u32 = 1;

/// Data of an envelope of the huge topic in bytes.
const HUGE_DATA: usize = 32 * 1_024;

/// How many envelopes of the ordinary size weigh as much as a huge one.
const HUGE_WEIGHT: u32 = 50;

/// What a liar does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Few envelopes, each again and again, and what others send goes back to them.
    Duplicates,
    /// Envelopes that are over, for a second or for an hour.
    Expired,
    /// Envelopes that cost nothing and pass every check.
    Flood,
    /// Envelopes of the future: as far as is allowed, and further.
    Future,
    /// Large envelopes on the one topic that everybody listens to.
    Huge,
    /// Reads `SLOW_KIB` KiB a second.
    Slow,
    /// Packets of one byte: empty lists, codes that mean nothing, and on every other link lists that are none.
    Tiny,
    /// Another bloom filter and another requirement with each packet.
    Wishes,
}

impl Attack {
    /// All of them, by name.
    pub const ALL: [Self; 8] = [
        Self::Duplicates,
        Self::Expired,
        Self::Flood,
        Self::Future,
        Self::Huge,
        Self::Slow,
        Self::Tiny,
        Self::Wishes,
    ];

    /// The name of the figure that counts it.
    pub(super) const fn figure(self) -> &'static str {
        match self {
            Self::Duplicates => "did_duplicates",
            Self::Expired => "did_expired",
            Self::Flood => "did_flood",
            Self::Future => "did_future",
            Self::Huge => "did_huge",
            Self::Slow => "did_slow",
            Self::Tiny => "did_tiny",
            Self::Wishes => "did_wishes",
        }
    }
}

/// A node that attacks.
#[derive(Debug)]
pub(super) struct Liar {
    attack: Attack,
    plan: FloodPlan,
    links: BTreeSet<LinkId>,
    next: Option<Mono>,
    round: u32,
    /// Tenths of an envelope that are due.
    due: u32,
    /// The envelopes that it sends again and again.
    again: Vec<Envelope>,
    made: u64,
    did: u64,
}

impl Liar {
    pub(super) const fn new(attack: Attack, plan: FloodPlan) -> Self {
        Self {
            attack,
            plan,
            links: BTreeSet::new(),
            next: None,
            round: 0,
            due: 0,
            again: Vec::new(),
            made: 0,
            did: 0,
        }
    }

    pub(super) fn start(&mut self, cx: &Cx<'_, Node>) {
        self.links.clear();
        self.next = (self.plan.per_second > 0).then_some(cx.now().mono);
    }

    pub(super) fn link(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, change: LinkChange) {
        match change {
            LinkChange::Down => {
                self.links.remove(&link);
            }
            LinkChange::Up => {
                self.links.insert(link);
                cx.send(link, frame(PacketCode::STATUS, Status::default().encode()));
            }
        }
    }

    /// What honest peers send.
    pub(super) fn message(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, bytes: &[u8]) {
        let envelopes = bytes.first() == u8::try_from(PacketCode::MESSAGES.0).ok().as_ref();
        match self.attack {
            Attack::Duplicates if envelopes => {
                self.did += 1;
                cx.send(link, bytes.to_vec());
            }
            Attack::Slow if envelopes => self.did += 1,
            _ => {}
        }
    }

    pub(super) fn timer(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now().mono;
        if self.next.is_none_or(|at| at > now) {
            return;
        }
        self.next = Some(now.after(Duration::from_secs(1) / TICKS));
        self.round = self.round.wrapping_add(1);
        self.due += self.plan.per_second;
        let unit = if self.attack == Attack::Huge { TICKS * HUGE_WEIGHT } else { TICKS };
        let count = self.due / unit;
        self.due %= unit;
        match self.attack {
            Attack::Slow => {}
            Attack::Tiny => self.tiny(cx, count),
            Attack::Wishes => self.wishes(cx),
            _ => self.envelopes(cx, count),
        }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Mono> {
        self.next
    }

    pub(super) const fn attack(&self) -> Attack {
        self.attack
    }

    /// How many envelopes it made that honest nodes may accept.
    pub(super) const fn made(&self) -> u64 {
        self.made
    }

    /// How often it did what it does: envelopes, packets of one byte, changes of wishes, packets that it let wait.
    pub(super) const fn did(&self) -> u64 {
        self.did
    }

    fn envelopes(&mut self, cx: &mut Cx<'_, Node>, count: u32) {
        if count == 0 {
            return;
        }
        let batch: Vec<Envelope> = match self.attack {
            Attack::Duplicates => self.repeated(cx, count),
            Attack::Expired => (0..count).map(|number| self.expired(cx, number)).collect(),
            Attack::Future => (0..count).map(|number| self.future(cx, number)).collect(),
            _ => (0..count).map(|_| self.valid(cx)).collect(),
        };
        let body = list(&batch);
        for link in &self.links {
            self.did += u64::from(count);
            cx.send(*link, frame(PacketCode::MESSAGES, body.clone()));
        }
    }

    fn valid(&mut self, cx: &mut Cx<'_, Node>) -> Envelope {
        self.made += 1;
        let len = if self.attack == Attack::Huge { HUGE_DATA } else { self.plan.data_bytes as usize };
        let expiry = cx.now().unix.secs_u32().saturating_add(self.plan.ttl);
        envelope(cx, expiry, self.plan.ttl, len)
    }

    /// New ones only when the old ones are over.
    fn repeated(&mut self, cx: &mut Cx<'_, Node>, count: u32) -> Vec<Envelope> {
        let now = cx.now().unix.secs_u32();
        let over = self.again.iter().any(|envelope| envelope.header().expiry <= now);
        if over || self.again.len() != count as usize {
            self.again = (0..count).map(|_| self.valid(cx)).collect();
        }
        self.again.clone()
    }

    fn expired(&self, cx: &mut Cx<'_, Node>, number: u32) -> Envelope {
        let ago = if number.is_multiple_of(2) { 1 } else { 3_600 };
        let expiry = cx.now().unix.secs_u32().saturating_sub(ago);
        envelope(cx, expiry, self.plan.ttl, self.plan.data_bytes as usize)
    }

    fn future(&mut self, cx: &mut Cx<'_, Node>, number: u32) -> Envelope {
        let allowed = number.is_multiple_of(2);
        self.made += u64::from(allowed);
        let ahead = if allowed { FUTURE_SECS } else { 3_600 };
        let expiry = cx.now().unix.secs_u32().saturating_add(ahead).saturating_add(self.plan.ttl);
        envelope(cx, expiry, self.plan.ttl, self.plan.data_bytes as usize)
    }

    fn tiny(&mut self, cx: &mut Cx<'_, Node>, count: u32) {
        /// A code that no version gave a meaning.
        const NOTHING: PacketCode = PacketCode(99);
        for (position, link) in self.links.iter().enumerate() {
            let rude = position % 2 == 1 && self.round.is_multiple_of(10 * TICKS);
            for number in 0..count {
                let (code, byte) =
                    if number.is_multiple_of(2) { (PacketCode::MESSAGES, 0xc0) } else { (NOTHING, 0x80) };
                cx.send(*link, frame(code, vec![byte]));
            }
            if rude {
                cx.send(*link, frame(PacketCode::MESSAGES, vec![0x01]));
            }
            self.did += u64::from(count) + u64::from(rude);
        }
    }

    fn wishes(&mut self, cx: &mut Cx<'_, Node>) {
        let narrow = self.round.is_multiple_of(2);
        let (bloom, pow) = if narrow { (Bloom::EMPTY, Pow::GETH) } else { (Bloom::FULL, Pow::ZERO) };
        for link in &self.links {
            cx.send(*link, frame(PacketCode::BLOOM_FILTER, wire::encode_bloom(&bloom)));
            cx.send(*link, frame(PacketCode::POW_REQUIREMENT, wire::encode_pow(pow)));
            self.did += 2;
        }
    }
}

fn envelope(cx: &mut Cx<'_, Node>, expiry: u32, ttl: u32, len: usize) -> Envelope {
    let mut data = vec![0; len];
    cx.rng().fill_bytes(&mut data);
    Envelope::new(Header { expiry, ttl, topic: TOPIC }, &data, cx.rng().next_u64())
}

fn list(envelopes: &[Envelope]) -> Vec<u8> {
    let payload_length = envelopes.iter().map(|envelope| envelope.bytes().len()).sum();
    let mut out = Vec::with_capacity(payload_length + 9);
    List { list: true, payload_length }.encode(&mut out);
    for envelope in envelopes {
        out.extend_from_slice(envelope.bytes());
    }
    out
}
