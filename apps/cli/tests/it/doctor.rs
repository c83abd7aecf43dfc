//! `undertone doctor`, with a node and without.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::network::Node;
use crate::{Ended, Home, run, undertone};

fn doctor(dir: &Path, args: &[&str]) -> Ended {
    run(undertone().arg("doctor").args(args).arg("--datadir").arg(dir))
}

fn of<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    findings.iter().find(|finding| finding["check"] == check).expect(check)
}

#[test]
fn a_machine_without_a_node_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    let ended = doctor(&absent, &["--json", "--port", "0"]).expect(0);
    assert!(ended.err.contains("no node is running"), "{}", ended.err);
    let findings = ended.lines();
    for (check, verdict) in [
        ("clock", "unknown"),
        ("tcp port", "green"),
        ("udp port", "green"),
        ("router", "unknown"),
        ("discovery", "unknown"),
        ("peers", "unknown"),
        ("directory", "unknown"),
        ("free space", "green"),
        ("open files", "green"),
    ] {
        assert_eq!(of(&findings, check)["verdict"], verdict, "{check}");
    }
    assert!(of(&findings, "peers")["says"].as_str().unwrap().contains("running node"));
    assert!(!absent.exists(), "looking makes nothing");
}

#[test]
fn what_is_wrong_is_red_with_the_fix_and_the_status_is_1() {
    let home = Home::new(70);
    // For UDP it is nobody's, whatever else runs on the machine.
    let port = undertone_support::lasting_port();
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let port = port.to_string();
    let key = std::fs::read_dir(home.data().join("keystore")).unwrap().next().unwrap().unwrap().path();
    let open = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    open(0o644);
    std::fs::set_permissions(home.data(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let ended = doctor(&home.data(), &["--json", "--port", &port]).expect(1);
    let findings = ended.lines();
    for (check, fix) in
        [("tcp port", "another --port"), ("key files", "chmod 600"), ("directory", "chmod 700")]
    {
        let finding = of(&findings, check);
        assert_eq!(finding["verdict"], "red", "{check}");
        assert!(finding["fix"].as_str().unwrap().contains(fix), "{finding}");
    }
    let text = doctor(&home.data(), &["--port", &port]).expect(1);
    assert!(text.out.contains("✗ tcp port") && text.out.contains("→ stop that program"), "{}", text.out);
    assert!(text.err.contains("3 red"), "{}", text.err);

    // As the fixes say.
    drop(taken);
    open(0o600);
    std::fs::set_permissions(home.data(), std::fs::Permissions::from_mode(0o700)).unwrap();
    doctor(&home.data(), &["--port", "0"]).expect(0);
}

#[test]
fn a_running_node_tells_how_it_is() {
    let boot = Node::start(&["--role", "relay,boot"]);
    let node = Node::start(&["--bootnodes", &boot.enode]);
    node.has_peers(1);
    let mut findings = Vec::new();
    // The tables of discovery fill a moment after the first peer is there.
    let known = undertone_support::until(crate::LONG, || {
        findings = doctor(node.home.path(), &["--json"]).expect(0).lines();
        of(&findings, "discovery")["verdict"] == "green"
    });
    assert!(known, "{findings:?}");
    for (check, verdict, word) in [
        ("clock", "unknown", "too few"),
        ("tcp port", "green", "listens on 127.0.0.1:"),
        ("reachable", "unknown", "this machine only"),
        ("router", "green", "nothing listens for other machines"),
        ("peers", "green", "1 of 50"),
        ("open files", "green", "are open"),
    ] {
        let finding = of(&findings, check);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["says"].as_str().unwrap().contains(word), "{finding}");
    }
}
