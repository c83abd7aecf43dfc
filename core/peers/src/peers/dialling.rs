//! Who is dialled, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rand_core::CryptoRng;
use undertone_base::{Mono, Now};
use undertone_devp2p::discv4::check_relay;
use undertone_devp2p::{Endpoint, Enode};

use crate::address::{Reach, Subnet};
use crate::candidates::Candidate;
use crate::config::{Attempt, Dial, DialId, DialKind, DialOutcome, Event, Source};
use crate::id::Id;
use crate::limits::{
    BACKOFF_REMOTE, BOOT_AT_ONCE, LONELY, MAX_DIALS, RESERVED_DIALS, RESOLVE_LONGEST, SETTLED,
};

use super::{Active, Class, Peers, Static, ip_of};

/// What is already taken when somebody to dial is chosen; made once per choice.
pub(super) struct Taken {
    /// Keys whose attempt is not over, though it may be a link by now.
    pub(super) keys: BTreeSet<Id>,
    /// Subnets in which somebody has or may soon have a place for peers that we choose.
    subnets: Vec<Subnet>,
    /// Attempts that are under way: of static peers, of boot nodes, and of all that are of our own choice.
    statics: usize,
    boots: usize,
    chosen: usize,
    /// From when on one more of our own choice may be under way; `None` while all places are taken.
    choose_from: Option<Mono>,
}

impl Peers {
    /// A node was found. Says whether it is among the candidates now. Refused are: names, port 0, addresses of special
    /// networks, restricted, banned and useless nodes, static peers, this node, and whatever there is no room for; all
    /// of them if nobody is dialled by our own choice.
    pub fn found(&mut self, now: Now, enode: Enode, source: Source) -> bool {
        let id = Id::of(enode.key());
        let Some(ip) = ip_of(&enode) else { return false };
        // Whoever discovers has judged whether its teller may name a private address; here the teller is unknown.
        let believable = check_relay(Ipv4Addr::LOCALHOST.into(), ip).is_ok();
        let wanted = self.limit(Class::Dynamic) > 0 && self.can_be_dialled(&enode) && believable;
        let barred = self.bans.has_key(now.mono, &id)
            || self.bans.has_ip(now.mono, ip)
            || self.recent.is_shunned(now.mono, &id)
            || self.statics.contains_key(&id);
        let taken = wanted && !barred && self.candidates.add(now.mono, enode, ip, source);
        self.ask_for_more();
        taken
    }

    /// Whether a node can be dialled as far as one can see: not this node, with a TCP port, not restricted.
    pub(super) fn can_be_dialled(&self, enode: &Enode) -> bool {
        let has_port = matches!(enode.endpoint(), Some(Endpoint { tcp: 1.., .. }));
        has_port && Id::of(enode.key()) != self.own && ip_of(enode).is_none_or(|ip| self.is_unrestricted(ip))
    }

    /// Whom to dial now: static peers first, then boot nodes if they are needed, then candidates of all sources in turn.
    /// Call until `None`; each is answered by [`Peers::dial_over`].
    pub fn poll_dial(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Option<Dial> {
        self.recent.tidy(now.mono);
        let taken = self.taken_places();
        if taken.total() >= MAX_DIALS {
            return None;
        }
        let (kind, enode) = self
            .next_static(now.mono, &taken)
            .map(|enode| (DialKind::Static, enode))
            .or_else(|| self.next_boot(now.mono, &taken).map(|enode| (DialKind::Boot, enode)))
            .or_else(|| self.next_candidate(now.mono, &taken, rng).map(|enode| (DialKind::Dynamic, enode)))?;
        let id = DialId(self.next_dial);
        self.next_dial = self.next_dial.saturating_add(1);
        let ip = ip_of(&enode);
        let active = Active {
            id: Id::of(enode.key()),
            kind,
            enode: enode.clone(),
            ip,
            subnet: ip.and_then(Subnet::of).filter(|_| kind != DialKind::Static),
            established: false,
            cancelled: false,
        };
        self.dials.insert(id, active);
        Some(Dial { id, kind, enode })
    }

    /// When the next one may be dialled, if nothing else happens.
    pub(super) fn next_dial_at(&self) -> Option<Mono> {
        let taken = self.taken_places();
        if taken.total() >= MAX_DIALS {
            return None;
        }
        let statics = self.statics.iter().filter_map(|(id, fixed)| self.static_due(id, fixed, &taken));
        let boots = self.config.boot.iter().filter_map(|enode| self.boot_due(enode, &taken));
        let candidates = self.candidates.iter().take_while(|_| taken.choose_from.is_some());
        let candidates = candidates.filter_map(|(id, node)| self.candidate_due(id, node, &taken));
        statics.chain(boots).chain(candidates).min()
    }

    pub(super) fn taken_places(&self) -> Taken {
        let keys = self.dials.values().map(|dial| dial.id).collect();
        let lives = self.lives().filter(|(_, _, live)| live.class == Class::Dynamic);
        let subnets = lives.filter_map(|(_, _, live)| live.subnet);
        let subnets = subnets.chain(self.under_way().filter_map(|dial| dial.subnet)).collect();
        let of = |kind| self.under_way().filter(|dial| dial.kind == kind).count();
        let boots = of(DialKind::Boot);
        let chosen = boots.saturating_add(of(DialKind::Dynamic));
        let dynamic = self.taken(Class::Dynamic).saturating_add(chosen);
        let all = self.live.len().saturating_add(chosen);
        let is_free = dynamic < self.limit(Class::Dynamic) && all < self.config.max_peers;
        let choose_from = is_free.then(|| self.recent.full_until().unwrap_or_default());
        Taken { keys, subnets, statics: of(DialKind::Static), boots, chosen, choose_from }
    }

    fn next_static(&self, now: Mono, taken: &Taken) -> Option<Enode> {
        let due =
            |(id, fixed): (&Id, &Static)| Some((self.static_due(id, fixed, taken)?, fixed.target().clone()));
        let due = self.statics.iter().filter_map(due).filter(|(at, _)| *at <= now);
        due.min_by_key(|(at, _)| *at).map(|(_, enode)| enode)
    }

    pub(super) fn static_due(&self, id: &Id, fixed: &Static, taken: &Taken) -> Option<Mono> {
        let reserved = if self.limit(Class::Dynamic) > 0 { RESERVED_DIALS } else { 0 };
        if taken.statics >= MAX_DIALS.saturating_sub(reserved) || self.is_taken(id, taken) {
            return None;
        }
        let target = fixed.target();
        matches!(target.endpoint(), Some(Endpoint { tcp: 1.., .. })).then_some(())?;
        Some(fixed.due.max(self.bans.over(id, ip_of(target))?))
    }

    fn next_boot(&mut self, now: Mono, taken: &Taken) -> Option<Enode> {
        let boot = &self.config.boot;
        let order = boot.iter().enumerate().cycle().skip(self.boot_turn).take(boot.len());
        let mut due = order.filter(|(_, enode)| self.boot_due(enode, taken).is_some_and(|at| at <= now));
        let (index, enode) = due.next().map(|(index, enode)| (index, enode.clone()))?;
        self.boot_turn = index.saturating_add(1).checked_rem(self.config.boot.len()).unwrap_or_default();
        Some(enode)
    }

    /// Several at once when nobody else is known; else one at a time, after a while without any peer.
    fn boot_due(&self, enode: &Enode, taken: &Taken) -> Option<Mono> {
        if !self.live.is_empty() {
            return None;
        }
        let nobody_known = self.statics.is_empty() && self.candidates.len() == 0;
        let from = match taken.boots {
            boots if nobody_known && boots < BOOT_AT_ONCE => Mono::ZERO,
            0 => self.lonely_since.after(LONELY),
            _ => return None,
        };
        let due = self.chosen_due(&Id::of(enode.key()), ip_of(enode), taken)?;
        Some(from.max(taken.choose_from?).max(due))
    }

    fn next_candidate(
        &mut self,
        now: Mono,
        taken: &Taken,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Enode> {
        let due =
            |(id, node): &(&Id, &Candidate)| self.candidate_due(id, node, taken).is_some_and(|at| at <= now);
        let due: Vec<_> = self.candidates.iter().filter(due).map(|(id, node)| (*id, node)).collect();
        let sources: BTreeSet<Source> = due.iter().map(|(_, node)| node.source).collect();
        // By network first: whoever has two keys in one is no likelier for that.
        let mut networks: BTreeMap<(Source, Option<IpAddr>), Vec<Id>> = BTreeMap::new();
        for (id, node) in due {
            networks.entry((node.source, node.subnet.map(|subnet| subnet.narrow))).or_default().push(id);
        }
        let source = self.candidates.next_source(|source| sources.contains(&source))?;
        let of_source = networks.into_iter().filter(|((of, _), _)| *of == source);
        // Private addresses are no network of anybody: each counts alone.
        let groups: Vec<Vec<Id>> = of_source
            .flat_map(|((_, network), ids)| match network {
                Some(_) => vec![ids],
                None => ids.into_iter().map(|id| vec![id]).collect(),
            })
            .collect();
        let id = pick(&groups, rng).and_then(|group| pick(group, rng))?;
        Some(self.candidates.get(id)?.enode.clone())
    }

    fn candidate_due(&self, id: &Id, node: &Candidate, taken: &Taken) -> Option<Mono> {
        let from = taken.choose_from.filter(|_| !self.statics.contains_key(id))?;
        Some(from.max(self.chosen_due(id, Some(node.ip), taken)?))
    }

    /// From when on somebody may be dialled by our own choice, as far as it is about that one.
    fn chosen_due(&self, id: &Id, ip: Option<IpAddr>, taken: &Taken) -> Option<Mono> {
        let subnet = ip.and_then(Subnet::of);
        let subnets = || taken.subnets.iter().copied();
        let has_room = subnet.is_none_or(|subnet| self.has_subnet_room(Class::Dynamic, subnet, subnets()));
        if !has_room || self.is_taken(id, taken) {
            return None;
        }
        Some(self.recent.due(id, ip).max(self.bans.over(id, ip)?))
    }

    /// Connected or being dialled.
    fn is_taken(&self, id: &Id, taken: &Taken) -> bool {
        self.live.contains_key(id) || taken.keys.contains(id)
    }

    /// Whether somebody could be dialled in the place of a peer that is let go.
    pub(super) fn has_substitute(&self, now: Mono) -> bool {
        let taken = self.taken_places();
        let due = |(id, node): (&Id, &Candidate)| self.chosen_due(id, Some(node.ip), &taken);
        self.candidates.iter().filter_map(due).any(|at| at <= now)
    }

    /// An attempt is over: no connection came about, or its link has ended ([`Peers::closed`] comes first).
    pub fn dial_over(
        &mut self,
        now: Now,
        dial: DialId,
        outcome: DialOutcome,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let Some(dial) = self.dials.remove(&dial) else { return };
        let lived = match outcome.attempt {
            Attempt::Lived(lived) => Some(lived),
            Attempt::Failed | Attempt::Unreachable => None,
        };
        if let Some(fixed) = self.statics.get_mut(&dial.id) {
            let pause = fixed.backoff.after(outcome.reach, lived, rng);
            fixed.due = now.mono.after(pause);
            if outcome.attempt == Attempt::Unreachable {
                // Next time where the operator said, whatever discovery has found.
                fixed.resolved = None;
                self.resolve(now.mono, dial.id);
            }
        } else {
            self.pause(now.mono, &dial, outcome.reach, lived, rng);
        }
        let good = lived.is_some_and(|lived| lived >= SETTLED);
        if good || lived.is_none() {
            self.candidates.tried(now.mono, &dial.id, good);
        }
        // While nobody can be reached it is this node that is offline.
        if lived.is_none() && !self.live.is_empty() {
            self.memory.failed(&dial.id);
        }
        self.ask_for_more();
    }

    /// Somebody whom we chose to dial is left alone for a while, and so is the host.
    fn pause(
        &mut self,
        now: Mono,
        dial: &Active,
        reach: Reach,
        lived: Option<Duration>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let mut backoff = self.recent.backoff(&dial.id);
        let pause = backoff.after(reach, lived, rng);
        self.recent.pause(now, dial.id, backoff, now.after(pause));
        if let Some(ip) = dial.ip {
            self.recent.pause_host(now, ip, BACKOFF_REMOTE);
        }
    }

    /// Asks for the endpoint of a static peer, if it was not asked for lately.
    pub(super) fn resolve(&mut self, now: Mono, id: Id) {
        let Some(fixed) = self.statics.get_mut(&id).filter(|fixed| fixed.resolve_from <= now) else { return };
        fixed.resolve_from = now.after(fixed.resolve_pause);
        self.events.push_back(Event::Resolve(*fixed.enode.key()));
    }
}

/// One of these, at random. The bias of the remainder is below 2^-20.
fn pick<'a, T>(of: &'a [T], rng: &mut (impl CryptoRng + ?Sized)) -> Option<&'a T> {
    let choice = usize::try_from(rng.next_u32()).unwrap_or_default();
    of.get(choice.checked_rem(of.len())?)
}

impl Taken {
    const fn total(&self) -> usize {
        self.statics.saturating_add(self.chosen)
    }
}

impl Static {
    /// Where it is dialled.
    pub(super) fn target(&self) -> &Enode {
        self.resolved.as_ref().unwrap_or(&self.enode)
    }

    /// It was not found: the next question comes later.
    pub(super) fn not_found(&mut self, now: Mono) {
        self.resolve_pause = self.resolve_pause.saturating_mul(2).min(RESOLVE_LONGEST);
        self.resolve_from = now.after(self.resolve_pause);
    }
}
