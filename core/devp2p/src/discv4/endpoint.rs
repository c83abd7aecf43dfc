//! Where our record says that we are (`devp2p.md` 6.3).

use std::net::{IpAddr, SocketAddr};

use super::address::is_lan;
use crate::enr::Entries;

/// What the record is made of: what the node says by itself, what a router or its operator says, and what others
/// see. An external address is stronger than a prediction, which is stronger than the node's own.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The node's own words, without what others say.
    pub(super) own: Entries,
    pub(super) external: Option<IpAddr>,
    /// Ports that a router maps to ours.
    pub(super) tcp: Option<u16>,
    pub(super) udp: Option<u16>,
}

impl Endpoint {
    pub(super) const fn new(own: Entries, external: Option<IpAddr>) -> Self {
        Self { own, external, tcp: None, udp: None }
    }

    /// The public endpoint that the node itself says, of a family.
    pub(super) fn held(&self, v4: bool) -> Option<SocketAddr> {
        let own = self.own.discovery(v4).filter(|at| !is_lan(at.ip()))?;
        Some(SocketAddr::new(own.ip(), self.udp.unwrap_or(own.port())))
    }

    /// The entries to sign. An address from outside takes the place of the node's own of either family: a record that
    /// names a public address and a private one of ours would lead to the wrong host.
    pub(super) fn entries(&self, predicted: impl Iterator<Item = SocketAddr>) -> Entries {
        let mut entries = self.own.clone();
        if let Some(port) = self.tcp {
            entries = entries.with_tcp(port);
        }
        if let Some(port) = self.udp {
            entries = entries.with_udp(port);
        }
        let bare = |entries: Entries| entries.without(b"ip").without(b"ip6");
        if let Some(ip) = self.external {
            return bare(entries).with_ip(ip);
        }
        let mut predicted = predicted.peekable();
        if predicted.peek().is_some() {
            entries = bare(entries);
        }
        predicted.fold(entries, Entries::with_discovery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enr::Record;
    use crate::node_key::NodeKey;
    use undertone_support::rng;

    fn shown(endpoint: &Endpoint, predicted: &[&str]) -> String {
        let predicted: Vec<SocketAddr> = predicted.iter().map(|text| text.parse().unwrap()).collect();
        let key = NodeKey::random(&mut rng(1));
        let record = Record::sign(&key, 1, &endpoint.entries(predicted.into_iter())).unwrap();
        format!("{:?} {:?} {:?} {:?}", record.ip(), record.ip6(), record.udp(), record.tcp())
    }

    #[test]
    fn a_router_is_believed_before_others_and_others_before_ourselves() {
        let own = Entries::default().with_ip("10.0.0.2".parse().unwrap()).with_udp(5).with_tcp(6);
        let mut endpoint = Endpoint::new(own, None);
        assert_eq!(shown(&endpoint, &[]), "Some(10.0.0.2) None Some(5) Some(6)");
        assert_eq!(shown(&endpoint, &["9.9.9.9:77"]), "Some(9.9.9.9) None Some(77) Some(6)");
        assert_eq!(shown(&endpoint, &["[2a01::1]:77"]), "None Some(2a01::1) Some(5) Some(6)");
        (endpoint.tcp, endpoint.udp) = (Some(60), Some(50));
        assert_eq!(shown(&endpoint, &[]), "Some(10.0.0.2) None Some(50) Some(60)");
        assert_eq!(shown(&endpoint, &["9.9.9.9:77"]), "Some(9.9.9.9) None Some(77) Some(60)");
        endpoint.external = Some("8.8.8.8".parse().unwrap());
        assert_eq!(shown(&endpoint, &["9.9.9.9:77"]), "Some(8.8.8.8) None Some(50) Some(60)");
        endpoint.external = Some("2a01::2".parse().unwrap());
        assert_eq!(shown(&endpoint, &[]), "None Some(2a01::2) Some(50) Some(60)");
    }
}
