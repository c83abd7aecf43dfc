//! `undertone devices`, and what a listener is told of devices and sessions: real clients through a relay.

use rustix::process::Signal;
use serde_json::Value;
use undertone_crypto::PublicKey;

use crate::{Home, Running, relay, run};

fn listen(home: &Home, enode: &str) -> Running {
    let listening = Running::start(&mut home.undertone(&["listen", "--json", "--peer", enode]));
    listening.says("listening as");
    listening
}

fn delivered(home: &Home, to: &PublicKey, text: &str) {
    run(&mut home.undertone(&["send", &to.to_hex(), text, "--wait", "delivered", "--timeout", "100s"]))
        .expect(0);
}

fn devices(home: &Home) -> Vec<Value> {
    run(&mut home.undertone(&["devices", "--json"])).expect(0).lines()
}

fn stop(mut listening: Running) {
    listening.signal(Signal::TERM);
    assert_eq!(listening.wait().code(), Some(0));
}

#[test]
fn a_lone_device_is_named_and_cannot_be_disabled() {
    let home = Home::new(70);
    let own = devices(&home);
    assert_eq!(own.len(), 1);
    assert_eq!((&own[0]["thisDevice"], &own[0]["name"]), (&true.into(), &Value::Null));
    let id = own[0]["device"].as_str().unwrap().to_owned();
    let paired =
        run(&mut home.undertone(&["devices", "pair", "--name", "study", "--kind", "android"])).expect(0);
    assert!(paired.err.contains("study") && paired.err.contains("devices enable"), "{}", paired.err);
    run(&mut home.undertone(&["devices", "rename", "library"])).expect(0);
    let own = devices(&home);
    assert_eq!((&own[0]["name"], &own[0]["kind"]), (&"library".into(), &"android".into()));
    assert_eq!(own[0]["device"], id.as_str(), "for its whole life");
    let table = run(&mut home.undertone(&["devices"])).expect(0).out;
    for word in [&id, "library", "android", "this device"] {
        assert!(table.contains(word), "{word} in {table}");
    }
    run(&mut home.undertone(&["devices", "disable", "library"]))
        .refused(1, &["cannot be enabled or disabled"]);
    run(&mut home.undertone(&["devices", "enable", "0000"])).refused(2, &["none of your devices"]);
    run(&mut home.undertone(&["devices", "rename", ""])).refused(1, &[]);
    let of = ["devices", "list", &Home::new(71).key.to_hex()];
    assert!(run(&mut home.undertone(&of)).expect(0).err.contains("no device of this person"));
}

/// The same account on two machines: each hears of the other, a person enables them, and what one writes the other
/// gets. Whoever writes to them hears of the new device.
#[test]
fn two_devices_of_one_person_are_seen_enabled_and_reached() {
    let (node, alice) = (tempfile::tempdir().unwrap(), Home::new(72));
    let (desk, phone) = (Home::new(73), Home::new(73));
    let (_relay, enode) = relay(&node);
    let alice_listens = listen(&alice, &enode);
    let desk_listens = listen(&desk, &enode);
    delivered(&alice, &desk.key, "to the desk");
    assert_eq!(desk_listens.event("message")["text"], "to the desk");
    delivered(&desk, &alice.key, "from the desk");
    assert_eq!(alice_listens.event("message")["text"], "from the desk");

    let phone_listens = listen(&phone, &enode);
    run(&mut phone.undertone(&["devices", "pair", "--name", "phone", "--kind", "android"])).expect(0);
    let told = loop {
        let told = desk_listens.event("ownDevice");
        if told["name"] == "phone" {
            break told;
        }
    };
    assert_eq!((&told["enabled"], &told["kind"]), (&false.into(), &"android".into()));
    // Alice is told as well: the phone reads from now on what she writes.
    let new = alice_listens.event("newDevice");
    assert_eq!((&new["device"], &new["person"]["publicKey"]), (&told["device"], &desk.key.to_hex().into()));

    let id = told["device"].as_str().unwrap();
    let enabled = run(&mut desk.undertone(&["devices", "enable", "phone", "--json"])).expect(0).json();
    assert_eq!((&enabled["device"]["enabled"], &enabled["pushedOut"]), (&true.into(), &Value::Array(vec![])));
    assert_eq!(desk_listens.event("ownDevice")["enabled"], true);
    let of_desk = phone_listens.event("ownDevice")["device"].as_str().unwrap().to_owned();
    run(&mut phone.undertone(&["devices", "enable", &of_desk[..8]])).expect(0);
    assert_eq!(devices(&desk).iter().filter(|device| device["reached"] == true).count(), 2);
    let of_bob =
        run(&mut alice.undertone(&["devices", "list", &desk.key.to_hex(), "--json"])).expect(0).lines();
    assert!(of_bob.iter().any(|device| device["device"] == id), "{of_bob:?}");

    // What the desk writes, the phone shows as well. (Her very first message was for whoever has the key, and a relay
    // that still has it gives it to the phone too.)
    delivered(&desk, &alice.key, "from the desk again");
    let copy = phone_listens.message("from the desk again");
    assert_eq!((&copy["own"], &copy["chat"]), (&true.into(), &alice.key.to_hex().into()));

    run(&mut desk.undertone(&["devices", "disable", "phone"])).expect(0);
    assert_eq!(desk_listens.event("ownDevice")["enabled"], false);
    stop(alice_listens);
}

/// People write to three devices of a person. The fourth that Bob sets up pushes one out: he is told where he enables it
/// and where he listens, and so is Alice.
#[test]
fn a_fourth_device_pushes_one_out_and_both_sides_are_told() {
    let (node, alice) = (tempfile::tempdir().unwrap(), Home::new(78));
    let bob: Vec<Home> = (0..4).map(|_| Home::new(79)).collect();
    let (_relay, enode) = relay(&node);
    // Where a person sits: sentences, not events.
    let plain = |home: &Home| {
        let listening = Running::start(&mut home.undertone(&["listen", "--peer", &enode]));
        listening.says("listening as");
        listening
    };
    let (alice_listens, desk_listens) = (plain(&alice), plain(&bob[0]));
    run(&mut alice.undertone(&["contacts", "add", &bob[0].key.to_hex(), "Bob"])).expect(0);
    delivered(&alice, &bob[0].key, "to the desk");
    desk_listens.says("is a stranger: `undertone contacts add zQ3sh");
    // With forward secrecy, if she has heard his contact code already.
    assert!(desk_listens.line().contains("  to the desk  "));
    delivered(&bob[0], &alice.key, "from the desk");
    assert_eq!(alice_listens.line(), "Bob  from the desk  forward secret");

    let of_bob = |home: &Home| {
        let list = ["devices", "list", &bob[0].key.to_hex(), "--json"];
        run(&mut home.undertone(&list)).expect(0).lines()
    };
    let mut later = Vec::new();
    for (n, name) in [(1, "phone"), (2, "tablet"), (3, "watch")] {
        let listening = listen(&bob[n], &enode);
        alice_listens.says("Bob uses a new device");
        run(&mut bob[n].undertone(&["devices", "pair", "--name", name])).expect(0);
        desk_listens.says(&format!("another device of yours, {name}"));
        let enabled = run(&mut bob[0].undertone(&["devices", "enable", name])).expect(0);
        let sentence = "is pushed out: people write to the three devices that were active last";
        assert_eq!(enabled.err.contains(sentence), n == 3, "{}", enabled.err);
        later.push(listening);
    }
    desk_listens.says("was pushed out by one that was active later: people write to three devices at most");
    alice_listens.says("was pushed out by one that was active later");

    let own = devices(&bob[0]);
    let state = |word: &str| own.iter().filter(|device| device[word] == true).count();
    assert_eq!((own.len(), state("enabled"), state("reached")), (4, 4, 3));
    let out = own.iter().find(|device| device["reached"] == false).unwrap();
    assert_ne!((&out["thisDevice"], &out["name"]), (&true.into(), &"watch".into()));
    let table = run(&mut bob[0].undertone(&["devices"])).expect(0).out;
    assert_eq!(table.matches("pushed out").count(), 1, "{table}");
    let seen = of_bob(&alice);
    assert_eq!((seen.len(), seen.iter().filter(|device| device["reached"] == true).count()), (4, 3));

    // What she writes, the newest one reads. (Her very first message was for whoever has the key.)
    delivered(&alice, &bob[0].key, "to three of four");
    later[2].message("to three of four");
}

/// Bob's machine loses its messages. What Alice wrote to the device that was cannot be read; both are told, she hears of
/// the new device, and what she repeats comes in another session.
#[test]
fn a_lost_session_is_told_and_so_is_its_return() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(74), Home::new(75));
    let (_relay, enode) = relay(&node);
    let alice_listens = listen(&alice, &enode);
    let bob_listens = listen(&bob, &enode);
    delivered(&alice, &bob.key, "one");
    delivered(&bob, &alice.key, "two");
    assert_eq!(alice_listens.event("message")["text"], "two");
    stop(bob_listens);
    let accounts = std::fs::read_dir(bob.data().join("accounts")).unwrap();
    let account = accounts.map(|entry| entry.unwrap().path()).next().unwrap();
    for name in ["messages.db", "messages.db.salt", "messages.db-wal", "messages.db-shm"] {
        let _ = std::fs::remove_file(account.join(name));
    }
    run(&mut alice.undertone(&["send", &bob.key.to_hex(), "lost", "--timeout", "100s"])).expect(0);
    // Whom he knows he answers.
    run(&mut bob.undertone(&["contacts", "add", &alice.key.to_hex(), "Alice"])).expect(0);
    let bob_listens = listen(&bob, &enode);
    let told = bob_listens.event("lostSession");
    assert_eq!((&told["person"]["name"], &told["answered"]), (&"Alice".into(), &true.into()));
    let new = alice_listens.event("newDevice");
    assert_eq!(new["person"]["publicKey"], bob.key.to_hex());
    let (mut read, mut changed) = (false, false);
    while !(read && changed) {
        let event = bob_listens.json();
        read |= event["text"] == "lost" && event["protection"] == "ratchet";
        changed |= event["event"] == "sessionChanged" && event["person"]["name"] == "Alice";
    }
    delivered(&bob, &alice.key, "it goes on");
    assert_eq!(alice_listens.message("it goes on")["protection"], "ratchet");
}

/// Bob switches forward secrecy off after he has shown it: Alice refuses until she allows it.
#[test]
fn a_downgrade_is_told_refused_and_can_be_allowed() {
    let (node, alice, bob) = (tempfile::tempdir().unwrap(), Home::new(76), Home::new(77));
    let (_relay, enode) = relay(&node);
    let alice_listens = listen(&alice, &enode);
    let bob_listens = listen(&bob, &enode);
    run(&mut alice.undertone(&["contacts", "add", &bob.key.to_hex(), "Bob"])).expect(0);
    delivered(&alice, &bob.key, "one");
    delivered(&bob, &alice.key, "two");
    let two = alice_listens.message("two");
    assert_eq!((&two["protection"], &two["name"]), (&"ratchet".into(), &"Bob".into()));

    run(&mut bob.undertone(&["contacts", "pfs", &alice.key.to_hex(), "off"])).expect(0);
    run(&mut bob.undertone(&["send", &alice.key.to_hex(), "weaker", "--timeout", "100s"])).expect(0);
    let told = alice_listens.event("downgraded");
    assert_eq!((&told["person"]["name"], &told["to"]), (&"Bob".into(), &"transport-only".into()));
    run(&mut alice.undertone(&["contacts", "pfs", "bob", "allow-weaker"])).expect(0);
    let weaker = alice_listens.event("message");
    assert_eq!((&weaker["text"], &weaker["protection"]), (&"weaker".into(), &"transport-only".into()));
    drop(bob_listens);
}
