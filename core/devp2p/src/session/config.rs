//! What is the same for all sessions of a node.

use std::sync::Arc;

use crate::caps::Offer;
use crate::limits::{MAX_FRAME, MESSAGE_ID};
use crate::message::{Hello, P2P_VERSION};
use crate::node_key::NodeKey;

/// What a node tells every peer, and its limits. Shared by its sessions.
#[derive(Clone, Debug)]
pub struct Config {
    key: NodeKey,
    client: Vec<u8>,
    pub(super) offers: Arc<[Offer]>,
    pub(super) max_message: usize,
}

impl Config {
    /// Largest plain message by default: 1 MiB of the whisper layer and some slack for its list header.
    pub const MAX_MESSAGE: usize = 1_048_576 + 1_024;

    /// A node with this key, name and capabilities. The name may have a few hundred bytes: a Hello over 2,048
    /// bytes is refused by every peer.
    pub fn new(key: NodeKey, client: &str, offers: Vec<Offer>) -> Self {
        Self {
            key,
            client: client.as_bytes().to_vec(),
            offers: offers.into(),
            max_message: Self::MAX_MESSAGE,
        }
    }

    /// With another limit for plain messages in bytes, at most 16,777,215.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes.min(MAX_FRAME);
        self
    }

    /// The node's key.
    pub const fn key(&self) -> &NodeKey {
        &self.key
    }

    pub(super) fn hello(&self) -> Hello {
        let mut capabilities: Vec<_> = self.offers.iter().map(|offer| offer.capability.clone()).collect();
        capabilities.sort();
        Hello {
            version: P2P_VERSION,
            client: self.client.clone(),
            capabilities,
            listen_port: 0,
            key: self.key.public(),
        }
    }

    /// Largest frame: the largest message that snappy may have made longer, and its id.
    pub(super) fn max_frame(&self) -> usize {
        snap::raw::max_compress_len(self.max_message).saturating_add(MESSAGE_ID).min(MAX_FRAME)
    }
}
