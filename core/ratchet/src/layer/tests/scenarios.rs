//! What status-go sent and read, replayed byte for byte.

use std::collections::BTreeMap;

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_vectors::{Value, hex, hex_n, load};

use super::super::*;
use crate::keys::{PrekeyId, PrekeyPrivate};
use crate::protocol::ProtocolMessage;
use crate::session::{Session, SessionId};
use crate::store::{MemoryRatchetStore, Table};
use crate::stored::{OwnPrekey, OwnState};
use crate::testing::Script;
use crate::{RatchetError, SealError};

struct Party {
    layer: Encryption,
    keyring: MemoryKeyring,
    store: MemoryRatchetStore,
    /// Sessions that were compared with the original's.
    compared: usize,
}

/// A little after the first bundle of the file.
const NOW: Now = Now { mono: Mono::ZERO, unix: Unix::from_millis(1_795_357_700_000) };

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn public(value: &Value) -> PublicKey {
    PublicKey::from_compressed(&hex(value)).unwrap()
}

fn installation(value: &Value) -> InstallationId {
    InstallationId::new(value.as_str().unwrap()).unwrap()
}

fn version(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

impl Party {
    fn new(file: &Value) -> Self {
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(SecretKey::from_slice(&hex(&file["identity"]["priv"])).unwrap());
        let own = LocalIdentity::new(&keyring, id).unwrap();
        let layer = Encryption::new(own, installation(&file["installation_id"]));
        Self { layer, keyring, store: MemoryRatchetStore::new(), compared: 0 }
    }

    /// Gives the party what the original's database had and no step of the file shows being learned.
    fn seed(&mut self, dump: &Value, first: &[Value]) {
        let own = self.layer.own;
        let mut tables = Tables::new(&mut self.store);
        for row in list(&dump["bundles"]) {
            let prekey = PrekeyId::from_slice(&hex(&row["signed_pre_key"])).unwrap();
            if row["private_key"].is_null() || tables.is_own_prekey(&own, &prekey).unwrap() {
                continue;
            }
            let private =
                PrekeyPrivate::from_secret_key(SecretKey::from_slice(&hex(&row["private_key"])).unwrap());
            let version = version(&row["version"]);
            let stored = OwnPrekey { private, version, created: NOW.unix, retired: None };
            tables.put_own_prekey(&own, &prekey, &stored);
            if tables.own_state(&own).unwrap().is_none() {
                let state = OwnState { prekey, version, created: NOW.unix, last_timestamp: 0 };
                tables.put_own_state(&own, &state);
            }
        }
        for row in list(&dump["installations"]) {
            let identity = RemoteIdentity::new(public(&row["identity"]));
            let name = installation(&row["installation_id"]);
            if tables.device(&own, &identity, &name).unwrap().is_some() {
                continue;
            }
            let bundle = list(&dump["bundles"])
                .iter()
                .find(|b| b["identity"] == row["identity"] && b["installation_id"] == row["installation_id"]);
            let bundle = bundle.unwrap();
            let rank = first.iter().position(|entry| entry["installation_id"] == row["installation_id"]);
            let device = Device {
                prekey: PrekeyId::from_slice(&hex(&bundle["signed_pre_key"])).unwrap(),
                version: version(&bundle["version"]),
                timestamp: 1_600_000_000_000_000_000 - rank.map_or(9, |rank| i64::try_from(rank).unwrap()),
                protocol_version: version(&row["version"]),
                enabled: row["enabled"].as_bool().unwrap(),
                heard_on: None,
                heard: None,
            };
            tables.put_device(&own, &identity, &name, &device);
        }
        tables.commit().unwrap();
    }

    /// Makes the next bundle carry the prekey and the timestamp of the file.
    fn seed_bundle(&mut self, bundle: &Value) {
        let own = self.layer.own;
        let entry = list(&bundle["signed_pre_keys_sorted"])
            .iter()
            .find(|entry| entry["installation_id"] == self.layer.installation.as_str())
            .unwrap();
        let timestamp: i64 = bundle["timestamp"].as_str().unwrap().parse().unwrap();
        let mut tables = Tables::new(&mut self.store);
        let state = OwnState {
            prekey: PrekeyId::from_slice(&hex(&entry["signed_pre_key"])).unwrap(),
            version: version(&entry["version"]),
            created: NOW.unix,
            last_timestamp: timestamp - 1,
        };
        tables.put_own_state(&own, &state);
        tables.commit().unwrap();
    }

    fn session(&mut self, peer: &PublicKey, name: &str, prekey: &[u8]) -> Option<Session> {
        let id = SessionId {
            own: self.layer.own,
            peer: RemoteIdentity::new(*peer),
            installation: InstallationId::new(name).unwrap(),
            prekey: PrekeyId::from_slice(prekey).unwrap(),
        };
        Tables::new(&mut self.store).session(&id).unwrap()
    }

    /// Compares a session with a row of the original's database.
    fn assert_session(&mut self, peer: &PublicKey, name: &str, row: &Value, what: &str) {
        let prekey = hex(&row["id"])[..33].to_vec();
        let session = self.session(peer, name, &prekey).unwrap_or_else(|| panic!("{what}: no session"));
        let ratchet = &session.ratchet;
        assert_eq!(ratchet.own.secret_key().secret().expose(), &hex_n(&row["dhs_private"]), "{what}");
        let remote = ratchet.remote.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
        assert_eq!(remote, hex(&row["dhr"]), "{what}");
        assert_eq!(ratchet.root.expose(), &hex_n(&row["root_chain_key"]), "{what}");
        assert_eq!(ratchet.send.key.expose(), &hex_n(&row["send_chain_key"]), "{what}");
        assert_eq!(ratchet.receive.key.expose(), &hex_n(&row["recv_chain_key"]), "{what}");
        let numbers = [&row["send_chain_n"], &row["recv_chain_n"], &row["pn"]].map(version);
        assert_eq!([ratchet.send.n, ratchet.receive.n, ratchet.previous], numbers, "{what}");
        assert_eq!(row["keys_count"], ratchet.keys_count, "{what}");
        self.compared += 1;
        // What is stored and read back is the same.
        let bytes = session.to_bytes();
        assert_eq!(Session::from_bytes(bytes.as_ref()).unwrap().to_bytes(), bytes, "{what}");
    }
}

fn row_of<'a>(dump: &'a Value, prekey: &[u8], name: &str) -> Option<&'a Value> {
    let id: Vec<u8> = prekey.iter().copied().chain(name.bytes()).collect();
    list(&dump["sessions"]).iter().find(|row| hex(&row["id"]) == id)
}

/// The random bytes that the original drew for a message, in our order.
fn randomness(step: &Value, party: &mut Party, peer: &PublicKey) -> Script {
    let ephemeral = |key: &Value| hex(&step["ephemeral_private_keys"][key.as_str().unwrap()]);
    let mut parts = Vec::new();
    for entry in list(&step["decoded"]["direct_message"]) {
        let name = entry["installation_id"].as_str().unwrap();
        if let Some(header) = entry.get("dh_header") {
            let payload = hex(&entry["payload"]);
            parts.push(ephemeral(&header["key"]));
            parts.push(payload[payload.len() - 12..].to_vec());
        } else if let Some(header) = entry.get("x3dh_header") {
            let prekey = hex(&header["id"]);
            if party.session(peer, name, &prekey).is_none() {
                parts.push(ephemeral(&header["key"]));
                let row = row_of(&step["sender_state_after"], &prekey, name).unwrap();
                parts.push(hex(&row["dhs_private"]));
            }
        }
    }
    Script::new(parts)
}

fn seal(step: &Value, party: &mut Party, peer: &PublicKey) -> Result<Sealed, SealError> {
    let mut rng = randomness(step, party, peer);
    let payload = hex(&step["plaintext"]);
    let Party { layer, keyring, store, .. } = party;
    let mut state = Tables::new(&mut *store).own_state(&layer.own).unwrap().unwrap();
    // The clock stands just before the timestamp of the file, so that this one is used; the prekey must not
    // rotate because of that.
    let unix = Unix::from_millis(u64::try_from(state.last_timestamp / 1_000_000).unwrap());
    state.created = unix;
    let mut cx = Context { store, keyring, now: Now { unix, ..NOW }, rng: &mut rng };
    let mut tables = Tables::new(cx.store);
    tables.put_own_state(&layer.own, &state);
    tables.commit().unwrap();
    let sealed = match step["label"].as_str().unwrap() {
        "p0" => layer.seal_public(&mut cx, &payload),
        "adv" | "pair" => layer.seal_dh(&mut cx, peer, &payload),
        _ => layer.seal_direct(&mut cx, peer, &payload),
    };
    assert!(rng.is_spent());
    sealed
}

/// The scenario in which the original stays on two sessions and ours moves to one.
fn diverges(scenario: &Value, step: &Value) -> bool {
    scenario["name"] == "both sides open a session at once"
        && matches!(step["label"].as_str(), Some("a1" | "b1"))
}

fn play_send(scenario: &Value, step: &Value, party: &mut Party, peer: &PublicKey) {
    let what = format!("{}: send {}", scenario["name"], step["label"]);
    party.seed(&step["sender_state_after"], list(&step["decoded"]["direct_message"]));
    party.seed_bundle(&step["decoded"]["bundles"][0]);
    if diverges(scenario, step) {
        let before = party.store.clone();
        let theirs = ProtocolMessage::decode(&hex(&step["serialized"])).unwrap();
        let sealed = seal_anew(step, party, peer);
        let ours = ProtocolMessage::decode(&sealed.bytes).unwrap();
        let id = |m: &ProtocolMessage| m.direct.values().next().unwrap().dr_header.clone().unwrap().id;
        assert!(ours.direct.values().all(|entry| entry.x3dh_header.is_none()), "{what}");
        assert_ne!(id(&ours), id(&theirs), "{what}");
        party.store = before;
        return;
    }
    let sealed = seal(step, party, peer).unwrap();
    assert_eq!(sealed.bytes, hex(&step["serialized"]), "{what}");
    assert_eq!(step.get("agreed_secret").is_some_and(|agreed| agreed == true), sealed.agreed, "{what}");
    for entry in list(&step["decoded"]["direct_message"]) {
        let Some(header) = entry.get("dr_header") else { continue };
        let name = entry["installation_id"].as_str().unwrap();
        if let Some(row) = row_of(&step["sender_state_after"], &hex(&header["id"]), name) {
            party.assert_session(peer, name, row, &what);
        }
    }
}

fn seal_anew(step: &Value, party: &mut Party, peer: &PublicKey) -> Sealed {
    let mut rng = undertone_support::rng(2);
    let Party { layer, keyring, store, .. } = party;
    let mut cx = Context { store, keyring, now: NOW, rng: &mut rng };
    layer.seal_direct(&mut cx, peer, &hex(&step["plaintext"])).unwrap()
}

fn play_receive(
    scenario: &Value,
    step: &Value,
    party: &mut Party,
    bytes: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let what = format!("{}: {} reads {}", scenario["name"], step["who"], step["label"]);
    party.seed(&step["state_before"], &[]);
    let sender = public(&step["transport_signer"]);
    let from = ProtocolMessage::decode(bytes).map(|message| message.installation().to_owned());
    let rows = list(&step["state_after"]["sessions"]);
    let own = party.layer.installation.as_str().to_owned();
    let message = ProtocolMessage::decode(bytes).ok();
    let prekey = message.and_then(|m| Some(m.direct.get(&own)?.dr_header.clone()?.id));
    let row = prekey.zip(from.ok()).and_then(|(prekey, from)| {
        let row = row_of(&step["state_after"], &prekey, &from)?;
        (row["recv_chain_n"].as_u64() > Some(0)).then_some((row, from))
    });
    let drawn = row.as_ref().map(|(row, _)| hex(&row["dhs_private"]));
    // Where the original has no session of this sender, any key will do.
    let drawn = drawn.or_else(|| (!rows.is_empty()).then(|| vec![7; 32]));
    let before = party.store.clone();
    let mut rng = Script::new(drawn);
    let Party { layer, keyring, store, .. } = &mut *party;
    let mut cx = Context { store, keyring, now: NOW, rng: &mut rng };
    let opened = match layer.open(&mut cx, &sender, bytes) {
        Ok(opened) => opened,
        Err(error) => {
            assert_eq!(party.store, before, "{what}");
            return Err(error);
        }
    };
    if let Some(plaintext) = step.get("plaintext") {
        assert_eq!(opened.payload.clone().unwrap_or_default(), hex(plaintext), "{what}");
        assert_eq!(!list(&step["negotiated_secrets"]).is_empty(), opened.negotiated, "{what}");
        assert_learned(step, party, &opened, &what);
        if let Some((row, from)) = row {
            party.assert_session(&sender, &from, row, &what);
        }
    }
    Ok(opened.payload.unwrap_or_default())
}

fn assert_learned(step: &Value, party: &mut Party, opened: &Opened, what: &str) {
    let new: Vec<_> = list(&step["new_installations"]).iter().map(installation).collect();
    let learned: Vec<_> = opened
        .learned
        .iter()
        .filter(|learned| learned.change == DeviceChange::New)
        .map(|learned| learned.installation.clone())
        .collect();
    assert_eq!(learned, new, "{what}");
    for row in list(&step["state_after"]["installations"]) {
        let devices = party.layer.devices(&party.store, &public(&row["identity"])).unwrap();
        let name = installation(&row["installation_id"]);
        let (_, device) = devices.iter().find(|(at, _)| *at == name).unwrap();
        assert_eq!(row["enabled"], device.enabled, "{what}");
        assert_eq!(version(&row["version"]), device.protocol_version, "{what}");
        let bundle = list(&step["state_after"]["bundles"])
            .iter()
            .find(|b| b["identity"] == row["identity"] && b["installation_id"] == row["installation_id"]);
        let bundle = bundle.unwrap();
        assert_eq!(hex(&bundle["signed_pre_key"]), device.prekey.as_bytes(), "{what}");
        assert_eq!(version(&bundle["version"]), device.version, "{what}");
    }
}

/// What ours answers where the file's `expect`, or the reason below, says that it refuses.
fn refusal(step: &Value) -> Option<OpenError> {
    use OpenError as E;
    Some(match step["label"].as_str().unwrap() {
        "n1" | "n2" => E::NoPayload,
        "n3" | "n4" => E::Protocol(crate::ProtocolError::Malformed),
        "n5" => E::Bundle(crate::BundleError::Signature),
        "n6" => E::UnknownPrekey,
        "n7" => E::Key,
        "n8" => E::UnknownSession,
        "n9" => E::NoKey,
        "n10" => E::DeviceNotFound,
        "n11" => E::NotPaired,
        "n12" | "n13" => E::Ratchet(RatchetError::BadMac),
        "n14" => E::Ratchet(RatchetError::TooShort { got: 5 }),
        "n18" => E::Ratchet(RatchetError::Duplicate),
        _ if step["result"] == "error: device not found" => E::DeviceNotFound,
        _ => return None,
    })
}

#[test]
fn the_scenarios_run_as_they_did() {
    let file = load("protocol_message");
    let scenarios = file["scenarios"].as_array().unwrap();
    let (mut sends, mut reads, mut refused, mut compared) = (0, 0, 0, 0);
    for scenario in scenarios {
        let mut parties: BTreeMap<_, _> =
            list(&scenario["parties"]).iter().map(|p| (p["name"].as_str().unwrap(), Party::new(p))).collect();
        let keys: BTreeMap<_, _> = parties.iter().map(|(name, p)| (*name, *p.layer.own.public())).collect();
        let steps = list(&scenario["steps"]);
        let mut messages: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        let mut read: Vec<(&str, &str)> = Vec::new();
        let fresh = parties["bob"].store.clone();
        for step in steps {
            let (who, label) = (step["who"].as_str().unwrap(), step["label"].as_str().unwrap());
            if step["op"] == "send" {
                let to = steps.iter().find(|s| s["op"] == "receive" && s["label"] == label);
                let to = keys[to.map_or("bob", |s| s["who"].as_str().unwrap())];
                play_send(scenario, step, parties.get_mut(who).unwrap(), &to);
                messages.insert(label, hex(&step["serialized"]));
                sends += 1;
                continue;
            }
            let party = parties.get_mut(who).unwrap();
            if scenario["name"] == "negative" && label != "n18" {
                party.store = fresh.clone();
            }
            let bytes = step.get("serialized").map_or_else(|| messages[label].clone(), hex);
            let result = play_receive(scenario, step, party, &bytes);
            // status-go reads a message again while it keeps the key; ours is gone with the first reading.
            let again = read.contains(&(who, label)).then_some(OpenError::Ratchet(RatchetError::Duplicate));
            match refusal(step).or(again) {
                Some(error) => {
                    assert_eq!(result, Err(error), "{}: {label}", scenario["name"]);
                    refused += 1;
                }
                None => {
                    let sent = steps.iter().find(|s| s["op"] == "send" && s["label"] == label);
                    let expected = sent.unwrap_or(step);
                    assert_eq!(result, Ok(hex(&expected["plaintext"])), "{}: {label}", scenario["name"]);
                    read.push((who, label));
                    reads += 1;
                }
            }
        }
        compared += parties.values().map(|party| party.compared).sum::<usize>();
    }
    assert_eq!((scenarios.len(), compared), (6, 28));
    assert_eq!((sends, reads, refused), (17, 20, 18));
}

#[test]
fn an_empty_public_field_does_not_hide_the_direct_message() {
    let file = load("protocol_message");
    let cases = list(&file["extra_cases"]);
    for case in cases {
        let identity = SecretKey::from_slice(&hex(&case["recipient"]["identity_private"])).unwrap();
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(identity);
        let own = LocalIdentity::new(&keyring, id).unwrap();
        let layer = Encryption::new(own, installation(&case["recipient"]["installation_id"]));
        let mut store = MemoryRatchetStore::new();
        let mut rng = Script::new([]);
        let mut cx = Context { store: &mut store, keyring: &keyring, now: NOW, rng: &mut rng };
        let opened =
            layer.open(&mut cx, &public(&case["transport_signer"]), &hex(&case["serialized"])).unwrap();
        assert_eq!(opened.payload.unwrap(), hex(&case["direct_message_plaintext"]));
        assert_eq!(opened.kind, Kind::DhOnly);
    }
    assert_eq!(cases.len(), 1);
}

#[test]
fn forged_bundles_change_nothing() {
    let file = load("bundle");
    let cases = list(&file["forged_own_entry"]);
    let party = serde_json::json!({
        "identity": file["identity"], "installation_id": "b5a1f2c0-6d1c-4d0a-9a55-0b1c2d3e4f50",
    });
    for case in cases {
        let mut party = Party::new(&party);
        let mut rng = undertone_support::rng(3);
        let Party { layer, keyring, store, .. } = &mut party;
        let mut cx = Context { store, keyring, now: NOW, rng: &mut rng };
        layer.seal_public(&mut cx, b"makes a prekey").unwrap();
        let before = cx.store.clone();
        let bytes = hex(&case["protocol_message"]);
        let result = layer.open(&mut cx, &public(&case["transport_signer"]), &bytes);
        assert_eq!(result, Err(OpenError::Bundle(crate::BundleError::Signature)));
        assert_eq!(*cx.store, before);
        assert_eq!(cx.store.len(Table::OwnPrekey), 1);
    }
    assert_eq!(cases.len(), 3);
}

#[test]
fn the_agreement_follows_the_trace() {
    let file = load("shared_secret");
    let keys = &file["agreement_trace_keys"];
    let me = serde_json::json!({ "identity": keys["me"], "installation_id": "mine" });
    let mut me = Party::new(&me);
    let they = public(&keys["they"]["pub_compressed"]);
    let steps = list(&file["agreement_trace"]);
    for step in steps {
        if step["op"] == "Agreed" {
            let targets: Vec<_> = list(&step["their_installations"]).iter().map(installation).collect();
            let agreed = me.layer.is_agreed(&me.store, &they, &targets).unwrap();
            assert_eq!(step["agreed"], agreed, "{}", step["what"]);
            let secret = me.layer.negotiated_secret(&me.keyring, &they).unwrap();
            assert_eq!(secret.expose(), &hex_n(&step["secret"]));
        } else {
            let mut tables = Tables::new(&mut me.store);
            let name = installation(&step["installation"]);
            tables.put_negotiated(&me.layer.own, &RemoteIdentity::new(they), &name);
            tables.commit().unwrap();
        }
    }
    assert_eq!(steps.len(), 7);
}
