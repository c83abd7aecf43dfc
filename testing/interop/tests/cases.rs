//! The cases. What each shows is its name; `docs/interop.md` keeps the last results.

mod burst;
mod envelopes;
mod links;
mod relay;
mod status;

use anyhow::Result;

use crate::Case;

/// Every case with its name.
pub(crate) fn all() -> Vec<Case> {
    macro_rules! cases {
        ($($module:ident: $($case:ident),+;)+) => {
            vec![$($((stringify!($case), $module::$case as fn() -> Result<()>)),+),+]
        };
    }
    cases! {
        links: we_dial_geth, geth_dials_us, both_dial_at_once, geth_restarts, geth_removes_us,
            silence_costs_no_link;
        status: what_geth_announces_and_changes, what_we_announce_and_change, geth_with_its_default_pow;
        envelopes: symmetric_to_geth, symmetric_from_geth, asymmetric_to_geth, asymmetric_from_geth,
            sizes_to_geth, sizes_from_geth, unsigned_from_geth;
        relay: relay_between_two_geths, a_late_geth_gets_the_whole_pool;
        burst: five_thousand_to_geth, five_thousand_from_geth, five_thousand_between_two_geths;
    }
}
