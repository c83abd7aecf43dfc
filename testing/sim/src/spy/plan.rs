//! What only scenarios of observers have.

use anyhow::{Result, ensure};
use serde::Deserialize;
use undertone_transport::Flush;
use undertone_whisper::{Advertise, FlushPolicy};

use super::judge::Kind;
use crate::scenario::Scenario;

/// A network with observers in it, many times over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpyPlan {
    /// Topologies, each drawn anew.
    pub worlds: u32,
    /// Nodes that relay; they are the first ones. The others are clients.
    pub relays: u32,
    /// Other relays that a relay dials: least and most.
    pub dials: [u32; 2],
    /// Relays that a client is attached to.
    pub attach: u32,
    /// Envelopes in each world, each by a node drawn for it.
    pub envelopes: u32,
    /// Milliseconds from one to the next.
    pub gap_ms: u32,
    /// Payload of each in bytes.
    pub bytes: usize,
    /// Shares of nodes that observe.
    pub observers: Vec<f64>,
    /// Sets of observers that are drawn for each world and share.
    pub draws: u32,
}

/// Who delays and mixes what it sends ([`FlushPolicy::Blended`]); the others send at once.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Policy {
    /// Everybody.
    Blended,
    /// Clients, as they do by default.
    Clients,
    /// Clients, and relays what they say themselves: no relay does that yet.
    Own,
    /// Nobody.
    Fast,
}

impl Policy {
    pub(super) const ALL: [Self; 4] = [Self::Fast, Self::Clients, Self::Own, Self::Blended];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Blended => "blended",
            Self::Clients => "clients",
            Self::Fast => "fast",
            Self::Own => "own",
        }
    }

    /// What a node of this kind does with what it forwards.
    pub(super) const fn flush(self, kind: Kind) -> FlushPolicy {
        match (self, kind) {
            (Self::Blended, _) | (Self::Clients | Self::Own, Kind::Client) => FlushPolicy::Blended,
            (Self::Fast, _) | (Self::Clients | Self::Own, Kind::Relay) => FlushPolicy::Fast,
        }
    }

    /// What it does with its own words.
    pub(super) const fn say(self, kind: Kind) -> Flush {
        match (self, self.flush(kind)) {
            (Self::Own, _) | (_, FlushPolicy::Blended) => Flush::Blended,
            (_, FlushPolicy::Fast) => Flush::Fast,
        }
    }
}

/// What clients ask relays for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Asks {
    /// Everything.
    All,
    /// What they listen to.
    Own,
}

impl Asks {
    pub(super) const ALL: [Self; 2] = [Self::Own, Self::All];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "asks_all",
            Self::Own => "asks_own",
        }
    }

    pub(super) const fn advertise(self) -> Advertise {
        match self {
            Self::All => Advertise::Everything,
            Self::Own => Advertise::Interest,
        }
    }
}

impl SpyPlan {
    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        ensure!(scenario.degree == 0, "relays dial by themselves");
        ensure!((2..scenario.nodes).contains(&self.relays), "there are relays, and there are clients");
        let [least, most] = self.dials;
        ensure!(0 < least && least <= most && most < self.relays, "dials are [least, most] below relays");
        ensure!((1..=self.relays).contains(&self.attach), "a client is attached to some of the relays");
        ensure!(self.worlds >= 2, "a posterior is learned in other worlds");
        ensure!(self.envelopes > 0 && self.draws > 0, "observers need something to observe");
        ensure!(!self.observers.is_empty(), "somebody observes");
        let most = f64::from(self.relays) / f64::from(scenario.nodes);
        let fits = |share: &f64| (0.0..=most).contains(share) && *share > 0.0;
        ensure!(self.observers.iter().all(fits), "observers are relays");
        let last = u64::from(self.envelopes) * u64::from(self.gap_ms) / 1_000;
        ensure!(last + 10 <= u64::from(scenario.seconds), "the run ends ten seconds after the last envelope");
        Ok(())
    }
}
