//! The machine: its state and its views. What it does is in the modules below, by occasion.

mod admission;
mod dialling;
mod operator;
mod quality;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use undertone_base::{Mono, Now};
use undertone_crypto::PublicKey;
use undertone_devp2p::{DisconnectReason, Enode};

use crate::address::Subnet;
use crate::backoff::Backoff;
use crate::bans::Bans;
use crate::candidates::Candidates;
use crate::config::{
    BanTarget, Config, Counts, DialId, DialKind, Direction, Event, LinkId, PeerView, Source, StaticView,
};
use crate::decay::{Fading, Scores};
use crate::id::Id;
use crate::limits::{FAULTS_HALF_LIFE, IDLE_EVERY, MAX_SCORES, ROTATE_EVERY};
use crate::recent::Recent;
use crate::remembered::{Memory, Remembered};
use crate::throttle::{Pending, Throttle};

/// The peer manager. After every call: [`Peers::poll_event`] until `None`, [`Peers::poll_dial`] until `None`, then sleep
/// until [`Peers::poll_timeout`] or the next input. When that time has come: [`Peers::handle_timeout`].
#[derive(Clone, Debug)]
pub struct Peers {
    config: Config,
    own: Id,
    next_link: u64,
    next_dial: u64,
    /// Links whose handshake has named a key: at most [`crate::limits::MAX_UNPROVED`] and those that are established.
    links: BTreeMap<LinkId, Link>,
    /// The established one of each key.
    live: BTreeMap<Id, LinkId>,
    /// Attempts to dial, until they are over.
    dials: BTreeMap<DialId, Active>,
    /// Grows by the operator's hand only.
    statics: BTreeMap<Id, Static>,
    /// Grows by the operator's hand only.
    trusted: BTreeMap<Id, PublicKey>,
    bans: Bans,
    throttle: Throttle,
    pending: Pending,
    candidates: Candidates,
    recent: Recent,
    memory: Memory,
    key_faults: Scores<Id>,
    host_faults: Scores<IpAddr>,
    boot_turn: usize,
    /// Since when there is no peer, if there is none.
    lonely_since: Mono,
    rotate_at: Mono,
    idle_at: Mono,
    /// From when on an idle inbound peer may make way for the next newcomer.
    make_way_from: Mono,
    /// When anybody last brought something new.
    last_new: Option<Mono>,
    remember_at: Option<Mono>,
    /// An inbound peer was refused for want of a place since the last rotation.
    turned_away: bool,
    hungry: bool,
    rotated: u64,
    refused: u64,
    events: VecDeque<Event>,
}

/// A link whose handshake has named a key.
#[derive(Clone, Debug)]
struct Link {
    key: PublicKey,
    id: Id,
    address: SocketAddr,
    direction: Direction,
    live: Option<Live>,
}

/// What both Hellos added.
#[derive(Clone, Debug)]
struct Live {
    since: Now,
    class: Class,
    /// Where its place is counted.
    subnet: Option<Subnet>,
    usefulness: Fading,
    rtt: Option<Duration>,
    /// It was told to go.
    leaving: bool,
    /// Where the peer listens, if that is known.
    listening: Option<Enode>,
    /// Until when its merit is in the memory, and the new envelopes since then.
    noted: Mono,
    envelopes: u32,
    /// When it last brought something new; when it came, if it never did.
    last_new: Mono,
}

/// Whose place a link takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// Of those that we choose to dial.
    Dynamic,
    /// Nobody's: static and trusted peers.
    Exempt,
    /// Of those that come to us.
    Inbound,
}

/// An attempt to dial.
#[derive(Clone, Debug)]
struct Active {
    id: Id,
    kind: DialKind,
    enode: Enode,
    ip: Option<IpAddr>,
    subnet: Option<Subnet>,
    /// It became a link: it is under way no more.
    established: bool,
    /// Nobody wants it any more; refused when it comes.
    cancelled: bool,
}

/// A peer that the operator wants.
#[derive(Clone, Debug)]
struct Static {
    enode: Enode,
    /// Where it was found when `enode` did not answer.
    resolved: Option<Enode>,
    backoff: Backoff,
    due: Mono,
    resolve_from: Mono,
    resolve_pause: Duration,
}

impl Peers {
    /// A manager that has nobody. What is remembered becomes its first candidates; boot nodes that cannot be dialled
    /// (no TCP port, this node, restricted) are left out.
    pub fn new(mut config: Config, now: Now) -> Self {
        let own = Id::of(&config.own);
        let memory = Memory::new(std::mem::take(&mut config.remembered));
        let remembered = memory.list();
        let boot = std::mem::take(&mut config.boot);
        let mut peers = Self {
            config,
            own,
            next_link: 0,
            next_dial: 0,
            links: BTreeMap::new(),
            live: BTreeMap::new(),
            dials: BTreeMap::new(),
            statics: BTreeMap::new(),
            trusted: BTreeMap::new(),
            bans: Bans::default(),
            throttle: Throttle::default(),
            pending: Pending::default(),
            candidates: Candidates::default(),
            recent: Recent::default(),
            memory,
            key_faults: Scores::new(FAULTS_HALF_LIFE, MAX_SCORES),
            host_faults: Scores::new(FAULTS_HALF_LIFE, MAX_SCORES),
            boot_turn: 0,
            lonely_since: now.mono,
            rotate_at: now.mono.after(ROTATE_EVERY),
            idle_at: now.mono.after(IDLE_EVERY),
            make_way_from: now.mono,
            last_new: None,
            remember_at: None,
            turned_away: false,
            hungry: false,
            rotated: 0,
            refused: 0,
            events: VecDeque::new(),
        };
        peers.config.boot = boot.into_iter().filter(|enode| peers.can_be_dialled(enode)).collect();
        for peer in remembered {
            peers.found(now, peer.enode, Source::Remembered);
        }
        peers.ask_for_more();
        peers
    }

    /// What to do or to know, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Links that are established, in the order in which they were admitted.
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        let view = |(link_id, link): (&LinkId, &Link)| {
            let live = link.live.as_ref()?;
            Some(PeerView {
                link: *link_id,
                key: link.key,
                address: link.address,
                direction: link.direction,
                fixed: self.statics.contains_key(&link.id),
                trusted: self.trusted.contains_key(&link.id),
                since: live.since.unix,
                age: now.mono.since(live.since.mono),
                usefulness: live.usefulness.points(now.mono),
                faults: self.key_faults.points(now.mono, &link.id),
                rtt: live.rtt,
            })
        };
        self.links.iter().filter_map(view).collect()
    }

    /// The established link of a key.
    pub fn link_of(&self, key: &PublicKey) -> Option<LinkId> {
        self.live.get(&Id::of(key)).copied()
    }

    /// The static peers.
    pub fn statics(&self) -> Vec<StaticView> {
        let view = |(id, fixed): (&Id, &Static)| StaticView {
            enode: fixed.enode.clone(),
            link: self.live.get(id).copied(),
        };
        self.statics.iter().map(view).collect()
    }

    /// The trusted keys.
    pub fn trusted(&self) -> Vec<PublicKey> {
        self.trusted.values().copied().collect()
    }

    /// Who is banned and until when, `None` for ever.
    pub fn bans(&self, now: Now) -> Vec<(BanTarget, Option<Mono>)> {
        self.bans.list(now.mono)
    }

    /// What to write to disk at shutdown; the best first.
    pub fn remembered(&self, now: Now) -> Vec<Remembered> {
        let mut memory = self.memory.clone();
        for link in self.links.values() {
            if let Some((enode, merit)) = self.earned(now, link) {
                memory.note(enode, now.unix, merit);
            }
        }
        memory.list()
    }

    /// Counts.
    pub fn counts(&self) -> Counts {
        Counts {
            peers: self.live.len(),
            inbound: self.taken(Class::Inbound),
            dynamic: self.taken(Class::Dynamic),
            exempt: self.taken(Class::Exempt),
            unproved: self.links.len().saturating_sub(self.live.len()),
            pending: self.pending.total(),
            dialling: self.under_way().count(),
            candidates: self.candidates.len(),
            remembered: self.memory.len(),
            banned: self.bans.len(),
            rotated: self.rotated,
            refused: self.refused,
        }
    }

    /// Established links in places of this kind.
    fn taken(&self, class: Class) -> usize {
        self.lives().filter(|(_, _, live)| live.class == class).count()
    }

    fn lives(&self) -> impl Iterator<Item = (LinkId, &Link, &Live)> {
        self.links.iter().filter_map(|(id, link)| Some((*id, link, link.live.as_ref()?)))
    }

    fn under_way(&self) -> impl Iterator<Item = &Active> {
        self.dials.values().filter(|dial| !dial.established)
    }

    /// Tells an established link to go, once.
    fn leave(&mut self, link: LinkId, reason: DisconnectReason) {
        let Some(live) = self.links.get_mut(&link).and_then(|link| link.live.as_mut()) else { return };
        if !std::mem::replace(&mut live.leaving, true) {
            self.events.push_back(Event::Disconnect { link, reason });
        }
    }

    fn is_exempt(&self, id: &Id) -> bool {
        self.statics.contains_key(id) || self.trusted.contains_key(id)
    }

    fn limit(&self, class: Class) -> usize {
        match class {
            Class::Dynamic => self.config.dynamic_limit(),
            Class::Exempt => usize::MAX,
            Class::Inbound => self.config.inbound_limit(),
        }
    }

    /// What a link earned since it was noted in the memory, and where its peer can be dialled, if it is good company.
    fn earned(&self, now: Now, link: &Link) -> Option<(Enode, u32)> {
        let live = link.live.as_ref()?;
        let settled = now.mono.since(live.since.mono) >= crate::limits::SETTLED;
        let good = settled || live.envelopes > 0;
        if !good || self.statics.contains_key(&link.id) || self.bans.has_key(now.mono, &link.id) {
            return None;
        }
        let minutes = u32::try_from(now.mono.since(live.noted).as_secs() / 60).unwrap_or(u32::MAX);
        Some((live.listening.clone()?, minutes.saturating_add(live.envelopes)))
    }

    /// Brings the memory up to date with one link.
    fn note(&mut self, now: Now, link_id: LinkId) {
        let Some((enode, merit)) = self.links.get(&link_id).and_then(|link| self.earned(now, link)) else {
            return;
        };
        self.memory.note(enode, now.unix, merit);
        if let Some(live) = self.links.get_mut(&link_id).and_then(|link| link.live.as_mut()) {
            let minutes = now.mono.since(live.noted).as_secs() / 60;
            live.noted = live.noted.after(Duration::from_secs(minutes.saturating_mul(60)));
            live.envelopes = 0;
        }
    }

    /// Says when more candidates begin or cease to be wanted.
    fn ask_for_more(&mut self) {
        let limit = self.limit(Class::Dynamic);
        let free = limit.saturating_sub(self.taken(Class::Dynamic));
        let full = free == 0 || self.live.len() >= self.config.max_peers;
        // Not for one place as long as there is somebody to fill it.
        let few =
            self.candidates.iter().filter(|(id, _)| !self.live.contains_key(id)).take(free).count() < free;
        let hungry = !full && (self.hungry || free > limit / 4 || few);
        if hungry != self.hungry {
            self.hungry = hungry;
            self.events.push_back(if hungry { Event::Hungry } else { Event::Satisfied });
        }
    }
}

impl Live {
    fn age(&self, now: Mono) -> Duration {
        now.since(self.since.mono)
    }
}

/// The address of an endpoint, as far as it is one.
fn ip_of(enode: &Enode) -> Option<IpAddr> {
    crate::remembered::ip_of(enode)
}

impl Link {
    const fn is_dialled(&self) -> bool {
        matches!(self.direction, Direction::Dialled(_))
    }
}

#[cfg(test)]
impl Peers {
    /// Sizes of everything that a stranger can make grow, to be compared with the limits.
    fn sizes(&self) -> [usize; 7] {
        let [keys, hosts, shunned] = self.recent.sizes();
        let scores = self.key_faults.len().max(self.host_faults.len());
        [keys, hosts, shunned, scores, self.candidates.len(), self.memory.len(), self.events.len()]
    }
}
