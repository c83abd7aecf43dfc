//! Node keys and ids.

use undertone_devp2p::{NodeId, NodeKey};
use undertone_support::rng;

#[test]
fn a_nodekey_file_reads_back_with_or_without_its_line_end() {
    let key = NodeKey::random(&mut rng(1));
    let hex: String = key.secret().expose().iter().map(|b| format!("{b:02x}")).collect();
    for text in [hex.clone(), format!("{hex}\n"), format!(" {hex}\r\n")] {
        assert_eq!(NodeKey::from_hex(&text).unwrap().public(), key.public());
    }
    for text in ["", &hex[1..], &format!("{hex}00"), &"0".repeat(64), &"f".repeat(64)] {
        assert!(NodeKey::from_hex(text).is_err(), "{text}");
    }
}

#[test]
fn an_id_is_the_hash_of_both_coordinates() {
    let key = NodeKey::random(&mut rng(2)).public();
    assert_eq!(NodeId::of(&key).as_bytes(), &undertone_crypto::keccak256(&key.to_xy()));
}
