//! Single envelopes, field by field.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use undertone_crypto::kdf::topic_key;
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_node::Role;
use undertone_sealed::{Opened, open_asymmetric, open_symmetric};
use undertone_transport::{Route, Via};
use undertone_whisper::{Envelope, LARGE_PAYLOAD, Topic, topic_of};

use crate::compare::{Padding, same};
use crate::geth::{Geth, hex};
use crate::ours::Ours;
use crate::{DEADLINE, public};

/// Payloads in bytes: none, one, both sides of each change of the size field's length, and one of hundreds of KiB,
/// which JSON-RPC, packets and proof of work all have to bear.
const SIZES: [usize; 8] = [0, 1, 255, 256, 65_535, 65_536, 100_000, 500 * 1024];

/// The time to live that is asked of geth, in seconds; not the one that we send with.
const TTL: u32 = 33;

/// On a public chat, signed by us.
pub(super) fn symmetric_to_geth() -> Result<()> {
    let name = "interop-to-geth";
    let (geth, mut ours) = connected(0.002)?;
    let route = public(name)?;
    let key = geth.0.topic_key(name)?;
    let topic = topic_of(&route).context("topic")?;
    ensure!(topic == Topic::of(name), "topic of {name}");
    let filter = geth.0.filter(("symKeyID", &key), topic, &ours.public())?;
    let sent = ours.send(&route, b"from us to geth")?;
    let envelope = ours.await_relayed(sent)?;
    let messages = filter.take(1, DEADLINE)?;
    let opened = open_symmetric(&topic_key(name), envelope.data())?;
    ensure!(opened.payload == b"from us to geth" && opened.author == Some(ours.public()), "{opened:?}");
    same(messages.first().context("message")?, &envelope, &opened, None, Padding::Random)?;
    geth.still_linked(ours)
}

/// On a public chat, signed by geth; with geth's padding, and with one of the caller's choice.
pub(super) fn symmetric_from_geth() -> Result<()> {
    let name = "interop-from-geth";
    let (geth, ours) = connected(0.002)?;
    let route = public(name)?;
    ours.listen(&route)?;
    let topic = Topic::of(name);
    let key = geth.0.topic_key(name)?;
    let (sig, author) = geth.0.key_pair()?;
    let filter = geth.0.filter(("symKeyID", &key), topic, &author.public())?;
    for padding in [Padding::Random, Padding::Given(b"chosen by whoever posts")] {
        let message = json!({"symKeyID": key});
        let sent = Sent { route: &route, topic, sig: &sig, author: author.public(), padding };
        let envelope = post_and_receive(&geth.0, &ours, message, &sent, b"from geth to us", None)?;
        let opened = open_symmetric(&topic_key(name), envelope.data())?;
        let own = filter.take(1, DEADLINE)?;
        same(own.first().context("message")?, &envelope, &opened, None, padding)?;
        ensure!(opened.payload == b"from geth to us" && opened.author == Some(author.public()), "{opened:?}");
    }
    geth.still_linked(ours)
}

/// To a key of geth, on its partition and on its own topic.
pub(super) fn asymmetric_to_geth() -> Result<()> {
    let (geth, mut ours) = connected(0.002)?;
    let (id, secret) = geth.0.key_pair()?;
    let key = secret.public();
    for (route, name) in names_of(key) {
        let topic = topic_of(&route).context("topic")?;
        ensure!(topic == Topic::of(&name), "topic of {name}");
        let filter = geth.0.filter(("privateKeyID", &id), topic, &ours.public())?;
        let sent = ours.send(&route, name.as_bytes())?;
        let envelope = ours.await_relayed(sent)?;
        let messages = filter.take(1, DEADLINE)?;
        let opened = open_with(&secret, &envelope)?;
        ensure!(opened.payload == name.as_bytes() && opened.author == Some(ours.public()), "{opened:?}");
        same(messages.first().context("message")?, &envelope, &opened, Some(&key), Padding::Random)?;
    }
    geth.still_linked(ours)
}

/// From geth to our key, on our partition and on our own topic.
pub(super) fn asymmetric_from_geth() -> Result<()> {
    let (geth, ours) = connected(0.002)?;
    let key = ours.public();
    let id = geth.0.call("shh_addPrivateKey", json!([hex(ours.key.secret().expose())]))?;
    let (sig, author) = geth.0.key_pair()?;
    for (route, name) in names_of(key) {
        ours.listen(&route)?;
        let topic = Topic::of(&name);
        let filter = geth.0.filter(("privateKeyID", &id), topic, &author.public())?;
        let padding = Padding::Random;
        let sent = Sent { route: &route, topic, sig: &sig, author: author.public(), padding };
        let message = json!({"pubKey": key.to_hex()});
        let envelope = post_and_receive(&geth.0, &ours, message, &sent, name.as_bytes(), Some(key))?;
        let opened = open_with(&ours.key, &envelope)?;
        ensure!(opened.payload == name.as_bytes() && opened.author == Some(author.public()), "{opened:?}");
        let own = filter.take(1, DEADLINE)?;
        same(own.first().context("message")?, &envelope, &opened, Some(&key), padding)?;
    }
    geth.still_linked(ours)
}

/// Both routes that are sealed to a key, with the names that their topics are of.
fn names_of(key: PublicKey) -> [(Route, String); 2] {
    let modulo = |rest: u64, byte: &u8| (rest * 256 + u64::from(*byte)) % 5_000;
    let partition = key.x().iter().fold(0, modulo);
    [
        (Route::Partition(key), format!("contact-discovery-{partition}")),
        (Route::Personal(key), format!("contact-discovery-{}", key.to_bare_hex())),
    ]
}

fn open_with(secret: &SecretKey, envelope: &Envelope) -> Result<Opened> {
    let mut ring = MemoryKeyring::new();
    let id = ring.insert(secret.clone());
    Ok(open_asymmetric(&ring, id, envelope.data())?)
}

/// Payloads of every kind of size arrive whole, symmetric and asymmetric.
pub(super) fn sizes_to_geth() -> Result<()> {
    let name = "sizes-to-geth";
    let (geth, mut ours) = connected(0.000_002)?;
    let (id, secret) = geth.0.key_pair()?;
    let key = geth.0.topic_key(name)?;
    for (route, opener) in [(public(name)?, None), (Route::Personal(secret.public()), Some(&secret))] {
        let topic = topic_of(&route).context("topic")?;
        let with = if opener.is_some() { ("privateKeyID", &id) } else { ("symKeyID", &key) };
        let filter = geth.0.filter(with, topic, &ours.public())?;
        for size in SIZES {
            let sent = ours.send(&route, &pattern(size))?;
            let envelope = ours.await_relayed(sent).with_context(|| format!("{size} bytes"))?;
            let messages = filter.take(1, DEADLINE).with_context(|| format!("{size} bytes"))?;
            let opened = match opener {
                Some(secret) => open_with(secret, &envelope)?,
                None => open_symmetric(&topic_key(name), envelope.data())?,
            };
            ensure!(opened.payload == pattern(size), "payload of {size} bytes");
            let to = opener.map(SecretKey::public);
            same(messages.first().context("message")?, &envelope, &opened, to.as_ref(), Padding::Random)
                .with_context(|| format!("{size} bytes"))?;
        }
    }
    geth.still_linked(ours)
}

/// The same sizes from geth.
pub(super) fn sizes_from_geth() -> Result<()> {
    let name = "sizes-from-geth";
    let (geth, ours) = connected(0.000_002)?;
    let (sig, author) = geth.0.key_pair()?;
    let (symmetric, personal) = (public(name)?, Route::Personal(ours.public()));
    let key = geth.0.topic_key(name)?;
    let to_us = json!({"pubKey": ours.public().to_hex()});
    for (route, message, sealed_to) in
        [(symmetric, json!({"symKeyID": key}), None), (personal, to_us, Some(ours.public()))]
    {
        ours.listen(&route)?;
        let topic = topic_of(&route).context("topic")?;
        let sent =
            Sent { route: &route, topic, sig: &sig, author: author.public(), padding: Padding::Random };
        for size in SIZES {
            post_and_receive(&geth.0, &ours, message.clone(), &sent, &pattern(size), sealed_to)
                .with_context(|| format!("{size} bytes"))?;
        }
    }
    geth.still_linked(ours)
}

/// What geth posts without a signature is carried as any envelope, but nobody above gets it.
pub(super) fn unsigned_from_geth() -> Result<()> {
    let name = "unsigned-from-geth";
    let (geth, ours) = connected(0.002)?;
    let route = public(name)?;
    ours.listen(&route)?;
    let (topic, key) = (Topic::of(name), geth.0.topic_key(name)?);
    let unsigned = geth.0.post(json!({
        "symKeyID": key, "topic": topic.to_string(), "ttl": TTL, "powTarget": 0.002, "powTime": 5,
        "payload": hex(b"from nobody"),
    }))?;
    let envelope = ours.await_carried(&unsigned)?;
    let opened = open_symmetric(&topic_key(name), envelope.data())?;
    ensure!(opened.payload == b"from nobody" && opened.author.is_none(), "{opened:?}");

    let (sig, author) = geth.0.key_pair()?;
    let sent = Sent { route: &route, topic, sig: &sig, author: author.public(), padding: Padding::Random };
    let signed = json!({"symKeyID": key});
    post_and_receive(&geth.0, &ours, signed, &sent, b"from somebody", None)?;
    ours.await_received(1, DEADLINE)?;
    geth.still_linked(ours)
}

fn pattern(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

/// A geth and its link to our node.
struct Linked(Geth, undertone_net::PeerId);

impl Linked {
    /// Nothing that was exchanged cost the link.
    fn still_linked(self, ours: Ours) -> Result<()> {
        ours.ensure_never_lost(&[self.1])?;
        ours.stop()
    }
}

fn connected(min_pow: f64) -> Result<(Linked, Ours)> {
    let geth = Geth::start(Some(min_pow))?;
    let ours = Ours::start(Role::Client)?;
    let peer = ours.dial(&geth.enode)?;
    ours.await_peers(1)?;
    Ok((Linked(geth, peer.peer), ours))
}

/// What geth is asked to send.
struct Sent<'a> {
    route: &'a Route,
    topic: Topic,
    sig: &'a Value,
    author: PublicKey,
    padding: Padding<'a>,
}

/// Has geth post `payload` and checks what arrives here; gives the envelope that it came in.
fn post_and_receive(
    geth: &Geth,
    ours: &Ours,
    mut message: Value,
    sent: &Sent<'_>,
    payload: &[u8],
    sealed_to: Option<PublicKey>,
) -> Result<Envelope> {
    message["sig"] = sent.sig.clone();
    message["topic"] = json!(sent.topic.to_string());
    message["ttl"] = json!(TTL);
    // As Status clients pay; geth would search for minutes otherwise.
    message["powTarget"] = json!(if payload.len() > LARGE_PAYLOAD { 0.000_002 } else { 0.002 });
    message["powTime"] = json!(10);
    message["payload"] = json!(hex(payload));
    if let Padding::Given(bytes) = sent.padding {
        message["padding"] = json!(hex(bytes));
    }
    let hash = geth.post(message)?;
    let received = ours.await_message(&hash)?;
    let envelope = ours.await_carried(&hash)?;
    ensure!(received.payload == payload, "payload of {} bytes arrived", received.payload.len());
    ensure!(received.author == sent.author, "author: {:?}", received.author);
    ensure!(received.route == *sent.route, "route: {:?}", received.route);
    ensure!(received.sealed_to == sealed_to, "sealed to: {:?}", received.sealed_to);
    ensure!(received.via == Via::Live, "via: {:?}", received.via);
    ensure!(received.sent_at == envelope.sent_at(), "sent at: {:?}", received.sent_at);
    ensure!(envelope.header().ttl == TTL && envelope.topic() == sent.topic, "{envelope:?}");
    Ok(envelope)
}
