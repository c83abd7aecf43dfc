//! The cases. What each shows is its name; `docs/interop.md` keeps the last results.

mod bad;
mod bridges;
mod burst;
mod clocks;
mod codes;
mod company;
mod direct;
mod discovery;
mod envelopes;
mod ethereumjs;
mod light;
mod limiter;
mod links;
mod mutations;
mod payload;
mod relay;
mod status;
mod statusd;

use anyhow::Result;

use crate::{Case, Peer};

/// Every case with its name.
pub(crate) fn all() -> Vec<Case> {
    macro_rules! cases {
        ($($peer:ident $module:ident: $($case:ident),+;)+) => {
            vec![$($((Peer::$peer, stringify!($case), $module::$case as fn() -> Result<()>)),+),+]
        };
    }
    cases! {
        Geth links: we_dial_geth, geth_dials_us, both_dial_at_once, geth_restarts, geth_removes_us,
            silence_costs_no_link, geth_comes_back_to_us;
        Geth codes: geth_has_too_many_peers, geth_has_us_already, geth_meets_itself, geth_finds_us_useless,
            geth_quits, geth_dislikes_our_status, geth_takes_our_reasons, geth_takes_our_refusal, a_wrong_key_is_answered_with_silence;
        Geth company: our_trusted_geth_passes_the_limit, our_distrusted_geth_goes, our_static_geths_pass_the_limit,
            a_banned_geth_stays_out, our_boot_geth_is_dialled, we_dial_a_geth_that_we_discovered;
        Geth discovery: we_bond_with_geth, geth_bonds_with_us, geth_finds_our_new_port_in_our_record,
            two_geths_meet_through_us, we_meet_a_geth_through_geth, our_node_finds_geth, geth_finds_our_node,
            two_geths_meet_through_our_boot_node, our_node_remembers_geth;
        Geth status: what_geth_announces_and_changes, what_we_announce_and_change, geth_with_its_default_pow;
        Geth envelopes: symmetric_to_geth, symmetric_from_geth, asymmetric_to_geth, asymmetric_from_geth,
            sizes_to_geth, sizes_from_geth, unsigned_from_geth;
        Geth relay: relay_between_two_geths, a_late_geth_gets_the_whole_pool;
        Geth burst: five_thousand_to_geth, five_thousand_from_geth, five_thousand_between_two_geths;
        Geth direct: geth_posts_to_us_alone, we_post_to_geth_alone;
        Geth light: geth_as_a_light_client, two_light_nodes_part, our_light_node_forwards_nothing;
        Geth bad: what_geth_drops_a_peer_for, liars_do_not_cost_us_geth, geth_changes_its_mind,
            geth_sends_more_than_a_packet;
        Geth clocks: geth_is_five_seconds_behind_us, geth_is_nine_seconds_behind_us, geth_is_five_seconds_ahead_of_us;
        Geth mutations: geth_and_we_judge_alike;
        Statusd statusd: whisper_with_statusd, waku_v1_with_statusd, waku_v0_with_statusd,
            both_on_one_link_with_statusd, statusd_names_its_topics, statusd_asks_by_bloom, we_name_our_topics,
            we_ask_by_bloom, statusd_changes_its_pow, statusd_confirms, direct_with_statusd,
            statusd_between_two_of_ours, geth_and_statusd_meet_through_us;
        Statusd limiter: statusd_limits_whisper, statusd_limits_waku;
        Statusd bridges: statusd_bridges_beside_us;
        Statusd mutations: statusd_and_we_judge_alike;
        EthereumJs ethereumjs: we_dial_ethereumjs, ethereumjs_dials_us, capabilities_are_ordered_alike,
            messages_to_and_from_ethereumjs, pings_keep_the_link_with_ethereumjs, ethereumjs_says_goodbye,
            ethereumjs_takes_our_goodbyes, ethereumjs_takes_our_refusal, ethereumjs_ends_links_for_its_reasons,
            we_bond_with_ethereumjs, ethereumjs_bonds_with_us, ethereumjs_finds_us_by_discovery,
            we_meet_an_ethereumjs_through_ethereumjs, ethereumjs_reads_our_node_list;
        WakuPayload payload: the_package_opens_what_we_seal, we_open_what_the_package_seals, both_refuse_alike,
            both_derive_the_same_keys;
    }
}
