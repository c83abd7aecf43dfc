//! `undertone node`.

use rustix::process::Signal;
use undertone_devp2p::Enode;

use crate::{Running, relay, run, undertone};

#[test]
fn the_first_line_can_be_dialled_and_a_polite_kill_ends_it() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = tempfile::tempdir().unwrap();
        let (mut node, line) = relay(&home);
        let enode: Enode = line.parse().expect("an enode");
        let port = enode.endpoint().unwrap().tcp;
        std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens there");
        node.signal(signal);
        assert_eq!(node.wait().code(), Some(0), "{signal:?}");

        // The key is kept; the port is the one that is asked for.
        let port = undertone_support::lasting_port();
        let mut again = undertone();
        again.args(["node", "--json", "--port", &port.to_string(), "--datadir"]).arg(home.path());
        let node = Running::start(&mut again);
        let (key, _) = line.split_once('@').unwrap();
        assert_eq!(node.json()["enode"], format!("{key}@127.0.0.1:{port}"));
    }
}

#[test]
fn two_nodes_find_each_other_and_say_so() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_first, enode) = relay(&home);
    let mut second = undertone();
    second.args(["node", "--json", "--port", "0", "--peer", &enode, "--datadir"]).arg(other.path());
    let second = Running::start(&mut second);
    assert_eq!(second.json()["event"], "started");
    assert_eq!(second.event("peers")["count"], 1);
}

#[test]
fn a_taken_port_is_a_sentence() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_first, enode) = relay(&home);
    let port = enode.parse::<Enode>().unwrap().endpoint().unwrap().tcp.to_string();
    let mut second = undertone();
    second.args(["node", "--port", &port, "--datadir"]).arg(other.path());
    run(&mut second).refused(1, &[&format!("127.0.0.1:{port}"), "in use"]);
}

#[test]
fn a_node_key_is_read_from_where_it_is_said() {
    let home = tempfile::tempdir().unwrap();
    let hex = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";
    let file = home.path().join("key");
    std::fs::write(&file, hex).unwrap();
    let start = |args: &[&str]| {
        let mut command = undertone();
        command.args(["node", "--port", "0", "--datadir"]).arg(home.path()).args(args);
        let mut node = Running::start(&mut command);
        let line = node.line();
        node.signal(Signal::TERM);
        node.wait();
        line.split('@').next().unwrap().to_owned()
    };
    let given = start(&["--nodekeyhex", hex]);
    assert_eq!(given, start(&["--nodekey", file.to_str().unwrap()]));
    assert_ne!(given, start(&[]));

    let mut command = undertone();
    command.args(["node", "--nodekeyhex", "zz", "--datadir"]).arg(home.path());
    run(&mut command).refused(2, &["--nodekeyhex", "64 hexadecimal digits"]);
    std::fs::write(&file, "not a key").unwrap();
    let mut command = undertone();
    command.args(["node", "--nodekey"]).arg(&file).arg("--datadir").arg(home.path());
    run(&mut command).refused(1, &["holds no node key"]);
}

/// `undertone node | head -1` ends when head has its line: without a panic, as a success.
#[test]
fn a_reader_that_has_enough_ends_it_in_order() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = undertone();
    command.args(["node", "--json", "--port", "0", "--datadir"]).arg(home.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    drop(stdout);
    // Its next line, about this peer, finds nobody.
    let enode =
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["enode"].as_str().unwrap().to_owned();
    let mut peer = undertone();
    peer.args(["node", "--port", "0", "--peer", &enode, "--datadir"]).arg(other.path());
    let _peer = Running::start(&mut peer);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}
