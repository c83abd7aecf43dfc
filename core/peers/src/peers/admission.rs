//! Who is let in.

use std::net::{IpAddr, SocketAddr};

use undertone_base::{FaultClass, Now};
use undertone_crypto::PublicKey;
use undertone_devp2p::{DisconnectReason, Endpoint, Enode, Host};

use crate::address::Subnet;
use crate::config::{DialKind, Direction, Ending, LinkId, Refusal};
use crate::decay::Fading;
use crate::id::Id;
use crate::limits::{
    DYNAMIC_PER_NARROW, INBOUND_PER_NARROW, MAKE_WAY_EVERY, MAX_UNPROVED, SETTLED, SHUNNED_PAUSE,
    USEFULNESS_HALF_LIFE, WIDE_SHARE,
};

use super::{Class, Link, Live, Peers};

/// Whether there is a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Room {
    Free,
    /// All places of this kind are taken.
    Full,
    /// Those that its subnet may take are.
    Subnet,
}

impl Peers {
    /// An inbound TCP connection, before any cryptography. On `Ok` the caller must say [`Peers::accept_over`] once, when
    /// the handshake has ended either way.
    ///
    /// # Errors
    /// [`Refusal`], in the order of its checks: banned, restricted, busy, throttled. A refused one does not count
    /// for the throttle.
    pub fn accept(&mut self, now: Now, from: IpAddr) -> Result<(), Refusal> {
        let refusal = if self.bans.has_ip(now.mono, from) {
            Some(Refusal::Banned)
        } else if !self.is_unrestricted(from) {
            Some(Refusal::Restricted)
        } else if self.pending.is_full() {
            Some(Refusal::Busy)
        } else if self.pending.is_full_for(from) {
            Some(Refusal::BusySource)
        } else if !self.throttle.admit(from, now.mono) {
            Some(Refusal::Throttled)
        } else {
            None
        };
        match refusal {
            Some(refusal) => {
                self.refused = self.refused.saturating_add(1);
                Err(refusal)
            }
            None => {
                self.pending.begin(from);
                Ok(())
            }
        }
    }

    /// The handshake of a connection that was accepted is over: established, refused or failed.
    pub fn accept_over(&mut self, from: IpAddr) {
        self.pending.end(from);
    }

    /// Whether another handshake may begin: while not, connections are better left in the backlog of the system.
    pub const fn has_room(&self) -> bool {
        !self.pending.is_full()
    }

    /// Whether this address may be connected to: neither banned nor restricted. For what a name resolves to.
    pub fn allows(&self, now: Now, ip: IpAddr) -> bool {
        self.is_unrestricted(ip) && !self.bans.has_ip(now.mono, ip)
    }

    pub(super) fn is_unrestricted(&self, ip: IpAddr) -> bool {
        let nets = &self.config.restrict;
        nets.is_empty() || nets.iter().any(|net| net.contains(ip))
    }

    /// The handshake has named a key (`devp2p.md` 7.2). A link without Hello takes no place: an auth packet can be
    /// replayed by anyone, and must neither take a place nor keep its true sender out.
    ///
    /// # Errors
    /// The reason to send: useless peer (banned or restricted), too many peers, already connected, self; for a dial
    /// that nobody wants any more, requested.
    pub fn admit(
        &mut self,
        now: Now,
        key: PublicKey,
        address: SocketAddr,
        direction: Direction,
    ) -> Result<LinkId, DisconnectReason> {
        let link = Link { key, id: Id::of(&key), address, direction, live: None };
        let admitted = self.may_enter(now, &link, true);
        if let Err(reason) = admitted {
            self.refused = self.refused.saturating_add(1);
            return Err(reason);
        }
        let link_id = LinkId(self.next_link);
        self.next_link = self.next_link.saturating_add(1);
        self.links.insert(link_id, link);
        Ok(link_id)
    }

    /// Both Hellos are there: the key is proved. The link that is returned was of the same key, counts no more, and is to
    /// be closed with [`DisconnectReason::ALREADY_CONNECTED`].
    ///
    /// Two nodes that dial each other at once could each refuse the link that the other keeps, and none would be left.
    /// So the link that the larger key dialled takes the other's place, as both sides can tell.
    ///
    /// DEVIATION: geth has no tie-break (`devp2p.md` 7.3); towards it a pause with jitter does what this cannot. Test:
    /// `of_two_links_at_once_both_sides_keep_the_same`.
    ///
    /// # Errors
    /// The reason to send, as of [`Peers::admit`]; then [`Peers::closed`] as always.
    pub fn establish(&mut self, now: Now, link_id: LinkId) -> Result<Option<LinkId>, DisconnectReason> {
        let placed = self.place(now, link_id);
        match placed {
            Err(_) => self.refused = self.refused.saturating_add(1),
            Ok(_) => {
                self.remember_at.get_or_insert(now.mono.after(SETTLED));
                self.ask_for_more();
            }
        }
        placed
    }

    fn place(&mut self, now: Now, link_id: LinkId) -> Result<Option<LinkId>, DisconnectReason> {
        let Some(link) = self.links.get(&link_id).filter(|link| link.live.is_none()).cloned() else {
            return Err(DisconnectReason::REQUESTED);
        };
        let rival = self.live.get(&link.id).copied();
        let (class, subnet) = match rival.and_then(|rival| self.links.get(&rival)) {
            Some(known) => {
                self.may_stay(now, &link)?;
                let live = known.live.as_ref().ok_or(DisconnectReason::ALREADY_CONNECTED)?;
                let ours_stays = self.own > link.id;
                if known.is_dialled() == link.is_dialled() || ours_stays != link.is_dialled() || live.leaving
                {
                    return Err(DisconnectReason::ALREADY_CONNECTED);
                }
                // It takes over the other's place, whatever its own would be: no limit can be passed this way.
                (live.class, live.subnet)
            }
            None => {
                let subnet = Subnet::of(link.address.ip());
                let class = self.may_enter(now, &link, false)?;
                if self.room(class, subnet, None) != Room::Free {
                    self.make_way(now, subnet);
                }
                (class, subnet)
            }
        };
        let listening = self.listening(&link);
        let live = Live {
            since: now,
            class,
            subnet,
            usefulness: Fading::new(now.mono, USEFULNESS_HALF_LIFE),
            rtt: None,
            leaving: false,
            listening,
            noted: now.mono,
            envelopes: 0,
            last_new: now.mono,
        };
        if let Some(known) = rival.and_then(|rival| self.links.get_mut(&rival)) {
            known.live = None;
        }
        if let Direction::Dialled(dial) = link.direction
            && let Some(dial) = self.dials.get_mut(&dial)
        {
            dial.established = true;
        }
        self.live.insert(link.id, link_id);
        if let Some(link) = self.links.get_mut(&link_id) {
            link.live = Some(live);
        }
        Ok(rival)
    }

    /// Whether the peer may have a link at all.
    fn may_stay(&self, now: Now, link: &Link) -> Result<(), DisconnectReason> {
        if self.bans.has_key(now.mono, &link.id) || !self.allows(now, link.address.ip()) {
            return Err(DisconnectReason::USELESS_PEER);
        }
        if let Direction::Dialled(dial) = link.direction {
            let dial =
                self.dials.get(&dial).filter(|dial| !dial.cancelled).ok_or(DisconnectReason::REQUESTED)?;
            if dial.id != link.id {
                return Err(DisconnectReason::UNEXPECTED_IDENTITY);
            }
        }
        Ok(())
    }

    /// Whether the peer may have this link, and in whose place. In the order of `devp2p.md` 7.2.
    fn may_enter(&mut self, now: Now, link: &Link, first: bool) -> Result<Class, DisconnectReason> {
        self.may_stay(now, link)?;
        let class = self.class_of(link);
        let subnet = Subnet::of(link.address.ip());
        match self.room(class, subnet, None) {
            Room::Free => {}
            Room::Full if class == Class::Inbound && self.would_make_way(now, subnet).is_some() => {}
            full => {
                self.turned_away |= full == Room::Full && class == Class::Inbound;
                return Err(DisconnectReason::TOO_MANY_PEERS);
            }
        }
        if first && self.links.len().saturating_sub(self.live.len()) >= MAX_UNPROVED {
            return Err(DisconnectReason::TOO_MANY_PEERS);
        }
        if self.live.contains_key(&link.id) {
            return Err(DisconnectReason::ALREADY_CONNECTED);
        }
        if link.id == self.own {
            return Err(DisconnectReason::SELF);
        }
        Ok(class)
    }

    /// The inbound peer that would make way for a newcomer from this subnet: the one that is idle for longest. None while
    /// one did so lately, or where another would be one of its subnet too many.
    fn would_make_way(&self, now: Now, subnet: Option<Subnet>) -> Option<LinkId> {
        if now.mono < self.make_way_from {
            return None;
        }
        let idle =
            self.lives().filter(|(_, _, live)| live.class == Class::Inbound && self.is_idle(now.mono, live));
        let (link, ..) = idle.min_by_key(|(id, _, live)| (live.last_new, *id))?;
        (self.room(Class::Inbound, subnet, Some(link)) == Room::Free).then_some(link)
    }

    /// An idle inbound peer goes, and counts no more.
    fn make_way(&mut self, now: Now, subnet: Option<Subnet>) {
        let Some(link_id) = self.would_make_way(now, subnet) else { return };
        self.make_way_from = now.mono.after(MAKE_WAY_EVERY);
        self.rotated = self.rotated.saturating_add(1);
        self.note(now, link_id);
        self.leave(link_id, DisconnectReason::TOO_MANY_PEERS);
        if let Some(link) = self.links.get_mut(&link_id) {
            link.live = None;
            let id = link.id;
            self.live.remove(&id);
            self.recent.shun(now.mono, id, SHUNNED_PAUSE);
        }
    }

    /// DEVIATION: geth lets static peers pass its limits only on links that it dialled itself (`devp2p.md` 7.2); here also
    /// when they come. Test: `trusted_and_static_peers_are_let_in_whatever_is_full`.
    fn class_of(&self, link: &Link) -> Class {
        let by_static = |dial| self.dials.get(dial).is_some_and(|dial| dial.kind == DialKind::Static);
        match &link.direction {
            _ if self.is_exempt(&link.id) => Class::Exempt,
            Direction::Dialled(dial) if by_static(dial) => Class::Exempt,
            Direction::Dialled(_) => Class::Dynamic,
            Direction::Inbound => Class::Inbound,
        }
    }

    fn room(&self, class: Class, subnet: Option<Subnet>, except: Option<LinkId>) -> Room {
        if class == Class::Exempt {
            return Room::Free;
        }
        let others = || self.lives().filter(|(id, ..)| Some(*id) != except);
        let rivals = || others().filter(|(_, _, live)| live.class == class);
        if others().count() >= self.config.max_peers || rivals().count() >= self.limit(class) {
            return Room::Full;
        }
        let Some(subnet) = subnet else { return Room::Free };
        let subnets = rivals().filter_map(|(_, _, live)| live.subnet);
        if self.has_subnet_room(class, subnet, subnets) { Room::Free } else { Room::Subnet }
    }

    /// Whether one more of a subnet fits beside these.
    pub(super) fn has_subnet_room(
        &self,
        class: Class,
        subnet: Subnet,
        others: impl Iterator<Item = Subnet>,
    ) -> bool {
        let narrow_limit = match class {
            Class::Dynamic => DYNAMIC_PER_NARROW,
            Class::Exempt => usize::MAX,
            Class::Inbound => INBOUND_PER_NARROW,
        };
        let wide_limit = (self.limit(class) / WIDE_SHARE).max(narrow_limit);
        let (mut narrow, mut wide) = (0_usize, 0_usize);
        for other in others {
            narrow = narrow.saturating_add(usize::from(other.narrow == subnet.narrow));
            wide = wide.saturating_add(usize::from(other.wide == subnet.wide));
        }
        narrow < narrow_limit && wide < wide_limit
    }

    /// Where the peer listens: where we dialled it, or where it was said to when it comes from there.
    fn listening(&self, link: &Link) -> Option<Enode> {
        let ip = link.address.ip().to_canonical();
        if let Direction::Dialled(dial) = link.direction {
            let udp = self.dials.get(&dial)?.enode.endpoint().map_or(0, |endpoint| endpoint.udp);
            let endpoint = Endpoint { host: Host::Ip(ip), tcp: link.address.port(), udp };
            return Some(Enode::new(link.key, endpoint));
        }
        let candidate = self.candidates.get(&link.id).filter(|candidate| candidate.ip == ip);
        candidate
            .map(|candidate| candidate.enode.clone())
            .or_else(|| self.memory.listening(&link.id, link.address))
    }

    /// A link that was admitted is over. Unknown links are ignored.
    pub fn closed(&mut self, now: Now, link_id: LinkId, ending: Ending) {
        let Some(link) = self.links.get_mut(&link_id) else { return };
        if let Some(live) = &mut link.live {
            // It need not be told.
            live.leaving = true;
        }
        let link = link.clone();
        match ending {
            Ending::Fault(fault) => self.charge(now, &link, fault),
            Ending::Broken | Ending::Clean | Ending::Refused(_) => {}
        }
        self.note(now, link_id);
        if is_useless(ending) && !self.is_exempt(&link.id) {
            self.candidates.retain(|id, _| *id != link.id);
            self.memory.forget(&link.id);
            self.recent.shun(now.mono, link.id, SHUNNED_PAUSE);
        }
        self.links.remove(&link_id);
        if self.live.get(&link.id) == Some(&link_id) {
            self.live.remove(&link.id);
            if self.live.is_empty() {
                self.lonely_since = now.mono;
            }
            self.remember_at.get_or_insert(now.mono.after(SETTLED));
        }
        self.ask_for_more();
    }

    /// Gives a live link the place that its key deserves now. Without one it has to go.
    pub(super) fn place_again(&mut self, link_id: LinkId) {
        let Some(link) = self.links.get(&link_id) else { return };
        let Some(live) = &link.live else { return };
        let class = match link.direction {
            _ if self.is_exempt(&link.id) => Class::Exempt,
            _ if live.class != Class::Exempt => live.class,
            Direction::Dialled(_) => Class::Dynamic,
            Direction::Inbound => Class::Inbound,
        };
        if class == live.class {
            return;
        }
        let subnet = Subnet::of(link.address.ip());
        if self.room(class, subnet, Some(link_id)) != Room::Free {
            self.leave(link_id, DisconnectReason::TOO_MANY_PEERS);
        } else if let Some(live) = self.links.get_mut(&link_id).and_then(|link| link.live.as_mut()) {
            live.class = class;
            live.subnet = subnet;
        }
        self.ask_for_more();
    }
}

/// Whether the link ended because the two have nothing to say to each other, which will be so again next time.
fn is_useless(ending: Ending) -> bool {
    let reason = match ending {
        Ending::Refused(reason) => reason,
        Ending::Fault(FaultClass::Peer(fault)) => match fault.disconnect {
            Some(reason) => DisconnectReason::from_wire(u64::from(reason)),
            None => return false,
        },
        Ending::Broken | Ending::Clean | Ending::Fault(_) => return false,
    };
    [DisconnectReason::USELESS_PEER, DisconnectReason::INCOMPATIBLE_VERSION, DisconnectReason::SELF]
        .contains(&reason)
}
