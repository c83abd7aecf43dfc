//! Alice with two devices and Bob, who sometimes does not want to hear of her: whatever the network does, both devices
//! of Alice show what either wrote, Bob reads all of it, and nothing is shown twice.

use std::collections::BTreeSet;

use proptest::prelude::*;
use undertone_transport::Route;

use super::*;

const LAPTOP: usize = 0;
const PHONE: usize = 1;
const BOB: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// One of the three writes: Bob to Alice, else to Bob.
    Say(usize),
    /// Something that is under way arrives.
    Deliver(u8),
    /// It arrives, and will once more.
    Twice(u8),
    /// It is lost.
    Drop(u8),
    /// Time passes for all.
    Run(u16),
    /// One of the three starts again.
    Restart(usize),
    /// Bob blocks Alice.
    Block,
    /// He takes it back.
    Unblock,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..3usize).prop_map(Op::Say),
        10 => any::<u8>().prop_map(Op::Deliver),
        2 => any::<u8>().prop_map(Op::Twice),
        3 => any::<u8>().prop_map(Op::Drop),
        3 => (1..700u16).prop_map(Op::Run),
        1 => (0..3usize).prop_map(Op::Restart),
        1 => Just(Op::Block),
        2 => Just(Op::Unblock),
    ]
}

/// Three devices and what is under way to each.
struct Three {
    sides: [Side; 3],
    listens: [BTreeSet<Route>; 3],
    under_way: Vec<(usize, PublicKey, Send)>,
    shown: Vec<(usize, MessageId)>,
    blocked: usize,
}

impl Three {
    fn new() -> Self {
        let side = |byte, name: &[u8]| Side { dice: Dice::new(name), ..Side::unopened(byte) };
        let sides = [side(0xa1, b"laptop"), side(0xa1, b"phone"), side(0xb2, b"bob")];
        let (under_way, shown) = (Vec::new(), Vec::new());
        let mut three = Self { sides, listens: Default::default(), under_way, shown, blocked: 0 };
        let (alice, bob) = (three.sides[LAPTOP].key(), three.sides[BOB].key());
        (0..3).for_each(|at| three.restart(at));
        for at in 0..3 {
            let peer = if at == BOB { alice } else { bob };
            three.command(at, Command::AddContact { peer, nickname: None });
        }
        (0..3).for_each(|at| three.restart(at));
        three.settle();
        for (at, other) in [(LAPTOP, PHONE), (PHONE, LAPTOP)] {
            let other = &three.sides[other];
            let name = other.messenger.installation_id(&other.store).unwrap().unwrap();
            three.command(at, Command::EnableDevice(name));
        }
        three.settle();
        three
    }

    fn restart(&mut self, at: usize) {
        self.listens[at].clear();
        let effects = self.sides[at].open();
        self.apply(at, effects);
    }

    fn command(&mut self, at: usize, command: Command) {
        let effects = self.sides[at].command(command);
        self.apply(at, effects);
    }

    fn apply(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Transport(undertone_transport::Command::Listen(listen)) => {
                    self.listens[at].insert(listen.route);
                }
                Effect::Transport(undertone_transport::Command::Unlisten(listen)) => {
                    self.listens[at].remove(&listen.route);
                }
                Effect::Transport(undertone_transport::Command::Send(send)) => {
                    for to in (0..3).filter(|to| *to != at && self.listens[*to].contains(&send.route)) {
                        self.under_way.push((to, self.sides[at].key(), send.clone()));
                    }
                    let relayed = self.sides[at].progress(send.id, Progress::Relayed);
                    self.apply(at, relayed);
                }
                Effect::Notify(Notice::Message(message)) => {
                    assert!(!self.shown.contains(&(at, message.id)), "shown twice");
                    self.shown.push((at, message.id));
                }
                _ => {}
            }
        }
    }

    fn pick(&self, at: u8) -> Option<usize> {
        (!self.under_way.is_empty()).then(|| usize::from(at) % self.under_way.len())
    }

    fn deliver(&mut self, (to, from, send): (usize, PublicKey, Send)) {
        let effects = self.sides[to].hear(from, &send);
        self.apply(to, effects);
    }

    fn run(&mut self, secs: u64) {
        self.sides.iter_mut().for_each(|side| side.later(Duration::from_secs(secs)));
        for at in 0..3 {
            let effects = self.sides[at].timeout();
            self.apply(at, effects);
        }
    }

    fn settle(&mut self) {
        while !self.under_way.is_empty() {
            let next = self.under_way.remove(0);
            self.deliver(next);
        }
    }

    fn step(&mut self, op: Op, said: &mut Vec<(usize, MessageId)>) {
        match op {
            Op::Say(at) => {
                let peer = self.sides[if at == BOB { LAPTOP } else { BOB }].key();
                let chat = ChatId::OneToOne(peer);
                if at == BOB && self.is_blocked() {
                    return;
                }
                self.command(at, Command::Send { chat, text: format!("{at} {}", said.len()) });
                let (_, id) = *self.shown.iter().rev().find(|(by, _)| *by == at).unwrap();
                said.push((at, id));
            }
            Op::Deliver(n) => {
                if let Some(at) = self.pick(n) {
                    let next = self.under_way.remove(at);
                    self.deliver(next);
                }
            }
            Op::Twice(n) => {
                if let Some(at) = self.pick(n) {
                    let next = self.under_way[at].clone();
                    self.deliver(next);
                }
            }
            Op::Drop(n) => {
                if let Some(at) = self.pick(n) {
                    self.under_way.remove(at);
                }
            }
            Op::Run(secs) => self.run(secs.into()),
            Op::Restart(at) => self.restart(at),
            Op::Block => {
                self.blocked += 1;
                self.command(BOB, Command::Block(self.sides[LAPTOP].key()));
            }
            Op::Unblock => self.command(BOB, Command::Unblock(self.sides[LAPTOP].key())),
        }
    }

    fn is_blocked(&self) -> bool {
        let (bob, alice) = (&self.sides[BOB], self.sides[LAPTOP].key());
        bob.messenger.contact(&bob.store, &alice).unwrap().state == crate::ContactState::Blocked
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn both_devices_show_what_either_wrote(ops in proptest::collection::vec(op(), 1..60)) {
        let mut three = Three::new();
        let mut said = Vec::new();
        for op in ops {
            let before = (three.shown.len(), three.is_blocked());
            three.step(op, &mut said);
            if before.1 && three.is_blocked() && matches!(op, Op::Deliver(_) | Op::Twice(_)) {
                let new = &three.shown[before.0..];
                prop_assert!(new.iter().all(|(at, _)| *at != BOB), "a blocked person was shown");
            }
        }
        three.step(Op::Unblock, &mut said);
        // Longer than the longest wait: that between two answers to an unreadable message.
        for _ in 0..16 {
            three.settle();
            three.run(600);
        }
        three.settle();
        for (by, id) in said {
            let state = three.sides[by].state(&id);
            if by == BOB && matches!(state, MessageState::Failed(_)) {
                continue; // Given up when he blocked her.
            }
            prop_assert_eq!(state, MessageState::Delivered);
            let at = |at: usize| three.shown.contains(&(at, id));
            if by == BOB {
                // One of her devices has acknowledged it; then it is not sent again for the other.
                prop_assert!(at(LAPTOP) || at(PHONE));
            } else {
                prop_assert!(at(BOB) && at(LAPTOP) && at(PHONE));
            }
        }
        for side in &three.sides {
            let failed = |id: &MessageId| matches!(side.state(id), MessageState::Failed(_));
            let rows = side.store.scan(Table::Pending, Keys::ALL, Order::Ascending, usize::MAX).unwrap();
            for (_, row) in rows {
                let pending = undertone_datasync::Pending::from_stored(&row).unwrap();
                let id = MessageId::of(Some(&side.key()), &pending.message().body);
                prop_assert!(failed(&id), "something waits for ever");
            }
        }
    }
}
