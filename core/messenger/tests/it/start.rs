//! What a start and a first message read and write (row B7), however many people are known.
#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{PublicKey, SecretKey};
use undertone_messenger::store::{MemoryStore, Table};
use undertone_messenger::suite::{Counting, Rows, letter, messenger_of, received, sends};
use undertone_messenger::{ChatId, Command, Input, Messenger};
use undertone_support::rng;
use undertone_transport::{Event, Progress};

const NOW: Now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };

/// Somebody whom so many people have written to, and their keys.
fn known_to(people: u64) -> (Messenger, MemoryStore, Vec<PublicKey>) {
    let (me, mut store) = (messenger_of(SecretKey::random(&mut rng(1))), MemoryStore::new());
    let bundle = sends(me.open(&mut store, NOW, &mut rng(2)).unwrap()).next().unwrap();
    let bundle = received(bundle, me.key(), NOW);
    let mut known = Vec::new();
    for n in 0..people {
        let mut rng = rng(100 + n);
        let letter = letter(SecretKey::random(&mut rng), &bundle, &format!("Hello from {n}"), NOW, &mut rng);
        known.push(letter.author);
        let letter = Input::Transport(Event::Received(Box::new(letter)));
        for send in sends(me.step(&mut store, NOW, &mut rng, letter).unwrap()) {
            let taken = Event::Progress { id: send.id, progress: Progress::Relayed };
            me.step(&mut store, NOW, &mut rng, Input::Transport(taken)).unwrap();
        }
    }
    assert_eq!(store.count(Table::Session), known.len(), "a session with each");
    (me, store, known)
}

#[test]
fn a_start_reads_no_session() {
    const PEOPLE: u64 = 40;
    let (me, mut store, _) = known_to(PEOPLE);
    let mut counting = Counting::new(&mut store);
    me.open(&mut counting, NOW, &mut rng(3)).unwrap();
    let read = counting.read();
    // Keys of messages that never came are looked through for those that are too old; there are none here.
    for table in [Table::Session, Table::Message, Table::Timeline] {
        assert!(!read.contains_key(&table), "{table:?}: {read:?}");
    }
    // One of each thing that it has to listen for, and no more.
    let most = usize::try_from(PEOPLE).unwrap() + 8;
    assert!(read.values().all(|rows| *rows <= most), "{read:?}");
}

/// A message to somebody known is as many rows among few people as among many. Each is a page or more of the disk.
#[test]
fn a_message_touches_the_rows_of_one_person() {
    let touched = |people: u64| -> (Rows, Rows) {
        let (me, mut store, known) = known_to(people);
        let mut counting = Counting::new(&mut store);
        let send = Command::Send { chat: ChatId::OneToOne(known[0]), text: "hello".to_owned() };
        me.step(&mut counting, NOW, &mut rng(4), Input::Command(send)).unwrap();
        (counting.read(), counting.written().clone())
    };
    let (read, written) = touched(2);
    assert_eq!(touched(30), (read.clone(), written.clone()));
    let once = [
        Table::Meta,
        Table::Chat,
        Table::Message,
        Table::Timeline,
        Table::Outbox,
        Table::Pending,
        Table::OwnState,
        Table::Session,
    ];
    assert_eq!(written, Rows::from(once.map(|table| (table, 1))));
    assert!(read.values().sum::<usize>() <= 13, "{read:?}");
}
