//! A stock status-go as relay, over Whisper and over both versions of Waku.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_support::until;
use undertone_transport::{Route, Via};
use undertone_whisper::wire::Interest;
use undertone_whisper::{Bloom, Pow, Protocol, Protocols, Topic, WakuMode, WakuVersion};

use crate::geth::{Geth, hex};
use crate::made::{Maker, Times, Work};
use crate::ours::Ours;
use crate::statusd::{Setup, Statusd, Waku};
use crate::{DEADLINE, public};

/// Handshake and one message each way over Whisper.
pub(super) fn whisper_with_statusd() -> Result<()> {
    let statusd = Statusd::start(Setup::WHISPER)?;
    let ours = Ours::start(Role::Client)?;
    both_ways(&statusd, ours, Protocol::Whisper, &["shh/6"])
}

/// The same over Waku v1.
pub(super) fn waku_v1_with_statusd() -> Result<()> {
    let statusd = Statusd::start(Setup::waku(Waku::Full))?;
    let ours = speaking(Role::Client, Protocols::BOTH)?;
    both_ways(&statusd, ours, Protocol::Waku, &["waku/1"])
}

/// The same over Waku v0, because we offer no other.
pub(super) fn waku_v0_with_statusd() -> Result<()> {
    let statusd = Statusd::start(Setup::waku(Waku::Full))?;
    let ours = Ours::with(Role::Client, |config| {
        config.protocols = Protocols::BOTH;
        config.waku_versions = vec![WakuVersion::V0];
    })?;
    both_ways(&statusd, ours, Protocol::Waku, &["waku/0"])
}

/// A node of ours that speaks these.
pub(super) fn speaking(role: Role, protocols: Protocols) -> Result<Ours> {
    Ours::with(role, |config| config.protocols = protocols)
}

/// It dials us and we are dialled; one message each way, whole, with its author, once.
fn both_ways(statusd: &Statusd, mut ours: Ours, by: Protocol, shared: &[&str]) -> Result<()> {
    let name = "with-statusd";
    let route = public(name)?;
    ours.listen(&route)?;
    statusd.add_peer(&ours.enode())?;
    let link = ours.await_peer(&statusd.enode)?;
    let capabilities: Vec<_> = link.capabilities.iter().map(ToString::to_string).collect();
    ensure!(capabilities == shared, "capabilities: {capabilities:?}");
    let wants = ours.await_wishes(statusd.enode.key(), by, |_| true)?;
    ensure!(wants.min_pow == Pow::STATUS_LARGE && wants.interest == Interest::Everything, "{wants:?}");
    let protocols = statusd.capabilities_of(ours.enode().key())?;
    let expected = if by == Protocol::Waku { "waku" } else { "shh" };
    ensure!(protocols.get(expected).is_some(), "its link has {protocols}");

    let api = statusd.by(by);
    let filter = api.filter(name)?;
    let sent = ours.send(&route, b"from us to statusd")?;
    let envelope = ours.await_relayed(sent)?;
    let shown = filter.take(1, DEADLINE)?;
    let shown = shown.first().context("message")?;
    ensure!(shown.hash == envelope.hash().to_string(), "another envelope: {}", shown.hash);
    ensure!(shown.payload == b"from us to statusd" && shown.author == Some(ours.public()), "{shown:?}");

    let (sig, author) = api.key_pair()?;
    let hash = api.say(name, &sig, b"from statusd to us")?;
    let received = ours.await_message(&hash)?;
    ensure!(received.payload == b"from statusd to us" && received.author == author.public(), "{received:?}");
    ensure!(received.via == Via::Live, "{received:?}");
    ours.await_received(1, DEADLINE)?;
    let stats = ours.stats()?;
    // Ours and theirs.
    ensure!((stats.accepted, stats.duplicates) == (2, 0), "{stats:?}");
    ours.ensure_never_lost(&[link.peer])?;
    ours.stop()
}

/// Both speak both on one link: an envelope of ours goes once, by Waku.
pub(super) fn both_on_one_link_with_statusd() -> Result<()> {
    let name = "both-on-one-link";
    let statusd = Statusd::start(Setup::BOTH)?;
    let mut ours = speaking(Role::Client, Protocols::BOTH)?;
    let link = ours.dial(&statusd.enode)?;
    let capabilities: Vec<_> = link.capabilities.iter().map(ToString::to_string).collect();
    ensure!(capabilities == ["shh/6", "waku/1"], "capabilities: {capabilities:?}");
    for by in [Protocol::Whisper, Protocol::Waku] {
        ours.await_wishes(statusd.enode.key(), by, |_| true)?;
    }
    let (shh, waku) = (statusd.by(Protocol::Whisper), statusd.by(Protocol::Waku));
    let (by_shh, by_waku) = (shh.filter(name)?, waku.filter(name)?);
    let route = public(name)?;
    ours.listen(&route)?;
    for text in [b"one", b"two"] {
        let sent = ours.send(&route, text)?;
        ours.await_relayed(sent)?;
    }
    by_waku.take(2, DEADLINE)?;
    ensure!(by_shh.poll()?.is_empty(), "it came by Whisper too");
    ensure!(ours.stats()?.relayed == 2, "{:?}", ours.stats());
    for api in [shh, waku] {
        let (sig, _) = api.key_pair()?;
        let hash = api.say(name, &sig, b"by one of them")?;
        ours.await_message(&hash)?;
    }
    ours.await_received(2, DEADLINE)?;
    ensure!(ours.stats()?.duplicates == 0, "{:?}", ours.stats());
    ours.ensure_never_lost(&[link.peer])?;
    ours.stop()
}

/// It tells us the topics that it is interested in, one after the other, and is sent these alone; what came before it
/// asked comes when it asks.
pub(super) fn statusd_names_its_topics() -> Result<()> {
    for version in [WakuVersion::V0, WakuVersion::V1] {
        let statusd = Statusd::start(Setup::waku(Waku::Topics))?;
        let mut ours = Ours::with(Role::Client, |config| {
            config.protocols = Protocols::WAKU;
            config.waku_versions = vec![version];
        })?;
        let link = ours.dial(&statusd.enode)?;
        let key = *statusd.enode.key();
        // It has said nothing of topics, which means all.
        ours.await_wishes(&key, Protocol::Waku, |status| status.interest == Interest::Everything)?;
        let api = statusd.by(Protocol::Waku);
        let names = |count: usize, names: &[&str]| {
            let topics = names.iter().map(|name| Topic::of(name)).collect::<Vec<_>>();
            ours.await_wishes(&key, Protocol::Waku, |status| match &status.interest {
                Interest::Topics(told) => {
                    told.len() == count && topics.iter().all(|topic| told.contains(*topic))
                }
                _ => false,
            })
        };
        let first = api.filter("asked-first")?;
        names(1, &["asked-first"])?;
        let late = ours.send(&public("asked-late")?, b"late")?;
        let sent = ours.send(&public("asked-first")?, b"first")?;
        ours.await_relayed(sent)?;
        first.take(1, DEADLINE)?;
        ensure!(!ours.is_relayed(late), "it was sent what it did not ask for");
        let second = api.filter("asked-late")?;
        ours.await_relayed(late)?;
        second.take(1, DEADLINE)?;
        ours.await_wishes(&key, Protocol::Waku, |status| match &status.interest {
            Interest::Topics(told) => told.len() == 2,
            _ => false,
        })?;
        ours.ensure_never_lost(&[link.peer])?;
        ours.stop()?;
    }
    Ok(())
}

/// The same by a bloom filter.
pub(super) fn statusd_asks_by_bloom() -> Result<()> {
    let statusd = Statusd::start(Setup::waku(Waku::Bloom))?;
    let mut ours = speaking(Role::Client, Protocols::WAKU)?;
    let link = ours.dial(&statusd.enode)?;
    let key = *statusd.enode.key();
    ours.await_wishes(&key, Protocol::Waku, |status| status.interest == Interest::Everything)?;
    let api = statusd.by(Protocol::Waku);
    let mut bloom = Bloom::of_envelope(Topic::of("asked-first"));
    ensure!(api.call("setBloomFilter", json!([hex(bloom.as_bytes())]))? == json!(true), "setBloomFilter");
    ours.await_wishes(&key, Protocol::Waku, |status| status.interest == Interest::Bloom(bloom))?;
    let first = api.filter("asked-first")?;
    let late = ours.send(&public("asked-late")?, b"late")?;
    let sent = ours.send(&public("asked-first")?, b"first")?;
    ours.await_relayed(sent)?;
    first.take(1, DEADLINE)?;
    ensure!(!ours.is_relayed(late), "it was sent what it did not ask for");
    let second = api.filter("asked-late")?;
    bloom = bloom.union(&Bloom::of_envelope(Topic::of("asked-late")));
    ours.await_wishes(&key, Protocol::Waku, |status| status.interest == Interest::Bloom(bloom))?;
    ours.await_relayed(late)?;
    second.take(1, DEADLINE)?;
    ours.ensure_never_lost(&[link.peer])?;
    ours.stop()
}

/// We name our topics; it sends these alone, and the others when we name them.
pub(super) fn we_name_our_topics() -> Result<()> {
    we_ask(WakuMode::Topics, &[WakuVersion::V0, WakuVersion::V1])
}

/// We ask by our filter.
pub(super) fn we_ask_by_bloom() -> Result<()> {
    we_ask(WakuMode::Bloom, &[WakuVersion::V0, WakuVersion::V1])
}

fn we_ask(mode: WakuMode, versions: &[WakuVersion]) -> Result<()> {
    for version in versions {
        let statusd = Statusd::start(Setup::waku(Waku::Full))?;
        let ours = Ours::with(Role::Client, |config| {
            config.protocols = Protocols::WAKU;
            config.waku_versions = vec![*version];
            config.waku = mode;
        })?;
        let link = ours.dial(&statusd.enode)?;
        ours.await_wishes(statusd.enode.key(), Protocol::Waku, |_| true)?;
        let api = statusd.by(Protocol::Waku);
        let (sig, _) = api.key_pair()?;
        let unasked = api.say("never-asked", &sig, b"x")?;
        let late = api.say("asked-late", &sig, b"x")?;
        ours.listen(&public("asked-first")?)?;
        let first = api.say("asked-first", &sig, b"x")?;
        ours.await_carried(&first)?;
        ensure!(
            !ours.carried(&late) && !ours.carried(&unasked),
            "{version:?}: it sent what we did not ask for"
        );
        ours.listen(&public("asked-late")?)?;
        ours.await_carried(&late)?;
        ensure!(!ours.carried(&unasked), "{version:?}: it sent what we did not ask for");
        ours.ensure_never_lost(&[link.peer])?;
        ours.stop()?;
    }
    Ok(())
}

/// A change of its requirement reaches us as a status update, and we pay it; a change of ours holds back what is too
/// cheap until it is wanted again.
pub(super) fn statusd_changes_its_pow() -> Result<()> {
    for (setup, by) in [(Setup::WHISPER, Protocol::Whisper), (Setup::waku(Waku::Full), Protocol::Waku)] {
        let name = "another-price";
        let statusd = Statusd::start(setup)?;
        let mut ours = speaking(Role::Client, Protocols::BOTH)?;
        let link = ours.dial(&statusd.enode)?;
        let key = *statusd.enode.key();
        ours.await_wishes(&key, by, |_| true)?;
        let route = public(name)?;
        ours.listen(&route)?;
        let api = statusd.by(by);
        let filter = api.filter(name)?;
        let asked = Pow::new(0.05).context("pow")?;
        ensure!(api.call("setMinPoW", json!([asked.value()]))? == json!(true), "setMinPoW");
        ours.await_wishes(&key, by, |status| status.min_pow == asked)?;
        let sent = ours.send(&route, b"dear")?;
        ours.await_relayed(sent)?;
        filter.take(1, DEADLINE)?;

        ensure!(api.call("setMinPoW", json!([0.000_002]))? == json!(true), "setMinPoW");
        ours.await_wishes(&key, by, |status| status.min_pow == Pow::STATUS_LARGE)?;
        let (sig, _) = api.key_pair()?;
        ours.set_min_pow(Pow::new(0.5).context("pow")?)?;
        let cheap = loop {
            // Cheap or not, a post while the news travels may come through.
            let cheap = api.say(name, &sig, b"cheap")?;
            let dear = api.post(name, &sig, b"dear", json!({"powTarget": 1.0, "powTime": 5, "ttl": 60}))?;
            ours.await_carried(&dear)?;
            if !ours.carried(&cheap) {
                break cheap;
            }
        };
        ours.set_min_pow(Pow::STATUS_LARGE)?;
        ours.await_carried(&cheap)?;
        ours.ensure_never_lost(&[link.peer])?;
        ours.stop()?;
    }
    Ok(())
}

/// It announces confirmations by Whisper and not by Waku. A packet of ours counts as taken when it has confirmed it, or
/// where it does not, when it has left.
pub(super) fn statusd_confirms() -> Result<()> {
    for (setup, by) in [(Setup::WHISPER, Protocol::Whisper), (Setup::waku(Waku::Full), Protocol::Waku)] {
        let name = "confirmed";
        let statusd = Statusd::start(setup)?;
        let mut ours = speaking(Role::Client, Protocols::BOTH)?;
        let link = ours.dial(&statusd.enode)?;
        let wants = ours.await_wishes(statusd.enode.key(), by, |_| true)?;
        ensure!(wants.confirmations == (by == Protocol::Whisper), "{by:?}: {wants:?}");
        let filter = statusd.by(by).filter(name)?;
        for n in 0..20_u8 {
            let sent = ours.send(&public(name)?, &[n])?;
            ours.await_relayed(sent)?;
        }
        filter.take(20, DEADLINE)?;
        let stats = ours.stats()?;
        ensure!((stats.refused, stats.refused_for_clock) == (0, 0), "{stats:?}");
        ours.ensure_never_lost(&[link.peer])?;
        ours.stop()?;
    }
    Ok(())
}

/// Direct messages both ways, after each was told to trust the other.
pub(super) fn direct_with_statusd() -> Result<()> {
    for (setup, by) in [(Setup::WHISPER, Protocol::Whisper), (Setup::waku(Waku::Full), Protocol::Waku)] {
        let name = "direct-with-statusd";
        let statusd = Statusd::start(setup)?;
        let ours = speaking(Role::Client, Protocols::BOTH)?;
        let link = ours.dial(&statusd.enode)?;
        let key = *statusd.enode.key();
        ours.await_wishes(&key, by, |_| true)?;
        ours.listen(&public(name)?)?;
        let (api, maker) = (statusd.by(by), Maker::new()?);
        let filter = api.filter(name)?;
        let there = until(DEADLINE, || api.trust(&ours.enode()).is_ok());
        ensure!(there, "{:?}", api.trust(&ours.enode()));
        let old = Times { sent: -600, ttl: 10 };
        let envelopes = [b"one", b"two"].map(|text| maker.make(name, text, old, Work::Unpaid));
        let envelopes = envelopes.into_iter().collect::<Result<Vec<_>>>()?;
        ours.send_direct(&key, envelopes)?;
        let mut shown: Vec<_> = filter.take(2, DEADLINE)?.into_iter().map(|shown| shown.payload).collect();
        shown.sort();
        ensure!(shown == [b"one".to_vec(), b"two".to_vec()], "{by:?}: it shows {shown:?}");

        ours.trust(&key, true)?;
        let (sig, author) = api.key_pair()?;
        let with = json!({"powTarget": 0, "ttl": 60, "targetPeer": ours.enode().to_string()});
        let hash = api.post(name, &sig, b"for us alone", with)?;
        let received = ours.await_message(&hash)?;
        ensure!(received.payload == b"for us alone" && received.author == author.public(), "{received:?}");
        ensure!(ours.stats()?.accepted == 0, "it went through the pool: {:?}", ours.stats());
        ours.ensure_never_lost(&[link.peer])?;
        ours.stop()?;
    }
    Ok(())
}

/// Two of ours that know a stock relay alone hear each other, over Whisper and over Waku.
pub(super) fn statusd_between_two_of_ours() -> Result<()> {
    for setup in [Setup::WHISPER, Setup::waku(Waku::Full)] {
        let name = "through-statusd";
        let route = public(name)?;
        let statusd = Statusd::start(setup)?;
        let mut people = [speaking(Role::Client, Protocols::BOTH)?, speaking(Role::Client, Protocols::BOTH)?];
        let mut links = Vec::new();
        for ours in &people {
            links.push(ours.dial(&statusd.enode)?.peer);
            ours.listen(&route)?;
        }
        let [a, b] = &mut people;
        heard_by(a, b, &route)?;
        heard_by(b, a, &route)?;
        for (ours, link) in people.into_iter().zip(links) {
            ours.await_received(1, DEADLINE)?;
            ensure!(ours.stats()?.duplicates == 0, "{:?}", ours.stats());
            ours.ensure_never_lost(&[link])?;
            ours.stop()?;
        }
    }
    Ok(())
}

fn heard_by(from: &mut Ours, to: &Ours, route: &Route) -> Result<()> {
    let sent = from.send(route, b"through a relay")?;
    let envelope = from.await_relayed(sent)?;
    let received = to.await_message(&envelope.hash().to_string())?;
    ensure!(received.author == from.public(), "{received:?}");
    Ok(())
}

/// A geth of Whisper alone and a status-go of Waku alone know our node alone: what one says the other hears, once.
pub(super) fn geth_and_statusd_meet_through_us() -> Result<()> {
    ensure!(crate::geth::program().is_some(), "{} is not set", crate::geth::VARIABLE);
    let name = "across-the-bridge";
    let (geth, statusd) = (Geth::start(Some(0.002))?, Statusd::start(Setup::waku(Waku::Full))?);
    let ours = speaking(Role::Relay, Protocols::BOTH)?;
    let links = [ours.dial(&geth.enode)?.peer, ours.dial(&statusd.enode)?.peer];
    ours.await_wishes(geth.enode.key(), Protocol::Whisper, |_| true)?;
    ours.await_wishes(statusd.enode.key(), Protocol::Waku, |_| true)?;
    let api = statusd.by(Protocol::Waku);
    let (key, topic) = (geth.topic_key(name)?, Topic::of(name));
    let ((geth_sig, geth_author), (sig, author)) = (geth.key_pair()?, api.key_pair()?);
    let at_statusd = api.filter(name)?;
    let at_geth = geth.filter(("symKeyID", &key), topic, &author.public())?;
    for n in 0..10_u8 {
        let hash = geth.post(json!({
            "symKeyID": key, "sig": geth_sig, "topic": topic.to_string(), "ttl": 60, "powTarget": 0.002,
            "powTime": 5, "payload": hex(&[n]),
        }))?;
        let shown = at_statusd.take(1, DEADLINE)?;
        let shown = shown.first().context("message")?;
        ensure!(shown.hash == hash && shown.author == Some(geth_author.public()), "{shown:?}");
        let hash = api.say(name, &sig, &[n])?;
        let messages = at_geth.take(1, DEADLINE)?;
        ensure!(messages.first().context("message")?["hash"] == json!(hash), "{messages:?}");
        // Its own filter shows it its own.
        at_statusd.take(1, DEADLINE)?;
    }
    let more = (at_statusd.poll()?.len(), at_geth.poll()?.len());
    ensure!(more == (0, 0), "more came: {more:?}");
    let stats = ours.stats()?;
    ensure!((stats.accepted, stats.relayed, stats.duplicates) == (20, 20, 0), "{stats:?}");
    ours.ensure_never_lost(&links)?;
    ours.stop()
}
