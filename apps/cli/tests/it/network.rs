//! Nodes that find each other, as processes: roles, discovery, what is remembered, and who is kept out.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use undertone_devp2p::Enode;

use crate::{Home, LONG, Running, run, undertone};

/// A node in a directory of its own.
pub(crate) struct Node {
    pub(crate) home: TempDir,
    pub(crate) process: Running,
    pub(crate) enode: String,
    enr: String,
}

impl Node {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "node", args)
    }

    fn boot(args: &[&str]) -> Self {
        let all = [&["--addr", "127.0.0.1:0"], args].concat();
        Self::start_in(tempfile::tempdir().unwrap(), "bootnode", &all)
    }

    fn start_in(home: TempDir, command: &str, args: &[&str]) -> Self {
        let mut program = undertone();
        program.arg(command).args(args).arg("--json").arg("--datadir").arg(home.path());
        if command == "node" {
            program.args(["--port", "0"]);
        }
        let process = Running::start(&mut program);
        let started = process.json();
        let text = |name: &str| started[name].as_str().unwrap().to_owned();
        Self { home, enode: text("enode"), enr: text("enr"), process }
    }

    /// Waits until it has so many peers.
    pub(crate) fn has_peers(&self, count: u64) {
        loop {
            let line = self.process.json();
            if line["event"] == "peers" && line["count"].as_u64().unwrap() >= count {
                return;
            }
        }
    }

    /// Waits until it has none.
    pub(crate) fn has_no_peers(&self) {
        while self.process.json()["count"] != 0 {}
    }

    /// Ends it in order; its directory stays.
    fn stop(mut self) -> TempDir {
        self.process.signal(Signal::TERM);
        assert_eq!(self.process.wait().code(), Some(0));
        self.home
    }

    fn key(&self) -> String {
        self.enode.split('@').next().unwrap().trim_start_matches("enode://").to_owned()
    }
}

/// What `undertone peers` shows of the node in this directory.
pub(crate) fn peers(home: &Path) -> Vec<Value> {
    run(undertone().args(["peers", "--json", "--datadir"]).arg(home)).expect(0).lines()
}

fn port(enode: &str) -> u16 {
    enode.parse::<Enode>().unwrap().endpoint().unwrap().tcp
}

/// A boot node and three relays that know nothing but it: they find each other, and a message goes through them.
fn find_each_other(boot_args: &[&str], args: &[&str], start: impl Fn(&Node) -> String, seed: u64) {
    let boot = Node::boot(boot_args);
    assert_eq!(port(&boot.enode), 0, "nobody can connect to it: {}", boot.enode);
    let start = start(&boot);
    let relays: Vec<Node> = (0..3).map(|_| Node::start(&[&["--bootnodes", &start], args].concat())).collect();
    relays.iter().for_each(|relay| relay.has_peers(2));

    let names: Vec<String> = relays.iter().map(Node::key).collect();
    for relay in &relays {
        // Two that dial each other at once have two links for a moment, or none.
        let mut shown = Vec::new();
        let both = || {
            shown = peers(relay.home.path());
            shown.len() == 2
        };
        assert!(undertone_support::until(LONG, both), "{shown:?}");
        for peer in &shown {
            let enode = peer["enode"].as_str().unwrap();
            assert!(names.iter().any(|name| enode.contains(name.as_str())), "{enode}");
            assert_eq!(peer["caps"], serde_json::json!(["shh/6", "waku/1"]));
            assert!(peer["name"].as_str().unwrap().starts_with("Undertone/v"));
            assert_eq!(
                (&peer["network"]["static"], &peer["network"]["trusted"]),
                (&false.into(), &false.into())
            );
        }
    }

    // Neither of them names a peer.
    let (alice, bob) = (Home::new(seed), Home::new(seed + 1));
    let hears = Running::start(&mut bob.undertone(&["listen", "--json", "--bootnodes", &start]));
    hears.says("listening as");
    let to = bob.key.to_hex();
    let send =
        ["send", &to, "through strangers", "--wait", "delivered", "--timeout", "100s", "--bootnodes", &start];
    run(&mut alice.undertone(&send)).expect(0);
    hears.message("through strangers");
}

#[test]
fn three_relays_find_each_other_from_a_boot_node_and_carry_a_message() {
    find_each_other(&[], &[], |boot| boot.enode.clone(), 50);
}

#[test]
fn they_do_without_v5() {
    let off = ["--discovery.v5=false"];
    find_each_other(&off, &off, |boot| boot.enode.clone(), 52);
}

#[test]
fn they_do_without_v4() {
    let off = ["--discovery.v4=false"];
    find_each_other(&off, &off, |boot| boot.enr.clone(), 54);
}

/// `devp2p.md` 7.1, and the promise that nobody waits: a second from the start to the first peer. That second is measured
/// in virtual time in `undertone-net` (`a_boot_node_is_connected_within_a_second_of_the_start`); here on a machine that
/// may be busy.
#[test]
fn a_boot_node_that_relays_is_connected_at_once() {
    let boot = Node::start(&["--role", "relay,boot"]);
    let node = Node::start(&["--bootnodes", &boot.enode]);
    let begun = Instant::now();
    node.has_peers(1);
    // A few milliseconds where nothing else runs; whoever dials its boot nodes as a last resort does so after 20 s.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let shown = peers(boot.home.path());
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["network"]["inbound"], true, "a boot node dials nobody");
}

#[test]
fn good_peers_are_remembered_and_a_restart_needs_no_boot_node() {
    let boot = Node::boot(&[]);
    let stays = Node::start(&["--role", "relay,boot", "--bootnodes", &boot.enode]);
    let goes = Node::start(&["--bootnodes", &boot.enode]);
    stays.has_peers(1);
    // What makes a peer good is that it brings something new.
    let alice = Home::new(58);
    let send = ["send", "public:lab", "news", "--timeout", "100s", "--peer", &stays.enode];
    run(&mut alice.undertone(&send)).expect(0);
    let useful = || peers(goes.home.path()).iter().any(|peer| peer["undertone"]["usefulness"] != 0);
    assert!(undertone_support::until(LONG, useful));
    let key = stays.key();
    let home = goes.stop();
    for name in ["peers", "nodes"] {
        let mode = home.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(boot);
    // Without discovery's own memory, so that it is the peer manager's that is used.
    std::fs::remove_file(home.path().join("nodes")).unwrap();
    let back = Node::start_in(home, "node", &[]);
    back.has_peers(1);
    assert!(peers(back.home.path())[0]["enode"].as_str().unwrap().contains(&key));
}

#[test]
fn netrestrict_keeps_strangers_out_and_dials_none() {
    let closed = Node::start(&["--netrestrict", "10.0.0.0/8,192.168.0.0/16"]);
    let mut stranger = undertone();
    let home = tempfile::tempdir().unwrap();
    stranger.args(["node", "--port", "0", "-vv", "--peer", &closed.enode, "--datadir"]).arg(home.path());
    let stranger = Running::start(&mut stranger);
    stranger.says("not connected");
    assert!(peers(closed.home.path()).is_empty());

    let open = Node::start(&["--netrestrict", "127.0.0.0/8", "--peer", &closed.enode]);
    let mut command = undertone();
    command.args(["peers", "add", &open.enode, "--datadir"]).arg(closed.home.path());
    run(&mut command).refused(1, &["outside of the allowed networks"]);
    assert!(peers(closed.home.path()).is_empty());
}

/// A light node is let in by a relay and passes nothing on; two light ones are of no use to each other.
#[test]
fn a_light_node_says_so() {
    let relay = Node::start(&[]);
    let light = Node::start(&["--role", "light", "--peer", &relay.enode]);
    light.has_peers(1);
    relay.has_peers(1);
    let other = tempfile::tempdir().unwrap();
    let mut second = undertone();
    second.args(["node", "--role", "light", "--port", "0", "-vv", "--peer", &light.enode, "--datadir"]);
    let second = Running::start(second.arg(other.path()));
    second.says("packet.two_light");
}

/// geth's habits.
#[test]
fn a_boot_node_makes_and_shows_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let bootnode = || {
        let mut command = undertone();
        command.arg("bootnode").arg("--datadir").arg(dir.path().join("data"));
        command
    };
    run(bootnode().arg("--genkey").arg(&file)).expect(0);
    run(bootnode().arg("--genkey").arg(&file)).refused(1, &["exists already"]);
    let address = run(bootnode().arg("--writeaddress").arg("--nodekey").arg(&file)).expect(0).out;
    assert_eq!(address.trim().len(), 128);
    let hex = std::fs::read_to_string(&file).unwrap();
    assert_eq!(run(bootnode().arg("--writeaddress").args(["--nodekeyhex", &hex])).expect(0).out, address);

    let mut running = Running::start(bootnode().arg("--nodekey").arg(&file).args(["--addr", "127.0.0.1:0"]));
    let enode = running.line();
    let (key, at) = enode.trim_start_matches("enode://").split_once('@').unwrap();
    assert_eq!(key, address.trim());
    let (at, udp) = at.split_once("?discport=").unwrap();
    assert_eq!(at.parse::<SocketAddr>().unwrap().port(), 0);
    assert_ne!(udp, "0");
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(0));
}

/// A node says how much it takes; who is told that gives no more, and loses nothing by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_announced_and_kept() {
    use undertone_node::NodeEvent;
    use undertone_transport::{Command, Event, Flush, Listen, OpenWith, PublicName, Route, Send, SendId};

    // By Waku alone: Whisper's status has no place for bytes.
    let args = ["--shh=false", "--shh.pow", "0", "--ratelimit.packets", "0,50,0"];
    let relay = Node::start(&[&args[..], &["--ratelimit.bytes", "0,20000,0"]].concat());
    let (tasks, env) = (undertone_runtime::Tasks::new(tokio::runtime::Handle::current()), environment());
    let mut nodes = Vec::new();
    for seed in [1, 2] {
        let mut rng = undertone_support::rng(seed);
        let mut keyring = undertone_crypto::MemoryKeyring::new();
        let me = keyring.insert(undertone_crypto::SecretKey::random(&mut rng));
        let mut config = undertone_node::NodeConfig::relay(undertone_devp2p::NodeKey::random(&mut rng));
        config.peers = vec![relay.enode.parse().unwrap()];
        config.protocols = undertone_whisper::Protocols::WAKU;
        let started = undertone_node::Node::start(config, std::sync::Arc::new(keyring), &env, &tasks).await;
        let (node, mut events) = started.unwrap();
        while !matches!(events.recv().await, Some(NodeEvent::Peers(1))) {}
        nodes.push((node, events, me));
    }
    let lab = || Route::Public(PublicName::new("lab").unwrap());
    let (hearer, mut heard, _) = nodes.pop().unwrap();
    let (giver, _events, me) = nodes.pop().unwrap();
    hearer.command(Command::Listen(Listen { open_with: OpenWith::ByRoute, route: lab() })).await.unwrap();
    // The status of the other end may still be under way.
    let announced = loop {
        let wishes = giver.peer_wishes().await.unwrap();
        if let Some(wants) = wishes.into_iter().find_map(|peer| peer.waku) {
            break wants;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((announced.packet_limits.peer, announced.byte_limits.peer), (50, 20_000));

    // More than two seconds' worth, which may come at once; the rest comes at the pace of the limit.
    let (begun, mut id, mut count) = (Instant::now(), 0, 0);
    while count < 6 {
        assert!(begun.elapsed() < LONG, "{count} of {id} have come");
        id += 1;
        let payload = id.to_string().into_bytes().repeat(10_000);
        let (id, route) = (SendId(id), lab());
        let send = Send { id, route, to: None, sign_as: me, payload, ephemeral: false, flush: Flush::Fast };
        giver.command(Command::Send(send)).await.unwrap();
        let next =
            async { while !matches!(heard.recv().await, Some(NodeEvent::Transport(Event::Received(_)))) {} };
        // Where nothing comes, the next one is given all the same.
        count += u32::from(tokio::time::timeout(Duration::from_millis(250), next).await.is_ok());
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let ended = tasks.shutdown(LONG).await;
    assert!(ended.panicked.is_none(), "{ended:?}");
}

fn environment() -> undertone_runtime::Environment {
    undertone_runtime::Environment::system().unwrap()
}
