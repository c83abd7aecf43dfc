//! What both sides announce in `shh/6`, and what they do about it.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::wire::{Service, Status};
use undertone_whisper::{Bloom, Pow, Topic, topic_of};

use crate::compare::{Padding, same};
use crate::geth::{Geth, hex};
use crate::ours::Ours;
use crate::wire::Wire;
use crate::{DEADLINE, public};

/// geth's PoW and bloom filter as its Status says them, and both changes.
pub(super) fn what_geth_announces_and_changes() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    wire.dial(&geth.enode);
    let first = Status {
        min_pow: Pow::STATUS,
        bloom: None,
        service: Service::Full,
        confirmations: false,
        ..Status::default()
    };
    wire.await_status(|status| *status == first)?;

    let bloom = Bloom::of_envelope(Topic::of("one")).union(&Bloom::of_envelope(Topic::of("two")));
    ensure!(geth.call("shh_setBloomFilter", json!([hex(bloom.as_bytes())]))? == json!(true), "set bloom");
    wire.await_status(|status| *status == Status { bloom: Some(bloom), ..first })?;

    let pow = Pow::new(0.75).context("pow")?;
    ensure!(geth.call("shh_setMinPoW", json!([0.75]))? == json!(true), "set PoW");
    wire.await_status(|status| *status == Status { min_pow: pow, bloom: Some(bloom), ..first })?;
    ensure!(wire.ends().is_empty(), "a link ended: {:?}", wire.ends());
    wire.stop()
}

/// geth shows nothing of what a peer announced, so its behaviour has to: it keeps back what we did not ask for, and
/// sends it while it lives when we ask.
pub(super) fn what_we_announce_and_change() -> Result<()> {
    let geth = Geth::start(Some(0.000_002))?;
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    wire.dial(&geth.enode);
    wire.await_status(|_| true)?;
    let (sig, _) = geth.key_pair()?;
    let post = |name: &str, pow: f64| -> Result<String> {
        let topic = topic_of(&public(name)?).context("topic")?;
        geth.post(json!({
            "symKeyID": geth.topic_key(name)?, "sig": sig, "topic": topic.to_string(), "ttl": 60,
            "powTarget": pow, "powTime": 5, "payload": hex(name.as_bytes()),
        }))
    };
    let arrived = |hashes: &[&String]| -> Result<()> {
        let got = || wire.received().iter().map(|r| r.wire_id.to_string()).collect::<Vec<_>>();
        until(DEADLINE, || got().len() >= hashes.len());
        ensure!(got().iter().eq(hashes.iter().copied()), "{:?} arrived, not {hashes:?}", got());
        Ok(())
    };

    // The bloom of our Status, then of an update: empty, one topic, two.
    let unasked = post("never-asked", 0.002)?;
    let late = post("asked-late", 0.002)?;
    wire.listen(public("asked-first")?)?;
    let first = post("asked-first", 0.002)?;
    arrived(&[&first])?;
    wire.listen(public("asked-late")?)?;
    arrived(&[&first, &late])?;

    // Our PoW: raised, so that what is too cheap stays; lowered again, so that it comes. What is sent meanwhile and
    // is worth it shows that geth took the first change.
    wire.set_min_pow(Pow::new(0.5).context("pow")?)?;
    let cheap = loop {
        // Cheap or not, a post while the news travels may come through.
        let hash = post("asked-late", 0.000_01)?;
        let dear = post("asked-first", 1.0)?;
        let got = || wire.received().iter().map(|r| r.wire_id.to_string()).collect::<Vec<_>>();
        ensure!(until(DEADLINE, || got().contains(&dear)), "{dear} did not arrive");
        if !got().contains(&hash) {
            break hash;
        }
    };
    let before = wire.received().len();
    wire.set_min_pow(Pow::STATUS_LARGE)?;
    ensure!(until(DEADLINE, || wire.received().len() > before), "{cheap} was not sent when it was wanted");
    let all: Vec<_> = wire.received().iter().map(|r| r.wire_id.to_string()).collect();
    ensure!(all.last() == Some(&cheap), "{all:?} arrived, {cheap} not last");
    ensure!(!all.contains(&unasked), "{unasked} was not asked for");
    ensure!(wire.ends().is_empty(), "a link ended: {:?}", wire.ends());
    wire.stop()
}

/// A geth as it comes asks for 0.2, a hundred times what Status clients pay. We pay it when nobody asks for less.
pub(super) fn geth_with_its_default_pow() -> Result<()> {
    let geth = Geth::start(None)?;
    let mut ours = Ours::start(Role::Client)?;
    let peer = ours.dial(&geth.enode)?;
    let name = "a-demanding-peer";
    let route = public(name)?;
    let topic = topic_of(&route).context("topic")?;
    let key = geth.topic_key(name)?;
    let filter = geth.filter(("symKeyID", &key), topic, &ours.public())?;
    for payload in [vec![7; 20], vec![7; 60_000]] {
        let sent = ours.send(&route, &payload)?;
        let envelope = ours.await_relayed(sent)?;
        let messages = filter.take(1, DEADLINE)?;
        let opened =
            undertone_sealed::open_symmetric(&undertone_crypto::kdf::topic_key(name), envelope.data())?;
        ensure!(opened.payload == payload, "payload of {} bytes", opened.payload.len());
        let message = messages.first().context("message")?;
        same(message, &envelope, &opened, None, Padding::Random)?;
        ensure!(message["pow"].as_f64().is_some_and(|pow| pow >= 0.2), "pow: {}", message["pow"]);
    }
    ours.ensure_never_lost(&[peer.peer])?;
    ours.stop()
}
