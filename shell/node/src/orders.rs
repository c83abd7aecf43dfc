//! What a node is told and asked beside the commands of its transport: direct messages, and what its peers announced.

use tokio::sync::{mpsc, oneshot};
use undertone_crypto::PublicKey;
use undertone_whisper::wire::waku;
use undertone_whisper::{Bloom, Envelope, Pow, Stats};

use crate::error::NodeError;
use crate::node::Node;

/// To the driver. Whoever does not wait for the answer any more gets none.
#[derive(Debug)]
pub(crate) enum Order {
    Bloom(Option<Bloom>),
    Direct { to: PublicKey, envelopes: Vec<Envelope>, done: oneshot::Sender<bool> },
    MinPow(Pow),
    Stats(oneshot::Sender<Stats>),
    Trust { key: PublicKey, trusted: bool, done: oneshot::Sender<bool> },
    Wishes(oneshot::Sender<Vec<PeerWishes>>),
}

/// What a peer announced, by each protocol of its link; `None` where it has not spoken, or cannot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerWishes {
    /// Whose.
    pub key: PublicKey,
    /// By Whisper.
    pub whisper: Option<waku::Status>,
    /// By Waku.
    pub waku: Option<waku::Status>,
}

/// `shh_*` of geth, as far as peers are concerned. All of these may be cancelled: what was ordered happens all the same.
impl Node {
    /// `shh_markTrustedPeer`: takes direct envelopes of a peer, past every rule for others, as long as its link stands.
    /// Whether it is connected.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn take_direct_from(&self, key: PublicKey) -> Result<bool, NodeError> {
        self.ask(|done| Order::Trust { key, trusted: true, done }).await
    }

    /// Takes direct envelopes of a peer no more. Whether it is connected.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn take_none_from(&self, key: PublicKey) -> Result<bool, NodeError> {
        self.ask(|done| Order::Trust { key, trusted: false, done }).await
    }

    /// `shh_post` with `targetPeer`: hands envelopes to one peer, in its link's order. It takes them if it trusts us, and
    /// tells nobody. Whether it is connected.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn send_direct(&self, to: PublicKey, envelopes: Vec<Envelope>) -> Result<bool, NodeError> {
        self.ask(|done| Order::Direct { to, envelopes, done }).await
    }

    /// `shh_setMinPoW`: asks for another proof of work, of every peer and at once.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn set_min_pow(&self, pow: Pow) -> Result<(), NodeError> {
        self.tell(Order::MinPow(pow)).await
    }

    /// `shh_setBloomFilter`: asks for other topics; `None` = all. What is listened to later is added to it again.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn set_bloom(&self, bloom: Option<Bloom>) -> Result<(), NodeError> {
        self.tell(Order::Bloom(bloom)).await
    }

    /// What the privacy layer counted since the start.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn envelope_stats(&self) -> Result<Stats, NodeError> {
        self.ask(Order::Stats).await
    }

    /// What each peer announced.
    ///
    /// # Errors
    /// [`NodeError::Gone`].
    pub async fn peer_wishes(&self) -> Result<Vec<PeerWishes>, NodeError> {
        self.ask(Order::Wishes).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, NodeError> {
        let (done, answer) = oneshot::channel();
        self.tell(order(done)).await?;
        answer.await.map_err(|_| NodeError::Gone)
    }

    async fn tell(&self, order: Order) -> Result<(), NodeError> {
        let orders: &mpsc::Sender<Order> = &self.orders;
        orders.send(order).await.map_err(|_| NodeError::Gone)
    }
}
