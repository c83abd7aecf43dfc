//! Looks for nodes: `look [enode://…|enr:…]…` starts from those; without arguments two nodes of its own find each other.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Duration;

use tokio::runtime::Handle;
use undertone_devp2p::NodeKey;
use undertone_discovery::{Discovery, DiscoveryConfig};
use undertone_runtime::{Environment, Tasks};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let env = Environment::system()?;
    let tasks = Tasks::new(Handle::current());
    let mut rng = env.rng();
    let mut config =
        || DiscoveryConfig { v5: true, tcp: 30_303, ..DiscoveryConfig::new(NodeKey::random(&mut rng)) };
    let (boot, _) = Discovery::start(config(), &env, &tasks).await?;

    let mut fresh = DiscoveryConfig { walk: true, ..config() };
    for argument in std::env::args().skip(1) {
        if argument.starts_with("enr:") {
            fresh.boot_records.push(argument.parse()?);
        } else {
            fresh.boot.push(argument.parse()?);
        }
    }
    let alone = fresh.boot.is_empty() && fresh.boot_records.is_empty();
    if alone {
        fresh.boot_records.push(boot.record());
    }
    let (discovery, mut found) = Discovery::start(fresh, &env, &tasks).await?;
    println!("{}\n{}", discovery.record(), discovery.enode());

    let look = async {
        while let Some(node) = found.recv().await {
            println!("{}: {}", node.source.name(), node.enode);
            if alone && node.enode.key() == boot.record().key() {
                return;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), look).await.is_err() && alone {
        return Err("found nobody".into());
    }
    for node in discovery.nodes().await {
        let record = discovery.request_record(&node.enode).await;
        println!("{}: {} says {record:?}", node.source.name(), node.enode);
    }
    println!("{:?}", tasks.shutdown(Duration::from_secs(5)).await);
    Ok(())
}
