//! Direct messages between our node and geth, which each takes of the other only if it was told to trust it.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::{Protocol, Topic};

use crate::geth::{Geth, hex};
use crate::made::{Maker, Times, Work};
use crate::ours::Ours;
use crate::{DEADLINE, public};

/// `shh_post` with `targetPeer`, at no price: it reaches us once we trust geth, and nobody else.
pub(super) fn geth_posts_to_us_alone() -> Result<()> {
    let name = "geth-to-us-alone";
    let (geth, other) = (Geth::start(Some(0.002))?, Geth::start(Some(0.002))?);
    let ours = Ours::start(Role::Relay)?;
    let links = [ours.dial(&geth.enode)?.peer, ours.dial(&other.enode)?.peer];
    ours.listen(&public(name)?)?;
    let (sig, author) = geth.key_pair()?;
    let key = geth.topic_key(name)?;
    let overhears = other.filter(("symKeyID", &other.topic_key(name)?), Topic::of(name), &author.public())?;
    let post = |text: &str| {
        let message = json!({
            "symKeyID": key, "sig": sig, "topic": Topic::of(name).to_string(), "ttl": 60, "powTarget": 0,
            "payload": hex(text.as_bytes()), "targetPeer": ours.enode().to_string(),
        });
        geth.call("shh_post", json!([message]))
    };
    ensure!(until(DEADLINE, || geth.has_peer(ours.enode().key())), "geth has no peer");
    post("not yet trusted")?;
    ensure!(
        until(DEADLINE, || ours.stats().is_ok_and(|stats| stats.ignored_packets == 1)),
        "{:?}",
        ours.stats()
    );
    ours.trust(geth.enode.key(), true)?;
    post("for us alone")?;
    let received = ours.await_received(1, DEADLINE)?;
    let received = received.first().context("message")?;
    ensure!(received.payload == b"for us alone" && received.author == author.public(), "{received:?}");
    ours.trust(geth.enode.key(), false)?;
    post("no more trusted")?;
    ensure!(
        until(DEADLINE, || ours.stats().is_ok_and(|stats| stats.ignored_packets == 2)),
        "{:?}",
        ours.stats()
    );

    // What is for all comes after, and nothing else came before it.
    let all = geth.post(json!({
        "symKeyID": key, "sig": sig, "topic": Topic::of(name).to_string(), "ttl": 60, "powTarget": 0.002,
        "powTime": 5, "payload": hex(b"for all"),
    }))?;
    ours.await_message(&all)?;
    ours.await_received(2, DEADLINE)?;
    let messages = overhears.take(1, DEADLINE)?;
    ensure!(messages.first().context("message")?["hash"] == json!(all), "another geth overheard it");
    let stats = ours.stats()?;
    ensure!((stats.accepted, stats.relayed) == (1, 1), "{stats:?}");
    ours.ensure_never_lost(&links)?;
    ours.stop()
}

/// Packet 127 to geth: it takes it after `shh_markTrustedPeer`, without proof of work and long expired, one envelope a
/// packet, for filters that allow it.
pub(super) fn we_post_to_geth_alone() -> Result<()> {
    let name = "us-to-geth-alone";
    let geth = Geth::start(Some(0.002))?;
    let mut ours = Ours::start(Role::Client)?;
    let link = ours.dial(&geth.enode)?.peer;
    let maker = Maker::new()?;
    let make = |text: &str| maker.make(name, text.as_bytes(), Times { sent: -600, ttl: 10 }, Work::Unpaid);
    let key = geth.topic_key(name)?;
    let topic = Topic::of(name);
    let all = geth.filter(("symKeyID", &key), topic, &maker.author)?;
    let direct = geth.direct_filter(&key, topic, &maker.author)?;
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |_| true)?;

    ours.send_direct(geth.enode.key(), vec![make("not yet trusted")?])?;
    // geth reads in order: when it has this it has passed over that.
    let heard = geth.filter(("symKeyID", &key), topic, &ours.public())?;
    ours.send(&public(name)?, b"for all")?;
    heard.take(1, DEADLINE)?;
    let marked = geth.call("shh_markTrustedPeer", json!([ours.enode().to_string()]))?;
    ensure!(marked == json!(true), "shh_markTrustedPeer: {marked}");
    ours.send_direct(geth.enode.key(), vec![make("one")?, make("two")?])?;
    let messages = direct.take(2, DEADLINE)?;
    let mut payloads: Vec<_> = messages.iter().filter_map(|m| m["payload"].as_str()).collect();
    payloads.sort_unstable();
    ensure!(payloads == [hex(b"one"), hex(b"two")], "geth shows {payloads:?}");
    ensure!(all.poll()?.is_empty(), "a filter that takes nothing direct has something");
    ours.ensure_never_lost(&[link])?;
    ours.stop()
}
