//! Vectors made by the originals, and properties.

mod mangle;

use proptest::prelude::*;
use undertone_base::Secret;
use undertone_crypto::kdf::topic_key;
use undertone_crypto::{KeyId, Keyring, MemoryKeyring, PublicKey, SecretKey, ecies, hash::sha256};
use undertone_support::rng;
use undertone_vectors::{Value, hex, hex_n, load};

use crate::plaintext::{decode, encode};
use crate::{
    Form, MAX_PAYLOAD, Opened, Padding, SIZE_CLASS, SealError, SealRequest, SealTo, open_asymmetric,
    open_symmetric, seal, sealed_len,
};

fn list<'a>(file: &'a Value, name: &str) -> &'a Vec<Value> {
    file[name].as_array().unwrap()
}

fn ring_of(key: &Value) -> (MemoryKeyring, KeyId) {
    let mut ring = MemoryKeyring::new();
    let id = ring.insert(SecretKey::from_slice(&hex(key)).unwrap());
    (ring, id)
}

/// The data field of an envelope's RLP: the vectors carry whole envelopes, this crate does not know them.
fn data_of(envelope: &Value) -> Vec<u8> {
    let raw = hex(envelope);
    let list = strip(&raw);
    let (_, rest) = item(list);
    let (_, rest) = item(rest);
    let (_, rest) = item(rest);
    item(rest).0.to_vec()
}

fn strip(raw: &[u8]) -> &[u8] {
    match raw[0] {
        b @ 0xc0..=0xf7 => &raw[1..=usize::from(b - 0xc0)],
        b => &raw[1 + usize::from(b - 0xf7)..],
    }
}

fn item(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw[0] {
        0..=0x7f => raw.split_at(1),
        b @ 0x80..=0xb7 => raw[1..].split_at(usize::from(b - 0x80)),
        b => {
            let n = usize::from(b - 0xb7);
            let len = raw[1..=n].iter().fold(0, |len, b| len << 8 | usize::from(*b));
            raw[1 + n..].split_at(len)
        }
    }
}

fn open(file: &Value, message: &Value) -> Opened {
    let data = data_of(&message["envelope_rlp"]);
    if message["encryption"] == "symmetric" {
        return open_symmetric(&Secret::new(hex_n(&file["keys"]["sym_key"])), &data).unwrap();
    }
    let (ring, bob) = ring_of(&file["keys"]["bob_private"]);
    open_asymmetric(&ring, bob, &data).unwrap()
}

#[test]
fn what_geth_sealed_opens() {
    let file = load("whisper_crypto");
    let mut cases = 0;
    for message in list(&file, "messages") {
        let (name, want) = (&message["name"], &message["expect"]);
        let opened = open(&file, message);
        assert_eq!(opened.padding, hex(&want["padding"]), "{name}");
        let author = opened.author.map(|a| a.to_uncompressed().to_vec()).unwrap_or_default();
        assert_eq!(author, hex(&want["src"]), "{name}");
        assert_eq!(message["signed"].as_bool().unwrap(), opened.author.is_some(), "{name}");
        if let Some(digest) = message.get("payload_sha256") {
            let rule: Vec<u8> = (0..66_000u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
            assert_eq!(opened.payload, rule);
            assert_eq!(sha256(&opened.payload).to_vec(), hex(digest));
        } else {
            assert_eq!(opened.payload, hex(&want["payload"]), "{name}");
        }
        cases += 1;
    }
    assert_eq!(cases, 15);
}

#[test]
fn what_geth_signed_is_what_we_sign() {
    // Signatures are deterministic (RFC 6979), so the whole plaintext can be made again from payload and padding.
    let file = load("whisper_crypto");
    let (ring, alice) = ring_of(&file["keys"]["alice_private"]);
    let mut cases = 0;
    for message in list(&file, "messages").iter().filter(|m| m["expect"].get("plaintext").is_some()) {
        let opened = open(&file, message);
        let signer = opened.author.map(|_| (&ring as &dyn Keyring, alice));
        let ours = encode(&opened.payload, Padding::Given(&opened.padding), signer, &mut rng(0)).unwrap();
        assert_eq!(ours, hex(&message["expect"]["plaintext"]), "{}", message["name"]);
        cases += 1;
    }
    assert!(cases >= 10, "{cases}");
}

#[test]
fn a_header_replay_opens_the_same() {
    let file = load("whisper_crypto");
    let key = Secret::new(hex_n(&file["keys"]["sym_key"]));
    let cases = list(&file, "replay_under_new_header");
    let opened: Vec<_> = cases
        .iter()
        .map(|case| {
            let opened = open_symmetric(&key, &data_of(&case["envelope_rlp"])).unwrap();
            assert_eq!(opened.author.unwrap().to_uncompressed().to_vec(), hex(&case["src"]));
            opened
        })
        .collect();
    assert_eq!(opened.len(), 2);
    assert_eq!(opened[0], opened[1]);
}

#[test]
fn decrypt_negatives() {
    let file = load("whisper_crypto");
    let mut cases = 0;
    for case in list(&file, "decrypt_negative") {
        let (name, data) = (&case["name"], hex(&case["data"]));
        let opens = match case.get("private_key") {
            Some(key) => {
                let (ring, id) = ring_of(key);
                // The body of 16 bytes is an IV and an empty plaintext: it decrypts, and is no message.
                let decrypts = ecies::decrypt(&data, b"", |e| ring.ecdh(&id, e).ok()).is_ok();
                assert_eq!(decrypts, case["result"] == "ok", "{name}");
                let opens = open_asymmetric(&ring, id, &data).is_ok();
                assert!(decrypts || !opens, "{name}");
                decrypts
            }
            // A key of another length cannot be said here.
            None => Secret::from_slice(&hex(&case["key"])).is_some_and(|k| open_symmetric(&k, &data).is_ok()),
        };
        assert_eq!(opens, case["result"] == "ok", "{name}");
        cases += 1;
    }
    assert_eq!(cases, 26);
}

#[test]
fn plaintexts_are_parsed_as_status_go_does() {
    let file = load("whisper_crypto");
    let mut cases = 0;
    for case in list(&file, "parse_plaintext") {
        let name = &case["name"];
        let got = decode(hex(&case["plaintext"]));
        assert_eq!(got.is_ok(), case["status-go_v0.60.0"] == "ok", "{name}");
        if let Ok(opened) = got {
            let geth = &case["geth_v1.9.7"];
            assert_eq!(opened.payload, hex(&geth["payload"]), "{name}");
            assert_eq!(opened.padding.len() as u64, geth["padding_len"].as_u64().unwrap(), "{name}");
            assert_eq!(opened.author.is_some(), geth["signed"].as_bool().unwrap(), "{name}");
        }
        cases += 1;
    }
    assert_eq!(cases, 27);
}

#[test]
fn ecies_steps() {
    let file = load("whisper_crypto");
    let steps = &file["ecies_steps"];
    let recipient = SecretKey::from_slice(&hex(&steps["recipient_private"])).unwrap();
    let ephemeral = SecretKey::from_slice(&hex(&steps["ephemeral_private"])).unwrap();
    assert_eq!(ephemeral.ecdh(&recipient.public()).expose().to_vec(), hex(&steps["shared_x"]));
    let sealed = ecies::encrypt_with(
        &recipient.public(),
        &hex(&steps["plaintext"]),
        b"",
        &ephemeral,
        &hex_n(&steps["iv"]),
    );
    assert_eq!(sealed, hex(&steps["ciphertext"]));
}

#[test]
fn keys_of_passwords() {
    let file = load("whisper_crypto");
    let cases = list(&file["password_kdf"], "vectors");
    for case in cases {
        let key = topic_key(case["password"].as_str().unwrap());
        assert_eq!(key.expose().to_vec(), hex(&case["key"]), "{}", case["password"]);
    }
    assert_eq!(cases.len(), 5);
}

#[test]
fn what_cannot_be_sealed_is_refused() {
    let (key, zero) = (Secret::new([1; 32]), Secret::new([0; 32]));
    let request = |payload, key| SealRequest {
        payload,
        signer: None,
        seal_to: SealTo::Symmetric(key),
        padding: Padding::Auto,
    };
    let large = vec![0; MAX_PAYLOAD + 1];
    let got = seal(&request(&large, &key), &mut rng(1));
    assert_eq!(got, Err(SealError::TooLarge { got: MAX_PAYLOAD + 1 }));
    assert_eq!(seal(&request(b"", &zero), &mut rng(1)), Err(SealError::ZeroKey));
    let ring = MemoryKeyring::new();
    let nobody = KeyId::from_bytes([7; 32]);
    let unsigned = SealRequest { signer: Some((&ring, nobody)), ..request(b"", &key) };
    let error = seal(&unsigned, &mut rng(1)).unwrap_err();
    assert_eq!(error.code(), "sealed.unknown_key");
    assert!(matches!(error, SealError::UnknownKey(_)));
    assert!(seal(&request(&large[..MAX_PAYLOAD], &key), &mut rng(1)).is_ok());
}

#[test]
fn debug_shows_no_payload() {
    let opened = Opened { payload: b"secret".to_vec(), padding: vec![0; 3], author: None };
    insta::assert_snapshot!(format!("{opened:?}"), @"Opened { payload: 6 bytes, padding: 3 bytes, author: None }");
    let key = Secret::new([1; 32]);
    let request = SealRequest {
        payload: b"secret",
        signer: None,
        seal_to: SealTo::Symmetric(&key),
        padding: Padding::Auto,
    };
    insta::assert_snapshot!(
        format!("{request:?}"),
        @"SealRequest { payload: 6 bytes, signer: None, seal_to: Symmetric(Secret(32 bytes)), .. }"
    );
}

#[test]
fn lengths_show_no_more_than_their_class() {
    for (form, signed) in [
        (Form::Symmetric, false),
        (Form::Symmetric, true),
        (Form::Asymmetric, false),
        (Form::Asymmetric, true),
    ] {
        let lens: Vec<_> = (0..3_000).map(|payload| sealed_len(payload, signed, form)).collect();
        assert!(lens.iter().all(|len| (len - form.overhead()) % SIZE_CLASS == 0));
        let mut runs: Vec<_> = lens.chunk_by(|a, b| a == b).map(<[usize]>::len).collect();
        // Each class but those at the ends, and the one where a second byte of size begins, hides 256 lengths.
        let inner = runs.drain(1..runs.len() - 1).collect::<Vec<_>>();
        assert!(inner.iter().all(|run| (SIZE_CLASS - 1..=SIZE_CLASS).contains(run)), "{inner:?}");
        assert!(lens.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn sealed_opens_to_the_same(
        payload in proptest::collection::vec(any::<u8>(), 0..700),
        padding in proptest::collection::vec(any::<u8>(), 0..300),
        signed: bool,
        symmetric: bool,
        seed: u64,
    ) {
        let (ring, id) = ring_of(&Value::from("0101010101010101010101010101010101010101010101010101010101010101"));
        let key = Secret::random(&mut rng(seed));
        let to: PublicKey = ring.public(&id).unwrap();
        let form = if symmetric { Form::Symmetric } else { Form::Asymmetric };
        let request = SealRequest {
            payload: &payload,
            signer: signed.then_some((&ring as &dyn Keyring, id)),
            seal_to: if symmetric { SealTo::Symmetric(&key) } else { SealTo::Asymmetric(&to) },
            padding: Padding::Given(&padding),
        };
        let data = seal(&request, &mut rng(seed)).unwrap();
        prop_assert_eq!(&data, &seal(&request, &mut rng(seed)).unwrap(), "same seed, same bytes");
        let opened =
            if symmetric { open_symmetric(&key, &data) } else { open_asymmetric(&ring, id, &data) }.unwrap();
        prop_assert_eq!(&opened.payload, &payload);
        prop_assert_eq!(opened.author, signed.then_some(to));
        if padding.is_empty() {
            prop_assert_eq!(data.len(), sealed_len(payload.len(), signed, form));
            prop_assert_eq!((data.len() - form.overhead()) % SIZE_CLASS, 0);
            prop_assert!((1..=SIZE_CLASS).contains(&opened.padding.len()));
        } else {
            prop_assert_eq!(&opened.padding, &padding);
        }
    }

    #[test]
    fn any_plaintext_is_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let len = bytes.len();
        if let Ok(opened) = decode(bytes) {
            prop_assert!(opened.payload.len() + opened.padding.len() < len);
        }
    }

    #[test]
    fn any_data_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (ring, id) = ring_of(&Value::from("0101010101010101010101010101010101010101010101010101010101010101"));
        prop_assert!(open_symmetric(&Secret::new([3; 32]), &bytes).is_err());
        prop_assert!(open_asymmetric(&ring, id, &bytes).is_err());
    }
}
