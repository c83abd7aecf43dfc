//! What happens because time passed.

use rand_core::CryptoRng;
use undertone_base::{Mono, Now};

use crate::backoff::part;
use crate::config::{Event, LinkId};
use crate::limits::{IDLE_EVERY, REMEMBER_EVERY, ROTATE_EVERY, ROTATE_JITTER};

use super::Peers;

impl Peers {
    /// Timers. Idempotent, early calls harmless.
    pub fn handle_timeout(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        self.resolve_incomplete(now.mono);
        if self.remember_at.is_some_and(|at| at <= now.mono) {
            self.write_down(now);
        }
        if self.rotate_at <= now.mono {
            self.rotate_at = now.mono.after(ROTATE_EVERY).after(part(ROTATE_JITTER, rng));
            self.rotate(now.mono);
        }
        if self.idle_at <= now.mono {
            self.idle_at = now.mono.after(IDLE_EVERY);
            self.rotate_idle(now.mono);
        }
    }

    /// When to call [`Peers::handle_timeout`] and [`Peers::poll_dial`] next, if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let resolve = self.incomplete().map(|(_, at)| at).min();
        let dial = self.next_dial_at();
        [Some(self.rotate_at), Some(self.idle_at), self.remember_at, resolve, dial]
            .into_iter()
            .flatten()
            .min()
    }

    fn write_down(&mut self, now: Now) {
        let links: Vec<LinkId> = self.live.values().copied().collect();
        for link in links {
            self.note(now, link);
        }
        self.remember_at = (!self.live.is_empty()).then(|| now.mono.after(REMEMBER_EVERY));
        if self.memory.take_changed() {
            self.events.push_back(Event::Remember(self.memory.list()));
        }
    }
}
