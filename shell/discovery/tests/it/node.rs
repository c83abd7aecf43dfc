//! A node of a test.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::runtime::Handle;
use undertone_crypto::PublicKey;
use undertone_devp2p::NodeKey;
use undertone_discovery::{Discovery, DiscoveryConfig, FoundReceiver, Source};
use undertone_runtime::{Environment, Tasks};
use undertone_support::{rng, until_async};

/// Longer than anything here takes on a busy machine: the curve of the library of v5 is slow without optimisation.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) fn key(n: u64) -> NodeKey {
    NodeKey::random(&mut rng(n))
}

pub(crate) struct Node {
    pub(crate) discovery: Discovery,
    pub(crate) found: FoundReceiver,
    pub(crate) known: BTreeSet<(Source, PublicKey)>,
    pub(crate) tasks: Tasks,
}

impl Node {
    pub(crate) async fn start(config: DiscoveryConfig) -> Self {
        Self::start_in(config, &Environment::system().unwrap()).await
    }

    pub(crate) async fn start_in(config: DiscoveryConfig, env: &Environment) -> Self {
        let tasks = Tasks::new(Handle::current());
        let (discovery, found) = Discovery::start(config, env, &tasks).await.unwrap();
        Self { discovery, found, known: BTreeSet::new(), tasks }
    }

    /// Whom it has found so far.
    pub(crate) fn found(&mut self) -> &BTreeSet<(Source, PublicKey)> {
        while let Some(found) = self.found.try_recv() {
            self.known.insert((found.source, *found.enode.key()));
        }
        &self.known
    }

    pub(crate) async fn stop(self) {
        let Self { discovery, tasks, .. } = self;
        drop(discovery);
        let ended = tasks.shutdown(LONG).await;
        assert_eq!(ended, undertone_runtime::Shutdown::default());
    }
}

/// Waits until it holds.
pub(crate) async fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(until_async(LONG, condition).await, "{what}");
}

/// Asks until there is an answer: datagrams take longer than the protocol waits when the machine is busy.
pub(crate) async fn answer<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap_or_else(|_| panic!("{what}"))
}
