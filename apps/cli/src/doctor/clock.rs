//! Whether this machine's clock is the others'.

use undertone_node::Health;

use super::{Finding, Group};

pub(super) const GROUP: Group = Group { name: "clock", look: |site| site.of_node("clock", look) };

/// How far the clock may be off, in milliseconds: discovery packets and the times of envelopes are whole seconds and
/// some seconds of travel; other implementations refuse envelopes that are 2 s to 10 s early (`whisper.md` 5).
const MAX_OFFSET: u64 = 5_000;

pub(super) fn look(health: &Health) -> Vec<Finding> {
    let Some(offset) = health.clock.offset_ms else {
        let says = "too few other nodes have told the time: three, or all peers if those are fewer";
        return vec![Finding::unknown("clock", says)];
    };
    let by = match health.clock.sources {
        1 => "by one other node alone".to_owned(),
        many => format!("by {many} other nodes"),
    };
    let least = if health.clock.at_least { "at least " } else { "" };
    let secs = tenths(offset.unsigned_abs());
    vec![if offset.unsigned_abs() <= MAX_OFFSET {
        Finding::green("clock", format!("right to {secs} s, {by}"))
    } else {
        let side = if offset > 0 { "behind" } else { "ahead" };
        let fix = "set the clock and keep it set: `timedatectl set-ntp true`";
        Finding::red("clock", format!("{least}{secs} s {side}, {by}: messages will be lost"), fix)
    }]
}

/// Seconds with one decimal.
fn tenths(millis: u64) -> String {
    format!("{}.{}", millis / 1_000, millis % 1_000 / 100)
}
