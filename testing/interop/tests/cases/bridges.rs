//! Two bridges on one link: a statusd whose protocols give each other what they take, beside our node, which does the same.

use anyhow::{Context, Result, ensure};
use undertone_node::Role;
use undertone_transport::Route;
use undertone_whisper::{Protocol, Protocols};

use super::statusd::speaking;
use crate::ours::Ours;
use crate::statusd::{Filter, Setup, Statusd};
use crate::{DEADLINE, public};

/// Messages in each direction.
const COUNT: u64 = 10;

/// One of ours speaks Whisper alone and knows our bridge alone, another one Waku alone and statusd alone. Each hears the
/// other, once. statusd gives us by one protocol what we gave it by the other; we give nobody anything twice.
pub(super) fn statusd_bridges_beside_us() -> Result<()> {
    let name = "two-bridges";
    let route = public(name)?;
    let statusd = Statusd::start(Setup { bridge: true, ..Setup::BOTH })?;
    let ours = speaking(Role::Relay, Protocols::BOTH)?;
    let mut shh = speaking(Role::Client, Protocols::WHISPER)?;
    let mut waku = speaking(Role::Client, Protocols::WAKU)?;
    let to_statusd = ours.dial(&statusd.enode)?.peer;
    for by in [Protocol::Whisper, Protocol::Waku] {
        ours.await_wishes(statusd.enode.key(), by, |_| true)?;
    }
    let from_shh = shh.dial(&ours.enode())?.peer;
    let from_waku = waku.dial(&statusd.enode)?.peer;
    shh.await_wishes(ours.enode().key(), Protocol::Whisper, |_| true)?;
    waku.await_wishes(statusd.enode.key(), Protocol::Waku, |_| true)?;
    ours.await_peers(2)?;
    for person in [&shh, &waku] {
        person.listen(&route)?;
    }
    let filters = [statusd.by(Protocol::Whisper).filter(name)?, statusd.by(Protocol::Waku).filter(name)?];

    for round in 0..COUNT {
        crosses(&mut shh, &waku, &route, &filters)?;
        crosses(&mut waku, &shh, &route, &filters)?;
        // Each goes on once, to the only one that does not have it; what statusd gives back is no more than all.
        let stats = ours.stats()?;
        ensure!((stats.accepted, stats.relayed) == (2 * (round + 1), 2 * (round + 1)), "{stats:?}");
        ensure!(stats.duplicates <= 2 * (round + 1), "{stats:?}");
    }
    for filter in &filters {
        ensure!(filter.poll()?.is_empty(), "statusd got something twice");
    }
    let count = usize::try_from(COUNT)?;
    for (person, link) in [(shh, from_shh), (waku, from_waku)] {
        person.await_received(count, DEADLINE)?;
        ensure!(person.stats()?.duplicates == 0, "{:?}", person.stats());
        person.ensure_never_lost(&[link])?;
        person.stop()?;
    }
    let there = ours.peers().iter().any(|peer| peer.peer == to_statusd);
    ensure!(there, "{:?}", ours.peers());
    ours.stop()
}

/// One says something: the other hears it, and statusd shows it by both protocols.
fn crosses(from: &mut Ours, to: &Ours, route: &Route, filters: &[Filter<'_>; 2]) -> Result<()> {
    let sent = from.send(route, b"across two bridges")?;
    let hash = from.await_relayed(sent)?.hash().to_string();
    let heard = to.await_message(&hash)?;
    ensure!(heard.author == from.public(), "{heard:?}");
    for filter in filters {
        let shown = filter.take(1, DEADLINE)?;
        ensure!(shown.first().context("message")?.hash == hash, "{shown:?}");
    }
    Ok(())
}
