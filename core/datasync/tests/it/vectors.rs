//! `mvds.json` and the data sync bytes of `messenger_flow.json`.
//!
//! Left out, because they are about what the reference's node does and not about bytes:
//! `retransmission_observed` (its schedule adds the age of the node to every gap; ours is
//! `Pending::after_send`), `transport_error_observed` (its batch that is kept and doubled),
//! `interactive_mode` (a note on OFFER, which we never send). `receiver_behaviour_observed` and
//! `ack_list_observed` are taken as what *not* to do: the tests below say what we do instead.

use std::collections::BTreeMap;

use undertone_base::Unix;
use undertone_crypto::PublicKey;
use undertone_datasync::{
    Acks, GroupId, SyncId, SyncMessage, SyncPayload, SyncPayloadOut, Unwrapped, receive, unwrap, wrap,
};
use undertone_vectors::{Value, hex, hex_n, load};

fn keys() -> BTreeMap<String, PublicKey> {
    let file = load("mvds");
    let mut keys = BTreeMap::new();
    for key in file["keys"].as_array().unwrap() {
        let public = PublicKey::from_uncompressed(&hex(&key["peer_id"])).unwrap();
        assert_eq!(public.to_compressed().as_slice(), hex(&key["compressed"]));
        keys.insert(key["name"].as_str().unwrap().to_owned(), public);
    }
    assert_eq!(keys.len(), 3);
    keys
}

fn sync(bytes: &[u8]) -> SyncPayload {
    match unwrap(bytes.to_vec()) {
        Ok(Unwrapped::Sync(payload)) => payload,
        other => panic!("no sync payload: {other:?}"),
    }
}

fn known() -> (SyncId, SyncMessage) {
    let keys = keys();
    wrap(GroupId::of_pair(&keys["alice"], &keys["bob"]), Unix::from_secs(1_600_000_000), b"hello".to_vec())
}

#[test]
fn group_ids() {
    let keys = keys();
    let mut cases = 0;
    for case in load("mvds")["group_ids"].as_array().unwrap() {
        let pair = case["pair"].as_str().unwrap();
        let (a, b) = pair.split_whitespace().next().unwrap().split_once(',').unwrap();
        let expected = GroupId::from_bytes(hex_n(&case["group_id"]));
        assert_eq!(GroupId::of_pair(&keys[a], &keys[b]), expected, "{pair}");
        assert_eq!(GroupId::of_pair(&keys[b], &keys[a]), expected, "{pair}");
        cases += 1;
    }
    assert_eq!(cases, 5);
}

#[test]
fn message_ids() {
    let mut cases = 0;
    for case in load("mvds")["message_ids"].as_array().unwrap() {
        let encoded = hex(&case["encoded"]);
        let mut payload = vec![0xe2, 0xb8, 0x02, u8::try_from(encoded.len()).unwrap()];
        payload.extend_from_slice(&encoded);
        let message = sync(&payload).messages.remove(0);
        assert_eq!(message.timestamp, case["timestamp"].as_i64().unwrap());
        assert_eq!(message.body, hex(&case["body"]));
        assert_eq!(message.id(), SyncId::from_bytes(hex_n(&case["message_id"])));
        assert_eq!(message.group_id, hex(&case["group_id"]));
        if let Some(group) = GroupId::from_slice(&message.group_id) {
            let ours = SyncMessage { group, timestamp: message.timestamp, body: message.body };
            assert_eq!(SyncPayloadOut::message(&ours).to_bytes(), payload);
        }
        cases += 1;
    }
    assert_eq!(cases, 4);
}

#[test]
fn payloads() {
    let (id, message) = known();
    let (_, second) = wrap(message.group, Unix::from_secs(1_600_000_001), b"again".to_vec());
    let mut cases = 0;
    for case in load("mvds")["payloads"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let bytes = hex(&case["encoded"]);
        let recognised = matches!(unwrap(bytes.clone()), Ok(Unwrapped::Sync(_)));
        assert_eq!(recognised, case["has_content"].as_bool().unwrap(), "{name}");
        let ours = match name {
            "one message" => SyncPayloadOut::new([], [&message]),
            "two messages" => SyncPayloadOut::new([], [&message, &second]),
            "one ack" => SyncPayloadOut::new([id], []),
            "ack and message" => SyncPayloadOut::new([id], [&message]),
            "one offer" => {
                assert_eq!(sync(&bytes), SyncPayload { offers: vec![id], ..SyncPayload::default() });
                None
            }
            "one request" => {
                assert_eq!(sync(&bytes), SyncPayload { requests: vec![id], ..SyncPayload::default() });
                None
            }
            "message without body" => {
                let message = sync(&bytes).messages.remove(0);
                assert!(message.group_id.is_empty() && message.body.is_empty());
                None
            }
            "empty" => None,
            other => panic!("no case {other}"),
        };
        if let Some(ours) = ours {
            assert_eq!(ours.encoded_len(), bytes.len());
            assert_eq!(ours.to_bytes(), bytes, "{name}");
        }
        cases += 1;
    }
    assert_eq!(cases, 8);
}

#[test]
fn unwrap_fallback() {
    let mut cases = 0;
    for case in load("mvds")["unwrap_fallback"].as_array().unwrap() {
        let expected: Vec<Vec<u8>> = case["payloads_out"].as_array().unwrap().iter().map(hex).collect();
        let got = match unwrap(hex(&case["input"])).unwrap() {
            Unwrapped::Plain(bytes) => vec![bytes],
            Unwrapped::Sync(payload) => payload.messages.into_iter().map(|m| m.body).collect(),
        };
        assert_eq!(got, expected, "{}", case["name"]);
        cases += 1;
    }
    assert_eq!(cases, 6);
}

/// Where the reference answers with an empty payload or not at all, we ack each valid message and are
/// silent otherwise (`payloads.md` traps 19, 20 and 22).
#[test]
fn what_the_reference_gets_wrong_on_receipt() {
    let keys = keys();
    let (id, message) = known();
    let arrive = |payload: SyncPayload| receive(payload, &keys["bob"], &keys["alice"]);
    let answers = |payload: SyncPayload| {
        let mut acks = Acks::new();
        for delivery in arrive(payload).deliver {
            acks.add(delivery.id);
        }
        acks.into_payloads(1_000).iter().map(SyncPayloadOut::to_bytes).collect::<Vec<_>>()
    };
    let ack = vec![SyncPayloadOut::new([id], []).unwrap().to_bytes()];
    let with_message = SyncPayload { messages: vec![message.into()], ..SyncPayload::default() };
    let offer = SyncPayload { offers: vec![id], ..SyncPayload::default() };
    let mut cases = 0;
    for step in load("mvds")["receiver_behaviour_observed"]["steps"].as_array().unwrap() {
        let received = step["received"].as_str().unwrap();
        let empties = step["sent_back"].as_array().unwrap().iter().filter(|p| p["bytes"] == 0).count();
        match received {
            "message first time" => assert_eq!(answers(with_message.clone()), ack),
            "same message again (ack was lost)" => {
                assert_eq!(empties, 1);
                assert_eq!(answers(with_message.clone()), ack);
            }
            "ack for an unknown message" => {
                let acks = SyncPayload { acks: vec![id], ..SyncPayload::default() };
                assert!(answers(acks).is_empty());
            }
            "empty payload" => assert_eq!(unwrap(vec![]), Ok(Unwrapped::Plain(vec![]))),
            _ => {
                assert!(received.starts_with("offer of "), "{received}");
                assert!(answers(offer.clone()).is_empty());
                assert_eq!(arrive(offer.clone()).offered, [id]);
            }
        }
        cases += 1;
    }
    assert_eq!(cases, 6);
}

/// The reference gives up an ack list at the first id that it does not know; every id of ours counts.
#[test]
fn an_unknown_ack_hides_no_other() {
    let keys = keys();
    let (id, _) = known();
    let unknown = SyncId::from_bytes([0xff; 32]);
    let payload = sync(&SyncPayloadOut::new([unknown, id], []).unwrap().to_bytes());
    assert_eq!(receive(payload, &keys["alice"], &keys["bob"]).acked, [unknown, id]);
    assert_eq!(load("mvds")["ack_list_observed"].as_array().unwrap().len(), 3);
}

/// Every step of a real conversation: the bytes of layer 3 give those of layer 2 and are made from them.
#[test]
fn flow() {
    let flow = load("messenger_flow");
    let keys = keys();
    let mut wrapped = 0;
    let mut plain = 0;
    for step in flow["steps"].as_array().unwrap() {
        let metadata = hex(&step["2_application_metadata"]["wrapped"]);
        if step["3_datasync"] == Value::Null {
            assert_eq!(unwrap(metadata.clone()), Ok(Unwrapped::Plain(metadata)), "{}", step["step"]);
            plain += 1;
            continue;
        }
        let bytes = hex(&step["3_datasync"]["encoded"]);
        let from = &keys[step["from"].as_str().unwrap()];
        let to = &keys[step["to"].as_str().unwrap()];
        let payload = sync(&bytes);
        let timestamp = u64::try_from(payload.messages[0].timestamp).unwrap();
        let (id, message) = wrap(GroupId::of_pair(from, to), Unix::from_secs(timestamp), metadata.clone());
        assert_eq!(SyncPayloadOut::message(&message).to_bytes(), bytes);
        let received = receive(payload, to, from);
        assert_eq!((received.deliver[0].id, &received.deliver[0].body), (id, &metadata));
        assert_eq!(received.foreign, 0);
        wrapped += 1;
    }
    assert_eq!((wrapped, plain), (5, 4));
}
