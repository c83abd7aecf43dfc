//! What data sync hands up: application messages.

use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_payload::{Parsed, RawMetadata};

/// A metadata message and, inside it, whatever payload it claims to be.
pub fn metadata(data: &[u8]) {
    let sender = SecretKey::from_slice(&[0xa1; 32]).expect("a scalar in range").public();
    let Ok(raw) = RawMetadata::decode(data.to_vec()) else { return };
    let Ok(identified) = raw.identify(&sender) else { return };
    let _ = (identified.require_direct().is_ok(), format!("{identified:?}"));
    let sent_at = Unix::from_secs(1_600_000_000);
    let _ = match identified.parse() {
        Ok(Parsed::Chat(chat)) => chat.check(sent_at).is_ok(),
        Ok(Parsed::Contact(update)) => update.check(sent_at).is_ok(),
        Ok(Parsed::Pair(pair)) => pair.check(sent_at).is_ok(),
        _ => false,
    };
}
