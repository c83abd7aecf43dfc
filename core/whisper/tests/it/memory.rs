//! What a pool costs (row B12), and what of a packet stays.

use undertone_base::{Mono, Now, Unix};
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{
    Config, Envelope, Header, Input, Link, PeerId, Pow, Protocol, Topic, Transmit, Whisper,
};

const T0: u32 = 1_600_000_000;
const GIVER: PeerId = PeerId(1);

fn at(secs: u32) -> Now {
    Now {
        mono: Mono::from_nanos(u64::from(secs) * 1_000_000_000),
        unix: Unix::from_secs(u64::from(T0 + secs)),
    }
}

fn relay() -> Whisper {
    let mut relay = Whisper::new(&Config { min_pow: Pow::ZERO, ..Config::default() });
    for peer in [GIVER, PeerId(2)] {
        relay.handle(at(0), Input::Connected(Link::whisper(peer))).unwrap();
        let status = Status::default().encode();
        relay
            .handle(
                at(0),
                Input::Packet { peer, protocol: Protocol::Whisper, code: PacketCode::STATUS, body: &status },
            )
            .unwrap();
    }
    relay
}

fn envelope(ttl: u32, number: usize, size: usize) -> Envelope {
    let mut data = vec![0xa5; size];
    data[..8].copy_from_slice(&number.to_be_bytes());
    Envelope::new(Header { expiry: T0 + ttl, ttl, topic: Topic::from_bytes([1, 2, 3, 4]) }, &data, 7)
}

fn packet(envelopes: &[Envelope]) -> Vec<u8> {
    let items: Vec<u8> = envelopes.iter().flat_map(|envelope| envelope.bytes().to_vec()).collect();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(&items);
    out
}

/// Gives a packet, and sends what goes out for it to the other peer.
fn give(relay: &mut Whisper, now: Now, body: &[u8]) {
    relay
        .handle(
            now,
            Input::Packet { peer: GIVER, protocol: Protocol::Whisper, code: PacketCode::MESSAGES, body },
        )
        .unwrap();
    while let Some(out) = relay.poll_transmit(now) {
        if let Transmit::Packet { peer, code: PacketCode::MESSAGES, .. } = out {
            relay.handle(now, Input::Sent(peer)).unwrap();
        }
    }
}

#[test]
fn a_pool_takes_at_most_half_more_than_its_envelopes() {
    const COUNT: usize = 100_000;
    let mut relay = relay();
    let mut raw = 0;
    let taken = allocation_counter::measure(|| {
        for first in (0..COUNT).step_by(64) {
            let some: Vec<_> = (first..COUNT.min(first + 64)).map(|n| envelope(60, n, 400)).collect();
            raw += some.iter().map(|one| one.bytes().len()).sum::<usize>();
            give(&mut relay, at(0), &packet(&some));
        }
    });
    assert_eq!(relay.pooled(), (COUNT, raw));
    let left = usize::try_from(taken.bytes_current).unwrap();
    eprintln!("{left} bytes for {raw}: {:.3}", left as f64 / raw as f64);
    assert!(left <= raw + raw / 2, "{left} bytes for {raw}");
}

#[test]
fn one_survivor_of_each_maximal_packet_keeps_no_packet_alive() {
    const PACKETS: usize = 40;
    let mut relay = relay();
    let mut raw = 0;
    let taken = allocation_counter::measure(|| {
        for number in 0..PACKETS {
            let survivor = envelope(100, number, 400);
            raw += survivor.bytes().len();
            let rest = envelope(10, number, 1_048_576 - 4 - survivor.bytes().len() - 40);
            let body = packet(&[survivor, rest]);
            assert!(body.len() > 1_048_000 && body.len() <= 1_048_576);
            give(&mut relay, at(0), &body);
        }
        while relay.poll_timeout().is_some_and(|due| due <= at(11).mono) {
            relay.handle_timeout(at(11));
        }
    });
    assert_eq!(relay.pooled(), (PACKETS, raw));
    // The machine's tables are small beside one packet.
    assert!(taken.bytes_current < 256 * 1_024, "{} bytes for {raw}", taken.bytes_current);
}
