//! BIP32 beside an independent implementation (`bip32` on `k256`; ours stands on libsecp256k1).

use bip32::{ExtendedPrivateKey, Prefix};
use proptest::prelude::*;
use undertone_account::{ChildNumber, ExtendedKey};

proptest! {
    #[test]
    fn another_implementation_derives_the_same_keys(
        seed in prop::collection::vec(any::<u8>(), 64),
        steps in prop::collection::vec(any::<u32>(), 0..6),
    ) {
        let mut ours = ExtendedKey::master_of(&seed).unwrap();
        let mut theirs = ExtendedPrivateKey::<k256::ecdsa::SigningKey>::new(&seed).unwrap();
        for step in steps {
            ours = ours.child(number(step)).unwrap();
            theirs = theirs.derive_child(bip32::ChildNumber(step)).unwrap();
        }
        let (ours, theirs) = (ours.expose_xprv(), theirs.to_string(Prefix::XPRV));
        prop_assert_eq!(ours.as_str(), theirs.as_str());
    }
}

fn number(bits: u32) -> ChildNumber {
    let index = bits & 0x7fff_ffff;
    if bits == index { ChildNumber::normal(index) } else { ChildNumber::hardened(index) }.unwrap()
}
