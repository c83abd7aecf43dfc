//! Nodes that take and do not give: `shh_makeLightClient`, and our own.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::wire::Service;
use undertone_whisper::{Protocol, Topic};

use crate::geth::{Geth, hex};
use crate::ours::Ours;
use crate::{DEADLINE, public};

/// geth's Status says that it is light, and what we broadcast reaches its filters for direct messages alone: the others
/// get nothing on a light client.
pub(super) fn geth_as_a_light_client() -> Result<()> {
    let name = "to-a-light-geth";
    let geth = Geth::start(Some(0.002))?;
    ensure!(geth.call("shh_makeLightClient", json!([]))? == json!(true), "shh_makeLightClient");
    let mut ours = Ours::start(Role::Client)?;
    let link = ours.dial(&geth.enode)?.peer;
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |status| status.service == Service::Light)?;
    let (key, topic) = (geth.topic_key(name)?, Topic::of(name));
    let all = geth.filter(("symKeyID", &key), topic, &ours.public())?;
    let direct = geth.direct_filter(&key, topic, &ours.public())?;
    let sent = ours.send(&public(name)?, b"for a light client")?;
    let envelope = ours.await_relayed(sent)?;
    let messages = direct.take(1, DEADLINE)?;
    ensure!(
        messages.first().context("message")?["hash"] == json!(envelope.hash().to_string()),
        "{messages:?}"
    );
    ensure!(all.poll()?.is_empty(), "a filter for broadcasts has something on a light client");
    ours.ensure_never_lost(&[link])?;
    ours.stop()
}

/// Two light nodes have nothing for each other: the link ends, whoever sees it first. As soon as geth is none any more, the
/// next one stays.
pub(super) fn two_light_nodes_part() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    ensure!(geth.call("shh_makeLightClient", json!([]))? == json!(true), "shh_makeLightClient");
    let ours = Ours::start(Role::Light)?;
    geth.add_peer(&ours.enode())?;
    let parted = || ours.peer_counts().windows(2).any(|counts| counts == [1, 0]);
    ensure!(until(DEADLINE, parted), "peers were {:?}", ours.peer_counts());
    let none = ours.wishes(geth.enode.key(), Protocol::Whisper)?;
    ensure!(none.is_none_or(|status| status.service == Service::Light), "geth is no light client");

    ensure!(geth.call("shh_cancelLightClient", json!([]))? == json!(true), "shh_cancelLightClient");
    ours.dial(&geth.enode)?;
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |status| status.service == Service::Full)?;
    ensure!(until(DEADLINE, || geth.has_peer(ours.enode().key())), "geth does not keep us");
    ours.stop()
}

/// Ours between two geths, light: it hears both and is heard by both, and nothing passes it.
pub(super) fn our_light_node_forwards_nothing() -> Result<()> {
    let name = "past-a-light-node";
    let geths = [Geth::start(Some(0.002))?, Geth::start(Some(0.002))?];
    let mut ours = Ours::start(Role::Light)?;
    let mut links = Vec::new();
    for geth in &geths {
        links.push(ours.dial(&geth.enode)?.peer);
        ours.await_wishes(geth.enode.key(), Protocol::Whisper, |_| true)?;
    }
    let route = public(name)?;
    ours.listen(&route)?;
    let [a, b] = &geths;
    let (sig, author) = a.key_pair()?;
    let key = a.topic_key(name)?;
    let past = b.filter(("symKeyID", &b.topic_key(name)?), Topic::of(name), &author.public())?;
    let from_us = b.filter(("symKeyID", &b.topic_key(name)?), Topic::of(name), &ours.public())?;
    let hash = a.post(json!({
        "symKeyID": key, "sig": sig, "topic": Topic::of(name).to_string(), "ttl": 60, "powTarget": 0.002,
        "powTime": 5, "payload": hex(b"not through here"),
    }))?;
    ours.await_message(&hash)?;
    let own = ours.send(&route, b"our own")?;
    ours.await_relayed(own)?;
    from_us.take(1, DEADLINE)?;
    ensure!(past.poll()?.is_empty(), "a light node forwarded");
    ours.ensure_never_lost(&links)?;
    ours.stop()
}
