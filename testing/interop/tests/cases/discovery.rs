//! Discovery v4: endpoints proved, nodes asked for, records exchanged, with geth on either end. Ours runs v5.1 on the
//! same port.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_devp2p::{Endpoint, Enode};
use undertone_net::Direction;
use undertone_node::{DiscoveryOptions, Role};
use undertone_support::until;
use undertone_whisper::Pow;

use super::links::{TALK, there_and_back};
use crate::disc::Disc;
use crate::geth::{Geth, Setup};
use crate::ours::{Ours, closed_port, node_key};
use crate::wire::Wire;
use crate::{DEADLINE, public, text};

/// Two geths need some lookups, and start one every few seconds.
const MET: Duration = Duration::from_secs(60);

/// A geth that finds others, starting from these.
fn finding(boot: Vec<Enode>) -> Result<Geth> {
    Geth::with(Setup { discovery: Some(boot), ..Setup::default() })
}

/// One that dials nobody by itself, because a third of its peers is none. Its discovery rests after the first lookups
/// then; one that goes on forgets, for half a minute or so, nodes that know nobody to tell of.
fn still(boot: Vec<Enode>) -> Result<Geth> {
    Geth::with(Setup { discovery: Some(boot), max_peers: 2, ..Setup::default() })
}

/// geth is our boot node: our Ping first.
pub(super) fn we_bond_with_geth() -> Result<()> {
    let geth = finding(Vec::new())?;
    let disc = Disc::start(node_key()?, 0, vec![geth.enode.clone()])?;
    let found = disc.await_found(geth.enode.key(), DEADLINE)?;
    ensure!(found == geth.enode, "found {found}, not {}", geth.enode);
    disc.await_alive(geth.enode.key())?;
    disc.ping(&geth.enode).context("geth does not answer a ping")?;
    same_record(&disc, &geth)?;
    disc.stop()
}

/// We are geth's boot node: its Ping first.
pub(super) fn geth_bonds_with_us() -> Result<()> {
    let disc = Disc::start(node_key()?, 0, Vec::new())?;
    let geth = finding(vec![disc.enode()])?;
    let found = disc.await_found(geth.enode.key(), DEADLINE)?;
    ensure!(found == geth.enode, "found {found}, not {}", geth.enode);
    same_record(&disc, &geth)?;
    disc.stop()
}

/// geth answers our question for its record with what it shows its user.
fn same_record(disc: &Disc, geth: &Geth) -> Result<()> {
    let record = disc.request_record(&geth.enode).context("geth gave no record")?;
    let shown = geth.call("admin_nodeInfo", json!([]))?;
    ensure!(record.to_string() == text(&shown["enr"])?, "record {record}, geth shows {}", shown["enr"]);
    Ok(())
}

/// geth keeps us as a static peer under an RLPx port that we have left. It asks us for our record, and dials the port
/// that the record says.
pub(super) fn geth_finds_our_new_port_in_our_record() -> Result<()> {
    let key = node_key()?;
    let wire = Wire::with_key(key.clone(), Pow::STATUS_LARGE)?;
    let tcp = wire.enode().endpoint().context("an endpoint")?.tcp;
    let disc = Disc::start(key, tcp, Vec::new())?;
    let geth = still(vec![disc.enode()])?;
    disc.await_found(geth.enode.key(), DEADLINE)?;
    let discovery = disc.enode().endpoint().context("an endpoint")?.clone();
    geth.add_peer(&Enode::new(*disc.enode().key(), Endpoint { tcp: closed_port()?, ..discovery }))?;
    let link = wire.await_link(1)?;
    ensure!(link.direction == Direction::Inbound, "{link:?}");
    let peers = geth.shh_peers()?;
    let record = peers.first().map(|peer| peer["enr"].clone());
    ensure!(record == Some(json!(disc.record().to_string())), "record {record:?}, not {}", disc.record());
    Ok(())
}

/// Two geths that know nobody but us meet.
pub(super) fn two_geths_meet_through_us() -> Result<()> {
    let disc = Disc::start(node_key()?, 0, Vec::new())?;
    let one = finding(vec![disc.enode()])?;
    let two = finding(vec![disc.enode()])?;
    let met = until(MET, || one.has_peer(two.enode.key()) && two.has_peer(one.enode.key()));
    ensure!(met, "they did not meet: {:?} and {:?}", one.shh_peers()?, two.shh_peers()?);
    disc.stop()
}

/// We know one geth, which knows another: it tells us of that.
pub(super) fn we_meet_a_geth_through_geth() -> Result<()> {
    let known = still(Vec::new())?;
    let other = still(vec![known.enode.clone()])?;
    let disc = Disc::start(node_key()?, 0, vec![known.enode.clone()])?;
    disc.await_found(known.enode.key(), DEADLINE)?;
    disc.await_told(&other.enode)?;
    disc.await_found(other.enode.key(), DEADLINE)?;
    let resolved = disc.resolve(other.enode.key());
    ensure!(resolved.as_ref() == Some(&other.enode), "resolved {resolved:?}, not {}", other.enode);
    same_record(&disc, &other)?;
    disc.stop()
}

/// Our node knows one geth's discovery, no more: it dials that by its own choice, and messages flow.
pub(super) fn our_node_finds_geth() -> Result<()> {
    let geth = still(Vec::new())?;
    let mut ours = found_from(vec![geth.enode.clone()])?;
    let peer = ours.await_peer(&geth.enode)?;
    ensure!(peer.direction == Direction::Dialled, "{peer:?}");
    ours.listen(&public(TALK)?)?;
    there_and_back(&geth, &mut ours, "found")?;
    ours.stop()
}

/// A geth knows our node's discovery, no more: it dials us by its own choice, and messages flow.
pub(super) fn geth_finds_our_node() -> Result<()> {
    let mut ours = found_from(Vec::new())?;
    let record = ours.record().context("no record")?;
    let geth = finding(vec![record.to_enode()])?;
    let peer = ours.await_peer(&geth.enode)?;
    ensure!(record.tcp() == ours.enode().endpoint().map(|at| at.tcp), "{record:?}, {}", ours.enode());
    ours.listen(&public(TALK)?)?;
    there_and_back(&geth, &mut ours, "found")?;
    ours.ensure_never_lost(&[peer.peer])?;
    ours.stop()
}

/// Our node, as `bootnode` runs it: it dials nobody, and two geths that know its discovery alone meet.
pub(super) fn two_geths_meet_through_our_boot_node() -> Result<()> {
    let boot = Ours::with(Role::Relay, |config| {
        config.dials = false;
        config.discovery = Some(DiscoveryOptions::default());
    })?;
    let record = boot.record().context("no record")?;
    let one = finding(vec![record.to_enode()])?;
    let two = finding(vec![record.to_enode()])?;
    let met = until(MET, || one.has_peer(two.enode.key()) && two.has_peer(one.enode.key()));
    ensure!(met, "they did not meet: {:?} and {:?}", one.shh_peers()?, two.shh_peers()?);
    let dialled = boot.peers().into_iter().find(|peer| peer.direction == Direction::Dialled);
    ensure!(dialled.is_none(), "it dialled: {dialled:?}");
    boot.stop()
}

/// A geth that brought us something is dialled when we start again, knowing nobody but from our own directory.
pub(super) fn our_node_remembers_geth() -> Result<()> {
    let geth = still(Vec::new())?;
    let home = tempfile::tempdir()?;
    let key = node_key()?;
    let at_home = |boot| {
        Ours::with(Role::Client, |config| {
            let mut discovery = DiscoveryOptions::default();
            discovery.boot = boot;
            config.discovery = Some(discovery);
            config.home = Some(home.path().to_owned());
            config.key = key.clone();
        })
    };
    let mut ours = at_home(vec![geth.enode.clone()])?;
    ours.await_peer(&geth.enode)?;
    ours.listen(&public(TALK)?)?;
    there_and_back(&geth, &mut ours, "first")?;
    let useful = || ours.peers().iter().any(|peer| peer.usefulness > 0);
    ensure!(until(DEADLINE, useful), "geth is not of use: {:?}", ours.peers());
    ours.stop()?;
    ensure!(until(DEADLINE, || geth.shh_peers().is_ok_and(|peers| peers.is_empty())), "geth did not notice");

    let mut ours = at_home(Vec::new())?;
    let peer = ours.await_peer(&geth.enode)?;
    ensure!(peer.direction == Direction::Dialled, "{peer:?}");
    ours.listen(&public(TALK)?)?;
    there_and_back(&geth, &mut ours, "second")?;
    ours.stop()
}

/// A node of ours that finds others, starting from these.
fn found_from(boot: Vec<Enode>) -> Result<Ours> {
    Ours::with(Role::Client, |config| {
        let mut discovery = DiscoveryOptions::default();
        discovery.boot = boot;
        config.discovery = Some(discovery);
    })
}
