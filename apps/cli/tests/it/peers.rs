//! `undertone peers`: looking at the peers of a running node, and changing them.

use crate::network::{Node, peers};
use crate::{Ended, Home, LONG, Running, run, undertone};

fn ask(node: &Node, args: &[&str]) -> Ended {
    run(undertone().arg("peers").args(args).arg("--datadir").arg(node.home.path()))
}

#[test]
fn peers_are_added_trusted_banned_and_removed() {
    let (first, second) = (Node::start(&["--nodiscover"]), Node::start(&["--nodiscover"]));
    assert!(ask(&first, &["list"]).expect(0).out.is_empty());
    let added = ask(&first, &["add", &second.enode]).expect(0);
    assert!(added.err.contains("stays connected to"), "{}", added.err);
    assert!(ask(&first, &["add", &second.enode]).expect(0).err.contains("nothing changed"));
    first.has_peers(1);
    second.has_peers(1);

    assert!(ask(&first, &["trust", &second.enode]).expect(0).err.contains("whatever the limits"));
    let shown = peers(first.home.path());
    let network = &shown[0]["network"];
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (&network["static"], &network["trusted"], &network["inbound"]),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!(peers(second.home.path())[0]["network"]["inbound"], true);
    let table = ask(&first, &[]).expect(0);
    for word in ["NODE", "ADDRESS", "127.0.0.1", "Undertone/v", "static trusted"] {
        assert!(table.out.contains(word), "{word:?} in {}", table.out);
    }
    assert!(table.err.contains("1 peer"), "{}", table.err);
    let id = shown[0]["id"].as_str().unwrap();
    assert!(table.out.contains(&id[..8]));

    // Out it goes, and stays out; then it may come back.
    assert!(ask(&first, &["ban", &second.enode, "--for", "1h"]).expect(0).err.contains("1 h 00 m"));
    second.has_no_peers();
    // Its own side of the link may end a moment later.
    let mut table = String::new();
    let gone = || {
        table = ask(&first, &[]).expect(0).out;
        table.contains("static, not connected")
    };
    assert!(undertone_support::until(LONG, gone), "{table}");
    assert!(table.contains("banned, "), "{table}");
    assert_eq!(ask(&first, &["unban", &second.enode, "--json"]).expect(0).json()["changed"], true);
    assert_eq!(ask(&first, &["unban", &second.enode, "--json"]).expect(0).json()["changed"], false);
    second.has_peers(1);

    // The id of the table is a name too.
    assert!(ask(&first, &["untrust", &id[..8]]).expect(0).err.contains("to the limits"));
    assert!(ask(&first, &["remove", &second.enode]).expect(0).err.contains("does not stay connected"));
    second.has_no_peers();
    assert!(undertone_support::until(LONG, || peers(first.home.path()).is_empty()));
    ask(&first, &["trust", "0123456789"]).refused(1, &["no node that is known here"]);
    ask(&first, &["add", &first.enode]).refused(1, &["this node itself"]);
}

#[test]
fn an_account_s_node_is_asked_too_and_without_a_node_it_is_a_sentence() {
    let home = Home::new(60);
    let mut command = undertone();
    command.args(["peers", "--datadir"]).arg(home.data());
    run(&mut command).refused(1, &["no node is running", "undertone node"]);
    let nowhere = home.dir.path().join("nowhere");
    let mut absent = undertone();
    absent.args(["peers", "--datadir"]).arg(&nowhere);
    run(&mut absent).refused(1, &["no node is running"]);
    assert!(!nowhere.exists(), "looking makes nothing");

    let listening = Running::start(&mut home.undertone(&["listen"]));
    listening.says("listening as");
    assert!(run(&mut command).expect(0).err.contains("0 peers"));
}
