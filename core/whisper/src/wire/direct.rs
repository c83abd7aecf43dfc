//! Envelopes to one peer alone: packet 127, in which the capabilities differ.

use crate::envelope::RawEnvelope;
use crate::rlp::{self, BadRlp};
use crate::wire::{Messages, PacketFault};

/// How a capability writes direct messages (`whisper.md` 6.1, 7.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DirectForm {
    /// shh/6: geth writes and takes one bare envelope, status-go that or a list.
    BareOrList,
    /// Waku: a list always; a bare envelope is not understood.
    List,
}

/// The envelopes of a direct message. What is sent to a peer of shh/6 is the bytes of one envelope, because geth drops
/// whoever sends a list; to one of Waku, what [`Messages`] reads. Trailing bytes are skipped, as in the originals.
///
/// # Errors
/// [`PacketFault::Messages`].
pub fn decode_direct(mut body: &[u8], form: DirectForm) -> Result<Messages<'_>, PacketFault> {
    let body = rlp::item(&mut body).map_err(|BadRlp| PacketFault::Messages)?;
    if form == DirectForm::BareOrList && is_bare(body).unwrap_or(false) {
        RawEnvelope::decode(body).map_err(|_| PacketFault::Messages)?;
        return Ok(Messages { items: body });
    }
    Messages::decode(body)
}

/// An envelope begins with a number, a list of envelopes with a list.
fn is_bare(mut body: &[u8]) -> Result<bool, BadRlp> {
    let mut items = rlp::list(&mut body)?;
    Ok(!items.is_empty() && rlp::string(&mut items).is_ok())
}
