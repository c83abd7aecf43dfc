//! What holds for any bytes.

use proptest::prelude::*;
use undertone_base::Now;
use undertone_devp2p::limits::MAX_EARLY;
use undertone_devp2p::{Closed, Config, Event, Hello, NodeKey, Session};
use undertone_support::rng;

use crate::pair::{Cut, Pair, offer};

/// A session in a phase of its life: dialled, accepted, deciding, greeting, active.
fn in_phase(phase: u8, seed: u64) -> Session {
    let offers = || vec![offer("shh", 6, 128)];
    if phase == 4 {
        return Pair::established(seed, Cut::Whole).dialled.session;
    }
    let mut pair = Pair::new(seed, Cut::Whole, [offers(), offers()]);
    match phase {
        0 => return pair.dialled.session,
        1 => return pair.accepted.session,
        _ => {}
    }
    let auth = pair.dialled.session.poll_transmit().unwrap();
    pair.accepted.session.receive(pair.now, &auth, &mut pair.rng);
    assert!(matches!(pair.accepted.session.poll_event(), Some(Event::Authenticated(_))));
    if phase == 3 {
        pair.accepted.session.admit(pair.now, undertone_devp2p::Admission::Admit, &mut pair.rng);
    }
    pair.accepted.session
}

/// How many bytes a session may hold: the Debug of a session tells it.
fn buffered(session: &Session) -> usize {
    let shown = format!("{session:?}");
    let (_, rest) = shown.split_once("buffered: ").unwrap();
    rest.split_once(',').unwrap().0.parse().unwrap()
}

/// Everything that both ends saw and wrote, with the reads cut in this way.
fn transcript(seed: u64, cut: Cut, messages: &[(u64, Vec<u8>)]) -> (Vec<Event>, Vec<Event>, Vec<u8>) {
    let offers = || vec![offer("shh", 6, 128)];
    let mut pair = Pair::new(seed, cut, [offers(), offers()]);
    pair.settle();
    for (code, payload) in messages {
        pair.dialled.session.send(pair.now, 0, *code, payload).unwrap();
    }
    pair.settle();
    (pair.dialled.events, pair.accepted.events, pair.dialled.written)
}

fn messages() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
    prop::collection::vec((0u64..128, prop::collection::vec(any::<u8>(), 0..300)), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn strangers_bytes_never_panic_and_never_pile_up(
        phase in 0u8..5,
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 1..6),
    ) {
        let mut session = in_phase(phase, 1);
        let mut random = rng(2);
        for chunk in &chunks {
            session.receive(Now::default(), chunk, &mut random);
            // A packet of the handshake, what may come early, or nothing: no frame of a stranger passes its MAC.
            let limit = match phase { 0 | 1 => 2_050, 2 => MAX_EARLY, _ => 32 };
            prop_assert!(buffered(&session) <= limit, "phase {phase}: {session:?}");
        }
        let mut closed = false;
        while let Some(event) = session.poll_event() {
            prop_assert!(!closed);
            closed = matches!(event, Event::Closed(Closed::Fault(_)));
            prop_assert!(closed, "{event:?}");
        }
        prop_assert_eq!(closed, session.is_closed());
    }

    #[test]
    fn the_cut_of_the_reads_changes_nothing(seed in 0u64..1_000, most in 1u32..400, messages in messages()) {
        let whole = transcript(seed, Cut::Whole, &messages);
        prop_assert_eq!(&whole.1.len(), &(2 + messages.len()));
        let cut = transcript(seed, Cut::Random(most), &messages);
        prop_assert_eq!(&whole.0, &cut.0);
        prop_assert_eq!(&whole.1, &cut.1);
    }

    #[test]
    fn the_same_seed_writes_the_same_bytes(seed: u64, messages in messages()) {
        let first = transcript(seed, Cut::Random(100), &messages);
        let again = transcript(seed, Cut::Random(100), &messages);
        prop_assert_eq!(first, again);
    }

    #[test]
    fn a_flipped_bit_kills_the_link_and_nothing_behind_it_arrives(
        seed in 0u64..1_000, messages in messages(), at: prop::sample::Index, bit in 0u8..8,
    ) {
        prop_assume!(!messages.is_empty());
        let mut pair = Pair::established(seed, Cut::Whole);
        let mut ends = Vec::new();
        let mut wire = Vec::new();
        for (code, payload) in &messages {
            pair.dialled.session.send(pair.now, 0, *code, payload).unwrap();
            wire.extend(pair.dialled.session.poll_transmit().unwrap());
            ends.push(wire.len());
        }
        let at = at.index(wire.len());
        wire[at] ^= 1 << bit;
        pair.accepted.session.receive(pair.now, &wire, &mut pair.rng);
        let intact = ends.iter().filter(|end| **end <= at).count();
        for (code, payload) in &messages[..intact] {
            let expected = Event::Message { capability: 0, code: *code, payload: payload.clone() };
            prop_assert_eq!(pair.accepted.session.poll_event(), Some(expected));
        }
        let last = pair.accepted.session.poll_event();
        prop_assert!(matches!(last, Some(Event::Closed(Closed::Fault(_)))), "{last:?}");
        prop_assert_eq!(pair.accepted.session.poll_event(), None);
        pair.accepted.session.receive(pair.now, &wire, &mut pair.rng);
        prop_assert_eq!(pair.accepted.session.poll_event(), None);
        prop_assert_eq!(pair.accepted.session.poll_transmit(), None);
    }

    #[test]
    fn a_flipped_bit_of_the_handshake_lets_nobody_in(side in 0u8..2, at: prop::sample::Index, bit in 0u8..8) {
        let offers = || vec![offer("shh", 6, 128)];
        let mut pair = Pair::new(3, Cut::Whole, [offers(), offers()]);
        let mut packet = pair.dialled.session.poll_transmit().unwrap();
        if side == 1 {
            pair.accepted.session.receive(pair.now, &packet, &mut pair.rng);
            packet = pair.accepted.session.poll_transmit().unwrap();
        }
        let at = at.index(packet.len());
        packet[at] ^= 1 << bit;
        let session = if side == 0 { &mut pair.accepted.session } else { &mut pair.dialled.session };
        session.receive(pair.now, &packet, &mut pair.rng);
        // A larger size waits for more bytes; every other change is noticed at once.
        match session.poll_event() {
            None => prop_assert!(at < 2, "byte {at}"),
            Some(event) => prop_assert!(matches!(event, Event::Closed(Closed::Fault(_))), "{event:?}"),
        }
    }

    #[test]
    fn hellos_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_100)) {
        let _ = Hello::decode(&bytes);
    }

    #[test]
    fn hellos_read_back(
        version: u64,
        listen_port: u64,
        client in prop::collection::vec(any::<u8>(), 0..100),
        caps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), any::<u64>()), 0..64),
        tail in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let capabilities = caps
            .into_iter()
            .map(|(name, version)| undertone_devp2p::Capability { name, version })
            .collect();
        let key = NodeKey::random(&mut rng(version)).public();
        let hello = Hello { version, client, capabilities, listen_port, key };
        let mut bytes = hello.encode();
        bytes.extend(tail);
        prop_assert_eq!(Hello::decode(&bytes), Ok(hello));
    }
}

#[test]
fn configs_of_one_node_print_no_key() {
    let config = Config::new(NodeKey::from_hex(&"01".repeat(32)).unwrap(), "t", vec![offer("shh", 6, 128)]);
    insta::assert_snapshot!(
        format!("{config:?}"),
        @"Config { key: NodeKey(SecretKey(32 bytes)), client: [116], offers: [Offer { capability: shh/6, length: 128 }], max_message: 1049600 }"
    );
}
