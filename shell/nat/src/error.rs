//! Why a port is not mapped.

use std::io;

use undertone_base::FaultClass;

/// What went wrong with a router. Shown in [`NatStatus`](crate::NatStatus); it is tried again by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NatError {
    /// The external port belongs to somebody else, and so did the others that were tried.
    #[error("the router gave no external port: all that were tried are taken")]
    Conflict,
    /// The router's answers cannot be understood.
    #[error("the router answered something that cannot be understood")]
    Garbled,
    /// The system refused: no network, for example.
    #[error("network: {0}")]
    Io(io::ErrorKind),
    /// There is no default route and no private network, so nobody to ask.
    #[error("no router is known: there is no default route and no private network")]
    NoGateway,
    /// Nobody answered the search.
    #[error("no router answered by UPnP, PCP or NAT-PMP")]
    NoRouter,
    /// The router does not allow it, by its configuration.
    #[error("the router does not allow it (code {code})")]
    Refused {
        /// The number in its answer.
        code: u16,
    },
    /// The router did not answer in time.
    #[error("the router did not answer in time")]
    Timeout,
    /// The router itself has no external address, or none that it calls one: its own link is down, or it is behind
    /// another NAT.
    #[error("the router has no public address, or its own link is down")]
    Unconnected,
}

impl NatError {
    /// The environment's: the router is part of it.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict => "nat.conflict",
            Self::Garbled => "nat.garbled",
            Self::Io(_) => "nat.io",
            Self::NoGateway => "nat.no_gateway",
            Self::NoRouter => "nat.no_router",
            Self::Refused { .. } => "nat.refused",
            Self::Timeout => "nat.timeout",
            Self::Unconnected => "nat.unconnected",
        }
    }
}

impl NatError {
    /// Of two failures the one that says more; of equal ones the earlier.
    pub(crate) const fn weightier(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::NoRouter => 0,
            Self::NoGateway => 1,
            Self::Timeout => 2,
            Self::Io(_) => 3,
            Self::Garbled => 4,
            Self::Conflict | Self::Refused { .. } | Self::Unconnected => 5,
        }
    }
}

impl From<io::Error> for NatError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}
