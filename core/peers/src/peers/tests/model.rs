//! Long random schedules of every kind of input, against rules that hold whatever happens.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rand_core::Rng;

use crate::limits::{
    CANDIDATES_PER_SOURCE, CANDIDATES_REMEMBERED, DYNAMIC_PER_NARROW, INBOUND_PER_NARROW, MAX_PENDING,
    MAX_RECENT, MAX_REMEMBERED, MAX_SCORES, MAX_UNPROVED, WIDE_SHARE,
};

use super::*;

const STEPS: usize = 2_500;
const SEEDS: u64 = 8;

/// What the shell would know, and what happened how often.
struct Model {
    world: World,
    rng: ChaCha20Rng,
    accepted: Vec<IpAddr>,
    /// Dials that have not connected.
    dials: Vec<Dial>,
    /// Links without a Hello, and established ones; with their dial.
    fresh: Vec<(LinkId, Option<Dial>)>,
    live: BTreeMap<LinkId, Option<Dial>>,
    statics: BTreeSet<u64>,
    counts: BTreeMap<String, usize>,
    log: String,
}

/// Where a number lives: some on loopback, many in one /16, some in one /24, the rest apart.
fn home(n: u64) -> IpAddr {
    match n % 8 {
        0 => [127, 0, 0, 1].into(),
        1 | 2 => [50, 1, n as u8, 1].into(),
        3 => [50, 2, 2, n as u8].into(),
        4 => IpAddr::from([0x2a01, 1, 1, n as u16, 0, 0, 0, 1]),
        _ => far(n),
    }
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut config = Config { max_peers: 12, dial_ratio: 3, ..Config::new(key(OWN)) };
        config.boot = (60..62).map(|n| node_at(n, home(n))).collect();
        config.restrict =
            vec!["0.0.0.0/1".parse().unwrap(), "127.0.0.0/8".parse().unwrap(), "2a00::/8".parse().unwrap()];
        let remembered = |n| Remembered { enode: node_at(n, home(n)), last: Unix::from_secs(n), merit: 5 };
        config.remembered = (40..60).map(remembered).collect();
        Self {
            world: World::new(config),
            rng: undertone_support::rng(seed),
            accepted: Vec::new(),
            dials: Vec::new(),
            fresh: Vec::new(),
            live: BTreeMap::new(),
            statics: BTreeSet::new(),
            counts: BTreeMap::new(),
            log: String::new(),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.rng.next_u64() % n.max(1) as u64) as usize
    }

    fn number(&mut self) -> u64 {
        self.below(80) as u64
    }

    fn seen(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn note(&mut self, what: &str, result: impl std::fmt::Debug) {
        self.seen(what);
        let _ = writeln!(self.log, "{:?} {what} {result:?}", self.world.now.mono);
    }

    fn step(&mut self) {
        match self.below(100) {
            0..8 => self.accept(),
            8..10 => self.accept_over(),
            10..26 => self.come(),
            26..40 => self.say_hello(),
            40..52 => self.connect(),
            52..57 => self.fail_dial(),
            57..66 => self.end(),
            66..76 => self.find(),
            76..84 => self.operate(),
            84..91 => self.judge(),
            91 => self.fall_silent(),
            _ => self.wait(),
        }
        self.drain();
        self.check();
    }

    fn accept(&mut self) {
        let ip = match self.below(10) {
            0 => [200, 1, 1, 1].into(),
            1..5 => [127, 0, 0, 1].into(),
            _ => home(self.number()),
        };
        let result = self.world.peers.accept(self.world.now, ip);
        match result {
            Ok(()) => self.accepted.push(ip),
            Err(refusal) => self.seen(refusal.code()),
        }
        self.note("accept", result);
    }

    fn accept_over(&mut self) {
        if !self.accepted.is_empty() {
            let at = self.below(self.accepted.len());
            let ip = self.accepted.swap_remove(at);
            self.world.peers.accept_over(ip);
            self.seen("accept_over");
        }
    }

    fn come(&mut self) {
        let n = if self.below(60) == 0 { OWN } else { self.number() };
        let result = self.world.admit_from(n, home(n), Direction::Inbound);
        match result {
            Ok(link) => self.fresh.push((link, None)),
            Err(reason) => self.seen(&format!("admit: {reason}")),
        }
        self.note("admit inbound", result);
    }

    fn connect(&mut self) {
        if self.dials.is_empty() {
            return;
        }
        let at = self.below(self.dials.len());
        let dial = self.dials.swap_remove(at);
        let address = SocketAddr::new(ip_of(&dial.enode).unwrap(), 30_303);
        let direction = Direction::Dialled(dial.id);
        let result = self.world.peers.admit(self.world.now, *dial.enode.key(), address, direction);
        match result {
            Ok(link) => self.fresh.push((link, Some(dial))),
            Err(reason) => {
                self.seen(&format!("admit: {reason}"));
                self.world.fail(&dial, Attempt::Failed);
            }
        }
        self.note("admit dialled", result);
    }

    fn fail_dial(&mut self) {
        if self.dials.is_empty() {
            return;
        }
        let at = self.below(self.dials.len());
        let dial = self.dials.swap_remove(at);
        self.world.fail(&dial, Attempt::Unreachable);
        self.seen("dial unreachable");
    }

    fn say_hello(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let at = self.below(self.fresh.len());
        let (link, dial) = self.fresh.swap_remove(at);
        let result = self.world.establish(link);
        match result {
            Ok(replaced) => {
                if let Some(dial) = replaced.and_then(|replaced| self.live.remove(&replaced)) {
                    self.seen("replaced");
                    self.hang_up(replaced.unwrap(), dial, Ending::Clean);
                }
                self.live.insert(link, dial);
            }
            Err(reason) => {
                self.seen(&format!("establish: {reason}"));
                self.hang_up(link, dial, Ending::Clean);
            }
        }
        self.note("establish", result);
    }

    fn end(&mut self) {
        let ending = match self.below(8) {
            0 => Ending::Broken,
            1 => Ending::Fault(FaultClass::peer(Severity::Mild)),
            2 => Ending::Fault(FaultClass::peer(Severity::Serious)),
            3 => Ending::Fault(FaultClass::peer(Severity::Fatal)),
            4 => Ending::Refused(DisconnectReason::TOO_MANY_PEERS),
            5 => Ending::Refused(DisconnectReason::USELESS_PEER),
            _ => Ending::Clean,
        };
        if self.below(3) == 0 && !self.fresh.is_empty() {
            let at = self.below(self.fresh.len());
            let (link, dial) = self.fresh.swap_remove(at);
            self.hang_up(link, dial, ending);
        } else if let Some(link) = self.any_live() {
            let dial = self.live.remove(&link).unwrap();
            self.hang_up(link, dial, ending);
        } else {
            return;
        }
        let name = format!("{ending:?}");
        self.seen(&format!("ending {}", name.split('(').next().unwrap()));
    }

    fn hang_up(&mut self, link: LinkId, dial: Option<Dial>, ending: Ending) {
        let established = self.world.peers.lives().find(|(id, ..)| *id == link);
        let lived = established.map(|(_, _, live)| live.age(self.world.now.mono));
        self.world.close(link, ending);
        if let Some(dial) = dial {
            self.world.fail(&dial, lived.map_or(Attempt::Failed, Attempt::Lived));
        }
    }

    fn any_live(&mut self) -> Option<LinkId> {
        let at = self.below(self.live.len());
        self.live.keys().nth(at).copied()
    }

    fn find(&mut self) {
        let source = [Source::V4, Source::V5, Source::Dns, Source::Remembered][self.below(4)];
        for _ in 0..=self.below(5) {
            let n = if self.below(3) == 0 { self.below(5_000) as u64 } else { self.number() };
            let ip = if self.below(20) == 0 { home(n + 1) } else { home(n) };
            let taken = self.world.peers.found(self.world.now, node_at(n, ip), source);
            self.note(if taken { "found" } else { "not taken" }, n);
        }
    }

    fn operate(&mut self) {
        let (n, now) = (self.number(), self.world.now);
        let target = if self.below(2) == 0 { BanTarget::Key(key(n)) } else { BanTarget::Ip(home(n)) };
        let peers = &mut self.world.peers;
        match self.rng.next_u32() % 10 {
            0..3 if self.statics.len() < 6 => {
                self.statics.insert(n);
                let result = peers.add_static(now, node_at(n, home(n)));
                self.note("add_static", result);
            }
            3 => {
                let n = self.statics.first().copied().filter(|_| n % 4 > 0).unwrap_or(n);
                let was = self.statics.remove(&n);
                assert_eq!(peers.remove_static(now, &key(n)), was);
                self.seen(if was { "remove_static" } else { "remove_static: was none" });
            }
            4 if peers.trusted.len() < 4 => {
                let result = peers.trust(now, key(n));
                self.note("trust", result);
            }
            5 => {
                let some = peers.trusted().first().copied().unwrap_or(key(n));
                let result = peers.untrust(now, &some);
                self.note("untrust", result);
            }
            6 => {
                peers.ban(now, target, Some(seconds(n * 10)));
                self.seen("ban");
            }
            7..9 => {
                let some = peers.bans(now).first().map_or(target, |(target, _)| *target);
                let result = peers.unban(now, some);
                self.note("unban", result);
            }
            _ => {
                peers.resolved(now, &key(n), (n % 2 == 0).then(|| node_at(n, home(n + 8))));
                self.seen("resolved");
            }
        }
    }

    fn judge(&mut self) {
        let Some(link) = self.any_live() else { return };
        let (now, peers) = (self.world.now, &mut self.world.peers);
        match self.rng.next_u32() % 12 {
            0..5 => peers.useful(now, link, 3),
            5..9 => peers.answered(now, link, seconds(1)),
            9 => peers.fault(now, link, FaultClass::peer(Severity::Mild)),
            10 => peers.fault(now, link, FaultClass::peer(Severity::Serious)),
            _ => peers.fault(now, link, FaultClass::Environment),
        }
        self.seen("judge");
    }

    fn wait(&mut self) {
        let span = [seconds(1), seconds(31), minutes(2), minutes(6)][self.below(4)];
        // Every timer on the way is served, as a shell would.
        let end = self.world.now.after(span).mono;
        while let Some(at) = self.world.peers.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.world.now.mono);
            self.world.pass(at.since(self.world.now.mono));
            self.drain();
            self.check();
        }
        self.world.pass(end.since(self.world.now.mono));
        self.seen("wait");
    }

    /// All connections break, nobody answers, and nobody is found for a while.
    fn fall_silent(&mut self) {
        if self.below(4) > 0 {
            return;
        }
        for (link, dial) in std::mem::take(&mut self.live).into_iter().chain(std::mem::take(&mut self.fresh))
        {
            self.hang_up(link, dial, Ending::Broken);
        }
        for _ in 0..30 {
            for dial in std::mem::take(&mut self.dials) {
                self.world.fail(&dial, Attempt::Unreachable);
            }
            self.world.pass(seconds(2));
            self.drain();
            self.check();
        }
        self.seen("silence");
    }

    /// Does what the machine says, as a shell would.
    fn drain(&mut self) {
        for event in self.world.events() {
            let name = format!("{event:?}");
            self.note(&format!("event {}", name.split([' ', '(']).next().unwrap()), &event);
            if let Event::Disconnect { link, .. } = event {
                let dial = self.live.remove(&link).expect("only established links are told to go");
                self.hang_up(link, dial, Ending::Clean);
            }
        }
        for dial in self.world.dials() {
            let (now, peers) = (self.world.now.mono, &self.world.peers);
            let (id, ip) = (Id::of(dial.enode.key()), ip_of(&dial.enode).unwrap());
            assert!(!peers.bans.has_key(now, &id) && !peers.bans.has_ip(now, ip), "a banned one is dialled");
            assert!(!peers.live.contains_key(&id) && id != peers.own && peers.is_unrestricted(ip));
            assert!(!self.dials.iter().any(|known| known.enode.key() == dial.enode.key()));
            self.note(&format!("dial {:?}", dial.kind), &dial);
            self.dials.push(dial);
        }
        // What followed from the goodbyes.
        if !self.world.peers.events.is_empty() {
            self.drain();
        }
    }

    fn check(&mut self) {
        let (now, peers) = (self.world.now, &self.world.peers);
        let counts = peers.counts();
        assert!(
            counts.inbound <= peers.limit(Class::Inbound) && counts.dynamic <= peers.limit(Class::Dynamic)
        );
        assert!(counts.inbound + counts.dynamic <= peers.config.max_peers);
        assert_eq!(counts.peers, counts.inbound + counts.dynamic + counts.exempt);
        assert_eq!(
            (counts.pending, counts.peers, counts.unproved),
            (self.accepted.len(), self.live.len(), self.fresh.len())
        );
        assert!(counts.pending <= MAX_PENDING && counts.unproved <= MAX_UNPROVED + self.dials.len());
        let views = peers.peers(now);
        let keys: BTreeSet<_> = views.iter().map(|view| Id::of(&view.key)).collect();
        assert_eq!(keys.len(), views.len(), "two links of a key");
        assert!(!keys.contains(&peers.own));
        assert!(views.iter().all(|view| self.live.contains_key(&view.link)));
        for view in &views {
            assert!(!peers.bans.has_key(now.mono, &Id::of(&view.key)), "a banned one stays");
            assert!(peers.allows(now, view.address.ip()));
        }
        self.check_subnets();
        self.check_statics();
        let [keys, hosts, shunned, scores, candidates, memory, events] = self.world.peers.sizes();
        assert!(keys.max(hosts).max(shunned) <= MAX_RECENT && scores <= MAX_SCORES && events == 0);
        assert!(candidates <= 3 * CANDIDATES_PER_SOURCE + CANDIDATES_REMEMBERED && memory <= MAX_REMEMBERED);
        assert!(self.world.peers.poll_timeout().is_none_or(|at| at > now.mono), "a timer that does nothing");
    }

    fn check_subnets(&self) {
        let peers = &self.world.peers;
        for (class, narrow_limit) in
            [(Class::Inbound, INBOUND_PER_NARROW), (Class::Dynamic, DYNAMIC_PER_NARROW)]
        {
            let wide_limit = (peers.limit(class) / WIDE_SHARE).max(narrow_limit);
            let (mut narrow, mut wide) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
            for subnet in
                peers.lives().filter(|(.., live)| live.class == class).filter_map(|(.., live)| live.subnet)
            {
                *narrow.entry(subnet.narrow).or_default() += 1;
                *wide.entry(subnet.wide).or_default() += 1;
            }
            assert!(narrow.values().all(|count| *count <= narrow_limit), "{class:?} {narrow:?}");
            assert!(wide.values().all(|count| *count <= wide_limit), "{class:?} {wide:?}");
        }
    }

    /// Every static peer is connected, being dialled, banned for ever, or has a time when it will be dialled.
    fn check_statics(&self) {
        let peers = &self.world.peers;
        assert_eq!(peers.statics.len(), self.statics.len());
        let taken = peers.taken_places();
        for (id, fixed) in &peers.statics {
            let wanted = taken.keys.contains(id)
                || peers.live.contains_key(id)
                || peers.static_due(id, fixed, &taken).is_some();
            assert!(wanted || peers.bans.over(id, ip_of(fixed.target())).is_none());
        }
    }

    /// When everybody answers and nobody is banned, every static peer is connected soon.
    fn settle(&mut self) {
        for (target, _) in self.world.peers.bans(self.world.now) {
            self.world.peers.unban(self.world.now, target);
        }
        for _ in 0..60 {
            for (link, dial) in std::mem::take(&mut self.fresh) {
                self.hang_up(link, dial, Ending::Clean);
            }
            while !self.dials.is_empty() {
                self.connect();
                if !self.fresh.is_empty() {
                    self.say_hello();
                }
            }
            self.world.pass(seconds(2));
            self.drain();
        }
        assert!(self.world.peers.statics().iter().all(|fixed| fixed.link.is_some()));
    }
}

fn run(seed: u64) -> Model {
    let mut model = Model::new(seed);
    model.drain();
    for _ in 0..STEPS {
        model.step();
    }
    model
}

#[test]
fn no_schedule_breaks_the_rules() {
    let mut total = BTreeMap::<String, usize>::new();
    for seed in 0..SEEDS {
        let mut model = run(seed);
        model.settle();
        *total.entry("rotated".to_owned()).or_default() += model.world.peers.counts().rotated as usize;
        for (what, count) in model.counts {
            *total.entry(what).or_default() += count;
        }
    }
    println!("{total:#?}");
    let expected = [
        "accept",
        "accept_over",
        "add_static",
        "admit dialled",
        "admit inbound",
        "admit: already connected",
        "admit: connected to self",
        "admit: requested",
        "admit: too many peers",
        "admit: useless peer",
        "ban",
        "dial Boot",
        "dial Dynamic",
        "dial Static",
        "dial unreachable",
        "ending Broken",
        "ending Clean",
        "ending Fault",
        "ending Refused",
        "establish",
        "establish: already connected",
        "establish: too many peers",
        "establish: useless peer",
        "event Banned",
        "event Disconnect",
        "event Hungry",
        "event Remember",
        "event Resolve",
        "event Satisfied",
        "found",
        "judge",
        "not taken",
        "peers.banned",
        "peers.busy",
        "peers.busy_source",
        "peers.restricted",
        "peers.throttled",
        "remove_static",
        "replaced",
        "rotated",
        "resolved",
        "silence",
        "trust",
        "unban",
        "untrust",
        "wait",
    ];
    for what in expected {
        assert!(total.get(what).is_some_and(|count| *count > 0), "never: {what}");
    }
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let (one, two, other) = (run(7).log, run(7).log, run(8).log);
    assert!(one.len() > 10_000);
    assert_eq!(one, two);
    assert_ne!(one, other);
}
