//! Clock, randomness and names: what a test must be able to swap.

#[cfg(any(test, feature = "testing"))]
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::{StdRng, SysRng};
use rand_core::{Rng, SeedableRng, TryRng};
use undertone_base::{FaultClass, Mono, Now, Secret, Unix};

/// Limits of this module.
pub mod limits {
    use std::time::Duration;

    /// Addresses taken of one name. Our choice: a dialer tries them in turn, and more is a mistake or an attack.
    pub const MAX_ADDRESSES: usize = 16;
    /// Longest host name in bytes (RFC 1035 2.3.4, as text without the last dot).
    pub const MAX_HOST: usize = 253;
    /// How long one name may take. Our choice: twice the five seconds of a resolver's single try.
    pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
}

/// What the environment can refuse.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The operating system gives no randomness. Nothing may start then.
    #[error("the operating system gives no randomness")]
    Entropy,
    /// A host name longer than any can be.
    #[error("host name of {got} bytes is longer than {max}")]
    HostTooLong {
        /// Bytes given.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The name has no address, as far as anyone says.
    #[error("host name has no address")]
    NoAddress,
    /// The resolver did not answer in time.
    #[error("host name was not resolved in time")]
    ResolveTimeout,
}

impl EnvironmentError {
    /// The caller for a name that cannot be, else the environment.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::HostTooLong { .. } => FaultClass::Caller,
            Self::Entropy | Self::NoAddress | Self::ResolveTimeout => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Entropy => "environment.entropy",
            Self::HostTooLong { .. } => "environment.host_too_long",
            Self::NoAddress => "environment.no_address",
            Self::ResolveTimeout => "environment.resolve_timeout",
        }
    }
}

/// Everything a shell takes from the machine it runs on. Clones share it.
#[derive(Clone, Debug)]
pub struct Environment {
    clock: Clock,
    entropy: Entropy,
    names: Names,
}

impl Environment {
    /// The real one.
    ///
    /// # Errors
    /// [`EnvironmentError::Entropy`] when the system gives no random bytes.
    pub fn system() -> Result<Self, EnvironmentError> {
        let root = StdRng::try_from_rng(&mut SysRng).map_err(|_| EnvironmentError::Entropy)?;
        Ok(Self { clock: Clock::system(), entropy: Entropy::new(root, Source::System), names: Names::System })
    }

    /// One for tests: randomness from `seed`, the given clock, and names only out of `hosts`. Not for use with
    /// anything that must stay secret, and so only in builds with the feature `testing`.
    #[cfg(any(test, feature = "testing"))]
    pub fn fixed(seed: u64, clock: Clock, hosts: BTreeMap<String, Vec<IpAddr>>) -> Self {
        let entropy = Entropy::new(StdRng::seed_from_u64(seed), Source::Fixed);
        Self { clock, entropy, names: Names::Fixed(Arc::new(hosts)) }
    }

    /// Both clocks, read together.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The clock alone, for a component that needs nothing else.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A generator of its own for one task or machine (ChaCha, cryptographic). Each call gives another one.
    pub fn rng(&self) -> StdRng {
        self.entropy.rng()
    }

    /// The addresses of a name or of an address in text form, at most [`limits::MAX_ADDRESSES`], in the resolver's
    /// order. Asks whatever the system is configured to ask: a name can be seen by others. May be cancelled.
    ///
    /// # Errors
    /// [`EnvironmentError::HostTooLong`], [`EnvironmentError::NoAddress`], [`EnvironmentError::ResolveTimeout`].
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EnvironmentError> {
        if host.len() > limits::MAX_HOST {
            return Err(EnvironmentError::HostTooLong { got: host.len(), max: limits::MAX_HOST });
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = self.names.resolve(host, port).await?;
        if found.is_empty() { Err(EnvironmentError::NoAddress) } else { Ok(found) }
    }
}

/// Where [`Now`] comes from. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Hands);

#[derive(Clone, Debug)]
enum Hands {
    System,
    Manual(ManualClock),
}

impl Clock {
    /// The machine's clocks; monotonic time counts from the first use in this process.
    pub fn system() -> Self {
        LazyLock::force(&PROCESS_START);
        Self(Hands::System)
    }

    /// A clock that stands still until `hand` moves it.
    pub const fn manual(hand: ManualClock) -> Self {
        Self(Hands::Manual(hand))
    }

    /// Both clocks, read together. A wall clock before 1970 reads as 1970.
    pub fn now(&self) -> Now {
        match &self.0 {
            Hands::Manual(hand) => hand.now(),
            Hands::System => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                let unix = Unix::from_millis(0).after(wall);
                Now { mono: Mono::ZERO.after(PROCESS_START.elapsed()), unix }
            }
        }
    }
}

static PROCESS_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The hand of a [`Clock`] in a test.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Now>>);

impl ManualClock {
    /// Stands at `start`.
    pub fn new(start: Now) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// What the clock shows.
    pub fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.after(by);
    }
}

#[derive(Clone)]
struct Entropy {
    root: Arc<Mutex<StdRng>>,
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    #[cfg(any(test, feature = "testing"))]
    Fixed,
    System,
}

impl Entropy {
    fn new(root: StdRng, source: Source) -> Self {
        Self { root: Arc::new(Mutex::new(root)), source }
    }

    /// The root was filled by the system once, so a seed from it is good by itself; fresh bytes are mixed in so that
    /// a root that leaked says nothing about later generators. They cannot make the seed worse.
    fn rng(&self) -> StdRng {
        let mut seed = Secret::<32>::fill(|out| {
            self.root.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out);
        });
        match self.source {
            #[cfg(any(test, feature = "testing"))]
            Source::Fixed => {}
            Source::System => seed = with_fresh_bytes(seed),
        }
        StdRng::from_seed(*seed.expose())
    }
}

/// The seed, with bytes of the system mixed in if it gives any.
fn with_fresh_bytes(seed: Secret<32>) -> Secret<32> {
    let mut answer = Ok(());
    let fresh = Secret::<32>::fill(|out| answer = SysRng.try_fill_bytes(out));
    if answer.is_err() {
        return seed;
    }
    Secret::fill(|out| {
        for (byte, (a, b)) in out.iter_mut().zip(seed.expose().iter().zip(fresh.expose())) {
            *byte = a ^ b;
        }
    })
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entropy({:?})", self.source)
    }
}

#[derive(Clone, Debug)]
enum Names {
    #[cfg(any(test, feature = "testing"))]
    Fixed(Arc<BTreeMap<String, Vec<IpAddr>>>),
    System,
}

impl Names {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EnvironmentError> {
        match self {
            #[cfg(any(test, feature = "testing"))]
            Self::Fixed(hosts) => Ok(hosts
                .get(host)
                .into_iter()
                .flatten()
                .map(|address| SocketAddr::new(*address, port))
                .take(limits::MAX_ADDRESSES)
                .collect()),
            Self::System => {
                let lookup = tokio::net::lookup_host((host, port));
                let answer = tokio::time::timeout(limits::RESOLVE_TIMEOUT, lookup)
                    .await
                    .map_err(|_| EnvironmentError::ResolveTimeout)?
                    .map_err(|_| EnvironmentError::NoAddress)?;
                Ok(answer.take(limits::MAX_ADDRESSES).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(seed: u64) -> Environment {
        let hosts = BTreeMap::from([("relay.test".to_owned(), vec![IpAddr::from([10, 0, 0, 1])])]);
        Environment::fixed(seed, Clock::manual(ManualClock::new(Now::default())), hosts)
    }

    #[test]
    fn the_system_clock_goes_forward_and_knows_the_year() {
        let env = Environment::system().unwrap();
        let first = env.now();
        let second = Clock::system().now();
        assert!(second.mono >= first.mono);
        assert!(first.unix.secs() > 1_600_000_000);
    }

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let hand = ManualClock::new(Now::default());
        let clock = Clock::manual(hand.clone());
        assert_eq!(clock.now(), Now::default());
        hand.advance(Duration::from_secs(2));
        assert_eq!(clock.now().unix.secs(), 2);
        assert_eq!(clock.now().mono.since(Mono::ZERO), Duration::from_secs(2));
    }

    #[test]
    fn generators_differ_and_a_fixed_seed_repeats_them() {
        let system = Environment::system().unwrap();
        assert_ne!(system.rng().next_u64(), system.rng().next_u64());
        let draw = |env: &Environment| [env.rng().next_u64(), env.rng().next_u64()];
        assert_eq!(draw(&fixed(1)), draw(&fixed(1)));
        assert_ne!(draw(&fixed(1)), draw(&fixed(2)));
        let [first, second] = draw(&fixed(1));
        assert_ne!(first, second);
    }

    #[test]
    fn debug_shows_no_state_of_the_generator() {
        let text = format!("{:?}", fixed(1));
        assert!(text.contains("entropy: Entropy(Fixed)"), "{text}");
    }

    #[tokio::test]
    async fn names_and_addresses_resolve() {
        let env = fixed(1);
        let relay = SocketAddr::from(([10, 0, 0, 1], 30303));
        assert_eq!(env.resolve("relay.test", 30303).await, Ok(vec![relay]));
        assert_eq!(env.resolve("other.test", 1).await, Err(EnvironmentError::NoAddress));
        assert_eq!(env.resolve("127.0.0.1", 5).await, Ok(vec![SocketAddr::from(([127, 0, 0, 1], 5))]));
        assert_eq!(env.resolve("[::1]", 5).await, Ok(vec!["[::1]:5".parse().unwrap()]));
        let long = "a".repeat(254);
        assert_eq!(env.resolve(&long, 1).await.unwrap_err().code(), "environment.host_too_long");
        let system = Environment::system().unwrap();
        let local = system.resolve("localhost", 9).await.unwrap();
        assert!(local.iter().all(|a| a.ip().is_loopback() && a.port() == 9), "{local:?}");
    }
}
