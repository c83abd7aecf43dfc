//! Who is good company, who is not, and who is let go for another.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Duration;

use undertone_base::{FaultClass, Mono, Now, Severity};
use undertone_devp2p::DisconnectReason;

use crate::address::{Reach, host};
use crate::bans::Cause;
use crate::config::{BanTarget, Event, LinkId};
use crate::id::Id;
use crate::limits::{
    BAN_POINTS, BAN_TIME, ENVELOPE_POINTS, FATAL_POINTS, IDLE, MILD_CEILING, MILD_POINTS, PONG_POINTS,
    PROTECTED_OLD, PROTECTED_USEFUL, SERIOUS_POINTS, SHUNNED_PAUSE, YOUNG,
};

use super::{Class, Link, Live, Peers, ip_of};

impl Peers {
    /// The peer delivered this many valid envelopes that nobody had delivered before.
    pub fn useful(&mut self, now: Now, link: LinkId, new_envelopes: u32) {
        let Some(live) = self.live_mut(link) else { return };
        live.usefulness.add(now.mono, u64::from(new_envelopes).saturating_mul(ENVELOPE_POINTS));
        live.envelopes = live.envelopes.saturating_add(new_envelopes);
        if new_envelopes > 0 {
            live.last_new = now.mono;
            self.last_new = Some(now.mono);
        }
    }

    /// The peer answered a ping.
    pub fn answered(&mut self, now: Now, link: LinkId, rtt: Duration) {
        let Some(live) = self.live_mut(link) else { return };
        live.usefulness.add(now.mono, PONG_POINTS);
        live.rtt = Some(rtt);
    }

    /// The peer did something wrong that does not end the link. Only faults of class `Peer` count.
    pub fn fault(&mut self, now: Now, link: LinkId, fault: FaultClass) {
        if let Some(link) = self.links.get(&link).cloned() {
            self.charge(now, &link, fault);
        }
    }

    fn live_mut(&mut self, link: LinkId) -> Option<&mut Live> {
        self.links.get_mut(&link)?.live.as_mut()
    }

    /// Counts a fault against a key that was proved, and by half against the address; against the address alone
    /// when the peer came to us and proved nothing. A failed handshake of a node that we dialled counts against nobody:
    /// whoever named it may have lied about who is there.
    pub(super) fn charge(&mut self, now: Now, link: &Link, fault: FaultClass) {
        let FaultClass::Peer(fault) = fault else { return };
        let proved = link.live.is_some();
        if proved {
            let known = self.key_faults.points(now.mono, &link.id);
            let sum = self.key_faults.add(now.mono, link.id, cost(fault.severity, known));
            if sum >= BAN_POINTS && !self.is_exempt(&link.id) {
                self.ban_for_faults(now, BanTarget::Key(link.key));
            }
        }
        let ip = link.address.ip();
        if Reach::of(ip) != Reach::Remote || (link.is_dialled() && !proved) {
            return;
        }
        let known = self.host_faults.points(now.mono, &host(ip));
        let sum = self.host_faults.add(now.mono, host(ip), cost(fault.severity, known) / 2);
        if sum >= BAN_POINTS && !self.has_friend_at(ip) {
            self.ban_for_faults(now, BanTarget::Ip(host(ip)));
        }
    }

    /// Whether a static or trusted peer is at this address: it must not be kept out for what its neighbours do.
    fn has_friend_at(&self, ip: IpAddr) -> bool {
        let there = |other: IpAddr| host(other) == host(ip);
        let fixed = self.statics.values().any(|fixed| {
            ip_of(&fixed.enode).is_some_and(there)
                || fixed.resolved.as_ref().and_then(ip_of).is_some_and(there)
        });
        fixed || self.lives().any(|(_, link, live)| live.class == Class::Exempt && there(link.address.ip()))
    }

    fn ban_for_faults(&mut self, now: Now, target: BanTarget) {
        let until = now.mono.after(BAN_TIME);
        self.forgive(target);
        self.events.push_back(Event::Banned { target, until });
        self.keep_out(now.mono, target, Some(until), Cause::Faults);
    }

    /// Lets one peer of each kind go if all places of its kind are taken and somebody else would take it.
    pub(super) fn rotate(&mut self, now: Mono) {
        let turned_away = std::mem::take(&mut self.turned_away);
        let is_full = |class| {
            let taken = self.taken(class);
            taken > 0 && (taken >= self.limit(class) || self.live.len() >= self.config.max_peers)
        };
        let dynamic = is_full(Class::Dynamic) && self.has_substitute(now);
        let inbound = is_full(Class::Inbound) && turned_away;
        for (class, wanted) in [(Class::Dynamic, dynamic), (Class::Inbound, inbound)] {
            let Some((link, id)) = self.least_useful(now, class).filter(|_| wanted) else { continue };
            self.rotated = self.rotated.saturating_add(1);
            self.recent.shun(now, id, SHUNNED_PAUSE);
            self.leave(link, DisconnectReason::TOO_MANY_PEERS);
        }
    }

    /// Whether a peer brings nothing new although there is something new.
    pub(super) fn is_idle(&self, now: Mono, live: &Live) -> bool {
        let others = self.last_new.is_some_and(|at| now.since(at) < IDLE);
        others && now.since(live.last_new) >= IDLE && !live.leaving
    }

    /// The oldest of those that we chose to dial while nobody has ever brought anything: it may be quiet, or all of them
    /// hold everything back. Not one of the quarter that is the oldest, nor one that is young.
    fn silent(&self, now: Mono) -> Option<(LinkId, Id)> {
        if self.last_new.is_some() {
            return None;
        }
        let mut links: Vec<_> = self.lives().filter(|(_, _, live)| live.class == Class::Dynamic).collect();
        links.sort_by_key(|(id, _, live)| (live.since.mono, *id));
        let skipped = links.len().div_ceil(PROTECTED_OLD);
        let grown = |live: &Live| live.age(now) >= YOUNG && !live.leaving;
        links.iter().skip(skipped).find(|(_, _, live)| grown(live)).map(|(id, link, _)| (*id, link.id))
    }

    /// Lets one peer that we chose to dial go if it is idle, all their places are taken, and another could be dialled.
    /// Neither age nor former merit protects it: whoever was there first may be whoever lied first.
    pub(super) fn rotate_idle(&mut self, now: Mono) {
        let taken = self.taken(Class::Dynamic);
        let full = taken >= self.limit(Class::Dynamic) || self.live.len() >= self.config.max_peers;
        if taken == 0 || !full || !self.has_substitute(now) {
            return;
        }
        let idle =
            self.lives().filter(|(_, _, live)| live.class == Class::Dynamic && self.is_idle(now, live));
        let idle = idle.min_by_key(|(id, _, live)| (live.last_new, *id)).map(|(id, link, _)| (id, link.id));
        let Some((link, id)) = idle.or_else(|| self.silent(now)) else { return };
        self.rotated = self.rotated.saturating_add(1);
        self.recent.shun(now, id, SHUNNED_PAUSE);
        self.leave(link, DisconnectReason::TOO_MANY_PEERS);
    }

    /// The least useful link of a kind that may be let go. Protected are the better half of those that were of any use,
    /// a quarter of the dialled ones that are the oldest, and all that are young. Of equals the youngest goes.
    fn least_useful(&self, now: Mono, class: Class) -> Option<(LinkId, Id)> {
        let mut links: Vec<_> = self.lives().filter(|(_, _, live)| live.class == class).collect();
        let count = links.len();
        if class == Class::Dynamic {
            links.sort_by_key(|(_, _, live)| live.since.mono);
            links.drain(..count.div_ceil(PROTECTED_OLD).min(count));
        }
        links.sort_by_key(|(_, _, live)| Reverse(live.usefulness.points(now)));
        let useful = links.iter().filter(|(_, _, live)| live.usefulness.points(now) > 0).count();
        links.drain(..useful.min(links.len().div_ceil(PROTECTED_USEFUL)));
        let worth = |link: &Link, live: &Live| {
            let signed = |points: u64| i64::try_from(points).unwrap_or(i64::MAX);
            let faults = self.key_faults.points(now, &link.id);
            signed(live.usefulness.points(now)).saturating_sub(signed(faults))
        };
        let grown = links.into_iter().filter(|(_, _, live)| live.age(now) >= YOUNG && !live.leaving);
        grown
            .min_by_key(|(_, link, live)| (worth(link, live), Reverse(live.since.mono)))
            .map(|(id, link, _)| (id, link.id))
    }
}

/// Points of a fault for somebody who has `known` already.
fn cost(severity: Severity, known: u64) -> u64 {
    match severity {
        Severity::Mild => MILD_POINTS.min(MILD_CEILING.saturating_sub(known)),
        Severity::Serious => SERIOUS_POINTS,
        Severity::Fatal => FATAL_POINTS,
    }
}
