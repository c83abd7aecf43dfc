//! UPnP IGD, over the kept library: it bounds a description to 1 MiB and 64 levels and follows no URL to another
//! machine than the one that answered; the times are ours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{
    AddPortError, GatewayIpVersion, GetExternalIpError, PortMappingProtocol, RemovePortError, RequestError,
    SearchError, SearchOptions,
};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::config::{NatConfig, Port, Protocol};
use crate::error::NatError;
use crate::gateway;
use crate::limits::SEARCH_TRIES;
use crate::router::{Ask, Granted, Look, first_ok};

/// UPnP's numbers for errors that the library does not name.
mod codes {
    /// The action is not one of the service.
    pub(super) const INVALID_ACTION: u16 = 401;
    /// Not authorized.
    pub(super) const NOT_AUTHORIZED: u16 = 606;
    /// The external port belongs to another mechanism of the router, as NAT-PMP or a rule of its owner.
    pub(super) const OTHER_MECHANISM: u16 = 729;
}

/// An Internet gateway device that was found.
#[derive(Debug)]
pub(crate) struct Igd {
    gateway: Gateway<Tokio>,
    local: Option<Ipv4Addr>,
    /// Time for one question.
    request: Duration,
    /// It grants only leases without an end; we give the ports back all the same.
    endless: bool,
}

/// Searches from each of our addresses, more than once. May be cancelled.
pub(crate) async fn search(config: &NatConfig) -> Result<Igd, NatError> {
    let time = config.times.search / SEARCH_TRIES.max(1);
    let mut failure = NatError::NoRouter;
    for _ in 0..SEARCH_TRIES {
        let searches =
            gateway::sources(config).into_iter().map(|source| search_from(config, source, time)).collect();
        match first_ok(searches).await {
            Ok(gateway) => {
                let request = config.times.request;
                return Ok(Igd { gateway, local: config.local, request, endless: false });
            }
            Err(error) => failure = failure.weightier(error),
        }
    }
    Err(failure)
}

async fn search_from(
    config: &NatConfig,
    source: Ipv4Addr,
    time: Duration,
) -> Result<Gateway<Tokio>, NatError> {
    let mut options = SearchOptions::default();
    options.bind_addr = SocketAddr::from((source, 0));
    options.broadcast_address = config.ssdp;
    options.timeout = Some(time);
    options.single_search_timeout = Some(time);
    options.gateway_ip_version = GatewayIpVersion::V4;
    if !config.ssdp.ip().is_multicast() {
        options.allowed_gateway_ips = vec![config.ssdp.ip()];
    }
    search_gateway(options).await.map_err(|error| match error {
        SearchError::NoResponseWithinTimeout => NatError::NoRouter,
        SearchError::IoError(error) => error.into(),
        _ => NatError::Garbled,
    })
}

impl Igd {
    pub(crate) const fn gateway(&self) -> IpAddr {
        self.gateway.addr.ip()
    }

    /// Asks for the outer address. A router that does not tell it is taken as it is.
    pub(crate) async fn look(&mut self) -> Result<Look, NatError> {
        let external = match self.bounded(self.gateway.get_external_ip()).await? {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => return Err(NatError::Unconnected),
            Ok(IpAddr::V4(ip)) => Some(ip),
            Ok(IpAddr::V6(_)) | Err(GetExternalIpError::ActionNotAuthorized) => None,
            Err(GetExternalIpError::RequestError(error)) => match fault(&error) {
                NatError::Refused { .. } => None,
                other => return Err(other),
            },
        };
        Ok(Look { external, restarted: false })
    }

    /// Asks for exactly this external port, or for its lease anew: a router takes the second question of the same
    /// machine for the same port as a renewal (IGD 1 2.4.16).
    // DEVIATION: geth first deletes whatever has the port, and gives up when the port is taken all the same. What is
    // there may belong to somebody else: we leave it and ask for another port
    // (`a_taken_port_is_asked_for_under_another_number`).
    pub(crate) async fn map(&mut self, ask: &Ask, external: u16) -> Result<Granted, NatError> {
        let local = SocketAddr::from((self.local().await?, ask.port.internal));
        let protocol = protocol(ask.port.protocol);
        let lease = Duration::from_secs(ask.lease.into());
        loop {
            let seconds = if self.endless { 0 } else { ask.lease };
            let added = self.gateway.add_port(protocol, external, local, seconds, ask.port.name);
            match self.bounded(added).await? {
                Ok(()) => return Ok(Granted { external, address: None, lease }),
                Err(AddPortError::OnlyPermanentLeasesSupported) if !self.endless => self.endless = true,
                Err(error) => return Err(add_fault(&error)),
            }
        }
    }

    /// Gives a port back; that it is not mapped any more is fine.
    pub(crate) async fn unmap(&mut self, port: Port, external: u16) -> Result<(), NatError> {
        let removed = self.gateway.remove_port(protocol(port.protocol), external);
        match self.bounded(removed).await? {
            Ok(()) | Err(RemovePortError::NoSuchPortMapping) => Ok(()),
            Err(RemovePortError::ActionNotAuthorized) => {
                Err(NatError::Refused { code: codes::NOT_AUTHORIZED })
            }
            Err(RemovePortError::RequestError(error)) => Err(fault(&error)),
        }
    }

    async fn bounded<T>(&self, question: impl Future<Output = T>) -> Result<T, NatError> {
        timeout(self.request, question).await.map_err(|_| NatError::Timeout)
    }

    /// Our address in the router's network, asked anew each time: a laptop moves. Nothing is sent for it.
    async fn local(&self) -> Result<Ipv4Addr, NatError> {
        if let Some(local) = self.local {
            return Ok(local);
        }
        let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).await?;
        socket.connect(self.gateway.addr).await?;
        match socket.local_addr()?.ip() {
            IpAddr::V4(ip) => Ok(ip),
            IpAddr::V6(_) => Err(NatError::NoGateway),
        }
    }
}

const fn protocol(protocol: Protocol) -> PortMappingProtocol {
    match protocol {
        Protocol::Tcp => PortMappingProtocol::TCP,
        Protocol::Udp => PortMappingProtocol::UDP,
    }
}

fn add_fault(error: &AddPortError) -> NatError {
    match error {
        AddPortError::PortInUse => NatError::Conflict,
        AddPortError::ActionNotAuthorized => NatError::Refused { code: codes::NOT_AUTHORIZED },
        AddPortError::SamePortValuesRequired => NatError::Refused { code: 724 },
        AddPortError::OnlyPermanentLeasesSupported => NatError::Refused { code: 725 },
        AddPortError::DescriptionTooLong => NatError::Refused { code: 605 },
        AddPortError::InternalPortZeroInvalid | AddPortError::ExternalPortZeroInvalid => {
            NatError::Refused { code: 716 }
        }
        AddPortError::RequestError(error) => fault(error),
    }
}

fn fault(error: &RequestError) -> NatError {
    match error {
        RequestError::ErrorCode(codes::OTHER_MECHANISM, _) => NatError::Conflict,
        RequestError::ErrorCode(code, _) => NatError::Refused { code: *code },
        RequestError::UnsupportedAction(_) => NatError::Refused { code: codes::INVALID_ACTION },
        RequestError::IoError(error) if error.kind() == io::ErrorKind::TimedOut => NatError::Timeout,
        RequestError::IoError(error) => NatError::Io(error.kind()),
        RequestError::HyperClientError(error) if error.is_connect() => {
            NatError::Io(io::ErrorKind::ConnectionRefused)
        }
        _ => NatError::Garbled,
    }
}
