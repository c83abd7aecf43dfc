//! The example of the README.

use undertone::Accounts;
use undertone_account::keystore::ScryptParams;
use undertone_base::Unix;
use undertone_messenger::MessageState;

use crate::{Person, Relay, chat, key};

#[allow(dead_code, unreachable_pub, reason = "a program of its own: its main is not called here")]
#[path = "../../examples/bot.rs"]
mod example;

#[test]
fn the_readme_shows_the_bot_as_it_is() {
    let readme = include_str!("../../../../README.md");
    let bot = include_str!("../../examples/bot.rs");
    assert!(readme.contains(&format!("```rust\n{bot}```\n")), "copy examples/bot.rs into README.md");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_bot_answers() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(200).await);
    let home = dir.path().join("bot");
    let accounts = Accounts::new(&home).with_scrypt(ScryptParams::new(1_024, 8, 1).unwrap());
    let mut rng = undertone_support::rng(201);
    let account = accounts.add(&key(201), "secret", Unix::from_secs(1), &mut rng).unwrap();

    let mut alice = Person::open(202, &dir.path().join("alice"), &[relay.enode()]).await;
    let bot = account.key.unwrap();
    let enode = relay.enode().to_string();
    let talk = async {
        let question = alice.client.send_text(chat(bot), "Is there anybody?").await.unwrap();
        alice.state(question, MessageState::Delivered).await;
        let answer = loop {
            let stored = alice.stored(chat(bot)).await;
            match stored.into_iter().find(|m| m.state == MessageState::Received) {
                Some(answer) => break answer,
                None => drop(alice.next().await),
            }
        };
        assert_eq!(answer.text, "You said: Is there anybody?");
    };
    tokio::select! {
        ended = example::run(home, "secret".to_owned(), &enode) => panic!("the bot ended: {ended:?}"),
        () = talk => {}
    }
    alice.stop().await;
    relay.stop().await;
}
