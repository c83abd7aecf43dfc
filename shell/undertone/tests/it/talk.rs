//! Conversations, homes that are opened again, and homes that are not.

use tokio::runtime::Handle;
use undertone::{Client, ClientConfig};
use undertone_base::FaultClass;
use undertone_messenger::{MessageState, Protection};
use undertone_runtime::{Environment, Tasks};

use crate::{Person, Relay, chat, key, lab};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_with_forward_secrecy_through_a_relay() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(100).await);
    let peers = [relay.enode()];
    let mut bob = Person::open(2, &dir.path().join("bob"), &peers).await;
    let mut alice = Person::open(1, &dir.path().join("alice"), &peers).await;
    alice.peers(1).await;
    bob.peers(1).await;

    let first = alice.client.send_text(chat(bob.me()), "Good morning").await.unwrap();
    let heard = bob.received().await;
    assert_eq!((heard.id, heard.text.as_str(), heard.author), (first, "Good morning", alice.me()));
    assert_eq!(heard.chat, chat(alice.me()));
    alice.state(first, MessageState::Delivered).await;

    // Bob has Alice's bundle now, so he answers in a ratchet session, and she goes on in it.
    let answer = bob.client.send_text(chat(alice.me()), "Good evening").await.unwrap();
    let heard = alice.received().await;
    assert_eq!((heard.id, heard.protection), (answer, Protection::Ratchet));
    bob.state(answer, MessageState::Delivered).await;
    let third = alice.client.send_text(chat(bob.me()), "What time is it?").await.unwrap();
    let heard = bob.received().await;
    assert_eq!((heard.id, heard.protection), (third, Protection::Ratchet));
    alice.state(third, MessageState::Delivered).await;

    let shown: Vec<_> = alice.stored(chat(bob.me())).await.into_iter().map(|m| (m.id, m.state)).collect();
    let (delivered, received) = (MessageState::Delivered, MessageState::Received);
    assert_eq!(shown, [(third, delivered), (answer, received), (first, delivered)], "newest first");
    assert_eq!(alice.client.message(answer).await.unwrap().unwrap().text, "Good evening");
    let unread = |chats: Vec<undertone_messenger::Chat>| chats.iter().map(|c| c.unread).sum::<u64>();
    assert_eq!(unread(alice.client.chats().await.unwrap()), 1);
    alice.client.mark_read(chat(bob.me())).await.unwrap();
    assert_eq!(unread(alice.client.chats().await.unwrap()), 0);

    alice.stop().await;
    bob.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_who_opened_a_public_chat_reads_it() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(110).await);
    let mut people = Vec::new();
    for seed in 11..14 {
        let mut person = Person::open(seed, &dir.path().join(seed.to_string()), &[relay.enode()]).await;
        person.peers(1).await;
        person.client.open_chat(lab()).await.unwrap();
        people.push(person);
    }
    let id = people[0].client.send_text(lab(), "Hello, lab").await.unwrap();
    people[0].state(id, MessageState::Sent).await;
    for reader in &mut people[1..] {
        let heard = reader.received().await;
        assert_eq!((heard.id, heard.protection), (id, Protection::Public));
    }
    for person in people {
        person.stop().await;
    }
    relay.stop().await;
}

/// The session is in the store: a client that was closed goes on in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_opened_again_goes_on_in_the_same_session() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(120).await);
    let (home, peers) = (dir.path().join("bob"), [relay.enode()]);
    let mut alice = Person::open(21, &dir.path().join("alice"), &peers).await;
    let mut bob = Person::open(22, &home, &peers).await;
    alice.peers(1).await;
    bob.peers(1).await;
    for round in 0..3 {
        let there = alice.client.send_text(chat(bob.me()), &format!("question {round}")).await.unwrap();
        assert_eq!(bob.received().await.id, there);
        let back = bob.client.send_text(chat(alice.me()), &format!("answer {round}")).await.unwrap();
        let heard = alice.received().await;
        assert_eq!((heard.id, heard.protection), (back, Protection::Ratchet), "round {round}");
        bob.state(back, MessageState::Delivered).await;
        let (me, handle) = (bob.me(), bob.client.clone());
        bob.stop().await;
        let gone = handle.send_text(chat(alice.me()), "too late").await.unwrap_err();
        assert_eq!(gone.code(), "client.gone");
        bob = Person::open(22, &home, &peers).await;
        assert_eq!(bob.me(), me);
        assert_eq!(bob.stored(chat(alice.me())).await.len(), 2 * (round + 1));
        bob.peers(1).await;
    }
    alice.stop().await;
    bob.stop().await;
    relay.stop().await;
}

/// What is sent with nobody there is durable: it leaves when a peer comes, also in a later run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_offline_leaves_later() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(130).await);
    let home = dir.path().join("alice");
    let mut bob = Person::open(32, &dir.path().join("bob"), &[relay.enode()]).await;

    let alice = Person::open(31, &home, &[]).await;
    let first = alice.client.send_text(chat(bob.me()), "before the restart").await.unwrap();
    alice.stop().await;
    let mut alice = Person::open(31, &home, &[]).await;
    let kept = alice.client.message(first).await.unwrap().expect("durable");
    assert!(matches!(kept.state, MessageState::Composed | MessageState::Queued), "{kept:?}");
    let second = alice.client.send_text(chat(bob.me()), "after it").await.unwrap();

    alice.client.add_peer(relay.enode());
    let mut heard = vec![bob.received().await.id, bob.received().await.id];
    heard.sort();
    let mut sent = vec![first, second];
    sent.sort();
    assert_eq!(heard, sent);
    for id in [first, second] {
        let delivered = async {
            while alice.client.message(id).await.unwrap().unwrap().state != MessageState::Delivered {
                alice.next().await;
            }
        };
        delivered.await;
    }
    assert_eq!(alice.client.peers().len(), 1);
    alice.stop().await;
    bob.stop().await;
    relay.stop().await;
}

/// Nothing is changed by a wrong key, a damaged node key, or a taken port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_cannot_be_used_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("alice");
    let alice = Person::open(41, &home, &[]).await;
    let stranger = key(42).public();
    let kept = alice.client.send_text(chat(stranger), "kept").await.unwrap();
    alice.stop().await;

    let refused = async |seed: u64, config: ClientConfig| {
        let (env, tasks) = (Environment::system().unwrap(), Tasks::new(Handle::current()));
        Client::open(key(seed), config, &env, &tasks).await.expect_err("no client")
    };
    let wrong = refused(43, ClientConfig::new(home.clone())).await;
    assert_eq!((wrong.code(), wrong.fault()), ("store.wrong_key", FaultClass::Caller));

    let listener = std::net::TcpListener::bind(crate::ANY).unwrap();
    let mut taken = ClientConfig::new(home.clone());
    taken.listen = Some(listener.local_addr().unwrap());
    assert_eq!(refused(41, taken).await.code(), "net.listen");

    let node_key = std::fs::read(home.join("nodekey")).unwrap();
    std::fs::write(home.join("nodekey"), "not a key").unwrap();
    assert_eq!(refused(41, ClientConfig::new(home.clone())).await.code(), "node.key_file");
    std::fs::write(home.join("nodekey"), node_key).unwrap();

    let alice = Person::open(41, &home, &[]).await;
    assert_eq!(alice.client.message(kept).await.unwrap().unwrap().text, "kept");
    alice.stop().await;
}

/// What the messenger refuses comes back to whoever asked, and leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_reach_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Person::open(51, dir.path(), &[]).await;
    let bob = key(52).public();
    let oneself = alice.client.send_text(chat(alice.me()), "a note").await.unwrap_err();
    assert_eq!(oneself.code(), "messenger.oneself");
    for text in ["", "  \n "] {
        assert_eq!(alice.client.send_text(chat(bob), text).await.unwrap_err().fault(), FaultClass::Caller);
    }
    let long = "x".repeat(1_000_000);
    assert_eq!(alice.client.send_text(chat(bob), &long).await.unwrap_err().fault(), FaultClass::Caller);
    assert!(alice.client.chats().await.unwrap().is_empty());

    let id = alice.client.send_text(chat(bob), "second thoughts").await.unwrap();
    alice.client.give_up(id).await.unwrap();
    let state = alice.client.message(id).await.unwrap().unwrap().state;
    assert!(matches!(state, MessageState::Failed(_)), "{state:?}");
    assert_eq!(alice.client.give_up(id).await.unwrap_err().code(), "messenger.not_waiting");
    alice.stop().await;
}

/// Nobody is named but a node to start from, and each of the two is light.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_know_a_boot_node_only_find_relays_and_talk() {
    let dir = tempfile::tempdir().unwrap();
    let boot = Relay::seeking(150, &[]).await;
    let relay = Relay::seeking(151, &[boot.enode()]).await;
    let open = async |seed: u64| {
        let mut config = ClientConfig::new(dir.path().join(seed.to_string()));
        let mut options = undertone_node::DiscoveryOptions::default();
        options.boot = vec![boot.enode()];
        config.discovery = Some(options);
        config.light = true;
        Person::with(key(seed), config).await
    };
    let mut alice = open(51).await;
    let mut bob = open(52).await;
    let id = alice.client.send_text(chat(bob.me()), "Whoever carries this").await.unwrap();
    assert_eq!(bob.received().await.text, "Whoever carries this");
    alice.state(id, MessageState::Delivered).await;
    assert!(bob.client.node().health().discovery.is_some());
    alice.stop().await;
    bob.stop().await;
    relay.stop().await;
    boot.stop().await;
}
