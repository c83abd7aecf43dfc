//! `undertone send` and `undertone listen`, through a relay of its own.

use rustix::process::Signal;

use crate::network::peers;
use crate::{Home, LONG, Running, relay, run, run_with};

#[test]
fn a_message_goes_to_a_listener_in_another_process() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(20), Home::new(21));
    let (_relay, enode) = relay(&node);
    let mut listening =
        Running::start(&mut bob.undertone(&["listen", "public:lab", "--json", "--peer", &enode]));
    listening.says("listening as");
    let to = bob.key.to_hex();

    let queued = ["send", &to, "one", "--wait", "queued", "--json", "--peer", &enode];
    let composed = run(&mut alice.undertone(&queued)).expect(0).lines();
    assert_eq!(composed[0]["event"], "composed");

    let delivered =
        ["send", &to, "two", "--wait", "delivered", "--timeout", "100s", "--json", "--peer", &enode];
    let states = run(&mut alice.undertone(&delivered)).expect(0).lines();
    assert_eq!(states.last().unwrap()["state"], "delivered", "{states:?}");
    assert!(states.iter().all(|line| line["id"] == states[0]["id"]));

    // The first one waited for this run.
    let mut texts = Vec::new();
    for _ in 0..2 {
        let message = listening.event("message");
        assert_eq!(message["author"], alice.key.to_hex());
        assert_eq!(message["chat"], alice.key.to_hex());
        texts.push(message["text"].as_str().unwrap().to_owned());
    }
    texts.sort();
    assert_eq!(texts, ["one", "two"]);

    // From stdin, to a public chat, by the shortest form: the id is all there is on stdout.
    let send = ["send", "#lab", "-", "--timeout", "100s", "--peer", &enode];
    let sent = run_with(&mut alice.undertone(&send), "three\n").expect(0);
    let message = listening.event("message");
    assert_eq!((&message["chat"], &message["text"]), (&"#lab".into(), &"three".into()));
    assert_eq!(message["id"], sent.out.trim());
    assert_eq!(message["protection"], "public");

    listening.signal(Signal::TERM);
    assert_eq!(listening.wait().code(), Some(0));
}

#[test]
fn without_peers_it_stays_queued_and_leaves_in_a_later_run() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(22), Home::new(23));
    let to = bob.key.to_hex();
    let ended = run(&mut alice.undertone(&["send", &to, "patience", "--timeout", "300ms"])).expect(1);
    let id = ended.out.trim().to_owned();
    assert!(id.starts_with("0x"), "{id}");
    for word in ["--peer", "not sent within 300ms", "stays queued"] {
        assert!(ended.err.contains(word), "{word:?} in {}", ended.err);
    }
    // The recipient is not there either: delivered cannot be, and says so. In a run that has its peer already, so that it
    // is not the peer that is late.
    let (_relay, enode) = relay(&node);
    let later = Running::start(&mut alice.undertone(&["listen", "--json", "--peer", &enode]));
    later.says("listening as");
    assert!(undertone_support::until(LONG, || peers(&alice.data()).len() == 1));
    let waits = ["send", &to, "more", "--wait", "delivered", "--timeout", "1s", "--peer", &enode];
    let ended = run(&mut alice.undertone(&waits)).expect(1);
    assert!(ended.err.contains("did not answer"), "{}", ended.err);
    later.kill_tree();

    let listening = Running::start(&mut bob.undertone(&["listen", "--json", "--peer", &enode]));
    listening.says("listening as");
    let _alice = Running::start(&mut alice.undertone(&["listen", "--json", "--peer", &enode]));
    let mut texts = [listening.event("message"), listening.event("message")]
        .map(|m| (m["text"].to_string(), m["id"].to_string()));
    texts.sort();
    assert_eq!(texts[0].0, "\"more\"");
    assert_eq!(texts[1], ("\"patience\"".to_owned(), format!("\"{id}\"")));
}

#[test]
fn a_message_cannot_steer_the_terminal() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(24), Home::new(25));
    let (_relay, enode) = relay(&node);
    let listening = Running::start(&mut bob.undertone(&["listen", "--peer", &enode]));
    listening.says("listening as");
    let nasty = "before\u{1b}[2J\u{1b}]0;title\u{7}\r\nforged line\u{202e}after\u{9b}31m";
    let to = bob.key.to_hex();
    let send = ["send", &to, nasty, "--wait", "delivered", "--timeout", "100s", "--peer", &enode];
    run(&mut alice.undertone(&send)).expect(0);
    let line = listening.line();
    assert!(line.contains("before") && line.contains("forged line") && line.contains("after"), "{line:?}");
    assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
}

#[test]
fn what_cannot_be_a_message_is_refused() {
    let alice = Home::new(26);
    let bob = Home::new(27).key.to_hex();
    run(&mut alice.undertone(&["send", &bob, "  "])).refused(1, &[]);
    run_with(&mut alice.undertone(&["send", &bob]), &"x".repeat(200_000)).refused(1, &[]);
    run(&mut alice.undertone(&["send", &alice.key.to_hex(), "note"])).refused(1, &["oneself"]);
}
