//! The task that keeps the ports mapped.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::time::Duration;

use rand_core::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use undertone_runtime::Environment;

use crate::address::is_public;
use crate::config::{NatConfig, Port};
use crate::error::NatError;
use crate::limits::SLEPT;
use crate::router::{Ask, Family, Router, search};
use crate::status::NatStatus;

/// One router, our ports on it, and when it is asked again.
#[derive(Debug)]
pub(crate) struct Keeper {
    config: NatConfig,
    env: Environment,
    stop: CancellationToken,
    publish: watch::Sender<NatStatus>,
    asks: Vec<Ask>,
    /// The router did not answer lately, or none was found yet: it is searched for.
    lost: bool,
    held: BTreeMap<Port, Held>,
    external: Option<Ipv4Addr>,
    renew_at: Instant,
    failures: u32,
}

/// A port that was granted.
#[derive(Clone, Copy, Debug)]
struct Held {
    external: u16,
    lease: Duration,
    until: Instant,
}

impl Keeper {
    pub(crate) fn new(
        config: NatConfig,
        env: Environment,
        stop: CancellationToken,
        publish: watch::Sender<NatStatus>,
    ) -> Self {
        // A lease of 0 would give the port back.
        let lease = u32::try_from(config.times.lease.as_secs()).unwrap_or(u32::MAX).max(1);
        let mut rng = env.rng();
        let asks = config.ports.iter().map(|port| Ask::new(*port, lease, &mut rng)).collect();
        Self {
            config,
            env,
            stop,
            publish,
            asks,
            lost: true,
            held: BTreeMap::new(),
            external: None,
            renew_at: Instant::now(),
            failures: 0,
        }
    }

    /// Works until the stop, then gives everything back. A question on its way at the stop is still waited for, half
    /// of the time for the goodbye: what it maps would stay otherwise.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        let goodbye = self.config.times.goodbye;
        let mut router = None;
        loop {
            let pause = {
                let mut work = pin!(self.step(&mut router));
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {
                        let _ = timeout(goodbye / 2, &mut work).await;
                        break;
                    }
                    pause = &mut work => pause,
                }
            };
            if stop.run_until_cancelled(self.rest(pause)).await.is_none() {
                break;
            }
        }
        if timeout(goodbye / 2, self.give_back(router)).await.is_err() {
            tracing::debug!(code = "nat.goodbye", "the router did not answer; its leases end by themselves");
        }
        self.publish.send_replace(NatStatus::default());
    }

    /// Sleeps. When the machine was asleep too, everything is asked for anew: the router may have dropped it.
    async fn rest(&mut self, pause: Duration) {
        let (wall, begun) = (self.env.now().unix, Instant::now());
        sleep(pause).await;
        let gone = Duration::from_millis(self.env.now().unix.millis().saturating_sub(wall.millis()));
        if gone > begun.elapsed().saturating_add(SLEPT) {
            tracing::debug!(?gone, "the machine was asleep");
            self.renew_at = Instant::now();
        }
    }

    /// One piece of work; says how long to rest after it.
    async fn step(&mut self, router: &mut Option<Router>) -> Duration {
        let end = match &mut *router {
            Some(router) if !self.lost => self.visit(router).await,
            router => self.establish(router).await,
        };
        self.held.retain(|_, held| held.until > Instant::now());
        if self.held.is_empty() {
            self.external = None;
        }
        self.failures = if end.is_ok() { 0 } else { self.failures.saturating_add(1) };
        self.show(router.as_ref(), end.err());
        self.pause()
    }

    // DEVIATION: geth asks for the outer address once; we ask at each look (`a_new_outer_address_is_noticed`).
    /// Looks at the router; asks for everything anew when it is time, or when the router or its address is another.
    async fn visit(&mut self, router: &mut Router) -> Result<(), NatError> {
        let look = router.look().await.inspect_err(|_| self.lost = true)?;
        let due = self.failures > 0 || Instant::now() >= self.renew_at;
        let moved = look.external.is_some_and(|ip| self.external != Some(ip));
        if due || moved || look.restarted { self.map_all(router, look.external).await } else { Ok(()) }
    }

    /// Finds a router that grants at least one port. It takes the place of the one before as soon as it answers.
    async fn establish(&mut self, slot: &mut Option<Router>) -> Result<(), NatError> {
        let mut families = Family::of(self.config.mode).to_vec();
        let mut failure = NatError::NoRouter;
        while !families.is_empty() {
            let Some(found) = search(&self.config, &families, &self.stop).await else { break };
            let (family, routers) = found.map_err(|error| failure.weightier(error))?;
            families.retain(|other| *other != family);
            for mut router in routers {
                let end = match router.look().await {
                    Ok(look) => self.map_all(slot.insert(router), look.external).await,
                    Err(error) => Err(error),
                };
                if end.is_ok() || !self.lost {
                    return end;
                }
                failure = end.err().map_or(failure, |error| failure.weightier(error));
            }
        }
        Err(failure)
    }

    /// Asks for every port; fails when one of them is not granted, and is lost when none is.
    async fn map_all(&mut self, router: &mut Router, external: Option<Ipv4Addr>) -> Result<(), NatError> {
        let mut rng = self.env.rng();
        let mut said = external;
        let mut end = Ok(());
        self.lost = true;
        for ask in &self.asks {
            if self.stop.is_cancelled() {
                break;
            }
            let port = ask.port;
            let before = self.held.get(&port).map(|held| held.external);
            match router.map(ask, before, &mut rng).await {
                Ok(granted) => {
                    self.lost = false;
                    said = said.or(granted.address);
                    let until = Instant::now() + granted.lease;
                    let held = Held { external: granted.external, lease: granted.lease, until };
                    self.held.insert(port, held);
                    if before != Some(granted.external) {
                        tracing::info!(
                            port = port.internal, protocol = %port.protocol, external = granted.external,
                            method = %router.method(), "port mapped"
                        );
                    }
                }
                Err(error) => {
                    tracing::debug!(port = port.internal, code = error.code(), "port not mapped: {error}");
                    end = end.and(Err(error));
                }
            }
        }
        if !self.lost {
            self.external = said;
            self.renew_at = Instant::now() + self.renewal();
        }
        end
    }

    /// The pause to the next renewal: the configured one, or three quarters of the shortest lease.
    fn renewal(&self) -> Duration {
        let times = &self.config.times;
        let shortest = self.held.values().map(|held| held.lease).min().unwrap_or(times.lease);
        times.renew.min(shortest.saturating_mul(3) / 4).max(times.renew_min)
    }

    /// How long to rest: to the next look or renewal, or with doubling pauses after failures, but never past the end of
    /// a lease that is shown.
    fn pause(&self) -> Duration {
        let times = &self.config.times;
        let now = Instant::now();
        if self.failures == 0 {
            return times
                .check
                .min(self.renew_at.saturating_duration_since(now))
                .max(times.renew_min.min(times.check));
        }
        let doubled =
            times.retry.saturating_mul(1u32.checked_shl(self.failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let pause = doubled.min(times.retry_max);
        // Shortened at random by up to a quarter, so that a street does not ask at once when its power comes back.
        let pause =
            pause.saturating_sub((pause / 4).saturating_mul(self.env.rng().next_u32() >> 16) / 0x1_0000);
        let lapse = self.held.values().map(|held| held.until.saturating_duration_since(now)).min();
        pause.min(lapse.unwrap_or(pause)).max(times.retry.min(times.renew_min))
    }

    fn show(&self, router: Option<&Router>, error: Option<NatError>) {
        // DEVIATION: geth announces whatever address the router tells; we announce none that is not public
        // (`an_address_behind_a_second_nat_is_not_offered`).
        let (public, other) = match self.external {
            Some(ip) if is_public(ip) => (Some(ip), None),
            other => (None, other),
        };
        let status = NatStatus {
            method: router.map(Router::method),
            gateway: router.map(Router::gateway),
            external: public.map(IpAddr::V4),
            second_nat: other.map(IpAddr::V4),
            mapped: self.held.iter().map(|(port, held)| (*port, held.external)).collect(),
            error,
        };
        self.publish.send_if_modified(|shown| {
            if shown.second_nat != status.second_nat && let Some(ip) = status.second_nat {
                tracing::warn!(%ip, code = "nat.second", "the router is behind another NAT: not reachable from outside");
            }
            let changed = *shown != status;
            *shown = status;
            changed
        });
    }

    async fn give_back(&self, router: Option<Router>) {
        let Some(mut router) = router else { return };
        for ask in &self.asks {
            let Some(held) = self.held.get(&ask.port) else { continue };
            if let Err(error) = router.unmap(ask, held.external).await {
                tracing::debug!(
                    port = ask.port.internal,
                    code = error.code(),
                    "port not given back: {error}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NatTimes, Protocol};
    use crate::limits;
    use crate::mode::NatMode;

    const PORT: Port = Port { protocol: Protocol::Tcp, internal: 30_303, name: "test" };

    fn keeper() -> Keeper {
        let config = NatConfig::new(NatMode::Any, vec![PORT]);
        let (publish, _) = watch::channel(NatStatus::default());
        Keeper::new(config, Environment::system().unwrap(), CancellationToken::new(), publish)
    }

    fn holding(seconds: u64) -> Keeper {
        let mut keeper = keeper();
        let lease = Duration::from_secs(seconds);
        keeper.held.insert(PORT, Held { external: 1, lease, until: Instant::now() + lease });
        keeper.renew_at = Instant::now() + keeper.renewal();
        keeper
    }

    #[tokio::test(start_paused = true)]
    async fn leases_of_twenty_minutes_are_renewed_after_fifteen() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let times = NatTimes::default();
        assert_eq!((times.lease, times.renew, keeper().asks[0].lease), (minutes(20), minutes(15), 1_200));
        assert_eq!(holding(1_200).renewal(), minutes(15));
        assert_eq!(holding(120).renewal(), Duration::from_secs(90), "three quarters of a shorter one");
        assert_eq!(holding(1).renewal(), limits::RENEW_MIN, "a router cannot make us hurry");
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_router_is_looked_at_often_and_renewed_in_time() {
        let mut keeper = holding(1_200);
        assert_eq!(keeper.pause(), limits::CHECK);
        keeper.renew_at = Instant::now() + Duration::from_secs(45);
        assert_eq!(keeper.pause(), Duration::from_secs(45));
        keeper.renew_at = Instant::now();
        assert_eq!(keeper.pause(), limits::RENEW_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_after_failures_double_up_to_a_limit() {
        let mut keeper = keeper();
        let mut whole = limits::RETRY;
        for failures in 1..100 {
            keeper.failures = failures;
            let pause = keeper.pause();
            assert!(pause <= whole && pause >= whole * 3 / 4, "{failures}: {pause:?} of {whole:?}");
            whole = (whole * 2).min(limits::RETRY_MAX);
        }
        let mut keeper = holding(60);
        keeper.failures = 100;
        assert_eq!(
            keeper.pause(),
            Duration::from_secs(60),
            "what is shown as mapped is not shown past its lease"
        );
    }
}
