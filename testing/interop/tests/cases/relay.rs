//! Our node between others.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_whisper::Topic;

use crate::geth::{Filter, Geth, hex};
use crate::ours::Ours;
use crate::tap::Tap;
use crate::{DEADLINE, text};

/// Payload in bytes: what goes to the wrong place cannot hide among pings and acknowledgements.
const LARGE: usize = 256 * 1024;

/// Payloads that a late node has missed, and the bytes of each: 2 MiB, twice what a geth takes in one packet.
const POOL: u64 = 32;
const PIECE: usize = 64 * 1024;

/// Bytes of handshakes, Status and pings, generously.
const SMALL_TALK: u64 = 16 * 1024;

/// Two geths know our node alone. What one posts reaches the other, once, and never goes back to where it came from:
/// both reach us through taps, which count the bytes.
pub(super) fn relay_between_two_geths() -> Result<()> {
    let ours = Ours::start(Role::Relay)?;
    let geths = [Geth::start(Some(0.000_002))?, Geth::start(Some(0.000_002))?];
    let taps = [Tap::before(&ours.enode())?, Tap::before(&ours.enode())?];
    let mut links = Vec::new();
    for (geth, tap) in geths.iter().zip(&taps) {
        geth.add_peer(tap.enode())?;
        links.push(ours.await_peer(&geth.enode)?.peer);
    }
    ours.await_peers(2)?;
    for geth in &geths {
        let all = geth.call("admin_peers", json!([]))?;
        ensure!(all.as_array().is_some_and(|all| all.len() == 1), "a geth knows others: {all}");
    }

    let [a, b] = &geths;
    let [tap_a, tap_b] = &taps;
    let name = "through-us";
    let there = posted(a, b, name)?;
    let back = posted(b, a, name)?;
    // A gets nothing after the answer, so what it was sent before that is all.
    let whole = u64::try_from(LARGE)?;
    for (tap, who) in [(tap_a, "A"), (tap_b, "B")] {
        for (bytes, way) in [(tap.sent_by_node(), "to"), (tap.sent_to_node(), "from")] {
            let once = whole..whole + SMALL_TALK;
            ensure!(once.contains(&bytes), "{bytes} bytes went {way} {who}, of one message {whole}");
        }
    }
    for (geth, filter) in [(a, &there.0), (b, &there.1), (b, &back.0), (a, &back.1)] {
        let more = filter.poll()?;
        ensure!(more.is_empty(), "{} got a message twice", geth.enode);
    }
    ours.ensure_never_lost(&links)?;
    ours.stop()
}

/// Posts at `from` and waits until `to` has it, and `from` itself; gives both filters.
fn posted<'a>(from: &'a Geth, to: &'a Geth, name: &str) -> Result<(Filter<'a>, Filter<'a>)> {
    let topic = Topic::of(name);
    let (key_from, key_to) = (from.topic_key(name)?, to.topic_key(name)?);
    let (sig, author) = from.key_pair()?;
    let own = from.filter(("symKeyID", &key_from), topic, &author.public())?;
    let filter = to.filter(("symKeyID", &key_to), topic, &author.public())?;
    let payload = incompressible(0, LARGE);
    let hash = from.post(json!({
        "symKeyID": key_from, "sig": sig, "topic": topic.to_string(), "ttl": 60, "powTarget": 0.000_002,
        "powTime": 5, "payload": hex(&payload),
    }))?;
    for filter in [&filter, &own] {
        let messages = filter.take(1, DEADLINE)?;
        let message = messages.first().context("message")?;
        ensure!(message["hash"] == json!(hash), "another envelope came: {}", message["hash"]);
        ensure!(message["payload"] == json!(hex(&payload)), "payload");
    }
    Ok((own, filter))
}

/// A geth that comes late is sent all that lives, more than its largest packet, and keeps us: two geths that meet so
/// lose each other.
pub(super) fn a_late_geth_gets_the_whole_pool() -> Result<()> {
    let ours = Ours::start(Role::Relay)?;
    let early = Geth::start(Some(0.000_002))?;
    early.add_peer(&ours.enode())?;
    let first = ours.await_peer(&early.enode)?.peer;
    ours.await_peers(1)?;

    let name = "what-was-missed";
    let (topic, key) = (Topic::of(name), early.topic_key(name)?);
    let (sig, author) = early.key_pair()?;
    let mut posted = BTreeSet::new();
    for number in 0..POOL {
        let payload = incompressible(number, PIECE);
        let hash = early.post(json!({
            "symKeyID": key, "sig": sig, "topic": topic.to_string(), "ttl": 120, "powTarget": 0.000_002,
            "powTime": 5, "payload": hex(&payload),
        }))?;
        // One by one: geth itself would put all of them into one packet, which nobody takes.
        ours.await_carried(&hash)?;
        posted.insert(hash);
    }

    let late = Geth::start(Some(0.000_002))?;
    let key = late.topic_key(name)?;
    let filter = late.filter(("symKeyID", &key), topic, &author.public())?;
    late.add_peer(&ours.enode())?;
    let messages = filter.take(posted.len(), DEADLINE)?;
    let hashes =
        messages.iter().map(|m| Ok(text(&m["hash"])?.to_owned())).collect::<Result<BTreeSet<_>>>()?;
    ensure!(hashes == posted, "other envelopes came than were posted");
    let second = ours.await_peer(&late.enode)?.peer;
    ours.ensure_never_lost(&[first, second])?;
    ours.stop()
}

/// What no compression hides, another for each `seed`.
fn incompressible(seed: u64, len: usize) -> Vec<u8> {
    let block =
        |number: u64| undertone_crypto::hash::keccak256_parts(&[&seed.to_be_bytes(), &number.to_be_bytes()]);
    (0..).flat_map(block).take(len).collect()
}
