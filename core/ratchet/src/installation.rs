//! Names of devices.

use std::fmt;

use crate::limits::MAX_INSTALLATION_ID;

/// The key under which a message for all devices is filed; never a device.
pub(crate) const NONE: &str = "none";

/// Names a device of an identity: 1 to 64 bytes of UTF-8 without control characters, not `none`.
///
/// Two identities may use the same name (`security.md` S6), so it means nothing without the identity.
///
/// ```
/// use undertone_ratchet::InstallationId;
/// assert!(InstallationId::new("b5a1f2c0-6d1c-4d0a-9a55-0b1c2d3e4f50").is_some());
/// assert!(InstallationId::new("none").is_none());
/// assert!(InstallationId::new("a\nb").is_none());
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InstallationId(Box<str>);

impl InstallationId {
    /// The name, or `None` when it is not allowed.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=MAX_INSTALLATION_ID).contains(&name.len());
        (fits && name != NONE && !name.chars().any(char::is_control)).then(|| Self(name.into()))
    }

    /// A new random name in the form that the network's clients use: a version 4 UUID in lower case.
    pub fn random(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        use std::fmt::Write as _;
        let mut bytes = [0u8; 16];
        rng.fill_bytes(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut text = String::with_capacity(36);
        for (i, byte) in bytes.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name has the form of a UUID, as those of all known clients have. One that has not may
    /// come from a bundle whose digits were moved (`security.md` S4) and deserves a warning.
    pub fn looks_usual(&self) -> bool {
        self.0.len() == 36
            && self.0.bytes().enumerate().all(|(i, b)| match i {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            })
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_borders() {
        for good in ["a", "é", &"a".repeat(64), "None", "10"] {
            assert!(InstallationId::new(good).is_some(), "{good}");
        }
        for bad in ["", "none", &"a".repeat(65), "a\u{0}", "\u{7f}", "a\u{85}", "\u{1f}"] {
            assert!(InstallationId::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_random_name_looks_usual() {
        let name = InstallationId::random(&mut undertone_support::rng(1));
        assert!(name.looks_usual(), "{name}");
        assert_eq!(name.as_str().as_bytes()[14], b'4');
        assert!(!InstallationId::new("25b").unwrap().looks_usual());
    }
}
