//! What each check says of figures that are good, bad and not there yet.

use serde_json::{Value, json};
use undertone_node::Health;

use super::Verdict::{Green, Red, Unknown};
use super::{Finding, Verdict, clock, discovery, nat, peers, ports};

/// A node that is well, with these figures instead of its own.
fn health(changes: &[(&str, Value)]) -> Health {
    let mut well = json!({
        "enode": "enode://00@127.0.0.1:1",
        "ageSecs": 600,
        "listen": "0.0.0.0:30303",
        "clock": { "offsetMs": 300, "sources": 5 },
        "nat": {
            "mode": "any", "method": "UPnP", "gateway": "192.168.1.1", "external": "11.0.0.7",
            "secondNat": null, "wanted": 1, "error": null,
            "mapped": [{ "protocol": "TCP", "internal": 30303, "external": 30304 }],
        },
        "discovery": { "udp": "0.0.0.0:30303", "v4": 12, "v5": 3, "starts": 1 },
        "peers": { "connected": 4, "inbound": 2, "fromOutside": 1, "max": 50, "candidates": 9, "banned": 0 },
        "files": { "soft": 1024, "hard": 1024, "open": 20 },
    });
    for (pointer, value) in changes {
        *well.pointer_mut(pointer).expect(pointer) = value.clone();
    }
    serde_json::from_value(well).unwrap()
}

/// The last finding of a check, which says what the rest comes to.
fn expect(look: fn(&Health) -> Vec<Finding>, changes: &[(&str, Value)], verdict: Verdict, word: &str) {
    let finding = look(&health(changes)).pop().unwrap();
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    let fix = finding.fix.as_deref().unwrap_or_default();
    assert!(finding.says.contains(word) || fix.contains(word), "{word:?} in {finding:?}");
    assert!(finding.verdict != Red || !fix.is_empty(), "red without a fix: {finding:?}");
}

#[test]
fn the_clock_is_right_wrong_or_unknown() {
    expect(clock::look, &[], Green, "right to 0.3 s, by 5 other nodes");
    expect(clock::look, &[("/clock/offsetMs", json!(-5_000))], Green, "5.0 s");
    expect(clock::look, &[("/clock/offsetMs", json!(5_001))], Red, "5.0 s behind");
    expect(clock::look, &[("/clock/offsetMs", json!(-90_000))], Red, "90.0 s ahead");
    let least = [("/clock", json!({ "offsetMs": -10_000, "atLeast": true, "sources": 1 }))];
    expect(clock::look, &least, Red, "at least 10.0 s ahead, by one other node alone");
    expect(clock::look, &[("/clock/offsetMs", json!(-90_000))], Red, "timedatectl set-ntp true");
    expect(clock::look, &[("/clock/offsetMs", Value::Null)], Unknown, "too few");
}

#[test]
fn the_node_is_reachable_when_somebody_came() {
    expect(ports::running, &[], Green, "have connected");
    expect(ports::running, &[("/peers/fromOutside", json!(0))], Unknown, "--nat extip");
    let here = [("/peers/fromOutside", json!(0)), ("/listen", json!("127.0.0.1:1"))];
    expect(ports::running, &here, Unknown, "--addr 0.0.0.0");
    expect(ports::running, &[("/listen", Value::Null)], Unknown, "does not listen");
}

#[test]
fn the_router_maps_or_says_why_not() {
    expect(nat::look, &[], Green, "mapped by UPnP: 11.0.0.7, TCP 30304");
    expect(nat::look, &[("/nat/mode", json!("none"))], Green, "--nat none");
    expect(nat::look, &[("/nat/mode", json!("extip:11.0.0.7"))], Green, "11.0.0.7");
    let none = ("/nat/mapped", json!([]));
    let nothing_listens = [("/nat/wanted", json!(0)), none.clone(), ("/nat/external", Value::Null)];
    expect(nat::look, &nothing_listens, Green, "nothing listens");
    let silent = [none.clone(), ("/nat/error", json!("no router answered"))];
    expect(nat::look, &silent, Red, "no router answered");
    expect(nat::look, &silent, Red, "forward the port by hand");
    expect(nat::look, std::slice::from_ref(&none), Unknown, "being asked");
    expect(nat::look, &[("/nat/wanted", json!(2))], Red, "not granted");
    let twice = [("/nat/secondNat", json!("100.64.0.9")), ("/nat/external", Value::Null)];
    expect(nat::look, &twice, Red, "behind another one (100.64.0.9)");
}

#[test]
fn discovery_knows_somebody_or_had_its_chance() {
    expect(discovery::look, &[], Green, "12 nodes by v4, 3 nodes by v5");
    expect(discovery::look, &[("/discovery/v4", Value::Null)], Green, "3 nodes by v5, v4 is off");
    let nobody = [("/discovery/v4", json!(0)), ("/discovery/v5", json!(0))];
    expect(discovery::look, &nobody, Red, "check that UDP gets out");
    let young = [&nobody[..], &[("/ageSecs", json!(5))]].concat();
    expect(discovery::look, &young, Unknown, "just started");
    let first = [&nobody[..], &[("/discovery/starts", json!(0))]].concat();
    expect(discovery::look, &first, Unknown, "--bootnodes");
    expect(discovery::look, &[("/discovery", Value::Null)], Unknown, "off");
    let lists = [("/discovery/v4", Value::Null), ("/discovery/v5", Value::Null)];
    expect(discovery::look, &lists, Green, "v4 is off, v5 is off");
}

#[test]
fn company_is_there_or_missed() {
    expect(peers::look, &[], Green, "4 of 50: 2 dialled, 2 came");
    expect(peers::look, &[("/peers/banned", json!(3))], Green, "3 banned");
    let alone = [("/peers/connected", json!(0)), ("/peers/inbound", json!(0))];
    expect(peers::look, &alone, Red, "9 nodes could be dialled");
    let young = [&alone[..], &[("/ageSecs", json!(5))]].concat();
    expect(peers::look, &young, Unknown, "just started");
    let lost = [&alone[..], &[("/peers/candidates", json!(0))]].concat();
    expect(peers::look, &lost, Red, "nobody to dial");
    let boot = [&alone[..], &[("/peers/max", json!(0)), ("/listen", Value::Null)]].concat();
    expect(peers::look, &boot, Green, "as a boot node should");
}
