//! Names of ENS as recipients, asked of an endpoint of this test's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use undertone_account::{key_text, three_word_name};
use undertone_crypto::{PublicKey, SecretKey};

use crate::{Home, run};

fn somebody(n: u64) -> PublicKey {
    SecretKey::random(&mut undertone_support::rng(n)).public()
}

/// An endpoint for which every name stands for one key, or for none.
struct Endpoint {
    url: String,
    key: Arc<Mutex<Option<PublicKey>>>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret", listener.local_addr().unwrap());
        let key = Arc::new(Mutex::new(None));
        let answers = Arc::clone(&key);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(number) = line.strip_prefix("content-length:") {
                        length = number.trim().parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let request: Value = serde_json::from_slice(&body).unwrap();
                let result = answer(&request, *answers.lock().unwrap());
                let body = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let response = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(response.as_bytes()).unwrap();
            }
        });
        Self { url, key }
    }

    fn stands_for(&self, key: Option<PublicKey>) {
        *self.key.lock().unwrap() = key;
    }
}

fn answer(request: &Value, key: Option<PublicKey>) -> String {
    if request["method"] == "eth_chainId" {
        return "0x1".to_owned();
    }
    let data = request["params"][0]["data"].as_str().or(request["params"][0]["input"].as_str()).unwrap();
    let word = |last: &str| format!("{last:0>64}");
    match &data[2..10] {
        // owner, resolver
        "02571be3" | "0178b8bf" => format!("0x{}", word("1234")),
        "c8690233" => match key {
            Some(key) => format!("0x{}", &key.to_hex()[4..]),
            None => format!("0x{}{}", word(""), word("")),
        },
        _ => format!("0x{}", word("")),
    }
}

/// Whoever wrote to a name, and never added anybody, does not write to its buyer.
#[test]
fn a_name_that_was_written_to_stands_for_its_first_key() {
    let (home, endpoint) = (Home::new(88), Endpoint::start());
    let (alice, mallory) = (somebody(89), somebody(90));
    let ens = |args: &[&str]| {
        let mut command = home.undertone(args);
        run(command.args(["--ens-rpc", &endpoint.url]))
    };
    endpoint.stands_for(Some(alice));
    let queued = ["send", "Alice.eth", "hello", "--wait", "queued"];
    let leads = format!("alice.eth leads to {}, {}", three_word_name(&alice), key_text::chat_key(&alice));
    let first = ens(&queued).expect(0);
    assert!(first.err.contains(&leads), "{}", first.err);
    let second = ens(&queued).expect(0);
    assert!(!second.err.contains("leads to"), "said once: {}", second.err);
    assert!(run(&mut home.undertone(&["contacts", "--json"])).expect(0).lines().is_empty());

    endpoint.stands_for(Some(mallory));
    let (old, new) = (key_text::chat_key(&alice), key_text::chat_key(&mallory));
    let words = ["another key now", &old, &new, "contacts remove alice.eth", "undertone verify"];
    ens(&queued).refused(1, &words);
    ens(&["contacts", "add", "alice.eth"]).refused(1, &words);
    ens(&["verify", "alice.eth"]).refused(1, &words);

    // It stays to be seen, without an endpoint too.
    let seen = || run(&mut home.undertone(&["contacts", "--json"])).expect(0).lines();
    let [person] = &seen()[..] else { panic!("{:?}", seen()) };
    let changed = &person["keyChanged"];
    assert_eq!(person["publicKey"], alice.to_hex());
    assert_eq!((&changed["name"], &changed["leadsTo"]), (&"alice.eth".into(), &new.as_str().into()));
    assert!(changed["at"].as_u64().is_some());
    assert!(run(&mut home.undertone(&["contacts"])).expect(0).out.contains("key changed"));
    let shown = run(&mut home.undertone(&["contacts", "show", &old])).expect(0).out;
    for word in ["key changed", "alice.eth leads to another key", &new] {
        assert!(shown.contains(word), "{word} in {shown}");
    }

    // Who compares the key knows that it is right; the name still stands for nobody else.
    let code = run(&mut home.undertone(&["verify", &old, "--json"])).expect(0).json()["code"].clone();
    run(&mut home.undertone(&["verify", &old, "--code", code.as_str().unwrap()])).expect(0);
    let [person] = &seen()[..] else { panic!("{:?}", seen()) };
    assert_eq!((&person["state"], &person["keyChanged"]), (&"verified".into(), &Value::Null));
    ens(&queued).refused(1, &words);
    assert_eq!(seen()[0]["keyChanged"]["name"], "alice.eth");

    // Who removes the person takes the name as new, with an endpoint as well.
    ens(&["contacts", "remove", "alice.eth"]).expect(0);
    assert!(seen().is_empty());
    let anew = ens(&queued).expect(0);
    assert!(anew.err.contains(&format!("alice.eth leads to {}", three_word_name(&mallory))), "{}", anew.err);
}

#[test]
fn a_name_leads_to_its_key_and_to_no_other() {
    let (home, endpoint) = (Home::new(95), Endpoint::start());
    let (alice, mallory) = (somebody(96), somebody(97));
    let ens = |args: &[&str]| {
        let mut command = home.undertone(args);
        run(command.args(["--ens-rpc", &endpoint.url]))
    };
    endpoint.stands_for(Some(alice));
    let queued = ["send", "Alice.eth", "hello", "--wait", "queued"];
    ens(&queued).expect(0);
    let added = ens(&["contacts", "add", "Alice.eth", "--json"]).expect(0).json();
    assert_eq!((&added["nickname"], &added["publicKey"]), (&"alice.eth".into(), &alice.to_hex().into()));

    // Without an endpoint, the name is that of the contact; others are off, and how they are switched on is said.
    let mut offline = home.undertone(&["contacts", "show", "alice.eth", "--json"]);
    assert_eq!(run(&mut offline).expect(0).json()["publicKey"], alice.to_hex());
    let off = run(&mut home.undertone(&["send", "bob.eth", "hello", "--wait", "queued"]));
    off.refused(2, &["bob.eth", "--ens-rpc URL", "UNDERTONE_ENS_RPC"]);
    let mut by_environment = home.undertone(&["contacts", "show", "alice.eth", "--json"]);
    by_environment.env("UNDERTONE_ENS_RPC", &endpoint.url);
    assert_eq!(run(&mut by_environment).expect(0).json()["publicKey"], alice.to_hex());

    let file = home.data().join("ens-rpc");
    std::fs::write(&file, format!("{}\n", endpoint.url)).unwrap();
    let queued_by_file = run(&mut home.undertone(&["send", "dave.eth", "hello", "--wait", "queued"]));
    queued_by_file.expect(0);
    std::fs::remove_file(&file).unwrap();

    // The name is sold: whoever writes to Alice does not write to Mallory.
    endpoint.stands_for(Some(mallory));
    let words = ["another key now", &key_text::chat_key(&mallory), &key_text::chat_key(&alice)];
    ens(&queued).refused(1, &words);
    ens(&["contacts", "add", "alice.eth"]).refused(1, &words);
    ens(&["verify", "alice.eth"]).refused(1, &words);
    endpoint.stands_for(None);
    ens(&["contacts", "add", "carol.eth"]).refused(1, &["carol.eth leads to no chat key"]);

    // What goes wrong says nothing of the endpoint's secret.
    let mut absent = home.undertone(&["send", "carol.eth", "x"]);
    let ended = run(absent.args(["--ens-rpc", "http://127.0.0.1:1/secret"]));
    assert!(!ended.err.contains("secret"), "{}", ended.err);
    ended.refused(1, &["look up carol.eth"]);
    let user_info = "https://me:secret@node.example";
    for url in ["http://127.0.0.1:1/secret?key=secret", user_info, &format!("{}?key=secret", endpoint.url)] {
        let mut loud = home.undertone(&["contacts", "add", "carol.eth", "-vv", "--ens-rpc", url]);
        let ended = run(loud.env("RUST_LOG", "trace"));
        assert!(!format!("{ended:?}").contains("secret"), "{ended:#?}");
        assert_eq!(ended.code, Some(if url == user_info { 2 } else { 1 }), "{ended:#?}");
    }
    let mut wrong = home.undertone(&["send", "carol.eth", "x"]);
    run(wrong.args(["--ens-rpc", "http://example.org/secret"])).refused(2, &["--ens-rpc", "https"]);
    run(&mut home.undertone(&["send", "a b.eth", "x"])).refused(2, &["a b.eth"]);
}
