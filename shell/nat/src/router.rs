//! A router that was found, however it is talked to.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rand_core::Rng;
use tokio_util::sync::CancellationToken;

use crate::config::{NatConfig, Port};
use crate::error::NatError;
use crate::limits::{CONFLICT_LOWEST, CONFLICT_TRIES};
use crate::mode::NatMode;
use crate::status::Method;
use crate::{pmp, upnp};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) port: Port,
    /// In seconds.
    pub(crate) lease: u32,
    /// What identifies the mapping in PCP: who asks again with it owns the mapping (RFC 6887 11.1).
    pub(crate) nonce: [u8; 12],
}

impl Ask {
    pub(crate) fn new(port: Port, lease: u32, rng: &mut impl Rng) -> Self {
        let mut nonce = [0; 12];
        rng.fill_bytes(&mut nonce);
        Self { port, lease, nonce }
    }
}

/// What the router gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) external: u16,
    /// Some say their address with each port.
    pub(crate) address: Option<Ipv4Addr>,
    /// Never longer than what was asked for.
    pub(crate) lease: Duration,
}

/// How the router is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Its outer address, if it says that by itself.
    pub(crate) external: Option<Ipv4Addr>,
    /// It has forgotten its mappings since the last answer.
    pub(crate) restarted: bool,
}

/// A router.
#[derive(Debug)]
pub(crate) enum Router {
    Pmp(pmp::Client),
    Upnp(Box<upnp::Igd>),
}

impl Router {
    pub(crate) const fn gateway(&self) -> IpAddr {
        match self {
            Self::Pmp(client) => client.gateway(),
            Self::Upnp(igd) => igd.gateway(),
        }
    }

    pub(crate) const fn method(&self) -> Method {
        match self {
            Self::Pmp(client) => client.method(),
            Self::Upnp(_) => Method::Upnp,
        }
    }

    /// Asks how it is.
    pub(crate) async fn look(&mut self) -> Result<Look, NatError> {
        match self {
            Self::Pmp(client) => client.look().await,
            Self::Upnp(igd) => igd.look().await,
        }
    }

    /// Asks for a port, with the external number that it `held` or else the one it has here, and with others when that
    /// is taken. Some devices take our own mapping for somebody else's: then it is given back first.
    pub(crate) async fn map(
        &mut self,
        ask: &Ask,
        mut held: Option<u16>,
        rng: &mut impl Rng,
    ) -> Result<Granted, NatError> {
        let mut suggested = held.unwrap_or(ask.port.internal);
        let mut tries = 0;
        loop {
            let granted = match self {
                Self::Pmp(client) => client.map(ask, suggested).await,
                Self::Upnp(igd) => igd.map(ask, suggested).await,
            };
            if granted.as_ref().err() != Some(&NatError::Conflict) || tries == CONFLICT_TRIES {
                return granted;
            }
            if let (Self::Upnp(igd), Some(ours)) = (&mut *self, held.take())
                && igd.unmap(ask.port, ours).await.is_ok()
            {
                continue;
            }
            tries += 1;
            suggested = random_port(rng);
        }
    }

    /// Gives a port back.
    pub(crate) async fn unmap(&mut self, ask: &Ask, external: u16) -> Result<(), NatError> {
        match self {
            Self::Pmp(client) => client.unmap(ask).await,
            Self::Upnp(igd) => igd.unmap(ask.port, external).await,
        }
    }
}

/// One above the ports of known services.
fn random_port(rng: &mut impl Rng) -> u16 {
    let choices = u32::from(u16::MAX - CONFLICT_LOWEST) + 1;
    let offset = u16::try_from(rng.next_u32() % choices).unwrap_or(0);
    CONFLICT_LOWEST.saturating_add(offset)
}

/// The two ways to search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    Pmp,
    Upnp,
}

impl Family {
    /// Those of a mode.
    pub(crate) const fn of(mode: NatMode) -> &'static [Self] {
        match mode {
            NatMode::Any => &[Self::Pmp, Self::Upnp],
            NatMode::ExtIp(_) | NatMode::None => &[],
            NatMode::Pmp(_) => &[Self::Pmp],
            NatMode::Upnp => &[Self::Upnp],
        }
    }

    async fn search(self, config: &NatConfig) -> Result<(Self, Vec<Router>), NatError> {
        let found = match self {
            Self::Pmp => pmp::search(config).await?.into_iter().map(Router::Pmp).collect(),
            Self::Upnp => vec![Router::Upnp(Box::new(upnp::search(config).await?))],
        };
        Ok((self, found))
    }
}

/// Searches in all of these ways at once; `None` when stopped.
pub(crate) async fn search(
    config: &NatConfig,
    families: &[Family],
    stop: &CancellationToken,
) -> Option<Result<(Family, Vec<Router>), NatError>> {
    let searches = families.iter().map(|family| family.search(config)).collect();
    stop.run_until_cancelled(first_ok(searches)).await
}

/// The first success of these futures; else the failure that says most: one of a router that is there, rather than
/// that there is none.
pub(crate) async fn first_ok<T, F>(futures: Vec<F>) -> Result<T, NatError>
where
    F: Future<Output = Result<T, NatError>>,
{
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut failure = NatError::NoRouter;
    std::future::poll_fn(move |cx| {
        let mut success = None;
        running.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(end) => {
                match end {
                    Ok(value) if success.is_none() => success = Some(value),
                    Ok(_) => {}
                    Err(error) => failure = failure.weightier(error),
                }
                false
            }
        });
        match success {
            Some(value) => Poll::Ready(Ok(value)),
            None if running.is_empty() => Poll::Ready(Err(failure)),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_first_success_ends_the_race_and_the_weightiest_failure_is_told() {
        type Race = Pin<Box<dyn Future<Output = Result<u8, NatError>>>>;
        let late = || Box::pin(pending::<Result<u8, NatError>>()) as Race;
        let now = |end: Result<u8, NatError>| Box::pin(ready(end)) as Race;
        assert_eq!(first_ok(vec![late(), now(Err(NatError::Timeout)), now(Ok(1)), now(Ok(2))]).await, Ok(1));
        let refused = NatError::Refused { code: 606 };
        for order in [[NatError::NoGateway, refused], [refused, NatError::NoRouter]] {
            assert_eq!(first_ok(order.map(|e| now(Err(e))).into()).await, Err(refused));
        }
        assert_eq!(first_ok(Vec::<Race>::new()).await, Err(NatError::NoRouter));
    }

    #[test]
    fn other_ports_are_above_the_known_services() {
        let mut rng = undertone_support::rng(1);
        let ports: Vec<u16> = (0..10_000).map(|_| random_port(&mut rng)).collect();
        assert!(ports.iter().all(|port| *port >= CONFLICT_LOWEST));
        assert!(ports.iter().any(|port| *port > 60_000) && ports.iter().any(|port| *port < 6_000));
    }
}
