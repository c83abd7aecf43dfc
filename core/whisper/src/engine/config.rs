//! How the gossip machine takes part.

use super::confirm::Confirm;
use super::flush::FlushPolicy;
use crate::dialect::{Protocols, RateLimits};
use crate::limits::{LEAST_ENVELOPE, MAX_MESSAGE, PER_ENVELOPE, PER_LINK, POOL_BYTES, POOL_ENVELOPES};
use crate::peer::WakuMode;
use crate::wire::Service;
use crate::{Bloom, Pow};

/// How a node takes part.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Least PoW that is accepted and announced.
    pub min_pow: Pow,
    /// Which topics are accepted and announced; `None` = all, as a relay does.
    pub bloom: Option<Bloom>,
    /// Whether envelopes of others are forwarded.
    pub service: Service,
    /// Which protocols are spoken, where a link has them.
    pub protocols: Protocols,
    /// Whether envelopes of others go on by another protocol than they came by.
    pub bridge: Bridge,
    /// How peers of Waku are told which topics are wanted.
    pub waku: WakuMode,
    /// Packets that are taken in a second; announced. Reading is put off first. Of what is read all the same, the least
    /// valuable goes where a packet is over the bytes or holds too many of a topic; a packet that is one too many goes
    /// unread, whatever is in it.
    pub packet_limits: RateLimits,
    /// Bytes that are taken in a second; announced by Waku v1 alone. Below [`MAX_MESSAGE`](crate::limits::MAX_MESSAGE),
    /// peers who cannot hear of it and send bundles as large as that lose the least valuable envelopes of them.
    pub byte_limits: RateLimits,
    /// What becomes of requests to a mail server.
    pub requests: Requests,
    /// When envelopes leave.
    pub flush: FlushPolicy,
    /// Which accepted envelopes become events.
    pub watch: Watch,
    /// Whether packets of envelopes are confirmed.
    pub confirm: Confirm,
    /// Most envelopes in the pool.
    pub max_envelopes: usize,
    /// Most bytes of envelopes in the pool.
    pub max_bytes: usize,
}

impl Config {
    /// The most bytes of memory that a machine with so many links takes, whatever they send: the envelopes and what is
    /// kept about each, also for one packet more than there is room for, while it is read; and what is kept per link.
    /// Events and packets that nobody fetches come on top, those of one packet if they are fetched after each input.
    pub const fn memory_bound(&self, links: usize) -> usize {
        let envelopes = self.max_envelopes.saturating_add(MAX_MESSAGE / LEAST_ENVELOPE);
        let bytes = self.max_bytes.saturating_add(MAX_MESSAGE);
        let link = PER_LINK + envelopes / 8;
        bytes
            .saturating_add(envelopes.saturating_mul(PER_ENVELOPE))
            .saturating_add(links.saturating_mul(link))
    }
}

impl Default for Config {
    /// A relay for Status clients: minimum [`Pow::STATUS_LARGE`], all topics, no events, `shh/6` alone.
    fn default() -> Self {
        Self {
            min_pow: Pow::STATUS_LARGE,
            bloom: None,
            service: Service::Full,
            protocols: Protocols::WHISPER,
            bridge: Bridge::On,
            waku: WakuMode::Bloom,
            packet_limits: RateLimits::NONE,
            byte_limits: RateLimits::NONE,
            requests: Requests::Ignore,
            flush: FlushPolicy::Fast,
            watch: Watch::Subscribed,
            confirm: Confirm::Never,
            max_envelopes: POOL_ENVELOPES,
            max_bytes: POOL_BYTES,
        }
    }
}

/// Whether envelopes of others go on by another protocol than they came by. Our own go by all, and a light node forwards
/// nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Bridge {
    /// They do: what came by Whisper goes on by Waku too, and the reverse. There is one pool, so nothing loops.
    #[default]
    On,
    /// They go on by what they came by.
    Off,
}

/// What becomes of packet 126.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Requests {
    /// No mail server is here: they are skipped unread.
    #[default]
    Ignore,
    /// Each becomes [`Event::Request`](crate::Event::Request).
    Serve,
}

/// Which accepted envelopes become [`Event::Accepted`](crate::Event::Accepted).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Watch {
    /// All (an archive).
    All,
    /// Those on a subscribed topic.
    #[default]
    Subscribed,
    /// All, and each arrival and each end besides: the whole feed of status-go.
    Traffic,
}
