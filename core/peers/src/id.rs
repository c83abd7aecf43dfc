//! Keys as keys of maps.

use undertone_crypto::PublicKey;

/// The compressed form of a key. Comparing two [`PublicKey`]s computes it for both each time; a machine that looks keys
/// up by the hundred keeps it. Same order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Id([u8; 33]);

impl Id {
    pub(crate) fn of(key: &PublicKey) -> Self {
        Self(key.to_compressed())
    }
}
