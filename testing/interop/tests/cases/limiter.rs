//! A statusd with its rate limiter on: it counts every packet that it gets, and we keep to what it announced.

use std::time::Duration;

use anyhow::{Result, ensure};
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::wire::PacketCode;
use undertone_whisper::{Pow, Protocol, Protocols, RateLimits, WakuVersion};

use super::bad::raw;
use crate::ours::Ours;
use crate::statusd::{Limiter, Setup, Statusd, Waku};
use crate::wire::Wire;
use crate::{DEADLINE, public};

/// Packets in a second. Its buckets are filled by whole packets every tenth of a second, so with any other number it takes
/// more or fewer than it says.
const LIMIT: Limiter = Limiter { packets: 10, bytes: 100_000, tolerance: TOLERANCE };

/// So many packets above the limit cost the link. Its buckets hold what we may send in a second to the packet, and are
/// filled by a tick: where the machine is busy, one of ours comes before the tick that it is paid by. Whoever does not
/// count confirmations is dropped all the same.
const TOLERANCE: u32 = 5;

/// Messages in each direction, a good deal more than a second's packets.
const COUNT: usize = 60;

/// For all of them: at the limit it is some ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// By Whisper, where each packet is confirmed, ours and theirs. Somebody who does not keep to the limit is dropped there.
pub(super) fn statusd_limits_whisper() -> Result<()> {
    let statusd = both_talk(Setup::WHISPER, Protocol::Whisper, WakuVersion::V1)?;
    let hasty = Wire::start(Pow::STATUS_LARGE)?;
    hasty.dial(&statusd.enode);
    hasty.await_status(|_| true)?;
    for _ in 0..2 * LIMIT.packets {
        // Lists of no envelope.
        if raw(&hasty, PacketCode::MESSAGES.0, vec![0xc0]).is_err() {
            break;
        }
    }
    // What it says as it goes may be lost, as we still write.
    ensure!(until(DEADLINE, || !hasty.ends().is_empty()), "statusd bears whoever is hasty");
    hasty.stop()
}

/// By both versions of Waku, which confirm nothing; v1 limits bytes too.
pub(super) fn statusd_limits_waku() -> Result<()> {
    for version in [WakuVersion::V0, WakuVersion::V1] {
        both_talk(Setup::waku(Waku::Full), Protocol::Waku, version)?;
    }
    Ok(())
}

/// Both say as much as they can at once. All of it arrives, and the link stays.
fn both_talk(setup: Setup, by: Protocol, version: WakuVersion) -> Result<Statusd> {
    let name = "within-the-limit";
    let statusd = Statusd::start(Setup { limiter: Some(LIMIT), ..setup })?;
    let mut ours = Ours::with(Role::Client, |config| {
        config.protocols = Protocols::BOTH;
        config.waku_versions = vec![version];
    })?;
    let link = ours.dial(&statusd.enode)?;
    let wishes = ours.await_wishes(statusd.enode.key(), by, |_| true)?;
    let packets = u64::from(LIMIT.packets);
    let announced = RateLimits { ip: packets, peer: packets, topic: 0 };
    ensure!(wishes.packet_limits == announced, "{by:?}: {wishes:?}");
    let (api, route) = (statusd.by(by), public(name)?);
    let filter = api.filter(name)?;
    ours.listen(&route)?;
    let (sig, _) = api.key_pair()?;
    for number in 0..COUNT {
        api.say(name, &sig, format!("theirs {number}").as_bytes())?;
        // Alone in its packet, as far as the limit lets it.
        let sent = ours.send(&route, format!("ours {number}").as_bytes())?;
        ours.await_relayed(sent)?;
    }
    // Its own filter shows it its own.
    filter.take(2 * COUNT, PATIENCE)?;
    ours.await_received(COUNT, PATIENCE)?;

    // What came after would have come by now, and so would the end.
    let last = ours.send(&route, b"the last")?;
    ours.await_relayed(last)?;
    filter.take(1, DEADLINE)?;
    let stats = ours.stats()?;
    ensure!((stats.refused, stats.duplicates) == (0, 0), "{by:?}: {stats:?}");
    ours.ensure_never_lost(&[link.peer])?;
    ours.stop()?;
    Ok(statusd)
}
