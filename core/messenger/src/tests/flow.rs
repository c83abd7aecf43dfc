//! Whole messages of status-go 0.60.0 through every layer of ours (`messenger_flow.json`).

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use undertone_base::Secret;
use undertone_ratchet::{InstallationId, OwnPrekey, OwnState, PrekeyId, PrekeyPrivate, RatchetPublic};
use undertone_transport::{NegotiatedSecret, PublicName, Route};
use undertone_vectors::{Value, hex, hex_n, load};

use super::*;
use crate::{Protection, TraceStep};

/// The bytes of the script first, then dice.
struct Script(Vec<u8>, Dice);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.1.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.1.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        if self.0.len() < dst.len() {
            return self.1.try_fill_bytes(dst);
        }
        let rest = self.0.split_off(dst.len());
        dst.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// A party of the file: its keys, its device, its prekey; nothing else.
fn party(file: &Value, name: &str) -> Side {
    let of = file["parties"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap();
    let mut side = Side::unopened(hex(&of["private"])[0]);
    assert_eq!(side.key().to_uncompressed(), hex_n(&of["public"]));
    // The envelopes are dated by hand, the bundles by the clock of the machine that made them.
    side.now.unix = Unix::from_secs(1_795_360_710);
    let id = InstallationId::new(of["installation_id"].as_str().unwrap()).unwrap();
    State::new(id).save(&mut side.store).unwrap();

    let prekey = &of["pre_keys"][0];
    let private = SecretKey::from_slice(&hex(&prekey["signed_pre_key_private"])).unwrap();
    let public = PrekeyId::of(&private.public());
    assert_eq!(public.as_bytes(), &hex_n(&prekey["signed_pre_key_public"]));
    let row = OwnPrekey {
        private: PrekeyPrivate::from_secret_key(private),
        version: 1,
        created: side.now.unix,
        retired: None,
    };
    let mut key = side.key().to_compressed().to_vec();
    let own = OwnState { prekey: public, version: 1, created: side.now.unix, last_timestamp: 0 };
    side.store.put(Table::OwnState, &key, own.to_bytes().as_ref()).unwrap();
    key.extend_from_slice(public.as_bytes());
    side.store.put(Table::OwnPrekey, &key, row.to_bytes().as_ref()).unwrap();
    side
}

fn step<'f>(file: &'f Value, name: &str) -> &'f Value {
    file["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

fn envelope(file: &Value, step: &Value, to: &Side) -> Received {
    let kind = step["5_whisper"]["transport"]["kind"].as_str().unwrap();
    let string = step["5_whisper"]["transport"]["string"].as_str().unwrap();
    let author = PublicKey::from_uncompressed(&hex(&step["receiver"]["transport_author"])).unwrap();
    let (route, sealed_to) = if kind.starts_with("partitioned") {
        (Route::Partition(to.key()), Some(to.key()))
    } else if kind.starts_with("negotiated") {
        let secret = Secret::new(hex_n(&file["negotiated_secret"]));
        (Route::Negotiated(NegotiatedSecret::new(secret)), None)
    } else if string.ends_with("-contact-code") {
        (Route::ContactCode(author), None)
    } else {
        (Route::Public(PublicName::new(string).unwrap()), None)
    };
    let payload = hex(&step["4_protocol_message"]["encoded"]);
    let sent_at = Unix::from_millis(step["receiver"]["whisper_timestamp_ms"].as_u64().unwrap());
    let wire_id = WireId::from_bytes(hex_n(&step["5_whisper"]["envelope"]["hash"]));
    Received { route, author, sealed_to, payload, sent_at, wire_id, via: Via::Live }
}

/// A step of the file arrives; the receiver's next ratchet key is the one that the original drew.
fn arrive(file: &Value, name: &str, to: &mut Side) -> Vec<Effect> {
    let step = step(file, name);
    let received = envelope(file, step, to);
    let wire_id = received.wire_id;
    let drawn = step["receiver_sessions_after"][0]["dhs_private"].clone();
    let script = if drawn.is_string() { hex(&drawn) } else { Vec::new() };
    let mut rng = Script(script, Dice::new(name.as_bytes()));
    let input = Input::Transport(Event::Received(Box::new(received)));
    let effects = to.messenger.step(&mut to.store, to.now, &mut rng, input).unwrap();
    for effect in &effects {
        if let Effect::Notify(Notice::Trace(trace)) = effect
            && trace.step == TraceStep::Received(wire_id)
        {
            let size = |layer: &str| usize::try_from(step[layer]["size"].as_u64().unwrap_or(0)).unwrap();
            assert_eq!(trace.sizes.protocol, size("4_protocol_message"));
            assert_eq!(trace.sizes.metadata, size("2_application_metadata"));
            assert_eq!(trace.sizes.sync, size("3_datasync"));
        }
    }
    effects
}

/// The message that a step shows, compared with the file.
fn shown(file: &Value, name: &str, effects: &[Effect], protection: Protection) -> String {
    let shown = messages(effects);
    assert_eq!(shown.len(), 1, "{name}");
    let message = shown[0];
    let step = step(file, name);
    assert_eq!(message.id.as_bytes(), &hex_n(&step["2_application_metadata"]["message_id"]));
    assert_eq!(message.author.to_uncompressed(), hex_n(&step["receiver"]["messages"][0]["author"]));
    assert_eq!(message.protection, protection);
    message.text.clone()
}

/// What the sender of a step has as its session after it: a row in the form of `undertone-ratchet`.
#[derive(Clone, PartialEq, prost::Message)]
struct SessionRow {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(bytes, tag = "2")]
    root: Vec<u8>,
    #[prost(bytes, tag = "3")]
    own_private: Vec<u8>,
    #[prost(bytes, tag = "4")]
    own_public: Vec<u8>,
    #[prost(bytes, tag = "5")]
    remote: Vec<u8>,
    #[prost(bytes, tag = "6")]
    send_key: Vec<u8>,
    #[prost(uint32, tag = "7")]
    send_n: u32,
    #[prost(bytes, tag = "8")]
    receive_key: Vec<u8>,
    #[prost(uint32, tag = "9")]
    receive_n: u32,
    #[prost(bytes, tag = "13")]
    ephemeral: Vec<u8>,
    #[prost(bool, tag = "14")]
    initiator: bool,
    #[prost(fixed64, tag = "16")]
    rank: u64,
}

/// Gives `side` the session that it opened on `prekey` of a peer's device in this step.
fn open_session(side: &mut Side, peer: &Side, step: &Value, device: &str) {
    let session = &step["sender_sessions_after"][0];
    let n = |name: &str| u32::try_from(session[name].as_u64().unwrap()).unwrap();
    let ratchet = RatchetPublic::from_bytes(hex_n(&session["dhs_public"]));
    let row = SessionRow {
        format: 1,
        root: hex(&session["root_chain_key"]),
        own_private: hex(&session["dhs_private"]),
        own_public: ratchet.as_bytes().to_vec(),
        remote: hex(&session["dhr"]),
        send_key: hex(&session["send_chain_key"]),
        send_n: n("send_chain_n"),
        receive_key: hex(&session["recv_chain_key"]),
        receive_n: n("recv_chain_n"),
        ephemeral: ratchet.as_bytes().to_vec(),
        initiator: true,
        rank: 1,
    };
    let mut key = side.key().to_compressed().to_vec();
    key.extend_from_slice(&peer.key().to_compressed());
    key.push(u8::try_from(device.len()).unwrap());
    key.extend_from_slice(device.as_bytes());
    key.extend_from_slice(&hex(&session["dhr"]));
    side.store.put(Table::Session, &key, &prost::Message::encode_to_vec(&row)).unwrap();
}

#[test]
fn alice_reads_bob_from_the_first_opening_to_the_turn_of_the_ratchet() {
    let file = load("messenger_flow");
    let mut alice = party(&file, "alice");
    let effects = arrive(&file, "B1", &mut alice);
    assert_eq!(shown(&file, "B1", &effects, Protection::Ratchet), "hello alice");
    let ack = sends(&effects)[0];
    assert!(matches!(ack.route, Route::Negotiated(_)), "Bob's device said that it listens there");
    let effects = arrive(&file, "B2", &mut alice);
    assert_eq!(shown(&file, "B2", &effects, Protection::Ratchet), "fourth");
}

#[test]
fn bob_reads_alice_without_a_session_then_in_the_one_he_opened() {
    let file = load("messenger_flow");
    let (alice, mut bob) = (party(&file, "alice"), party(&file, "bob"));
    let effects = arrive(&file, "A1", &mut bob);
    assert_eq!(shown(&file, "A1", &effects, Protection::DhOnly), "hello bob");
    let device = file["parties"][0]["installation_id"].as_str().unwrap();
    open_session(&mut bob, &alice, step(&file, "B1"), device);
    let effects = arrive(&file, "A2", &mut bob);
    assert_eq!(shown(&file, "A2", &effects, Protection::Ratchet), "second");
    let effects = arrive(&file, "A3", &mut bob);
    assert_eq!(shown(&file, "A3", &effects, Protection::Ratchet), "third");
    // A reaction: encrypted, not wrapped, of a type that nothing is done with yet.
    let effects = arrive(&file, "A4", &mut bob);
    assert!(messages(&effects).is_empty() && sends(&effects).is_empty());
    assert!(!effects.iter().any(|e| matches!(e, Effect::Notify(Notice::Undecodable { .. }))), "{effects:?}");
    assert_eq!(bob.texts(&ChatId::OneToOne(alice.key())), ["hello bob", "second", "third"]);
}

#[test]
fn public_messages_contact_codes_and_pairing() {
    let file = load("messenger_flow");
    let (alice, mut bob) = (party(&file, "alice"), party(&file, "bob"));
    let status = ChatId::Public(PublicName::new("status").unwrap());
    bob.command(Command::Open(status));
    let effects = arrive(&file, "P1", &mut bob);
    assert_eq!(shown(&file, "P1", &effects, Protection::Public), "hello public");

    let mut bob = party(&file, "bob");
    bob.command(Command::Open(ChatId::OneToOne(alice.key())));
    assert_eq!(bob.rows(Table::Device), 0);
    assert!(messages(&arrive(&file, "C1", &mut bob)).is_empty());
    assert_eq!(bob.rows(Table::Device), 1, "Alice's device is known");

    // The second device of one person comes with a later version: until then it is our own echo.
    let mut alice = party(&file, "alice");
    let pairing = envelope(&file, step(&file, "D1"), &alice);
    alice.ignored(pairing);
    assert_eq!(file["steps"].as_array().unwrap().len(), 9);
}

/// What the original lets pass below the security layer, and what we make of it.
#[test]
fn broken_layers() {
    let file = load("messenger_flow");
    let cases = file["layers_absent_or_broken"].as_array().unwrap();
    for case in cases {
        let name = case["case"].as_str().unwrap();
        let Some(payload) = case["receiver"].get("transport_author").and(case.get("whisper_payload")) else {
            assert!(name.starts_with("envelope without a Whisper signature"), "{name}");
            continue;
        };
        let mut bob = party(&file, "bob");
        let received = Received {
            route: Route::Partition(bob.key()),
            author: PublicKey::from_uncompressed(&hex(&case["receiver"]["transport_author"])).unwrap(),
            sealed_to: Some(bob.key()),
            payload: hex(payload),
            sent_at: Unix::from_millis(case["receiver"]["whisper_timestamp_ms"].as_u64().unwrap()),
            wire_id: WireId::from_bytes([0; 32]),
            via: Via::Live,
        };
        let expected = match name.split([':', ' ']).next().unwrap() {
            "application" => (1, 0),
            "datasync" => (1, 1),
            "two" => (2, 1),
            _ => (0, 0),
        };
        if expected == (0, 0) {
            assert!(matches!(bob.refused(received), Undecodable::Security(_)), "{name}");
        } else {
            let effects = bob.receive(received);
            assert_eq!((messages(&effects).len(), sends(&effects).len()), expected, "{name}");
            assert_eq!(messages(&effects)[0].protection, Protection::TransportOnly);
        }
    }
    assert_eq!(cases.len(), 10);
}
