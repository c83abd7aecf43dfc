//! A keyed link: what is written on it, in which form, and how often a peer may ping.

use undertone_base::Mono;
use undertone_crypto::PublicKey;

use crate::caps::Shared;
use crate::frame::{Egress, Ingress};
use crate::limits::{MAX_FRAME, MAX_PINGS, PING_INTERVAL};
use crate::message::{DisconnectReason, EMPTY_LIST, id};
use crate::{rlp, snappy};

/// A link whose keys are made.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) remote: PublicKey,
    pub(super) egress: Egress,
    pub(super) ingress: Ingress,
    /// Whether what we write is compressed.
    pub(super) snappy: bool,
}

impl Link {
    /// Appends a message to `out`, or nothing.
    ///
    /// # Errors
    /// The size of a frame that would be too large. The link is then as before.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, message: u64, payload: &[u8]) -> Result<(), usize> {
        let compressed = self.snappy;
        self.egress.write(out, MAX_FRAME, |out| {
            rlp::encode_uint(out, message);
            match compressed {
                true => snappy::compress(payload, out),
                false => out.extend_from_slice(payload),
            }
        })
    }

    /// Appends a message of the base protocol, all of which are small.
    pub(super) fn write_base(&mut self, out: &mut Vec<u8>, message: u64, payload: &[u8]) {
        let written = self.write(out, message, payload);
        debug_assert!(written.is_ok(), "messages of the base protocol fit any frame");
    }

    pub(super) fn goodbye(&mut self, out: &mut Vec<u8>, reason: DisconnectReason) {
        self.write_base(out, id::DISCONNECT, &reason.encode());
    }
}

/// A link over which both Hellos went.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) link: Link,
    pub(super) shared: Vec<Shared>,
    /// One Pong at most waits to be written, however many Pings came.
    pub(super) pong_owed: bool,
    pub(super) pings: PingRate,
}

impl Active {
    /// Writes the Pong that is owed, if one is.
    pub(super) fn pay_pong(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.pong_owed) {
            self.link.write_base(out, id::PONG, &EMPTY_LIST);
        }
    }
}

/// Counts a peer's pings in windows of [`PING_INTERVAL`], which begin whatever we send ourselves.
#[derive(Debug)]
pub(super) struct PingRate {
    since: Mono,
    count: u32,
}

impl PingRate {
    pub(super) const fn new(now: Mono) -> Self {
        Self { since: now, count: 0 }
    }

    /// Counts one. Whether it is still within [`MAX_PINGS`].
    pub(super) fn count(&mut self, now: Mono) -> bool {
        if now.since(self.since) >= PING_INTERVAL {
            *self = Self::new(now);
        }
        self.count = self.count.saturating_add(1);
        self.count <= MAX_PINGS
    }
}
