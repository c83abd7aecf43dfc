//! Links: made by either side, lost, and made again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use undertone_devp2p::{Capability, Closed, DisconnectReason};
use undertone_net::{Direction, LinkEnd};
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::{Pow, topic_of};

use crate::geth::{Filter, Geth};
use crate::ours::{Ours, node_key};
use crate::wire::{Link, Wire};
use crate::{DEADLINE, public, text};

/// How long one link must stand before it counts as the one: longer than any handshake here takes.
const SETTLED: Duration = Duration::from_secs(1);

/// Longer than geth waits before it dials a node again (35 s).
const REDIALLED: Duration = Duration::from_secs(60);

/// A public chat on which both sides talk.
pub(super) const TALK: &str = "links";

/// Handshake and Hello with us as the initiator.
pub(super) fn we_dial_geth() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    wire.dial(&geth.enode);
    both_see_each_other(&geth, &wire, Direction::Dialled)
}

/// Handshake and Hello with us as the responder.
pub(super) fn geth_dials_us() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    geth.add_peer(&wire.enode())?;
    both_see_each_other(&geth, &wire, Direction::Inbound)
}

fn both_see_each_other(geth: &Geth, wire: &Wire, direction: Direction) -> Result<()> {
    let link = wire.await_link(1)?;
    ensure!(link.direction == direction, "{link:?}");
    ensure!(link.client == geth.version, "geth calls itself {}, its Hello {}", geth.version, link.client);
    ensure_shh_alone(&link)?;
    wire.await_status(|_| true)?;

    let peer = the_peer(geth)?;
    let key = peer["enode"].as_str().and_then(|enode| enode.split(['/', '@']).nth(2));
    let ours = wire.enode().to_string();
    ensure!(key.is_some_and(|key| ours.contains(key)), "geth's peer is {key:?}, we are {ours}");
    ensure!(text(&peer["name"])? == "Undertone/interop", "name: {}", peer["name"]);
    ensure!(peer["caps"] == json!(["shh/6"]), "caps: {}", peer["caps"]);
    let inbound = json!(direction == Direction::Dialled);
    ensure!(peer["network"]["inbound"] == inbound, "network: {}", peer["network"]);
    // geth's Whisper has no more to say of a peer; any text stands for a running protocol.
    ensure!(peer["protocols"] == json!({"shh": "unknown"}), "protocols: {}", peer["protocols"]);
    ensure!(wire.ends().is_empty(), "a link ended: {:?}", wire.ends());
    Ok(())
}

/// geth offers eth too; nothing but `shh/6` is shared.
fn ensure_shh_alone(link: &Link) -> Result<()> {
    let shared: Vec<_> = link.shared.iter().map(|s| (s.capability.clone(), s.offset, s.length)).collect();
    ensure!(shared == [(Capability::new("shh", 6), 16, 128)], "shared: {shared:?}");
    Ok(())
}

fn the_peer(geth: &Geth) -> Result<Value> {
    let mut peers = Vec::new();
    until(DEADLINE, || {
        peers = geth.shh_peers().unwrap_or_default();
        !peers.is_empty()
    });
    ensure!(peers.len() == 1, "geth has {} peers", peers.len());
    peers.pop().context("no peer")
}

/// geth is killed and comes back under the same key: we dial again, and messages flow both ways.
pub(super) fn geth_restarts() -> Result<()> {
    let mut geth = Geth::start(Some(0.002))?;
    let mut ours = Ours::start(Role::Client)?;
    let route = public(TALK)?;
    ours.listen(&route)?;
    ours.dial(&geth.enode)?;
    ours.await_peers(1)?;
    there_and_back(&geth, &mut ours, "before")?;

    geth.restart()?;
    let back = until(DEADLINE, || ours.peer_counts() == [1, 0, 1]);
    ensure!(back, "peers were {:?}", ours.peer_counts());
    there_and_back(&geth, &mut ours, "after")?;
    ensure!(ours.peer_counts() == [1, 0, 1], "peers were {:?}", ours.peer_counts());
    ours.stop()
}

pub(super) fn there_and_back(geth: &Geth, ours: &mut Ours, payload: &str) -> Result<()> {
    let route = public(TALK)?;
    let topic = topic_of(&route).context("topic")?;
    let key = geth.topic_key(TALK)?;
    let filter: Filter<'_> = geth.filter(("symKeyID", &key), topic, &ours.public())?;
    let sent = ours.send(&route, payload.as_bytes())?;
    ours.await_relayed(sent)?;
    filter.take(1, DEADLINE)?;

    let (sig, _) = geth.key_pair()?;
    let hash = geth.post(json!({
        "symKeyID": key, "sig": sig, "topic": topic.to_string(), "ttl": 20, "powTarget": 0.002, "powTime": 5,
        "payload": crate::geth::hex(payload.as_bytes()),
    }))?;
    let received = ours.await_message(&hash)?;
    ensure!(received.payload == payload.as_bytes(), "{received:?}");
    Ok(())
}

/// Both dial at the same moment: whatever became of the two links, soon one is left that both sides take for the one,
/// and it serves. geth gives up a second link only when it is whole, so each side may have closed one meanwhile.
pub(super) fn both_dial_at_once() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let mut ours = Ours::start(Role::Client)?;
    ours.listen(&public(TALK)?)?;
    geth.add_peer(&ours.enode())?;
    ours.dial(&geth.enode)?;
    let mut agreed: Option<(Instant, Vec<usize>)> = None;
    let settled = until(DEADLINE, || {
        let counts = ours.peer_counts();
        let same = one_link(&geth, &ours).unwrap_or_default();
        match &agreed {
            Some((since, then)) if same && *then == counts => since.elapsed() > SETTLED,
            _ => {
                agreed = same.then(|| (Instant::now(), counts));
                false
            }
        }
    });
    ensure!(settled, "no one link: peers were {:?}", ours.peer_counts());
    let before = ours.peer_counts();
    there_and_back(&geth, &mut ours, "over one link")?;
    ensure!(ours.peer_counts() == before, "peers were {before:?}, then {:?}", ours.peer_counts());
    ours.stop()
}

/// Each side has one link, and both agree on who made it.
fn one_link(geth: &Geth, ours: &Ours) -> Result<bool> {
    let (theirs, mine) = (geth.shh_peers()?, ours.peers());
    let ([theirs], [mine]) = (theirs.as_slice(), mine.as_slice()) else { return Ok(false) };
    let last = ours.peer_counts().last().copied();
    Ok(last == Some(1) && theirs["network"]["inbound"] == json!(mine.direction == Direction::Dialled))
}

/// Neither side says anything for longer than geth waits for bytes (30 s): pings keep the link.
pub(super) fn silence_costs_no_link() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    wire.dial(&geth.enode);
    wire.await_link(1)?;
    let lost = until(Duration::from_secs(40), || !wire.ends().is_empty());
    ensure!(!lost, "the link ended: {:?}", wire.ends());
    the_peer(&geth)?;
    wire.stop()
}

/// geth's user removes us: we are told why, and as we keep it as a static peer we come back.
pub(super) fn geth_removes_us() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    wire.dial(&geth.enode);
    wire.await_link(1)?;
    wire.await_status(|_| true)?;
    the_peer(&geth)?;
    geth.remove_peer(&wire.enode())?;
    until(DEADLINE, || !wire.ends().is_empty());
    let asked = LinkEnd::Session(Closed::ByPeer(DisconnectReason::REQUESTED));
    ensure!(wire.ends() == [asked], "{:?}", wire.ends());
    wire.await_link(2)?;
    wire.await_status(|_| true)?;
    the_peer(&geth)?;
    ensure!(wire.ends() == [asked], "{:?}", wire.ends());
    wire.stop()
}

/// geth keeps us as a static peer. We end, and are back under the same key and port: it dials us again, after the 35 s
/// for which it dials nobody twice.
pub(super) fn geth_comes_back_to_us() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let key = node_key()?;
    let wire = Wire::with_key(key.clone(), Pow::STATUS_LARGE)?;
    geth.add_peer(&wire.enode())?;
    wire.await_link(1)?;
    let tcp = wire.enode().endpoint().context("an endpoint")?.tcp;
    wire.stop()?;
    ensure!(until(DEADLINE, || geth.shh_peers().is_ok_and(|peers| peers.is_empty())), "geth did not notice");

    let wire =
        Wire::with(key, Pow::STATUS_LARGE, |config| config.listen = Some(([127, 0, 0, 1], tcp).into()))?;
    let link = wire.await_link_for(REDIALLED, 1)?;
    ensure!(link.direction == Direction::Inbound, "{link:?}");
    wire.await_status(|_| true)?;
    the_peer(&geth)?;
    wire.stop()
}
