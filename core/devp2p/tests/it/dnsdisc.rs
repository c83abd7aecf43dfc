//! Node lists in DNS.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use undertone_base::Now;
use undertone_devp2p::NodeKey;
use undertone_devp2p::dnsdisc::{DnsError, Entry, Link, Root, Tree, TreeEvent, TreeHash, TreeSync};
use undertone_devp2p::enr::{EnrError, Entries, Record};
use undertone_devp2p::limits::{MAX_DNS_DEPTH, MAX_DNS_ENTRIES};
use undertone_vectors::{Value, load};

type Zone = BTreeMap<String, String>;

fn zone(records: &Value) -> Zone {
    let record =
        |r: &Value| (r["name"].as_str().unwrap().to_ascii_lowercase(), r["txt"].as_str().unwrap().to_owned());
    records.as_array().unwrap().iter().map(record).collect()
}

/// What one reading gives: ids in order, links, number; or the error.
fn read(
    sync: &mut TreeSync,
    zone: &Zone,
    now: &mut Now,
) -> Result<(Vec<String>, Vec<String>, u64), DnsError> {
    let (mut nodes, mut links) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        while let Some(query) = sync.poll_query(*now) {
            // DNS splits a text into strings of 255 bytes, and other records may be under the name too.
            let answer = zone.get(&query.name.to_ascii_lowercase()).map(|text| {
                let noise = vec![b"v=spf1 -all".to_vec()];
                vec![noise, text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect()]
            });
            sync.handle_answer(*now, query.id, answer.as_deref());
        }
        while let Some(event) = sync.poll_event() {
            match event {
                TreeEvent::Node(record) => nodes.push(record.id().to_string()[2..].to_owned()),
                TreeEvent::Link(link) => links.push(link.to_string()),
                TreeEvent::Root { .. } => {}
                TreeEvent::Synced { seq } => {
                    nodes.sort();
                    return Ok((nodes, links, seq));
                }
                TreeEvent::Failed(error) => return Err(error),
            }
        }
        now.mono = sync.poll_timeout().unwrap().max(now.mono);
        sync.handle_timeout(*now);
    }
    panic!("no end");
}

fn texts(value: &Value) -> Vec<String> {
    let mut all: Vec<String> = value
        .as_array()
        .map(|all| all.iter().map(|v| v.as_str().unwrap().to_owned()).collect())
        .unwrap_or_default();
    all.sort();
    all
}

#[test]
fn the_trees_of_geth_are_read() {
    let file = load("dnsdisc");
    let mut count = 0;
    for (name, url) in [
        ("eip1459_example", "url_that_verifies_the_root"),
        ("tree_40_nodes", "url"),
        ("tree_one_node", "url"),
        ("tree_empty", "url"),
    ] {
        let case = &file[name];
        let link: Link = case[url].as_str().unwrap().parse().unwrap();
        assert_eq!(link.to_string(), case[url].as_str().unwrap());
        let mut sync = TreeSync::new(link, 0, Now::default());
        let (nodes, links, seq) = read(&mut sync, &zone(&case["records"]), &mut Now::default()).unwrap();
        let result = &case["result"];
        assert_eq!(nodes, texts(&result["node_ids"]), "{name}");
        assert_eq!(links, texts(&result["links"]), "{name}");
        assert_eq!(seq, result["seq"].as_u64().unwrap());
        count += nodes.len();
    }
    assert_eq!(count, 44);
    // The key that the EIP prints in the address is not the one that signed (trap 18).
    let case = &file["eip1459_example"];
    let wrong: Link = case["url_printed_in_the_eip"].as_str().unwrap().parse().unwrap();
    let mut sync = TreeSync::new(Link::new(*wrong.key(), "n").unwrap(), 0, Now::default());
    assert_eq!(read(&mut sync, &zone(&case["records"]), &mut Now::default()), Err(DnsError::RootSignature));
}

#[test]
fn the_trees_of_geth_are_rebuilt_byte_for_byte() {
    let file = load("dnsdisc");
    let key = NodeKey::from_hex(file["tree_40_nodes"]["signing_key"].as_str().unwrap()).unwrap();
    let mut count = 0;
    for name in ["tree_40_nodes", "tree_one_node", "tree_empty"] {
        let case = &file[name];
        let entries: Vec<_> = zone(&case["records"]).into_values().collect();
        let records: Vec<Record> = entries.iter().filter_map(|text| text.parse().ok()).collect();
        let links: Vec<Link> = entries.iter().filter_map(|text| text.parse().ok()).collect();
        let root: Root = entries.iter().find(|text| Root::is_root(text)).unwrap().parse().unwrap();
        let tree = Tree::build(&records, &links, root.seq, &key);
        let link: Link = case["url"].as_str().unwrap().parse().unwrap();
        assert_eq!(tree.link(link.domain()).as_ref(), Ok(&link));
        let built: Zone =
            tree.records(link.domain()).into_iter().map(|(n, t)| (n.to_ascii_lowercase(), t)).collect();
        assert_eq!(built, zone(&case["records"]), "{name}");
        count += built.len();
    }
    assert_eq!(count, 51);
}

#[test]
fn what_is_wrong_with_a_tree_is_named_as_geth_names_it() {
    let file = load("dnsdisc");
    let (mut trees, mut entries) = (0, 0);
    for case in file["negative"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let expect = case["expect"].as_str().unwrap();
        if case.get("records").is_none() {
            let text = case["txt"].as_str().unwrap();
            let outcome = text.parse::<Entry>();
            let expected = match expect {
                "ok" => {
                    assert_eq!(outcome.map(|entry| entry.to_string()).as_deref(), Ok(text));
                    entries += 1;
                    continue;
                }
                e if e.contains("child hash") => DnsError::Hash,
                "error: invalid enr entry: EOF" => DnsError::Record(EnrError::Rlp),
                e if e.contains("enr entry") => DnsError::Record(EnrError::Text),
                e if e.contains("public key") => {
                    let missing = e.contains("missing");
                    let expected = if missing { DnsError::Link } else { DnsError::LinkKey };
                    assert_eq!(text.parse::<Link>(), Err(expected), "{text}");
                    DnsError::LinkEntry
                }
                e => {
                    assert!(e.contains("unknown entry"), "{e}");
                    DnsError::UnknownEntry
                }
            };
            assert_eq!(outcome, Err(expected), "{text}");
            entries += 1;
            continue;
        }
        let mut sync = TreeSync::new(case["url"].as_str().unwrap().parse().unwrap(), 0, Now::default());
        let outcome = read(&mut sync, &zone(&case["records"]), &mut Now::default());
        trees += 1;
        let expected = match expect {
            "ok" => {
                assert_eq!(outcome, Ok((texts(&case["node_ids"]), vec![], 7)), "{note}");
                continue;
            }
            e if e.contains("base64 signature") => DnsError::RootSignature,
            e if e.contains("no valid") => DnsError::Missing,
            e if e.contains("hash mismatch") => DnsError::HashMismatch,
            e if e.contains("invalid syntax") => DnsError::Root,
            e if e.contains("child hash") => DnsError::Hash,
            e => {
                assert!(e.contains("link tree"), "{e}");
                DnsError::WrongSubtree
            }
        };
        assert_eq!(outcome, Err(expected), "{note}");
    }
    assert_eq!((trees, entries), (12, 13));
}

fn key() -> NodeKey {
    NodeKey::from_hex(&"01".repeat(32)).unwrap()
}

/// What a server of the name `n` says.
fn served(tree: &Tree) -> Zone {
    tree.records("n").into_iter().map(|(name, text)| (name.to_lowercase(), text)).collect()
}

fn records(count: u8) -> Vec<Record> {
    let record = |n: u8| {
        let key = NodeKey::from_hex(&format!("{:02x}", n + 1).repeat(32)).unwrap();
        Record::sign(&key, 1, &Entries::default().with_udp(u16::from(n))).unwrap()
    };
    (0..count).map(record).collect()
}

#[test]
fn an_older_root_is_a_replay() {
    let old = Tree::build(&records(2), &[], 4, &key());
    let new = Tree::build(&records(3), &[], 5, &key());
    let mut now = Now::default();
    let mut sync = TreeSync::new(new.link("n").unwrap(), 0, now);
    assert_eq!(read(&mut sync, &served(&new), &mut now).unwrap().0.len(), 3);
    assert_eq!(read(&mut sync, &served(&old), &mut now), Err(DnsError::Replayed { seen: 5, got: 4 }));
    assert!(now.mono.nanos() >= 30 * 60 * 1_000_000_000, "{:?}", now.mono);
    // After a restart, when the shell kept the number.
    let mut again = TreeSync::new(old.link("n").unwrap(), sync.seq(), now);
    assert_eq!(read(&mut again, &served(&old), &mut now), Err(DnsError::Replayed { seen: 5, got: 4 }));
}

#[test]
fn only_what_changed_is_read_again() {
    let link: Link = Tree::build(&[], &[], 1, &key()).link("other").unwrap();
    let first = Tree::build(&records(30), std::slice::from_ref(&link), 1, &key());
    let mut now = Now::default();
    let mut sync = TreeSync::new(first.link("n").unwrap(), 0, now);
    let zone = served(&first);
    assert_eq!(read(&mut sync, &zone, &mut now).unwrap().0.len(), 30);
    assert_eq!(read(&mut sync, &zone, &mut now), Ok((vec![], vec![], 1)));
    let second = Tree::build(&records(31), &[link], 2, &key());
    let (nodes, links, seq) = read(&mut sync, &served(&second), &mut now).unwrap();
    assert_eq!((nodes.len(), links.len(), seq), (31, 0, 2));
}

#[test]
fn a_resolver_that_does_not_answer_is_asked_again_later() {
    let tree = Tree::build(&records(1), &[], 1, &key());
    let mut sync = TreeSync::new(tree.link("n").unwrap(), 0, Now::default());
    let lost = sync.poll_query(Now::default()).unwrap();
    let mut now = Now::default().after(Duration::from_secs(5));
    sync.handle_timeout(now);
    assert_eq!(sync.poll_event(), Some(TreeEvent::Failed(DnsError::TimedOut)));
    sync.handle_answer(now, lost.id, None);
    assert_eq!(sync.poll_event(), None, "an answer that comes too late");
    assert_eq!(read(&mut sync, &served(&tree), &mut now).unwrap().0.len(), 1);
    assert!(now.mono.nanos() >= 305_000_000_000);
}

#[test]
fn no_more_than_three_questions_in_a_second() {
    let tree = Tree::build(&records(40), &[], 1, &key());
    let mut now = Now::default();
    let mut sync = TreeSync::new(tree.link("n").unwrap(), 0, now);
    read(&mut sync, &served(&tree), &mut now).unwrap();
    // Root, an empty branch, four branches and forty nodes.
    assert!(now.mono.since(Now::default().mono) >= Duration::from_millis(45 * 334), "{:?}", now.mono);
}

/// A list whose branches the test makes itself.
fn crafted(nodes: &str, zone: &mut Zone) -> TreeSync {
    zone.insert(format!("{}.n", TreeHash::of("enrtree-branch:")).to_lowercase(), "enrtree-branch:".into());
    let root = Root::sign(TreeHash::of(nodes), TreeHash::of("enrtree-branch:"), 1, &key());
    zone.insert("n".into(), root.to_string());
    TreeSync::new(Link::new(key().public(), "n").unwrap(), 0, Now::default())
}

fn put(zone: &mut Zone, text: &str) -> String {
    let hash = TreeHash::of(text).to_string();
    zone.insert(format!("{hash}.n").to_lowercase(), text.to_owned());
    hash
}

#[test]
fn a_list_without_end_is_given_up() {
    let mut zone = Zone::new();
    let mut text = records(1)[0].to_string();
    for _ in 0..=MAX_DNS_DEPTH {
        text = format!("enrtree-branch:{}", put(&mut zone, &text));
    }
    put(&mut zone, &text);
    let mut deep = crafted(&text, &mut zone);
    assert_eq!(read(&mut deep, &zone, &mut Now::default()), Err(DnsError::TooDeep { max: MAX_DNS_DEPTH }));

    let mut zone = Zone::new();
    let branches: Vec<_> = (0..60)
        .map(|i| {
            let children: Vec<_> =
                (0..90).map(|j| TreeHash::of(&format!("{i} {j}")).to_string()[..20].to_owned()).collect();
            put(&mut zone, &format!("enrtree-branch:{}", children.join(",")))
        })
        .collect();
    let text = format!("enrtree-branch:{}", branches.join(","));
    put(&mut zone, &text);
    let mut wide = crafted(&text, &mut zone);
    assert_eq!(
        read(&mut wide, &zone, &mut Now::default()),
        Err(DnsError::TooManyEntries { max: MAX_DNS_ENTRIES })
    );
}

#[test]
fn abbreviated_hashes_are_asked_for_as_they_are_written() {
    let mut zone = Zone::new();
    let record = records(1)[0].to_string();
    let short = TreeHash::of(&record).to_string()[..20].to_owned();
    zone.insert(format!("{short}.n").to_lowercase(), record);
    let text = format!("enrtree-branch:{short}");
    put(&mut zone, &text);
    let mut sync = crafted(&text, &mut zone);
    assert_eq!(read(&mut sync, &zone, &mut Now::default()).unwrap().0.len(), 1);
}

#[test]
fn codes_are_stable_and_unique() {
    use DnsError::*;
    let errors = [
        Link,
        LinkKey,
        Root,
        RootSignature,
        Replayed { seen: 2, got: 1 },
        Hash,
        LinkEntry,
        Record(EnrError::Rlp),
        UnknownEntry,
        Missing,
        HashMismatch,
        WrongSubtree,
        TooManyEntries { max: 1 },
        TooDeep { max: 1 },
        TimedOut,
    ];
    let codes: std::collections::BTreeSet<_> = errors.iter().map(DnsError::code).collect();
    assert_eq!(codes.len(), errors.len());
    assert!(codes.iter().all(|code| code.starts_with("dns.")));
}

proptest! {
    #[test]
    fn reading_never_panics(text in "(enrtree-root:v1|enrtree-branch:|enrtree://|enr:)?\\PC{0,100}") {
        let _ = (text.parse::<Root>(), text.parse::<Entry>(), text.parse::<Link>(), text.parse::<TreeHash>());
    }

    #[test]
    fn what_is_built_is_read(count in 0u8..80, seq: u64, others in 0u8..5) {
        let links: Vec<_> = (0..others).map(|n| Link::new(key().public(), &format!("l{n}")).unwrap()).collect();
        let tree = Tree::build(&records(count), &links, seq, &key());
        let mut sync = TreeSync::new(tree.link("Nodes.Example").unwrap(), 0, Now::default());
        let (nodes, found, got) =
            read(&mut sync, &tree.records("nodes.example").into_iter().map(|(n, t)| (n.to_lowercase(), t)).collect(),
                &mut Now::default()).unwrap();
        prop_assert_eq!((nodes.len(), found.len(), got), (usize::from(count), links.len(), seq));
    }
}
