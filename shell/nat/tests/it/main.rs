//! The crate against routers that this test makes up, over real sockets on loopback.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

mod any;
mod igd;
mod igd_router;
mod pmp;
mod pmp_router;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use undertone_nat::{Nat, NatConfig, NatMode, NatStatus, Port, Protocol};
use undertone_runtime::{Environment, Shutdown, Tasks};
use undertone_support::until_async;

/// Longest wait for anything; only a failure takes it.
pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) const TCP: Port = Port { protocol: Protocol::Tcp, internal: 30_303, name: "undertone p2p" };
pub(crate) const UDP: Port = Port { protocol: Protocol::Udp, internal: 30_304, name: "undertone discovery" };

/// A public address for a router of the tests.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 2);

/// A configuration on loopback whose times are short, and whose renewal is far off. A router that answers does so well
/// within these times on a busy machine too; one that does not costs a test a few seconds.
pub(crate) fn config(mode: NatMode) -> NatConfig {
    let mut config = NatConfig::new(mode, vec![TCP, UDP]);
    config.local = Some(Ipv4Addr::LOCALHOST);
    // Nobody listens there.
    config.gateways = vec![SocketAddr::from(([127, 0, 0, 1], 9))];
    config.ssdp = SocketAddr::from(([127, 0, 0, 1], 9));
    let times = &mut config.times;
    times.search = Duration::from_secs(4);
    times.request = Duration::from_secs(4);
    times.goodbye = LONG;
    times.retry = Duration::from_millis(20);
    times.retry_max = Duration::from_millis(100);
    times.check = Duration::from_millis(20);
    times.renew_min = Duration::from_millis(10);
    config
}

/// A [`Nat`] that runs.
pub(crate) struct Running {
    pub(crate) nat: Nat,
    pub(crate) status: watch::Receiver<NatStatus>,
    tasks: Tasks,
}

pub(crate) fn start(config: NatConfig) -> Running {
    start_in(&Environment::system().unwrap(), config)
}

pub(crate) fn start_in(env: &Environment, config: NatConfig) -> Running {
    let tasks = Tasks::new(Handle::current());
    let nat = Nat::with(config, env, &tasks);
    Running { status: nat.status(), nat, tasks }
}

impl Running {
    /// Waits until the status is as wanted, and returns it.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&NatStatus) -> bool) -> NatStatus {
        let found = until_async(LONG, || wanted(&self.status.borrow())).await;
        let status = self.status.borrow().clone();
        assert!(found, "{what}: {status:?}");
        status
    }

    pub(crate) async fn until_mapped(&self) -> NatStatus {
        self.until("both ports mapped", |status| status.mapped.len() == 2).await
    }

    /// Stops it, which must be clean, and checks that it says so.
    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.shutdown(LONG).await, Shutdown::default());
        assert_eq!(*self.status.borrow(), NatStatus::default());
    }
}

pub(crate) fn numbers(status: &NatStatus) -> Vec<u16> {
    status.mapped.values().copied().collect()
}

#[tokio::test]
async fn without_a_method_or_a_port_nothing_runs() {
    for (mode, ports) in [
        (NatMode::None, vec![TCP]),
        (NatMode::Any, vec![]),
        (NatMode::Upnp, vec![Port { internal: 0, ..TCP }]),
    ] {
        let running = start(NatConfig { ports, ..config(mode) });
        assert!(running.tasks.running().is_empty(), "{mode}");
        assert_eq!(*running.status.borrow(), NatStatus::default());
        running.stop().await;
    }
}

#[tokio::test]
async fn a_given_address_is_told_at_once_and_nothing_is_mapped() {
    let ip = Ipv4Addr::new(10, 0, 0, 7);
    let running = start(config(NatMode::ExtIp(ip.into())));
    let status = running.status.borrow().clone();
    assert_eq!(
        (status.external, status.mapped),
        (Some(ip.into()), BTreeMap::new()),
        "a private one too: the user said so"
    );
    assert!(running.tasks.running().is_empty());
}

#[tokio::test]
async fn when_the_last_handle_is_dropped_the_ports_are_given_back() {
    let router = pmp_router::start(pmp_router::Speaks::Both);
    let mut config = config(NatMode::Pmp(None));
    config.gateways = vec![router.address()];
    let Running { nat, status, tasks } = start(config);
    assert!(until_async(LONG, || status.borrow().mapped.len() == 2).await);
    drop(nat);
    assert!(until_async(LONG, || tasks.running().is_empty()).await);
    assert!(router.ports().is_empty());
}
