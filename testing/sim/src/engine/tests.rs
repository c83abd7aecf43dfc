//! The world, seen by machines that write down what happens to them.

use super::*;

/// What a node saw, and when by its own clock in milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Saw {
    Bytes(Vec<u8>),
    Command,
    Down,
    Sent,
    Start,
    Timer,
    Up,
}

#[derive(Clone, Copy, Debug)]
enum Do {
    Close,
    Datagrams(NodeId, u8),
    Dial(NodeId),
    HangUp,
    Send { count: u8, bytes: usize },
    Timer(Mono),
}

#[derive(Debug, Default)]
struct Scribe {
    links: Vec<LinkId>,
    timer: Option<Mono>,
}

impl Machine for Scribe {
    type Command = Do;
    type Event = Saw;

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        *self = Self::default();
        cx.emit(Saw::Start);
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, change: LinkChange) {
        if change == LinkChange::Up {
            self.links.push(link);
            cx.emit(Saw::Up);
        } else {
            assert!(self.links.contains(&link), "only what came up goes down");
            self.links.retain(|known| *known != link);
            cx.emit(Saw::Down);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, _: From, bytes: &[u8]) {
        cx.emit(Saw::Bytes(bytes.to_vec()));
    }

    fn on_sent(&mut self, cx: &mut Cx<'_, Self>, _: LinkId) {
        cx.emit(Saw::Sent);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>) {
        self.timer.take_if(|at| *at <= cx.now().mono);
        cx.emit(Saw::Timer);
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Do) {
        cx.emit(Saw::Command);
        match command {
            Do::Close => self.links.clone().into_iter().for_each(|link| cx.close(link)),
            Do::Datagrams(to, count) => {
                (0..count).for_each(|i| cx.datagram(socket(cx.id()), socket(to), vec![i]));
            }
            Do::Dial(to) => {
                let link = cx.dial(socket(cx.id()), socket(to));
                let sockets = link.and_then(|link| cx.sockets(link));
                assert_eq!(sockets, (to != cx.id()).then(|| [socket(cx.id()), socket(to)]));
            }
            Do::HangUp => self.links.clone().into_iter().for_each(|link| cx.hang_up(link)),
            Do::Send { count, bytes } => {
                for i in 0..count {
                    self.links
                        .iter()
                        .for_each(|link| assert_ne!(cx.send(*link, vec![i; bytes]), Taken::Never));
                }
            }
            Do::Timer(at) => self.timer = Some(at),
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.timer
    }
}

fn at(millis: u64) -> Mono {
    Mono::from_nanos(millis * 1_000_000)
}

fn sim(profile: &str, nodes: u32) -> Sim<Scribe> {
    let machines = (0..nodes).map(|_| Scribe::default()).collect();
    let mut sim = Sim::new(7, toml::from_str(profile).unwrap(), machines);
    for node in (0..nodes).map(NodeId) {
        sim.give_address(node, socket(node).ip());
    }
    sim
}

fn socket(node: NodeId) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x2200_0000 | node.0).to_be_bytes()), 30303)
}

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

/// Runs to `end` and gives what `node` saw, with the time in milliseconds.
fn seen(sim: &mut Sim<Scribe>, end: u64, node: NodeId) -> Vec<(u64, Saw)> {
    let mut seen = Vec::new();
    sim.run(at(end), |time, who, saw| {
        if who == node && saw != Saw::Command {
            seen.push((time.nanos() / 1_000_000, saw));
        }
    });
    seen
}

fn packets(seen: &[(u64, Saw)]) -> Vec<(u64, u8)> {
    let first = |saw: &Saw| match saw {
        Saw::Bytes(bytes) => Some(bytes[0]),
        _ => None,
    };
    seen.iter().filter_map(|(time, saw)| Some((*time, first(saw)?))).collect()
}

#[test]
fn a_link_keeps_order_whatever_the_jitter() {
    let mut sim = sim("latency_ms = [20, 20]\njitter_ms = 500\nreconnect_ms = 0", 2);
    sim.link(A, B);
    sim.command(at(1_000), A, Do::Send { count: 100, bytes: 3 });
    let packets = packets(&seen(&mut sim, 5_000, B));
    assert_eq!(packets.iter().map(|p| p.1).collect::<Vec<_>>(), (0..100).collect::<Vec<u8>>());
    assert!(packets[0].0 >= 1_020 && packets[99].0 <= 1_520, "{packets:?}");
}

#[test]
fn a_slow_link_says_when_it_took_what() {
    // A KiB takes a second, and the second one waits for the first.
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 0\nkib_per_s = 1", 2);
    sim.link(A, B);
    sim.command(at(1_000), A, Do::Send { count: 2, bytes: 1_024 });
    let seen = seen(&mut sim, 9_000, A);
    let sent: Vec<u64> = seen.iter().filter(|(_, saw)| *saw == Saw::Sent).map(|(time, _)| *time).collect();
    assert_eq!(sent, [2_000, 3_000]);
}

#[test]
fn who_reads_slowly_is_waited_for_by_its_peers_alone() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 0", 3);
    sim.link(A, B);
    sim.link(B, NodeId(2));
    sim.set_reading(A, 2);
    sim.command(at(1_000), B, Do::Send { count: 2, bytes: 1_024 });
    let seen = seen(&mut sim, 9_000, B);
    let sent: Vec<u64> = seen.iter().filter(|(_, saw)| *saw == Saw::Sent).map(|(time, _)| *time).collect();
    assert_eq!(sent, [1_500, 2_000], "to A; to the third node at once");
}

#[test]
fn a_reset_loses_what_is_under_way_and_the_link_comes_back() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 300\nreset = 1.0", 2);
    sim.link(A, B);
    sim.command(at(1_000), A, Do::Send { count: 3, bytes: 1 });
    let seen = seen(&mut sim, 5_000, B);
    assert_eq!(packets(&seen), []);
    let kinds: Vec<&Saw> = seen.iter().map(|(_, saw)| saw).collect();
    assert_eq!(kinds, [&Saw::Start, &Saw::Up, &Saw::Down, &Saw::Up]);
    assert_eq!(sim.traffic().resets, 1, "the other two were lost with the first");
}

#[test]
fn a_partition_cuts_links_and_datagrams_and_heals() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 100", 3);
    sim.link(A, B);
    sim.link(B, NodeId(2));
    sim.partition(at(1_000), at(2_000), &[A]);
    for time in [900, 1_500, 3_000] {
        sim.command(at(time), A, Do::Datagrams(B, 1));
    }
    let seen = seen(&mut sim, 4_000, B);
    assert_eq!(packets(&seen), [(920, 0), (3_020, 0)]);
    let down: Vec<u64> = seen.iter().filter(|(_, saw)| *saw == Saw::Down).map(|(time, _)| *time).collect();
    assert_eq!(down, [1_000], "the link to the third node stands");
    assert_eq!(seen.iter().filter(|(_, saw)| *saw == Saw::Up).count(), 3);
}

#[test]
fn a_crashed_node_gets_nothing_and_starts_cold() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 100", 2);
    sim.link(A, B);
    sim.command(at(500), B, Do::Timer(at(1_500)));
    sim.crash(at(1_000), B, Duration::from_secs(1));
    sim.command(at(990), A, Do::Send { count: 1, bytes: 1 });
    sim.command(at(1_200), A, Do::Datagrams(B, 1));
    let seen = seen(&mut sim, 4_000, B);
    let after: Vec<&(u64, Saw)> = seen.iter().filter(|(time, _)| *time >= 990).collect();
    assert_eq!(*after[0], (2_000, Saw::Start), "neither packet nor datagram nor timer");
    assert_eq!(after.len(), 2);
    assert_eq!(after[1].1, Saw::Up);
}

#[test]
fn a_node_that_starts_late_is_not_there_before() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 100", 2);
    sim.start_late(B, at(1_000));
    sim.link(A, B);
    sim.command(at(500), A, Do::Datagrams(B, 1));
    let seen = seen(&mut sim, 4_000, B);
    assert_eq!(seen[0], (1_000, Saw::Start));
    assert_eq!(seen[1].1, Saw::Up);
    assert_eq!(seen.len(), 2);
}

#[test]
fn datagrams_are_lost_and_doubled_as_often_as_asked() {
    let mut sim = sim("latency_ms = [1, 50]\nloss = 0.2\nduplicate = 0.1", 2);
    for round in 0..50 {
        sim.command(at(100 * round), A, Do::Datagrams(B, 100));
    }
    let got = packets(&seen(&mut sim, 9_000, B));
    // 5,000 × 0.8 × 1.1 = 4,400, standard deviation about 40.
    assert!((4_200..4_600).contains(&got.len()), "{}", got.len());
    assert!(got.windows(2).any(|w| w[0].1 > w[1].1), "some overtake");
}

#[test]
fn dialled_links_stay_away_once_they_end() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 100", 2);
    sim.command(at(100), A, Do::Dial(B));
    sim.command(at(150), A, Do::Dial(A));
    sim.command(at(1_000), B, Do::HangUp);
    let seen = seen(&mut sim, 9_000, A);
    assert_eq!(seen, [(0, Saw::Start), (180, Saw::Up), (1_000, Saw::Down)]);
}

#[test]
fn a_link_that_is_closed_carries_what_was_sent_before() {
    let mut sim = sim("latency_ms = [20, 20]\nreconnect_ms = 0", 2);
    sim.command(at(100), A, Do::Dial(B));
    sim.command(at(1_000), A, Do::Send { count: 2, bytes: 1 });
    sim.command(at(1_001), A, Do::Close);
    let seen = seen(&mut sim, 9_000, B);
    assert_eq!(packets(&seen), [(1_020, 0), (1_020, 1)]);
    assert_eq!(seen.last(), Some(&(1_020, Saw::Down)));
}

#[test]
fn addresses_lead_to_their_nodes_and_sources_may_be_forged() {
    struct Sockets;
    impl Machine for Sockets {
        type Command = [SocketAddr; 2];
        type Event = From;
        fn on_start(&mut self, _: &mut Cx<'_, Self>) {}
        fn on_link(&mut self, _: &mut Cx<'_, Self>, _: LinkId, _: LinkChange) {}
        fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: From, _: &[u8]) {
            cx.emit(from);
        }
        fn on_command(&mut self, cx: &mut Cx<'_, Self>, [from, to]: [SocketAddr; 2]) {
            cx.datagram(from, to, vec![1]);
        }
    }
    let [mine, second, nobody, forged]: [SocketAddr; 4] =
        ["34.0.0.1:5", "34.0.0.2:6", "34.0.0.3:7", "9.9.9.9:9"].map(|text| text.parse().unwrap());
    let profile = toml::from_str("latency_ms = [1, 1]").unwrap();
    let mut sim = Sim::new(1, profile, vec![Sockets, Sockets]);
    sim.give_address(B, mine.ip());
    sim.give_address(B, second.ip());
    for to in [mine, second, nobody] {
        sim.command(at(10), A, [forged, to]);
    }
    let mut seen = Vec::new();
    sim.run(at(100), |_, node, from| seen.push((node, from)));
    assert_eq!(seen, [mine, second].map(|to| (B, From::Socket { from: forged, to })));
    assert_eq!(sim.traffic().datagrams, 3);
}

#[test]
fn timers_fire_and_an_earlier_one_wins() {
    let mut sim = sim("latency_ms = [20, 20]", 1);
    sim.command(at(100), A, Do::Timer(at(900)));
    sim.command(at(200), A, Do::Timer(at(400)));
    sim.command(at(500), A, Do::Timer(at(100)));
    let fired: Vec<u64> = seen(&mut sim, 9_000, A).iter().skip(1).map(|(time, _)| *time).collect();
    assert_eq!(fired, [400, 501], "one that is past fires at once, but time goes on");
}

#[test]
fn skew_moves_one_wall_clock_alone() {
    struct Clock;
    impl Machine for Clock {
        type Command = ();
        type Event = Now;
        fn on_start(&mut self, _: &mut Cx<'_, Self>) {}
        fn on_link(&mut self, _: &mut Cx<'_, Self>, _: LinkId, _: LinkChange) {}
        fn on_message(&mut self, _: &mut Cx<'_, Self>, _: From, _: &[u8]) {}
        fn on_command(&mut self, cx: &mut Cx<'_, Self>, (): ()) {
            let now = cx.now();
            cx.emit(now);
        }
    }
    let mut sim = Sim::new(1, toml::from_str("latency_ms = [1, 1]").unwrap(), vec![Clock, Clock]);
    sim.set_skew(B, -30_000);
    sim.command(at(1_234), A, ());
    sim.command(at(1_234), B, ());
    let mut clocks = Vec::new();
    sim.run(at(2_000), |_, _, now| clocks.push(now));
    assert_eq!(clocks[0].mono, clocks[1].mono);
    assert_eq!(clocks[0].unix.millis() - clocks[1].unix.millis(), 30_000);
}

#[test]
fn the_log_sees_every_byte() {
    let run = |bytes| {
        let mut sim = sim("latency_ms = [20, 60]\njitter_ms = 9", 2);
        sim.command(at(100), A, Do::Datagrams(B, bytes));
        sim.run(at(1_000), |_, _, _| {});
        sim.log()
    };
    assert_eq!(run(4), run(4));
    assert_ne!(run(4), run(5));
    let mut digests = [[0, 0, 0, 1], [0, 0, 1, 0]].map(|words| {
        let mut log = Log::new();
        log.entry(words, b"12345678");
        log
    });
    digests[1].entry([0; 4], b"");
    assert_ne!(digests[0], digests[1]);
    let both = digests[0].then(digests[1]);
    assert_ne!(both, digests[1].then(digests[0]));
    assert_eq!(both.entries(), 3);
}
