//! `undertone dns`: a list is signed, published by a name server of ten lines, and read back.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

use serde_json::Value;
use tempfile::TempDir;
use undertone_devp2p::NodeKey;
use undertone_devp2p::enr::{Entries, Record};

use crate::{Ended, run, run_with, undertone};

const KEY: &str = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";

fn record(seed: u8) -> Record {
    let key = NodeKey::from_hex(&format!("{seed:02x}").repeat(32)).unwrap();
    let entries = Entries::default().with_ip([10, 0, 0, seed].into()).with_tcp(30303).with_udp(30303);
    Record::sign(&key, 1, &entries).unwrap()
}

fn sign(dir: &TempDir, nodes: &str, args: &[&str]) -> Ended {
    std::fs::write(dir.path().join("key"), KEY).unwrap();
    let mut command = undertone();
    command.args(["dns", "sign", "--domain", "Nodes.Example", "--seq", "3", "-"]).args(args);
    run_with(command.arg("--key").arg(dir.path().join("key")), nodes)
}

/// Answers for these names until the test ends.
fn name_server(zone: BTreeMap<String, String>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 1_024];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(&answer(&query[..length], &zone), from);
        }
    });
    address
}

/// RFC 1035 4.1: header, the question again, and one TXT record that points back at its name.
fn answer(query: &[u8], zone: &BTreeMap<String, String>) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..=at + length].to_vec()).unwrap().to_lowercase());
        at += length + 1;
    }
    let text = zone.get(&labels.join("."));
    let mut out = query[..2].to_vec();
    let code = if text.is_some() { 0x80 } else { 0x83 };
    out.extend([0x84, code, 0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0]);
    out.extend(&query[12..at + 5]);
    if let Some(text) = text {
        let data: Vec<u8> = text
            .as_bytes()
            .chunks(255)
            .flat_map(|part| std::iter::once(u8::try_from(part.len()).unwrap()).chain(part.iter().copied()))
            .collect();
        out.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 9]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    out
}

/// The records of a list as `--json` gives them.
fn zone(signed: &Value) -> BTreeMap<String, String> {
    let records = signed["records"].as_object().unwrap();
    records.iter().map(|(name, text)| (name.to_lowercase(), text.as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_list_is_signed_published_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut records: Vec<String> = (1..=5).map(|seed| record(seed).to_string()).collect();
    let nodes = format!("# ours\n{}\n", records.join("\n"));
    let signed = sign(&dir, &nodes, &["--json"]).expect(0).json();
    assert_eq!((&signed["domain"], &signed["nodes"]), (&"nodes.example".into(), &5.into()));
    let link = signed["link"].as_str().unwrap();
    let zone = zone(&signed);
    let list = |server: SocketAddr, link: &str| {
        run(undertone().args(["dns", "list", link, "--json", "--server", &server.to_string()]))
    };
    let read = list(name_server(zone.clone()), link).expect(0);
    assert!(read.err.contains("5 nodes, 0 links, seq 3; every signature is valid"), "{}", read.err);
    let mut enrs: Vec<String> =
        read.lines().iter().map(|line| line["enr"].as_str().unwrap().to_owned()).collect();
    enrs.sort();
    records.sort();
    assert_eq!(enrs, records);

    // Signed by another key, changed on the way, and not all there.
    let other = link.replacen(&link[10..63], "AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE", 1);
    list(name_server(zone.clone()), &other).refused(1, &["invalid signature", "another key"]);
    let below = zone.iter().find(|(_, text)| text.starts_with("enr:")).unwrap().0.clone();
    let mut changed = zone.clone();
    changed.insert(below.clone(), record(9).to_string());
    list(name_server(changed), link).refused(1, &["not the one that was named"]);
    let mut partly = zone;
    partly.remove(&below);
    list(name_server(partly), link).refused(1, &["no entry under a name"]);
}

#[test]
fn the_zone_file_holds_what_json_holds() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = format!("{}\n{}\n", record(1), record(2));
    let other = "enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@other.example";
    let signed = sign(&dir, &nodes, &["--json", "--link", other]).expect(0).json();
    let file = sign(&dir, &nodes, &["--link", other]).expect(0).out;
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with(';')).collect();
    assert_eq!(lines.len(), signed["records"].as_object().unwrap().len());
    assert!(lines[0].starts_with("nodes.example.\t1800\tIN\tTXT\t\"enrtree-root:v1 "), "{}", lines[0]);
    for (name, text) in signed["records"].as_object().unwrap() {
        let line = lines.iter().find(|line| line.starts_with(&format!("{name}.\t"))).expect(name);
        let written: String = line.split("TXT\t").nth(1).unwrap().split("\" \"").collect();
        assert_eq!(written.trim_matches('"'), text.as_str().unwrap());
    }
    assert!(file.starts_with(&format!("; {}", signed["link"].as_str().unwrap())));
}

#[test]
fn what_cannot_be_signed_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let enode = record(1).to_enode().to_string();
    sign(&dir, &enode, &[]).refused(1, &["line 1", "signed itself", "enr"]);
    sign(&dir, "# nobody\n", &[]).refused(1, &["no record"]);
    let mut command = undertone();
    command.args(["dns", "sign", "--domain", "a.example", "-", "--key"]).arg(dir.path().join("absent"));
    run_with(&mut command, "").refused(1, &["no key file", "--genkey"]);
    let mut command = undertone();
    command.args(["dns", "sign", "--domain", "a..b", "-", "--key"]).arg(dir.path().join("key"));
    run_with(&mut command, &record(1).to_string()).refused(2, &["--domain", "nodes.example.org"]);
}

#[test]
fn a_text_is_read_aloud() {
    let show = |text: &str| run(undertone().args(["dns", "show", text, "--json"])).expect(0).json();
    let record = record(7);
    let shown = show(&record.to_string());
    assert_eq!((&shown["kind"], &shown["signature"]), (&"node record".into(), &"valid".into()));
    assert_eq!((&shown["entries"]["ip"], &shown["entries"]["tcp"]), (&"10.0.0.7".into(), &"30303".into()));
    assert_eq!(shown["enode"], record.to_enode().to_string());
    let enode = show(&record.to_enode().to_string());
    assert_eq!((&enode["tcp"], &enode["nodeid"]), (&30303.into(), &shown["nodeid"]));
    let link = "enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@other.example";
    assert_eq!(show(link)["name"], "other.example");
    let forged = record.to_string().replacen("enr:-", "enr:_", 1);
    run(undertone().args(["dns", "show", &forged])).refused(1, &["not a valid record"]);
}
