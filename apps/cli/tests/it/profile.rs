//! `undertone account profile`, and what others see of it. Names are those that a recorded node knows.

use std::path::PathBuf;

use serde_json::Value;
use undertone_crypto::SecretKey;
use undertone_support::{Exchange, Replay};

use crate::{Ended, Home, Running, relay, run};

fn recorded() -> Value {
    undertone_vectors::load("ens_rpc")
}

/// A node that knows every name of the recording, as often as it is asked.
fn node() -> Replay {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let exchange = |e: &Value| Exchange { request: text(&e["request"]), answer: text(&e["answer"]) };
    let cases = recorded();
    let cases = cases["keys"].as_array().unwrap().iter();
    Replay::any(cases.flat_map(|case| case["exchanges"].as_array().unwrap()).map(exchange).collect())
}

/// The home of one of the people of the recording.
fn home_of(person: &str) -> Home {
    let secret = recorded()["people"][person]["secret"].as_str().unwrap().to_owned();
    Home::with_key(SecretKey::from_hex(&secret).unwrap())
}

fn profile(home: &Home, args: &[&str]) -> Ended {
    run(&mut home.undertone(&[&["account", "profile"], args].concat()))
}

fn picture(home: &Home) -> PathBuf {
    let file = home.dir.path().join("me.png");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 200, 100);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7; 200 * 100]).unwrap();
    writer.finish().unwrap();
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn a_name_is_looked_up_before_it_is_claimed() {
    let (alice, node) = (home_of("alice"), node());
    let url = node.url();
    let with = |args: &[&str]| profile(&alice, &[args, &["--ens-rpc", &url]].concat());
    let json = |args: &[&str]| profile(&alice, &[args, &["--json"]].concat()).expect(0).json();
    let none = json(&[]);
    assert_eq!(
        (&none["ensName"], &none["pictureType"], &none["told"]),
        (&"".into(), &Value::Null, &0.into())
    );
    assert!(profile(&alice, &[]).expect(0).out.contains("none claimed"));

    // Her own, in the short form; that of somebody else; nobody's; one that refuses.
    let claimed = with(&["--ens-name", "Alice"]).expect(0);
    assert!(claimed.out.contains("alice.stateofus.eth") && !claimed.err.contains('!'), "{claimed:?}");
    with(&["--ens-name", "bob.eth"]).refused(1, &["bob.eth leads to another key", "--unchecked"]);
    with(&["--ens-name", "negated.eth"]).refused(1, &["leads to another key"]);
    for name in ["nobodys.eth", "no-resolver.eth", "text-only.eth", "reverts.eth"] {
        with(&["--ens-name", name]).refused(1, &[&format!("{name} leads to no chat key")]);
    }
    with(&["--ens-name", "a b.eth"]).refused(2, &["a b.eth"]);
    assert_eq!(json(&[])["ensName"], "alice.stateofus.eth", "nothing was changed");
    assert_eq!(json(&["--ens-rpc", &url])["ensVerified"], true);

    // Nobody is asked where it is not wanted, and that is said.
    let asked = node.answered();
    with(&["--ens-name", "bob.eth", "--unchecked"]).expect(0);
    assert_eq!(node.answered(), asked);
    let unasked = profile(&alice, &["--ens-name", "bob.eth"]).expect(0);
    assert!(unasked.err.contains("was not looked up") && unasked.err.contains("--ens-rpc"), "{unasked:?}");
    let wrong = with(&[]).expect(0).out;
    assert!(wrong.contains("WRONG"), "{wrong}");
    assert_eq!(json(&["--ens-rpc", &url])["ensVerified"], false);
    assert_eq!(json(&["--no-ens-name"])["ensName"], "");
    profile(&alice, &["--unchecked"]).refused(2, &["--ens-name"]);

    let file = picture(&alice);
    let with_picture = json(&["--picture", file.to_str().unwrap()]);
    assert_eq!(with_picture["pictureType"], "image/png");
    assert!(with_picture["pictureBytes"].as_u64().unwrap() > 100);
    assert_eq!(json(&["--no-picture"])["pictureType"], Value::Null);
    let absent = profile(&alice, &["--picture", alice.password_file().to_str().unwrap()]);
    absent.refused(1, &["neither a PNG nor a JPEG"]);
}

/// Alice has told Bob that she has added him. What she claims from then on he hears of, and sees whether it is true.
#[test]
fn contacts_hear_of_a_profile_and_see_whether_its_name_is_true() {
    let (dir, alice, bob, node) = (tempfile::tempdir().unwrap(), home_of("alice"), home_of("bob"), node());
    let (_relay, enode) = relay(&dir);
    let listen = |home: &Home, args: &[&str]| {
        let mut command = home.undertone(&[&["listen", "--peer", &enode], args].concat());
        let listening = Running::start(&mut command);
        listening.says("listening as");
        listening
    };
    let (alice_listens, bob_listens) = (listen(&alice, &[]), listen(&bob, &["--json"]));
    let url = node.url();
    let key = alice.key.to_hex();
    let show =
        |args: &[&str]| run(&mut bob.undertone(&[&["contacts", "show", &key], args].concat())).expect(0);
    let verdict = || show(&["--json", "--ens-rpc", &url]).json()["ensVerified"].clone();

    run(&mut bob.undertone(&["contacts", "add", &key, "Alice"])).expect(0);
    assert_eq!(bob_listens.event("contact")["person"]["nickname"], "Alice");
    run(&mut alice.undertone(&["contacts", "add", &bob.key.to_hex(), "Bob", "--tell"])).expect(0);
    let told = bob_listens.event("contact");
    assert_eq!((&told["person"]["hasAddedUs"], &told["person"]["claimedEns"]), (&true.into(), &Value::Null));

    // The owner of her data directory does it; the endpoint is known to this process alone.
    let file = picture(&alice);
    let claim = ["account", "profile", "--ens-name", "alice", "--picture", file.to_str().unwrap()];
    let claimed = run(alice.undertone(&claim).env("UNDERTONE_ENS_RPC", &url)).expect(0);
    assert!(claimed.err.contains("1 person will hear of it"), "{claimed:?}");
    alice_listens.says("your contacts are told the name alice.stateofus.eth and a picture of you");
    let heard = bob_listens.event("contact");
    assert_eq!(heard["person"]["claimedEns"], "alice.stateofus.eth");
    assert_eq!(verdict(), true);
    assert!(show(&["--ens-rpc", &url]).out.contains("alice.stateofus.eth verified"));
    // Without an endpoint, and with one that does not answer, she is shown all the same.
    assert!(show(&[]).out.contains("alice.stateofus.eth is claimed, unverified"));
    let silent = ["--ens-rpc", "http://127.0.0.1:1/secret"];
    let unanswered = show(&silent).out;
    assert!(unanswered.contains("unverified: the endpoint is not reached"), "{unanswered}");
    assert!(!unanswered.contains("secret"), "{unanswered}");
    let unanswered = show(&[&silent[..], &["--json"]].concat()).json();
    assert_eq!(unanswered["ensVerified"], Value::Null);
    assert!(unanswered["ensError"].as_str().unwrap().contains("not reached"));

    // A name that is not hers.
    run(&mut alice.undertone(&["account", "profile", "--ens-name", "carol.eth", "--unchecked"])).expect(0);
    assert_eq!(bob_listens.event("contact")["person"]["claimedEns"], "carol.eth");
    assert_eq!(verdict(), false);
    assert!(show(&["--ens-rpc", &url]).out.contains("WRONG"));
    run(&mut alice.undertone(&["account", "profile", "--no-ens-name"])).expect(0);
    alice_listens.says("no name of ENS");
}
