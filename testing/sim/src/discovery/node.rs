//! The nodes of a network in which everybody looks for others.

use undertone_base::Mono;

use super::honest::Honest;
use super::liar::Liar;
use crate::engine::{Cx, From, LinkChange, LinkId, Machine};

/// A node, honest or not.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are honest")]
pub(super) enum Node {
    Honest(Honest),
    Liar(Liar),
}

impl Node {
    /// The node, if it is honest.
    pub(super) const fn honest(&self) -> Option<&Honest> {
        match self {
            Self::Honest(honest) => Some(honest),
            Self::Liar(_) => None,
        }
    }
}

impl Machine for Node {
    type Command = ();
    type Event = ();

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        match self {
            Self::Honest(honest) => honest.start(cx),
            Self::Liar(liar) => liar.start(cx),
        }
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, change: LinkChange) {
        match self {
            Self::Honest(honest) => honest.link(cx, link, change),
            Self::Liar(liar) => liar.link(cx, link, change),
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: From, bytes: &[u8]) {
        match (self, from) {
            (Self::Honest(honest), From::Socket { from, .. }) => honest.datagram(cx, from, bytes),
            (Self::Liar(liar), From::Socket { from, to }) => liar.datagram(cx, [from, to], bytes),
            (Self::Honest(honest), From::Link(link)) => honest.message(cx, link, bytes),
            (Self::Liar(liar), From::Link(link)) => liar.message(cx, link, bytes),
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>) {
        match self {
            Self::Honest(honest) => honest.timer(cx),
            Self::Liar(liar) => liar.timer(cx),
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        match self {
            Self::Honest(honest) => honest.poll_timeout(),
            Self::Liar(liar) => liar.poll_timeout(),
        }
    }
}
