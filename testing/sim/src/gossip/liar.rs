//! A node that floods.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy_rlp::Header as List;
use rand_core::Rng as _;
use undertone_base::Mono;
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{Envelope, Header};

use super::node::{Node, TOPIC, frame};
use crate::engine::{Cx, LinkChange, LinkId};
use crate::scenario::FloodPlan;

/// Packets of junk in a second; their envelopes are spread over them.
const TICKS: u32 = 10;

/// Makes envelopes that cost it nothing and pass every check, gives each to all its peers, and relays nothing.
#[derive(Debug)]
pub(super) struct Flooder {
    plan: FloodPlan,
    links: BTreeSet<LinkId>,
    next: Option<Mono>,
    /// Tenths of an envelope that are due.
    due: u32,
    made: u64,
}

impl Flooder {
    pub(super) const fn new(plan: FloodPlan) -> Self {
        Self { plan, links: BTreeSet::new(), next: None, due: 0, made: 0 }
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

    pub(super) fn timer(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now().mono;
        if self.next.is_none_or(|at| at > now) {
            return;
        }
        self.next = Some(now.after(Duration::from_secs(1) / TICKS));
        self.due += self.plan.per_second;
        let count = self.due / TICKS;
        self.due %= TICKS;
        if count == 0 {
            return;
        }
        self.made += u64::from(count);
        let junk: Vec<Envelope> = (0..count).map(|_| self.junk(cx)).collect();
        let body = list(&junk);
        for link in &self.links {
            cx.send(*link, frame(PacketCode::MESSAGES, body.clone()));
        }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Mono> {
        self.next
    }

    /// How many envelopes it made.
    pub(super) const fn made(&self) -> u64 {
        self.made
    }

    fn junk(&self, cx: &mut Cx<'_, Node>) -> Envelope {
        let mut data = vec![0; self.plan.data_bytes as usize];
        cx.rng().fill_bytes(&mut data);
        let expiry = cx.now().unix.secs_u32().saturating_add(self.plan.ttl);
        Envelope::new(Header { expiry, ttl: self.plan.ttl, topic: TOPIC }, &data, cx.rng().next_u64())
    }
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
