//! Links from the first byte to the last, both ends ours.

use std::time::Duration;

use rand_core::Rng;
use undertone_base::Now;
use undertone_devp2p::limits::{HANDSHAKE_TIMEOUT, MAX_QUEUED, READ_TIMEOUT};
use undertone_devp2p::{
    Admission, Closed, Config, DisconnectReason, Event, NodeKey, SendError, Session, WireError,
};
use undertone_support::rng;

use crate::pair::{Cut, Pair, offer};

const CUTS: [Cut; 4] = [Cut::Whole, Cut::Every(1), Cut::Every(4_096), Cut::Random(100)];

#[test]
fn links_are_made_from_any_cut() {
    for (seed, cut) in (1..).zip(CUTS) {
        let offers = || vec![offer("waku", 1, 128), offer("shh", 6, 128), offer("waku", 0, 128)];
        let mut pair = Pair::new(seed, cut, [offers(), offers()]);
        pair.settle();
        for (end, name) in [(&pair.dialled, "accepted/v1"), (&pair.accepted, "dialled/v1")] {
            let [Event::Authenticated(key), Event::Established { hello, shared }] = end.events.as_slice()
            else {
                panic!("{cut:?}: {:?}", end.events);
            };
            assert_eq!((hello.client.as_slice(), &hello.key), (name.as_bytes(), key));
            let listed: Vec<_> = hello.capabilities.iter().map(ToString::to_string).collect();
            assert_eq!(listed, ["shh/6", "waku/0", "waku/1"], "sorted in the hello");
            let shared: Vec<_> = shared.iter().map(|s| (s.capability.to_string(), s.offset)).collect();
            assert_eq!(shared, [("shh/6".to_owned(), 16), ("waku/1".to_owned(), 144)]);
        }
    }
}

#[test]
fn messages_with_ids_of_one_two_and_three_bytes_go_both_ways() {
    let offers = || vec![offer("a", 1, 128), offer("b", 1, 128), offer("c", 1, 128)];
    for (seed, cut) in (10..).zip(CUTS) {
        let mut pair = Pair::new(seed, cut, [offers(), offers()]);
        pair.settle();
        pair.dialled.events.clear();
        pair.accepted.events.clear();
        let mut sent = Vec::new();
        for capability in 0..3 {
            for code in [0, 1, 111, 112, 126, 127] {
                let payload = vec![u8::try_from(code).unwrap(); capability * 700];
                pair.dialled.session.send(pair.now, capability, code, &payload).unwrap();
                pair.accepted.session.send(pair.now, capability, code, &payload).unwrap();
                sent.push((capability, code, payload));
            }
        }
        pair.settle();
        assert_eq!(pair.dialled.messages(), sent, "{cut:?}");
        assert_eq!(pair.accepted.messages(), sent, "{cut:?}");
    }
}

#[test]
fn a_message_of_a_mebibyte_arrives() {
    for cut in [Cut::Whole, Cut::Every(4_096), Cut::Random(70_000)] {
        let mut pair = Pair::established(20, cut);
        let mut payload = vec![0; 1 << 20];
        pair.rng.fill_bytes(&mut payload);
        pair.dialled.session.send(pair.now, 0, 1, &payload).unwrap();
        pair.accepted.session.send(pair.now, 0, 1, &vec![0; 1 << 20]).unwrap();
        pair.settle();
        assert_eq!(pair.accepted.messages(), [(0, 1, payload)]);
        assert_eq!(pair.dialled.messages(), [(0, 1, vec![0; 1 << 20])]);
    }
}

#[test]
fn a_slow_reader_congests_the_link_until_it_reads() {
    let mut pair = Pair::established(30, Cut::Every(65_536));
    let mut payload = vec![0; 100_000];
    pair.rng.fill_bytes(&mut payload);
    let session = &mut pair.dialled.session;
    let mut taken = 0;
    let refused = loop {
        match session.send(pair.now, 0, 1, &payload) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(session.queued() <= MAX_QUEUED + payload.len());
    };
    assert_eq!(refused, SendError::Congested);
    assert_eq!(taken, MAX_QUEUED / payload.len());
    let before = session.queued();
    assert_eq!(session.send(pair.now, 0, 1, &payload), Err(SendError::Congested));
    assert_eq!(session.queued(), before, "a refused message leaves nothing");
    pair.settle();
    pair.dialled.session.send(pair.now, 0, 1, b"again").unwrap();
    pair.settle();
    let messages = pair.accepted.messages();
    assert_eq!(messages.len(), taken + 1);
    assert_eq!(messages.last().unwrap().2, b"again");
}

#[test]
fn one_large_message_is_taken_when_nothing_waits() {
    let now = Now::default();
    let mut pair = Pair::established(31, Cut::Whole);
    let max = Config::MAX_MESSAGE;
    pair.dialled.session.send(now, 0, 0, &vec![0; max]).unwrap();
    let refused = pair.dialled.session.send(now, 0, 0, &vec![0; max + 1]);
    assert_eq!(refused, Err(SendError::TooLarge { size: max + 1, max }));
}

#[test]
fn nothing_is_sent_before_the_hellos() {
    let mut pair = Pair::new(32, Cut::Whole, [vec![offer("shh", 6, 1)], vec![offer("shh", 6, 1)]]);
    let outcome = pair.dialled.session.send(pair.now, 0, 0, b"early");
    assert_eq!(outcome, Err(SendError::NotEstablished));
}

#[test]
fn an_idle_link_lives_on_its_pings() {
    let mut pair = Pair::established(40, Cut::Random(50));
    pair.dialled.written.clear();
    pair.pass(Duration::from_secs(15) - Duration::from_nanos(1));
    assert!(pair.dialled.written.is_empty());
    pair.pass(Duration::from_nanos(1));
    assert_eq!(pair.dialled.written.len(), 128, "a ping and the pong for the other's");
    pair.pass(Duration::from_secs(3_600));
    for end in [&pair.dialled, &pair.accepted] {
        assert!(!end.session.is_closed());
        assert!(end.events.is_empty());
        // One ping and one pong each quarter of a minute, and nothing else.
    }
    assert_eq!(pair.dialled.written.len(), 128 * 241);
}

#[test]
fn a_peer_that_went_away_is_cut_after_thirty_seconds() {
    let mut pair = Pair::established(41, Cut::Whole);
    let session = &mut pair.dialled.session;
    let mut wakes = Vec::new();
    while let Some(due) = session.poll_timeout() {
        wakes.push(due.nanos() / 1_000_000_000);
        pair.now = pair.now.after(due.since(pair.now.mono));
        session.handle_timeout(pair.now);
        session.poll_transmit();
    }
    assert_eq!(wakes, [15, READ_TIMEOUT.as_secs()]);
    assert_eq!(session.poll_event(), Some(Event::Closed(Closed::Fault(WireError::TimedOut))));
}

#[test]
fn a_handshake_that_stalls_anywhere_is_cut_after_five_seconds() {
    for steps in 0..6 {
        let offers = || vec![offer("shh", 6, 128)];
        let mut pair = Pair::new(50 + steps, Cut::Whole, [offers(), offers()]);
        for _ in 0..steps {
            pair.step(if steps < 3 { None } else { Some(Admission::Admit) });
        }
        let late = pair.now.after(HANDSHAKE_TIMEOUT);
        for session in [&mut pair.dialled.session, &mut pair.accepted.session] {
            let established = session.send(pair.now, 0, 0, b"").is_ok();
            session.handle_timeout(late);
            assert_eq!(session.is_closed(), !established, "after {steps} steps");
        }
    }
}

#[test]
fn a_refused_peer_reads_why_as_the_first_frame() {
    for (refuses_first, reason) in
        [(true, DisconnectReason::TOO_MANY_PEERS), (false, DisconnectReason::ALREADY_CONNECTED)]
    {
        let offers = || vec![offer("shh", 6, 128)];
        let mut pair = Pair::new(60, Cut::Random(40), [offers(), offers()]);
        let mut refused = false;
        for _ in 0..200 {
            pair.step(None);
            for (end, dialled) in [(&mut pair.dialled, true), (&mut pair.accepted, false)] {
                let asked = matches!(end.events.last(), Some(Event::Authenticated(_)));
                if asked && !end.session.is_closed() {
                    let admission = match dialled == refuses_first {
                        true => Admission::Refuse(reason),
                        false => Admission::Admit,
                    };
                    refused |= dialled == refuses_first;
                    end.session.admit(pair.now, admission, &mut pair.rng);
                }
            }
        }
        assert!(refused);
        let (refuser, other) = match refuses_first {
            true => (&pair.dialled, &pair.accepted),
            false => (&pair.accepted, &pair.dialled),
        };
        assert_eq!(refuser.closed(), Some(Closed::ByUs(reason)));
        assert_eq!(other.closed(), Some(Closed::ByPeer(reason)));
    }
}

#[test]
fn a_goodbye_comes_after_what_was_sent_and_is_echoed() {
    let mut pair = Pair::established(70, Cut::Random(20));
    pair.dialled.session.send(pair.now, 0, 5, b"last words").unwrap();
    pair.dialled.session.disconnect(DisconnectReason::QUITTING);
    pair.accepted.written.clear();
    pair.settle();
    assert_eq!(pair.accepted.closed(), Some(Closed::ByPeer(DisconnectReason::QUITTING)));
    pair.accepted.events.pop();
    assert_eq!(pair.accepted.messages(), [(0, 5, b"last words".to_vec())]);
    assert_eq!(pair.accepted.written.len(), 64, "one echo");
    assert_eq!(pair.dialled.closed(), Some(Closed::ByUs(DisconnectReason::QUITTING)));
}

#[test]
fn no_shared_capability_ends_the_link_at_both_ends() {
    let offers = [vec![offer("shh", 6, 128)], vec![offer("waku", 1, 128)]];
    let mut pair = Pair::new(80, Cut::Whole, offers);
    pair.settle();
    for end in [&pair.dialled, &pair.accepted] {
        assert_eq!(end.closed(), Some(Closed::Fault(WireError::UselessPeer)));
        assert!(!end.events.iter().any(|e| matches!(e, Event::Established { .. })));
    }
}

#[test]
fn whoever_is_dialled_by_another_name_cannot_read_it() {
    let mut rng = rng(90);
    let keys = [(); 3].map(|()| NodeKey::random(&mut rng));
    let [ours, expected, actual] = keys;
    let now = Now::default();
    let config = |key| Config::new(key, "t", vec![offer("shh", 6, 128)]);
    let mut dialled = Session::dial(config(ours), expected.public(), now, &mut rng);
    let mut accepted = Session::accept(config(actual), now);
    accepted.receive(now, &dialled.poll_transmit().unwrap(), &mut rng);
    assert_eq!(accepted.poll_event(), Some(Event::Closed(Closed::Fault(WireError::Handshake))));
    assert_eq!(accepted.poll_transmit(), None, "closed without a word");
}
