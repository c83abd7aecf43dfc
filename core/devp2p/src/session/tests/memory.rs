//! What a peer can make us hold.

use super::*;
use crate::limits::IDLE_BUFFER;

#[test]
fn a_header_that_announces_the_largest_frame_costs_nothing_until_bytes_come() {
    let mut script = Script::established(1);
    let max = script.session.config.max_frame();
    let wire = script.frame(&vec![0x10; max]);
    script.bytes(&wire[..32]);
    assert!(!script.session.is_closed());
    assert!(script.session.input.capacity() < 4_096);
    for (count, chunk) in wire[32..32 + 256 * 1024].chunks(4_096).enumerate() {
        script.bytes(chunk);
        let held = (count + 1) * 4_096;
        assert_eq!((script.session.input.len(), script.session.buffered()), (held, held));
        assert!(script.session.input.capacity() <= 2 * held.max(4_096));
    }
}

#[test]
fn the_room_of_a_large_frame_is_given_back() {
    let mut script = Script::established(2);
    let mut noise = vec![0; 1 << 20];
    rand_core::Rng::fill_bytes(&mut script.rng, &mut noise);
    let mut compressed = vec![0x10];
    snappy::compress(&noise, &mut compressed);
    let wire = script.frame(&compressed);
    for chunk in wire.chunks(4_096) {
        script.bytes(chunk);
    }
    assert!(matches!(script.session.poll_event(), Some(Event::Message { payload, .. }) if payload == noise));
    assert!(script.session.input.capacity() <= IDLE_BUFFER);
}

#[test]
fn a_closed_session_holds_no_input() {
    let mut script = Script::established(3);
    let mut wire = Vec::new();
    let mut bye = vec![0x01];
    snappy::compress(&[0xc1, 8], &mut bye);
    wire.extend(script.frame(&bye));
    wire.extend([0; 100_000]);
    script.bytes(&wire);
    assert_eq!(script.end(), Closed::ByPeer(DisconnectReason::QUITTING));
    assert_eq!(script.session.input.capacity(), 0);
    script.bytes(&[0; 1_000]);
    assert_eq!(script.session.input.capacity(), 0);
}

#[test]
fn many_small_frames_in_one_read_move_the_input_once() {
    let mut script = Script::established(4);
    let mut wire = Vec::new();
    for _ in 0..20_000 {
        wire.extend(script.frame(&[0x10, 1, 0, 0xc0]));
    }
    let cut = wire.len() - 10;
    script.bytes(&wire[..cut]);
    assert_eq!(script.session.input.len(), 64 - 32 - 10, "a body without its last ten bytes");
    let mut messages = 0;
    while let Some(Event::Message { .. }) = script.session.poll_event() {
        messages += 1;
    }
    assert_eq!(messages, 19_999);
}
