//! Two sessions joined by byte queues, in virtual time. The queues are cut at places that a seed chooses.

use std::collections::VecDeque;
use std::time::Duration;

use rand_core::Rng;
use undertone_base::Now;
use undertone_devp2p::{Admission, Capability, Closed, Config, Event, NodeKey, Offer, Session};
use undertone_support::{ChaCha20Rng, rng};

/// How a queue is cut into reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// As it was written.
    Whole,
    /// Into this many bytes each.
    Every(usize),
    /// At random, into 1 to this many bytes.
    Random(u32),
}

/// One end.
pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    /// Bytes on their way to it.
    inbox: VecDeque<u8>,
    /// Everything that it ever wrote.
    pub(crate) written: Vec<u8>,
}

pub(crate) struct Pair {
    pub(crate) dialled: End,
    pub(crate) accepted: End,
    pub(crate) now: Now,
    pub(crate) rng: ChaCha20Rng,
    cut: Cut,
    chunks: ChaCha20Rng,
}

pub(crate) fn offer(name: &str, version: u64, length: u64) -> Offer {
    Offer { capability: Capability::new(name, version), length }
}

impl Pair {
    pub(crate) fn new(seed: u64, cut: Cut, offers: [Vec<Offer>; 2]) -> Self {
        let mut rng = rng(seed);
        let keys = [NodeKey::random(&mut rng), NodeKey::random(&mut rng)];
        let [a, b] = keys;
        let [a_offers, b_offers] = offers;
        let now = Now::default();
        let remote = b.public();
        let dialled = Session::dial(Config::new(a, "dialled/v1", a_offers), remote, now, &mut rng);
        let accepted = Session::accept(Config::new(b, "accepted/v1", b_offers), now);
        let chunks = undertone_support::rng(seed ^ 0xc0ffee);
        Self { dialled: End::new(dialled), accepted: End::new(accepted), now, rng, cut, chunks }
    }

    /// Both offer `shh/6`; established.
    pub(crate) fn established(seed: u64, cut: Cut) -> Self {
        let mut pair = Self::new(seed, cut, [vec![offer("shh", 6, 128)], vec![offer("shh", 6, 128)]]);
        pair.settle();
        for end in [&mut pair.dialled, &mut pair.accepted] {
            let events = std::mem::take(&mut end.events);
            assert!(matches!(events.as_slice(), [Event::Authenticated(_), Event::Established { .. }]));
        }
        pair
    }

    /// Runs until nothing moves; whoever authenticates is admitted. Time stands still.
    pub(crate) fn settle(&mut self) {
        while self.step(Some(Admission::Admit)) {}
    }

    /// Moves what is there once; whether anything was.
    pub(crate) fn step(&mut self, admission: Option<Admission>) -> bool {
        let mut moved = false;
        for turn in 0..2 {
            let (near, far) = match turn {
                0 => (&mut self.dialled, &mut self.accepted),
                _ => (&mut self.accepted, &mut self.dialled),
            };
            while let Some(event) = near.session.poll_event() {
                if let (Event::Authenticated(_), Some(admission)) = (&event, admission) {
                    near.session.admit(self.now, admission, &mut self.rng);
                }
                near.events.push(event);
                moved = true;
            }
            while let Some(bytes) = near.session.poll_transmit() {
                far.inbox.extend(&bytes);
                near.written.extend(bytes);
                moved = true;
            }
            let length = match self.cut {
                Cut::Whole => usize::MAX,
                Cut::Every(length) => length,
                Cut::Random(most) => 1 + (self.chunks.next_u32() % most) as usize,
            };
            let chunk: Vec<u8> = near.inbox.drain(..length.min(near.inbox.len())).collect();
            if !chunk.is_empty() {
                near.session.receive(self.now, &chunk, &mut self.rng);
                moved = true;
            }
        }
        moved
    }

    /// Lets time pass from one due timer to the next, and everything settle at each.
    pub(crate) fn pass(&mut self, by: Duration) {
        let end = self.now.mono.after(by);
        self.settle();
        loop {
            let due = [&self.dialled, &self.accepted].iter().filter_map(|e| e.session.poll_timeout()).min();
            let next = due.map_or(end, |due| due.min(end));
            self.now = self.now.after(next.since(self.now.mono));
            self.dialled.session.handle_timeout(self.now);
            self.accepted.session.handle_timeout(self.now);
            self.settle();
            if self.now.mono >= end {
                return;
            }
        }
    }
}

impl End {
    fn new(session: Session) -> Self {
        Self { session, events: Vec::new(), inbox: VecDeque::new(), written: Vec::new() }
    }

    /// Takes the messages that arrived.
    pub(crate) fn messages(&mut self) -> Vec<(usize, u64, Vec<u8>)> {
        let message = |event| match event {
            Event::Message { capability, code, payload } => (capability, code, payload),
            other => panic!("{other:?}"),
        };
        std::mem::take(&mut self.events).into_iter().map(message).collect()
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        match self.events.last() {
            Some(Event::Closed(why)) => Some(*why),
            _ => None,
        }
    }
}
