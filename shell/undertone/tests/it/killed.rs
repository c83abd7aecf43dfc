//! `kill -9`: what was acknowledged is kept, exactly once.
//!
//! The other side of each test is this test program again, started with a variable that says which part it plays.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use rand_core::Rng;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use undertone::ClientEvent;
use undertone_devp2p::Enode;
use undertone_messenger::{MessageState, Notice};

use crate::{LONG, Person, Relay, chat, key};

/// Which part the child plays: `send` or `receive`.
const PART: &str = "UNDERTONE_TEST_PART";
/// Its home, its relay, and the number of this life.
const HOME: &str = "UNDERTONE_TEST_HOME";
const PEER: &str = "UNDERTONE_TEST_PEER";
const LIFE: &str = "UNDERTONE_TEST_LIFE";
/// Seeds of the two keys.
const PARENT: u64 = 401;
const CHILD: u64 = 402;
/// How often the child is killed.
const LIVES: usize = 6;

/// Not a test: the child's part. Without the variable there is nothing to do.
#[test]
fn child() {
    let Ok(part) = std::env::var(PART) else { return };
    let variable = |name| std::env::var(name).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let peers = [variable(PEER).parse::<Enode>().unwrap()];
        let mut me = Person::open(CHILD, Path::new(&variable(HOME)), &peers).await;
        match part.as_str() {
            "send" => {
                for n in 0.. {
                    let text = format!("{}.{n}", variable(LIFE));
                    me.client.send_text(chat(key(PARENT).public()), &text).await.unwrap();
                    println!("\nsent {text}");
                }
            }
            _ => loop {
                if let ClientEvent::Notice(Notice::Message(message)) = me.next().await {
                    println!("\ngot {}", message.text);
                }
            },
        }
    });
}

/// A life of the child.
struct Life {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Life {
    fn begin(part: &str, home: &Path, relay: &Relay, life: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(HOME, home)
            .env(PEER, relay.enode().to_string())
            .env(LIFE, life.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that begins with this word, without it.
    async fn says(&mut self, word: &str) -> Option<String> {
        loop {
            let line = timeout(LONG, self.lines.next_line()).await.expect("a line in time").unwrap()?;
            if let Some(rest) = line.strip_prefix(word) {
                return Some(rest.trim().to_owned());
            }
        }
    }

    /// SIGKILL, then what it still had said.
    async fn kill(mut self, word: &str) -> Vec<String> {
        self.child.kill().await.unwrap();
        let mut last = Vec::new();
        while let Some(rest) = self.says(word).await {
            last.push(rest);
        }
        last
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sender_loses_and_repeats_nothing_that_it_acknowledged() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(400).await);
    let home = dir.path().join("child");
    let mut rng = undertone_support::rng(400);
    let mut receiver = Person::open(PARENT, &dir.path().join("parent"), &[relay.enode()]).await;
    // Of a stranger no more is kept than a request may hold, and how much a child says before it dies nobody knows.
    receiver.client.add_contact(key(CHILD).public(), None).await.unwrap();
    let mut acknowledged = BTreeSet::new();
    for life in 0..LIVES {
        let mut sender = Life::begin("send", &home, &relay, life);
        for _ in 0..rng.next_u32() % 20 {
            acknowledged.insert(sender.says("sent ").await.expect("the sender goes on"));
        }
        acknowledged.extend(sender.kill("sent ").await);
    }
    assert!(acknowledged.len() >= LIVES, "{}", acknowledged.len());

    // One more life without a word of its own: what is left goes out.
    let sender = Person::open(CHILD, &home, &[relay.enode()]).await;
    let written = sender.stored(chat(receiver.me())).await;
    let texts: BTreeSet<String> = written.iter().map(|m| m.text.clone()).collect();
    assert_eq!(texts.len(), written.len(), "nothing twice in the sender's store");
    assert!(acknowledged.is_subset(&texts), "acknowledged means durable");
    let mut announced = BTreeSet::new();
    while announced.len() < written.len() {
        let message = receiver.received().await;
        assert!(announced.insert(message.id), "announced once: {}", message.text);
    }
    let stored = receiver.stored(chat(sender.me())).await;
    let arrived: BTreeSet<String> = stored.iter().map(|m| m.text.clone()).collect();
    assert_eq!((arrived, stored.len()), (texts, written.len()), "each exactly once");
    sender.stop().await;
    receiver.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_receiver_has_whatever_the_sender_calls_delivered() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(410).await);
    let home = dir.path().join("child");
    let mut rng = undertone_support::rng(410);
    let mut sender = Person::open(PARENT, &dir.path().join("parent"), &[relay.enode()]).await;
    let to = chat(key(CHILD).public());
    // Of a stranger no more is kept than a request may hold.
    let receiver = Person::open(CHILD, &home, &[]).await;
    receiver.client.add_contact(sender.me(), None).await.unwrap();
    receiver.stop().await;
    let mut sent = 0;
    for life in 0..LIVES {
        let mut receiver = Life::begin("receive", &home, &relay, life);
        for n in 0..20 {
            sender.client.send_text(to.clone(), &format!("{life}.{n}")).await.unwrap();
            sent += 1;
        }
        for _ in 0..1 + rng.next_u32() % 15 {
            receiver.says("got ").await.expect("the receiver goes on");
        }
        receiver.kill("got ").await;
        let known = sender.stored(to.clone()).await;
        let claimed: BTreeSet<_> =
            known.iter().filter(|m| m.state == MessageState::Delivered).map(|m| m.id).collect();
        // Without peers: only what the store holds.
        let dead = Person::open(CHILD, &home, &[]).await;
        let kept: Vec<_> = dead.stored(chat(sender.me())).await.into_iter().map(|m| m.id).collect();
        let unique: BTreeSet<_> = kept.iter().copied().collect();
        assert_eq!(unique.len(), kept.len(), "life {life}: nothing twice");
        assert!(claimed.is_subset(&unique), "life {life}: delivered is in the store");
        dead.stop().await;
    }

    // The last life is not killed: in the end all are there and the sender knows.
    let mut receiver = Person::open(CHILD, &home, &[relay.enode()]).await;
    let all = async {
        while receiver.stored(chat(sender.me())).await.len() < sent {
            receiver.next().await;
        }
        loop {
            let known = sender.stored(to.clone()).await;
            if known.iter().all(|m| m.state == MessageState::Delivered) {
                break known.len();
            }
            sender.next().await;
        }
    };
    assert_eq!(timeout(LONG, all).await.expect("all delivered in time"), sent);
    assert_eq!(receiver.stored(chat(sender.me())).await.len(), sent, "each exactly once");
    sender.stop().await;
    receiver.stop().await;
    relay.stop().await;
}
