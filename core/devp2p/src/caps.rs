//! Capabilities: which are shared and where their message ids begin (`devp2p.md` 2.7).

use std::fmt;

/// The ids below this belong to the base protocol.
pub const BASE_LENGTH: u64 = 16;

/// A name and version as a Hello lists it. Names are compared byte by byte; upper case sorts first.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Capability {
    /// For example `shh`.
    pub name: Vec<u8>,
    /// For example 6.
    pub version: u64,
}

impl Capability {
    /// A capability of ours.
    pub fn new(name: &str, version: u64) -> Self {
        Self { name: name.as_bytes().to_vec(), version }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name.escape_ascii(), self.version)
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A capability that we offer, with the number of message codes that its definition has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offer {
    /// Name and version.
    pub capability: Capability,
    /// Codes `0..length`.
    pub length: u64,
}

/// A capability that both sides have, with the first of its message ids on this link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shared {
    /// Name and version.
    pub capability: Capability,
    /// Id of its code 0.
    pub offset: u64,
    /// Codes `0..length`.
    pub length: u64,
}

impl Shared {
    /// The message id of a code, when the capability has that code.
    pub fn id_of(&self, code: u64) -> Option<u64> {
        (code < self.length).then(|| self.offset.saturating_add(code))
    }

    /// The code of a message id, when it belongs here.
    pub fn code_of(&self, id: u64) -> Option<u64> {
        id.checked_sub(self.offset).filter(|code| *code < self.length)
    }
}

/// The shared capabilities in the order of their ids: equal name and version, of each name the highest
/// version, sorted by name.
///
/// ```
/// use undertone_devp2p::{Capability, Offer, shared};
/// let offer = |name, version| Offer { capability: Capability::new(name, version), length: 128 };
/// let ours = [offer("waku", 1), offer("shh", 6), offer("waku", 0)];
/// let found = shared(&ours, &ours.each_ref().map(|o| o.capability.clone()));
/// let places: Vec<_> = found.iter().map(|s| (s.capability.to_string(), s.offset)).collect();
/// assert_eq!(places, [("shh/6".to_owned(), 16), ("waku/1".to_owned(), 144)]);
/// ```
pub fn shared(ours: &[Offer], theirs: &[Capability]) -> Vec<Shared> {
    let mut best: Vec<&Offer> = Vec::new();
    for offer in ours.iter().filter(|offer| theirs.contains(&offer.capability)) {
        match best.iter_mut().find(|b| b.capability.name == offer.capability.name) {
            Some(known) if known.capability.version < offer.capability.version => *known = offer,
            Some(_) => {}
            None => best.push(offer),
        }
    }
    best.sort_by(|a, b| a.capability.name.cmp(&b.capability.name));
    let mut offset = BASE_LENGTH;
    let mut place = |offer: &Offer| {
        let shared = Shared { capability: offer.capability.clone(), offset, length: offer.length };
        offset = offset.saturating_add(offer.length);
        shared
    };
    best.into_iter().map(&mut place).collect()
}
