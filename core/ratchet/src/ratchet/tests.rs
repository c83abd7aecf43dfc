use std::collections::BTreeMap;

use proptest::prelude::*;
use undertone_crypto::SecretKey;
use undertone_vectors::{Value, hex, hex_n, load};

use super::*;
use crate::testing::Script;

#[test]
fn the_derivations_are_those_of_the_original() {
    let file = load("double_ratchet");
    let secret = |value: &Value| Secret::<32>::new(hex_n(value));
    for case in file["kdf_rk"].as_array().unwrap() {
        let (root, chain) =
            kdf::root(&RootKey::from_secret(secret(&case["root_key_in"])), &secret(&case["dh_out"]));
        assert_eq!(root.expose(), &hex_n(&case["root_key_out"]));
        assert_eq!(chain.expose(), &hex_n(&case["chain_key_out"]));
    }
    for case in file["kdf_ck"].as_array().unwrap() {
        let (next, key) = kdf::chain(&ChainKey::from_secret(secret(&case["chain_key_in"])));
        assert_eq!(next.expose(), &hex_n(&case["chain_key_out"]));
        assert_eq!(key.expose(), &hex_n(&case["message_key"]));
    }
    for case in file["header_encoding"].as_array().unwrap() {
        assert_eq!(header(case).to_bytes().to_vec(), hex(&case["encoded"]));
    }
    let mut expanded = 0;
    for case in file["message_encryption"].as_array().unwrap() {
        let key = MessageKey::from_secret(secret(&case["message_key"]));
        let (plaintext, ad) = (hex(&case["plaintext"]), hex(&case["ad"]));
        let ciphertext = message::seal(&key, &plaintext, &ad);
        assert_eq!(ciphertext, hex(&case["ciphertext"]));
        assert_eq!(message::open(&key, &ciphertext, &ad).unwrap(), plaintext);
        if case.get("enc_key").is_some() {
            check_expanded(&key, case);
            expanded += 1;
        }
    }
    let count = |name: &str| file[name].as_array().unwrap().len();
    assert_eq!((count("kdf_rk"), count("kdf_ck"), count("header_encoding")), (3, 3, 3));
    assert_eq!((count("message_encryption"), expanded), (4, 3));
    assert_eq!(file["limits_used"]["max_skip"], MAX_SKIP);
    assert_eq!(file["limits_used"]["max_keep"], crate::limits::MAX_SKIPPED_BEHIND);
    assert_eq!(file["limits_used"]["max_message_keys_per_session"], crate::limits::MAX_SKIPPED_PER_SESSION);
}

fn check_expanded(key: &MessageKey, expected: &Value) {
    let expanded = kdf::message(key);
    assert_eq!(expanded.cipher.expose(), &hex_n(&expected["enc_key"]));
    assert_eq!(expanded.mac.expose(), &hex_n(&expected["auth_key"]));
    assert_eq!(expanded.iv, hex_n(&expected["iv"]));
}

fn header(value: &Value) -> Header {
    let number = |name: &str| u32::try_from(value[name].as_u64().unwrap()).unwrap();
    Header { key: RatchetPublic::from_bytes(hex_n(&value["dh"])), n: number("n"), pn: number("pn") }
}

fn key(value: &Value) -> SecretKey {
    SecretKey::from_slice(&hex(value)).unwrap()
}

/// One end of a transcript, with every key the original would still have: it keeps used ones until they are
/// confirmed, ours are gone with the plaintext. `shadow` is what the original stores.
struct End {
    ratchet: Ratchet,
    skipped: BTreeMap<(RatchetPublic, u32), Skipped>,
    shadow: BTreeMap<(RatchetPublic, u32), ([u8; 32], u64)>,
}

impl End {
    fn new(ratchet: Ratchet) -> Self {
        Self { ratchet, skipped: BTreeMap::new(), shadow: BTreeMap::new() }
    }

    fn of(file: &Value, who: &str) -> Self {
        let sk = SessionKey::from_secret(Secret::new(hex_n(&file["sk"])));
        let prekey = key(&file["bob_signed_pre_key"]["priv"]);
        Self::new(if who == "alice" {
            let own = RatchetPair::from_secret_key(key(&file["alice_initial_state"]["dhs_priv"]));
            Ratchet::initiator(&sk, &prekey.public(), own)
        } else {
            let id = PrekeyId::of(&prekey.public());
            Ratchet::responder(&sk, &PrekeyPrivate::from_secret_key(prekey), &id)
        })
    }

    fn receive(
        &mut self,
        header: &Header,
        ciphertext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, RatchetError> {
        let at = (header.key, header.n);
        if let Some(filed) = self.skipped.get(&at) {
            let plaintext = Ratchet::open_skipped(&filed.key, header, ciphertext)?;
            self.skipped.remove(&at);
            return Ok(plaintext);
        }
        let step = self.ratchet.open(header, ciphertext, rng)?;
        for skipped in step.skipped {
            let at = (skipped.ratchet, skipped.n);
            self.shadow.insert(at, (*skipped.key.expose(), skipped.seq));
            self.skipped.insert(at, skipped);
        }
        self.ratchet = step.next;
        Ok(step.plaintext)
    }

    fn assert_state(&self, expected: &Value, what: &str) {
        let ratchet = &self.ratchet;
        assert_eq!(ratchet.root.expose(), &hex_n(&expected["root_key"]), "{what}: root");
        assert_eq!(ratchet.own.secret_key().secret().expose(), &hex_n(&expected["dhs_priv"]), "{what}: own");
        assert_eq!(ratchet.own.public().as_bytes(), &hex_n(&expected["dhs_pub"]), "{what}: own");
        let remote = ratchet.remote.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
        assert_eq!(remote, hex(&expected["dhr_pub"]), "{what}: remote");
        assert_eq!(ratchet.send.key.expose(), &hex_n(&expected["send_ck"]), "{what}: send");
        assert_eq!(ratchet.receive.key.expose(), &hex_n(&expected["recv_ck"]), "{what}: receive");
        assert_eq!(expected["send_n"], ratchet.send.n, "{what}");
        assert_eq!(expected["recv_n"], ratchet.receive.n, "{what}");
        assert_eq!(expected["pn"], ratchet.previous, "{what}");
        assert_eq!(expected["keys_count"], ratchet.keys_count, "{what}");
        let stored = expected["stored_keys"].as_array().cloned().unwrap_or_default();
        let stored: BTreeMap<_, _> = stored
            .iter()
            .map(|k| {
                let n = u32::try_from(k["n"].as_u64().unwrap()).unwrap();
                let at = (RatchetPublic::from_bytes(hex_n(&k["ratchet_pub"])), n);
                (at, (hex_n(&k["mk"]), k["seq"].as_u64().unwrap()))
            })
            .collect();
        assert_eq!(self.shadow, stored, "{what}: stored keys");
    }
}

#[test]
fn every_step_of_the_transcripts_ends_in_the_state_of_the_original() {
    let file = load("double_ratchet");
    let transcripts = file["transcripts"].as_array().unwrap();
    let mut steps = 0;
    for transcript in transcripts {
        let mut ends = BTreeMap::from(["alice", "bob"].map(|who| (who, End::of(transcript, who))));
        ends["alice"].assert_state(&transcript["alice_initial_state"], "alice at first");
        ends["bob"].assert_state(&transcript["bob_initial_state"], "bob at first");
        let mut messages = BTreeMap::new();
        for step in transcript["steps"].as_array().unwrap() {
            let (who, label) = (step["who"].as_str().unwrap(), step["label"].as_str().unwrap());
            let what = format!("{}: {who} {} {label}", transcript["name"], step["op"]);
            let end = ends.get_mut(who).unwrap();
            if step.get("state_before").is_some() {
                end.assert_state(&step["state_before"], &what);
            }
            match step["op"].as_str().unwrap() {
                "send" => {
                    play_send(end, &step["message"], &what);
                    messages.insert(label, step["message"].clone());
                }
                "receive" => play_receive(end, step, &messages[label], &what),
                _ => {
                    let header = header(&messages[label]["header"]);
                    assert!(end.shadow.remove(&(header.key, header.n)).is_some(), "{what}");
                }
            }
            end.assert_state(&step["state_after"], &what);
            steps += 1;
        }
    }
    assert_eq!((transcripts.len(), steps), (3, 41));
}

fn play_send(end: &mut End, expected: &Value, what: &str) {
    let (sent, ciphertext) = end.ratchet.seal(&hex(&expected["plaintext"])).unwrap();
    assert_eq!(sent, header(&expected["header"]), "{what}");
    assert_eq!(sent.to_bytes().to_vec(), hex(&expected["header_encoded_ad"]), "{what}");
    assert_eq!(ciphertext, hex(&expected["ciphertext"]), "{what}");
    let message_key = MessageKey::from_secret(Secret::new(hex_n(&expected["mk"])));
    check_expanded(&message_key, &expected["expanded"]);
}

/// The original decrypts a message again while it keeps the used key; ours calls it a duplicate.
fn play_receive(end: &mut End, step: &Value, message: &Value, what: &str) {
    let header = header(&message["header"]);
    let at = (header.key, header.n);
    let used = end.shadow.contains_key(&at) && !end.skipped.contains_key(&at);
    let mut rng = Script::new(step.get("new_dhs_from_rng_priv").map(hex));
    let result = end.receive(&header, &hex(&message["ciphertext"]), &mut rng);
    if step["expect"] == "accept" && !used {
        assert_eq!(result.unwrap(), hex(&step["plaintext"]), "{what}");
        let seq = end.ratchet.keys_count - 1;
        end.shadow.entry(at).or_insert((hex_n(&message["mk"]), seq));
    } else {
        assert_eq!(result, Err(RatchetError::Duplicate), "{what}");
    }
}

#[test]
fn exactly_a_thousand_messages_may_be_skipped() {
    let file = load("double_ratchet");
    let cases = file["skip_limits"].as_array().unwrap();
    for case in cases {
        let mut bob = End::of(case, "bob");
        bob.assert_state(&case["bob_initial_state"], "bob");
        let message = &case["message"];
        let mut rng = undertone_support::rng(1);
        let result = bob.receive(&header(&message["header"]), &hex(&message["ciphertext"]), &mut rng);
        if case["skipped"] == 1000 {
            assert_eq!(result.unwrap(), hex(&message["plaintext"]));
            assert_eq!(bob.skipped.len(), 1000);
        } else {
            assert_eq!(result, Err(RatchetError::TooManySkipped));
            bob.assert_state(&case["bob_initial_state"], "bob");
        }
    }
    assert_eq!(cases.len(), 2);
}

#[test]
fn refused_messages_leave_the_state_and_draw_no_randomness() {
    let file = load("double_ratchet");
    let file = &file["negative"];
    let cases = file["cases"].as_array().unwrap();
    let mut accepted = 0;
    for case in cases {
        let mut bob = End::of(file, "bob");
        let what = case["what"].as_str().unwrap();
        let Some(key) = RatchetPublic::from_slice(&hex(&case["header"]["dh"])) else {
            assert!(what.starts_with("header key"), "{what}");
            continue;
        };
        let number = |name: &str| u32::try_from(case["header"][name].as_u64().unwrap()).unwrap();
        let header = Header { key, n: number("n"), pn: number("pn") };
        if case["expect"] == "accept" {
            let mut rng = undertone_support::rng(1);
            let plaintext = bob.receive(&header, &hex(&case["ciphertext"]), &mut rng).unwrap();
            assert_eq!(plaintext, hex(&file["genuine"]["plaintext"]));
            accepted += 1;
        } else {
            let error = bob.receive(&header, &hex(&case["ciphertext"]), &mut Script::new([])).unwrap_err();
            match what {
                "header pn over the skip limit" => assert_eq!(error, RatchetError::TooManySkipped),
                _ if what.contains("ciphertext of") || what.contains("empty ciphertext") => {
                    assert!(matches!(error, RatchetError::TooShort { .. }), "{what}: {error}");
                }
                _ => assert_eq!(error, RatchetError::BadMac, "{what}"),
            }
            bob.assert_state(&file["bob_initial_state"], what);
        }
    }
    assert_eq!((cases.len(), accepted), (15, 1));
}

#[test]
fn a_copy_from_an_earlier_chain_is_a_duplicate_and_no_forgery() {
    let (mut alice, mut bob) = pair(3);
    let mut rng = undertone_support::rng(4);
    let (first, ciphertext) = alice.ratchet.seal(b"first").unwrap();
    bob.receive(&first, &ciphertext, &mut rng).unwrap();
    for _ in 0..3 {
        let (header, reply) = bob.ratchet.seal(b"pong").unwrap();
        alice.receive(&header, &reply, &mut rng).unwrap();
        let (header, next) = alice.ratchet.seal(b"ping").unwrap();
        bob.receive(&header, &next, &mut rng).unwrap();
    }
    assert_eq!(bob.receive(&first, &ciphertext, &mut Script::new([])), Err(RatchetError::Duplicate));
}

#[test]
fn a_full_chain_refuses_to_send() {
    let (mut alice, _) = pair(5);
    alice.ratchet.send.n = u32::MAX;
    assert_eq!(alice.ratchet.seal(b"one too many").unwrap_err(), RatchetError::Exhausted);
}

#[test]
fn secrets_do_not_print() {
    let (mut alice, mut bob) = pair(6);
    let (_, _) = alice.ratchet.seal(b"lost").unwrap();
    let (header, ciphertext) = alice.ratchet.seal(b"read").unwrap();
    bob.receive(&header, &ciphertext, &mut undertone_support::rng(7)).unwrap();
    let public = [bob.ratchet.own.public().to_string(), header.key.to_string()];
    let mut text = format!("{:#?}\n{:#?}", bob.ratchet, bob.skipped.values().next().unwrap());
    for (i, key) in public.iter().enumerate() {
        text = text.replace(key.trim_start_matches("0x"), &format!("public{i}"));
        text = text.replace(&key[2..10], &format!("short{i}"));
    }
    insta::assert_snapshot!(text, @r"
    Ratchet {
        root: RootKey(
            Secret(32 bytes),
        ),
        own: RatchetPair(short0, private 32 bytes),
        remote: Some(
            RatchetPublic(public1),
        ),
        send: Chain {
            key: ChainKey(
                Secret(32 bytes),
            ),
            n: 0,
        },
        receive: Chain {
            key: ChainKey(
                Secret(32 bytes),
            ),
            n: 2,
        },
        previous: 0,
        keys_count: 2,
        retired: [],
    }
    Skipped {
        ratchet: RatchetPublic(public1),
        n: 0,
        key: MessageKey(
            Secret(32 bytes),
        ),
        seq: 0,
    }
    ");
}

fn pair(seed: u64) -> (End, End) {
    let mut rng = undertone_support::rng(seed);
    let sk = SessionKey::from_secret(Secret::random(&mut rng));
    let prekey = SecretKey::random(&mut rng);
    let id = PrekeyId::of(&prekey.public());
    let alice = Ratchet::initiator(&sk, &prekey.public(), RatchetPair::random(&mut rng));
    let bob = Ratchet::responder(&sk, &PrekeyPrivate::from_secret_key(prekey), &id);
    (End::new(alice), End::new(bob))
}

#[derive(Clone, Debug)]
enum Op {
    /// Alice or Bob sends.
    Send(bool),
    /// The network hands over the nth message that was ever sent, perhaps not for the first time.
    Deliver(prop::sample::Index),
    /// The same with one bit changed.
    Damage(prop::sample::Index, prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => any::<bool>().prop_map(Op::Send),
        4 => any::<prop::sample::Index>().prop_map(Op::Deliver),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(m, b)| Op::Damage(m, b)),
    ]
}

/// By Alice, header, ciphertext, plaintext, already read.
type Sent = (bool, Header, Vec<u8>, Vec<u8>, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_network_does_each_message_is_read_once(ops in prop::collection::vec(op(), 1..80)) {
        let (mut alice, mut bob) = pair(8);
        let mut rng = undertone_support::rng(9);
        let mut sent: Vec<Sent> = Vec::new();
        for (i, op) in ops.iter().enumerate() {
            match op {
                Op::Send(by_alice) => {
                    let end = if *by_alice { &mut alice } else { &mut bob };
                    let text = format!("message {i}").into_bytes();
                    let (header, ciphertext) = end.ratchet.seal(&text).unwrap();
                    sent.push((*by_alice, header, ciphertext, text, false));
                }
                Op::Deliver(which) if !sent.is_empty() => {
                    let (by_alice, header, ciphertext, text, read) = which.get_mut_of(&mut sent);
                    let end = if *by_alice { &mut bob } else { &mut alice };
                    match end.receive(header, ciphertext, &mut rng) {
                        Ok(plaintext) => {
                            prop_assert!(!*read);
                            prop_assert_eq!(&plaintext, text);
                            *read = true;
                        }
                        Err(error) => {
                            prop_assert!(*read, "unread message refused: {}", error);
                            prop_assert_eq!(error, RatchetError::Duplicate);
                        }
                    }
                }
                Op::Damage(which, bit) if !sent.is_empty() => {
                    let (by_alice, header, ciphertext, ..) = which.get_mut_of(&mut sent);
                    let end = if *by_alice { &mut bob } else { &mut alice };
                    let mut damaged = ciphertext.clone();
                    let bit = bit.index(damaged.len() * 8);
                    damaged[bit / 8] ^= 1 << (bit % 8);
                    let before = format!("{:?}", state(end));
                    prop_assert!(end.receive(header, &damaged, &mut rng).is_err());
                    prop_assert_eq!(before, format!("{:?}", state(end)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn no_header_and_no_bytes_panic(
        key: [u8; 32], odd: bool, n: u32, pn: u32, bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (_, bob) = pair(10);
        let mut full = [2 + u8::from(odd); 33];
        full[1..].copy_from_slice(&key);
        let header = Header { key: RatchetPublic::from_bytes(full), n: n % 2000, pn: pn % 2000 };
        prop_assert!(bob.ratchet.open(&header, &bytes, &mut undertone_support::rng(1)).is_err());
        let header = Header { n, pn, ..header };
        prop_assert!(bob.ratchet.open(&header, &bytes, &mut undertone_support::rng(1)).is_err());
    }
}

/// Everything of an end, secrets included.
fn state(end: &End) -> impl std::fmt::Debug {
    let r = &end.ratchet;
    let skipped: Vec<_> = end.skipped.iter().map(|(at, key)| (*at, *key.key.expose(), key.seq)).collect();
    (
        [
            *r.root.expose(),
            *r.send.key.expose(),
            *r.receive.key.expose(),
            *r.own.secret_key().secret().expose(),
        ],
        (r.send.n, r.receive.n, r.previous, r.keys_count, r.remote, r.retired.clone()),
        skipped,
    )
}

trait GetMut {
    fn get_mut_of<'a, T>(&self, of: &'a mut [T]) -> &'a mut T;
}

impl GetMut for prop::sample::Index {
    fn get_mut_of<'a, T>(&self, of: &'a mut [T]) -> &'a mut T {
        let at = self.index(of.len());
        &mut of[at]
    }
}
