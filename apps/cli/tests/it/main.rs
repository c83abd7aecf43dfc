//! The program as a person meets it: what is typed, what comes back, and with which exit status.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod account;
mod backup;
mod clock;
mod crash;
mod demo;
mod devices;
mod dns;
mod doctor;
mod ens;
mod help;
mod mistakes;
mod network;
mod node;
mod owner;
mod peers;
mod people;
mod profile;
mod scan;
mod send;
mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;
use undertone::Accounts;
use undertone_account::ChatKey;
use undertone_account::keystore::ScryptParams;
use undertone_base::Unix;
use undertone_crypto::{PublicKey, SecretKey};

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(120);
/// Lines of a running program that may wait for the test.
const LINES: usize = 10_000;

/// The built program, with nothing from the environment but what is given here.
fn undertone() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
    let kept = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR");
    command.env_clear().envs(kept).env("COLUMNS", "100").stdin(Stdio::null());
    command
}

/// What a program that ended has left.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    /// The one JSON object on stdout.
    fn json(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    /// Every line of stdout as JSON.
    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Failed with this status, and says all of this on stderr and nothing on stdout.
    #[track_caller]
    fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.out, "", "nothing on stdout");
        for word in words {
            assert!(self.err.contains(word), "{word:?} in {self:#?}");
        }
    }
}

/// Runs to the end.
fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs to the end with this on stdin.
fn run_with(command: &mut Command, stdin: &str) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever does not read all of it has refused before.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A program that runs, in a process group of its own; killed when dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = reader(child.stdout.take().unwrap());
        let errors = reader(child.stderr.take().unwrap());
        Self { child, lines, errors }
    }

    /// The next line of stdout.
    fn line(&self) -> String {
        self.lines.recv_timeout(LONG).expect("a line in time")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// The next event of this kind; others are passed over.
    fn event(&self, kind: &str) -> Value {
        loop {
            let value = self.json();
            if value["event"] == kind {
                return value;
            }
        }
    }

    /// The message of this text; others, and what is not one, are passed over.
    fn message(&self, text: &str) -> Value {
        loop {
            let value = self.event("message");
            if value["text"] == text {
                return value;
            }
        }
    }

    /// Waits for a line of stderr that holds this.
    fn says(&self, word: &str) {
        while !self.errors.recv_timeout(LONG).expect("a line of stderr in time").contains(word) {}
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// SIGKILL for it and all that it has started.
    fn kill_tree(mut self) {
        kill_process_group(self.pid(), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = undertone_support::until(LONG, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "ends in time");
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn reader(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = sync_channel(LINES);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = send.try_send(line);
        }
    });
    lines
}

/// A data directory with one account, whose key file is cheap to open.
struct Home {
    dir: TempDir,
    key: PublicKey,
}

impl Home {
    fn new(seed: u64) -> Self {
        Self::with_key(SecretKey::random(&mut undertone_support::rng(seed)))
    }

    fn with_key(key: SecretKey) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("password"), "correct horse\n").unwrap();
        let key = add_key(&dir.path().join("data"), key);
        Self { dir, key }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn password_file(&self) -> PathBuf {
        self.dir.path().join("password")
    }

    /// The program on this directory, with the password.
    fn undertone(&self, args: &[&str]) -> Command {
        let mut command = undertone();
        command.args(args).arg("--datadir").arg(self.data());
        command.arg("--password-file").arg(self.password_file());
        command
    }
}

fn add_account(data: &Path, seed: u64) -> PublicKey {
    add_key(data, SecretKey::random(&mut undertone_support::rng(seed)))
}

fn add_key(data: &Path, key: SecretKey) -> PublicKey {
    let key = ChatKey::new(key);
    let accounts = Accounts::new(data).with_scrypt(ScryptParams::new(1_024, 8, 1).unwrap());
    accounts.add(&key, "correct horse", Unix::from_secs(1), &mut undertone_support::rng(1)).unwrap();
    key.public()
}

/// A relay and where it can be dialled.
fn relay(home: &TempDir) -> (Running, String) {
    let mut command = undertone();
    command.args(["node", "--port", "0", "--datadir"]).arg(home.path());
    let node = Running::start(&mut command);
    let enode = node.line();
    (node, enode)
}
