//! Discovery v4: the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use undertone_base::{Now, Unix};
use undertone_devp2p::discv4::{
    Config, Contact, Discovery, DiscoveryError, Event, Input, Packet, Signed, StoredNode, Walk, WireEndpoint,
    decode,
};
use undertone_devp2p::enr::{Entries, LocalRecord, Record};
use undertone_devp2p::limits::{MAX_LIMITED, MAX_PINGS_OUT};
use undertone_devp2p::{Enode, NodeId, NodeKey};
use undertone_support::rng;

use crate::net::{Net, address, key, local, start};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn boot(n: usize) -> Enode {
    local(&key(n), address(n)).record().to_enode()
}

fn thirty(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let boots = [boot(0), boot(1)];
    for n in 0..30 {
        net.add(n, &boots);
    }
    net.run(secs(300));
    net
}

#[test]
fn thirty_machines_find_each_other_from_two_boot_nodes() {
    let net = thirty(1);
    let known: Vec<_> = net.nodes.values().map(|node| node.nodes().count()).collect();
    assert!(known.iter().all(|count| *count >= 10), "{known:?}");
    let found: BTreeSet<_> = net
        .events
        .iter()
        .filter_map(|(at, event)| match event {
            Event::NodeFound { enode, .. } => Some((*at, enode.clone())),
            _ => None,
        })
        .collect();
    for n in 0..30 {
        let count = found.iter().filter(|(at, _)| *at == address(n)).count();
        assert!(count >= 10, "{n}: {count}");
        assert!(found.iter().filter(|(at, _)| *at != address(n)).any(|(_, enode)| *enode == boot(n)), "{n}");
    }
    // Records came along, and everybody is where it says.
    assert!(net.events.iter().any(|(_, event)| matches!(event, Event::NodeRecord(_))));
    assert!(!net.events.iter().any(|(_, event)| matches!(event, Event::RecordChanged(_))));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut net = Net::new(5);
    let mut again = Net::new(5);
    for net in [&mut net, &mut again] {
        for n in 0..8 {
            net.add(n, &[boot(0)]);
        }
        net.run(secs(120));
    }
    assert_eq!(net.transcript.snapshot(), again.transcript.snapshot());
    assert_eq!(net.events, again.events);
}

#[test]
fn a_lookup_finds_a_node_by_its_key_and_a_walk_goes_on() {
    let mut net = thirty(2);
    net.events.clear();
    let target = key(17).public().to_xy();
    let node = net.nodes.get_mut(&address(9)).unwrap();
    node.handle(net.now, Input::Lookup { id: 7, target }, &mut net.rng).unwrap();
    node.handle(net.now, Input::Walk(Walk::On), &mut net.rng).unwrap();
    net.run(secs(60));
    let done = net.events.iter().find_map(|(_, event)| match event {
        Event::LookupDone { id: 7, closest } => Some(closest.clone()),
        _ => None,
    });
    assert_eq!(done.unwrap()[0].to_enode(), boot(17));
    let walked =
        net.events.iter().filter(|(at, e)| *at == address(9) && matches!(e, Event::NodeFound { .. }));
    assert!(walked.count() > 100);
}

#[test]
fn a_lookup_asks_a_boot_node_however_many_are_closer() {
    let mut net = Net::new(7);
    for n in 0..30 {
        net.add(n, &[boot(0)]);
    }
    net.run(secs(60));
    let far = |target: &[u8; 64]| {
        let id = undertone_crypto::keccak256(target);
        let away = |n: usize| -> Vec<u8> {
            NodeId::of(&key(n).public()).as_bytes().iter().zip(id).map(|(a, b)| a ^ b).collect()
        };
        (1..30).filter(|n| away(*n) < away(0)).count() > 20
    };
    let target = (0..=u8::MAX).map(|n| [n; 64]).find(far).unwrap();
    let sent = |net: &Net| net.bytes[&(address(9), address(0))];
    let before = sent(&net);
    let node = net.nodes.get_mut(&address(9)).unwrap();
    node.handle(net.now, Input::Lookup { id: 1, target }, &mut net.rng).unwrap();
    net.run(Duration::from_millis(900));
    assert!(sent(&net) > before);
}

#[test]
fn who_wants_no_nodes_looks_around_once_a_minute_all_the_same() {
    let mut net = thirty(8);
    net.events.clear();
    net.run(secs(125));
    let found =
        net.events.iter().filter(|(at, event)| *at == address(9) && matches!(event, Event::NodeFound { .. }));
    assert!((2..100).contains(&found.count()), "two lookups find nodes, of a bucket each");
}

#[test]
fn who_stops_answering_is_forgotten_and_boot_nodes_are_asked_again() {
    let mut net = Net::new(3);
    for n in 0..3 {
        net.add(n, &[boot(0)]);
    }
    net.run(secs(60));
    assert_eq!(net.nodes[&address(2)].nodes().count(), 2);
    let lost: Vec<_> = (0..2).map(|n| net.nodes.remove(&address(n)).unwrap()).collect();
    net.run(secs(200));
    assert_eq!(net.nodes[&address(2)].nodes().count(), 0);
    net.nodes.extend((0..2).map(address).zip(lost));
    net.run(secs(60));
    assert!(net.nodes[&address(2)].nodes().count() > 0);
}

#[test]
fn a_node_starts_from_its_database_without_boot_nodes() {
    let mut net = thirty(4);
    net.run(secs(400));
    let stored: Vec<StoredNode> = net
        .events
        .iter()
        .rev()
        .find_map(|(at, event)| match event {
            Event::Store(nodes) if *at == address(5) => Some(nodes.clone()),
            _ => None,
        })
        .unwrap();
    assert!(stored.len() >= 10, "{}", stored.len());
    for node in &stored {
        assert_eq!(StoredNode::decode(&node.encode()).as_ref(), Some(node));
    }
    assert!(stored.iter().any(|node| node.record.is_some()));
    // Six days later nothing of it is used.
    net.add_with(5, Config { stored: stored.clone(), ..Config::new(local(&key(5), address(5))) });
    net.run(secs(60));
    assert!(net.nodes[&address(5)].nodes().count() >= 10);
    net.now.unix = net.now.unix.after(secs(6 * 24 * 3_600));
    net.add_with(40, Config { stored, ..Config::new(local(&key(40), address(40))) });
    net.run(secs(60));
    assert_eq!(net.nodes[&address(40)].sizes().table, 0);
}

/// One machine and a peer whose packets the test makes.
struct Alone {
    now: Now,
    node: Discovery,
    rng: undertone_support::ChaCha20Rng,
}

const PEER: fn() -> SocketAddr = || address(77);

impl Alone {
    fn new() -> Self {
        Self::with(Config::new(local(&key(0), address(0))))
    }

    fn with(config: Config) -> Self {
        let mut alone = Self { now: start(), node: Discovery::new(config, start()), rng: rng(9) };
        alone.pass(Duration::ZERO);
        alone
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.node.handle_timeout(self.now, &mut self.rng);
    }

    fn give(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<(), DiscoveryError> {
        self.node.handle(self.now, Input::Datagram { from, bytes }, &mut self.rng)
    }

    fn tell(&mut self, key: &NodeKey, from: SocketAddr, packet: &Packet) -> Result<(), DiscoveryError> {
        self.give(from, &packet.encode(key))
    }

    fn sent(&mut self) -> Vec<(SocketAddr, usize, Signed)> {
        std::iter::from_fn(|| self.node.poll_transmit(self.now))
            .map(|sent| (sent.to, sent.bytes.len(), decode(&sent.bytes).unwrap()))
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        self.all_events().into_iter().filter(|event| !matches!(event, Event::Pong { .. })).collect()
    }

    fn all_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.node.poll_event()).collect()
    }

    fn expiration(&self) -> u64 {
        self.now.unix.secs() + 20
    }

    /// As geth pings: no more than it needs.
    fn ping(&self, from: SocketAddr) -> Packet {
        Packet::Ping {
            version: 4,
            from: WireEndpoint::new(from, 30303),
            to: WireEndpoint::new(address(0), 0),
            expiration: self.expiration(),
            enr_seq: Some(1),
            padding: None,
        }
    }

    fn pong(&self, ping_hash: [u8; 32], to: SocketAddr) -> Packet {
        let to = WireEndpoint::new(to, 30303);
        Packet::Pong { to, ping_hash, expiration: self.expiration(), enr_seq: Some(0) }
    }

    fn find(&self) -> Packet {
        Packet::FindNode { target: [7; 64], expiration: self.expiration() }
    }

    /// The peer proves its endpoint.
    /// Our ping to a node, made of our own accord.
    fn ask(&mut self, n: usize, at: SocketAddr) -> Signed {
        let contact = Contact::new(key(n).public(), at, 30303);
        self.node.handle(self.now, Input::Ping(contact), &mut self.rng).unwrap();
        self.sent().pop().unwrap().2
    }

    fn prove(&mut self, key: &NodeKey, from: SocketAddr) {
        self.tell(key, from, &self.ping(from)).unwrap();
        let challenge = self.sent().pop().unwrap().2;
        self.tell(key, from, &self.pong(challenge.hash, address(0))).unwrap();
        assert_eq!(self.sent().pop().unwrap().2.packet.kind(), 2);
    }
}

#[test]
fn a_stranger_of_geth_is_challenged_with_what_fits_and_then_answered() {
    let (mut alone, peer) = (Alone::new(), key(77));
    let ping = alone.ping(PEER()).encode(&peer);
    alone.give(PEER(), &ping).unwrap();
    let [(to, len, challenge)] = alone.sent().try_into().unwrap();
    assert_eq!((to, challenge.packet.kind()), (PEER(), 1));
    assert!(len <= ping.len(), "{len} for {}", ping.len());
    // A second ping while we wait is not answered with a pong, which would be longer.
    alone.give(PEER(), &ping).unwrap();
    assert_eq!(alone.sent(), []);
    alone.tell(&peer, PEER(), &alone.pong(challenge.hash, address(0))).unwrap();
    let [(to, _, pong)] = alone.sent().try_into().unwrap();
    assert_eq!(to, PEER());
    let Packet::Pong { ping_hash, to, .. } = pong.packet else { panic!("{pong:?}") };
    assert_eq!((ping_hash.as_slice(), to), (&ping[..32], WireEndpoint::new(PEER(), 30303)));
    let enode = Contact::new(peer.public(), PEER(), 30303).to_enode();
    assert_eq!(alone.events(), [Event::NodeFound { enode, record: None }]);
    // From now on at once.
    alone.give(PEER(), &ping).unwrap();
    assert_eq!(alone.sent()[0].2.packet.kind(), 2);
    alone.tell(&peer, PEER(), &alone.find()).unwrap();
    assert_eq!(alone.sent()[0].2.packet.kind(), 4);
}

#[test]
fn only_a_matched_pong_of_that_key_and_address_proves_an_endpoint() {
    let (mut alone, peer) = (Alone::new(), key(77));
    let find = alone.find();
    assert_eq!(alone.tell(&peer, PEER(), &find), Err(DiscoveryError::Unproven));
    alone.tell(&peer, PEER(), &alone.ping(PEER())).unwrap();
    let challenge = alone.sent().pop().unwrap().2;
    for (key, from, hash) in
        [(&peer, PEER(), [9; 32]), (&peer, address(78), challenge.hash), (&key(78), PEER(), challenge.hash)]
    {
        let pong = alone.pong(hash, address(0));
        assert_eq!(alone.tell(key, from, &pong), Err(DiscoveryError::Unsolicited));
        assert_eq!(alone.tell(&peer, PEER(), &find), Err(DiscoveryError::Unproven));
    }
    // From another port of that address it counts.
    let port = SocketAddr::new(PEER().ip(), 1);
    let pong = alone.pong(challenge.hash, address(0));
    alone.tell(&peer, port, &pong).unwrap();
    assert_eq!(alone.tell(&peer, PEER(), &pong), Err(DiscoveryError::Unsolicited), "twice");
    assert_eq!(alone.tell(&peer, PEER(), &find), Ok(()));
    assert_eq!(alone.tell(&peer, address(78), &find), Err(DiscoveryError::Unproven));
    let request = Packet::EnrRequest { expiration: alone.expiration() };
    assert_eq!(alone.tell(&key(78), PEER(), &request), Err(DiscoveryError::Unproven));
    // For 24 hours.
    alone.sent();
    for hours in [23, 1] {
        alone.now = alone.now.after(secs(hours * 3_600));
        let expected = if hours == 23 { Ok(()) } else { Err(DiscoveryError::Unproven) };
        let find = alone.find();
        assert_eq!(alone.tell(&peer, PEER(), &find), expected);
    }
}

#[test]
fn a_pong_that_comes_late_proves_nothing() {
    let (mut alone, peer) = (Alone::new(), key(77));
    alone.tell(&peer, PEER(), &alone.ping(PEER())).unwrap();
    let challenge = alone.sent().pop().unwrap().2;
    alone.pass(secs(2));
    let pong = alone.pong(challenge.hash, address(0));
    assert_eq!(alone.tell(&peer, PEER(), &pong), Err(DiscoveryError::Unsolicited));
    assert_eq!(alone.node.sizes().pings, 0);
}

#[test]
fn answers_are_twelve_and_four_and_only_of_nodes_that_may_be_told() {
    let mut alone = Alone::new();
    for n in 100..140 {
        alone.prove(&key(n), address(n));
    }
    let lan = SocketAddr::from(([192, 168, 0, 9], 30303));
    alone.prove(&key(90), lan);
    alone.prove(&key(77), PEER());
    let find = alone.find();
    alone.tell(&key(77), PEER(), &find).unwrap();
    let sent = alone.sent();
    let told: Vec<Vec<_>> = sent
        .iter()
        .map(|(_, len, signed)| {
            assert!(*len <= 1280);
            let Packet::Neighbors { nodes, .. } = &signed.packet else { panic!("{signed:?}") };
            nodes.iter().map(|node| node.endpoint.address().unwrap()).collect()
        })
        .collect();
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [12, 4]);
    // The private node is told to a private asker only.
    let mut private = 0;
    for n in 0..64_u8 {
        alone.pass(secs(6));
        let find = Packet::FindNode { target: [n; 64], expiration: alone.expiration() };
        for from in [PEER(), lan] {
            let key = if from == lan { key(90) } else { key(77) };
            alone.tell(&key, from, &find).unwrap();
            for (_, _, signed) in alone.sent() {
                let Packet::Neighbors { nodes, .. } = signed.packet else { continue };
                let told = nodes.iter().any(|node| node.endpoint.address() == Some(lan.ip()));
                assert!(from == lan || !told);
                private += u32::from(told);
            }
        }
    }
    assert!(private > 0);
}

/// Memory that forged pings may cost, in bytes (issue: less than 8 MiB, whatever their number).
const BUDGET: u64 = 8 * 1_024 * 1_024;

#[test]
fn forged_pings_are_cheap() {
    let cost = allocation_counter::measure(|| forged_pings(50_000));
    // What the test itself remembers of its 37,500 sources is counted too.
    assert!(cost.bytes_max < BUDGET && cost.bytes_current < 1_024, "{cost:?}");
}

#[test]
#[ignore = "a million packets: `cargo xtask soak` runs it"]
fn a_million_forged_pings_are_no_dearer() {
    let cost = allocation_counter::measure(|| forged_pings(1_000_000));
    // What the test itself remembers of its 37,500 sources is counted too.
    assert!(cost.bytes_max < BUDGET && cost.bytes_current < 1_024, "{cost:?}");
}

#[expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
fn forged_pings(count: usize) {
    let mut alone = Alone::new();
    let mut victims: BTreeMap<IpAddr, (usize, usize)> = BTreeMap::new();
    let mut largest = alone.node.sizes();
    let pings: Vec<_> = (0..500).map(|n| alone.ping(address(n)).encode(&key(n % 50))).collect();
    let (mut total_in, mut total_out, mut packets_out) = (0, 0, 0);
    for n in 0..count {
        // Sources all over the place, one in four of one victim.
        let [_, a, b, c] =
            u32::try_from((n % 50_000).wrapping_mul(40_503) % 0x00ff_ffff).unwrap().to_be_bytes();
        let from = if n % 4 == 0 { address(3) } else { SocketAddr::from(([45, a, b, c | 1], 30303)) };
        let ping = &pings[n % 500];
        let _ = alone.give(from, ping);
        victims.entry(from.ip()).or_default().0 += ping.len();
        total_in += ping.len();
        if n % 1_000 == 999 {
            alone.pass(Duration::from_millis(300));
        }
        for (to, len, signed) in alone.sent() {
            assert_eq!(signed.packet.kind(), 1);
            victims.entry(to.ip()).or_default().1 += len;
            total_out += len;
            packets_out += 1;
        }
        let sizes = alone.node.sizes();
        largest.pings = largest.pings.max(sizes.pings);
        largest.limited = largest.limited.max(sizes.limited);
        assert_eq!((sizes.table, sizes.bonds, sizes.votes, sizes.queries, sizes.waiting), (0, 0, 0, 0, 0));
    }
    assert!(total_out <= total_in / 5, "{total_out} for {total_in}");
    for (victim, (came, went)) in victims {
        assert!(went <= came, "{victim}: {went} for {came}");
    }
    assert!(packets_out > 0 && packets_out <= count / 50_000 * 20 * MAX_PINGS_OUT, "{packets_out}");
    assert!(largest.pings <= MAX_PINGS_OUT && largest.limited <= MAX_LIMITED, "{largest:?}");
    // Who is real gets through when the flood is over.
    alone.pass(secs(6));
    alone.prove(&key(77), PEER());
}

#[test]
fn between_two_of_ours_nobody_gets_more_than_it_sent_before_it_proved_itself() {
    let mut net = Net::new(6);
    net.add(0, &[]);
    net.add(1, &[boot(0)]);
    net.run(Duration::from_millis(30));
    // The boot node hears a ping, says no more than that; then both are proved.
    net.run(secs(2));
    for n in 0..2 {
        assert_eq!(net.nodes[&address(n)].sizes().bonds, 1);
    }
    assert_eq!(net.nodes[&address(1)].nodes().count(), 1);
}

#[test]
fn pings_do_not_move_our_endpoint() {
    let mut alone = Alone::with(Config::new(LocalRecord::new(key(0), Entries::default(), None).unwrap()));
    let liar: SocketAddr = "6.6.6.6:666".parse().unwrap();
    for n in 100..160 {
        let mut ping = alone.ping(address(n));
        if let Packet::Ping { to, .. } = &mut ping {
            *to = WireEndpoint::new(liar, 0);
        }
        alone.tell(&key(n), address(n), &ping).unwrap();
    }
    assert_eq!((alone.events(), alone.node.sizes().votes), (vec![], 0));
    alone.pass(secs(6));
    alone.sent();
    // Nor does who pings first, and then answers our ping.
    for n in 160..180 {
        alone.tell(&key(n), address(n), &alone.ping(address(n))).unwrap();
        let challenge = alone.sent().pop().unwrap().2;
        alone.tell(&key(n), address(n), &alone.pong(challenge.hash, liar)).unwrap();
    }
    assert_eq!(alone.node.sizes().votes, 0);
    // Pongs of one prefix neither, from however many keys.
    let solicited = |alone: &mut Alone, n: usize, from: SocketAddr| {
        let asked = alone.ask(n, from);
        alone.tell(&key(n), from, &alone.pong(asked.hash, liar)).unwrap();
    };
    for n in 0..40_u8 {
        solicited(&mut alone, 200 + usize::from(n), SocketAddr::from(([34, 9, 9, n + 1], 30303)));
        alone.pass(secs(1));
    }
    assert_eq!(alone.node.sizes().votes, 1);
    assert_eq!(alone.node.record().seq(), 1);
    // Ten prefixes do: this is what a real change of address looks like.
    for n in 300..310 {
        solicited(&mut alone, n, address(n));
    }
    assert!(alone.events().contains(&Event::EndpointPredicted(liar)));
    assert_eq!(alone.node.record().discovery_address(), Some(liar));
    assert_eq!(alone.node.record().seq(), 2);
}

#[test]
fn an_external_address_is_stronger_than_a_prediction() {
    let mut alone = Alone::with(Config::new(LocalRecord::new(key(0), Entries::default(), None).unwrap()));
    let ip: IpAddr = "34.1.1.1".parse().unwrap();
    alone.node.handle(alone.now, Input::ExternalAddress(Some(ip)), &mut alone.rng).unwrap();
    assert!(matches!(alone.events()[..], [Event::RecordChanged(_)]));
    for n in 300..320 {
        let asked = alone.ask(n, address(n));
        let said = "35.5.5.5:5".parse().unwrap();
        alone.tell(&key(n), address(n), &alone.pong(asked.hash, said)).unwrap();
    }
    assert!(alone.events().iter().any(|event| matches!(event, Event::EndpointPredicted(_))));
    assert_eq!(alone.node.record().address(), Some(ip));
    alone.node.handle(alone.now, Input::ExternalAddress(None), &mut alone.rng).unwrap();
    assert_eq!(alone.node.record().discovery_address(), Some("35.5.5.5:5".parse().unwrap()));
}

#[test]
fn what_others_say_of_our_endpoint_by_another_protocol_counts_the_same() {
    let own = Entries::default().with_ip("10.0.0.7".parse().unwrap()).with_udp(5).with_tcp(6);
    let mut alone = Alone::with(Config::new(LocalRecord::new(key(0), own, None).unwrap()));
    let said: SocketAddr = "35.5.5.5:55".parse().unwrap();
    let vote = |alone: &mut Alone, n| {
        let input = Input::Vote { voter: address(n).ip(), said };
        alone.node.handle(alone.now, input, &mut alone.rng).unwrap();
    };
    for n in 300..309 {
        vote(&mut alone, n);
        vote(&mut alone, n);
    }
    assert_eq!(alone.node.record().discovery_address(), Some("10.0.0.7:5".parse().unwrap()));
    vote(&mut alone, 309);
    assert_eq!(alone.node.record().discovery_address(), Some(said));
    // The ports of a router: the one of discovery is the predicted one all the same.
    let ports = Input::Ports { tcp: Some(66), udp: Some(56) };
    alone.node.handle(alone.now, ports, &mut alone.rng).unwrap();
    assert_eq!((alone.node.record().udp(), alone.node.record().tcp()), (Some(55), Some(66)));
    let external = Input::ExternalAddress(Some("34.1.1.1".parse().unwrap()));
    alone.node.handle(alone.now, external, &mut alone.rng).unwrap();
    assert_eq!(alone.node.record().to_enode().to_string().split('@').nth(1), Some("34.1.1.1:66?discport=56"));
}

#[test]
fn a_pong_tells_how_far_the_other_clock_is() {
    for (theirs, expected) in [(0_i64, 0), (7, 7_000), (-15, -15_000)] {
        let (mut alone, peer) = (Alone::new(), key(77));
        let contact = Contact::new(peer.public(), PEER(), 9);
        alone.node.handle(alone.now, Input::Ping(contact.clone()), &mut alone.rng).unwrap();
        let ping = alone.sent().pop().unwrap().2;
        let mut pong = alone.pong(ping.hash, address(0));
        if let Packet::Pong { expiration, .. } = &mut pong {
            *expiration = alone.expiration().checked_add_signed(theirs).unwrap();
        }
        alone.tell(&peer, PEER(), &pong).unwrap();
        let pongs: Vec<_> =
            alone.all_events().into_iter().filter(|event| matches!(event, Event::Pong { .. })).collect();
        assert_eq!(pongs, [Event::Pong { contact, offset_ms: expected }]);
    }
    let mut restricted = Alone::with(Config {
        restrict: vec!["10.0.0.0/8".parse().unwrap()],
        ..Config::new(local(&key(0), address(0)))
    });
    let contact = Contact::new(key(77).public(), PEER(), 9);
    let refused = restricted.node.handle(restricted.now, Input::Ping(contact), &mut restricted.rng);
    assert_eq!(refused, Err(DiscoveryError::Refused));
}

#[test]
fn records_are_fetched_and_checked() {
    let (mut alone, peer) = (Alone::new(), key(77));
    alone.prove(&peer, PEER());
    alone.events();
    let sign = |key: &NodeKey, seq, ip: Option<&str>| {
        let entries = Entries::default().with_tcp(4).with_udp(5);
        let ip = ip.map(|ip| ip.parse().unwrap());
        Record::sign(key, seq, &ip.into_iter().fold(entries, Entries::with_ip)).unwrap()
    };
    // A ping that names a higher number makes us ask.
    alone.tell(&peer, PEER(), &alone.ping(PEER())).unwrap();
    let request = alone.sent().pop().unwrap().2;
    assert_eq!(request.packet.kind(), 5);
    let respond = |alone: &mut Alone, request_hash, record: &Record| {
        let packet = Packet::EnrResponse { request_hash, record: record.as_bytes().to_vec() };
        alone.tell(&peer, PEER(), &packet)
    };
    let good = sign(&peer, 3, None);
    for (request_hash, record, expected) in [
        ([0; 32], &good, DiscoveryError::Unsolicited),
        (request.hash, &sign(&key(1), 9, None), DiscoveryError::Record),
        (request.hash, &sign(&peer, 9, Some("192.168.1.1")), DiscoveryError::Record),
        (request.hash, &sign(&peer, 9, Some("127.0.0.1")), DiscoveryError::Record),
    ] {
        assert_eq!(respond(&mut alone, request_hash, record), Err(expected));
    }
    let mut bad = good.as_bytes().to_vec();
    *bad.last_mut().unwrap() ^= 1;
    let packet = Packet::EnrResponse { request_hash: request.hash, record: bad };
    assert_eq!(alone.tell(&peer, PEER(), &packet), Err(DiscoveryError::Record));
    assert_eq!(respond(&mut alone, request.hash, &good), Ok(()));
    assert_eq!(alone.events(), [Event::NodeRecord(good.clone())]);
    assert_eq!(respond(&mut alone, request.hash, &good), Err(DiscoveryError::Unsolicited));
    // The number is not higher now: nothing is asked. An older record is refused.
    alone.tell(&peer, PEER(), &alone.ping(PEER())).unwrap();
    assert_eq!(alone.sent().pop().unwrap().2.packet.kind(), 2);
    let contact = Contact::new(peer.public(), PEER(), 1);
    alone.node.handle(alone.now, Input::RequestRecord(contact), &mut alone.rng).unwrap();
    let request = alone.sent().pop().unwrap().2;
    assert_eq!(respond(&mut alone, request.hash, &sign(&peer, 2, None)), Err(DiscoveryError::Record));
    // And ours is given to who is proved.
    let ask = Packet::EnrRequest { expiration: alone.expiration() };
    let hash: [u8; 32] = ask.encode(&peer)[..32].try_into().unwrap();
    alone.tell(&peer, PEER(), &ask).unwrap();
    let answer = alone.sent().pop().unwrap().2.packet;
    let record = alone.node.record().as_bytes().to_vec();
    assert_eq!(answer, Packet::EnrResponse { request_hash: hash, record });
}

/// A machine whose only boot node is [`PEER`], which has told it whom to ask: the challenge and the request.
fn asked_by_alone() -> (Alone, NodeKey) {
    let (peer, config) = (key(77), Config::new(local(&key(0), address(0))));
    let boot = vec![Contact::new(peer.public(), PEER(), 30303).to_enode()];
    let mut alone = Alone::with(Config { boot, ..config });
    let [(to, _, ping)] = alone.sent().try_into().unwrap();
    assert_eq!((to, ping.packet.kind()), (PEER(), 1));
    alone.tell(&peer, PEER(), &alone.pong(ping.hash, address(0))).unwrap();
    // As with geth: nothing is asked before its ping came, or half a second passed.
    assert_eq!(alone.sent(), []);
    (alone, peer)
}

#[test]
fn who_does_not_ping_us_is_asked_half_a_second_later() {
    let (mut alone, _) = asked_by_alone();
    alone.pass(Duration::from_millis(499));
    assert_eq!(alone.sent(), []);
    alone.pass(Duration::from_millis(1));
    assert_eq!(alone.sent().pop().unwrap().2.packet.kind(), 3);
}

#[test]
fn a_liar_has_us_ping_few_of_the_many_that_it_names_at_one_place() {
    let (mut alone, peer) = asked_by_alone();
    alone.tell(&peer, PEER(), &alone.ping(PEER())).unwrap();
    let kinds: Vec<_> = alone.sent().iter().map(|(_, _, signed)| signed.packet.kind()).collect();
    assert!(kinds.contains(&2) && kinds.contains(&3), "{kinds:?}");
    let mut pinged = 0;
    for round in 0..4 {
        let wire = |n: u8| undertone_devp2p::discv4::WireNode {
            endpoint: WireEndpoint::new(SocketAddr::from(([45, 0, 0, n + 1], 30303)), 1),
            key: key(usize::from(n) + 100 * (round + 4)).public().to_xy(),
        };
        let nodes = (0..12).map(wire).collect();
        let packet = Packet::Neighbors { nodes, expiration: alone.expiration() };
        let _ = alone.tell(&peer, PEER(), &packet);
        pinged += alone.sent().iter().filter(|(to, _, _)| to.ip() != PEER().ip()).count();
        alone.pass(Duration::from_millis(100));
    }
    assert!((1..=2).contains(&pinged), "{pinged}");
}

#[test]
fn nodes_of_a_list_are_asked_at_once_and_private_ones_are_none() {
    let mut net = Net::new(8);
    for n in 0..2 {
        net.add(n, &[]);
    }
    net.run(secs(1));
    let listed = Contact::of_record(local(&key(1), address(1)).record()).unwrap();
    let node = net.nodes.get_mut(&address(0)).unwrap();
    node.handle(net.now, Input::Nodes(vec![listed]), &mut net.rng).unwrap();
    net.run(secs(2));
    assert_eq!(net.nodes[&address(0)].nodes().count(), 1);
    for bad in ["127.0.0.1:30303", "10.0.0.1:30303", "192.0.2.1:30303", "34.0.0.1:1024", "224.0.0.1:30303"] {
        assert_eq!(Contact::of_record(local(&key(1), bad.parse().unwrap()).record()), None, "{bad}");
    }
}

#[test]
fn boot_nodes_whose_names_were_resolved_later_are_asked_and_move() {
    let mut alone = Alone::with(Config::new(local(&key(0), address(0))));
    alone.pass(secs(1));
    assert!(alone.sent().is_empty());
    let boot = |at: SocketAddr| Contact::new(key(77).public(), at, 30303);
    for at in [PEER(), address(78)] {
        alone.node.handle(alone.now, Input::Boot(vec![boot(at)]), &mut alone.rng).unwrap();
        for _ in 0..40 {
            alone.pass(secs(1));
        }
        let asked: Vec<_> = alone.sent().into_iter().map(|(to, ..)| to).collect();
        // It is at one place only: the first one is not asked any more.
        assert!(!asked.is_empty() && asked.iter().all(|to| *to == at), "{asked:?}");
    }
}

#[test]
fn early_and_repeated_timeouts_do_nothing() {
    let (mut alone, _) = asked_by_alone();
    for time in [0, 1, 498] {
        alone.pass(Duration::from_millis(time));
        let before = state(&alone.node);
        for _ in 0..100 {
            alone.pass(Duration::ZERO);
        }
        assert_eq!(state(&alone.node), before);
    }
}

#[test]
fn codes_are_stable_and_unique() {
    use undertone_devp2p::discv4::PacketError;
    let errors = [
        DiscoveryError::Packet(PacketError::Size { size: 1 }),
        DiscoveryError::Packet(PacketError::Hash),
        DiscoveryError::Packet(PacketError::Signature),
        DiscoveryError::Packet(PacketError::UnknownType(7)),
        DiscoveryError::Packet(PacketError::Rlp("ping")),
        DiscoveryError::Expired,
        DiscoveryError::Address,
        DiscoveryError::Unsolicited,
        DiscoveryError::Unproven,
        DiscoveryError::Limited,
        DiscoveryError::Record,
        DiscoveryError::Refused,
    ];
    assert_eq!(errors.iter().map(DiscoveryError::code).collect::<BTreeSet<_>>().len(), errors.len());
    assert!(errors.iter().all(|e| e.code().starts_with("discovery.") && !e.to_string().ends_with('.')));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_answered() {
    let networks = vec!["34.0.0.0/8".parse().unwrap()];
    let config = Config { restrict: networks, ..Config::new(local(&key(0), address(0))) };
    let (mut alone, peer) = (Alone::with(config), key(77));
    let ping = alone.ping(PEER());
    for from in ["35.0.0.1:1", "0.0.0.0:1", "224.0.0.1:1", "34.0.0.1:0", "[::]:1"] {
        let outcome = alone.tell(&peer, from.parse().unwrap(), &ping);
        assert_eq!(outcome, Err(DiscoveryError::Address), "{from}");
    }
    assert_eq!(alone.tell(&key(0), PEER(), &ping), Err(DiscoveryError::Address), "our own key");
    alone.now = alone.now.after(secs(21));
    assert_eq!(alone.tell(&peer, PEER(), &ping), Err(DiscoveryError::Expired));
    let nodes = Packet::Neighbors { nodes: vec![], expiration: alone.expiration() };
    assert_eq!(alone.tell(&peer, PEER(), &nodes), Err(DiscoveryError::Unsolicited));
    assert_eq!((alone.sent(), alone.events()), (vec![], vec![]));
    assert_eq!((alone.node.stats().received, alone.node.stats().refused), (8, 8));
}

#[test]
fn a_stored_node_is_exact() {
    let node = StoredNode {
        contact: Contact::new(key(1).public(), "[2a01::1]:9".parse().unwrap(), 7),
        last_pong: Unix::from_secs(5),
        record: None,
    };
    let bytes = node.encode();
    assert_eq!(StoredNode::decode(&bytes), Some(node));
    for cut in 0..bytes.len() {
        assert_eq!(StoredNode::decode(&bytes[..cut]), None);
    }
    let mut more = bytes.clone();
    more.push(0);
    assert_eq!(StoredNode::decode(&more), None);
    let mut version = bytes;
    version[2] = 2;
    assert_eq!(StoredNode::decode(&version), None);
}

/// All of the machine but its counters.
fn state(node: &Discovery) -> String {
    let all = format!("{node:?}");
    all.split("stats: ").next().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bytes_that_are_no_packet_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..1400), at: u16) {
        let mut alone = Alone::new();
        let before = state(&alone.node);
        prop_assert!(alone.give(address(usize::from(at)), &bytes).is_err());
        prop_assert_eq!(&state(&alone.node), &before);
        let ping = alone.ping(PEER()).encode(&key(77));
        let mut bad = ping.clone();
        let at = usize::from(at) % bad.len();
        bad[at] ^= 0x10;
        prop_assert!(alone.give(PEER(), &bad).is_err());
        prop_assert_eq!(&state(&alone.node), &before);
    }

    #[test]
    fn a_stranger_never_gets_more_than_it_sent(
        pings in proptest::collection::vec((0usize..3, 0usize..3, 0usize..300, 0u64..2_000, 0u16..3), 1..40),
    ) {
        // One of its nodes is a boot node, which we ping unasked: that is not an answer.
        let boot = vec![Contact::new(key(77).public(), PEER(), 1).to_enode()];
        let mut alone = Alone::with(Config { boot, ..Config::new(local(&key(0), address(0))) });
        alone.sent();
        let mut left: BTreeMap<IpAddr, i64> = BTreeMap::new();
        for (who, at, size, millis, port) in pings {
            alone.now = alone.now.after(Duration::from_millis(millis));
            let from = SocketAddr::new(address(77 + at).ip(), 30303 + port);
            let mut ping = alone.ping(from);
            if let Packet::Ping { padding, .. } = &mut ping {
                *padding = size.checked_sub(100);
            }
            let bytes = ping.encode(&key(77 + who));
            *left.entry(from.ip()).or_default() += i64::try_from(bytes.len()).unwrap();
            let _ = alone.give(from, &bytes);
            for (to, len, _) in alone.sent() {
                let left = left.entry(to.ip()).or_default();
                *left -= i64::try_from(len).unwrap();
                prop_assert!(*left >= 0, "{} {}", to, left);
            }
        }
    }

    #[test]
    fn whatever_peers_say_the_machine_stays_within_its_bounds(
        steps in proptest::collection::vec((0u8..8, 0usize..6, any::<u8>(), 0u16..3_000), 1..80),
    ) {
        let mut alone = Alone::with(Config {
            boot: vec![boot(1), boot(2)], walk: Walk::On, ..Config::new(local(&key(0), address(0)))
        });
        let (mut hashes, mut sent) = (vec![[0; 32]], Vec::new());
        for (kind, who, byte, millis) in steps {
            let from = address(who + 1);
            let hash = hashes[usize::from(byte) % hashes.len()];
            let expiration = alone.expiration();
            let node = |n: u8| Contact::new(key(usize::from(n) + 1).public(), address(usize::from(n)), 1);
            let wire = |n: u8| {
                let c = node(n);
                undertone_devp2p::discv4::WireNode { endpoint: WireEndpoint::new(c.address, 1), key: c.key.to_xy() }
            };
            let packet = match kind {
                0 => alone.ping(from),
                1 | 2 => alone.pong(hash, address(usize::from(byte))),
                3 => alone.find(),
                4 => Packet::Neighbors { nodes: (0..byte % 13).map(wire).collect(), expiration },
                5 => Packet::EnrRequest { expiration },
                6 => Packet::EnrResponse {
                    request_hash: hash,
                    record: local(&key(who + 1), from).record().as_bytes().to_vec(),
                },
                _ => { alone.pass(Duration::from_millis(millis.into())); continue; }
            };
            let _ = alone.tell(&key(who + 1), from, &packet);
            for (_, len, signed) in alone.sent() {
                prop_assert!(len <= 1280);
                hashes.push(signed.hash);
                sent.push(signed.packet.kind());
            }
            let sizes = alone.node.sizes();
            prop_assert!(sizes.table <= 272 && sizes.queries <= 19 && sizes.pings <= MAX_PINGS_OUT + 20, "{:?}", sizes);
            prop_assert!(alone.node.poll_timeout().is_some());
        }
    }
}
