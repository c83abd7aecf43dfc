//! `undertone dns sign`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;
use undertone_devp2p::dnsdisc::{DnsError, Tree};
use undertone_devp2p::enr::Record;
use undertone_devp2p::limits::MAX_DNS_ENTRIES;
use undertone_devp2p::{Enode, NodeKey};

use crate::Usage;
use crate::args::SignArgs;
use crate::output::{BOLD, DIM, GOOD, Ui, count, paint};

/// Largest list of records in bytes that is read.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// How long a resolver may keep the root, in seconds: as long as readers wait before they look again (`devp2p.md` 5).
const ROOT_TTL: u32 = 1_800;
/// How long it may keep the rest, in seconds: a text never changes, its name is its hash. Our choice: a day.
const ENTRY_TTL: u32 = 86_400;
/// Longest string of a TXT record in bytes (RFC 1035 3.3).
const MAX_STRING: usize = 255;

pub(crate) fn run(args: &SignArgs, ui: &Ui) -> Result<ExitCode> {
    let key = key(&args.key)?;
    let records = records(&read(&args.nodes)?, &args.nodes)?;
    let entries = records.len() + args.links.len();
    ensure!(entries > 0, "{} holds no record: nothing to sign", args.nodes.display());
    let seq = args.seq.unwrap_or_else(now_secs);
    let nodes: Vec<Record> = records.into_values().collect();
    let tree = Tree::build(&nodes, &args.links, seq, &key);
    let link = tree.link(&args.domain).map_err(|_: DnsError| {
        Usage(format!("--domain {:?} is no name: use one such as nodes.example.org", args.domain))
    })?;
    let zone = tree.records(link.domain());
    warn(&nodes, zone.len(), ui);

    if ui.json {
        ui.object(&json!({
            "link": link.to_string(),
            "domain": link.domain(),
            "seq": seq,
            "nodes": nodes.len(),
            "links": args.links.len(),
            "records": zone,
        }));
    } else {
        ui.line(&format!("; {link}"));
        ui.line(&format!("; {}, seq {seq}", count(nodes.len(), "node")));
        // The root first: it is what changes.
        let (root, rest): (Vec<_>, Vec<_>) = zone.iter().partition(|(name, _)| *name == link.domain());
        root.into_iter().for_each(|(name, text)| ui.line(&zone_line(name, ROOT_TTL, text)));
        rest.into_iter().for_each(|(name, text)| ui.line(&zone_line(name, ENTRY_TTL, text)));
    }
    let made =
        format!("{}, {} to publish under", count(nodes.len(), "node"), count(zone.len(), "TXT record"));
    ui.note(&format!("{} {made} {}", paint(GOOD, "✓"), paint(BOLD, link.domain())));
    ui.note(&format!("{} {link}", paint(DIM, "readers need:")));
    Ok(ExitCode::SUCCESS)
}

/// One line of a master file (RFC 1035 5.1). What entries are made of needs no escape, but nothing else gets out.
fn zone_line(name: &str, ttl: u32, text: &str) -> String {
    let escaped = |part: &str| part.replace('\\', "\\\\").replace('"', "\\\"");
    let mut strings = Vec::new();
    let mut rest = text;
    while !rest.is_empty() || strings.is_empty() {
        // Entries are ASCII, so every place is a border of characters.
        let (part, more) = rest.split_at_checked(MAX_STRING).unwrap_or((rest, ""));
        strings.push(format!("\"{}\"", escaped(part)));
        rest = more;
    }
    format!("{name}.\t{ttl}\tIN\tTXT\t{}", strings.join(" "))
}

fn key(file: &Path) -> Result<NodeKey> {
    let hint = "make one with `undertone bootnode --genkey FILE`";
    let text = match std::fs::read_to_string(file) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no key file {}: {hint}", file.display())
        }
        Err(error) => return Err(error).with_context(|| format!("read the key file {}", file.display())),
    };
    NodeKey::from_hex(text.trim())
        .map_err(|_| anyhow!("{} holds no key of 64 hexadecimal digits: {hint}", file.display()))
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    let about = || format!("read the records of {}", file.display());
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(MAX_FILE).read_to_string(&mut text))
    };
    let length = u64::try_from(read.with_context(about)?).unwrap_or(u64::MAX);
    ensure!(length < MAX_FILE, "{} is larger than the {MAX_FILE} bytes that are read", file.display());
    Ok(text)
}

/// The newest record of each node.
fn records(text: &str, file: &Path) -> Result<BTreeMap<[u8; 32], Record>> {
    let mut newest: BTreeMap<[u8; 32], Record> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        if line.is_empty() {
            continue;
        }
        let place = format!("{}, line {}", file.display(), index + 1);
        let record = record(line).with_context(|| place)?;
        match newest.get(record.id().as_bytes()) {
            Some(known) if known.seq() >= record.seq() => {}
            _ => drop(newest.insert(*record.id().as_bytes(), record)),
        }
    }
    Ok(newest)
}

fn record(text: &str) -> Result<Record> {
    text.parse::<Record>().map_err(|error| {
        if text.parse::<Enode>().is_ok() {
            return anyhow!(
                "this is an enode, and a list holds records that each node has signed itself: take the record of \
                 that node (`undertone node --json` prints it as \"enr\", geth as admin.nodeInfo.enr)"
            );
        }
        anyhow::Error::new(error)
    })
}

/// What readers could stumble over.
fn warn(nodes: &[Record], entries: usize, ui: &Ui) {
    let silent = nodes.iter().filter(|record| record.address().is_none() || record.tcp().is_none()).count();
    if silent > 0 {
        let they = if silent == 1 { "one record has" } else { "some records have" };
        ui.note(&format!(
            "note: {they} no address or no TCP port ({silent}): readers cannot connect to such a node"
        ));
    }
    if entries > MAX_DNS_ENTRIES {
        ui.note(&format!(
            "note: readers of ours stop after {MAX_DNS_ENTRIES} entries; this list has {entries}"
        ));
    }
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use undertone_devp2p::enr::Entries;

    use super::*;

    fn signed(seed: u8, seq: u64, port: u16) -> Record {
        let key = NodeKey::from_hex(&format!("{seed:02x}").repeat(32)).unwrap();
        let entries = Entries::default().with_ip("10.0.0.1".parse().unwrap()).with_tcp(port);
        Record::sign(&key, seq, &entries).unwrap()
    }

    #[test]
    fn the_newest_record_of_a_node_counts_and_comments_do_not() {
        let (old, new, other) = (signed(1, 1, 1), signed(1, 2, 2), signed(2, 1, 3));
        let text = format!("# mine\n\n{new} # newest\n  {old}\n{other}\n{new}\n");
        let records = records(&text, Path::new("nodes")).unwrap();
        let mut seen: Vec<_> = records.values().map(|r| (r.seq(), r.tcp())).collect();
        seen.sort_unstable();
        assert_eq!(seen, [(1, Some(3)), (2, Some(2))]);
    }

    #[test]
    fn a_wrong_line_is_named_and_an_enode_is_explained() {
        let bad = |text: &str| format!("{:#}", records(text, Path::new("nodes")).unwrap_err());
        let enode = signed(1, 1, 1).to_enode();
        let said = bad(&format!("\n{enode}\n"));
        assert!(said.contains("nodes, line 2") && said.contains("signed itself"), "{said}");
        let forged = signed(1, 1, 1).to_string().replacen("enr:-", "enr:_", 1);
        assert!(bad(&forged).contains("line 1"), "{}", bad(&forged));
        assert!(bad("hello").contains("not the text of a record"));
    }

    #[test]
    fn long_texts_are_cut_into_strings_and_quotes_stay_inside() {
        let line = zone_line("a.example", 5, &"x".repeat(600));
        let parts: Vec<&str> =
            line.split('"').filter(|part| part.contains('x') && !part.contains("TXT")).collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [255, 255, 90]);
        assert_eq!(zone_line("a", 5, "q\"\\"), "a.\t5\tIN\tTXT\t\"q\\\"\\\\\"");
        assert_eq!(zone_line("a", 5, ""), "a.\t5\tIN\tTXT\t\"\"");
    }
}
