//! A node that discovery can reach, and what is kept of it across restarts.

use std::net::SocketAddr;

use rand_core::CryptoRng;
use undertone_base::Unix;
use undertone_crypto::PublicKey;

use super::address::{RelayFault, check_relay, is_lan};
use super::packet::{WireEndpoint, WireNode, address, octets};
use crate::enode::{Endpoint, Enode, Host};
use crate::enr::Record;
use crate::limits::MIN_NEIGHBOR_PORT;
use crate::node_key::NodeId;
use crate::rlp;

/// A node and where its discovery listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contact {
    /// Its key.
    pub key: PublicKey,
    /// Its id, which belongs to the key.
    pub(super) id: NodeId,
    /// Where its discovery listens; never an IPv4-mapped address.
    pub address: SocketAddr,
    /// Its RLPx port; 0 when it says none.
    pub tcp: u16,
}

impl Contact {
    /// A node with this key.
    pub fn new(key: PublicKey, address: SocketAddr, tcp: u16) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { key, id: NodeId::of(&key), address, tcp }
    }

    /// The node of an enode with an address and a discovery port; `None` for the incomplete form, for a name,
    /// which whoever has a resolver replaces first, and for an address that cannot be.
    pub fn of_enode(enode: &Enode) -> Option<Self> {
        let endpoint = enode.endpoint()?;
        let Host::Ip(ip) = endpoint.host else { return None };
        let bad = ip.is_unspecified() || ip.is_multicast() || endpoint.udp == 0;
        (!bad).then(|| Self::new(*enode.key(), SocketAddr::new(ip, endpoint.udp), endpoint.tcp))
    }

    /// The node of a record that a stranger vouches for, such as the signer of a DNS list: only a public address,
    /// as the relay check has it, and a discovery port that others may tell of.
    pub fn of_record(record: &Record) -> Option<Self> {
        let address = record.discovery_address()?;
        let public = !is_lan(address.ip()) && check_relay(address.ip(), address.ip()).is_ok();
        let sound = public && address.port() >= MIN_NEIGHBOR_PORT;
        sound.then(|| Self::new(*record.key(), address, record.tcp().unwrap_or_default()))
    }

    /// The enode.
    pub fn to_enode(&self) -> Enode {
        let (host, udp) = (Host::Ip(self.address.ip()), self.address.port());
        Enode::new(self.key, Endpoint { host, tcp: self.tcp, udp })
    }

    /// Its id.
    pub const fn id(&self) -> &NodeId {
        &self.id
    }

    pub(super) fn to_wire(&self) -> WireNode {
        WireNode { endpoint: WireEndpoint::new(self.address, self.tcp), key: self.key.to_xy() }
    }
}

/// The node of an entry of Neighbors, if whoever told it may tell it (`devp2p.md` 3.2).
///
/// # Errors
/// The first of [`RelayFault`] in geth's order.
pub fn check_neighbor(teller: std::net::IpAddr, node: &WireNode) -> Result<Contact, RelayFault> {
    if node.endpoint.udp < MIN_NEIGHBOR_PORT {
        return Err(RelayFault::LowPort);
    }
    let ip = node.endpoint.address().ok_or(RelayFault::Length)?;
    check_relay(teller, ip)?;
    let key = PublicKey::from_xy(&node.key).map_err(|_| RelayFault::Key)?;
    Ok(Contact::new(key, SocketAddr::new(ip, node.endpoint.udp), node.endpoint.tcp))
}

/// What a node's database keeps of another node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredNode {
    /// The node.
    pub contact: Contact,
    /// When it last proved its endpoint to us.
    pub last_pong: Unix,
    /// Its record, if we know it.
    pub record: Option<Record>,
}

impl StoredNode {
    /// Version 1: `rlp([1, key, ip, udp, tcp, last pong in milliseconds, record or an empty string])`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        rlp::encode_list(&mut out, |list| {
            rlp::encode_uint(list, 1);
            rlp::encode_string(list, &self.contact.key.to_xy());
            rlp::encode_string(list, &octets(self.contact.address.ip()));
            rlp::encode_uint(list, u64::from(self.contact.address.port()));
            rlp::encode_uint(list, u64::from(self.contact.tcp));
            rlp::encode_uint(list, self.last_pong.millis());
            rlp::encode_string(list, self.record.as_ref().map_or(&[], Record::as_bytes));
        });
        out
    }

    /// Reads what [`Self::encode`] made; an IPv4 address in its IPv6 form comes back as IPv4. `None` for anything
    /// else: the node is forgotten then.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = bytes;
        let mut list = rlp::list(&mut input, "stored node").ok()?;
        if rlp::uint(&mut list, "version").ok()? != 1 || !input.is_empty() {
            return None;
        }
        let key = PublicKey::from_xy(rlp::string(&mut list, "key").ok()?).ok()?;
        let ip = address(rlp::string(&mut list, "ip").ok()?)?;
        let mut port = || u16::try_from(rlp::uint(&mut list, "port").ok()?).ok();
        let (udp, tcp) = (port()?, port()?);
        let last_pong = Unix::from_millis(rlp::uint(&mut list, "time").ok()?);
        let record = rlp::string(&mut list, "record").ok()?;
        let record = if record.is_empty() { None } else { Some(Record::decode(record).ok()?) };
        let sound = list.is_empty() && udp != 0 && !ip.is_unspecified() && !ip.is_multicast();
        let contact = Contact::new(key, SocketAddr::new(ip, udp), tcp);
        sound.then_some(Self { contact, last_pong, record })
    }
}

/// A number below `len`, 0 for none. The bias of the remainder is below 2^-50 and hides nothing.
pub(super) fn pick(rng: &mut (impl CryptoRng + ?Sized), len: usize) -> usize {
    let len = u64::try_from(len).unwrap_or(u64::MAX).max(1);
    usize::try_from(rng.next_u64() % len).unwrap_or_default()
}
