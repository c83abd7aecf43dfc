//! Bad input, systematically: every text and file that a person or another program hands in.

use undertone_account::keystore::{self, KeyFile, ScryptParams};
use undertone_account::link::Link;
use undertone_account::{Address, ExtendedKey, Language, Mnemonic, Path, key_text};
use undertone_crypto::SecretKey;
use undertone_support::mangle::{self, Mutation, Trial, Whose};
use undertone_support::rng;
use undertone_vectors::{Value, load};

use crate::{list, text};

/// The mutation as text; bytes that are none never get so far.
fn as_text(mutation: &Mutation) -> Option<Mutation> {
    std::str::from_utf8(&mutation.bytes).is_ok().then(|| mutation.clone())
}

fn str_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[test]
fn mangled_key_texts_are_refused_or_name_another_key() {
    let file = load("identity");
    let mut trial = Trial::new(Whose::Peer);
    for case in list(&file["visual_identity"]).iter().take(3) {
        let key = key_text::parse(text(&case["id"])).unwrap();
        for form in ["id", "compressed", "compressed_multibase_z", "compressed_multibase_f"] {
            let sample = text(&case[form]);
            let changed = mangle::bytes(sample.as_bytes());
            let changed = changed.iter().filter_map(as_text).chain(mangle::text(sample));
            for mutation in changed {
                let read = trial.run(&mutation, |b| key_text::parse(str_of(b)), |e| (e.fault(), e.code()));
                if let Some(read) = read {
                    let again = key_text::chat_key(&read);
                    assert_eq!(key_text::parse(&again), Ok(read), "{}", mutation.name);
                    let same = read == key && !str_of(&mutation.bytes).eq_ignore_ascii_case(sample);
                    assert!(!same, "{} still names the key", mutation.name);
                }
            }
        }
    }
    trial.at_least(8_000, 7_000);
}

#[test]
fn mangled_links_are_refused_or_other_links() {
    let key = SecretKey::random(&mut rng(11)).public();
    let mut trial = Trial::new(Whose::Peer);
    for sample in [
        format!("https://join.status.im/u/{key}"),
        format!("https://join.status.im/g/args?a={key}&a1=Chess%20%26+tea&a2=8e1a2a0c-{key}"),
        format!("https://status.app/u/G10A4B0JdgwyRww#{}", key_text::chat_key(&key)),
        "status-im://chat/public/%D0%BC%D0%B8%D1%80".to_owned(),
        "https://get.status.im/p/alice.stateofus.eth".to_owned(),
        "https://join.status.im/b/https%3A%2F%2Fexample.org%3A443%2Fa%3Fb%23c".to_owned(),
    ] {
        let changed = mangle::bytes(sample.as_bytes());
        let changed = changed.iter().filter_map(as_text).chain(mangle::text(&sample));
        for mutation in changed {
            let read = trial.run(&mutation, |b| Link::parse(str_of(b)), |e| (e.fault(), e.code()));
            if let Some(read) = read {
                assert_eq!(Link::parse(&read.to_string()), Ok(read), "{}", mutation.name);
            }
        }
    }
    trial.at_least(4_000, 2_000);
}

#[test]
fn mangled_phrases_are_refused_or_other_phrases() {
    let file = load("identity");
    let mut trial = Trial::new(Whose::Caller);
    let mut languages = std::collections::BTreeSet::new();
    for case in
        list(&file["bip39_languages"]).iter().filter(|case| languages.insert(case["language"].to_string()))
    {
        let sample = text(&case["mnemonic"]);
        for mutation in mangle::text(sample) {
            let parse = |b: &[u8]| Mnemonic::parse(str_of(b));
            if let Some(phrase) = trial.run(&mutation, parse, |e| (e.fault(), e.code())) {
                assert!(Mnemonic::parse(phrase.expose_words()).is_ok(), "{}", mutation.name);
            }
            trial.run(
                &mutation,
                |b| Mnemonic::parse_in(Language::English, str_of(b)),
                |e| (e.fault(), e.code()),
            );
        }
    }
    trial.at_least(4_000, 3_000);
}

#[test]
fn mangled_paths_addresses_and_extended_keys_are_refused_or_others() {
    let mut trial = Trial::new(Whose::Caller);
    for mutation in mangle::text("m/43'/60'/1581'/0'/0") {
        trial.run(&mutation, |b| str_of(b).parse::<Path>(), |e| (e.fault(), e.code()));
    }
    let master = ExtendedKey::master_of(&[7; 32]).unwrap();
    for mutation in mangle::text(&master.address().to_string()) {
        trial.run(&mutation, |b| str_of(b).parse::<Address>(), |e| (e.fault(), e.code()));
    }
    for mutation in mangle::text(&master.expose_xprv()) {
        let taken = trial.run(&mutation, |b| ExtendedKey::from_xprv(str_of(b)), |e| (e.fault(), e.code()));
        assert!(taken.is_none(), "{}: a checksum guards it", mutation.name);
    }
    trial.at_least(1_500, 1_300);
}

/// A cheap file with an extended key.
fn key_file() -> String {
    let key = SecretKey::random(&mut rng(9));
    let extended = ExtendedKey::master_of(&[5; 32]).unwrap();
    keystore::seal(&key, Some(&extended), "p", ScryptParams::new(2, 1, 1).unwrap(), &mut rng(9))
}

/// Files whose every member is of another kind or size, one at a time.
fn wrong_members(file: &Value) -> Vec<Mutation> {
    let huge = u64::MAX;
    let values = [
        Value::Null,
        Value::from(true),
        Value::from(0),
        Value::from(-1),
        Value::from(1.5),
        Value::from(huge),
        Value::from(1u64 << 62),
        Value::from(1u64 << 32),
        Value::from(""),
        Value::from("zz"),
        Value::from("00".repeat(4_096)),
        Value::from(Vec::<Value>::new()),
        Value::Object(Default::default()),
    ];
    let mut made = Vec::new();
    for pointer in pointers(file, String::new()) {
        for value in &values {
            let mut changed = file.clone();
            *changed.pointer_mut(&pointer).unwrap() = value.clone();
            made.push(Mutation::new(format!("{pointer} = {value:.20}"), changed.to_string()));
        }
    }
    made
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let Value::Object(members) = value else { return vec![at] };
    let inner = members.iter().flat_map(|(name, value)| pointers(value, format!("{at}/{name}")));
    inner.chain((!at.is_empty()).then(|| at.clone())).collect()
}

#[test]
fn mangled_key_files_are_refused_before_anything_is_derived() {
    let sample = key_file();
    let mut trial = Trial::new(Whose::CallerOrEnvironment);
    let mut inputs = mangle::bytes(sample.as_bytes());
    inputs.extend(wrong_members(&serde_json::from_str(&sample).unwrap()));
    inputs.extend(wrong_members(&list(&load("identity")["keystore_files"])[0]["file"]));
    let deep = |open: &str| Mutation::new(format!("60000 {open}"), open.repeat(60_000 / open.len()));
    inputs.extend(["[", "{\"crypto\":", "\"", "0", "-", "[1,", "\\u0000"].map(deep));
    for mutation in &inputs {
        let parsed = trial.run(mutation, KeyFile::parse, |e| (e.fault(), e.code()));
        // Deriving a key takes as much memory as the parameters say, within the limit that the parser set. One
        // changed byte cannot make them costly.
        let Some(file) = parsed.filter(|_| mutation.name.starts_with("byte")) else { continue };
        if let Err(error) = file.open("p") {
            assert!(!error.code().is_empty(), "{}", mutation.name);
        }
    }
    trial.at_least(3_000, 1_500);
}
