//! What is shown with the program `undertone`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use undertone_support::until;

use crate::lab::{LONG, Lab, Program, within};

/// A case with the program, and its name.
pub(crate) type Case = (&'static str, fn(&Lab, &Path));

pub(crate) const ALL: &[Case] =
    &[("nodes_behind_two_nats_find_and_join_each_other_through_a_public_one", joined_through_a_public_one)];

/// The program, when `cargo xtask nat` has built it.
pub(crate) fn binary() -> Option<PathBuf> {
    std::env::var_os("UNDERTONE_BIN").map(PathBuf::from)
}

/// A running `undertone node`.
struct Node {
    program: Program,
    binary: PathBuf,
    place: &'static str,
    enode: String,
}

impl Node {
    fn start(binary: &Path, place: &'static str, options: &[&str]) -> Self {
        let mut command = within(place, binary.to_str().unwrap());
        command.args(["-vv", "--json", "--datadir", &home(place), "node"]).args(options);
        let program = Program::start(place, command);
        let started = program.wait_until(0, "started", |line| line.contains("\"event\":\"started\""));
        let enode = field(&started, "enode");
        Self { program, binary: binary.to_owned(), place, enode }
    }

    fn key(&self) -> &str {
        self.enode.strip_prefix("enode://").unwrap().split('@').next().unwrap()
    }

    /// Where it says that others can reach it.
    fn until_address(&self, wanted: &str) {
        let latest = || {
            let lines = self.program.lines();
            lines
                .iter()
                .rev()
                .find(|line| line.contains("\"event\":\"address\""))
                .map(|line| field(line, "enode"))
        };
        let ok = until(LONG, || latest().is_some_and(|enode| enode.ends_with(wanted)));
        assert!(ok, "{:?} instead of {wanted}: {}", latest(), self.program.trouble());
    }

    /// Waits until its own record, which it keeps on disk, has this address: as RLP, a key of two and a value of four
    /// bytes.
    fn until_recorded(&self, ip: [u8; 4]) {
        let pair = [&b"\x82ip\x84"[..], &ip].concat();
        let file = format!("{}/nodes", home(self.place));
        let has = || fs::read(&file).is_ok_and(|bytes| bytes.windows(pair.len()).any(|part| part == pair));
        assert!(until(LONG, has), "no record with {ip:?}: {}", self.program.trouble());
    }

    /// What `undertone peers` says, when it has all of these words.
    fn until_peers(&self, words: &[&str]) -> String {
        let mut said = String::new();
        let ok = until(LONG * 2, || {
            said = self.peers();
            words.iter().all(|word| said.contains(word))
        });
        assert!(ok, "not all of {words:?} in {said}: {}", self.program.trouble());
        said
    }

    fn peers(&self) -> String {
        let mut command = within(self.place, self.binary.to_str().unwrap());
        command.args(["--json", "--datadir", &home(self.place), "peers", "list"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// As Ctrl-C.
    fn interrupt(mut self) {
        let status = Command::new("kill").args(["-INT", &self.program.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.program.ended();
    }
}

fn home(place: &str) -> String {
    format!("/run/{place}")
}

/// The text of a field in a line of JSON; enodes need no escapes.
fn field(line: &str, name: &str) -> String {
    let (_, rest) = line.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn joined_through_a_public_one(lab: &Lab, binary: &Path) {
    let public = Node::start(binary, "public", &["--addr", "11.0.9.9", "--nat", "none"]);
    let boot = public.enode.as_str();
    let behind =
        |place, how| Node::start(binary, place, &["--addr", "0.0.0.0", "--nat", how, "--bootnodes", boot]);
    let (one, two) = (behind("peer1", "upnp"), behind("peer2", "pmp"));
    one.until_address("@11.0.1.11:30303");
    two.until_address("@11.0.2.12:30303");
    one.until_recorded([11, 0, 1, 11]);
    two.until_recorded([11, 0, 2, 12]);
    for router in [&lab.router1, &lab.router2] {
        assert_eq!(router.mappings().len(), 2);
    }
    // Each has the public node, which both were told, and the other, which nobody told them.
    let seen_by_one = one.until_peers(&[public.key(), two.key()]);
    let seen_by_two = two.until_peers(&[public.key(), one.key()]);
    public.until_peers(&[one.key(), two.key()]);
    // Whichever of the two dialled the other came in through a mapped port.
    let dialled = |seen: &str, address: &str| seen.contains(&format!("\"remoteAddress\":\"{address}\""));
    assert!(
        dialled(&seen_by_one, "11.0.2.12:30303") || dialled(&seen_by_two, "11.0.1.11:30303"),
        "{seen_by_one}\n{seen_by_two}"
    );
    one.interrupt();
    two.interrupt();
    for router in [&lab.router1, &lab.router2] {
        assert!(router.mappings().is_empty(), "gone after a clean end: {:?}", router.mappings());
    }
    public.interrupt();
}
