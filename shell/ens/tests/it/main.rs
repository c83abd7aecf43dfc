//! Questions to endpoints on loopback: right ones, wrong ones and hostile ones.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod server;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use undertone_crypto::PublicKey;
use undertone_ens::{AnswerFault, Ens, EnsConfig, EnsError, EnsName, Unreachable, Verdict, limits};

use undertone_support::{Exchange, Replay};

use crate::server::{Server, http};

/// Long enough for a busy machine; where a test waits for it, it is shorter.
const PATIENT: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(300);

fn ens(server: &Server, timeout: Duration) -> Ens {
    let mut config = EnsConfig::new(server.endpoint());
    config.timeout = timeout;
    Ens::new(config)
}

fn name(text: &str) -> EnsName {
    EnsName::claimed(text).unwrap()
}

/// What geth 1.9.7 and the contracts of ENS have answered to this client; the file says how it was recorded.
fn recorded() -> Value {
    undertone_vectors::load("ens_rpc")
}

fn exchanges(case: &Value) -> Vec<Exchange> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let exchanges = case["exchanges"].as_array().unwrap().iter();
    exchanges.map(|e| Exchange { request: text(&e["request"]), answer: text(&e["answer"]) }).collect()
}

fn replayed(server: &Replay, timeout: Duration) -> Ens {
    let mut config = EnsConfig::new(server.url().parse().unwrap());
    config.timeout = timeout;
    Ens::new(config)
}

fn of_case(case: &Value) -> EnsName {
    name(case["name"].as_str().unwrap())
}

fn key_of(case: &Value) -> Option<PublicKey> {
    case["key"].as_str().map(|key| PublicKey::from_hex(key).unwrap())
}

fn any_key() -> PublicKey {
    PublicKey::from_hex(recorded()["people"]["alice"]["key"].as_str().unwrap()).unwrap()
}

/// Each request is the recorded one, byte for byte, and none is spared or made twice.
#[tokio::test]
async fn names_stand_for_keys_or_for_none() {
    let file = recorded();
    let cases = file["keys"].as_array().unwrap();
    let (mut some, mut none) = (0, 0);
    for case in cases {
        let exchanges = exchanges(case);
        let (count, server) = (exchanges.len(), Replay::in_order(exchanges));
        let got = replayed(&server, PATIENT).resolve(&of_case(case)).await;
        assert_eq!(got, Ok(key_of(case)), "{}", case["what"]);
        assert_eq!(server.answered(), count, "{}", case["what"]);
        *(if key_of(case).is_some() { &mut some } else { &mut none }) += 1;
    }
    assert_eq!((some, none), (9, 13));
}

#[tokio::test]
async fn a_claim_is_compared_with_all_of_the_key() {
    let file = recorded();
    let (cases, claimed) = (file["keys"].as_array().unwrap(), any_key());
    let verdict = async |n: usize| {
        let server = Replay::in_order(exchanges(&cases[n]));
        replayed(&server, PATIENT).verify(&of_case(&cases[n]), &claimed).await.unwrap()
    };
    for (n, case) in cases.iter().enumerate() {
        let want = match key_of(case) {
            Some(key) if key == claimed => Verdict::Verified,
            Some(key) => Verdict::OtherKey(key),
            None => Verdict::NoKey,
        };
        assert_eq!(verdict(n).await, want, "{}", case["what"]);
    }
    let at = |name: &str| cases.iter().position(|case| case["name"] == name).unwrap();
    let negated = key_of(&cases[at("negated.eth")]).unwrap();
    assert_eq!((negated.x(), verdict(at("negated.eth")).await), (claimed.x(), Verdict::OtherKey(negated)));
    // The same name at two times.
    let sold = at("sold.eth");
    assert_eq!(cases[sold + 1]["name"], "sold.eth");
    let [before, after] = [verdict(sold).await, verdict(sold + 1).await];
    assert_eq!(before, Verdict::Verified);
    assert!(matches!(after, Verdict::OtherKey(_)));
}

/// The deviation from the original's probe: see `Shared::key`. What a resolver says is its owner's word, never a failure
/// of the endpoint.
#[tokio::test]
async fn a_resolver_that_is_none_has_no_key() {
    let file = recorded();
    let none = ["no-method", "no-contract", "reverts", "mute", "invalid", "short"];
    let cases = file["keys"].as_array().unwrap().iter();
    let mut seen = 0;
    for case in cases.filter(|case| none.iter().any(|n| case["name"] == format!("{n}.eth"))) {
        let server = Replay::in_order(exchanges(case));
        let got = replayed(&server, PATIENT).verify(&of_case(case), &any_key()).await;
        assert_eq!(got, Ok(Verdict::NoKey), "{}", case["what"]);
        seen += 1;
    }
    assert_eq!(seen, none.len());
    // Newer nodes tell a revert by an error: with the reason as data, by its text alone, by a code of their own.
    for error in [
        json!({ "code": 3, "message": "execution reverted: no", "data": "0x08c379a0" }),
        json!({ "code": -32_000, "message": "execution reverted" }),
        json!({ "code": -32_015, "message": "VM execution error.", "data": "Reverted 0x" }),
    ] {
        let server = Server::start(Box::new(move |request| {
            let of_resolver =
                request["params"][0]["data"].as_str().is_some_and(|d| d.starts_with("0xc8690233"));
            match (request["method"] == "eth_chainId", of_resolver) {
                (true, _) => result(&request, "0x1"),
                (false, false) => result(&request, &format!("0x{:0>64}", "1234")),
                (false, true) => {
                    http(200, json!({ "id": request["id"], "error": error }).to_string().as_bytes())
                }
            }
        }));
        let got = ens(&server, PATIENT).resolve(&name("alice.eth")).await;
        assert_eq!(got, Ok(None));
    }
}

#[tokio::test]
async fn names_stand_for_addresses() {
    let file = recorded();
    let cases = file["addresses"].as_array().unwrap();
    for case in cases {
        let server = Replay::in_order(exchanges(case));
        let got = replayed(&server, PATIENT).address(&of_case(case)).await.unwrap();
        let got = got.map(const_hex::encode_prefixed);
        assert_eq!(got.as_deref(), case["address"].as_str(), "{}", case["what"]);
    }
    assert_eq!(cases.len(), 4);
}

/// What nodes say that do not answer: recorded from geth where it can be made to say so.
#[tokio::test]
async fn nodes_that_do_not_answer_are_errors_and_never_verdicts() {
    let file = recorded();
    let cases = file["refusals"].as_array().unwrap();
    for case in cases {
        let exchanges = exchanges(case);
        let (count, server) = (exchanges.len(), Replay::in_order(exchanges));
        let got = replayed(&server, PATIENT).verify(&of_case(case), &any_key()).await;
        assert_eq!(
            got.map_err(|error| error.code()),
            Err(case["code"].as_str().unwrap()),
            "{}",
            case["what"]
        );
        assert_eq!(server.answered(), count, "{}", case["what"]);
    }
    assert_eq!(cases.len(), 7);
}

/// The chain is asked for once, the connection lives on, and clones share both.
#[tokio::test]
async fn a_second_question_asks_less() {
    let first = exchanges(&recorded()["keys"][0]);
    let mut twice = first.clone();
    for (n, exchange) in first[1..].iter().enumerate() {
        // The next number for the same question.
        let renumbered =
            |text: &str| text.replace(&format!("\"id\":{}", n + 2), &format!("\"id\":{}", n + 5));
        let (request, answer) = (renumbered(&exchange.request), renumbered(&exchange.answer));
        assert_ne!((&request, &answer), (&exchange.request, &exchange.answer));
        twice.push(Exchange { request, answer });
    }
    let server = Replay::in_order(twice);
    let ens = replayed(&server, PATIENT);
    let second = ens.clone();
    let alice = name("alice.stateofus.eth");
    assert_eq!(ens.resolve(&alice).await, second.resolve(&alice).await);
    assert_eq!(server.answered(), 7);
}

/// Some endpoints let `eth_call` alone through, and old ones have no `eth_chainId`.
#[tokio::test]
async fn an_endpoint_that_cannot_say_its_chain_is_asked_otherwise_and_then_believed() {
    let no_such_method = |request: &Value| {
        let error = json!({ "code": -32_601, "message": "the method does not exist" });
        http(200, json!({ "id": request["id"], "error": error }).to_string().as_bytes())
    };
    for (network, want) in [
        (Some("1"), Ok(None)),
        (None, Ok(None)),
        (Some("5"), Err(EnsError::Chain { got: 5, want: 1 })),
        (Some("+1"), Err(EnsError::Answer(AnswerFault::Hex))),
        (Some("0x1"), Err(EnsError::Answer(AnswerFault::Hex))),
    ] {
        let server =
            Server::start(Box::new(move |request| match (request["method"].as_str().unwrap(), network) {
                ("eth_call", _) => result(&request, &format!("0x{}", "00".repeat(32))),
                ("net_version", Some(network)) => result(&request, network),
                _ => no_such_method(&request),
            }));
        assert_eq!(ens(&server, PATIENT).resolve(&name("alice.eth")).await, want, "{network:?}");
    }
}

fn answering(method: &'static str, with: fn(&Value) -> Vec<u8>) -> Server {
    Server::start(Box::new(move |request| {
        if request["method"] == method {
            with(&request)
        } else {
            http(200, json!({ "id": request["id"], "result": "0x1" }).to_string().as_bytes())
        }
    }))
}

fn result(request: &Value, result: &str) -> Vec<u8> {
    http(200, json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string().as_bytes())
}

#[tokio::test]
async fn wrong_answers_are_errors_and_never_verdicts() {
    /// What is asked for, the answer to it, and what comes of it.
    type Case = (&'static str, fn(&Value) -> Vec<u8>, EnsError);
    let cases: [Case; 24] = [
        ("eth_chainId", |r| result(r, "0xaa36a7"), EnsError::Chain { got: 11_155_111, want: 1 }),
        ("eth_chainId", |r| result(r, "1"), EnsError::Answer(AnswerFault::Hex)),
        ("eth_chainId", |r| result(r, "0x"), EnsError::Answer(AnswerFault::Hex)),
        ("eth_chainId", |r| result(r, "0x+1"), EnsError::Answer(AnswerFault::Hex)),
        ("eth_chainId", |r| result(r, "0x11111111111111111"), EnsError::Answer(AnswerFault::Hex)),
        ("eth_chainId", |r| result(r, "0x0"), EnsError::Behind),
        ("eth_call", |r| result(r, "0x"), EnsError::Behind),
        ("eth_call", |r| result(r, "11"), EnsError::Answer(AnswerFault::Hex)),
        ("eth_call", |r| result(r, "0x1"), EnsError::Answer(AnswerFault::Hex)),
        ("eth_call", |r| result(r, &format!("0x{}", "é".repeat(32))), EnsError::Answer(AnswerFault::Hex)),
        (
            "eth_call",
            |r| result(r, &format!("0x{}", "11".repeat(32))),
            EnsError::Answer(AnswerFault::Address),
        ),
        ("eth_call", |r| result(r, &format!("0x{}", "00".repeat(33))), EnsError::Answer(AnswerFault::Length)),
        (
            "eth_call",
            |r| {
                let refusal =
                    json!({ "id": r["id"], "error": { "code": -32005, "message": "limit exceeded" } });
                http(200, refusal.to_string().as_bytes())
            },
            EnsError::Refused(-32_005),
        ),
        (
            "eth_call",
            |r| {
                let revert =
                    json!({ "id": r["id"], "error": { "code": 3, "message": "execution reverted" } });
                http(200, revert.to_string().as_bytes())
            },
            EnsError::Answer(AnswerFault::Length),
        ),
        ("eth_call", |_| http(200, br#"{"id":999,"result":"0x00"}"#), EnsError::Answer(AnswerFault::Id)),
        ("eth_call", |_| http(200, b"<html>log in first</html>"), EnsError::Answer(AnswerFault::Json)),
        ("eth_call", |_| http(200, &[b'['; 10_000]), EnsError::Answer(AnswerFault::Json)),
        ("eth_call", |_| http(200, &vec![b' '; 1 << 20]), EnsError::TooLarge),
        ("eth_call", |_| http(429, b""), EnsError::HttpStatus(429)),
        ("eth_call", |_| http(500, b"internal error"), EnsError::HttpStatus(500)),
        ("eth_call", |r| http(502, &result(r, "0x")), EnsError::HttpStatus(502)),
        (
            "eth_call",
            |_| http(200, br#"{"jsonrpc":"2.0","id":2,"result":"0x"#),
            EnsError::Answer(AnswerFault::Json),
        ),
        ("eth_call", |_| http(307, b""), EnsError::HttpStatus(307)),
        ("eth_call", |_| http(302, b""), EnsError::HttpStatus(302)),
    ];
    for (method, answer, want) in cases {
        let server = answering(method, answer);
        let got = ens(&server, PATIENT).verify(&name("alice.eth"), &any_key()).await;
        assert_eq!(got, Err(want), "{}", want.code());
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    for bytes in
        [&b""[..], b"\0\xff", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", b"220 mail.example\r\n"]
    {
        let server = Server::start(Box::new(move |_| bytes.to_vec()));
        let error = ens(&server, PATIENT).resolve(&name("alice.eth")).await.unwrap_err();
        let expected =
            matches!(error, EnsError::Unreachable(Unreachable::Connection | Unreachable::Protocol));
        assert!(expected, "{bytes:?}: {error:?}");
    }
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(limits::MAX_ANSWER_HEAD));
    let server = Server::start(Box::new(move |_| head.as_bytes().to_vec()));
    assert!(ens(&server, PATIENT).resolve(&name("alice.eth")).await.is_err());
}

/// An answer without an end is cut off, however it is sent.
#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = Server::each(|mut stream, _| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut alive = stream.write_all(head).is_ok();
        while alive {
            alive = stream.write_all(b"400\r\n").is_ok()
                && stream.write_all(&[b' '; 0x400]).is_ok()
                && stream.write_all(b"\r\n").is_ok();
        }
    });
    assert_eq!(ens(&server, PATIENT).resolve(&name("alice.eth")).await, Err(EnsError::TooLarge));
}

#[tokio::test]
async fn silence_and_dawdling_run_out_of_time() {
    let mut held = Vec::new();
    let silent = Server::each(move |stream, _| held.push(stream));
    let dawdling = Server::each(|mut stream, _| {
        // A byte at a time, each within any time limit for a single read.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        let gone = || stream.write_all(b"a").is_err();
        undertone_support::until(PATIENT, gone);
    });
    for server in [silent, dawdling] {
        let begun = Instant::now();
        assert_eq!(ens(&server, SHORT).resolve(&name("alice.eth")).await, Err(EnsError::Timeout));
        assert!(begun.elapsed() < PATIENT);
    }
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let free = undertone_support::lasting_port();
    let config = EnsConfig::new(format!("http://127.0.0.1:{free}").parse().unwrap());
    let error = Ens::new(config).resolve(&name("alice.eth")).await.unwrap_err();
    assert_eq!(error, EnsError::Unreachable(Unreachable::Connection));
}

/// No TLS, and TLS with a certificate that nobody vouches for: nothing is asked.
#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let plain = Server::start(Box::new(|request| result(&request, "0x1")));
    let config = tls();
    let forged = Server::each(move |mut stream, asked| {
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                return;
            }
        }
        asked.lock().unwrap().push(Value::Null);
    });
    for (server, on_tls) in [(plain, false), (forged, true)] {
        let mut config = EnsConfig::new(server.secure_endpoint());
        config.timeout = PATIENT;
        let error = Ens::new(config).resolve(&name("alice.eth")).await.unwrap_err();
        assert!(matches!(error, EnsError::Unreachable(_)), "{error:?}");
        assert!(!on_tls || error == EnsError::Unreachable(Unreachable::Tls), "{error:?}");
        assert_eq!(server.asked(), 0);
    }
}

fn tls() -> Arc<rustls::ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/localhost.key.pem")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![certificate], key).unwrap())
}

/// More questions than may be under way at once: all are answered, and a cancelled one gives its place back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_questions_wait_for_each_other() {
    let server = Server::start(Box::new(|request| result(&request, &format!("0x{}", "00".repeat(32)))));
    let mut config = EnsConfig::new(server.endpoint());
    config.chain = 0;
    config.timeout = PATIENT;
    let ens = Ens::new(config);
    let alice = name("alice.eth");
    for _ in 0..limits::MAX_QUESTIONS * 2 {
        tokio::select! {
            biased;
            _ = ens.resolve(&alice) => panic!("an answer before the question has left"),
            () = std::future::ready(()) => {}
        }
    }
    for _ in 0..limits::MAX_QUESTIONS * 2 {
        assert_eq!(ens.resolve(&alice).await, Ok(None));
    }
}

#[test]
fn codes_are_stable_and_differ() {
    let errors = [
        EnsError::Answer(AnswerFault::Address),
        EnsError::Answer(AnswerFault::Hex),
        EnsError::Answer(AnswerFault::Id),
        EnsError::Answer(AnswerFault::Json),
        EnsError::Answer(AnswerFault::Length),
        EnsError::Behind,
        EnsError::Chain { got: 2, want: 1 },
        EnsError::HttpStatus(500),
        EnsError::Refused(-1),
        EnsError::Stopped,
        EnsError::Timeout,
        EnsError::TooLarge,
        EnsError::Unreachable(Unreachable::Connection),
        EnsError::Unreachable(Unreachable::Host),
        EnsError::Unreachable(Unreachable::Protocol),
        EnsError::Unreachable(Unreachable::Tls),
    ];
    let codes: std::collections::BTreeSet<_> = errors.iter().map(EnsError::code).collect();
    assert_eq!(codes.len(), errors.len());
    assert!(codes.iter().all(|code| code.starts_with("ens.")));
}
