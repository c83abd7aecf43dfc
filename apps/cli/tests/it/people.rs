//! `undertone contacts` and `undertone verify`, alone and through the owner of the data directory.

use rustix::process::Signal;
use serde_json::Value;
use undertone_account::{SafetyCode, key_text, link, three_word_name};
use undertone_crypto::{PublicKey, SecretKey};

use crate::{Ended, Home, Running, relay, run};

fn somebody(n: u64) -> PublicKey {
    SecretKey::random(&mut undertone_support::rng(n)).public()
}

/// Runs with the password, or asks the owner when there is one.
fn undertone(home: &Home, args: &[&str]) -> Ended {
    run(&mut home.undertone(args))
}

fn json(home: &Home, args: &[&str]) -> Value {
    undertone(home, &[args, &["--json"]].concat()).expect(0).json()
}

/// The life of a contact. The same whoever does the work.
fn contacts_come_and_go(home: &Home) {
    let (bob, carol) = (somebody(100), somebody(101));
    let empty = undertone(home, &["contacts"]).expect(0);
    assert_eq!(empty.out, "");
    assert!(empty.err.contains("contacts add"), "{}", empty.err);

    let added = json(home, &["contacts", "add", &bob.to_hex(), "Bob"]);
    assert_eq!((&added["state"], &added["nickname"]), (&"added".into(), &"Bob".into()));
    assert_eq!(added["name"], three_word_name(&bob));
    json(home, &["contacts", "add", &link::profile(&carol)]);
    json(home, &["contacts", "name", &key_text::chat_key(&carol), "carol from work"]);
    // A name is nobody else's, in whatever case, and the sentence says whose it is.
    let taken = undertone(home, &["contacts", "name", "carol from work", "BOB"]);
    taken.refused(1, &["somebody else", &key_text::chat_key(&bob), "another key", "undertone verify"]);
    undertone(home, &["contacts", "add", "dave"]).refused(2, &["dave", "no contact"]);

    let list = undertone(home, &["contacts", "--json"]).expect(0).lines();
    let names: Vec<_> = list.iter().map(|person| person["nickname"].as_str().unwrap()).collect();
    assert_eq!(names, ["Bob", "carol from work"]);
    let table = undertone(home, &["contacts", "list"]).expect(0).out;
    for word in ["Bob", "added", "carol from work", &key_text::chat_key(&bob), &three_word_name(&carol)] {
        assert!(table.contains(word), "{word} in {table}");
    }
    assert!(!table.contains('\u{1b}'), "no colours where no terminal is");
    let shown = undertone(home, &["contacts", "show", "bob"]).expect(0).out;
    for word in ["Bob", "added", &bob.to_hex(), &link::short_profile(&bob)] {
        assert!(shown.contains(word), "{word} in {shown}");
    }

    assert_eq!(json(home, &["contacts", "block", "bob"])["state"], "blocked");
    undertone(home, &["contacts", "add", "bob"]).refused(1, &["blocked"]);
    assert_eq!(json(home, &["contacts", "unblock", "Bob"])["state"], "added");
    undertone(home, &["contacts", "decline", "bob"]).refused(1, &["no such chat"]);
    assert_eq!(json(home, &["contacts", "remove", "carol from work"])["state"], "unknown");
    undertone(home, &["contacts", "show", "carol from work"]).refused(2, &["no contact"]);

    // Forward secrecy: chosen for one, by default for the others.
    let policy = |who: &str, policy: &str| json(home, &["contacts", "pfs", who, policy]);
    assert_eq!(policy("bob", "off")["pfs"], false);
    let off = undertone(home, &["contacts", "pfs", "bob", "off"]).expect(0);
    assert!(off.err.contains("OFF"), "{}", off.err);
    assert_eq!(json(home, &["contacts", "pfs"])["defaultPfs"], true);
    assert_eq!(json(home, &["contacts", "pfs", "--default", "off"])["defaultPfs"], false);
    assert_eq!(policy("bob", "on")["pfs"], true);
    let by_default = policy("bob", "default");
    assert_eq!((&by_default["pfs"], &by_default["pfsChosen"]), (&false.into(), &false.into()));
    assert_eq!(undertone(home, &["contacts", "pfs", "--default", "on"]).expect(0).out, "on\n");
    assert_eq!(policy("bob", "allow-weaker")["weakerAllowed"], true);
    assert_eq!(policy("bob", "refuse-weaker")["weakerAllowed"], false);

    codes_are_compared(home, &bob);
}

fn codes_are_compared(home: &Home, bob: &PublicKey) {
    let code = SafetyCode::of(bob, &home.key).to_string();
    let shown = undertone(home, &["verify", "bob"]).expect(0);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    assert_eq!(digits(&shown.out), digits(&code), "both sides show the same");
    assert_eq!(shown.out.lines().count(), 3);
    assert!(
        shown.err.contains("Not verified") && shown.err.contains("undertone verify Bob"),
        "{}",
        shown.err
    );
    assert_eq!(json(home, &["verify", "bob"])["code"], code);

    let wrong = SafetyCode::of(bob, &somebody(102)).to_string();
    undertone(home, &["verify", "bob", "--code", &wrong])
        .refused(1, &["differ from group 1", "Nothing was marked"]);
    let mut last = code.clone();
    last.pop();
    let digit = if code.ends_with('0') { '1' } else { '0' };
    undertone(home, &["verify", "bob", "--code", &format!("{last}{digit}")]).refused(1, &["group 12"]);
    undertone(home, &["verify", "bob", "--code", "12345 12345"]).refused(2, &["sixty digits", "10"]);
    assert_eq!(json(home, &["contacts", "show", "bob"])["state"], "added");

    // As it is heard: other gaps.
    let heard = code.replace(' ', "-");
    let verified = json(home, &["verify", "bob", "--code", &heard]);
    assert_eq!((&verified["state"], &verified["matches"]), (&"verified".into(), &true.into()));
    assert_eq!(verified["verifiedBy"], "code-over-call");
    let face = json(home, &["verify", "bob", "--code", &code, "--face-to-face"]);
    assert_eq!(face["verifiedBy"], "code-face-to-face");
    assert!(undertone(home, &["verify", "bob"]).expect(0).err.contains("Verified on 20"));
    let differs = undertone(home, &["verify", "bob", "--code", &wrong]);
    differs.refused(1, &["what was compared on 20"]);
    assert_eq!(json(home, &["contacts", "show", "bob"])["state"], "verified");
    undertone(home, &["verify", &home.key.to_hex()]).refused(1, &["oneself"]);
}

#[test]
fn contacts_of_an_account_that_nobody_has_open() {
    contacts_come_and_go(&Home::new(60));
}

/// The owner needs no password from whoever asks.
#[test]
fn contacts_through_the_owner() {
    let mut home = Home::new(61);
    let mut owner = Running::start(&mut home.undertone(&["listen", "--json"]));
    owner.says("listening as");
    std::fs::write(home.password_file(), "not the password\n").unwrap();
    contacts_come_and_go(&home);
    // The owner tells what was done; nothing of it is a message.
    let event = owner.json();
    assert_eq!((&event["event"], &event["person"]["nickname"]), (&"contact".into(), &"Bob".into()));
    owner.signal(Signal::TERM);
    assert_eq!(owner.wait().code(), Some(0));

    // It is all written down.
    std::fs::write(home.password_file(), "correct horse\n").unwrap();
    let bob = json(&home, &["contacts", "show", "bob"]);
    assert_eq!((&bob["state"], &bob["pfsChosen"]), (&"verified".into(), &false.into()));
    // Another account is not the owner's.
    let _again = Running::start(&mut home.undertone(&["listen"]));
    _again.says("listening as");
    let other = crate::add_account(&home.data(), 62).to_hex();
    run(&mut home.undertone(&["contacts", "--account", &other])).refused(1, &["has account 0x"]);
    home.key = somebody(1);
}

/// A stranger's chat is a request until it is taken or declined.
#[test]
fn a_contact_is_written_to_by_its_name_and_a_stranger_can_be_declined() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(63), Home::new(64));
    let (_relay, enode) = relay(&node);
    let bob_listens = Running::start(&mut bob.undertone(&["listen", "--json", "--peer", &enode]));
    bob_listens.says("listening as");
    json(&alice, &["contacts", "add", &bob.key.to_hex(), "Bob at work"]);
    let send =
        ["send", "bob at work", "by name", "--wait", "delivered", "--timeout", "100s", "--peer", &enode];
    let sent = run(&mut alice.undertone(&send)).expect(0);
    assert!(sent.err.contains("no forward secrecy") || !sent.err.contains('!'), "{}", sent.err);
    assert_eq!(bob_listens.message("by name")["stranger"], true);

    let list = undertone(&bob, &["contacts", "--json"]).expect(0).lines();
    assert_eq!(list.len(), 1);
    assert_eq!((&list[0]["state"], &list[0]["publicKey"]), (&"request".into(), &alice.key.to_hex().into()));
    assert!(undertone(&bob, &["contacts"]).expect(0).err.contains("stranger"));
    let declined = json(&bob, &["contacts", "decline", &alice.key.to_hex(), "--block"]);
    assert_eq!(declined["state"], "blocked");
    assert_eq!(bob_listens.event("chatRemoved")["chat"], alice.key.to_hex());

    // With forward secrecy off, whoever sends is told so.
    json(&alice, &["contacts", "pfs", "bob at work", "off"]);
    let open = ["send", "bob at work", "in the open", "--wait", "queued"];
    assert!(run(&mut alice.undertone(&open)).expect(0).err.contains("forward secrecy is off"));
    let composed = run(&mut alice.undertone(&[&open[..], &["--json"]].concat())).expect(0).lines();
    assert_eq!(composed[0]["protection"], "transport-only");
    let listening = Running::start(&mut alice.undertone(&["listen"]));
    listening.says("forward secrecy is off for Bob at work");
}
