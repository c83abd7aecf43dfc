//! The archive against what a server of status-go answered.

use undertone_vectors::{Value, hex, hex_n, load};
use undertone_whisper::{Bloom, Envelope, EnvelopeHash, RawEnvelope};

use super::wire::Completion;
use super::*;
use crate::engine::NodeId;

fn archive(vectors: &Value) -> Archive {
    let mut archive = Archive::default();
    for kept in vectors["archive"].as_array().unwrap() {
        let bytes = hex(&kept["envelope_rlp"]);
        let raw = RawEnvelope::decode(&bytes).unwrap();
        assert_eq!(raw.hash().as_bytes(), &hex_n::<32>(&kept["hash"]));
        archive.keep(raw.to_envelope(raw.hash(), &raw.work()));
    }
    assert_eq!(archive.size().0, 5);
    archive
}

fn live<'a>(vectors: &'a Value, name: &str) -> &'a Value {
    vectors["live"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()
}

/// What the server of status-go sent: all envelopes in order, and the packet after them.
fn answer(case: &Value) -> (Vec<EnvelopeHash>, Vec<u8>) {
    let (mut envelopes, mut end) = (Vec::new(), Vec::new());
    for packet in case["responses"].as_array().unwrap() {
        let body = hex(&packet["payload"]);
        if packet["code"] == 127 {
            let form = undertone_whisper::wire::DirectForm::BareOrList;
            let list = undertone_whisper::wire::decode_direct(&body, form).unwrap();
            envelopes.extend(list.iter().map(|envelope| envelope.hash()));
        } else {
            assert!(end.is_empty() && packet["code"] == 125);
            end = body;
        }
    }
    (envelopes, end)
}

fn hashes(envelopes: &[Envelope]) -> Vec<EnvelopeHash> {
    envelopes.iter().map(Envelope::hash).collect()
}

#[test]
fn a_plain_request_is_answered_as_status_go_answered_it() {
    let vectors = &load("whisper_wire")["mailserver"];
    let case = live(vectors, "plain (unencrypted) MessagesRequest, 6 fields");
    let body = hex(&case["request_packet"]);
    let request = Request::decode(&body).unwrap();
    assert_eq!(request.encode(), body);
    let (page, end) = archive(vectors).answer(&request);
    assert_eq!((hashes(&page), end), answer(case));
}

/// Pages, filters and refusals, which were recorded of sealed requests: `[from, to, bloom, topics, limit, cursor, batch]`.
#[test]
fn pages_filters_and_refusals_are_those_of_status_go() {
    let vectors = &load("whisper_wire")["mailserver"];
    let archive = archive(vectors);
    let names = [
        "all five, batch",
        "bloom of topic 5c6c9b56: four",
        "topics given: ignored, bloom decides",
        "limit 2",
        "limit 2 with the cursor of the page before",
        "limit 1: the bundle is sent, cursor present",
        "limit 5 = exactly all",
        "nothing matches",
        "limit 1001",
    ];
    for name in names {
        let case = live(vectors, name);
        let request = plain(&hex(&case["request_payload"]), hex_n(&case["request_id"]));
        assert_eq!(Request::decode(&request.encode()).as_ref(), Some(&request), "{name}");
        let (page, end) = archive.answer(&request);
        assert_eq!((hashes(&page), end), answer(case), "{name}");
    }
}

fn plain(mut payload: &[u8], id: [u8; 32]) -> Request {
    use alloy_rlp::{Decodable as _, Header};
    let mut items = Header::decode_bytes(&mut payload, true).unwrap();
    let [from, to] = [0; 2].map(|_| u32::decode(&mut items).unwrap());
    let bloom = Header::decode_bytes(&mut items, false).unwrap();
    Header::decode_bytes(&mut items, true).unwrap();
    let limit = u32::decode(&mut items).unwrap();
    let cursor = Header::decode_bytes(&mut items, false).unwrap();
    Request {
        id,
        from,
        to,
        limit,
        cursor: cursor.try_into().ok(),
        bloom: Bloom::from_bytes(bloom.try_into().unwrap()),
    }
}

#[test]
fn what_is_no_request_is_not_served() {
    let good = Request { id: [1; 32], from: 1, to: 2, limit: 3, cursor: None, bloom: Bloom::FULL };
    let bytes = good.encode();
    for cut in 0..bytes.len() {
        assert_eq!(Request::decode(&bytes[..cut]), None);
    }
    assert_eq!(Request::decode(&[&bytes[..], &[0]].concat()), None);
    let archive = Archive::default();
    let ends = |request: &Request| Completion::decode(&archive.answer(request).1).unwrap().end;
    assert_eq!(ends(&good), Ok((None, None)));
    assert!(ends(&Request { from: 3, ..good.clone() }).is_err());
    assert!(ends(&Request { bloom: Bloom::EMPTY, ..good }).is_err());
}

/// Two queries, the first of two pages; then it is up to date, and the next time asks from then on.
#[test]
fn a_client_asks_page_by_page_and_query_by_query() {
    let mut fetch = Fetch::new(NodeId(0), vec![Bloom::FULL; 2], 7);
    let end = |id: u8, cursor| Completion { id: [id; 32], end: Ok((None, cursor)) }.encode();
    let first = Request::decode(&fetch.begin([1; 32], 900).unwrap()).unwrap();
    assert_eq!((first.from, first.to, first.limit, first.cursor), (0, 900, 7, None));
    fetch.heard(950);
    assert_eq!(fetch.completed(&end(9, None), [2; 32]), Step::Nothing, "an answer to nobody's question");
    let Step::Ask(second) = fetch.completed(&end(1, Some([5; 36])), [2; 32]) else { panic!("a second page") };
    assert_eq!(
        Request::decode(&second).unwrap(),
        Request { id: [2; 32], cursor: Some([5; 36]), ..first.clone() }
    );
    let Step::Ask(third) = fetch.completed(&end(2, None), [3; 32]) else { panic!("a second query") };
    assert_eq!(Request::decode(&third).unwrap(), Request { id: [3; 32], ..first });
    assert_eq!(fetch.completed(&end(3, None), [4; 32]), Step::Done);
    fetch.heard(1_000);
    fetch.leave();
    fetch.heard(2_000);
    let again = Request::decode(&fetch.begin([5; 32], 3_000).unwrap()).unwrap();
    assert_eq!((again.from, again.to), (1_000 - LOOK_BACK, 3_000), "from when it was last up to date");
}
