//! A test per rule, a model, and attacks.
#![allow(clippy::cast_possible_truncation, reason = "numbers of peers in tests are small")]

mod admission;
mod dialling;
mod eclipse;
mod model;
mod operator;
mod quality;
mod restart;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use undertone_base::{FaultClass, Now, Severity, Unix};
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::{DisconnectReason, Endpoint, Enode, Host};
use undertone_support::ChaCha20Rng;

use super::*;
use crate::address::Reach;
use crate::config::{Attempt, Dial, DialOutcome, Ending, Refusal};

const OWN: u64 = 1_000_000_000;

/// The key of a number; cheap and always the same.
fn key(n: u64) -> PublicKey {
    let mut scalar = [1; 32];
    scalar[..8].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_slice(&scalar).unwrap().public()
}

/// An address of its own /16.
fn far(n: u64) -> IpAddr {
    let [.., a, b] = n.to_be_bytes();
    [20 + a, b, 1, 1].into()
}

fn node_at(n: u64, ip: IpAddr) -> Enode {
    Enode::new(key(n), Endpoint { host: Host::Ip(ip), tcp: 30_303, udp: 30_303 })
}

fn node(n: u64) -> Enode {
    node_at(n, far(n))
}

fn loopback(n: u64) -> Enode {
    node_at(n, [127, 0, 0, 1].into())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// A manager with a clock and somebody who does what it says.
struct World {
    peers: Peers,
    now: Now,
    rng: ChaCha20Rng,
}

impl World {
    fn new(config: Config) -> Self {
        let now = Now { mono: Mono::ZERO.after(seconds(1_000)), unix: Unix::from_secs(1_700_000_000) };
        Self { peers: Peers::new(config, now), now, rng: undertone_support::rng(1) }
    }

    /// Of 10 places two are for peers that we choose, unless `change` says otherwise.
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { max_peers: 10, dial_ratio: 5, ..Config::new(key(OWN)) };
        change(&mut config);
        Self::new(config)
    }

    /// One that dials nobody by its own choice.
    fn listener(max_peers: usize) -> Self {
        Self::with(|config| (config.max_peers, config.dynamic) = (max_peers, false))
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.peers.handle_timeout(self.now, &mut self.rng);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.peers.poll_event()).collect()
    }

    fn dials(&mut self) -> Vec<Dial> {
        std::iter::from_fn(|| self.peers.poll_dial(self.now, &mut self.rng)).collect()
    }

    fn dialled_keys(&mut self) -> Vec<PublicKey> {
        self.dials().iter().map(|dial| *dial.enode.key()).collect()
    }

    /// Time passes as it would for a shell: timers are served when they are due. Gives who was dialled, and after how long;
    /// every attempt fails at once.
    fn run_failing(&mut self, span: Duration) -> Vec<(Duration, Dial)> {
        let (start, end) = (self.now, self.now.after(span));
        let mut dialled = Vec::new();
        loop {
            while let Some(dial) = self.peers.poll_dial(self.now, &mut self.rng) {
                dialled.push((self.now.mono.since(start.mono), dial.clone()));
                self.fail(&dial, Attempt::Unreachable);
            }
            let at = self.peers.poll_timeout().unwrap_or(end.mono);
            assert!(at > self.now.mono, "a timer that does nothing");
            if at > end.mono {
                self.now = end;
                return dialled;
            }
            self.pass(at.since(self.now.mono));
        }
    }

    fn reach(dial: &Dial) -> Reach {
        ip_of(&dial.enode).map_or(Reach::Lan, Reach::of)
    }

    fn fail(&mut self, dial: &Dial, attempt: Attempt) {
        let outcome = DialOutcome { reach: Self::reach(dial), attempt };
        self.peers.dial_over(self.now, dial.id, outcome, &mut self.rng);
    }

    fn admit_from(&mut self, n: u64, ip: IpAddr, direction: Direction) -> Result<LinkId, DisconnectReason> {
        self.peers.admit(self.now, key(n), SocketAddr::new(ip, 4_000), direction)
    }

    fn establish(&mut self, link: LinkId) -> Result<Option<LinkId>, DisconnectReason> {
        self.peers.establish(self.now, link)
    }

    fn connect_from(&mut self, n: u64, ip: IpAddr) -> Result<LinkId, DisconnectReason> {
        let link = self.admit_from(n, ip, Direction::Inbound)?;
        match self.establish(link) {
            Ok(_) => Ok(link),
            Err(reason) => {
                self.close(link, Ending::Clean);
                Err(reason)
            }
        }
    }

    /// The peer of a number comes to us from its own /16.
    fn inbound(&mut self, n: u64) -> Result<LinkId, DisconnectReason> {
        self.connect_from(n, far(n))
    }

    /// An attempt to dial succeeds.
    fn answer(&mut self, dial: &Dial) -> Result<LinkId, DisconnectReason> {
        let ip = ip_of(&dial.enode).unwrap_or(far(9_999));
        let address = SocketAddr::new(ip, 30_303);
        let link = self.peers.admit(self.now, *dial.enode.key(), address, Direction::Dialled(dial.id))?;
        self.establish(link).map(|_| link)
    }

    fn close(&mut self, link: LinkId, ending: Ending) {
        self.peers.closed(self.now, link, ending);
    }

    /// A dialled link ends.
    fn hang_up(&mut self, dial: &Dial, link: LinkId, lived: Duration) {
        self.close(link, Ending::Clean);
        self.fail(dial, Attempt::Lived(lived));
    }

    fn told_to_go(&mut self) -> Vec<(LinkId, DisconnectReason)> {
        let gone = |event| match event {
            Event::Disconnect { link, reason } => Some((link, reason)),
            _ => None,
        };
        self.events().into_iter().filter_map(gone).collect()
    }

    fn view(&self, link: LinkId) -> PeerView {
        self.peers.peers(self.now).into_iter().find(|view| view.link == link).unwrap()
    }
}
