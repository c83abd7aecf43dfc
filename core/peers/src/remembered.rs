//! Peers that were good, for the next start: their form on disk, and who is among them.
//!
//! ```text
//! [version = 1, [ [key (64 bytes: x ‖ y), ip (4 or 16 bytes), tcp, udp, last (ms since 1970), merit], … ]]    RLP
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use alloy_rlp::{Decodable, Encodable, Header};
use undertone_base::{FaultClass, Unix};
use undertone_crypto::PublicKey;
use undertone_devp2p::{Endpoint, Enode, Host};

use crate::address::Subnet;
use crate::id::Id;
use crate::limits::{
    MAX_REMEMBERED, MAX_REMEMBERED_BYTES, REMEMBERED_FAILURES, REMEMBERED_PER_NARROW, REMEMBERED_PER_WIDE,
};

/// What [`encode`] writes first.
const VERSION: u64 = 1;

/// A peer that was good company.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    /// Its key, and an address where it listens.
    pub enode: Enode,
    /// When it was last connected.
    pub last: Unix,
    /// What it was worth: minutes connected and new envelopes, in all; a quarter goes with each start. Larger is kept
    /// longer.
    pub merit: u32,
}

/// Bytes that are no list of remembered peers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RememberedError {
    /// Not what this or an earlier version wrote.
    #[error("not a list of remembered peers")]
    Malformed,
    /// Larger than any list that is written.
    #[error("{size} bytes are over the limit of {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Written by a later version.
    #[error("version {0} is not known here")]
    Version(u64),
}

impl RememberedError {
    /// The environment: it is our own file.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "peers.remembered_malformed",
            Self::TooLarge { .. } => "peers.remembered_too_large",
            Self::Version(_) => "peers.remembered_version",
        }
    }
}

impl From<alloy_rlp::Error> for RememberedError {
    fn from(_: alloy_rlp::Error) -> Self {
        Self::Malformed
    }
}

/// The bytes to write to disk, of the first [`MAX_REMEMBERED`]. One whose host is no address is left out.
///
/// ```
/// use undertone_peers::{Remembered, remembered};
/// # let key = undertone_crypto::SecretKey::from_slice(&[1; 32]).unwrap().public().to_bare_hex()[2..].to_owned();
/// let enode = format!("enode://{key}@8.8.8.8:30303").parse().unwrap();
/// let peers = vec![Remembered { enode, last: undertone_base::Unix::from_secs(1_700_000_000), merit: 7 }];
/// assert_eq!(remembered::decode(&remembered::encode(&peers)), Ok(peers));
/// ```
pub fn encode(peers: &[Remembered]) -> Vec<u8> {
    let mut entries = Vec::new();
    for peer in peers.iter().take(MAX_REMEMBERED) {
        let Some(Endpoint { host: Host::Ip(ip), tcp, udp }) = peer.enode.endpoint() else { continue };
        list(&mut entries, |out| {
            peer.enode.key().to_xy().encode(out);
            match ip {
                IpAddr::V4(ip) => ip.octets().encode(out),
                IpAddr::V6(ip) => ip.octets().encode(out),
            }
            tcp.encode(out);
            udp.encode(out);
            peer.last.millis().encode(out);
            peer.merit.encode(out);
        });
    }
    let mut out = Vec::new();
    list(&mut out, |out| {
        VERSION.encode(out);
        list(out, |out| out.extend_from_slice(&entries));
    });
    out
}

/// Reads what [`encode`] wrote; exact. The bytes are trusted as far as our own disk is.
///
/// # Errors
/// [`RememberedError`]. Whoever meets one sets the file aside and starts without.
pub fn decode(bytes: &[u8]) -> Result<Vec<Remembered>, RememberedError> {
    if bytes.len() > MAX_REMEMBERED_BYTES {
        return Err(RememberedError::TooLarge { size: bytes.len(), max: MAX_REMEMBERED_BYTES });
    }
    let mut input = bytes;
    let mut body = Header::decode_bytes(&mut input, true)?;
    let version = u64::decode(&mut body)?;
    if version != VERSION {
        return Err(RememberedError::Version(version));
    }
    let mut entries = Header::decode_bytes(&mut body, true)?;
    let mut peers = Vec::new();
    while !entries.is_empty() && peers.len() < MAX_REMEMBERED {
        peers.push(entry(Header::decode_bytes(&mut entries, true)?)?);
    }
    if input.is_empty() && body.is_empty() && entries.is_empty() {
        Ok(peers)
    } else {
        Err(RememberedError::Malformed)
    }
}

fn entry(mut input: &[u8]) -> Result<Remembered, RememberedError> {
    let input = &mut input;
    let key =
        PublicKey::from_xy(Header::decode_bytes(input, false)?).map_err(|_| RememberedError::Malformed)?;
    let ip = Header::decode_bytes(input, false)?;
    let ip = match (<[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
        (Ok(ip), _) => IpAddr::from(ip),
        (_, Ok(ip)) => IpAddr::from(ip),
        _ => return Err(RememberedError::Malformed),
    };
    let (tcp, udp) = (u16::decode(input)?, u16::decode(input)?);
    let (last, merit) = (Unix::from_millis(u64::decode(input)?), u32::decode(input)?);
    // Only the canonical form is written, and port 0 cannot be dialled.
    if !input.is_empty() || ip != ip.to_canonical() || tcp == 0 {
        return Err(RememberedError::Malformed);
    }
    Ok(Remembered { enode: Enode::new(key, Endpoint { host: Host::Ip(ip), tcp, udp }), last, merit })
}

fn list(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    fill(&mut payload);
    Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend_from_slice(&payload);
}

/// The good peers of this run and of earlier ones, at most [`MAX_REMEMBERED`], few of one subnet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    records: BTreeMap<Id, Record>,
    changed: bool,
}

#[derive(Clone, Debug)]
struct Record {
    peer: Remembered,
    subnet: Option<Subnet>,
    failures: u32,
}

impl Memory {
    /// What an earlier run wrote, the best first; a quarter of the merit is gone, so that nobody lives on it for ever.
    pub(crate) fn new(mut peers: Vec<Remembered>) -> Self {
        let mut memory = Self::default();
        peers.sort_by_key(|peer| std::cmp::Reverse((peer.merit, peer.last)));
        for peer in peers.into_iter().take(MAX_REMEMBERED) {
            let merit = peer.merit.saturating_sub(peer.merit / 4);
            memory.note(peer.enode, peer.last, merit);
        }
        memory.changed = false;
        memory
    }

    /// It was connected until `last` and earned so much since it was noted before.
    pub(crate) fn note(&mut self, enode: Enode, last: Unix, merit: u32) {
        let Some(Endpoint { host: Host::Ip(ip), tcp: 1.., .. }) = enode.endpoint() else { return };
        let (id, subnet) = (Id::of(enode.key()), Subnet::of(*ip));
        self.changed = true;
        let known = self.records.remove(&id);
        let merit = known.as_ref().map_or(merit, |known| known.peer.merit.saturating_add(merit));
        let record = Record { peer: Remembered { enode, last, merit }, subnet, failures: 0 };
        if self.make_room(&record) {
            self.records.insert(id, record);
        } else if let Some(known) = known {
            // It moved to where there is no room: what was known of it stays.
            self.records.insert(id, known);
        }
    }

    /// It could not be dialled although this node is online.
    pub(crate) fn failed(&mut self, id: &Id) {
        let Some(record) = self.records.get_mut(id) else { return };
        record.failures = record.failures.saturating_add(1);
        if record.failures >= REMEMBERED_FAILURES {
            self.forget(id);
        }
    }

    pub(crate) fn forget(&mut self, id: &Id) {
        self.changed |= self.records.remove(id).is_some();
    }

    pub(crate) fn forget_host(&mut self, is_there: impl Fn(IpAddr) -> bool) {
        let gone = |record: &Record| ip_of(&record.peer.enode).is_some_and(&is_there);
        self.changed |= self.records.values().any(gone);
        self.records.retain(|_, record| !gone(record));
    }

    /// Where it listens, if it was at this address.
    pub(crate) fn listening(&self, id: &Id, address: SocketAddr) -> Option<Enode> {
        let enode = &self.records.get(id)?.peer.enode;
        (ip_of(enode) == Some(address.ip().to_canonical())).then(|| enode.clone())
    }

    /// The best first.
    pub(crate) fn list(&self) -> Vec<Remembered> {
        let mut peers: Vec<_> = self.records.values().map(|record| record.peer.clone()).collect();
        peers.sort_by_key(|peer| std::cmp::Reverse((peer.merit, peer.last)));
        peers
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the list has changed since this was asked before.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn make_room(&mut self, new: &Record) -> bool {
        let subnet = new.subnet;
        let narrow =
            |known: &Record| subnet.is_some() && known.subnet.map(|s| s.narrow) == subnet.map(|s| s.narrow);
        let wide =
            |known: &Record| subnet.is_some() && known.subnet.map(|s| s.wide) == subnet.map(|s| s.wide);
        self.room_in(REMEMBERED_PER_NARROW, new, narrow)
            && self.room_in(REMEMBERED_PER_WIDE, new, wide)
            && self.room_in(MAX_REMEMBERED, new, |_| true)
    }

    /// Whether one more fits among those that `scope` names; the worst of them goes if it is no better.
    fn room_in(&mut self, limit: usize, new: &Record, scope: impl Fn(&Record) -> bool) -> bool {
        let mut inside = self.records.iter().filter(|(_, known)| scope(known));
        if inside.clone().count() < limit {
            return true;
        }
        let rank = |record: &Record| (record.peer.merit, record.peer.last);
        let worst = inside.clone().map(|(_, known)| rank(known)).min();
        let Some(worst) = worst.filter(|worst| *worst <= rank(new)) else { return false };
        let id = inside.find(|(_, known)| rank(known) == worst).map(|(id, _)| *id);
        id.is_some_and(|id| self.records.remove(&id).is_some())
    }
}

/// The address of a node that has one.
pub(crate) fn ip_of(enode: &Enode) -> Option<IpAddr> {
    match enode.endpoint()?.host {
        Host::Ip(ip) => Some(ip),
        Host::Name(_) => None,
    }
}

#[cfg(test)]
mod tests;
