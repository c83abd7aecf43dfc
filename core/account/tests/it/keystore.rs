//! Key files.

use proptest::prelude::*;
use serde_json::{Value, json};
use undertone_account::keystore::{
    FileExtendedKey, KeyFile, KeystoreError, Member, ScryptParams, file_name, seal, status_passwords,
};
use undertone_account::{Address, ChatKey, ExtendedKey, Path, limits};
use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_support::rng;
use undertone_vectors::{hex_n, load};

use crate::{list, text};

fn cheap() -> ScryptParams {
    ScryptParams::new(1024, 8, 1).unwrap()
}

fn parse(file: &Value) -> Result<KeyFile, KeystoreError> {
    KeyFile::parse(file.to_string().as_bytes())
}

#[test]
fn files_of_status_open() {
    let identity = load("identity");
    let mut cases = 0;
    for case in list(&identity["keystore_files"]) {
        let file = parse(&case["file"]).unwrap();
        let password = text(&case["password"]);
        let key = file.open(password).unwrap();
        assert_eq!(*key.secret().expose(), hex_n::<32>(&case["private_key"]));
        assert_eq!(file.address().unwrap().to_string(), text(&case["address"]));
        let wrong = file.open(&format!("{password} ")).unwrap_err();
        assert_eq!(wrong, KeystoreError::WrongPassword);
        assert_eq!(wrong.to_string(), text(&case["wrong_password_error"]));
        let extended = file.open_extended(password).unwrap();
        let xprv = extended.as_ref().map(|extended| match extended {
            FileExtendedKey::OfThisKey(key) => {
                assert_eq!(text(&case["validate_extended_key"]), "ok");
                key.expose_xprv()
            }
            FileExtendedKey::OfAnotherKey(key) => {
                assert_eq!(
                    text(&case["validate_extended_key"]),
                    "error: PrivateKey and ExtendedKey are different"
                );
                key.expose_xprv()
            }
        });
        assert_eq!(xprv.as_ref().map_or("", |xprv| xprv.as_str()), text(&case["extended_key"]));
        assert_eq!(file.has_extended_key(), extended.is_some());
        cases += 1;
    }
    assert_eq!(cases, 3);
    // The mobile client hashed what the person typed.
    let [lower, upper] = status_passwords("my password");
    assert_eq!(lower.as_str(), text(&identity["keystore_files"][0]["password"]));
    assert_eq!(upper.as_str(), format!("0x{}", lower[2..].to_uppercase()));
}

/// Opens the files whose writer the test names, and returns how many.
fn open_files_of(wanted: impl Fn(&str) -> bool) -> usize {
    let fixtures: Value = serde_json::from_str(include_str!("key_files.json")).unwrap();
    assert_eq!(list(&fixtures["files"]).len(), 6);
    let mut cases = 0;
    for case in list(&fixtures["files"]).iter().filter(|case| wanted(text(&case["writer"]))) {
        let file = parse(&case["file"]).unwrap_or_else(|e| panic!("{}: {e}", case["writer"]));
        let key = file.open(text(&case["password"])).unwrap_or_else(|e| panic!("{}: {e}", case["writer"]));
        assert_eq!(*key.secret().expose(), hex_n::<32>(&case["private_key"]), "{}", case["writer"]);
        assert!(file.open_extended("any").unwrap().is_none());
        cases += 1;
    }
    cases
}

#[test]
fn files_of_geth_open() {
    assert_eq!(open_files_of(|writer| writer.starts_with("geth")), 1);
}

#[test]
fn published_files_of_version_3_open() {
    assert_eq!(open_files_of(|writer| writer.starts_with("published")), 4);
}

#[test]
fn files_of_version_1_open() {
    assert_eq!(open_files_of(|writer| writer.starts_with("version 1")), 1);
    let fixtures: Value = serde_json::from_str(include_str!("key_files.json")).unwrap();
    let bad = &fixtures["wrong_padding"];
    assert_eq!(
        parse(&bad["file"]).unwrap().open(text(&bad["password"])).unwrap_err(),
        KeystoreError::Content
    );
}

#[test]
fn a_sealed_file_opens_with_its_password_only() {
    let master = ExtendedKey::master_of(&[5; 32]).unwrap();
    let extended = master.derive(&Path::CHAT).unwrap();
    let key = ChatKey::derive(&master).unwrap();
    let made = seal(key.secret_key(), Some(&extended), "pässword", cheap(), &mut rng(1));
    assert_eq!(made, seal(key.secret_key(), Some(&extended), "pässword", cheap(), &mut rng(1)));
    assert_ne!(made, seal(key.secret_key(), Some(&extended), "pässword", cheap(), &mut rng(2)));

    let json: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(json["version"], 3);
    assert_eq!(text(&json["address"]), key.address().to_bare_hex());
    assert_eq!(json["crypto"]["kdfparams"]["n"], 1024);
    assert_ne!(json["crypto"]["kdfparams"]["salt"], json["extendedkey"]["kdfparams"]["salt"]);
    assert_ne!(json["crypto"]["cipherparams"]["iv"], json["extendedkey"]["cipherparams"]["iv"]);
    let id = text(&json["id"]);
    let parts: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(&id[14..15] == "4" && "89ab".contains(&id[19..20]), "{id}");

    let file = KeyFile::parse(made.as_bytes()).unwrap();
    assert_eq!(file.open("pässword").unwrap().secret().expose(), key.secret_key().secret().expose());
    let Some(FileExtendedKey::OfThisKey(read)) = file.open_extended("pässword").unwrap() else {
        panic!("no extended key of this key");
    };
    assert_eq!(read.expose_xprv(), extended.expose_xprv());
    for wrong in ["", "password", "pässword\n"] {
        assert_eq!(file.open(wrong).unwrap_err(), KeystoreError::WrongPassword);
        assert_eq!(file.open_extended(wrong).unwrap_err(), KeystoreError::WrongPassword);
    }
}

#[test]
fn the_extended_key_is_compared_even_when_the_file_names_no_address() {
    let master = ExtendedKey::master_of(&[5; 32]).unwrap();
    let mut file: Value =
        serde_json::from_str(&seal(master.secret_key(), Some(&master), "p", cheap(), &mut rng(1))).unwrap();
    file.as_object_mut().unwrap().remove("address");
    let found = parse(&file).unwrap().open_extended("p").unwrap();
    assert!(matches!(found, Some(FileExtendedKey::OfThisKey(_))));
}

/// A valid file to break.
fn valid() -> Value {
    let key = SecretKey::random(&mut rng(9));
    serde_json::from_str(&seal(&key, None, "p", cheap(), &mut rng(9))).unwrap()
}

/// geth opens files that derive more than is used: of both derivations the first 32 bytes are the same.
#[test]
fn a_file_that_derives_more_than_is_used_opens() {
    let mut file = valid();
    let bytes = |pointer| const_hex::decode(file.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
    let (salt, ciphertext) = (bytes("/crypto/kdfparams/salt"), bytes("/crypto/ciphertext"));
    let mut derived = [0; 64];
    let n = file.pointer("/crypto/kdfparams/n").unwrap().as_u64().unwrap();
    let r = u32::try_from(file.pointer("/crypto/kdfparams/r").unwrap().as_u64().unwrap()).unwrap();
    let params = scrypt::Params::new(u8::try_from(n.trailing_zeros()).unwrap(), r, 1).unwrap();
    scrypt::scrypt(b"p", &salt, &params, &mut derived).unwrap();
    let mac = undertone_crypto::keccak256(&[&derived[16..32], &ciphertext].concat());
    assert_eq!(file.pointer("/crypto/mac").unwrap(), &json!(const_hex::encode(mac)));
    *file.pointer_mut("/crypto/kdfparams/dklen").unwrap() = json!(64);
    let key = SecretKey::random(&mut rng(9));
    assert_eq!(parse(&file).unwrap().open("p").unwrap().public(), key.public());
}

#[test]
fn a_damaged_file_says_which_member() {
    let member = |member| KeystoreError::Member(member);
    for (pointer, value, error) in [
        ("/version", json!(null), member(Member::Version)),
        ("/version", json!(4), KeystoreError::Unsupported(Member::Version)),
        ("/version", json!("2"), KeystoreError::Unsupported(Member::Version)),
        ("/version", json!(1), KeystoreError::Unsupported(Member::Cipher)),
        ("/address", json!("12"), member(Member::Address)),
        ("/address", json!(7), member(Member::Address)),
        ("/crypto", json!(null), member(Member::Crypto)),
        ("/crypto", json!("text"), member(Member::Crypto)),
        ("/crypto/cipher", json!("aes-256-ctr"), KeystoreError::Unsupported(Member::Cipher)),
        ("/crypto/cipher", json!(null), member(Member::Cipher)),
        ("/crypto/cipherparams", json!({}), member(Member::Iv)),
        ("/crypto/cipherparams/iv", json!("00"), member(Member::Iv)),
        ("/crypto/cipherparams/iv", json!("00".repeat(17)), member(Member::Iv)),
        ("/crypto/ciphertext", json!(""), member(Member::Ciphertext)),
        ("/crypto/ciphertext", json!("0g"), member(Member::Ciphertext)),
        ("/crypto/ciphertext", json!("0x00"), member(Member::Ciphertext)),
        ("/crypto/ciphertext", json!("00".repeat(257)), member(Member::Ciphertext)),
        ("/crypto/mac", json!("00".repeat(31)), member(Member::Mac)),
        ("/crypto/mac", json!(null), member(Member::Mac)),
        ("/crypto/kdf", json!("argon2id"), KeystoreError::Unsupported(Member::Kdf)),
        ("/crypto/kdf", json!(1), member(Member::Kdf)),
        ("/crypto/kdfparams", json!([]), member(Member::KdfParams)),
        ("/crypto/kdfparams/dklen", json!(16), KeystoreError::Unsupported(Member::Dklen)),
        ("/crypto/kdfparams/dklen", json!(31), KeystoreError::Unsupported(Member::Dklen)),
        ("/crypto/kdfparams/dklen", json!(1_025), KeystoreError::Unsupported(Member::Dklen)),
        ("/crypto/kdfparams/dklen", json!(null), member(Member::Dklen)),
        ("/crypto/kdfparams/salt", json!(null), member(Member::Salt)),
        ("/crypto/kdfparams/salt", json!("00".repeat(257)), member(Member::Salt)),
        ("/crypto/kdfparams/n", json!(1000), member(Member::KdfParams)),
        ("/crypto/kdfparams/n", json!(1), member(Member::KdfParams)),
        ("/crypto/kdfparams/n", json!(-2), member(Member::KdfParams)),
        ("/crypto/kdfparams/n", json!(1u64 << 21), KeystoreError::TooCostly),
        ("/crypto/kdfparams/n", json!(1u64 << 63), KeystoreError::TooCostly),
        ("/crypto/kdfparams/r", json!(0), member(Member::KdfParams)),
        ("/crypto/kdfparams/r", json!(65), KeystoreError::TooCostly),
        ("/crypto/kdfparams/r", json!(u64::MAX), KeystoreError::TooCostly),
        ("/crypto/kdfparams/p", json!(0), member(Member::KdfParams)),
        ("/crypto/kdfparams/p", json!(65), KeystoreError::TooCostly),
    ] {
        let mut file = valid();
        *file.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(parse(&file).unwrap_err(), error, "{pointer} = {value}");
    }
    for (text, error) in [
        ("", KeystoreError::NotJson),
        ("[]", KeystoreError::NotJson),
        ("{", KeystoreError::NotJson),
        ("{}", member(Member::Version)),
        ("{\"version\":3}", member(Member::Crypto)),
    ] {
        assert_eq!(KeyFile::parse(text.as_bytes()).unwrap_err(), error, "{text}");
    }
    assert_eq!(KeyFile::parse(&vec![b' '; limits::KEY_FILE_BYTES + 1]).unwrap_err(), KeystoreError::TooLong);
    assert_eq!(KeyFile::parse("[".repeat(60_000).as_bytes()).unwrap_err(), KeystoreError::NotJson);
}

#[test]
fn pbkdf2_is_bounded_too() {
    let with = |params: Value| {
        let mut file = valid();
        file["crypto"]["kdf"] = json!("pbkdf2");
        file["crypto"]["kdfparams"] = params;
        parse(&file).map(drop)
    };
    let params = |c: u64, prf: &str| json!({"c": c, "dklen": 32, "prf": prf, "salt": "00"});
    assert_eq!(with(params(10_000_000, "hmac-sha256")), Ok(()));
    assert_eq!(with(params(10_000_001, "hmac-sha256")), Err(KeystoreError::TooCostly));
    assert_eq!(with(params(1 << 40, "hmac-sha256")), Err(KeystoreError::TooCostly));
    assert_eq!(with(params(0, "hmac-sha256")), Err(KeystoreError::Member(Member::KdfParams)));
    assert_eq!(with(params(1, "hmac-sha512")), Err(KeystoreError::Unsupported(Member::Prf)));
    assert_eq!(with(json!({"c": 1, "dklen": 32, "salt": ""})), Err(KeystoreError::Member(Member::Prf)));
}

#[test]
fn the_most_costly_file_that_is_read() {
    assert!(ScryptParams::new(1 << 20, 8, 8).is_ok(), "1 GiB");
    assert_eq!(ScryptParams::new(1 << 20, 8, 9), Err(KeystoreError::TooCostly));
    assert_eq!(ScryptParams::new(1 << 20, 9, 1), Err(KeystoreError::TooCostly));
    assert_eq!(ScryptParams::new(1 << 18, 8, 1), Ok(ScryptParams::STANDARD));
    assert_eq!(ScryptParams::STANDARD.n(), 262_144);
}

#[test]
fn changed_bytes_and_a_false_address_are_noticed() {
    for (pointer, what) in
        [("/crypto/ciphertext", KeystoreError::WrongPassword), ("/crypto/mac", KeystoreError::WrongPassword)]
    {
        let mut file = valid();
        let member = file.pointer_mut(pointer).unwrap();
        let changed = if text(member).starts_with('0') { "1" } else { "0" };
        *member = json!(format!("{changed}{}", &text(member)[1..]));
        assert_eq!(parse(&file).unwrap().open("p").unwrap_err(), what, "{pointer}");
    }
    // The iv is not under the mac: what it spoils shows in the address alone.
    for (pointer, value) in [("/crypto/cipherparams/iv", "00".repeat(16)), ("/address", "00".repeat(20))] {
        let mut file = valid();
        *file.pointer_mut(pointer).unwrap() = json!(value);
        assert_eq!(parse(&file).unwrap().open("p").unwrap_err(), KeystoreError::AddressMismatch, "{pointer}");
    }
}

#[test]
fn what_is_no_key_is_content() {
    // An extended key's text under `crypto` is too long for a private key; the reverse is no text.
    let master = ExtendedKey::master_of(&[5; 32]).unwrap();
    let mut file: Value =
        serde_json::from_str(&seal(master.secret_key(), Some(&master), "p", cheap(), &mut rng(1))).unwrap();
    let (crypto, extended) = (file["crypto"].clone(), file["extendedkey"].clone());
    file["crypto"] = extended;
    file["extendedkey"] = crypto;
    let file = parse(&file).unwrap();
    assert_eq!(file.open("p").unwrap_err(), KeystoreError::Content);
    assert_eq!(file.open_extended("p").unwrap_err(), KeystoreError::Content);
}

#[test]
fn a_broken_extended_key_does_not_hide_the_private_key() {
    let mut file = valid();
    file["extendedkey"] = json!({"ciphertext": "00", "cipher": "none"});
    let file = parse(&file).unwrap();
    assert!(file.open("p").is_ok());
    assert_eq!(file.open_extended("p").unwrap_err(), KeystoreError::Unsupported(Member::Cipher));
}

#[test]
fn member_names_match_in_any_case_as_in_geth() {
    let file = valid().to_string();
    let shouted =
        file.replace("\"crypto\"", "\"Crypto\"").replace("\"mac\"", "\"MAC\"").replace("version", "Version");
    assert!(KeyFile::parse(shouted.as_bytes()).unwrap().open("p").is_ok());
}

#[test]
fn names_of_files_sort_by_time() {
    let address = Address::from_bytes([0x5a; 20]);
    let tail = format!("--{}", "5a".repeat(20));
    for (millis, want) in [
        (0, "1970-01-01T00-00-00.000000000Z"),
        (951_782_399_999, "2000-02-28T23-59-59.999000000Z"),
        (951_782_400_000, "2000-02-29T00-00-00.000000000Z"),
        (1_077_926_400_000, "2004-02-28T00-00-00.000000000Z"),
        (1_078_099_200_001, "2004-03-01T00-00-00.001000000Z"),
        (1_609_459_199_000, "2020-12-31T23-59-59.000000000Z"),
        (4_107_542_400_000, "2100-03-01T00-00-00.000000000Z"),
    ] {
        assert_eq!(file_name(&address, Unix::from_millis(millis)), format!("UTC--{want}{tail}"));
    }
    assert!(file_name(&address, Unix::from_millis(u64::MAX)).starts_with("UTC--584"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
        let _ = KeyFile::parse(&bytes);
        let _ = KeyFile::parse(text.as_bytes());
    }

    #[test]
    fn reading_a_file_with_one_byte_changed_never_panics(at: prop::sample::Index, to: u8) {
        let mut bytes = valid().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = KeyFile::parse(&bytes);
    }

    #[test]
    fn sealed_keys_open(seed: u64, password in "\\PC{0,40}") {
        let mut rng = rng(seed);
        let key = SecretKey::random(&mut rng);
        let tiny = ScryptParams::new(2, 1, 1).unwrap();
        let file = KeyFile::parse(seal(&key, None, &password, tiny, &mut rng).as_bytes()).unwrap();
        prop_assert_eq!(file.open(&password).unwrap().public(), key.public());
        prop_assert_eq!(file.open(&format!("{password}x")).unwrap_err(), KeystoreError::WrongPassword);
    }
}
