//! A person whose clock is wrong reads so: the clock of this machine is right, those of three relays are not.

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

/// Relays whose clocks stand five minutes ahead.
struct Relays {
    runtime: Runtime,
    tasks: Tasks,
    enodes: Vec<String>,
}

impl Relays {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let tasks = Tasks::new(runtime.handle().clone());
        let mut now = Clock::system().now();
        now.unix = Unix::from_secs(now.unix.secs() + 300);
        let nodes = (0..3).map(|n| {
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

#[test]
fn a_wrong_clock_is_told_to_who_listens_and_to_who_sends() {
    let (home, relays) = (Home::new(111), Relays::start());
    let listening = Running::start(&mut home.undertone(&relays.args(&["listen", "--json"])));
    let told = loop {
        let event = listening.json();
        if event["event"] == "clock" {
            break event;
        }
    };
    assert_eq!((&told["wrong"], &told["sources"]), (&true.into(), &3.into()));
    assert!(told["text"].as_str().unwrap().starts_with("your clock is about"), "{told}");
    drop(listening);

    // To somebody who is not there to acknowledge it, so that there is time to hear.
    let nobody = Home::new(112).key.to_hex();
    let send = ["send", &nobody, "at another time", "--wait", "delivered", "--timeout", "120s"];
    let sending = Running::start(&mut home.undertone(&relays.args(&send)));
    sending.says("your clock is about");
    drop(sending);
    relays.stop();
}
