//! Text forms of public keys.

use proptest::prelude::*;
use undertone_account::Base;
use undertone_account::key_text::{
    KeyTextError, chat_key, compressed_hex, deserialize, multibase, parse, serialize,
};
use undertone_crypto::{KeyError, PublicKey, SecretKey};
use undertone_support::rng;
use undertone_vectors::{hex, load};

use crate::{list, text};

#[test]
fn every_form_of_the_keys_of_the_vectors() {
    let file = load("identity");
    let mut cases = 0;
    for case in list(&file["visual_identity"]) {
        let id = text(&case["id"]);
        let key = parse(id).unwrap();
        assert_eq!(key.to_hex(), id);
        assert_eq!(compressed_hex(&key), format!("0x{}", text(&case["compressed"])));
        assert_eq!(chat_key(&key), text(&case["compressed_multibase_z"]));
        assert_eq!(chat_key(&key).len(), 49);
        assert_eq!(multibase(&key, Base::Base16Lower), text(&case["compressed_multibase_f"]));
        assert_eq!(undertone_account::Address::of(&key).to_string(), text(&case["address"]));
        for form in ["compressed", "compressed_multibase_z", "compressed_multibase_f"] {
            assert_eq!(parse(text(&case[form])), Ok(key), "{form}");
        }
        assert_eq!(parse(&id[2..]), Ok(key));
        assert_eq!(parse(&compressed_hex(&key)), Ok(key));
        assert_eq!(parse(&format!("0xe701{}", &id[2..])), Ok(key));
        cases += 1;
    }
    assert_eq!(cases, 28);
}

#[test]
fn every_output_base_of_the_vectors() {
    let file = load("identity");
    let input = text(&file["multibase_matrix"]["input"]);
    let (mut cases, mut unsupported) = (0, 0);
    for row in list(&file["multibase_matrix"]["rows"]) {
        cases += 1;
        let Some(base) = Base::from_name(text(&row["output_base"])) else {
            assert_eq!(text(&row["error"]), "selected encoding not supported");
            unsupported += 1;
            continue;
        };
        let want = text(&row["serialized"]);
        assert_eq!(serialize(input, base).unwrap(), want);
        assert_eq!(deserialize(want, Base::Base16Lower).unwrap(), format!("f{}", &input[2..]));
        assert_eq!(parse(want), parse(input));
    }
    assert_eq!((cases, unsupported), (25, 7));
}

#[test]
fn what_status_go_refuses_or_dies_of_is_an_error() {
    use KeyTextError::{Alphabet, Empty, Key, Multicodec, UnknownForm, Varint};
    let file = load("identity");
    let mut cases = 0;
    for case in list(&file["multibase_negative"]) {
        cases += 1;
        let what = text(&case["what"]);
        let Some(base) = Base::from_name(text(&case["base"])) else {
            assert_eq!(what, "empty output base");
            continue;
        };
        let key = text(&case["key"]);
        let got = match text(&case["op"]) {
            "serialize" => serialize(key, base),
            _ => deserialize(key, base),
        };
        let want = match what {
            "the example of the spec with 0xea01 in front of a secp256k1 key (0xea is BLS12-381 G1)" => {
                Multicodec { got: 0xea }
            }
            "no multicodec code" => Multicodec { got: 4 },
            "code without the second varint byte" => Multicodec { got: 0x267 },
            "truncated zQ3sh" => Multicodec { got: 3 },
            "non-minimal varint e78100" => Varint,
            "unknown multibase prefix" => UnknownForm,
            "empty string" => Empty,
            // Base 16 of nothing: not even a code.
            "one character" => Varint,
            "bad base58 character 0" => Alphabet,
            "already compressed key given to serialize" | "uncompressed key given to deserialize" => {
                Key(KeyError::Form)
            }
            "point not on the curve" | "x coordinate without a point" => Key(KeyError::Point),
            other => panic!("unknown case {other}"),
        };
        assert_eq!(got, Err(want), "{what}");
    }
    assert_eq!(cases, 14);
}

#[test]
fn uncompressed_forms_of_the_vectors() {
    let file = load("identity");
    let (mut cases, mut accepted) = (0, 0);
    for case in list(&file["uncompressed_key_cases"]) {
        let (key, bytes) = (text(&case["key"]), hex(&case["key"]));
        let accept = case["expect"] == "accept";
        assert_eq!(PublicKey::from_uncompressed(&bytes).is_ok(), accept, "{}", case["what"]);
        assert_eq!(PublicKey::from_hex(key).is_ok(), accept, "{}", case["what"]);
        // The general reader takes the compressed form too; nothing else differs.
        assert_eq!(parse(key).is_ok(), accept || case["what"] == "compressed, 33 bytes", "{}", case["what"]);
        cases += 1;
        accepted += usize::from(accept);
    }
    assert_eq!((cases, accepted), (13, 2));
}

#[test]
fn case_and_padding() {
    let key = SecretKey::random(&mut rng(3)).public();
    let id = key.to_hex();
    assert_eq!(parse(&format!("0x{}", id[2..].to_uppercase())), Ok(key));
    assert!(parse(&id.to_uppercase()).is_err(), "0X is no prefix");
    for base in
        [Base::Base16Lower, Base::Base16Upper, Base::Base32Lower, Base::Base32HexUpper, Base::Base32PadLower]
    {
        let swapped =
            |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        let made = multibase(&key, base);
        let (prefix, body) = made.split_at(1);
        let other = format!("{prefix}{}", body.chars().map(swapped).collect::<String>());
        assert_eq!(parse(&other), Ok(key), "{base:?}");
    }
    let unpadded = multibase(&key, Base::Base64Pad).replace('=', "");
    assert_eq!(parse(&unpadded), Err(KeyTextError::Alphabet));
    for text in [format!(" {id}"), format!("{id} "), format!("{id}00"), id[..id.len() - 1].to_owned()] {
        assert!(parse(&text).is_err(), "{text}");
    }
}

#[test]
fn short_and_long_texts_are_errors() {
    for text in
        ["", "0", "0x", "0xe7", "0x04", "z", "zQ", "zQ3sh", "f", "fe7", "fe701", "M", "é", "0xé", "\0abc"]
    {
        assert!(parse(text).is_err(), "{text}");
        assert!(serialize(text, Base::Base58Btc).is_err(), "{text}");
        assert!(deserialize(text, Base::Base58Btc).is_err(), "{text}");
    }
    assert_eq!(parse(&"z".repeat(601)), Err(KeyTextError::TooLong));
    assert_eq!(parse(&"0x".repeat(500)), Err(KeyTextError::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn reading_never_panics(text in "(0x)?[0fFbBcCvVtTzZmMuU]?\\PC{0,140}") {
        let _ = parse(&text);
        let _ = serialize(&text, Base::Base64);
        let _ = deserialize(&text, Base::Base64);
    }

    #[test]
    fn every_base_reads_back(seed: u64) {
        let key = SecretKey::random(&mut rng(seed)).public();
        for base in Base::ALL {
            let short = multibase(&key, base);
            prop_assert_eq!(parse(&short), Ok(key));
            let long = deserialize(&short, base).unwrap();
            prop_assert_eq!(parse(&long), Ok(key));
            prop_assert_eq!(serialize(&long, base), Ok(short));
        }
    }
}
