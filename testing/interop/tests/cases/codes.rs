//! Why links end: each reason of geth as we see it, each of ours as geth takes it.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_devp2p::{Closed, DisconnectReason, Enode, NodeKey, WireError};
use undertone_support::until;

use crate::DEADLINE;
use crate::bare::{Bare, Side};
use crate::geth::{Geth, Setup};
use crate::ours::node_key;

/// Reasons that may be said, and what geth calls them.
const REASONS: [(u64, &str); 13] = [
    (0x00, "disconnect requested"),
    (0x01, "network error"),
    (0x02, "breach of protocol"),
    (0x03, "useless peer"),
    (0x04, "too many peers"),
    (0x05, "already connected"),
    (0x06, "incompatible p2p protocol version"),
    (0x07, "invalid node identity"),
    (0x08, "client quitting"),
    (0x09, "unexpected identity"),
    (0x0a, "connected to self"),
    (0x0b, "read timeout"),
    (0x10, "subprotocol error"),
];

/// A link of ours that the peer ends.
fn ends_by(link: &Bare, reason: DisconnectReason) -> Result<()> {
    let closed = link.await_closed()?;
    ensure!(closed == Some(Closed::ByPeer(reason)), "{closed:?}, not {reason:?}");
    Ok(())
}

/// A geth with one place says 0x04 to the second of us, instead of Hello, and lets it in once it trusts it.
pub(super) fn geth_has_too_many_peers() -> Result<()> {
    let geth = Geth::with(Setup { max_peers: 1, ..Setup::default() })?;
    let first = Bare::dial(&geth.enode, &Side::shh()?)?;
    first.await_established()?;
    let side = Side::shh()?;
    let second = Bare::dial(&geth.enode, &side)?;
    ends_by(&second, DisconnectReason::TOO_MANY_PEERS)?;

    let done =
        geth.call("admin_addTrustedPeer", json!([Enode::incomplete(side.key.public()).to_string()]))?;
    ensure!(done == json!(true), "admin_addTrustedPeer: {done}");
    let trusted = Bare::dial(&geth.enode, &side)?;
    trusted.await_established()?;
    ensure!(first.closed().is_none(), "the first link ended: {:?}", first.closed());
    Ok(())
}

/// A second link of the same key: 0x05.
pub(super) fn geth_has_us_already() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let side = Side::shh()?;
    let first = Bare::dial(&geth.enode, &side)?;
    first.await_established()?;
    ends_by(&Bare::dial(&geth.enode, &side)?, DisconnectReason::ALREADY_CONNECTED)?;
    ensure!(first.closed().is_none(), "the first link ended: {:?}", first.closed());
    Ok(())
}

/// A link under geth's own key: 0x0a.
pub(super) fn geth_meets_itself() -> Result<()> {
    let key = node_key()?;
    let secret = undertone_crypto::SecretKey::from_secret(key.secret().clone())?;
    let geth = Geth::with(Setup { key: Some(secret), ..Setup::default() })?;
    ensure!(*geth.enode.key() == key.public(), "geth has another key: {}", geth.enode);
    ends_by(&Bare::dial(&geth.enode, &Side { key, ..Side::shh()? })?, DisconnectReason::SELF)
}

/// Whoever dials under another key than the other end's is not understood, and hears nothing.
pub(super) fn a_wrong_key_is_answered_with_silence() -> Result<()> {
    let geth = Geth::with(Setup { trace: true, ..Setup::default() })?;
    let endpoint = geth.enode.endpoint().context("an endpoint")?.clone();
    let link = Bare::dial(&Enode::new(node_key()?.public(), endpoint), &Side::shh()?)?;
    ensure!(link.await_closed()?.is_none(), "{:?}", link.closed());

    let (link, enode) = Bare::listen(&Side::shh()?)?;
    let endpoint = enode.endpoint().context("an endpoint")?.clone();
    geth.add_peer(&Enode::new(node_key()?.public(), endpoint))?;
    let closed = link.await_closed()?;
    ensure!(closed == Some(Closed::Fault(WireError::Handshake)), "{closed:?}");
    let lines = || geth.log(&["Failed RLPx handshake", "err=EOF"]).unwrap_or_default();
    ensure!(until(DEADLINE, || !lines().is_empty()), "geth heard something");
    Ok(())
}

/// Nothing shared: 0x03, after both Hellos.
pub(super) fn geth_finds_us_useless() -> Result<()> {
    let geth = Geth::with(Setup { trace: true, ..Setup::default() })?;
    let link = Bare::dial(&geth.enode, &Side::offering(vec![("nothing", 1, 1)])?)?;
    let closed = link.await_closed()?;
    // Both sides see it at once; whose goodbye comes first is nobody's choice.
    let useless = [Closed::ByPeer(DisconnectReason::USELESS_PEER), Closed::Fault(WireError::UselessPeer)];
    ensure!(closed.is_some_and(|closed| useless.contains(&closed)), "{closed:?}");
    let lines = || geth.log(&["useless peer"]).unwrap_or_default();
    ensure!(until(DEADLINE, || !lines().is_empty()), "geth did not find us useless");
    Ok(())
}

/// geth is asked to end, and says 0x08.
pub(super) fn geth_quits() -> Result<()> {
    let mut geth = Geth::start(Some(0.002))?;
    let link = Bare::dial(&geth.enode, &Side::shh()?)?;
    link.await_established()?;
    geth.quit()?;
    ends_by(&link, DisconnectReason::QUITTING)
}

/// A Status that is none: 0x10.
pub(super) fn geth_dislikes_our_status() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let link = Bare::dial(&geth.enode, &Side::shh()?)?;
    link.await_established()?;
    link.send(0, &[0x80])?;
    ends_by(&link, DisconnectReason::SUBPROTOCOL_ERROR)
}

/// Every reason that may be said, on a link of its own: geth reads each for what it is, and lives.
pub(super) fn geth_takes_our_reasons() -> Result<()> {
    let geth = Geth::with(Setup { trace: true, ..Setup::default() })?;
    for (code, name) in REASONS {
        let side = Side::shh()?;
        let link = Bare::dial(&geth.enode, &side)?;
        link.await_established()?;
        link.disconnect(DisconnectReason::from_wire(code))?;
        let closed = link.await_closed()?;
        ensure!(closed == Some(Closed::ByUs(DisconnectReason::from_wire(code))), "{closed:?}");
        let id = short_id(&side.key);
        let named = format!("err=\"{name}\"");
        let lines = || geth.log(&["Removing p2p peer", &id]).unwrap_or_default();
        ensure!(
            until(DEADLINE, || lines().iter().any(|line| line.contains(&named))),
            "{code:#04x}: {:?}",
            lines()
        );
    }
    geth.call("web3_clientVersion", json!([]))?;
    Ok(())
}

/// geth dials, and hears 0x04 instead of our Hello.
pub(super) fn geth_takes_our_refusal() -> Result<()> {
    let geth = Geth::with(Setup { trace: true, ..Setup::default() })?;
    let (link, enode) = Bare::listen(&Side::refusing(DisconnectReason::TOO_MANY_PEERS)?)?;
    geth.add_peer(&enode)?;
    let closed = link.await_closed()?;
    ensure!(closed == Some(Closed::ByUs(DisconnectReason::TOO_MANY_PEERS)), "{closed:?}");
    let lines = || geth.log(&["too many peers"]).unwrap_or_default();
    ensure!(until(DEADLINE, || !lines().is_empty()), "geth did not read why");
    Ok(())
}

/// A node as geth's log writes it.
fn short_id(key: &NodeKey) -> String {
    let id = undertone_devp2p::NodeId::of(&key.public()).to_string();
    id.trim_start_matches("0x").chars().take(16).collect()
}
