//! When users are there.

use std::time::Duration;

use undertone_base::Mono;

use super::model::ONLINE;
use super::plan::UsagePlan;
use super::run::FIRST;
use crate::engine::{Machine, NodeId, Sim};
use crate::layout::second;

/// After the window everybody waits so long, and comes: what is fetched then is in no pool any more.
const PAUSE: u32 = 30;

/// Somebody who has just come, or is about to go, writes nothing.
const EDGE: Duration = Duration::from_secs(3);

/// By user: from when to when.
#[derive(Debug)]
pub(super) struct Presence {
    first: u32,
    stays: Vec<Vec<[Mono; 2]>>,
}

impl Presence {
    /// As many are there at any time: each user's visits begin a little later than those of the user before.
    pub(super) fn mostly_away(plan: &UsagePlan, users: u32, end: u32) -> Self {
        let window = Duration::from_secs(u64::from(plan.window));
        let period = window / plan.away.visits;
        let at = |since: Duration| second(FIRST).after(since);
        let visits = |user: u32| {
            // The first visit may have begun, and the last one may end, outside the window.
            let begin = period * user / users;
            let of = |number: u32| {
                let from = (begin + period * number).saturating_sub(period);
                let until = (begin + period * number + period.mul_f64(ONLINE)).saturating_sub(period);
                [from.min(window), until.min(window)].map(at)
            };
            let visits = (0..=plan.away.visits).map(of).filter(|[from, until]| from < until);
            visits.chain([[second(FIRST + plan.window + PAUSE), second(end)]]).collect()
        };
        Self { first: plan.relays, stays: (0..users).map(visits).collect() }
    }

    /// Users come and go; whoever goes forgets what was not stored.
    pub(super) fn apply<M: Machine>(&self, sim: &mut Sim<M>) {
        for (node, stays) in (self.first..).map(NodeId).zip(&self.stays) {
            if let Some([from, _]) = stays.first() {
                sim.start_late(node, *from);
            }
            for pair in stays.windows(2) {
                if let [[_, until], [from, _]] = pair {
                    sim.crash(*until, node, from.since(*until));
                }
            }
        }
    }

    /// Whether a user is there, and was a moment ago, and will be in a moment.
    pub(super) fn is_settled(&self, node: NodeId, at: Mono) -> bool {
        self.stay(node, at).is_some_and(|[from, until]| from.after(EDGE) <= at && at.after(EDGE) <= until)
    }

    /// Whether a user is away.
    pub(super) fn is_away(&self, node: NodeId, at: Mono) -> bool {
        self.stay(node, at).is_none()
    }

    fn stay(&self, node: NodeId, at: Mono) -> Option<[Mono; 2]> {
        let stays = self.stays.get(node.0.checked_sub(self.first)? as usize)?;
        stays.iter().copied().find(|[from, until]| (*from..*until).contains(&at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::AwayPlan;
    use super::*;

    #[test]
    fn everybody_is_there_for_a_tenth_and_as_many_at_any_time() {
        let away = AwayPlan { visits: 3, queries: 1, page: 1 };
        let plan = UsagePlan { relays: 2, attach: 1, topics: 2, window: 600, bytes: 1, away };
        let presence = Presence::mostly_away(&plan, 40, 700);
        let window = [second(FIRST), second(FIRST + 600)];
        for stays in &presence.stays {
            let inside = stays.iter().filter(|[_, until]| *until <= window[1]);
            let there: Duration = inside.map(|[from, until]| until.since(*from)).sum();
            assert_eq!(there, Duration::from_secs(60));
            assert_eq!(stays.last(), Some(&[second(FIRST + 600 + PAUSE), second(700)]));
        }
        for tick in 0..6_000 {
            let at = window[0].after(Duration::from_millis(tick * 100));
            let there = (0..40).filter(|user| !presence.is_away(NodeId(2 + user), at)).count();
            assert_eq!(there, 4, "{at:?}");
        }
    }
}
