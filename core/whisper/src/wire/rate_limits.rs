//! Limits that a node announces: packet 20 of shh/6, the sixth item of status-go's Status, two options of Waku.

use crate::RateLimits;
use crate::rlp::{self, BadRlp};
use crate::wire::PacketFault;

impl RateLimits {
    /// `[ip, peer, topic]`, at most 28 bytes.
    ///
    /// ```
    /// use undertone_whisper::RateLimits;
    /// assert_eq!(RateLimits { ip: 10, peer: 5, topic: 0 }.encode(), [0xc3, 0x0a, 0x05, 0x80]);
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(28);
        self.put(&mut out);
        out
    }

    /// A packet 20. status-go drops whoever sends other than three numbers, and skips what stands behind them.
    ///
    /// # Errors
    /// [`PacketFault::RateLimits`].
    pub fn decode(mut body: &[u8]) -> Result<Self, PacketFault> {
        Self::read(&mut body).map_err(|BadRlp| PacketFault::RateLimits)
    }

    /// Appends the list.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        use alloy_rlp::Encodable;
        let numbers = [self.ip, self.peer, self.topic];
        rlp::put_list(numbers.iter().map(Encodable::length).sum(), out);
        for number in numbers {
            number.encode(out);
        }
    }

    /// Takes the list from the front of `left`.
    pub(crate) fn read(left: &mut &[u8]) -> Result<Self, BadRlp> {
        let mut items = rlp::list(left)?;
        let limits = Self {
            ip: rlp::uint(&mut items, 8)?,
            peer: rlp::uint(&mut items, 8)?,
            topic: rlp::uint(&mut items, 8)?,
        };
        rlp::end(items).map(|()| limits)
    }
}
