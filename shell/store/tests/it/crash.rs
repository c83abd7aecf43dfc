//! A process that is killed while it writes: what it said is kept, and nothing is half there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use undertone_messenger::store::{Keys, Order, StoreTx as _, Table};
use undertone_runtime::block_on;

use crate::common::{Place, Tell, writer};

const DIRECTORY: &str = "UNDERTONE_TEST_CRASH_DIRECTORY";
/// The child erases its log after each commit when there is such a variable.
const ERASES: &str = "UNDERTONE_TEST_CRASH_ERASES";

/// Not a test by itself: the process that [`killed_at_any_moment`] starts and kills.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let mut place = Place::new();
    place.root = dir.into();
    let (writer, hand) = writer(&place);
    let erases = std::env::var_os(ERASES).is_some();
    let mut out = std::io::stdout();
    for first in (0..u32::MAX).step_by(4) {
        let answers = [0, 1, 2, 3].map(|n| writer.try_submit(Tell::Note(first + n)).unwrap());
        for answer in answers {
            let n = block_on(answer).unwrap();
            writeln!(out, "\nkept {n}").unwrap();
            out.flush().unwrap();
        }
        if erases {
            hand.advance(undertone_store::limits::LOG_AGE);
        }
    }
}

#[test]
fn killed_at_any_moment() {
    for (kill_after, erases) in [1, 2, 7, 30, 101].into_iter().flat_map(|n| [(n, false), (n, true)]) {
        let place = Place::new();
        let kept = run_and_kill(&place, kill_after, erases);
        let rows = place.open().transact(|tx| {
            let keys = |table| tx.scan(table, Keys::ALL, Order::Ascending, usize::MAX);
            Ok::<_, undertone_base::StoreError>((keys(Table::Message)?, keys(Table::Timeline)?))
        });
        let (first, second) = rows.unwrap();
        let numbers = |rows: &[(Vec<u8>, Vec<u8>)]| {
            rows.iter().map(|(k, _)| u32::from_be_bytes(k.as_slice().try_into().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&first), numbers(&second), "no input is half there");
        let there = u32::try_from(first.len()).unwrap();
        assert_eq!(numbers(&first), (0..there).collect::<Vec<_>>(), "none is missing in between");
        assert!(kept >= kill_after && there >= kept, "{kept} were acknowledged, {there} are there");
    }
}

/// How many inputs the process acknowledged before it died.
fn run_and_kill(place: &Place, kill_after: u32, erases: bool) -> u32 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .envs(erases.then_some((ERASES, "1")))
        .args(["--exact", "crash::child_writes_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, &place.root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut kept = 0;
    for line in lines {
        if line.strip_prefix("kept ").is_some_and(|n| n == kept.to_string()) {
            kept += 1;
            if kept == kill_after {
                // SIGKILL; what the pipe holds already is read to its end.
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    kept
}
