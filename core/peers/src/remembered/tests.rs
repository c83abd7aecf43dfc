use proptest::prelude::*;
use undertone_crypto::SecretKey;

use super::*;

fn key(seed: u64) -> PublicKey {
    SecretKey::random(&mut undertone_support::rng(seed)).public()
}

fn enode(seed: u64, ip: IpAddr) -> Enode {
    Enode::new(key(seed), Endpoint { host: Host::Ip(ip), tcp: 30_303, udp: 0 })
}

fn peer(seed: u64, ip: [u8; 4], merit: u32) -> Remembered {
    Remembered { enode: enode(seed, ip.into()), last: Unix::from_secs(seed), merit }
}

/// Whoever changes the form must raise the version.
#[test]
fn the_form_on_disk_is_pinned() {
    let secret = SecretKey::from_slice(&[1; 32]).unwrap();
    let node = Enode::new(
        secret.public(),
        Endpoint { host: Host::Ip([8, 8, 4, 4].into()), tcp: 30_303, udp: 30_304 },
    );
    let peers = vec![Remembered { enode: node, last: Unix::from_millis(1_700_000_000_123), merit: 7 }];
    let bytes = encode(&peers);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "f85a", // list of 90 bytes
            "01",   // version
            "f857", // list of entries
            "f855", // an entry
            "b840", // key
            "1b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f",
            "70beaf8f588b541507fed6a642c5ab42dfdf8120a7f639de5122d47a69a8e8d1",
            "8408080404",     // ip
            "82765f",         // tcp
            "827660",         // udp
            "86018bcfe5687b", // last
            "07"              // merit
        )
    );
    assert_eq!(decode(&bytes), Ok(peers));
}

#[test]
fn damaged_lists_are_refused_with_their_reason() {
    let bytes = encode(&[peer(1, [8, 8, 8, 8], 1), peer(2, [8, 8, 9, 8], 1)]);
    assert_eq!(decode(&bytes).unwrap().len(), 2);
    for cut in 0..bytes.len() {
        assert_eq!(decode(&bytes[..cut]), Err(RememberedError::Malformed));
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(decode(&longer), Err(RememberedError::Malformed));
    let mut later = bytes.clone();
    let version = later.iter().position(|byte| *byte == 1).unwrap();
    later[version] = 2;
    assert_eq!(decode(&later), Err(RememberedError::Version(2)));
    let huge = vec![0; MAX_REMEMBERED_BYTES + 1];
    let max = MAX_REMEMBERED_BYTES;
    assert_eq!(decode(&huge), Err(RememberedError::TooLarge { size: max + 1, max }));
    assert_eq!(decode(&encode(&[])), Ok(vec![]));
}

#[test]
fn the_longest_list_can_be_read_again() {
    let ip = |n: u16| IpAddr::from([0x2a01, n, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff_u16]);
    let peers: Vec<_> = (0..300_u16)
        .map(|n| Remembered { enode: enode(7, ip(n)), last: Unix::from_millis(u64::MAX), merit: u32::MAX })
        .collect();
    let bytes = encode(&peers);
    assert!(bytes.len() <= MAX_REMEMBERED_BYTES);
    assert_eq!(decode(&bytes).unwrap(), peers[..MAX_REMEMBERED]);
}

#[test]
fn one_subnet_cannot_take_the_memory() {
    let mut memory = Memory::default();
    memory.note(enode(1, [8, 8, 8, 8].into()), Unix::from_secs(1), 1);
    for seed in 2..600_u64 {
        let [.., c, d] = seed.to_be_bytes();
        memory.note(enode(seed, [9, 9, c, d].into()), Unix::from_secs(seed), 1_000);
    }
    assert_eq!(memory.len(), 1 + 3 * REMEMBERED_PER_NARROW);
    for seed in 1_000..1_400_u64 {
        let [.., c, d] = (seed - 1_000).to_be_bytes();
        memory.note(enode(seed, [9, 9, d, c].into()), Unix::from_secs(seed), 2_000);
    }
    assert_eq!(memory.len(), 1 + REMEMBERED_PER_WIDE);
    assert!(memory.records.contains_key(&Id::of(&key(1))));
}

#[test]
fn the_best_are_kept_and_the_dead_forgotten() {
    let mut memory = Memory::default();
    for seed in 0..400_u16 {
        let [a, b] = seed.to_be_bytes();
        memory.note(enode(u64::from(seed), [20 + a, b, 1, 1].into()), Unix::from_secs(1), u32::from(seed));
    }
    assert_eq!(memory.len(), MAX_REMEMBERED);
    assert!(memory.list().iter().all(|peer| peer.merit >= 400 - 256));
    assert!(memory.take_changed() && !memory.take_changed());
    let best = Id::of(&key(399));
    for _ in 1..REMEMBERED_FAILURES {
        memory.failed(&best);
    }
    assert!(memory.records.contains_key(&best) && !memory.take_changed());
    memory.failed(&best);
    assert!(!memory.records.contains_key(&best) && memory.take_changed());
}

#[test]
fn merit_adds_up_and_fades_with_each_start() {
    let mut memory = Memory::new(vec![peer(1, [8, 8, 8, 8], 100)]);
    assert_eq!(memory.list()[0].merit, 75);
    memory.note(enode(1, [8, 8, 8, 9].into()), Unix::from_secs(9), 5);
    assert_eq!((memory.list()[0].merit, memory.list()[0].last), (80, Unix::from_secs(9)));
    let at = |ip: [u8; 4]| memory.listening(&Id::of(&key(1)), (ip, 5).into()).is_some();
    assert!(at([8, 8, 8, 9]) && !at([8, 8, 8, 8]));
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(peers) = decode(&bytes) {
            prop_assert_eq!(encode(&peers), bytes);
        }
    }

    #[test]
    fn a_changed_byte_gives_another_list_or_none(at in 0_usize..100, to in any::<u8>()) {
        let mut bytes = encode(&[peer(1, [8, 8, 8, 8], 1), peer(2, [8, 8, 9, 8], 1)]);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(peers) = decode(&bytes) {
            prop_assert_eq!(encode(&peers), bytes);
        }
    }
}
