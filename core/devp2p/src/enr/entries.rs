//! The content of a record, before it is signed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use alloy_rlp::Header;
use undertone_crypto::PublicKey;

use super::Record;
use crate::enode::{Enode, Host};
use crate::rlp;

/// Keys and the raw RLP of their values. Whatever a caller adds is one RLP item.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entries(BTreeMap<Vec<u8>, Vec<u8>>);

impl Entries {
    /// All pairs of a record, values unchanged.
    pub fn of(record: &Record) -> Self {
        Self(record.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }

    /// Address and ports of an enode; nothing for the incomplete form and for a name that nobody resolved.
    /// Signed with the node's key ([`Record::sign`]) this is the record of that enode.
    pub fn of_enode(enode: &Enode) -> Self {
        match enode.endpoint() {
            Some(endpoint) => match endpoint.host {
                Host::Ip(ip) => Self::default().with_ip(ip).with_tcp(endpoint.tcp).with_udp(endpoint.udp),
                Host::Name(_) => Self::default(),
            },
            None => Self::default(),
        }
    }

    /// Adds `ip` or `ip6`.
    #[must_use]
    pub fn with_ip(self, ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.with_string(b"ip", &ip.octets()),
            IpAddr::V6(ip) => self.with_string(b"ip6", &ip.octets()),
        }
    }

    /// Address and discovery port of a family, when both are there.
    pub(crate) fn discovery(&self, v4: bool) -> Option<SocketAddr> {
        let octets =
            |key: &[u8]| rlp::string(&mut self.0.get(key)?.as_slice(), "ip").ok().map(<[u8]>::to_vec);
        let port = |key: &[u8]| u16_of(self.0.get(key)?);
        if v4 {
            let ip: [u8; 4] = octets(b"ip")?.try_into().ok()?;
            return Some(SocketAddr::from((ip, port(b"udp")?)));
        }
        let ip: [u8; 16] = octets(b"ip6")?.try_into().ok()?;
        Some(SocketAddr::from((ip, port(b"udp6").or_else(|| port(b"udp"))?)))
    }

    /// Adds `tcp`.
    #[must_use]
    pub fn with_tcp(self, port: u16) -> Self {
        self.with_uint(b"tcp", u64::from(port))
    }

    /// Adds `udp`.
    #[must_use]
    pub fn with_udp(self, port: u16) -> Self {
        self.with_uint(b"udp", u64::from(port))
    }

    /// Adds address and discovery port. For IPv6 the port goes to `udp6` when another `udp` is there already, and to
    /// both when `udp6` is.
    #[must_use]
    pub fn with_discovery(self, address: SocketAddr) -> Self {
        let entries = self.with_ip(address.ip());
        let same = |raw: &Vec<u8>| u16_of(raw) == Some(address.port());
        match address.ip().to_canonical() {
            IpAddr::V6(_) if entries.0.contains_key(b"udp6".as_slice()) => {
                entries.with_uint(b"udp6", u64::from(address.port())).with_udp(address.port())
            }
            IpAddr::V6(_) if entries.0.get(b"udp".as_slice()).is_some_and(|raw| !same(raw)) => {
                entries.with_uint(b"udp6", u64::from(address.port()))
            }
            IpAddr::V6(_) | IpAddr::V4(_) => entries.with_udp(address.port()),
        }
    }

    /// Adds a string value.
    #[must_use]
    pub fn with_string(mut self, key: &[u8], value: &[u8]) -> Self {
        let mut raw = Vec::new();
        rlp::encode_string(&mut raw, value);
        self.0.insert(key.to_vec(), raw);
        self
    }

    /// Adds an integer value.
    #[must_use]
    pub fn with_uint(mut self, key: &[u8], value: u64) -> Self {
        let mut raw = Vec::new();
        rlp::encode_uint(&mut raw, value);
        self.0.insert(key.to_vec(), raw);
        self
    }

    /// Adds a value that is RLP already; `None` when it is not exactly one item.
    pub fn with_raw(mut self, key: &[u8], value: &[u8]) -> Option<Self> {
        let mut rest = value;
        let header = Header::decode(&mut rest).ok()?;
        if rest.len() != header.payload_length {
            return None;
        }
        self.0.insert(key.to_vec(), value.to_vec());
        Some(self)
    }

    /// Removes a value.
    #[must_use]
    pub fn without(mut self, key: &[u8]) -> Self {
        self.0.remove(key);
        self
    }

    pub(super) fn with_identity(self, key: &PublicKey) -> Self {
        self.with_string(b"id", b"v4").with_string(b"secp256k1", &key.to_compressed())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for (key, value) in &self.0 {
            rlp::encode_string(out, key);
            out.extend_from_slice(value);
        }
    }
}

fn u16_of(raw: &[u8]) -> Option<u16> {
    rlp::uint(&mut &*raw, "port").ok().and_then(|port| u16::try_from(port).ok())
}
