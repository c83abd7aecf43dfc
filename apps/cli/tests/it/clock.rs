//! A person whose clock is wrong reads so: the clock of this machine is right, those of the relays are not.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::runtime::Runtime;
use undertone_base::Unix;
use undertone_crypto::MemoryKeyring;
use undertone_devp2p::NodeKey;
use undertone_node::{Node, NodeConfig};
use undertone_runtime::{Clock, Environment, ManualClock, Tasks};

use crate::{Home, LONG, Running};

/// Relays whose clocks stand at another time.
struct Relays {
    runtime: Runtime,
    tasks: Tasks,
    enodes: Vec<String>,
}

impl Relays {
    fn start(count: u64, ahead: i64) -> Self {
        let runtime = Runtime::new().unwrap();
        let tasks = Tasks::new(runtime.handle().clone());
        let mut now = Clock::system().now();
        now.unix = Unix::from_secs(now.unix.secs().checked_add_signed(ahead).unwrap());
        let nodes = (0..count).map(|n| {
            let env = Environment::fixed(n, Clock::manual(ManualClock::new(now)), BTreeMap::new());
            let mut config = NodeConfig::relay(NodeKey::random(&mut undertone_support::rng(n)));
            config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            let keys = Arc::new(MemoryKeyring::new());
            let (node, mut events) = runtime.block_on(Node::start(config, keys, &env, &tasks)).unwrap();
            // Somebody has to listen.
            runtime.spawn(async move { while events.recv().await.is_some() {} });
            node.enode().to_string()
        });
        let enodes = nodes.collect();
        Self { runtime, tasks, enodes }
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        args.iter().copied().chain(self.enodes.iter().flat_map(|enode| ["--peer", enode])).collect()
    }

    fn stop(self) {
        let ended = self.runtime.block_on(self.tasks.shutdown(LONG));
        assert!(ended.panicked.is_none(), "{ended:?}");
    }
}

/// What is said to who listens, and on how many sources it rests.
fn told(home: &Home, relays: &Relays) -> (String, u64) {
    let listening = Running::start(&mut home.undertone(&relays.args(&["listen", "--json"])));
    let told = loop {
        let event = listening.json();
        if event["event"] == "clock" {
            break event;
        }
    };
    assert_eq!((&told["wrong"], &told["atLeast"]), (&true.into(), &true.into()), "{told}");
    (told["text"].as_str().unwrap().to_owned(), told["sources"].as_u64().unwrap())
}

#[test]
fn a_wrong_clock_is_told_to_who_listens_and_to_who_sends() {
    let (home, relays) = (Home::new(111), Relays::start(3, 300));
    // The first may be heard before there is a link to the others.
    let (text, sources) = told(&home, &relays);
    assert!(text.starts_with("your clock is at least 20 s behind"), "{text}");
    assert!((1..=3).contains(&sources), "{text}");

    // To somebody who is not there to acknowledge it, so that there is time to hear.
    let nobody = Home::new(112).key.to_hex();
    let send = ["send", &nobody, "at another time", "--wait", "delivered", "--timeout", "120s"];
    let sending = Running::start(&mut home.undertone(&relays.args(&send)));
    sending.says("your clock is at least 20 s behind");
    drop(sending);
    relays.stop();
}

#[test]
fn a_wrong_clock_is_told_by_the_only_relay_too() {
    // It stands, so that what is said is true however slow the machine is.
    let (home, relays) = (Home::new(113), Relays::start(1, -25));
    let text = "your clock is at least 10 s ahead, by the word of one relay alone";
    assert_eq!(told(&home, &relays), (text.to_owned(), 1));
    relays.stop();
}
