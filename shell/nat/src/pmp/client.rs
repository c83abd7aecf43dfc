//! Asking a router by UDP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::epoch::Epoch;
use super::wire::{self, Answer, Inside, Outside};
use crate::config::NatConfig;
use crate::error::NatError;
use crate::gateway;
use crate::limits::{MAX_DATAGRAM, MAX_STRAY, REPEAT};
use crate::router::{Ask, Granted, Look, first_ok};
use crate::status::Method;

/// A router that was heard, in the version that it speaks.
#[derive(Debug)]
pub(crate) struct Client {
    socket: UdpSocket,
    gateway: SocketAddr,
    /// Our address towards it, which PCP wants to be told.
    local: Ipv4Addr,
    version: Version,
    /// Time for one question.
    request: Duration,
    epoch: Epoch,
    restarted: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    NatPmp,
    Pcp,
}

/// Asks all routers that may be meant; of the first that answers, the versions that it speaks, the newer one first.
/// May be cancelled.
pub(crate) async fn search(config: &NatConfig) -> Result<Vec<Client>, NatError> {
    let gateways = gateway::gateways(config);
    if gateways.is_empty() {
        return Err(NatError::NoGateway);
    }
    let probes = gateways.into_iter().map(|gateway| probe(config, gateway)).collect();
    first_ok(probes).await.map_err(|error| match error {
        NatError::Timeout | NatError::Io(io::ErrorKind::ConnectionRefused) => NatError::NoRouter,
        other => other,
    })
}

/// Whether this router answers, first in either version, then in the other one.
async fn probe(config: &NatConfig, gateway: SocketAddr) -> Result<Vec<Client>, NatError> {
    /// Time for the second version, when the router has answered in the other: it is there and quick.
    const OTHER: Duration = REPEAT.saturating_mul(2);
    let mut first = Client::connect(config, gateway, Version::Pcp).await?;
    let (pcp, old) = (wire::ask_announce(first.local), wire::ask_address());
    let speaks = |answer: &Answer| match answer {
        Answer::Announced { .. } => Some(Ok(Version::Pcp)),
        Answer::Address { .. } | Answer::OnlyOld => Some(Ok(Version::NatPmp)),
        _ => None,
    };
    let heard = exchange(&first.socket, config.times.search, &[&pcp, &old], speaks).await?;
    first.version = heard;
    let (question, wanted) = match heard {
        Version::NatPmp => (pcp, Version::Pcp),
        Version::Pcp => (old, Version::NatPmp),
    };
    let other = exchange(&first.socket, OTHER, &[&question], |answer| match answer {
        Answer::OnlyOld if wanted == Version::Pcp => Some(Err(NatError::NoRouter)),
        answer => speaks(answer).filter(|heard| *heard == Ok(wanted)),
    })
    .await;
    let mut found = vec![first];
    if other.is_ok() {
        found.push(Client::connect(config, gateway, wanted).await?);
    }
    found.sort_by_key(|client| client.version == Version::NatPmp);
    Ok(found)
}

impl Client {
    async fn connect(config: &NatConfig, gateway: SocketAddr, version: Version) -> Result<Self, NatError> {
        let local = SocketAddr::from((config.local.unwrap_or(Ipv4Addr::UNSPECIFIED), 0));
        let socket = UdpSocket::bind(local).await?;
        // Connected: the system takes datagrams of this router alone.
        socket.connect(gateway).await?;
        let IpAddr::V4(local) = socket.local_addr()?.ip() else { return Err(NatError::NoGateway) };
        Ok(Self {
            socket,
            gateway,
            local,
            version,
            request: config.times.request,
            epoch: Epoch::default(),
            restarted: false,
        })
    }

    pub(crate) const fn gateway(&self) -> IpAddr {
        self.gateway.ip()
    }

    pub(crate) const fn method(&self) -> Method {
        match self.version {
            Version::NatPmp => Method::NatPmp,
            Version::Pcp => Method::Pcp,
        }
    }

    /// Whether the router is there, whether it has restarted, and (NAT-PMP) its outer address.
    pub(crate) async fn look(&mut self) -> Result<Look, NatError> {
        let question = match self.version {
            Version::NatPmp => wire::ask_address(),
            Version::Pcp => wire::ask_announce(self.local),
        };
        let version = self.version;
        let (seconds, external) =
            exchange(&self.socket, self.request, &[&question], |answer| match (version, answer) {
                (Version::NatPmp, Answer::Address { seconds, address: Ok(ip) }) => {
                    Some(Ok((*seconds, Some(*ip))))
                }
                (Version::NatPmp, Answer::Address { address: Err(code), .. }) => Some(Err(old_fault(*code))),
                (Version::Pcp, Answer::Announced { seconds, .. }) => Some(Ok((*seconds, None))),
                _ => None,
            })
            .await?;
        self.heard(seconds);
        if external.is_some_and(|ip| ip.is_unspecified()) {
            return Err(NatError::Unconnected);
        }
        Ok(Look { external, restarted: std::mem::take(&mut self.restarted) })
    }

    /// Asks for a port, or for its lease anew. The router may grant another external port than the suggested one.
    // DEVIATION: geth announces the port that it asked NAT-PMP for, whatever was granted; we announce the granted one
    // (`another_port_and_a_shorter_lease_are_taken_as_granted`).
    pub(crate) async fn map(&mut self, ask: &Ask, suggested: u16) -> Result<Granted, NatError> {
        let Outside { port, lease, address } = self.ask(ask, suggested, ask.lease).await?;
        let address = address.filter(|ip| !ip.is_unspecified());
        Ok(Granted { external: port, address, lease: Duration::from_secs(lease.min(ask.lease).into()) })
    }

    /// Gives a port back.
    pub(crate) async fn unmap(&mut self, ask: &Ask) -> Result<(), NatError> {
        self.ask(ask, 0, 0).await.map(drop)
    }

    async fn ask(&mut self, ask: &Ask, suggested: u16, lease: u32) -> Result<Outside, NatError> {
        let inside = Inside { protocol: ask.port.protocol, port: ask.port.internal };
        let nonce = ask.nonce;
        let question = match self.version {
            Version::NatPmp => wire::ask_old_map(inside, suggested, lease),
            Version::Pcp => wire::ask_map(self.local, &nonce, inside, suggested, lease),
        };
        let version = self.version;
        let (seconds, outside) = exchange(&self.socket, self.request, &[&question], |answer| {
            let (seconds, outside) = match (version, answer) {
                (Version::NatPmp, Answer::OldMapped { seconds, inside: i, outside }) if *i == inside => {
                    (*seconds, outside.map_err(old_fault))
                }
                (Version::NatPmp, Answer::OldRefused { protocol, result, .. })
                    if *protocol == inside.protocol =>
                {
                    return Some(Err(old_fault(*result)));
                }
                (Version::Pcp, Answer::Mapped { seconds, nonce: n, inside: i, outside })
                    if *n == nonce && *i == inside =>
                {
                    (*seconds, outside.map_err(pcp_fault))
                }
                (Version::Pcp, Answer::MapRefused { result, .. }) => return Some(Err(pcp_fault(*result))),
                (_, Answer::OnlyOld) => return Some(Err(NatError::Refused { code: 1 })),
                _ => return None,
            };
            match outside {
                // A late answer to an earlier question about this port, or nonsense.
                Ok(outside) if (outside.lease == 0) != (lease == 0) || (outside.port == 0 && lease != 0) => {
                    None
                }
                Ok(outside) => Some(Ok((seconds, outside))),
                Err(fault) => Some(Err(fault)),
            }
        })
        .await?;
        self.heard(seconds);
        Ok(outside)
    }

    fn heard(&mut self, seconds: u32) {
        self.restarted |= self.epoch.observe(seconds, Instant::now());
    }
}

/// Sends the questions until an answer fits or `time` is over, after pauses that double. What does not fit is skipped,
/// up to a limit.
async fn exchange<T>(
    socket: &UdpSocket,
    time: Duration,
    questions: &[&[u8]],
    mut fit: impl FnMut(&Answer) -> Option<Result<T, NatError>>,
) -> Result<T, NatError> {
    let end = Instant::now() + time;
    let mut pause = REPEAT;
    let mut strays = 0u32;
    let mut failure = NatError::Timeout;
    let mut buffer = [0; MAX_DATAGRAM + 1];
    loop {
        for question in questions {
            match socket.send(question).await {
                // The router's "nobody here" to an earlier datagram; it may be about to start.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => failure = error.into(),
                sent => drop(sent?),
            }
        }
        let again = (Instant::now() + pause).min(end);
        while let Ok(received) = timeout_at(again, socket.recv(&mut buffer)).await {
            let length = match received {
                Ok(length) => length,
                Err(error) => {
                    failure = error.into();
                    sleep_until(again).await;
                    break;
                }
            };
            let answer = buffer.get(..length).and_then(wire::decode);
            if let Some(end) = answer.as_ref().and_then(&mut fit) {
                return end;
            }
            strays = strays.saturating_add(1);
            if answer.is_none() {
                failure = NatError::Garbled;
            }
            if strays > MAX_STRAY {
                return Err(NatError::Garbled);
            }
        }
        if again >= end {
            return Err(failure);
        }
        pause = pause.saturating_mul(2);
    }
}

/// A result of NAT-PMP (RFC 6886 3.5).
const fn old_fault(code: u16) -> NatError {
    match code {
        3 => NatError::Unconnected,
        4 => NatError::Conflict,
        code => NatError::Refused { code },
    }
}

/// A result of PCP (RFC 6887 7.4).
fn pcp_fault(code: u8) -> NatError {
    match code {
        7 => NatError::Unconnected,
        11 => NatError::Conflict,
        code => NatError::Refused { code: code.into() },
    }
}
