//! What a link shows of those who speak and read.

use std::time::Duration;

use undertone_whisper::{Advertise, Config, Confirm, FlushPolicy, Pow, Watch};

use super::*;
use crate::engine::Sim;

const WORLD: u64 = 9;
const AUTHOR: u32 = 0;
const RELAY: u32 = 1;
const READER: u32 = 2;

/// A packet that the relay or the reader heard: when, from whom, what.
type Heard = (Mono, NodeId, Vec<u8>);

/// The author writes to the holder of a key on the reader's partition, over a relay. Gives what was heard, and how many
/// messages the reader opened.
fn run(to: PublicKey, flush: FlushPolicy) -> (Vec<Heard>, u32) {
    let people: Vec<_> = (0..3).map(|number| Person::new(WORLD, number)).collect();
    let speaks: Arc<[Dialects]> = vec![Dialects::WHISPER; 3].into();
    let reader = people[READER as usize].key;
    let machine = |person: &Person| {
        let relay = person.key == people[RELAY as usize].key;
        let config = TransportConfig {
            gossip: Config { watch: Watch::All, flush, confirm: Confirm::WhenDurable, ..Config::default() },
            advertise: if relay { Advertise::Everything } else { Advertise::Interest },
            // No work: how long the search takes must not move anything.
            pow: Pow::STATUS_LARGE,
            report: true,
            ..TransportConfig::default()
        };
        let listens = if relay { vec![] } else { vec![person.listen(Route::Partition(person.key))] };
        Endpoint::new(Setup {
            person: person.clone(),
            config,
            listens,
            speaks: speaks.clone(),
            trace: Trace::On,
        })
    };
    let profile = toml::from_str("latency_ms = [20, 20]\nreconnect_ms = 0").unwrap();
    let mut sim = Sim::new(WORLD, profile, people.iter().map(machine).collect());
    sim.link(NodeId(AUTHOR), NodeId(RELAY));
    sim.link(NodeId(RELAY), NodeId(READER));
    let flush = if flush == FlushPolicy::Fast { Flush::Fast } else { Flush::Blended };
    for second in 2..12_u64 {
        let say = Say { route: Route::Partition(reader), to, bytes: 50, flush };
        sim.command(Mono::ZERO.after(Duration::from_secs(second)), NodeId(AUTHOR), say);
    }
    let (mut heard, mut opened) = (Vec::new(), 0);
    sim.run(Mono::ZERO.after(Duration::from_secs(40)), |at, node, told| match told {
        Told::Heard { from, bytes } => heard.push((at, from, bytes)),
        Told::Received(_) if node == NodeId(READER) => opened += 1,
        _ => {}
    });
    (heard, opened)
}

#[test]
fn links_carry_no_key_of_who_speaks_or_reads() {
    let people: Vec<_> = (0..3).map(|number| Person::new(WORLD, number)).collect();
    let (heard, opened) = run(people[READER as usize].key, FlushPolicy::Fast);
    assert_eq!(opened, 10);
    let mut searched = 0;
    for (_, _, bytes) in &heard {
        for person in &people {
            let x = person.key.x();
            assert!(!bytes.windows(x.len()).any(|window| *window == x[..]));
        }
        searched += bytes.len();
    }
    assert!(searched > 20 * 300, "ten envelopes over two links: {searched}");
}

#[test]
fn what_a_reader_sends_does_not_show_whether_it_opened_anything() {
    let reader = Person::new(WORLD, READER).key;
    let stranger = Person::new(WORLD, 77).key;
    for flush in [FlushPolicy::Fast, FlushPolicy::Blended] {
        let [mine, others] = [reader, stranger].map(|to| run(to, flush));
        assert_eq!((mine.1, others.1), (10, 0), "opened");
        let from_reader = |(heard, _): &(Vec<Heard>, u32)| -> Vec<(Mono, usize)> {
            let from = heard.iter().filter(|(_, from, _)| *from == NodeId(READER));
            from.map(|(at, _, bytes)| (*at, bytes.len())).collect()
        };
        assert!(!from_reader(&mine).is_empty(), "its Status at least");
        assert_eq!(from_reader(&mine), from_reader(&others), "when and how much");
        let to_reader = |(heard, _): &(Vec<Heard>, u32)| heard.len();
        assert_eq!(to_reader(&mine), to_reader(&others));
    }
}
