//! The small scenarios against their bounds and baselines, and determinism.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use undertone_sim::report::Report;
use undertone_sim::scenario::{Family, Scenario, Size};

fn scenario(name: &str) -> Scenario {
    Scenario::all().unwrap().into_iter().find(|scenario| scenario.name == name).unwrap()
}

/// Runs a scenario and fails with every figure that is not what it must be.
fn check(name: &str) -> Report {
    let scenario = scenario(name);
    let report = scenario.run();
    let faults = report.faults(&scenario).unwrap();
    assert!(faults.is_empty(), "{name}:\n  {}\n{}", faults.join("\n  "), report.to_toml());
    report
}

#[test]
fn twenty_nodes_on_clean_links() {
    check("clean_20");
}

#[test]
fn a_hundred_nodes_on_links_that_break() {
    let report = check("resets_100");
    assert!(report.value("resets") > Some(0.0));
}

#[test]
fn a_partition_heals() {
    check("partition");
}

#[test]
fn honest_envelopes_outlive_a_flood() {
    let report = check("flood");
    assert!(report.value("evicted") > Some(0.0), "the pools overflowed");
}

#[test]
fn honest_traffic_flows_under_every_attack_at_once() {
    let report = check("siege");
    assert!(report.value("drops_of_liars") > Some(0.0), "who sends what is no list is dropped");
}

#[test]
fn observers_among_the_relays_guess_who_said_it() {
    let report = check("spy");
    let named =
        |policy: &str, percent: u32| report.value(&format!("named_{policy}_relay_{percent}")).unwrap();
    assert!(named("fast", 20) > named("fast", 5), "more observers see more");
    assert!(named("blended", 20) < named("fast", 20), "who mixes is named less often");
    for percent in [5, 10, 20] {
        let (own, fast) = (named("own", percent), named("fast", percent));
        assert!(own < 0.7 * fast, "whose own words alone wait is named less often still: {own} of {fast}");
    }
}

#[test]
fn what_a_client_receives_in_a_day_beside_the_published_model() {
    let report = check("usage_20");
    let figure = |name: &str| report.value(name).unwrap();
    assert_eq!(figure("recovered_away"), 1.0, "who was away gets all that was written to it");
    assert_eq!(figure("twice_away"), 0.0, "and each message once");
    assert!(figure("repeated_away") > 0.0, "although the archive gave some of them again");
    assert!(figure("fetched_mib_away") < figure("fetched_mib_unsplit"), "several filters fit less than one");
}

#[test]
fn whisper_and_waku_reach_each_other_over_bridges_without_loops() {
    check("mixed");
}

#[test]
fn without_bridges_whisper_and_waku_stay_apart() {
    let mut scenario = scenario("mixed");
    let Family::Mixed(plan) = &mut scenario.family else { panic!("a mixed network") };
    plan.bridging = false;
    let report = scenario.run();
    assert_eq!(report.value("delivery_across"), Some(0.0));
    assert_eq!(report.value("taken_twice"), Some(0.0));
}

#[test]
fn wrong_clocks_harm_their_owners_alone() {
    check("skew");
}

#[test]
fn nodes_that_restart_cold_get_what_lives() {
    check("churn");
}

#[test]
fn five_hundred_nodes_find_each_other_from_two_boot_nodes() {
    let report = check("find_500");
    assert!(report.value("known_min") >= Some(10.0));
}

#[test]
fn nodes_are_found_over_lossy_links_and_after_restarts() {
    check("find_100");
}

#[test]
fn halves_of_a_network_find_each_other_again() {
    check("find_halves");
}

#[test]
fn who_meets_false_friends_keeps_at_least_half_honest_links() {
    let report = check("friends_100");
    assert!(report.value("honest_links_min") >= Some(0.5));
}

#[test]
fn liars_with_many_keys_that_ping_and_dial_everybody_isolate_nobody() {
    let report = check("company_100");
    assert_eq!(report.value("isolated"), Some(0.0));
}

/// Every scenario is run by one of the tests above, or is large; each baseline has a scenario.
#[test]
fn nothing_is_left_out() {
    let (small, large): (Vec<_>, Vec<_>) =
        Scenario::all().unwrap().into_iter().partition(|scenario| scenario.size == Size::Small);
    let names: Vec<&str> = small.iter().map(|scenario| scenario.name.as_str()).collect();
    let gossip = ["churn", "clean_20", "flood", "partition", "resets_100", "siege", "skew"];
    let transport = ["mixed", "spy", "usage_20"];
    let discovery = ["company_100", "find_100", "find_500", "find_halves", "friends_100"];
    let mut tested: Vec<&str> = gossip.into_iter().chain(discovery).chain(transport).collect();
    tested.sort_unstable();
    assert_eq!(names, tested);
    assert_eq!(large.len(), 7);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), small.len() + large.len());
}

#[test]
fn same_seed_same_run() {
    let mut scenario = scenario("resets_100");
    scenario.nodes = 30;
    twice(scenario);
}

#[test]
fn same_seed_same_observers() {
    let mut scenario = scenario("spy");
    scenario.nodes = 20;
    scenario.seconds = 15;
    let Family::Spy(plan) = &mut scenario.family else { panic!("a network with observers") };
    (plan.worlds, plan.relays, plan.envelopes) = (2, 14, 10);
    twice(scenario);
}

#[test]
fn same_seed_same_usage() {
    let mut scenario = scenario("usage_20");
    scenario.seconds = 240;
    let Family::Usage(plan) = &mut scenario.family else { panic!("clients and relays") };
    (plan.window, plan.topics, plan.away.visits) = (180, 5, 1);
    twice(scenario);
}

#[test]
fn same_seed_same_mixed_network() {
    twice(scenario("mixed"));
}

#[test]
fn same_seed_same_discovery() {
    let mut scenario = scenario("find_100");
    scenario.nodes = 16;
    scenario.seconds = 150;
    twice(scenario);
}

#[test]
fn same_seed_same_company() {
    let mut scenario = scenario("company_100");
    scenario.nodes = 20;
    scenario.seconds = 310;
    twice(scenario);
}

/// Runs it twice, and once with another seed.
fn twice(mut scenario: Scenario) {
    let (one, two) = (scenario.run(), scenario.run());
    assert!(one.log.entries() > 1_000);
    assert_eq!(one, two);
    assert_eq!(one.to_toml(), two.to_toml());
    scenario.seed += 1;
    assert_ne!(one.log, scenario.run().log, "the log sees what differs");
}
