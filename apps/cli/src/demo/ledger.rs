//! What was seen so far: every report, by message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::cast::Role;
use super::protocol::Seen;

/// One of our messages, as far as reports tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    pub(super) from: Option<Role>,
    pub(super) chat: String,
    pub(super) text: String,
    pub(super) begun: Option<Instant>,
    pub(super) wrapped: Option<Wrapped>,
    pub(super) sealed: Option<Sealed>,
    /// How often it was handed to the transport.
    pub(super) sends: usize,
    pub(super) state: String,
    /// Who got it, in which order, after how long.
    pub(super) got: Vec<(Role, Duration)>,
    pub(super) delivered: Option<Duration>,
}

/// What the layers above the transport did.
#[derive(Clone, Debug)]
pub(super) struct Wrapped {
    pub(super) sizes: [usize; 4],
    pub(super) protection: String,
    pub(super) route: String,
    /// The ratchet session's short name, the same on both sides.
    pub(super) session: Option<String>,
}

/// What the privacy layer did.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) wire: String,
    pub(super) bytes: usize,
    pub(super) topic: String,
    pub(super) pow: f64,
}

/// Everything that was reported.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    tracks: BTreeMap<String, Track>,
    /// (who sends, send id) → message.
    sends: BTreeMap<(Role, u64), Option<String>>,
    /// Envelopes that went through the relay.
    relayed: BTreeSet<String>,
    /// Messages in the order of their arrival, per person.
    arrivals: BTreeMap<Role, Vec<String>>,
    pub(super) peers: BTreeMap<Role, usize>,
    /// Who has learned whose device from a contact code.
    pub(super) codes: BTreeSet<(Role, String)>,
    pub(super) unreadable: Vec<(Role, String)>,
    pub(super) ready: BTreeMap<Role, u32>,
    pub(super) composed: BTreeMap<u64, Result<String, String>>,
    pub(super) histories: BTreeMap<Role, Vec<super::protocol::Line>>,
}

impl Ledger {
    pub(super) fn track(&self, id: &str) -> Option<&Track> {
        self.tracks.get(id)
    }

    /// A message was ordered at this time; the id came with the answer.
    pub(super) fn begin(&mut self, id: &str, at: Instant) {
        self.tracks.entry(id.to_owned()).or_default().begun = Some(at);
    }

    /// Whether the relay had an envelope.
    pub(super) fn was_relayed(&self, wire: &str) -> bool {
        self.relayed.contains(wire)
    }

    pub(super) fn arrivals(&self, who: Role) -> &[String] {
        self.arrivals.get(&who).map(Vec::as_slice).unwrap_or_default()
    }

    /// Ids of everything that was sent in this run.
    pub(super) fn sent(&self) -> impl Iterator<Item = (&str, &Track)> {
        self.tracks.iter().filter(|(_, t)| t.from.is_some()).map(|(id, t)| (id.as_str(), t))
    }

    /// An envelope passed through the relay.
    pub(super) fn relayed(&mut self, wire: String) {
        self.relayed.insert(wire);
    }

    /// Enters a report.
    pub(super) fn enter(&mut self, who: Role, seen: Seen) {
        match seen {
            Seen::Composed { tag, id } => drop(self.composed.insert(tag, Ok(id))),
            Seen::Refused { tag: Some(tag), why } => drop(self.composed.insert(tag, Err(why))),
            Seen::Refused { tag: None, why } | Seen::Unreadable { why } => self.unreadable.push((who, why)),
            Seen::Got { id, .. } => self.got(who, id),
            Seen::History { lines, .. } => drop(self.histories.insert(who, lines)),
            Seen::Opened { id: None, peer: Some(peer), route, .. } if route == "contact code" => {
                self.codes.insert((who, peer));
            }
            Seen::Carried { .. } | Seen::Opened { .. } => {}
            Seen::Peers { count } => drop(self.peers.insert(who, count)),
            Seen::Ready { pid, .. } => drop(self.ready.insert(who, pid)),
            Seen::Said { id, chat, text } => {
                let track = self.tracks.entry(id).or_default();
                track.chat = chat;
                track.text = text;
                track.from = Some(who);
                track.begun.get_or_insert_with(Instant::now);
            }
            Seen::Sealed { send, wire, bytes, topic, pow } => {
                if let Some(Some(id)) = self.sends.get(&(who, send)) {
                    let sealed = Sealed { wire, bytes, topic, pow };
                    self.tracks.entry(id.clone()).or_default().sealed.get_or_insert(sealed);
                }
            }
            Seen::State { id, state } => {
                let track = self.tracks.entry(id).or_default();
                if state == "delivered" {
                    track.delivered = track.begun.map(|at| at.elapsed());
                }
                track.state = state;
            }
            Seen::Wrapped { id, send, sizes, protection, route, session } => {
                if let Some(id) = &id {
                    let track = self.tracks.entry(id.clone()).or_default();
                    track.sends = track.sends.saturating_add(1);
                    track.wrapped.get_or_insert(Wrapped { sizes, protection, route, session });
                }
                self.sends.insert((who, send), id);
            }
        }
    }

    fn got(&mut self, who: Role, id: String) {
        let track = self.tracks.entry(id.clone()).or_default();
        let after = track.begun.map(|at| at.elapsed()).unwrap_or_default();
        track.got.push((who, after));
        self.arrivals.entry(who).or_default().push(id);
    }
}
