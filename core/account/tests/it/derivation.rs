//! BIP32, paths, addresses.

use proptest::prelude::*;
use undertone_account::{
    Address, AddressError, ChatKey, ChildNumber, ExtendedKey, ExtendedKeyError, KeyUid, Mnemonic, Path,
    PathError, WalletKey, limits,
};
use undertone_crypto::hash::sha256;
use undertone_vectors::{Value, hex_n, load};

use crate::{list, text};

fn account(case: &Value) -> ExtendedKey {
    // Two of the seven were imported as they stood, blanks, capitals and all.
    let phrase = Mnemonic::verbatim(text(&case["mnemonic"])).unwrap();
    let seed = phrase.seed(text(&case["bip39_passphrase"]));
    assert_eq!(*seed.secret().expose(), hex_n::<64>(&case["seed"]));
    ExtendedKey::master(&seed).unwrap()
}

#[test]
fn accounts_of_the_vectors() {
    let file = load("identity");
    let (mut accounts, mut keys, mut differ) = (0, 0, 0);
    for case in list(&file["accounts"]) {
        let valid = text(&case["validate_english"]).is_empty();
        assert_eq!(Mnemonic::parse(text(&case["mnemonic"])).is_ok(), valid || accounts == 6);
        let master = account(case);
        assert_eq!(master.expose_xprv().as_str(), text(&case["master_xprv"]));
        assert_eq!(KeyUid::of(&master.public()).to_string(), text(&case["key_uid"]));
        for want in list(&case["derived"]) {
            let path: Path = text(&want["path"]).parse().unwrap();
            assert_eq!(path.to_string(), text(&want["path"]));
            let key = master.derive(&path).unwrap();
            assert_eq!(*key.secret_key().secret().expose(), hex_n::<32>(&want["priv"]));
            assert_eq!(*key.chain_code().expose(), hex_n::<32>(&want["chain_code"]));
            assert_eq!(key.public().to_bare_hex(), text(&want["pub_uncompressed"]));
            assert_eq!(key.address().to_string(), text(&want["address"]));
            assert_eq!(key.expose_xprv().as_str(), text(&want["xprv"]));
            let read = ExtendedKey::from_xprv(text(&want["xprv"])).unwrap();
            assert_eq!(read.expose_xprv().as_str(), text(&want["xprv"]));
            assert_eq!(usize::from(key.depth()), path.steps().len());
            if let Some(stored) = want["status_go_address_for_path_string"].as_str() {
                let theirs = master.derive(&Path::status_go_reading(text(&want["path"])).unwrap()).unwrap();
                assert_eq!(theirs.address().to_string(), stored);
                if path == Path::EIP1581 {
                    assert_ne!(theirs.address(), key.address());
                    for recorded in [theirs.address(), key.address()] {
                        assert!(master.has_eip1581_address(&recorded).unwrap());
                    }
                    assert!(!master.has_eip1581_address(&master.address()).unwrap());
                    differ += 1;
                }
            }
            keys += 1;
        }
        accounts += 1;
    }
    assert_eq!((accounts, keys, differ), (7, 49, 7));
}

#[test]
fn roles_sit_at_their_paths() {
    let file = load("identity");
    let mut cases = 0;
    for case in list(&file["accounts"]) {
        let master = account(case);
        let at = |path: &str| {
            let found = list(&case["derived"]).iter().find(|key| key["path"] == path).unwrap();
            text(&found["address"]).to_owned()
        };
        assert_eq!(ChatKey::derive(&master).unwrap().address().to_string(), at("m/43'/60'/1581'/0'/0"));
        assert_eq!(WalletKey::derive(&master, 0).unwrap().address().to_string(), at("m/44'/60'/0'/0/0"));
        assert_eq!(WalletKey::derive(&master, 1).unwrap().address().to_string(), at("m/44'/60'/0'/0/1"));
        let encryption = master.derive(&Path::ENCRYPTION).unwrap();
        assert_eq!(encryption.address().to_string(), at("m/43'/60'/1581'/1'/0"));
        let wallet = master.derive(&Path::WALLET).unwrap();
        assert_eq!(wallet.address().to_string(), at("m/44'/60'/0'/0/0"));
        assert_eq!(WalletKey::derive(&master, 1 << 31).unwrap_err(), ExtendedKeyError::NoKey);
        cases += 1;
    }
    assert_eq!(cases, 7);
}

#[test]
fn path_strings_are_read_strictly_and_as_status_go_reads_them() {
    let file = load("identity");
    let master = account(&file["accounts"][0]);
    let (mut cases, mut refused, mut strict) = (0, 0, 0);
    for case in list(&file["path_strings"]) {
        let path = text(&case["path"]);
        let theirs = Path::status_go_reading(path);
        if text(&case["result"]) == "ok" {
            let address = master.derive(&theirs.unwrap()).unwrap().address();
            assert_eq!(address.to_string(), text(&case["address"]), "{path}");
        } else {
            assert!(theirs.is_err(), "{path}");
            assert!(path.parse::<Path>().is_err(), "{path}");
            refused += 1;
        }
        strict += usize::from(path.parse::<Path>().is_ok());
        cases += 1;
    }
    // Strictly right are only `m`, the wallet path, and the one that trap T1 cuts.
    assert_eq!((cases, refused, strict), (16, 9, 3));
}

#[test]
fn strict_paths_name_the_faulty_step() {
    for (path, error) in [
        ("", PathError::Start),
        ("M/1", PathError::Start),
        ("44'/60'", PathError::Start),
        ("../1", PathError::Start),
        ("mm", PathError::Start),
        ("m/", PathError::Step { step: 1 }),
        ("m/44'/", PathError::Step { step: 2 }),
        ("m/44'/60h", PathError::Step { step: 2 }),
        ("m/1/+2", PathError::Step { step: 2 }),
        ("m/01", PathError::Step { step: 1 }),
        ("m/1''", PathError::Step { step: 1 }),
        ("m/ 1", PathError::Step { step: 1 }),
        ("m/'", PathError::Step { step: 1 }),
        ("m/2147483648", PathError::Index { step: 1 }),
        ("m/99999999999999999999", PathError::Index { step: 1 }),
    ] {
        assert_eq!(path.parse::<Path>(), Err(error), "{path}");
    }
    assert_eq!("m/2147483647'".parse::<Path>().unwrap().to_string(), "m/2147483647'");
    let deepest = format!("m{}", "/0".repeat(limits::PATH_STEPS));
    assert_eq!(deepest.parse::<Path>().unwrap().steps().len(), 255);
    assert_eq!(format!("{deepest}/0").parse::<Path>(), Err(PathError::TooLong));
    assert_eq!(Path::new(vec![ChildNumber::normal(0).unwrap(); 256]), None);
}

/// Vectors 1 and 3 (leading zeros) that BIP32 publishes.
#[test]
fn published_vectors_of_bip32() {
    let cases = [
        (
            "000102030405060708090a0b0c0d0e0f",
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7",
        ),
        (
            "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
            "xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtHHs7pXeTzjuxBrCmmhgC6",
            "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L",
        ),
    ];
    for (seed, master, child) in cases {
        let seed = undertone_vectors::hex(&Value::from(seed));
        let key = ExtendedKey::master_of(&seed).unwrap();
        assert_eq!(key.expose_xprv().as_str(), master);
        assert_eq!(key.child(ChildNumber::hardened(0).unwrap()).unwrap().expose_xprv().as_str(), child);
    }
}

#[test]
fn seeds_and_depth_are_bounded() {
    for got in [0, 15, 65] {
        let error = ExtendedKey::master_of(&vec![7; got]).unwrap_err();
        assert_eq!(error, ExtendedKeyError::SeedLength { got });
    }
    let master = ExtendedKey::master_of(&[7; 16]).unwrap();
    let deepest = master.derive(&format!("m{}", "/1".repeat(255)).parse().unwrap()).unwrap();
    assert_eq!(deepest.depth(), 255);
    assert_eq!(deepest.child(ChildNumber::normal(0).unwrap()).unwrap_err(), ExtendedKeyError::Depth);
}

/// Changes one byte before base58 and mends the checksum.
fn forged(at: usize, to: u8) -> Result<(), ExtendedKeyError> {
    let xprv = ExtendedKey::master_of(&[7; 16]).unwrap().expose_xprv();
    let mut bytes = bs58::decode(xprv.as_str()).into_vec().unwrap();
    bytes[at] = to;
    let checksum = sha256(&sha256(&bytes[..78]));
    bytes[78..].copy_from_slice(&checksum[..4]);
    ExtendedKey::from_xprv(&bs58::encode(bytes).into_string()).map(drop)
}

#[test]
fn extended_key_texts_that_lie_are_refused() {
    use ExtendedKeyError::{Checksum, Encoding, Fields, Version};
    let xprv = ExtendedKey::master_of(&[7; 16]).unwrap().expose_xprv();
    assert_eq!(xprv.len(), 111);
    assert_eq!(forged(3, 0xe4), Ok(()));
    assert_eq!(forged(3, 0xe5), Err(Version));
    assert_eq!(forged(8, 1), Err(Fields), "a master key that names a parent");
    assert_eq!(forged(12, 1), Err(Fields), "a master key that has a number");
    assert_eq!(forged(45, 2), Err(Fields), "the first byte of a public key");
    let swapped = format!("{}{}", &xprv[..110], if xprv.ends_with('1') { '2' } else { '1' });
    assert_eq!(ExtendedKey::from_xprv(&swapped).unwrap_err(), Checksum);
    for text in
        ["", "x", "xprv0", &xprv[..110], &format!("{}1", xprv.as_str()), &"1".repeat(82), &"z".repeat(500)]
    {
        let error = ExtendedKey::from_xprv(text).unwrap_err();
        assert!(matches!(error, Encoding | Checksum), "{text}: {error}");
    }
}

#[test]
fn addresses_are_read_in_one_case_or_with_the_right_checksum() {
    let right = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94";
    let address: Address = right.parse().unwrap();
    assert_eq!(address.to_string(), right);
    assert_eq!(right.to_lowercase().parse(), Ok(address));
    assert_eq!(right[2..].to_uppercase().parse(), Ok(address));
    assert_eq!(right.replace("Ef", "ef").parse::<Address>(), Err(AddressError::Checksum));
    assert!(matches!("0x12".parse::<Address>(), Err(AddressError::Hex(_))));
    assert_eq!(format!("{address:?}"), "Address(9858effd232b4033e47d90003d41ec34ecaeda94)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn texts_never_panic(text in "\\PC{0,130}") {
        let _ = text.parse::<Path>();
        let _ = Path::status_go_reading(&text);
        let _ = ExtendedKey::from_xprv(&text).map(drop);
        let _ = text.parse::<Address>();
    }

    #[test]
    fn paths_read_back(steps in proptest::collection::vec((0u32..1 << 31, any::<bool>()), 0..20)) {
        let number = |(index, hard): (u32, bool)| {
            if hard { ChildNumber::hardened(index).unwrap() } else { ChildNumber::normal(index).unwrap() }
        };
        let path = Path::new(steps.into_iter().map(number).collect()).unwrap();
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn extended_keys_read_back(seed: [u8; 32], index in 0u32..1 << 31) {
        let master = ExtendedKey::master_of(&seed).unwrap();
        let key = master.child(ChildNumber::hardened(index).unwrap()).unwrap();
        let read = ExtendedKey::from_xprv(&key.expose_xprv()).unwrap();
        prop_assert_eq!(read.expose_xprv(), key.expose_xprv());
        let next = ChildNumber::normal(0).unwrap();
        prop_assert_eq!(read.child(next).unwrap().address(), key.child(next).unwrap().address());
    }
}
