//! Bad input, systematically: everything that a peer can write, mangled, against the decoders alone and against a
//! session that is in the middle of a link.

use undertone_support::mangle::{self, Mutation, Trial, Whose};

use super::*;
use crate::enode::Enode;
use crate::error::WireError;
use crate::handshake::{Initiator, Recipient};

fn blame(error: &WireError) -> (undertone_base::FaultClass, &'static str) {
    (error.fault(), error.code())
}

/// Bytes and lists mangled.
fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::rlp(sample));
    made
}

#[test]
fn mangled_hellos_are_refused_or_read_as_what_they_say() {
    let script = Script::admitted(1);
    let mut trial = Trial::new(Whose::Peer);
    for mutation in of(&script.hello().encode()) {
        if let Some(hello) = trial.run(&mutation, Hello::decode, blame) {
            // What is behind the known fields is skipped, and so not encoded again.
            assert_eq!(Hello::decode(&hello.encode()), Ok(hello), "{}", mutation.name);
        }
    }
    trial.at_least(500, 400);
    let huge = Mutation::new("larger than any hello", vec![0xff; 1 << 20]);
    assert!(trial.run(&huge, Hello::decode, blame).is_none());
}

#[test]
fn mangled_disconnects_are_always_some_reason() {
    let mut trial = Trial::new(Whose::Peer);
    for sample in [&[0xc1, 0x08][..], &[0x08], &[0xc2, 0x04, 0x05]] {
        let mut compressed = Vec::new();
        snappy::compress(sample, &mut compressed);
        for mutation in of(sample).into_iter().chain(mangle::bytes(&compressed)).chain(bombs()) {
            for snappy in [false, true] {
                let read = |b: &[u8]| Ok::<_, WireError>(DisconnectReason::decode(b, snappy));
                let reason = trial.run(&mutation, read, blame).unwrap();
                assert!(DisconnectReason::from_wire(reason.wire().into()).name().is_some());
            }
        }
    }
    trial.at_least(250, 0);
}

/// Snappy blocks that declare more than they hold, up to 4 GiB, and one that holds what it declares.
fn bombs() -> Vec<Mutation> {
    let declared =
        [1u64, 2_049, 65_536, (16 << 20) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, u64::MAX];
    let varint = |mut n: u64| {
        let mut out = Vec::new();
        while n >= 0x80 {
            out.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
            n >>= 7;
        }
        out.push(u8::try_from(n).unwrap());
        out
    };
    let mut made = Vec::new();
    for n in declared {
        for body in [&[][..], &[0x00, 0x41], &[0xfe, 0x01, 0x00], &[0xff; 8]] {
            made.push(Mutation::new(
                format!("{n} bytes declared before {body:?}"),
                [&varint(n), body].concat(),
            ));
        }
    }
    made.push(Mutation::new("a length without end", vec![0xff; 64]));
    let mut real = Vec::new();
    snappy::compress(&vec![0; (16 << 20) + 1], &mut real);
    assert!(real.len() < 1 << 20);
    made.push(Mutation::new("more than 16 MiB of zeros", real));
    made
}

#[test]
fn mangled_snappy_is_refused_before_its_length_is_allocated() {
    let max = Config::MAX_MESSAGE;
    let mut sample = Vec::new();
    snappy::compress(&b"a sentence, a sentence, a sentence and a word".repeat(3), &mut sample);
    // Three bytes of a block can stand for 64.
    let mut trial = Trial::new(Whose::Peer).holding(22);
    for mutation in mangle::bytes(&sample).into_iter().chain(bombs()) {
        if let Some(plain) = trial.run(&mutation, |b| snappy::decompress(b, max), blame) {
            assert!(plain.len() <= max, "{}", mutation.name);
        }
    }
    trial.at_least(200, 120);
    for bomb in bombs() {
        let declared = snap::raw::decompress_len(&bomb.bytes).unwrap_or(usize::MAX);
        if declared > max {
            assert!(trial.run(&bomb, |b| snappy::decompress(b, max), blame).is_none(), "{}", bomb.name);
        }
    }
}

#[test]
fn mangled_auth_and_ack_packets_are_refused_or_waited_for() {
    let mut rng = rng(3);
    let (alice, bob) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    let (_, auth) = Initiator::start(&alice, bob.public(), &mut rng);
    let mut trial = Trial::new(Whose::Peer);
    let mut waits = 0;
    for mutation in mangle::bytes(&auth) {
        let read = |b: &[u8]| Recipient::new().read(&bob, b, &mut rng);
        match trial.run(&mutation, read, blame) {
            Some(Step::More(_, needed)) => {
                assert!(needed > mutation.bytes.len() && needed <= crate::limits::MAX_HANDSHAKE_PACKET + 2);
                waits += 1;
            }
            Some(Step::Done((keyed, _), consumed)) => {
                assert!(mutation.name.contains("behind"), "{} was taken", mutation.name);
                assert_eq!((keyed.remote, consumed), (alice.public(), auth.len()));
            }
            None => {}
        }
    }
    trial.at_least(2_000, 1_000);
    assert!(waits >= auth.len());
}

#[test]
fn mangled_contents_of_auth_and_ack_are_refused_or_tolerated() {
    let mut rng = rng(4);
    let (alice, bob) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    let ephemeral = undertone_crypto::SecretKey::random(&mut rng);
    let signed = undertone_crypto::Signature::sign(&[7; 32], &ephemeral);
    let mut auth = Vec::new();
    rlp::encode_list(&mut auth, |list| {
        rlp::encode_string(list, signed.as_bytes());
        rlp::encode_string(list, &alice.public().to_xy());
        rlp::encode_string(list, &[9; 32]);
        rlp::encode_uint(list, 4);
    });
    let mut ack = Vec::new();
    rlp::encode_list(&mut ack, |list| {
        rlp::encode_string(list, &ephemeral.public().to_xy());
        rlp::encode_string(list, &[9; 32]);
        rlp::encode_uint(list, 4);
    });
    let mut trial = Trial::new(Whose::Peer);
    let sealed = |to: &NodeKey, mut body: Vec<u8>| {
        body.resize(body.len().max(200) + 100, 0);
        let size = u16::try_from(body.len() + undertone_crypto::ecies::OVERHEAD).unwrap().to_be_bytes();
        let sealed = undertone_crypto::ecies::encrypt_with(&to.public(), &body, &size, &ephemeral, &[5; 16]);
        [&size[..], &sealed].concat()
    };
    for mutation in of(&auth).into_iter().filter(|m| m.bytes.len() < 1_700) {
        let packet = Mutation::new(mutation.name, sealed(&bob, mutation.bytes));
        trial.run(&packet, |b| Recipient::new().read(&bob, b, &mut rng), blame);
    }
    for mutation in of(&ack).into_iter().filter(|m| m.bytes.len() < 1_700) {
        let packet = Mutation::new(mutation.name, sealed(&alice, mutation.bytes));
        let (initiator, _) = Initiator::start(&alice, bob.public(), &mut rng);
        trial.run(&packet, |b| initiator.read(&alice, b), blame);
    }
    trial.at_least(1_200, 500);
}

/// Gives the session of a fresh script these bytes as frames or as they are; what it refuses must leave it dead,
/// with a peer's fault, and with nothing to write but one Disconnect.
fn end_of(mut script: Script, mutation: &Mutation, trial: &mut Trial, give: impl FnOnce(&mut Script, &[u8])) {
    let wire = {
        let before = script.session.poll_transmit();
        assert!(before.is_none_or(|hello| hello.len() < 4_096));
        mutation
    };
    let outcome = trial.run(
        wire,
        |bytes| {
            give(&mut script, bytes);
            match script.session.is_closed() {
                false => Ok(()),
                true => match script.end() {
                    Closed::Fault(fault) => Err(fault),
                    Closed::ByPeer(_) => Ok(()),
                    Closed::ByUs(reason) => panic!("by us: {reason}"),
                },
            }
        },
        blame,
    );
    if outcome.is_none() {
        let said = script.session.poll_transmit().unwrap_or_default();
        assert!(said.is_empty() || said.len() == 64, "{}: {} bytes", mutation.name, said.len());
        script.bytes(&[0; 64]);
        assert_eq!(script.session.poll_event(), None, "{}", mutation.name);
        assert_eq!(script.session.poll_transmit(), None, "{}", mutation.name);
    }
}

#[test]
fn mangled_frames_end_the_link_with_the_peers_fault() {
    let mut trial = Trial::new(Whose::Peer);
    let sample = Script::established(5).frame(&[0x10, 0x04, 0x0c, 1, 2, 3, 4]);
    for mutation in mangle::bytes(&sample) {
        let script = Script::established(5);
        end_of(script, &mutation, &mut trial, |script, bytes| script.bytes(bytes));
    }
    trial.at_least(300, 200);
}

#[test]
fn mangled_first_messages_end_the_link_or_begin_it() {
    let mut trial = Trial::new(Whose::Peer);
    let mut sample = vec![0x80];
    sample.extend(Script::admitted(6).hello().encode());
    for mutation in of(&sample) {
        end_of(Script::admitted(6), &mutation, &mut trial, |script, bytes| {
            let wire = script.frame(bytes);
            script.bytes(&wire);
        });
    }
    trial.at_least(500, 400);
}

#[test]
fn mangled_messages_end_the_link_or_are_handed_on() {
    let mut trial = Trial::new(Whose::Peer);
    let samples = [&[0x10][..], &[0x02], &[0x01], &[0x81, 0x8f], &[0x03]];
    for id in samples {
        let mut sample = id.to_vec();
        snappy::compress(&[0xc2, 0x01, 0x02], &mut sample);
        let mut bombs = bombs();
        bombs.iter_mut().for_each(|bomb| bomb.bytes.splice(0..0, id.iter().copied()).for_each(drop));
        for mutation in mangle::bytes(&sample).into_iter().chain(bombs) {
            if mutation.bytes.len() > 1 << 17 {
                continue; // Its own frame is larger than what is allowed here; tried above.
            }
            end_of(Script::established(7), &mutation, &mut trial, |script, bytes| {
                let wire = script.frame(bytes);
                script.bytes(&wire);
            });
        }
    }
    trial.at_least(300, 100);
}

#[test]
fn mangled_enodes_are_refused_or_other_nodes() {
    let key = undertone_crypto::SecretKey::from_slice(&[1; 32]).unwrap().public().to_bare_hex();
    let mut trial = Trial::new(Whose::Caller);
    for tail in ["@127.0.0.1:30303?discport=30301", "@[2001:db8::1]:1", "@node.example.org:65535", ""] {
        let sample = format!("enode://{}{tail}", &key[2..]);
        for mutation in mangle::text(&sample) {
            let parse = |b: &[u8]| std::str::from_utf8(b).unwrap().parse::<Enode>();
            if let Some(enode) = trial.run(&mutation, parse, |e| (e.fault(), e.code())) {
                assert_eq!(enode.to_string().parse(), Ok(enode), "{}", mutation.name);
            }
        }
    }
    trial.at_least(4_500, 4_000);
}
