//! Many envelopes at once: all arrive, each once, and the link stays.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::{Topic, topic_of};

use crate::geth::{Geth, hex};
use crate::ours::Ours;
use crate::{DEADLINE, public, text};

/// Envelopes in each direction.
const COUNT: usize = 5_000;

/// Our sends that no peer has taken yet; the node queues 1,024.
const WINDOW: usize = 512;

/// Posts in one request to geth.
const BATCH: usize = 250;

/// What geth is started with and asked for: it seals on one core and should not be what is measured.
const POW: f64 = 0.000_002;

/// For all of them.
const PATIENCE: Duration = Duration::from_secs(240);

/// As fast as our node seals.
pub(super) fn five_thousand_to_geth() -> Result<()> {
    let name = "burst-to-geth";
    let geth = Geth::start(Some(POW))?;
    let mut ours = Ours::start(Role::Client)?;
    let peer = ours.dial(&geth.enode)?;
    ours.await_peers(1)?;
    let route = public(name)?;
    let topic = topic_of(&route).context("topic")?;
    let key = geth.topic_key(name)?;
    let filter = geth.filter(("symKeyID", &key), topic, &ours.public())?;
    for number in 0..COUNT {
        let room = || number < ours.relayed() + WINDOW;
        ensure!(until(DEADLINE, room), "{} of {number} were taken", ours.relayed());
        ours.send(&route, number.to_string().as_bytes())?;
    }
    ensure!(until(DEADLINE, || ours.relayed() == COUNT), "{} of {COUNT} were taken", ours.relayed());
    let messages = filter.take(COUNT, PATIENCE)?;
    let payloads =
        messages.iter().map(|message| text(&message["payload"])).collect::<Result<BTreeSet<_>>>()?;
    ensure!(payloads.len() == COUNT, "{} different payloads of {COUNT}", payloads.len());
    let hashes: BTreeSet<_> = messages.iter().map(|message| message["hash"].as_str()).collect();
    ensure!(hashes.len() == COUNT, "{} different envelopes of {COUNT}", hashes.len());

    // What would come twice would be here before the next one.
    let last = ours.send(&route, b"the last")?;
    ours.await_relayed(last)?;
    filter.take(1, DEADLINE)?;
    ours.ensure_never_lost(&[peer.peer])?;
    ours.stop()
}

/// As fast as geth seals.
pub(super) fn five_thousand_from_geth() -> Result<()> {
    let name = "burst-from-geth";
    let geth = Geth::start(Some(POW))?;
    let ours = Ours::start(Role::Client)?;
    let peer = ours.dial(&geth.enode)?;
    ours.await_peers(1)?;
    ours.listen(&public(name)?)?;
    let (sig, author) = geth.key_pair()?;
    let key = geth.topic_key(name)?;
    let message = |payload: &str| {
        json!([{
            "symKeyID": key, "sig": sig, "topic": Topic::of(name).to_string(), "ttl": 60, "powTarget": POW,
            "powTime": 5, "payload": hex(payload.as_bytes()),
        }])
    };
    let mut posted = BTreeSet::new();
    for first in (0..COUNT).step_by(BATCH) {
        let batch = (first..first + BATCH).map(|number| message(&number.to_string())).collect();
        for hash in geth.calls("shh_post", batch)? {
            posted.insert(text(&hash)?.to_owned());
        }
    }
    ensure!(posted.len() == COUNT, "geth posted {} of {COUNT}", posted.len());
    let received = ours.await_received(COUNT, PATIENCE)?;
    ensure!(received.iter().all(|r| r.author == author.public()), "author");
    let payloads: BTreeSet<_> = received.iter().map(|r| r.payload.as_slice()).collect();
    ensure!(payloads.len() == COUNT, "{} different payloads of {COUNT}", payloads.len());
    let hashes: BTreeSet<_> = received.iter().map(|r| r.wire_id.to_string()).collect();
    ensure!(hashes == posted, "other envelopes arrived than were posted");

    // What would come twice would be here before the next one.
    for hash in geth.calls("shh_post", vec![message("the last")])? {
        ours.await_message(text(&hash)?)?;
    }
    ours.await_received(COUNT + 1, DEADLINE)?;
    ours.ensure_never_lost(&[peer.peer])?;
    ours.stop()
}

/// Two geths that know our node alone post by turns, and each gets all that the other posted, through us.
pub(super) fn five_thousand_between_two_geths() -> Result<()> {
    let name = "burst-between-geths";
    let ours = Ours::start(Role::Relay)?;
    let geths = [Geth::start(Some(POW))?, Geth::start(Some(POW))?];
    let mut links = Vec::new();
    for geth in &geths {
        geth.add_peer(&ours.enode())?;
        links.push(ours.await_peer(&geth.enode)?.peer);
    }
    ours.await_peers(2)?;

    let [a, b] = &geths;
    let keys = [a.topic_key(name)?, b.topic_key(name)?];
    let authors = [a.key_pair()?, b.key_pair()?];
    let filters = [
        b.filter(("symKeyID", &keys[1]), Topic::of(name), &authors[0].1.public())?,
        a.filter(("symKeyID", &keys[0]), Topic::of(name), &authors[1].1.public())?,
    ];
    let mut posted = [BTreeSet::new(), BTreeSet::new()];
    for first in (0..COUNT / 2).step_by(BATCH) {
        for (who, hashes) in posted.iter_mut().enumerate() {
            let message = |number: usize| {
                json!([{
                    "symKeyID": keys[who], "sig": authors[who].0, "topic": Topic::of(name).to_string(),
                    "ttl": 60, "powTarget": POW, "powTime": 5, "payload": hex(&number.to_be_bytes()),
                }])
            };
            let batch = (first..first + BATCH).map(message).collect();
            for hash in geths[who].calls("shh_post", batch)? {
                hashes.insert(text(&hash)?.to_owned());
            }
        }
    }
    for (hashes, filter) in posted.iter().zip(&filters) {
        let messages = filter.take(COUNT / 2, PATIENCE)?;
        let got =
            messages.iter().map(|m| Ok(text(&m["hash"])?.to_owned())).collect::<Result<BTreeSet<_>>>()?;
        ensure!(got == *hashes, "other envelopes arrived than were posted");
    }
    ours.ensure_never_lost(&links)?;
    ours.stop()
}
