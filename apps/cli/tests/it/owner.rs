//! `undertone send` while another process owns the data directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Signal;

use crate::{Home, Running, add_account, relay, run, undertone};

/// Without a password: the owner has the account open.
fn send(home: &Home, args: &[&str]) -> Command {
    let mut command = undertone();
    command.arg("send").args(args).arg("--datadir").arg(home.data());
    command
}

#[test]
fn the_owner_sends_for_others() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(30), Home::new(31));
    let (_relay, enode) = relay(&node);
    let bob_listens = Running::start(&mut bob.undertone(&["listen", "--json", "--peer", &enode]));
    bob_listens.says("listening as");
    let mut owner = Running::start(&mut alice.undertone(&["listen", "--json"]));
    owner.says("listening as");
    let mode = std::fs::metadata(alice.data().join("undertone.ipc")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The owner knows no peer yet; this request brings one.
    let to = bob.key.to_hex();
    let ended = run(&mut send(&alice, &[&to, "patience", "--timeout", "300ms"])).expect(1);
    assert!(ended.err.contains("--peer") && ended.err.contains("stays queued"), "{}", ended.err);
    let delivered =
        [&to, "by the owner", "--wait", "delivered", "--timeout", "100s", "--json", "--peer", &enode];
    let states = run(&mut send(&alice, &delivered)).expect(0).lines();
    assert_eq!(states[0]["event"], "composed");
    assert_eq!(states.last().unwrap()["state"], "delivered", "{states:?}");
    let mut texts = [(); 2].map(|()| bob_listens.event("message")["text"].to_string());
    texts.sort();
    assert_eq!(texts, ["\"by the owner\"", "\"patience\""]);

    // What the messenger refuses comes back; so does a mistake in the usage, before anybody is asked.
    run(&mut send(&alice, &[&alice.key.to_hex(), "note"])).refused(1, &["oneself"]);
    run(&mut send(&alice, &["alice", "note"])).refused(2, &["alice"]);
    let other = add_account(&alice.data(), 32).to_hex();
    run(&mut send(&alice, &[&to, "x"])).refused(2, &["--account"]);
    run(&mut send(&alice, &[&to, "x", "--account", &other])).refused(1, &["has account 0x"]);

    owner.signal(Signal::TERM);
    assert_eq!(owner.wait().code(), Some(0));
    assert!(!alice.data().join("undertone.ipc").exists(), "cleaned up");
}

#[test]
fn a_dead_owner_s_socket_is_in_nobody_s_way() {
    let home = Home::new(33);
    let owner = Running::start(&mut home.undertone(&["listen"]));
    owner.says("listening as");
    owner.kill_tree();
    assert!(home.data().join("undertone.ipc").exists());
    run(&mut home.undertone(&["send", "public:lab", "x", "--wait", "queued"])).expect(0);
    let owner = Running::start(&mut home.undertone(&["listen"]));
    owner.says("listening as");
    run(&mut send(&home, &["public:lab", "y", "--wait", "queued"])).expect(0);
}

/// An owner that takes no requests, or has no account, is named.
#[test]
fn an_owner_that_cannot_help_is_named() {
    let home = Home::new(34);
    let mut command = undertone();
    command.args(["node", "--port", "0", "--datadir"]).arg(home.data());
    let mut owner = Running::start(&mut command);
    owner.line();
    let pid = owner.pid().as_raw_nonzero().to_string();
    let words = [&*format!("process {pid}"), "without an account", "stop it"];
    run(&mut send(&home, &["public:lab", "x"])).refused(1, &words);
    owner.signal(Signal::TERM);
    owner.wait();

    // This test owns it now, and has no socket.
    let _lock = undertone_runtime::DataDirLock::acquire(&home.data()).unwrap();
    let own = std::process::id();
    run(&mut send(&home, &["public:lab", "x"])).refused(1, &[&format!("process {own}"), "stop it"]);
    let mut peers = undertone();
    peers.args(["peers", "--datadir"]).arg(home.data());
    run(&mut peers).refused(1, &[&format!("process {own}"), "stop it"]);
}

#[test]
fn garbage_on_the_socket_is_refused_and_silence_blocks_nobody() {
    let home = Home::new(35);
    let owner = Running::start(&mut home.undertone(&["listen"]));
    owner.says("listening as");
    let connect = || UnixStream::connect(home.data().join("undertone.ipc")).unwrap();
    let _silent = connect();
    for garbage in ["\n", "{}\n", "{\"to\":1}\n", "\u{0}\u{1}\n", &format!("{}\n", "[".repeat(100_000))] {
        let mut stream = connect();
        stream.write_all(garbage.as_bytes()).unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        assert!(reply.contains("\"refused\""), "{reply:?}");
    }
    // More than a line may have: cut off there.
    let mut stream = connect();
    let _ = stream.write_all(&[b'x'; 1024 * 1024]);
    let mut reply = String::new();
    let _ = BufReader::new(stream).read_line(&mut reply);
    run(&mut send(&home, &["public:lab", "x", "--wait", "queued"])).expect(0);
}

/// All that was said goes to whoever has the key, not to whoever reaches the socket.
#[test]
fn the_owner_gives_messages_to_the_account_s_key_alone() {
    use undertone_account::ChatKey;
    use undertone_crypto::{SecretKey, Signature, keccak256};
    let home = Home::new(36);
    let owner = Running::start(&mut home.undertone(&["listen"]));
    owner.says("listening as");
    let account = undertone::Accounts::new(&home.data()).find(None).unwrap();
    let now = || u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let ask = |seed: u64, at: u64, said: u64| {
        let key = ChatKey::new(SecretKey::random(&mut undertone_support::rng(seed)));
        let digest = keccak256(format!("undertone: messages for a backup, asked at {at}").as_bytes());
        let signature = Signature::sign(&digest, key.secret_key());
        let proof = serde_json::json!({ "at": said, "signature": const_hex::encode(signature.as_bytes()) });
        let task = serde_json::json!({ "backup": { "proof": proof } });
        let request = serde_json::json!({ "work": { "account": account.address.to_string(), "task": task } });
        let mut stream = UnixStream::connect(home.data().join("undertone.ipc")).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        reply
    };
    let fresh = |seed: u64| {
        let now = now();
        ask(seed, now, now)
    };
    assert!(fresh(36).contains("\"answer\""));
    let old = now() - 61_000;
    for reply in [fresh(37), ask(36, old, old), ask(36, now() - 9, now())] {
        assert!(reply.contains("\"refused\"") && reply.contains("only the account's key"), "{reply}");
    }
}
