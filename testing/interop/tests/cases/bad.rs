//! What geth drops a peer for, and that it never has to drop us, whatever others hand to us and however it changes its
//! mind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_devp2p::{Closed, DisconnectReason};
use undertone_net::LinkEnd;
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::wire::{Interest, PacketCode};
use undertone_whisper::{Bloom, Pow, Protocol, Topic};

use crate::geth::{Geth, hex};
use crate::made::{Maker, Times, Work, packet};
use crate::ours::Ours;
use crate::wire::Wire;
use crate::{DEADLINE, public};

/// A public chat that geth listens to.
const WANTED: &str = "bad-wanted";

/// Another one.
const UNWANTED: &str = "bad-unwanted";

/// How long geth bears with what it asked for before.
const TOLERANCE: Duration = Duration::from_secs(10);

const FRESH: Times = Times { sent: 0, ttl: 60 };
const PAID: Work = Work::AtLeast(0.01);

/// Each on a link of its own: what ends it, with which reason, and what does not.
pub(super) fn what_geth_drops_a_peer_for() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let maker = Maker::new()?;
    let filter = geth.filter(("symKeyID", &geth.topic_key(WANTED)?), Topic::of(WANTED), &maker.author)?;
    let make = |times, work| maker.make(WANTED, b"x", times, work);
    let messages = PacketCode::MESSAGES.0;
    let fatal = [
        ("made 15 s ahead", messages, packet(&[&make(Times { sent: 15, ttl: 60 }, PAID)?])),
        ("expired 25 s ago", messages, packet(&[&make(Times { sent: -60, ttl: 35 }, PAID)?])),
        ("half of its price", messages, packet(&[&make(FRESH, Work::Below(0.001))?])),
        ("a list that is none", messages, vec![0xc1]),
        ("more than a packet", messages, vec![0; 1_048_577]),
        ("a price that is infinite", 2, rlp_u64(f64::INFINITY.to_bits())),
        ("a filter of 63 bytes", 3, [vec![0xb8, 63], vec![0; 63]].concat()),
    ];
    for (what, code, body) in fatal {
        let wire = linked(&geth)?;
        raw(&wire, code, body)?;
        ensure!(until(DEADLINE, || !wire.ends().is_empty()), "geth bears {what}");
        let end = LinkEnd::Session(Closed::ByPeer(DisconnectReason::SUBPROTOCOL_ERROR));
        ensure!(wire.ends() == [end], "{what}: {:?}", wire.ends());
        wire.stop()?;
    }
    let borne = [
        ("made 9 s ahead", Times { sent: 9, ttl: 60 }, PAID, true),
        ("expired 5 s ago", Times { sent: -60, ttl: 55 }, PAID, false),
        // Without a life its work is infinite; as it is made a second ahead, geth divides it by two seconds all the same.
        ("without life", Times { sent: 1, ttl: 0 }, PAID, false),
    ];
    for (what, times, work, shown) in borne {
        let wire = linked(&geth)?;
        let envelope = make(times, work)?;
        raw(&wire, messages, packet(&[&envelope]))?;
        let last = make(FRESH, PAID)?;
        raw(&wire, messages, packet(&[&last]))?;
        let mut seen = Vec::new();
        let there = until(DEADLINE, || {
            seen.extend(filter.poll().unwrap_or_default());
            seen.iter().any(|message| message["hash"] == json!(last.hash().to_string()))
        });
        ensure!(there && wire.ends().is_empty(), "{what}: {:?}", wire.ends());
        let was_shown = seen.iter().any(|message| message["hash"] == json!(envelope.hash().to_string()));
        ensure!(was_shown || !shown, "{what} is not shown");
        wire.stop()?;
    }
    Ok(())
}

/// A liar gives our relay everything that geth drops a peer for and everything near it. geth is sent what it takes, and
/// keeps us.
pub(super) fn liars_do_not_cost_us_geth() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let maker = Maker::new()?;
    let filter = geth.filter(("symKeyID", &geth.topic_key(WANTED)?), Topic::of(WANTED), &maker.author)?;
    let bloom = Bloom::of_envelope(Topic::of(WANTED));
    ensure!(geth.call("shh_setBloomFilter", json!([hex(bloom.as_bytes())]))? == json!(true), "set bloom");
    let ours = Ours::start(Role::Relay)?;
    let link = ours.dial(&geth.enode)?.peer;
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |status| {
        status.interest == Interest::Bloom(bloom)
    })?;
    // After this geth takes nothing else.
    until(TOLERANCE + Duration::from_secs(2), || false);

    let liar = Wire::start(Pow::STATUS_LARGE)?;
    liar.dial(&ours.enode());
    liar.await_status(|_| true)?;
    let make = |name, sent, ttl, work| maker.make(name, b"x", Times { sent, ttl }, work);
    let mut bad = vec![
        make(WANTED, 15, 60, PAID)?,
        make(WANTED, -60, 35, PAID)?,
        make(WANTED, -60, 59, PAID)?,
        make(WANTED, -60, 61, PAID)?,
        make(WANTED, -60, 62, PAID)?,
        make(WANTED, 0, 60, Work::Below(0.001))?,
        make(WANTED, 0, 0, Work::Unpaid)?,
        make(WANTED, 1, 0, Work::Unpaid)?,
        make(WANTED, 8, u32::MAX, Work::Unpaid)?,
        make(WANTED, 0, 100_000_000, Work::Unpaid)?,
        make(UNWANTED, 0, 60, PAID)?,
    ];
    // On both sides of geth's price, by whose divisor whatever.
    for n in 0..20 {
        let price = 0.001_9 + 0.000_02 * f64::from(n);
        bad.push(make(WANTED, 0, 60, Work::AtLeast(price))?);
    }
    for envelope in &bad {
        raw(&liar, PacketCode::MESSAGES.0, packet(&[envelope]))?;
    }
    let ahead = make(WANTED, 9, 60, PAID)?;
    let good = make(WANTED, 0, 60, PAID)?;
    raw(&liar, PacketCode::MESSAGES.0, packet(&[&ahead, &good]))?;
    let (mut seen, wanted) = (Vec::new(), [&ahead, &good].map(|envelope| json!(envelope.hash().to_string())));
    let there = until(DEADLINE, || {
        seen.extend(filter.poll().unwrap_or_default());
        wanted.iter().all(|hash| seen.iter().any(|message| message["hash"] == *hash))
    });
    ensure!(there, "geth was sent {} and not all that it takes", seen.len());
    ensure!(ours.peers().iter().any(|peer| peer.peer == link), "geth dropped us");
    ensure!(geth.log(&["bad envelope"])?.is_empty(), "{:?}", geth.log(&["bad envelope"])?);
    liar.stop()?;
    ours.stop()
}

/// geth narrows its filter and raises its price while we send: within its ten seconds it bears what is under way, and
/// after these it is sent nothing that it refuses. What it did not want comes when it wants it again, while it lives.
pub(super) fn geth_changes_its_mind() -> Result<()> {
    let geth = Geth::start(Some(0.002))?;
    let mut ours = Ours::start(Role::Client)?;
    let link = ours.dial(&geth.enode)?.peer;
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |_| true)?;
    let (wanted, unwanted) = (public(WANTED)?, public(UNWANTED)?);
    let filter =
        geth.filter(("symKeyID", &geth.topic_key(UNWANTED)?), Topic::of(UNWANTED), &ours.public())?;
    let both = Bloom::of_envelope(Topic::of(WANTED)).union(&Bloom::of_envelope(Topic::of(UNWANTED)));
    let narrow = Bloom::of_envelope(Topic::of(WANTED));
    for (n, bloom) in [both, narrow, both, narrow].into_iter().enumerate() {
        for _ in 0..25 {
            ours.send(&wanted, b"a stream")?;
            ours.send(&unwanted, b"a stream")?;
        }
        ensure!(
            geth.call("shh_setBloomFilter", json!([hex(bloom.as_bytes())]))? == json!(true),
            "set bloom {n}"
        );
    }
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |status| {
        status.interest == Interest::Bloom(narrow)
    })?;
    filter.poll()?;
    let late = ours.send(&unwanted, b"late")?;
    let marker = ours.send(&wanted, b"marker")?;
    ours.await_relayed(marker)?;
    ensure!(!ours.is_relayed(late), "it was sent what it does not want");
    ensure!(geth.call("shh_setBloomFilter", json!([hex(both.as_bytes())]))? == json!(true), "set bloom");
    ours.await_relayed(late)?;

    // The price: up and down at rest, so that geth's first tolerance of 0.2 is over; then up while we send.
    let price = |value: f64| -> Result<()> {
        ensure!(geth.call("shh_setMinPoW", json!([value]))? == json!(true), "set PoW");
        ours.await_wishes(geth.enode.key(), Protocol::Whisper, |status| status.min_pow.value() == value)?;
        Ok(())
    };
    price(0.001)?;
    until(TOLERANCE + Duration::from_secs(2), || false);
    ensure!(geth.call("shh_setMinPoW", json!([0.02]))? == json!(true), "set PoW");
    for _ in 0..25 {
        ours.send(&wanted, b"a stream")?;
    }
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |status| status.min_pow.value() == 0.02)?;
    let dear = ours.send(&wanted, b"paid as asked")?;
    ours.await_relayed(dear)?;
    ours.ensure_never_lost(&[link])?;
    ours.stop()
}

/// A geth whose pool is more than the largest packet sends all of it in one, which no geth takes. We do not fall for it,
/// and are linked when it has expired.
pub(super) fn geth_sends_more_than_a_packet() -> Result<()> {
    let geth = Geth::start(Some(0.000_002))?;
    let (sig, _) = geth.key_pair()?;
    let key = geth.topic_key(WANTED)?;
    for n in 0..20_u8 {
        geth.post(json!({
            "symKeyID": key, "sig": sig, "topic": Topic::of(WANTED).to_string(), "ttl": 12,
            "powTarget": 0.000_002, "powTime": 5, "payload": hex(&vec![n; 64 * 1024]),
        }))?;
    }
    let ours = Ours::start(Role::Relay)?;
    ours.dial(&geth.enode)?;
    ours.listen(&public(WANTED)?)?;
    let post = || {
        geth.post(json!({
            "symKeyID": key, "sig": sig, "topic": Topic::of(WANTED).to_string(), "ttl": 12,
            "powTarget": 0.002, "powTime": 5, "payload": hex(b"afterwards"),
        }))
    };
    let mut heard = false;
    until(Duration::from_secs(60), || {
        heard = post().is_ok_and(|hash| until(Duration::from_secs(3), || ours.carried(&hash)));
        heard
    });
    ensure!(heard, "peers were {:?}", ours.peer_counts());
    ours.stop()
}

fn linked(geth: &Geth) -> Result<Wire> {
    let wire = Wire::start(Pow::STATUS_LARGE)?;
    wire.dial(&geth.enode);
    wire.await_status(|_| true)?;
    Ok(wire)
}

/// Past the machine, which would not send it.
pub(super) fn raw(wire: &Wire, code: u64, body: Vec<u8>) -> Result<()> {
    let peers = wire.net().peers();
    let peer = peers.first().with_context(|| format!("no peer: {:?}", wire.ends()))?.peer;
    Ok(wire.net().send(peer, 0, code, body)?)
}

fn rlp_u64(value: u64) -> Vec<u8> {
    let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    [vec![0x80 + u8::try_from(bytes.len()).unwrap_or_default()], bytes].concat()
}
