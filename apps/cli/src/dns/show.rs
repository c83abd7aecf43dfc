//! `undertone dns show`: what a text of discovery says.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value, json};
use undertone_devp2p::dnsdisc::{Entry, Link, Root};
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, Host, NodeId};

use crate::Usage;
use crate::output::{BOLD, DIM, GOOD, Ui, paint, printable};

/// Lines of label and value, and the same as JSON.
struct Sheet {
    kind: &'static str,
    lines: Vec<(String, String)>,
    json: Map<String, Value>,
}

impl Sheet {
    fn new(kind: &'static str) -> Self {
        let json = Map::from_iter([("kind".to_owned(), Value::from(kind))]);
        Self { kind, lines: Vec::new(), json }
    }

    fn add(&mut self, label: &str, value: impl std::fmt::Display, json: impl Into<Value>) {
        self.lines.push((label.to_owned(), value.to_string()));
        self.json.insert(label.replace(' ', ""), json.into());
    }

    fn text(&mut self, label: &str, value: impl std::fmt::Display) {
        let text = value.to_string();
        self.add(label, &text, text.clone());
    }

    fn number(&mut self, label: &str, value: u64) {
        self.add(label, value, value);
    }

    fn print(self, ui: &Ui) {
        if ui.json {
            return ui.object(&Value::Object(self.json));
        }
        ui.line(&paint(BOLD, self.kind));
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        for (label, value) in &self.lines {
            ui.line(&format!("  {}  {value}", paint(DIM, format!("{label:width$}"))));
        }
    }
}

pub(crate) fn run(text: &str, ui: &Ui) -> Result<ExitCode> {
    let text = text.trim();
    let sheet = match text {
        _ if text.starts_with("enr:") => {
            let record: Record = text.parse().map_err(|error| anyhow!("not a valid record: {error}"))?;
            record_sheet(&record)
        }
        _ if Root::is_root(text) => root_sheet(&text.parse()?),
        _ if Entry::is_entry(text) => match text.parse()? {
            Entry::Branch(children) => branch_sheet(&children),
            Entry::Link(link) => link_sheet(&link),
            Entry::Node(record) => record_sheet(&record),
        },
        _ if text.contains("://") || text.len() == 128 => {
            enode_sheet(&text.parse().map_err(|error| Usage(format!("not a valid enode: {error}")))?)
        }
        _ => {
            let forms = "enr:…, enode://…, enrtree://…@name or a text of a node list";
            return Err(Usage(format!("expected {forms}")).into());
        }
    };
    sheet.print(ui);
    Ok(ExitCode::SUCCESS)
}

fn record_sheet(record: &Record) -> Sheet {
    let mut sheet = Sheet::new("node record");
    sheet.add("signature", paint(GOOD, "valid"), "valid");
    sheet.number("seq", record.seq());
    sheet.text("node id", record.id());
    let mut entries = Map::new();
    for (key, raw) in record.pairs() {
        let key = printable(&String::from_utf8_lossy(key));
        let value = value(record, &key, raw);
        sheet.lines.push((key.clone(), value.clone()));
        entries.insert(key, value.into());
    }
    sheet.json.insert("entries".to_owned(), entries.into());
    sheet.text("enode", record.to_enode());
    let size = record.as_bytes().len();
    sheet.add("size", format!("{size} bytes"), size);
    sheet
}

/// A value as it is meant, where the meaning is known; what does not have the form of its key is shown as bytes.
fn value(record: &Record, key: &str, raw: &[u8]) -> String {
    let known = match key {
        "ip" => record.ip().map(|ip| ip.to_string()),
        "ip6" => record.ip6().map(|ip| ip.to_string()),
        "tcp" => record.tcp().map(|port| port.to_string()),
        "udp" => record.udp().map(|port| port.to_string()),
        "tcp6" => record.tcp6().map(|port| port.to_string()),
        "udp6" => record.udp6().map(|port| port.to_string()),
        "secp256k1" => Some(hex(&record.key().to_compressed())),
        _ => short_text(raw),
    };
    known.unwrap_or_else(|| format!("{} (RLP)", hex(raw)))
}

/// A short RLP string that is readable text.
fn short_text(raw: &[u8]) -> Option<String> {
    let text = match raw {
        [header @ 0x81..=0xb7, text @ ..] if usize::from(*header) == 0x80 + text.len() => text,
        [byte] if byte.is_ascii_graphic() => raw,
        _ => return None,
    };
    let readable = text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    readable.then(|| String::from_utf8_lossy(text).into_owned())
}

fn root_sheet(root: &Root) -> Sheet {
    let mut sheet = Sheet::new("root of a node list");
    sheet.add("signature", "needs the list's address to be checked (undertone dns list)", Value::Null);
    sheet.number("seq", root.seq);
    sheet.text("nodes", &root.nodes);
    sheet.text("links", &root.links);
    sheet
}

fn branch_sheet(children: &[undertone_devp2p::dnsdisc::TreeHash]) -> Sheet {
    let mut sheet = Sheet::new("branch of a node list");
    let names: Vec<Value> = children.iter().map(|child| child.to_string().into()).collect();
    sheet.number("children", u64::try_from(children.len()).unwrap_or_default());
    sheet.lines.extend(children.iter().map(|child| (String::new(), child.to_string())));
    sheet.json.insert("hashes".to_owned(), names.into());
    sheet
}

fn link_sheet(link: &Link) -> Sheet {
    let mut sheet = Sheet::new("address of a node list");
    sheet.text("name", link.domain());
    sheet.text("signed by", link.key().to_hex());
    sheet
}

fn enode_sheet(enode: &Enode) -> Sheet {
    let mut sheet = Sheet::new("enode");
    sheet.add("signature", "none: an enode is a claim, a record (enr:…) is signed", Value::Null);
    sheet.text("node id", NodeId::of(enode.key()));
    sheet.text("public key", enode.key().to_hex());
    match enode.endpoint() {
        None => sheet.add("endpoint", "none: it must be looked up by discovery", Value::Null),
        Some(endpoint) => {
            match &endpoint.host {
                Host::Ip(ip) => sheet.text("ip", ip),
                Host::Name(name) => sheet.text("name", name),
            }
            sheet.number("tcp", endpoint.tcp.into());
            match endpoint.udp {
                0 => sheet.add("udp", "none: it takes no part in discovery", json!(0)),
                udp => sheet.number("udp", udp.into()),
            }
        }
    }
    sheet
}

fn hex(bytes: &[u8]) -> String {
    const_hex::encode_prefixed(bytes)
}

#[cfg(test)]
mod tests {
    use super::short_text;

    #[test]
    fn only_whole_readable_strings_are_text() {
        assert_eq!(short_text(b"\x82v4").as_deref(), Some("v4"));
        assert_eq!(short_text(b"a").as_deref(), Some("a"));
        for other in [&b""[..], b"\x80", b"\x83v4", b"\x82v\x1b", b"\xc2v4", b"\x01"] {
            assert_eq!(short_text(other), None, "{other:?}");
        }
    }
}
