use proptest::prelude::*;
use undertone_crypto::{MemoryKeyring, SecretKey};
use undertone_vectors::{Value, hex, load};

use super::*;

fn now(file: &Value) -> Unix {
    let nanos: u64 = file["strict_now_ns"].as_str().unwrap().parse().unwrap();
    Unix::from_millis(nanos / 1_000_000)
}

/// The rule that refuses the bundle, 0 when it passes rules 1 to 3.
fn judge(case: &Value, now: Unix) -> u8 {
    match RawBundle::decode(&hex(&case["serialized"])).unwrap().and_then(|raw| raw.verify(now)) {
        Ok(_) => 0,
        Err(error) => error.rule(),
    }
}

fn wanted(ours: &str) -> u8 {
    match ours {
        "reject: rule 1" => 1,
        "reject: rule 2" => 2,
        "reject: rule 3" => 3,
        _ => {
            assert!(ours.starts_with("accept"), "{ours}");
            0
        }
    }
}

#[test]
fn every_bundle_is_judged_by_our_rules() {
    let file = load("bundle");
    let now = now(&file);
    let mut counts = Vec::new();
    for group in ["valid", "negative", "strict"] {
        let cases = file[group].as_array().unwrap();
        for case in cases {
            assert_eq!(judge(case, now), wanted(case["ours"].as_str().unwrap()), "{}", case["name"]);
        }
        counts.push(cases.len());
    }
    assert_eq!(counts, [9, 16, 20]);
}

/// The stable code of each bundle that is refused, so that a change of one is seen.
#[test]
fn every_refused_bundle_has_its_code() {
    let file = load("bundle");
    let now = now(&file);
    let mut refused = Vec::new();
    for case in ["negative", "strict"].iter().flat_map(|group| file[group].as_array().unwrap()) {
        let raw = RawBundle::decode(&hex(&case["serialized"])).unwrap();
        if let Err(error) = raw.and_then(|raw| raw.verify(now)) {
            refused.push(format!("{}: {}", error.code(), case["name"].as_str().unwrap()));
        }
    }
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn the_signed_bytes_are_those_of_the_original() {
    let file = load("bundle");
    let mut checked = 0;
    let groups = ["valid", "negative", "strict"].iter().flat_map(|group| file[group].as_array().unwrap());
    for case in groups.chain([&file["container"]["bundle"]]) {
        let Ok(raw) = RawBundle::decode(&hex(&case["serialized"])).unwrap() else { continue };
        assert_eq!(raw.signed_bytes(), hex(&case["signature_material"]), "{}", case["name"]);
        assert_eq!(raw.digest().to_vec(), hex(&case["digest_keccak256"]), "{}", case["name"]);
        checked += 1;
    }
    // All but the one of nine entries.
    assert_eq!(checked, 45);
}

#[test]
fn signing_gives_the_bytes_of_the_original() {
    let file = load("bundle");
    let mut keyring = MemoryKeyring::new();
    let id = keyring.insert(SecretKey::from_slice(&hex(&file["identity"]["priv"])).unwrap());
    let own = LocalIdentity::new(&keyring, id).unwrap();
    let valid = file["valid"].as_array().unwrap().iter();
    let mut signed = 0;
    for case in valid.chain([&file["container"]["bundle"]]) {
        let entries = case["signed_pre_keys_sorted"].as_array().cloned().unwrap_or_default();
        let entries = entries.iter().map(|entry| Entry {
            installation: InstallationId::new(entry["installation_id"].as_str().unwrap()).unwrap(),
            prekey: PrekeyId::from_slice(&hex(&entry["signed_pre_key"])).unwrap(),
            version: u32::try_from(entry["version"].as_u64().unwrap()).unwrap(),
            protocol_version: u32::try_from(entry["protocol_version"].as_u64().unwrap()).unwrap(),
        });
        let timestamp = case["timestamp"].as_str().unwrap().parse().unwrap();
        let bytes = sign(&keyring, &own, entries, timestamp).unwrap();
        assert_eq!(bytes, hex(&case["serialized"]), "{}", case["name"]);
        signed += 1;
    }
    assert_eq!(signed, 10);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Ok(raw)) = RawBundle::decode(&bytes) {
            let _ = raw.verify(Unix::from_secs(1_600_000_000));
        }
    }

    #[test]
    fn a_changed_byte_never_verifies_as_another_bundle(at: prop::sample::Index, flip in 1u8..) {
        let file = load("bundle");
        let now = now(&file);
        let mut bytes = hex(&file["valid"][0]["serialized"]);
        let good = RawBundle::decode(&bytes).unwrap().unwrap().verify(now).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(Ok(raw)) = RawBundle::decode(&bytes)
            && let Ok(changed) = raw.verify(now)
        {
            // Only what the signature does not cover may differ.
            let strip = |bundle: &VerifiedBundle| {
                let mut bundle = bundle.clone();
                bundle.entries.iter_mut().for_each(|entry| entry.protocol_version = 0);
                bundle
            };
            prop_assert_eq!(strip(&changed), strip(&good));
        }
    }
}
