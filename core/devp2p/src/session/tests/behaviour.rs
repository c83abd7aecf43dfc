//! What geth was seen to do, and what we do. Slots, duplicates and our own key are the shell's to find; here it
//! has found them and refuses. So are handlers: here they have ended, and the shell says why.

use undertone_vectors::{hex, load};

use super::*;
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::message::DisconnectReason as Reason;

const SECOND: Duration = Duration::from_secs(1);

/// Does what `action` says and tells what the session wrote; `None` when no session can show it.
fn observed(action: &str) -> Option<String> {
    let mut script = match action {
        "400 random bytes instead of auth" | "connect and send nothing" => return Some(before_keys(action)),
        // Our `send` refuses the code, which `a_code_beyond_the_length_is_not_sent` shows; no session ends.
        "handler writes a code >= Length" => return None,
        // Whom a full node still admits is the shell's rule; an admission looks like any other.
        "MaxPeers reached but node is trusted" => return None,
        "connect with the server's own key" => refused(Reason::SELF),
        "second connection with the same key" => refused(Reason::ALREADY_CONNECTED),
        "MaxPeers reached" => refused(Reason::TOO_MANY_PEERS),
        _ if greets(action) => Script::admitted(1),
        _ => Script::established(1),
    };
    match greets(action) {
        true => greet(action, &mut script),
        false => talk(action, &mut script),
    }
    let seen = script.seen();
    assert!(script.session.is_closed(), "{action}: {seen}");
    Some(seen)
}

fn before_keys(action: &str) -> String {
    let mut rng = rng(1);
    let mut session = Session::accept(Config::new(NodeKey::random(&mut rng), "t", shh()), Now::default());
    if action.starts_with("400") {
        let mut garbage = [0; 400];
        rand_core::Rng::fill_bytes(&mut rng, &mut garbage);
        session.receive(Now::default(), &garbage, &mut rng);
    } else {
        let almost = HANDSHAKE_TIMEOUT.checked_sub(Duration::from_nanos(1)).unwrap();
        session.handle_timeout(Now::default().after(almost));
        assert!(!session.is_closed());
        assert_eq!(session.poll_timeout(), Some(Mono::ZERO.after(HANDSHAKE_TIMEOUT)));
        session.handle_timeout(Now::default().after(HANDSHAKE_TIMEOUT));
    }
    assert!(session.is_closed());
    assert_eq!(session.poll_timeout(), None);
    assert_eq!(session.poll_transmit(), None);
    String::new()
}

fn refused(reason: Reason) -> Script {
    let mut script = Script::keyed(1);
    script.admit(Admission::Refuse(reason));
    script
}

fn greets(action: &str) -> bool {
    let then = action.contains("then Ping");
    (action.starts_with("Hello ") && !then) || action.contains("before Hello") || action.contains("no Hello")
}

fn greet(action: &str, script: &mut Script) {
    let mut hello = script.hello();
    match action {
        "RLPx handshake, then no Hello" => return script.pass(HANDSHAKE_TIMEOUT),
        "Ping before Hello" => return script.raw(id::PING, &EMPTY_LIST),
        "Disconnect(4) before Hello" => return script.raw(id::DISCONNECT, &[0xc1, 4]),
        "Hello with another node's key" => hello.key = NodeKey::random(&mut rng(9)).public(),
        "Hello without a shared capability" => hello.capabilities = vec![Capability::new("eth", 63)],
        "Hello larger than 2048 bytes" => hello.client = vec![b'n'; 2_000],
        _ => {}
    }
    let mut bytes = hello.encode();
    match action {
        "Hello with all-zero key" => {
            let at = bytes.len() - 64;
            bytes[at..].fill(0);
        }
        "Hello with 65-byte key (04 prefix)" => {
            let at = bytes.len() - 66;
            bytes.splice(at..at + 2, [0xb8, 65, 4]);
            bytes[1] += 1;
        }
        "Hello that is malformed RLP (list too short)" => bytes[1] -= 1,
        "Hello larger than 2048 bytes" => assert!(bytes.len() > MAX_HELLO),
        _ => {}
    }
    script.raw(id::HELLO, &bytes);
}

fn talk(action: &str, script: &mut Script) {
    match action {
        "Hello with version 4 and shared capability, then Ping uncompressed" => {
            *script = Script::admitted(2);
            let hello = Hello { version: 4, ..script.hello() };
            script.raw(id::HELLO, &hello.encode());
            script.raw(id::PING, &EMPTY_LIST);
            assert_eq!(script.seen(), "Hello msg3(c0)");
            script.raw(id::DISCONNECT, &[0xc1, 0x80]);
        }
        "Ping" => {
            script.packed(id::PING, &EMPTY_LIST);
            script.packed(id::DISCONNECT, &[0xc1, 0x80]);
        }
        "Ping with junk payload (non-RLP), then Disconnect 0" => {
            script.packed(id::PING, b"\xff\xff junk");
            script.packed(id::DISCONNECT, &[0xc1, 0x80]);
        }
        "second Hello, codes 4..15, then Ping" => {
            script.packed(id::HELLO, &script.hello().encode());
            for message in 4..=15 {
                script.packed(message, b"anything");
            }
            assert_eq!(script.session.poll_event(), None);
            script.packed(id::PING, &EMPTY_LIST);
            script.packed(id::DISCONNECT, &[0xc1, 0x80]);
        }
        "code beyond the last capability (16+128)" => script.packed(144, &EMPTY_LIST),
        "frame with bad MAC" => {
            let mut wire = script.frame(&[0x10, 1, 0, 0xc0]);
            *wire.last_mut().unwrap() ^= 1;
            script.bytes(&wire);
        }
        "uncompressed payload after Hello" => script.raw(16, &[0xc3, 1, 2, 3]),
        "snappy header declaring 16 MiB" => script.raw(16, &[0x80, 0x80, 0x80, 8, 0]),
        "Disconnect list [8]" => script.packed(id::DISCONNECT, &[0xc1, 8]),
        "Disconnect bare integer 8" => script.packed(id::DISCONNECT, &[8]),
        "Disconnect list [1]" => script.packed(id::DISCONNECT, &[0xc1, 1]),
        "Disconnect list [300]" => script.packed(id::DISCONNECT, &[0xc3, 0x82, 1, 0x2c]),
        "Disconnect empty payload" => script.packed(id::DISCONNECT, &[]),
        "handler returns nil" | "server shuts down" => script.session.disconnect(Reason::QUITTING),
        "handler returns plain error" => script.session.disconnect(Reason::SUBPROTOCOL_ERROR),
        "handler's msg.Decode fails" => script.session.disconnect(Reason::PROTOCOL_ERROR),
        "handler returns DiscUselessPeer" => script.session.disconnect(Reason::USELESS_PEER),
        "idle peer after Hello: never sends anything, does not answer pings" => {
            script.pass(SECOND * 14);
            assert_eq!(script.session.queued(), 0);
            script.pass(SECOND);
            assert_eq!(script.session.queued(), 64, "the ping");
            script.pass(SECOND * 14);
            assert!(!script.session.is_closed());
            script.pass(SECOND);
        }
        _ => assert!(script.session.is_closed(), "unknown action {action}"),
    }
}

/// Where we say more than geth, which closes without a word, or say something else. The breach of a peer that
/// has proved its key is named (`devp2p.md` 2.9).
const OURS: [(&str, &str); 8] = [
    ("Hello larger than 2048 bytes", "Hello Disconnect(c102, not compressed)"),
    ("Hello that is malformed RLP (list too short)", "Hello Disconnect(c102, not compressed)"),
    ("code beyond the last capability (16+128)", "Disconnect(c102, snappy-compressed)"),
    ("uncompressed payload after Hello", "Disconnect(c102, snappy-compressed)"),
    ("snappy header declaring 16 MiB", "Disconnect(c102, snappy-compressed)"),
    // We read the bare form and echo what it says.
    ("Disconnect bare integer 8", "Disconnect(c108, snappy-compressed)"),
    // Undefined reasons are never sent.
    ("Disconnect list [300]", "Disconnect(c180, snappy-compressed)"),
    // Behind the ping geth closes without a word.
    (
        "idle peer after Hello: never sends anything, does not answer pings",
        "msg2(c0) Disconnect(c10b, snappy-compressed)",
    ),
];

#[test]
fn every_observed_behaviour_of_geth_has_ours_beside_it() {
    let file = load("rlpx");
    let (mut same, mut other, mut shell) = (0, 0, 0);
    for case in file["server_behaviour"]["cases"].as_array().unwrap() {
        let action = case["action"].as_str().unwrap();
        let geth = case["observed"].as_str().unwrap();
        let geth = match geth {
            "0 bytes, EOF" | "closed (EOF) after 5.0s" => "",
            _ => geth.split('[').next().unwrap().trim(),
        };
        let Some(ours) = observed(action) else {
            shell += 1;
            continue;
        };
        match OURS.iter().find(|(name, _)| *name == action) {
            Some((_, expected)) => {
                assert_eq!(ours, *expected, "{action}");
                assert_ne!(ours, geth, "{action} is no difference");
                other += 1;
            }
            None => {
                assert_eq!(ours, geth, "{action}");
                same += 1;
            }
        }
    }
    assert_eq!((same, other, shell), (25, 8, 2));
}

#[test]
fn the_payloads_that_crash_geth_end_only_the_link() {
    let file = load("rlpx");
    let mut cases = 0;
    for payload in file["server_behaviour"]["crash"]["payloads"].as_array().unwrap() {
        let mut script = Script::established(3);
        script.packed(id::DISCONNECT, &hex(payload));
        assert_eq!(script.seen(), "Disconnect(c180, snappy-compressed)");
        let Closed::ByPeer(reason) = script.end() else { panic!() };
        assert_eq!(reason.name(), None);
        cases += 1;
    }
    assert_eq!(cases, 2);
}

#[test]
fn an_undefined_reason_of_the_shell_is_not_sent() {
    let mut script = Script::established(4);
    script.session.disconnect(Reason::from_wire(0x11));
    assert_eq!(script.seen(), "Disconnect(c180, snappy-compressed)");
    let mut script = refused(Reason::from_wire(u64::MAX));
    assert_eq!(script.seen(), "Disconnect(c180, not compressed)");
}

#[test]
fn a_goodbye_between_the_hellos_is_readable_by_geth() {
    // geth turns compression on when it reads our Hello, which is before anything that follows it.
    let mut script = Script::admitted(5);
    script.session.disconnect(Reason::QUITTING);
    assert_eq!(script.seen(), "Hello Disconnect(c108, snappy-compressed)");
    assert_eq!(script.end(), Closed::ByUs(Reason::QUITTING));
}

#[test]
fn a_goodbye_before_admission_is_the_first_frame_and_raw() {
    let mut script = Script::keyed(6);
    script.session.disconnect(Reason::QUITTING);
    assert_eq!(script.seen(), "Disconnect(c108, not compressed)");
}

#[test]
fn a_disconnect_behind_the_hello_of_geth_is_read_in_either_form() {
    for compressed in [true, false] {
        let mut script = Script::admitted(7);
        match compressed {
            true => script.packed(id::DISCONNECT, &[0xc1, 3]),
            false => script.raw(id::DISCONNECT, &[0xc1, 3]),
        }
        assert_eq!(script.end(), Closed::ByPeer(Reason::USELESS_PEER));
    }
}

#[test]
fn a_frame_over_the_limit_is_named_before_its_body_comes() {
    let mut script = Script::established(8);
    let max = script.session.config.max_frame();
    let wire = script.frame(&vec![1; max + 1]);
    script.bytes(&wire[..32]);
    assert_eq!(script.seen(), "Disconnect(c102, snappy-compressed)");
    assert_eq!(script.end(), Closed::Fault(WireError::TooLarge { what: "frame", size: max + 1, max }));
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_unpacked() {
    let mut script = Script::established(9);
    let max = Config::MAX_MESSAGE;
    script.packed(16, &vec![0; max]);
    assert!(
        matches!(script.session.poll_event(), Some(Event::Message { payload, .. }) if payload.len() == max)
    );
    script.packed(16, &vec![0; max + 1]);
    let fault = WireError::TooLarge { what: "decompressed message", size: max + 1, max };
    assert_eq!(script.end(), Closed::Fault(fault));
}

#[test]
fn a_flood_of_pings_ends_the_link_and_costs_one_pong() {
    let mut script = Script::established(10);
    for _ in 0..MAX_PINGS {
        script.packed(id::PING, &EMPTY_LIST);
    }
    assert_eq!(script.seen(), "msg3(c0)");
    script.packed(id::PING, &EMPTY_LIST);
    assert_eq!(script.end(), Closed::Fault(WireError::PingFlood));
    assert_eq!(script.seen(), "Disconnect(c102, snappy-compressed)");
}

#[test]
fn an_honest_pinger_is_never_cut_however_busy_we_are() {
    // We send all the time, so that our own ping never falls due.
    let mut script = Script::established(11);
    for second in 1..=15 * 60u64 {
        script.pass(SECOND);
        script.session.send(script.now, 0, 0, b"busy").unwrap();
        if second % 15 == 0 {
            script.packed(id::PING, &EMPTY_LIST);
        }
        script.seen();
        assert!(!script.session.is_closed(), "cut after {second} s");
    }
}

#[test]
fn a_link_that_is_busy_both_ways_needs_no_ping() {
    let mut script = Script::established(12);
    for _ in 0..100 {
        script.pass(SECOND);
        script.packed(16, b"theirs");
        script.session.send(script.now, 0, 1, &EMPTY_LIST).unwrap();
        assert_eq!(script.seen(), "msg17(c0)");
    }
    // Then we say nothing, and they go on.
    for _ in 0..14 {
        script.pass(SECOND);
        script.packed(16, b"theirs");
        assert_eq!(script.seen(), "");
    }
    script.pass(SECOND);
    assert_eq!(script.seen(), "msg2(c0)");
    assert_eq!(script.session.poll_timeout(), Some(script.now.mono.after(PING_INTERVAL)));
}

#[test]
fn a_peer_that_only_answers_pings_is_kept_however_busy_we_are() {
    let mut script = Script::established(32);
    let mut pings = 0;
    for second in 1..=300 {
        script.pass(SECOND);
        script.session.send(script.now, 0, 0, b"busy").unwrap();
        if script.seen().contains("msg2(c0)") {
            script.packed(id::PONG, &EMPTY_LIST);
            pings += 1;
        }
        assert!(!script.session.is_closed(), "cut after {second} s");
    }
    assert_eq!(pings, 20);
}

#[test]
fn an_answered_ping_is_timed_once_and_an_unasked_pong_is_not() {
    let mut script = Script::established(33);
    script.packed(id::PONG, &EMPTY_LIST);
    assert_eq!(script.session.take_rtt(), None);
    script.pass(PING_INTERVAL);
    assert_eq!(script.seen(), "msg2(c0)");
    assert_eq!(script.session.take_rtt(), None);
    script.pass(Duration::from_millis(70));
    for _ in 0..2 {
        script.packed(id::PONG, &EMPTY_LIST);
    }
    assert_eq!(script.session.take_rtt(), Some(Duration::from_millis(70)));
    assert_eq!(script.session.take_rtt(), None);
}

#[test]
fn every_message_puts_the_read_deadline_off() {
    let mut script = Script::established(13);
    for _ in 0..5 {
        script.pass(READ_TIMEOUT - SECOND);
        script.packed(id::PONG, &EMPTY_LIST);
    }
    assert!(!script.session.is_closed());
    // Half a message does not count.
    let wire = script.frame(&[0x10, 0]);
    script.pass(READ_TIMEOUT - SECOND);
    script.bytes(&wire[..40]);
    script.pass(SECOND);
    assert_eq!(script.end(), Closed::Fault(WireError::TimedOut));
}

#[test]
fn an_undecided_admission_does_not_outlive_the_handshake() {
    let mut script = Script::keyed(14);
    script.pass(HANDSHAKE_TIMEOUT);
    assert_eq!(script.end(), Closed::Fault(WireError::TimedOut));
    assert_eq!(script.seen(), "");
    // And an answer that comes too late changes nothing.
    script.admit(Admission::Admit);
    assert_eq!((script.seen().as_str(), script.session.poll_event()), ("", None));
}

#[test]
fn the_budget_goes_on_through_the_hellos() {
    let mut script = Script::keyed(15);
    script.pass(SECOND * 4);
    script.admit(Admission::Admit);
    assert_eq!(script.seen(), "Hello");
    script.pass(SECOND);
    assert_eq!(script.end(), Closed::Fault(WireError::TimedOut));
    assert_eq!(script.seen(), "");
}

#[test]
fn what_comes_before_admission_waits_for_it_up_to_a_limit() {
    let mut script = Script::keyed(16);
    let hello = [vec![0x80], script.hello().encode()].concat();
    let wire = script.frame(&hello);
    script.bytes(&wire);
    assert_eq!(script.session.poll_event(), None);
    script.admit(Admission::Admit);
    assert!(matches!(script.session.poll_event(), Some(Event::Established { .. })));

    let mut script = Script::keyed(17);
    script.bytes(&[0; MAX_EARLY]);
    assert!(!script.session.is_closed());
    script.bytes(&[0]);
    assert_eq!(script.end(), Closed::Fault(WireError::Early));
    assert_eq!(script.seen(), "");
}

#[test]
fn an_admission_nobody_asked_for_changes_nothing() {
    let mut script = Script::established(18);
    script.admit(Admission::Refuse(Reason::TOO_MANY_PEERS));
    script.admit(Admission::Admit);
    assert_eq!((script.seen().as_str(), script.session.poll_event()), ("", None));
    script.packed(16, b"still there");
    assert!(matches!(script.session.poll_event(), Some(Event::Message { .. })));
}

#[test]
fn the_end_is_told_once() {
    let mut script = Script::established(19);
    script.session.disconnect(Reason::REQUESTED);
    assert_eq!(script.end(), Closed::ByUs(Reason::REQUESTED));
    script.session.disconnect(Reason::QUITTING);
    script.pass(READ_TIMEOUT);
    script.packed(16, b"too late");
    assert_eq!(script.session.poll_event(), None);
    assert_eq!(script.seen(), "Disconnect(c180, snappy-compressed)");
    assert_eq!(script.session.send(script.now, 0, 0, b""), Err(SendError::NotEstablished));
}

#[test]
fn messages_before_a_fault_are_delivered_and_none_after_it() {
    let mut script = Script::established(20);
    let mut wire = Vec::new();
    for (number, data) in [[0x10, 1, 0, 1], [0x10, 1, 0, 2], [0x10, 1, 0, 3]].iter().enumerate() {
        let mut frame = script.frame(data);
        if number == 1 {
            frame[40] ^= 4;
        }
        wire.extend(frame);
    }
    script.bytes(&wire);
    let payload = vec![1];
    assert_eq!(script.session.poll_event(), Some(Event::Message { capability: 0, code: 0, payload }));
    assert_eq!(script.session.poll_event(), Some(Event::Closed(Closed::Fault(WireError::BodyMac))));
    assert_eq!(script.session.poll_event(), None);
    assert_eq!(script.seen(), "");
}

#[test]
fn a_code_beyond_the_length_is_not_sent() {
    let mut script = Script::established(21);
    assert_eq!(script.session.send(script.now, 0, 128, b""), Err(SendError::UnknownMessage));
    assert_eq!(script.session.send(script.now, 1, 0, b""), Err(SendError::UnknownMessage));
    assert_eq!(script.seen(), "");
    script.session.send(script.now, 0, 127, &EMPTY_LIST).unwrap();
    assert_eq!(script.seen(), "msg143(c0)");
}

#[test]
fn a_message_that_grows_beyond_a_frame_is_refused_when_it_is_sent() {
    let mut script = Script::keyed(22);
    script.session.config = script.session.config.clone().max_message(usize::MAX);
    script.admit(Admission::Admit);
    script.raw(id::HELLO, &script.hello().encode());
    script.seen();
    // Random bytes, which snappy makes longer.
    let mut payload = vec![0; MAX_FRAME];
    rand_core::Rng::fill_bytes(&mut script.rng, &mut payload);
    let outcome = script.session.send(script.now, 0, 0, &payload);
    assert!(matches!(outcome, Err(SendError::TooLarge { max: MAX_FRAME, .. })), "{outcome:?}");
    let outcome = script.session.send(script.now, 0, 0, &vec![0; MAX_FRAME + 1]);
    assert_eq!(outcome, Err(SendError::TooLarge { size: MAX_FRAME + 1, max: MAX_FRAME }));
    assert_eq!(script.session.queued(), 0);
    script.session.send(script.now, 0, 0, &EMPTY_LIST).unwrap();
    assert_eq!(script.seen(), "msg16(c0)");
}

#[test]
fn a_replayed_auth_names_a_key_and_proves_none() {
    let mut rng = rng(23);
    let (ours, theirs) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    let (_, recorded) = Initiator::start(&theirs, ours.public(), &mut rng);
    let now = Now::default();
    let mut session = Session::accept(Config::new(ours, "t", shh()), now);
    session.receive(now, &recorded, &mut rng);
    assert_eq!(session.poll_event(), Some(Event::Authenticated(theirs.public())));
    session.admit(now, Admission::Admit, &mut rng);
    session.receive(now, &[7; 200], &mut rng);
    assert_eq!(session.poll_event(), Some(Event::Closed(Closed::Fault(WireError::HeaderMac))));
}

#[test]
fn a_session_prints_neither_keys_nor_contents() {
    let mut script = Script::keyed(24);
    script.bytes(b"early");
    let shown = format!("{:?}", script.session);
    let expected = format!(
        "Session {{ phase: \"deciding\", remote: Some({:?}), buffered: 5, queued: 0, events: 0, .. }}",
        script.key.public()
    );
    assert_eq!(shown, expected);
    let script = Script::established(25);
    let Phase::Active(active) = &script.session.phase else { panic!() };
    let active = format!("{:?}", active.link);
    let at = active.find(", egress").unwrap();
    insta::assert_snapshot!(
        &active[at..],
        @", egress: Egress { cipher: Aes256Stream(..), mac: FrameMac { cipher: Aes256Block(..), state: Keccak(..), digest: Digest(..) } }, ingress: Ingress { cipher: Aes256Stream(..), mac: FrameMac { cipher: Aes256Block(..), state: Keccak(..), digest: Digest(..) }, expected: Header }, snappy: true }"
    );
}

#[test]
fn a_peer_without_snappy_is_refused_without_snappy() {
    let mut script = Script::admitted(26);
    let hello = Hello { version: 4, capabilities: Vec::new(), ..script.hello() };
    script.raw(id::HELLO, &hello.encode());
    assert_eq!(script.seen(), "Hello Disconnect(c103, not compressed)");
    assert_eq!(script.end(), Closed::Fault(WireError::UselessPeer));
}

#[test]
fn later_versions_speak_version_5_with_us() {
    let mut script = Script::admitted(27);
    let hello = Hello { version: u64::MAX, ..script.hello() };
    script.raw(id::HELLO, &hello.encode());
    script.packed(id::PING, &EMPTY_LIST);
    assert_eq!(script.seen(), "Hello msg3(c0)");
}

#[test]
fn messages_right_behind_the_hello_are_read_in_the_form_that_it_chose() {
    for (version, payload) in [(5, &[1, 0, 0xc0][..]), (4, &[0xc0][..])] {
        let mut script = Script::admitted(28);
        let hello = Hello { version, ..script.hello() };
        let mut wire = script.frame(&[vec![0x80], hello.encode()].concat());
        wire.extend(script.frame(&[&[0x11], payload].concat()));
        script.bytes(&wire);
        assert!(matches!(script.session.poll_event(), Some(Event::Established { .. })));
        let expected = Event::Message { capability: 0, code: 1, payload: vec![0xc0] };
        assert_eq!(script.session.poll_event(), Some(expected));
    }
}

#[test]
fn an_uncompressed_message_over_the_limit_is_refused() {
    let mut script = Script::admitted(29);
    script.raw(id::HELLO, &Hello { version: 4, ..script.hello() }.encode());
    assert_eq!(script.seen(), "Hello");
    let max = Config::MAX_MESSAGE;
    script.raw(16, &vec![1; max]);
    assert!(!script.session.is_closed());
    script.raw(16, &vec![1; max + 1]);
    let fault = WireError::TooLarge { what: "message", size: max + 1, max };
    assert_eq!(script.end(), Closed::Fault(fault));
    assert_eq!(script.seen(), "Disconnect(c102, not compressed)");
}

#[test]
fn capabilities_beyond_the_limit_are_not_looked_at() {
    let mut script = Script::admitted(30);
    let noise = |n: usize| vec![Capability::new("x", 1); n];
    let last = |n: usize| [noise(n), vec![Capability::new("shh", 6)]].concat();
    let hello = Hello { capabilities: last(crate::limits::MAX_CAPABILITIES), ..script.hello() };
    script.raw(id::HELLO, &hello.encode());
    assert_eq!(script.end(), Closed::Fault(WireError::UselessPeer));
    let mut script = Script::admitted(31);
    let hello = Hello { capabilities: last(crate::limits::MAX_CAPABILITIES - 1), ..script.hello() };
    script.raw(id::HELLO, &hello.encode());
    assert!(matches!(script.session.poll_event(), Some(Event::Established { .. })));
}
