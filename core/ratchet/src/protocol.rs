//! The `ProtocolMessage` as bytes (`security.md` 1).
//!
//! Counts are checked by a scan of the field tags before anything is allocated. Unknown fields are skipped,
//! text must be UTF-8, and what a bundle says is judged later, bundle by bundle.

use std::collections::BTreeMap;

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::bundle::RawBundle;
use crate::error::{BundleError, ProtocolError};
use crate::limits::{MAX_BUNDLES, MAX_DIRECT_ENTRIES, MAX_MESSAGE, MAX_PAYLOAD};
use crate::proto::wire;

const BUNDLE_LEGACY: u32 = 1;
const BUNDLES: u32 = 3;
const DIRECT: u32 = 101;

/// A decoded message: its shape is right, nothing in it is verified.
#[derive(Clone, Debug, PartialEq)]
pub struct ProtocolMessage {
    pub(crate) installation: String,
    pub(crate) bundles: Vec<RawBundle>,
    /// Bundles that were too large to be read.
    pub(crate) refused: Vec<BundleError>,
    pub(crate) direct: BTreeMap<String, wire::DirectMessage>,
    pub(crate) public: Vec<u8>,
}

impl ProtocolMessage {
    /// Reads a message. Unknown fields are skipped (tolerant).
    ///
    /// # Errors
    /// [`ProtocolError`]; lengths and counts before content.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(ProtocolError::TooLong { got: bytes.len() });
        }
        check_counts(bytes)?;
        let message = wire::ProtocolMessage::decode(bytes).map_err(|_| ProtocolError::Malformed)?;
        check_payloads(&message)?;
        let mut read = Self {
            installation: message.installation_id,
            bundles: Vec::new(),
            refused: Vec::new(),
            direct: message.direct_message,
            public: message.public_message,
        };
        let legacy = Some(message.bundle).filter(|bundle| !bundle.is_empty());
        for bundle in message.bundles.into_iter().chain(legacy) {
            match RawBundle::decode(&bundle)? {
                Ok(bundle) => read.bundles.push(bundle),
                Err(refused) => read.refused.push(refused),
            }
        }
        Ok(read)
    }

    /// The sender's device as it names itself; may be empty or a name that is not allowed.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// The devices that the ciphertexts are for.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.direct.keys().map(String::as_str)
    }

    /// The cleartext of a public message. An empty field counts as absent.
    pub fn public(&self) -> Option<&[u8]> {
        Some(self.public.as_slice()).filter(|payload| !payload.is_empty())
    }

    /// The bundles, not yet verified.
    pub fn bundles(&self) -> &[RawBundle] {
        &self.bundles
    }
}

/// Writes a message with one bundle, as every sender does.
pub(crate) fn encode(
    installation: &str,
    bundle: Vec<u8>,
    direct: BTreeMap<String, wire::DirectMessage>,
    public: Vec<u8>,
) -> Vec<u8> {
    wire::ProtocolMessage {
        bundle: Vec::new(),
        installation_id: installation.to_owned(),
        bundles: vec![bundle],
        direct_message: direct,
        public_message: public,
    }
    .encode_to_vec()
}

fn check_counts(bytes: &[u8]) -> Result<(), ProtocolError> {
    let (mut bundles, mut entries) = (0usize, 0usize);
    for_each_field(bytes, |tag| match tag {
        BUNDLE_LEGACY | BUNDLES => bundles = bundles.saturating_add(1),
        DIRECT => entries = entries.saturating_add(1),
        _ => {}
    })
    .ok_or(ProtocolError::Malformed)?;
    if bundles > MAX_BUNDLES {
        return Err(ProtocolError::Bundles { got: bundles });
    }
    if entries > MAX_DIRECT_ENTRIES {
        return Err(ProtocolError::Entries { got: entries });
    }
    Ok(())
}

fn check_payloads(message: &wire::ProtocolMessage) -> Result<(), ProtocolError> {
    let direct = message.direct_message.values().map(|entry| entry.payload.len());
    // The IV and MAC of a ciphertext are not payload.
    let longest = direct.max().unwrap_or(0).saturating_sub(crate::limits::MIN_RATCHET_CIPHERTEXT);
    let got = longest.max(message.public_message.len());
    if got > MAX_PAYLOAD { Err(ProtocolError::TooLong { got }) } else { Ok(()) }
}

/// Calls `seen` with the number of every field of the outermost level; `None` when that level is malformed.
pub(crate) fn for_each_field(bytes: &[u8], mut seen: impl FnMut(u32)) -> Option<()> {
    let mut left = bytes;
    while !left.is_empty() {
        let (tag, wire_type) = decode_key(&mut left).ok()?;
        seen(tag);
        if wire_type == WireType::LengthDelimited {
            let len = usize::try_from(decode_varint(&mut left).ok()?).ok()?;
            left = left.get(len..)?;
        } else {
            skip_field(wire_type, tag, &mut left, DecodeContext::default()).ok()?;
        }
    }
    Some(())
}
