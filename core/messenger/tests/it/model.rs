//! Two people and everything that can go wrong between them: whatever happens, every message arrives once.

use std::time::Duration;

use proptest::prelude::*;
use undertone_messenger::suite::World;
use undertone_messenger::{ChatId, Command, MessageState, Pfs, Protection};
use undertone_transport::memory::MemoryNetwork;

/// What happens to one of the two.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// It writes.
    Say,
    /// Time passes.
    Run(u16),
    /// Its process ends and starts again.
    Restart,
    /// It is cut off, or comes back.
    Online(bool),
    /// The next payloads are lost on the way to it.
    Lose(u8),
    /// Payloads come twice, or no more.
    Twice(bool),
    /// Payloads are held back.
    Hold,
    /// What was held back comes, last first.
    Release,
    /// Its next step dies at this write.
    Crash(u8),
    /// It switches the ratchet off or on.
    Ratchet(bool),
}

fn op() -> impl Strategy<Value = (usize, Op)> {
    let op = prop_oneof![
        6 => Just(Op::Say),
        4 => (1..20_000u16).prop_map(Op::Run),
        1 => Just(Op::Restart),
        1 => any::<bool>().prop_map(Op::Online),
        1 => (1..4u8).prop_map(Op::Lose),
        1 => any::<bool>().prop_map(Op::Twice),
        1 => Just(Op::Hold),
        1 => Just(Op::Release),
        2 => (0..16u8).prop_map(Op::Crash),
        1 => any::<bool>().prop_map(Op::Ratchet),
    ];
    (0..2usize, op)
}

fn release(world: &mut World<MemoryNetwork>, at: usize) {
    let held = world.parties.get_mut(at).and_then(|party| party.hold.take());
    for event in held.unwrap_or_default().into_iter().rev() {
        world.deliver(at, event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_once(ops in proptest::collection::vec(op(), 1..40)) {
        let mut world = World::<MemoryNetwork>::new(2);
        let chats: [ChatId; 2] = [world.with(1), world.with(0)];
        let mut said = Vec::new();
        for (at, op) in ops {
            match op {
                Op::Say => {
                    let text = format!("{} {}", at, said.len());
                    let id = world.say(at, &chats[at], &text);
                    said.push((at, id));
                }
                Op::Run(ms) => world.run(Duration::from_millis(ms.into())),
                Op::Restart => world.restart(at),
                Op::Online(online) => world.set_online(at, online),
                Op::Lose(n) => world.parties[at].lose = n.into(),
                Op::Twice(twice) => world.parties[at].twice = twice,
                Op::Hold => {
                    world.parties[at].hold.get_or_insert_with(Vec::new);
                }
                Op::Release => release(&mut world, at),
                Op::Crash(write) => world.parties[at].crash_any = Some(write.into()),
                Op::Ratchet(on) => {
                    let peer = world.people[1 - at].key;
                    let pfs = if on { Pfs::On } else { Pfs::Off };
                    world.command(at, Command::SetPfs { peer, pfs }).unwrap();
                }
            }
            world.check();
        }
        for at in 0..2 {
            let party = &mut world.parties[at];
            (party.lose, party.twice, party.crash_any) = (0, false, None);
            world.set_online(at, true);
            release(&mut world, at);
            // Until then whoever went back behind the ratchet is not read, and repeats.
            let peer = world.people[1 - at].key;
            world.command(at, Command::AllowWeaker { peer, allowed: true }).unwrap();
        }
        // Two of the longest waits.
        world.run(Duration::from_secs(1_300));
        world.check();
        for (at, id) in &said {
            prop_assert_eq!(world.message(*at, id).state, MessageState::Delivered);
            prop_assert_eq!(world.message(1 - at, id).state, MessageState::Received);
            prop_assert_ne!(world.message(1 - at, id).protection, Protection::Public);
        }
        if !said.is_empty() {
            // And nothing else did: `texts` also looks that each was announced once.
            prop_assert_eq!(world.texts(0, &chats[0]).len(), said.len());
            prop_assert_eq!(world.texts(1, &chats[1]).len(), said.len());
        }
    }
}
