//! What the operator wants: static peers, trust and bans.

use std::time::Duration;

use undertone_base::{Mono, Now};
use undertone_crypto::PublicKey;
use undertone_devp2p::{DisconnectReason, Endpoint, Enode};

use crate::address::host;
use crate::backoff::Backoff;
use crate::bans::Cause;
use crate::config::{BanTarget, DialKind, LinkId, StaticError};
use crate::id::Id;
use crate::limits::{RESOLVE_FIRST, SHUNNED_PAUSE};

use super::{Link, Peers, Static, ip_of};

impl Peers {
    /// Keeps a peer connected from now on, free of every limit. `false` when it is known exactly so already; another
    /// endpoint of a known key replaces it.
    ///
    /// # Errors
    /// [`StaticError`]; nothing has changed then.
    pub fn add_static(&mut self, now: Now, enode: Enode) -> Result<bool, StaticError> {
        let id = Id::of(enode.key());
        if id == self.own {
            return Err(StaticError::Myself);
        }
        if ip_of(&enode).is_some_and(|ip| !self.is_unrestricted(ip)) {
            return Err(StaticError::Restricted);
        }
        for dial in self.dials.values_mut().filter(|dial| dial.enode == enode) {
            dial.cancelled = false;
        }
        if self.statics.get(&id).is_some_and(|fixed| fixed.enode == enode) {
            return Ok(false);
        }
        let fixed = Static {
            enode,
            resolved: None,
            backoff: Backoff::default(),
            due: now.mono,
            resolve_from: now.mono,
            resolve_pause: RESOLVE_FIRST,
        };
        self.statics.insert(id, fixed);
        self.candidates.retain(|known, _| *known != id);
        self.memory.forget(&id);
        if let Some(link) = self.live.get(&id) {
            self.place_again(*link);
        }
        self.resolve_incomplete(now.mono);
        Ok(true)
    }

    /// Dials it no more, and ends its link, whoever made it. `false` when it was not static. Its last dial may be under way
    /// still; it will be refused. Nor is it dialled by our own choice for half an hour.
    pub fn remove_static(&mut self, now: Now, key: &PublicKey) -> bool {
        let id = Id::of(key);
        if self.statics.remove(&id).is_none() {
            return false;
        }
        self.recent.shun(now.mono, id, SHUNNED_PAUSE);
        for dial in self.dials.values_mut() {
            dial.cancelled |= dial.id == id && dial.kind == DialKind::Static && !dial.established;
        }
        if let Some(link) = self.live.get(&id).copied() {
            self.leave(link, DisconnectReason::REQUESTED);
        }
        true
    }

    /// The endpoint that was asked for by [`crate::Event::Resolve`], or that there is none. One that cannot be dialled
    /// counts as none.
    pub fn resolved(&mut self, now: Now, key: &PublicKey, enode: Option<Enode>) {
        let id = Id::of(key);
        let enode = enode.filter(|enode| enode.key() == key && self.can_be_dialled(enode));
        let Some(fixed) = self.statics.get_mut(&id) else { return };
        let Some(enode) = enode else { return fixed.not_found(now.mono) };
        fixed.resolve_pause = RESOLVE_FIRST;
        fixed.resolve_from = now.mono.after(RESOLVE_FIRST);
        if enode.endpoint() != fixed.enode.endpoint() {
            fixed.resolved = Some(enode);
            fixed.due = now.mono;
        }
    }

    /// Asks for the endpoints of static peers that have none.
    pub(super) fn resolve_incomplete(&mut self, now: Mono) {
        let ids: Vec<Id> = self.incomplete().filter(|(_, at)| *at <= now).map(|(id, _)| id).collect();
        for id in ids {
            self.resolve(now, id);
        }
    }

    /// Static peers without an endpoint that are not connected, and when to ask for them.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = (Id, Mono)> {
        let lacking = |fixed: &Static| !matches!(fixed.target().endpoint(), Some(Endpoint { tcp: 1.., .. }));
        let statics = self.statics.iter().filter(move |(_, fixed)| lacking(fixed));
        statics.filter(|(id, _)| !self.live.contains_key(id)).map(|(id, fixed)| (*id, fixed.resolve_from))
    }

    /// Lets a key in whatever the limits. `false` when it was trusted already.
    pub fn trust(&mut self, _now: Now, key: PublicKey) -> bool {
        let id = Id::of(&key);
        if self.trusted.insert(id, key).is_some() {
            return false;
        }
        if let Some(link) = self.live.get(&id) {
            self.place_again(*link);
        }
        true
    }

    /// Takes trust back. A live link needs a place like others then, or ends. `false` when it was not trusted.
    pub fn untrust(&mut self, _now: Now, key: &PublicKey) -> bool {
        let id = Id::of(key);
        if self.trusted.remove(&id).is_none() {
            return false;
        }
        if let Some(link) = self.live.get(&id) {
            self.place_again(*link);
        }
        true
    }

    /// Neither dials nor admits it for this long, for ever with `None`. Its links end. Stronger than static and trusted.
    pub fn ban(&mut self, now: Now, target: BanTarget, span: Option<Duration>) {
        let until = span.map(|span| now.mono.after(span));
        self.keep_out(now.mono, target, until, Cause::Operator);
    }

    /// Ends a ban, forgetting the faults that led to it. `false` when there was none.
    pub fn unban(&mut self, now: Now, target: BanTarget) -> bool {
        self.forgive(target);
        self.bans.remove(now.mono, target)
    }

    pub(super) fn forgive(&mut self, target: BanTarget) {
        match target {
            BanTarget::Key(key) => self.key_faults.forget(&Id::of(&key)),
            BanTarget::Ip(ip) => self.host_faults.forget(&host(ip)),
        }
    }

    pub(super) fn keep_out(&mut self, now: Mono, target: BanTarget, until: Option<Mono>, cause: Cause) {
        self.bans.add(now, target, until, cause);
        let reason = match cause {
            Cause::Faults => DisconnectReason::PROTOCOL_ERROR,
            Cause::Operator => DisconnectReason::REQUESTED,
        };
        match target {
            BanTarget::Key(key) => {
                let id = Id::of(&key);
                self.candidates.retain(|known, _| *known != id);
                self.memory.forget(&id);
                self.end_links(reason, |link| link.id == id);
            }
            BanTarget::Ip(ip) => {
                let banned = host(ip);
                self.candidates.retain(|_, node| host(node.ip) != banned);
                self.memory.forget_host(|ip| host(ip) == banned);
                self.end_links(reason, |link| host(link.address.ip()) == banned);
            }
        }
        self.ask_for_more();
    }

    fn end_links(&mut self, reason: DisconnectReason, concerned: impl Fn(&Link) -> bool) {
        let links: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| concerned(link)).map(|(id, _)| *id).collect();
        for link in links {
            self.leave(link, reason);
        }
    }
}
