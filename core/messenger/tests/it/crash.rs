//! The process of one of two is killed between any two writes of a conversation, and between any commit and what it
//! lets out: whatever it was doing, it starts again on what is durable, no key is used for two messages, and no
//! message is lost that was acknowledged.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of a test, and how often it killed"
)]

use std::time::Duration;

use undertone_messenger::store::Table;
use undertone_messenger::suite::World;
use undertone_messenger::{ChatId, Command, Fault, MessageState};
use undertone_payload::MessageId;
use undertone_transport::memory::MemoryNetwork;

const ALICE: usize = 0;
const BOB: usize = 1;

struct Talk {
    world: World<MemoryNetwork>,
    said: Vec<(usize, MessageId)>,
    what: String,
}

/// When somebody is killed.
#[derive(Clone, Copy, Debug)]
enum Killed {
    Never,
    /// Before the write of this number.
    AtWrite(usize, usize),
    /// After the commit of the step of this number, before anything of it is sent or shown.
    AfterStep(usize, usize),
}

impl Talk {
    /// First contact, both ways, out of order, a loss, a person that is told that it was added.
    fn run(killed: Killed) -> Self {
        let mut world = World::<MemoryNetwork>::new(2);
        match killed {
            Killed::Never => {}
            Killed::AtWrite(who, n) => world.parties[who].dies_after_writes = Some(n),
            Killed::AfterStep(who, n) => world.parties[who].dies_after_steps = Some(n),
        }
        for party in &mut world.parties {
            party.made = (0, 0);
        }
        let mut talk = Self { world, said: Vec::new(), what: format!("{killed:?}") };
        talk.say(ALICE, "one");
        talk.pass(1_500);
        talk.say(BOB, "two");
        talk.pass(1_500);
        talk.world.parties[BOB].hold = Some(Vec::new());
        talk.say(ALICE, "three");
        talk.say(ALICE, "four");
        talk.pass(500);
        let held = talk.world.parties[BOB].hold.take().unwrap_or_default();
        for event in held.into_iter().rev() {
            talk.world.deliver(BOB, event);
        }
        talk.pass(1_000);
        talk.world.parties[ALICE].lose = 1;
        talk.say(BOB, "five");
        let peer = talk.world.people[BOB].key;
        talk.command(ALICE, Command::SendContactUpdate(peer));
        talk.pass(7_000);
        talk.say(ALICE, "six");
        // Whatever was lost in a death is sent again.
        talk.pass(30_000);
        talk
    }

    fn say(&mut self, who: usize, text: &str) {
        let chat = self.world.with(1 - who);
        self.command(who, Command::Send { chat: chat.clone(), text: text.to_owned() });
        let ids: Vec<_> = self.said.iter().map(|(_, id)| *id).collect();
        let message = self.world.stored(who, &chat).into_iter().rfind(|message| !ids.contains(&message.id));
        let message = message.unwrap_or_else(|| panic!("{}: nothing was said", self.what));
        assert_eq!(message.text, text, "{}", self.what);
        self.said.push((who, message.id));
    }

    /// Whoever dies before a command is durable is told nothing, and asked again after the start.
    fn command(&mut self, who: usize, command: Command) {
        match self.world.command(who, command.clone()) {
            Ok(()) => {}
            Err(Fault::Store(_)) => self.world.command(who, command).expect("it dies once"),
            Err(fault) => panic!("{}: {fault}", self.what),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.world.run(Duration::from_millis(ms));
        self.check();
    }

    fn check(&self) {
        self.world.check();
        for (by, id) in &self.said {
            if self.world.message(*by, id).state == MessageState::Delivered {
                let there = self.world.stored(1 - by, &self.world.with(*by));
                let times = there.iter().filter(|message| message.id == *id).count();
                assert_eq!(times, 1, "{}: acknowledged, and there {times} times", self.what);
            }
        }
    }

    fn end(&self, deaths: usize) {
        let all: usize = self.world.parties.iter().map(|party| party.deaths).sum();
        assert_eq!(all, deaths, "{}", self.what);
        for (by, id) in &self.said {
            assert_eq!(self.world.message(*by, id).state, MessageState::Delivered, "{}", self.what);
        }
        for at in [ALICE, BOB] {
            let chat: ChatId = self.world.with(1 - at);
            assert_eq!(self.world.stored(at, &chat).len(), self.said.len(), "{}", self.what);
            for table in [Table::Pending, Table::Due] {
                assert_eq!(self.world.parties[at].store.count(table), 0, "{}: {}", self.what, table.name());
            }
        }
    }
}

/// How many writes and steps each makes when nobody dies.
fn undisturbed(who: usize) -> (usize, usize) {
    let talk = Talk::run(Killed::Never);
    talk.end(0);
    talk.world.parties[who].made
}

fn every_write(who: usize) {
    let (writes, _) = undisturbed(who);
    assert!(writes > 90, "a conversation of {writes} writes");
    for n in 0..writes {
        Talk::run(Killed::AtWrite(who, n)).end(1);
    }
    println!("killed before each of {writes} writes");
}

fn every_commit(who: usize) {
    let (_, steps) = undisturbed(who);
    assert!(steps > 20, "a conversation of {steps} steps");
    for n in 1..=steps {
        Talk::run(Killed::AfterStep(who, n)).end(1);
    }
    println!("killed after each of {steps} commits");
}

#[test]
fn killed_before_every_write_of_the_one_who_begins() {
    every_write(ALICE);
}

#[test]
fn killed_before_every_write_of_the_one_who_answers() {
    every_write(BOB);
}

#[test]
fn killed_after_every_commit_of_either() {
    every_commit(ALICE);
    every_commit(BOB);
}
