//! Names, normalised, and their namehash.

use std::fmt;

use undertone_base::FaultClass;
use undertone_crypto::hash::{keccak256, keccak256_parts};

use crate::limits::MAX_NAME;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Only `.eth` names carry chat keys (`identity.md` 6).
    #[error("the name does not end in .eth")]
    NotEth,
    /// ENSIP-15 refuses it: a character that no name has, scripts mixed, an empty part.
    #[error("not a name: ENSIP-15 refuses a part of it")]
    Refused,
    /// Longer than [`MAX_NAME`].
    #[error("name longer than {MAX_NAME} bytes")]
    TooLong,
}

impl NameError {
    /// Whoever wrote the name.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEth => "ens.name_not_eth",
            Self::Refused => "ens.name_refused",
            Self::TooLong => "ens.name_too_long",
        }
    }
}

/// A normalised name below `.eth`.
///
/// Only this form is ever shown: two texts that look alike but are different names differ in it, or one is refused.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EnsName(String);

const ETH: &str = ".eth";
/// Where Status registers the names of its people.
const STATUS: &str = ".stateofus.eth";

impl EnsName {
    /// What a person types: without `.eth` it is a name of Status (`identity.md` 6). The first name that is not plain
    /// ASCII loads the tables of ENSIP-15, some tens of milliseconds.
    ///
    /// # Errors
    /// [`NameError`], all but `NotEth`.
    ///
    /// ```
    /// use undertone_ens::EnsName;
    /// assert_eq!(EnsName::typed("Alice")?.as_str(), "alice.stateofus.eth");
    /// assert_eq!(EnsName::typed("vitalik.eth")?.as_str(), "vitalik.eth");
    /// # Ok::<(), undertone_ens::NameError>(())
    /// ```
    pub fn typed(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        match Self::claimed(text) {
            Err(NameError::NotEth) if text.len() <= MAX_NAME => Self::claimed(&format!("{text}{STATUS}")),
            done => done,
        }
    }

    /// What a peer claims in a message. Hostile input.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn claimed(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let name = normalise(text)?;
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        match name.strip_suffix(ETH) {
            Some(below) if !below.is_empty() => Ok(Self(name)),
            _ => Err(NameError::NotEth),
        }
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its namehash (EIP-137).
    pub fn node(&self) -> [u8; 32] {
        namehash(&self.0)
    }
}

impl fmt::Display for EnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn normalise(text: &str) -> Result<String, NameError> {
    if text.split('.').all(is_plain) {
        return Ok(text.to_ascii_lowercase());
    }
    let name = ens_normalize::ens_normalize(text).map_err(|_| NameError::Refused)?;
    // The library takes the empty name, and nothing else with an empty part.
    if name.is_empty() { Err(NameError::Refused) } else { Ok(name) }
}

/// A part for which ENSIP-15 does no more than lower its case. Nearly every name is made of these, and they need none of
/// the tables (4 MB once loaded).
fn is_plain(label: &str) -> bool {
    let label = label.as_bytes();
    let plain = label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    !label.is_empty() && plain && label.get(2..4) != Some(b"--")
}

/// `namehash("") = 0`, `namehash(label.rest) = keccak(namehash(rest) || keccak(label))`.
fn namehash(name: &str) -> [u8; 32] {
    name.rsplit('.').fold([0; 32], |node, label| keccak256_parts(&[&node, &keccak256(label.as_bytes())]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use undertone_vectors::{hex_n, load};

    use super::*;

    #[test]
    fn namehashes_of_the_original() {
        let file = load("identity");
        let cases = file["ens"]["namehash"].as_object().unwrap();
        for (name, want) in cases {
            assert_eq!(namehash(name), hex_n::<32>(want), "{name}");
        }
        assert_eq!(cases.len(), 4);
        let alice = EnsName::typed("ALICE").unwrap();
        assert_eq!(alice.node(), hex_n::<32>(&cases["alice.stateofus.eth"]));
    }

    #[test]
    fn what_is_typed_and_what_is_claimed() {
        for (text, want) in [
            ("alice", "alice.stateofus.eth"),
            (" Alice\n", "alice.stateofus.eth"),
            ("alice.stateofus.eth", "alice.stateofus.eth"),
            ("Alice.ETH", "alice.eth"),
            ("a.b", "a.b.stateofus.eth"),
            ("_x", "_x.stateofus.eth"),
            ("faß.eth", "faß.eth"),
            ("Ωmega.eth", ""),
            ("ΩΜΕΓΑ.eth", "ωμεγα.eth"),
            ("1️⃣.eth", "1⃣.eth"),
            // A Cyrillic letter among Latin ones.
            ("аlice.eth", ""),
            ("a lice.eth", ""),
            ("xn--a.eth", ""),
            ("a_b.eth", ""),
            ("..eth", ""),
            ("a..eth", ""),
            ("", ""),
            (".", ""),
        ] {
            let got = EnsName::typed(text).map(|n| n.to_string()).unwrap_or_default();
            assert_eq!(got, want, "{text:?}");
        }
        for (text, why) in [
            ("alice", NameError::NotEth),
            ("eth", NameError::NotEth),
            ("alice.eth.com", NameError::NotEth),
            (" alice.eth", NameError::Refused),
            (".eth", NameError::Refused),
            ("", NameError::Refused),
            ("alice.eth.", NameError::Refused),
            (&format!("{}.eth", "a".repeat(MAX_NAME)), NameError::TooLong),
        ] {
            assert_eq!(EnsName::claimed(text), Err(why), "{text:?}");
        }
        let longest = "a".repeat(MAX_NAME - STATUS.len());
        assert!(EnsName::typed(&longest).is_ok());
        assert_eq!(EnsName::typed(&format!("{longest}a")), Err(NameError::TooLong));
    }

    proptest! {
        /// The way around the library gives what the library gives.
        #[test]
        fn plain_names_are_as_the_library_has_them(text in "[a-zA-Z0-9-]{0,6}(\\.[a-zA-Z0-9_$-]{0,6}){0,3}") {
            let library = ens_normalize::ens_normalize(&text).ok().filter(|n| !n.is_empty());
            prop_assert_eq!(normalise(&text).ok(), library);
        }

        /// Whatever a peer claims: an answer, and a name is its own normal form.
        #[test]
        fn any_text_has_an_answer(text in prop_oneof![".{0,80}", "[\\p{L}\\p{M}\\p{Emoji}\u{200d}\u{fe0f}.]{0,40}\\.eth"]) {
            if let Ok(name) = EnsName::claimed(&text) {
                prop_assert!(name.as_str().ends_with(ETH) && name.as_str().len() <= MAX_NAME);
                prop_assert_eq!(EnsName::claimed(name.as_str()), Ok(name));
            }
        }
    }
}
