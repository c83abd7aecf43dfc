//! Whom our network lets in, keeps and dials, with geths that come and go.

use anyhow::{Result, ensure};
use serde_json::json;
use undertone_devp2p::{Closed, DisconnectReason, Enode};
use undertone_net::{Direction, LinkEnd};
use undertone_peers::{BanTarget, Source};
use undertone_support::until;
use undertone_whisper::Pow;

use crate::DEADLINE;
use crate::disc::Disc;
use crate::geth::{Geth, Setup};
use crate::ours::node_key;
use crate::wire::Wire;

/// A geth whose log has everything.
fn traced() -> Result<Geth> {
    Geth::with(Setup { trace: true, ..Setup::default() })
}

/// geth read this reason in a Disconnect of ours.
fn reads(geth: &Geth, reason: &str) -> Result<()> {
    let there = until(DEADLINE, || geth.log(&[reason]).is_ok_and(|lines| !lines.is_empty()));
    ensure!(there, "geth did not read {reason:?}");
    Ok(())
}

/// A geth dials nobody again for 35 s, unless it starts again.
fn dials_again(geth: &mut Geth, wire: &Wire) -> Result<()> {
    geth.restart()?;
    geth.add_peer(&wire.enode())
}

/// A network of ours with one place: the second geth is told 0x04, and comes in once we trust it.
pub(super) fn our_trusted_geth_passes_the_limit() -> Result<()> {
    let wire = Wire::with(node_key()?, Pow::STATUS_LARGE, |config| config.max_peers = 1)?;
    let first = Geth::start(Some(0.002))?;
    first.add_peer(&wire.enode())?;
    wire.await_peers(&[&first.enode])?;

    let mut second = traced()?;
    second.add_peer(&wire.enode())?;
    reads(&second, "too many peers")?;
    ensure!(wire.net().trust(*second.enode.key()), "it was trusted before");
    dials_again(&mut second, &wire)?;
    wire.await_peers(&[&first.enode, &second.enode])?;
    ensure!(wire.ends().is_empty(), "a link ended: {:?}", wire.ends());
    wire.stop()
}

/// With trust its place is gone too: it is told 0x04.
pub(super) fn our_distrusted_geth_goes() -> Result<()> {
    let first = Geth::start(Some(0.002))?;
    let second = traced()?;
    let trusted = *second.enode.key();
    let wire = Wire::with(node_key()?, Pow::STATUS_LARGE, |config| {
        config.max_peers = 1;
        config.trusted = vec![trusted];
    })?;
    first.add_peer(&wire.enode())?;
    wire.await_peers(&[&first.enode])?;
    second.add_peer(&wire.enode())?;
    wire.await_peers(&[&first.enode, &second.enode])?;
    ensure!(wire.net().untrust(&trusted), "it was not trusted");
    wire.await_peers(&[&first.enode])?;
    reads(&second, "too many peers")?;
    wire.stop()
}

/// Static peers do not ask for a place; when one is removed it is told 0x00.
pub(super) fn our_static_geths_pass_the_limit() -> Result<()> {
    let (first, second) = (Geth::start(Some(0.002))?, traced()?);
    let wire = Wire::with(node_key()?, Pow::STATUS_LARGE, |config| config.max_peers = 1)?;
    wire.dial(&first.enode);
    wire.dial(&second.enode);
    wire.await_peers(&[&first.enode, &second.enode])?;
    ensure!(wire.net().remove_static(second.enode.key()), "it was not static");
    wire.await_peers(&[&first.enode])?;
    reads(&second, "disconnect requested")?;
    wire.stop()
}

/// A banned geth goes and does not come back, until the ban ends.
pub(super) fn a_banned_geth_stays_out() -> Result<()> {
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    let mut geth = traced()?;
    let target = BanTarget::Key(*geth.enode.key());
    geth.add_peer(&wire.enode())?;
    wire.await_peers(&[&geth.enode])?;
    wire.net().ban(target, None);
    wire.await_peers(&[])?;
    dials_again(&mut geth, &wire)?;
    let refused = || geth.log(&["Setting up connection failed"]).unwrap_or_default();
    ensure!(until(DEADLINE, || !refused().is_empty()), "geth did not come, or was let in");
    ensure!(wire.net().peers().is_empty(), "{:?}", wire.net().peers());
    ensure!(wire.net().unban(target), "there was no ban");
    dials_again(&mut geth, &wire)?;
    wire.await_peers(&[&geth.enode])?;
    let ours = LinkEnd::Session(Closed::ByUs(DisconnectReason::REQUESTED));
    ensure!(wire.ends() == [ours], "{:?}", wire.ends());
    wire.stop()
}

/// A boot node is dialled when nobody else is known.
pub(super) fn our_boot_geth_is_dialled() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let boot = vec![geth.enode.clone()];
    let wire = Wire::with(node_key()?, Pow::STATUS_LARGE, |config| {
        config.dynamic = true;
        config.boot = boot;
    })?;
    let link = wire.await_link(1)?;
    ensure!(link.direction == Direction::Dialled, "{link:?}");
    wire.await_peers(&[&geth.enode])?;
    wire.stop()
}

/// Discovery tells us of a geth that another geth knows; the network dials it by its own choice.
pub(super) fn we_dial_a_geth_that_we_discovered() -> Result<()> {
    // A third of two is no peer of their own choice: these dial nobody.
    let still =
        |boot: Vec<Enode>| Geth::with(Setup { discovery: Some(boot), max_peers: 2, ..Setup::default() });
    let known = still(Vec::new())?;
    let other = still(vec![known.enode.clone()])?;
    let key = node_key()?;
    let wire = Wire::with(key.clone(), Pow::STATUS_LARGE, |config| config.dynamic = true)?;
    let disc = Disc::start(key, 0, vec![known.enode.clone()])?;
    disc.await_told(&other.enode)?;
    ensure!(wire.net().found(other.enode.clone(), Source::V4), "it is no candidate");
    wire.await_peers(&[&other.enode])?;
    let peers = other.call("admin_peers", json!([]))?;
    ensure!(peers[0]["network"]["inbound"] == true, "{peers}");
    wire.stop()
}
