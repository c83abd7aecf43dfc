//! An independent devp2p, that of `@ethereumjs/devp2p`: handshake, Hello, messages, goodbyes, discovery v4.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use undertone_devp2p::dnsdisc::{Link, Tree};
use undertone_devp2p::enr::{Entries, Record};
use undertone_devp2p::{Capability, Closed, DisconnectReason, Enode, Hello, Shared, WireError};
use undertone_support::until;

use crate::bare::{Bare, Side};
use crate::disc::Disc;
use crate::js::{Js, at, name};
use crate::names::Names;
use crate::ours::{closed_port, node_key};
use crate::{DEADLINE, text};

/// Where the node list is.
const DOMAIN: &str = "nodes.example.org";

/// Longer than both sides wait before they ping (15 s).
const PINGED: Duration = Duration::from_secs(25);

/// A message of each size: nothing, one byte, what a frame of 16 bytes holds and one more, what snappy has in one
/// block and one more, and a Whisper message as long as they get.
const SIZES: [usize; 7] = [0, 1, 14, 15, 65_536, 65_537, 1_048_576];

/// Codes of messages to it and from it, one pair for each size. The package reads an id as one byte, which holds codes
/// up to 111; what it writes may have two.
const CODES: [(u64, u64); 7] = [(0, 0), (1, 1), (2, 2), (11, 11), (100, 126), (110, 112), (111, 127)];

/// Reasons that the package knows and may be said.
const REASONS: [u64; 13] = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x10];

/// Handshake and Hello with us as the initiator.
pub(super) fn we_dial_ethereumjs() -> Result<()> {
    let js = Js::start(&json!({}))?;
    let side = Side::shh()?;
    let link = Bare::dial(&js.enode, &side)?;
    hellos(&js, &link, &side)
}

/// Handshake and Hello with us as the responder.
pub(super) fn ethereumjs_dials_us() -> Result<()> {
    let mut js = Js::start(&json!({}))?;
    let side = Side::shh()?;
    let (link, enode) = Bare::listen(&side)?;
    js.connect(&enode)?;
    hellos(&js, &link, &side)
}

/// Each side has the other's Hello, field by field, after a handshake in the form of EIP-8.
fn hellos(js: &Js, link: &Bare, side: &Side) -> Result<()> {
    let (hello, shared) = link.await_established()?;
    let Hello { version, client, capabilities, key, .. } = hello;
    ensure!(version == 5 && key == *js.enode.key(), "version {version}, key {key:?}");
    ensure!(client.starts_with(b"ethereumjs-devp2p/"), "client: {}", String::from_utf8_lossy(&client));
    ensure!(capabilities == [Capability::new("shh", 6)], "capabilities: {capabilities:?}");
    ensure_shh_alone(&shared)?;

    let seen = js.await_event("added", |_| true)?;
    let ours = json!({
        "event": "added", "peer": name(&side.key.public()), "key": name(&side.key.public()), "version": 5,
        "client": "Undertone/bare", "capabilities": ["shh/6"], "port": 0, "shared": [[16, 128]], "eip8": true,
    });
    ensure!(seen == ours, "it saw {seen}, not {ours}");
    quiet(js, link)
}

fn ensure_shh_alone(shared: &[Shared]) -> Result<()> {
    let shared: Vec<_> = shared.iter().map(|s| (s.capability.clone(), s.offset, s.length)).collect();
    ensure!(shared == [(Capability::new("shh", 6), 16, 128)], "shared: {shared:?}");
    Ok(())
}

/// Nothing went wrong on either side.
fn quiet(js: &Js, link: &Bare) -> Result<()> {
    ensure!(link.closed().is_none(), "the link ended: {:?}", link.closed());
    let (errors, removed) = (js.events("error"), js.events("removed"));
    ensure!(errors.is_empty() && removed.is_empty(), "it says {errors:?}, {removed:?}");
    Ok(())
}

/// Two capabilities on both sides: the offsets follow the names, and messages arrive under their codes.
pub(super) fn capabilities_are_ordered_alike() -> Result<()> {
    let setup = json!({"capabilities": [["zzz", 1, 5], ["shh", 5, 64], ["shh", 6, 128], ["abc", 3, 7]]});
    let js = Js::start(&setup)?;
    let side = Side::offering(vec![("zzz", 1, 5), ("shh", 6, 128), ("shh", 5, 64), ("abc", 3, 7)])?;
    let link = Bare::dial(&js.enode, &side)?;
    let (_, shared) = link.await_established()?;
    let ours: Vec<_> = shared.iter().map(|s| json!([s.offset, s.length])).collect();
    let seen = js.await_event("added", |_| true)?;
    ensure!(seen["shared"] == json!(ours), "{ours:?} here, {} there", seen["shared"]);
    ensure!(ours == [json!([16, 7]), json!([23, 128]), json!([151, 5])], "{ours:?}");
    quiet(&js, &link)
}

/// Messages of all sizes and of the lowest and highest codes, compressed, both ways on one link.
pub(super) fn messages_to_and_from_ethereumjs() -> Result<()> {
    let mut js = Js::start(&json!({}))?;
    let side = Side::shh()?;
    let link = Bare::dial(&js.enode, &side)?;
    link.await_established()?;
    js.await_event("added", |_| true)?;
    for (round, (size, (to, from))) in SIZES.into_iter().zip(CODES).enumerate() {
        let payload: Vec<u8> =
            (0..size).map(|i: usize| u8::try_from(i * i % 251).unwrap_or_default()).collect();
        link.send(to, &payload)?;
        let digits = const_hex::encode(&payload);
        let got = || js.events("message");
        ensure!(until(DEADLINE, || got().len() > round), "{size} bytes did not arrive there");
        let last = got().pop().context("message")?;
        ensure!(last["code"] == to && last["payload"] == digits, "{size} bytes arrived there as others");

        js.send(&side.key.public(), from, &payload)?;
        let last = link.await_messages(round + 1)?.pop();
        ensure!(last == Some((from, payload)), "{size} bytes arrived here as others");
    }
    quiet(&js, &link)
}

/// Nobody says anything: each pings, each answers, the link stands.
pub(super) fn pings_keep_the_link_with_ethereumjs() -> Result<()> {
    let js = Js::start(&json!({}))?;
    let link = Bare::dial(&js.enode, &Side::shh()?)?;
    link.await_established()?;
    js.await_event_for(PINGED, "ping", |_| true)?;
    js.await_event_for(PINGED, "pong", |_| true)?;
    quiet(&js, &link)
}

/// Each reason that it says, bare and not compressed as it writes them.
pub(super) fn ethereumjs_says_goodbye() -> Result<()> {
    let mut js = Js::start(&json!({}))?;
    for reason in REASONS {
        let side = Side::shh()?;
        let link = Bare::dial(&js.enode, &side)?;
        link.await_established()?;
        let peer = name(&side.key.public());
        js.await_event("added", |event| event["peer"] == peer)?;
        js.disconnect(&side.key.public(), reason)?;
        ends_by(&link, reason)?;
    }
    Ok(())
}

/// Each reason that we say.
pub(super) fn ethereumjs_takes_our_goodbyes() -> Result<()> {
    let js = Js::start(&json!({}))?;
    for reason in REASONS {
        let side = Side::shh()?;
        let link = Bare::dial(&js.enode, &side)?;
        link.await_established()?;
        let peer = name(&side.key.public());
        js.await_event("added", |event| event["peer"] == peer)?;
        link.disconnect(DisconnectReason::from_wire(reason))?;
        let heard = js.await_event("goodbye", |event| event["peer"] == peer)?;
        ensure!(heard["reason"] == reason, "{reason:#04x} was heard as {heard}");
        let removed = js.await_event("removed", |event| event["peer"] == peer)?;
        ensure!(removed["reason"] == reason && removed["byIt"] == false, "{reason:#04x}: {removed}");
    }
    Ok(())
}

/// It dials us, and hears a reason instead of our Hello.
pub(super) fn ethereumjs_takes_our_refusal() -> Result<()> {
    let mut js = Js::start(&json!({}))?;
    let reason = DisconnectReason::TOO_MANY_PEERS;
    let (link, enode) = Bare::listen(&Side::refusing(reason)?)?;
    js.connect(&enode)?;
    ensure!(link.await_closed()? == Some(Closed::ByUs(reason)), "{:?}", link.closed());
    let heard = js.await_event("goodbye", |_| true)?;
    ensure!(heard["reason"] == 4, "{heard}");
    ensure!(js.events("added").is_empty(), "{:?}", js.events("added"));
    Ok(())
}

/// What it says by itself: no place left, a message that its capability chokes on, itself; a second link of one key,
/// nothing shared; an id that belongs to nobody.
pub(super) fn ethereumjs_ends_links_for_its_reasons() -> Result<()> {
    let key = node_key()?;
    let secret = const_hex::encode(key.secret().expose());
    let js = Js::start(&json!({"key": secret, "maxPeers": 1, "chokesOn": 9}))?;
    let first = Side::shh()?;
    let link = Bare::dial(&js.enode, &first)?;
    link.await_established()?;
    js.await_event("added", |_| true)?;
    ends_by(&Bare::dial(&js.enode, &Side::shh()?)?, 0x04)?;
    link.send(9, &[1])?;
    ends_by(&link, 0x10)?;
    js.await_event("removed", |_| true)?;
    ends_by(&Bare::dial(&js.enode, &Side { key, ..Side::shh()? })?, 0x0a)?;

    let js = Js::start(&json!({}))?;
    let link = Bare::dial(&js.enode, &first)?;
    link.await_established()?;
    js.await_event("added", |_| true)?;
    ends_by(&Bare::dial(&js.enode, &first)?, 0x05)?;
    ensure!(link.closed().is_none(), "the first link ended: {:?}", link.closed());
    let closed = Bare::dial(&js.enode, &Side::offering(vec![("nothing", 1, 1)])?)?.await_closed()?;
    let useless = [Closed::ByPeer(DisconnectReason::USELESS_PEER), Closed::Fault(WireError::UselessPeer)];
    ensure!(closed.is_some_and(|closed| useless.contains(&closed)), "{closed:?}");

    let js = Js::start(&json!({"capabilities": [["shh", 6, 4]]}))?;
    let link = Bare::dial(&js.enode, &Side::shh()?)?;
    link.await_established()?;
    link.send(50, &[1])?;
    ends_by(&link, 0x02)
}

fn ends_by(link: &Bare, reason: u64) -> Result<()> {
    let closed = link.await_closed()?;
    let by_it = Closed::ByPeer(DisconnectReason::from_wire(reason));
    ensure!(closed == Some(by_it), "{closed:?}, not {reason:#04x}");
    Ok(())
}

/// It is our boot node: our Ping first. Then it is asked for a record, which it does not know, and lives.
pub(super) fn we_bond_with_ethereumjs() -> Result<()> {
    let js = Js::start(&json!({"boot": []}))?;
    let disc = Disc::start(node_key()?, 0, vec![js.enode.clone()])?;
    let found = disc.await_found(js.enode.key(), DEADLINE)?;
    ensure!(found == js.enode, "found {found}, not {}", js.enode);
    disc.await_alive(js.enode.key())?;
    js.await_event("datagram", |event| event["type"] == 3)?;
    let record = disc.request_record(&js.enode);
    ensure!(record.is_none(), "it gave {record:?}");
    js.await_event("error", |event| {
        event["where"] == "discovery"
            && text(&event["text"]).is_ok_and(|text| text.contains("Invalid type: 5"))
    })?;
    disc.ping(&js.enode).context("it does not answer a ping")?;
    disc.stop()
}

/// We are its boot node: its Ping first, our challenge, both Pongs. It asks us for neighbours. (Port 0 it would write
/// as two bytes, which are no integer of RLP; geth refuses those as we do.)
pub(super) fn ethereumjs_bonds_with_us() -> Result<()> {
    let disc = Disc::start(node_key()?, closed_port()?, Vec::new())?;
    let js = Js::start(&json!({"boot": [place(&disc.enode())?]}))?;
    disc.await_found(js.enode.key(), DEADLINE)?;
    js.await_event("found", |event| event["key"] == name(disc.enode().key()))?;
    js.await_event("told", |_| true)?;
    Ok(())
}

/// It and a node of ours know one node of ours: each is told of the other there, it dials us, and both link up.
pub(super) fn ethereumjs_finds_us_by_discovery() -> Result<()> {
    let boot = Disc::start(node_key()?, closed_port()?, Vec::new())?;
    let side = Side::shh()?;
    let (link, enode) = Bare::listen(&side)?;
    let tcp = enode.endpoint().context("an endpoint")?.tcp;
    let disc = Disc::start(side.key.clone(), tcp, vec![boot.enode()])?;
    boot.await_alive(disc.enode().key())?;
    let js = Js::start(&json!({"boot": [place(&boot.enode())?]}))?;
    disc.await_found(js.enode.key(), DEADLINE)?;
    js.await_event("found", |event| event["key"] == name(&side.key.public()))?;
    link.await_established()?;
    js.await_event("added", |event| event["peer"] == name(&side.key.public()))?;
    Ok(())
}

/// We know it, it knows another of its kind: it tells us of that.
pub(super) fn we_meet_an_ethereumjs_through_ethereumjs() -> Result<()> {
    let known = Js::start(&json!({"boot": []}))?;
    let other = Js::start(&json!({"boot": [place(&known.enode)?]}))?;
    known.await_event("found", |event| event["key"] == name(other.enode.key()))?;
    let disc = Disc::start(node_key()?, 0, vec![known.enode.clone()])?;
    let found = disc.await_found(other.enode.key(), DEADLINE)?;
    ensure!(found == other.enode, "found {found}, not {}", other.enode);
    Ok(())
}

/// It walks a list of forty nodes in DNS that we signed, and verifies root and records; of a list under another key
/// than its root's it takes nothing.
pub(super) fn ethereumjs_reads_our_node_list() -> Result<()> {
    let (signer, other) = (node_key()?, node_key()?);
    let record = |number: u8| {
        let address = [10, 0, number, 1].into();
        let port = 30_300 + u16::from(number);
        Record::sign(
            &node_key()?,
            1,
            &Entries::default().with_ip(address).with_udp(port).with_tcp(port + 1_000),
        )
        .map_err(anyhow::Error::from)
    };
    let records = (0..40).map(record).collect::<Result<Vec<_>>>()?;
    let tree = Tree::build(&records, &[], 7, &signer);
    let names = Names::serve(tree.records(DOMAIN))?;

    let mut js = Js::start(&json!({}))?;
    for (key, wanted) in [(&signer, 5), (&other, 0)] {
        let link = Link::new(key.public(), DOMAIN)?.to_string();
        js.order(&json!({"do": "list", "server": names.address.to_string(), "tree": link, "count": 5}))?;
        let listed = js.await_event("listed", |event| event["tree"] == link)?;
        let nodes = listed["nodes"].as_array().context("nodes")?;
        let known = |node: &Value| {
            records.iter().any(|record| {
                let ip = record.address().map(|ip| ip.to_string());
                *node == json!({"ip": ip, "udp": record.udp(), "tcp": record.tcp()})
            })
        };
        ensure!(nodes.len() == wanted && nodes.iter().all(known), "under {link}: {nodes:?}");
    }
    Ok(())
}

fn place(enode: &Enode) -> Result<Value> {
    at("", enode)
}
