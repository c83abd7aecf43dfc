//! The links of a node, and which capability of each carries what.

use std::collections::BTreeMap;
use std::net::IpAddr;

use undertone_base::Mono;
use undertone_crypto::PublicKey;
use undertone_devp2p::{Capability, Offer, Shared};
use undertone_peers::skew::{SkewKind, SkewSource};
use undertone_whisper::wire::CODES;
use undertone_whisper::{Dialects, PeerId, Protocol, SampleKind, WakuVersion};

use crate::config::NodeConfig;
use crate::limits::YOUNG_LINK;

/// Names of the capabilities.
const SHH: &str = "shh";
const WAKU: &str = "waku";
/// The version of Whisper.
const SHH_VERSION: u64 = undertone_whisper::wire::VERSION;

/// A link with at least one of the capabilities.
pub(crate) struct Link {
    pub(crate) peer: undertone_net::PeerId,
    /// Whose it is.
    pub(crate) key: PublicKey,
    /// Where it comes from, and since when.
    pub(crate) origin: Origin,
    capabilities: Capabilities,
    /// Whether limits of rates do not bind it.
    pub(crate) exempt: bool,
    /// Packets handed to the link so far.
    pub(crate) sent: u64,
    /// The packet of envelopes that is under way, by its place among them.
    pub(crate) envelopes: Option<u64>,
}

/// Where a link comes from, and since when there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) ip: IpAddr,
    pub(crate) since: Mono,
}

/// Where among the shared capabilities of a link each protocol is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Capabilities {
    whisper: Option<usize>,
    waku: Option<(usize, WakuVersion)>,
}

/// By the number that the machine knows them by.
pub(crate) type Links = BTreeMap<PeerId, Link>;

/// What a node offers.
pub(crate) fn offers(config: &NodeConfig) -> Vec<Offer> {
    let mut offers = Vec::new();
    if config.protocols.whisper {
        offers.push(Offer { capability: Capability::new(SHH, SHH_VERSION), length: CODES });
    }
    if config.protocols.waku {
        let mut versions = config.waku_versions.clone();
        versions.sort_unstable();
        versions.dedup();
        let offer = |version: WakuVersion| Offer {
            capability: Capability::new(WAKU, version.number()),
            length: CODES,
        };
        offers.extend(versions.into_iter().map(offer));
    }
    offers
}

impl Link {
    pub(crate) const fn new(
        peer: undertone_net::PeerId,
        key: PublicKey,
        origin: Origin,
        capabilities: Capabilities,
        exempt: bool,
    ) -> Self {
        Self { peer, key, origin, capabilities, exempt, sent: 0, envelopes: None }
    }

    /// Whose clock a sample from this link is about.
    pub(crate) const fn source(&self) -> SkewSource {
        SkewSource::Peer { key: self.key, ip: self.origin.ip }
    }

    /// The capability by which a protocol goes.
    pub(crate) fn capability(&self, protocol: Protocol) -> Option<usize> {
        match protocol {
            Protocol::Whisper => self.capabilities.whisper,
            Protocol::Waku => self.capabilities.waku.map(|(index, _)| index),
        }
    }

    /// The protocol that goes by a capability.
    pub(crate) fn protocol(&self, capability: usize) -> Option<Protocol> {
        [Protocol::Whisper, Protocol::Waku]
            .into_iter()
            .find(|protocol| self.capability(*protocol) == Some(capability))
    }
}

impl Origin {
    /// As what a sample of the peer's clock counts, if it does. The first bundle of a link is the giver's pool: how old
    /// that is says nothing of clocks. A refusal is about what we have just sent.
    pub(crate) fn sample(self, now: Mono, kind: SampleKind) -> Option<SkewKind> {
        match kind {
            SampleKind::Envelope => (now.since(self.since) >= YOUNG_LINK).then_some(SkewKind::Envelope),
            SampleKind::Text => Some(SkewKind::TimeSyncText),
        }
    }
}

impl Capabilities {
    pub(crate) fn of(shared: &[Shared]) -> Self {
        let mut found = Self::default();
        for (index, shared) in shared.iter().enumerate() {
            let Capability { name, version } = &shared.capability;
            if name == SHH.as_bytes() && *version == SHH_VERSION {
                found.whisper = Some(index);
            } else if name == WAKU.as_bytes()
                && let Some(version) = WakuVersion::from_number(*version)
            {
                found.waku = Some((index, version));
            }
        }
        found
    }

    pub(crate) fn dialects(self) -> Dialects {
        Dialects { whisper: self.whisper.is_some(), waku: self.waku.map(|(_, version)| version) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use undertone_devp2p::NodeKey;
    use undertone_whisper::Protocols;

    use super::*;

    fn config(protocols: Protocols, waku_versions: &[WakuVersion]) -> NodeConfig {
        let key = NodeKey::random(&mut undertone_support::rng(1));
        NodeConfig { protocols, waku_versions: waku_versions.to_vec(), ..NodeConfig::relay(key) }
    }

    fn names(config: &NodeConfig) -> Vec<String> {
        offers(config).iter().map(|offer| offer.capability.to_string()).collect()
    }

    #[test]
    fn a_node_offers_what_it_is_told_to() {
        use WakuVersion::{V0, V1};
        assert_eq!(names(&config(Protocols::WHISPER, &[V0, V1])), ["shh/6"]);
        assert_eq!(names(&config(Protocols::WAKU, &[V1, V0, V1])), ["waku/0", "waku/1"]);
        assert_eq!(names(&config(Protocols::BOTH, &[V0])), ["shh/6", "waku/0"]);
        assert_eq!(names(&config(Protocols::WAKU, &[])), [""; 0]);
        assert!(offers(&config(Protocols::BOTH, &[V0, V1])).iter().all(|offer| offer.length == 128));
    }

    #[test]
    fn envelopes_of_a_young_link_say_nothing_of_clocks() {
        let since = Mono::ZERO.after(Duration::from_secs(100));
        let origin = Origin { ip: [127, 0, 0, 1].into(), since };
        let sample = |age, kind| origin.sample(since.after(age), kind);
        // What came last in the first ten seconds came again two later and is looked at another two later.
        let almost = Duration::from_millis(13_999);
        for young in [Duration::ZERO, Duration::from_secs(10), almost] {
            assert_eq!(sample(young, SampleKind::Envelope), None, "{young:?}");
            assert_eq!(sample(young, SampleKind::Text), Some(SkewKind::TimeSyncText), "{young:?}");
        }
        assert_eq!(sample(Duration::from_secs(14), SampleKind::Envelope), Some(SkewKind::Envelope));
    }

    #[test]
    fn each_protocol_has_its_capability() {
        let shared = |name: &str, version| Shared {
            capability: Capability::new(name, version),
            offset: 16,
            length: 128,
        };
        let all = [shared("eth", 63), shared("shh", 6), shared("waku", 1)];
        let found = Capabilities::of(&all);
        assert_eq!(found.dialects(), Dialects::both(WakuVersion::V1));
        assert_eq!(found, Capabilities { whisper: Some(1), waku: Some((2, WakuVersion::V1)) });
        assert!(Capabilities::of(&[shared("shh", 5), shared("waku", 2)]).dialects().is_empty());
    }
}
