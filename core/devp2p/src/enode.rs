//! enode URLs (`devp2p.md` 1.2).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use undertone_base::FaultClass;
use undertone_crypto::PublicKey;

/// Why text is no enode URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnodeError {
    /// Not `enode://` and not a bare key.
    #[error("an enode begins with enode://")]
    Scheme,
    /// Not 128 hex digits of a point of the curve.
    #[error("the part before @ must be 128 hexadecimal digits of a valid key")]
    Key,
    /// No host, or one that cannot be.
    #[error("the host is neither an ip address nor a name")]
    Host,
    /// A port that is absent, not a number, or above 65535.
    #[error("the port must be a number up to 65535")]
    Port,
    /// A `discport` that is not a number up to 65535.
    #[error("discport must be a number up to 65535")]
    DiscPort,
}

impl EnodeError {
    /// Whoever gave the text.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scheme => "enode.scheme",
            Self::Key => "enode.key",
            Self::Host => "enode.host",
            Self::Port => "enode.port",
            Self::DiscPort => "enode.discport",
        }
    }
}

/// Where a node listens. A name is resolved when it is dialled, never while parsing.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// An address; never an IPv4-mapped IPv6 one.
    Ip(IpAddr),
    /// A DNS name, lower case.
    Name(String),
}

/// Host and ports of a node.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// RLPx port. 0 cannot be dialled.
    pub tcp: u16,
    /// Discovery port. 0 means none.
    pub udp: u16,
}

/// `enode://<128 hex digits>@<host>:<tcp>[?discport=<udp>]`, or the incomplete form without an endpoint.
///
/// ```
/// use undertone_devp2p::Enode;
/// # let key = undertone_crypto::SecretKey::from_slice(&[1; 32]).unwrap().public().to_bare_hex()[2..].to_owned();
/// let node: Enode = format!("enode://{key}@127.0.0.1:30303?discport=0").parse()?;
/// assert_eq!(node.endpoint().unwrap().tcp, 30303);
/// assert_eq!(node.to_string(), format!("enode://{key}@127.0.0.1:30303?discport=0"));
/// # Ok::<(), undertone_devp2p::EnodeError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Enode {
    key: PublicKey,
    endpoint: Option<Endpoint>,
}

impl Enode {
    /// A node at an endpoint. An IPv4-mapped IPv6 address becomes the IPv4 address.
    pub fn new(key: PublicKey, mut endpoint: Endpoint) -> Self {
        if let Host::Ip(ip) = &mut endpoint.host {
            *ip = ip.to_canonical();
        }
        Self { key, endpoint: Some(endpoint) }
    }

    /// A node of which only the key is known.
    pub const fn incomplete(key: PublicKey) -> Self {
        Self { key, endpoint: None }
    }

    /// The node's key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Where it listens; `None` for the incomplete form, which must be looked up first.
    pub const fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }
}

impl FromStr for Enode {
    type Err = EnodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("enode") => rest,
            Some(_) => return Err(EnodeError::Scheme),
            None => return Ok(Self { key: parse_key(text)?, endpoint: None }),
        };
        let Some((user, rest)) = rest.split_once('@') else {
            return Ok(Self { key: parse_key(rest)?, endpoint: None });
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let key = parse_key(user)?;
        let authority = authority.split_once('/').map_or(authority, |(authority, _path)| authority);
        let (host, tcp) = split_port(authority)?;
        let udp = discport(query)?.unwrap_or(tcp);
        Ok(Self::new(key, Endpoint { host, tcp, udp }))
    }
}

impl fmt::Display for Enode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.key.to_bare_hex();
        write!(f, "enode://{}", hex.get(2..).unwrap_or_default())?;
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        match &endpoint.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "@[{ip}]:{}", endpoint.tcp)?,
            Host::Ip(IpAddr::V4(ip)) => write!(f, "@{ip}:{}", endpoint.tcp)?,
            Host::Name(name) => write!(f, "@{name}:{}", endpoint.tcp)?,
        }
        if endpoint.udp != endpoint.tcp {
            write!(f, "?discport={}", endpoint.udp)?;
        }
        Ok(())
    }
}

fn parse_key(text: &str) -> Result<PublicKey, EnodeError> {
    if text.len() != 128 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(EnodeError::Key);
    }
    PublicKey::from_hex(&format!("04{text}")).map_err(|_| EnodeError::Key)
}

fn split_port(authority: &str) -> Result<(Host, u16), EnodeError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']').ok_or(EnodeError::Host)?;
        let ip: Ipv6Addr = ip.parse().map_err(|_| EnodeError::Host)?;
        (Host::Ip(IpAddr::V6(ip)), rest.strip_prefix(':').ok_or(EnodeError::Port)?)
    } else {
        let (host, port) = authority.rsplit_once(':').ok_or(EnodeError::Port)?;
        (parse_host(host)?, port)
    };
    Ok((host, parse_port(port).ok_or(EnodeError::Port)?))
}

fn parse_host(text: &str) -> Result<Host, EnodeError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        // An IPv6 address needs its brackets.
        return if ip.is_ipv4() { Ok(Host::Ip(ip)) } else { Err(EnodeError::Host) };
    }
    // DEVIATION: geth resolves a name while it parses (`devp2p.md` 1.2), so that text of a stranger starts a
    // look-up. Here a name is kept and resolved when it is dialled. Pinned by `a_name_is_kept_for_the_dialler`.
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let trimmed = text.strip_suffix('.').unwrap_or(text);
    // A last label of digits only would be a malformed address, which no resolver should be asked for.
    let numeric = trimmed.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    if trimmed.is_empty() || trimmed.len() > 253 || numeric || !trimmed.split('.').all(label) {
        return Err(EnodeError::Host);
    }
    Ok(Host::Name(trimmed.to_ascii_lowercase()))
}

fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn discport(query: &str) -> Result<Option<u16>, EnodeError> {
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "discport" {
            return match value {
                "" => Ok(None),
                _ => parse_port(value).map(Some).ok_or(EnodeError::DiscPort),
            };
        }
    }
    Ok(None)
}
