use std::net::SocketAddr;

use undertone_devp2p::NodeKey;
use undertone_devp2p::discv4::Contact;
use undertone_devp2p::enr::Entries;
use undertone_support::rng;

use super::*;

fn now() -> Now {
    Now { mono: Mono::ZERO, unix: Unix::from_secs(1_780_000_000) }
}

fn key(n: u64) -> NodeKey {
    NodeKey::random(&mut rng(n))
}

fn node(n: u64, last_pong: Unix) -> StoredNode {
    let key = key(n);
    let address = SocketAddr::from(([9, 9, 9, 9], 30303));
    let record = n.is_multiple_of(2).then(|| Record::sign(&key, n, &Entries::default()).unwrap());
    StoredNode { contact: Contact::new(key.public(), address, 30303), last_pong, record }
}

fn filled() -> Content {
    let own = Record::sign(&key(1), 17, &Entries::default().with_tcp(5)).unwrap();
    let nodes = (2..9).map(|n| node(n, now().unix)).map(|node| (*node.contact.id(), node)).collect();
    let lists = [(Link::new(key(1).public(), "nodes.example").unwrap(), 9)].into();
    Content { own: Some(own), nodes, lists }
}

#[test]
fn what_is_written_is_read_and_the_form_is_pinned() {
    let content = filled();
    let bytes = encode(&content);
    assert_eq!(decode(&bytes), Some(content.clone()));
    assert_eq!(decode(&encode(&Content::default())), Some(Content::default()));
    // Version 1, the section of the own record first.
    let own = content.own.unwrap();
    let mut expected = b"UNDB\x01\x01\x00\x00\x00".to_vec();
    expected.push(u8::try_from(own.as_bytes().len()).unwrap());
    expected.extend_from_slice(own.as_bytes());
    assert!(bytes.starts_with(&expected));
}

#[test]
fn a_file_that_is_not_whole_is_refused_and_what_is_unknown_is_skipped() {
    let bytes = encode(&filled());
    for at in (0..bytes.len()).step_by(7) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert_eq!(decode(&bad), None, "{at}");
        assert_eq!(decode(&bytes[..at]), None, "{at}");
    }
    let seal = |body: &[u8]| [body, &keccak256(body)].concat();
    assert_eq!(decode(&seal(b"UNDB\x02")), None, "another version");
    assert_eq!(decode(&seal(b"UNDX\x01")), None);
    assert_eq!(decode(&seal(b"UNDB\x01\x01\x00\x00\x00\x01x")), None, "own record");
    assert_eq!(decode(&seal(b"UNDB\x01\x02\x00\x00\x00\x09x")), None, "cut");
    let odd = b"UNDB\x01\x63\x00\x00\x00\x01x\x02\x00\x00\x00\x01x\x03\x00\x00\x00\x01x";
    assert_eq!(decode(&seal(odd)), Some(Content::default()));
    assert_eq!(decode(&vec![0; MAX_DATABASE + 1]), None);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes");
    let mut database = Database::open(Some(path.clone()), now());
    assert_eq!(database.content(), &Content::default());
    let own = filled().own.unwrap();
    database.set_own(own.clone());
    database.save(now()).await;
    assert_eq!(Database::open(Some(path.clone()), now()).content().own, Some(own));
    fs::write(&path, b"UNDB\x01 and then nothing good").unwrap();
    let mut database = Database::open(Some(path.clone()), now());
    assert_eq!(database.content(), &Content::default());
    let aside = dir.path().join("nodes.damaged");
    assert_eq!(fs::read(&aside).unwrap(), b"UNDB\x01 and then nothing good");
    assert!(!path.exists());
    database.add_nodes(vec![node(2, now().unix)], now().unix);
    database.save(now()).await;
    assert_eq!(Database::open(Some(path), now()).content().nodes.len(), 1);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_no_reason_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = Database::open(Some(dir.path().join("none/nodes")), now());
    database.set_own(filled().own.unwrap());
    database.save(now()).await;
    assert!(database.changed && database.warned);
    assert!(!database.is_due(now()) && database.is_due(now().after(SAVE_INTERVAL)));
}

#[test]
fn old_nodes_and_too_many_go() {
    let mut database = Database::open(None, now());
    let old = Unix::from_millis(now().unix.millis() - u64::try_from(SEED_AGE.as_millis()).unwrap());
    database.add_nodes(vec![node(3, old), node(4, now().unix)], now().unix);
    assert_eq!(database.content().nodes.len(), 1);
    let template = node(5, now().unix);
    let many = (0..MAX_STORED as u64 + 50).map(|n| {
        let key = NodeKey::from_hex(&format!("{:064x}", n + 1)).unwrap();
        let last_pong = Unix::from_millis(now().unix.millis() - 1_000 * n);
        let contact = Contact::new(key.public(), template.contact.address, 1);
        StoredNode { contact, last_pong, record: None }
    });
    database.add_nodes(many.collect(), now().unix);
    assert_eq!(database.content().nodes.len(), MAX_STORED);
    let oldest = database.content().nodes.values().map(|node| node.last_pong).min().unwrap();
    assert!(oldest.millis() > now().unix.millis() - 1_000 * (MAX_STORED as u64 + 1));
    assert!(!database.is_due(now()), "there is no file");
}

#[test]
fn numbers_of_lists_only_rise_and_are_few() {
    let mut database = Database::open(None, now());
    let link = |n: u64| Link::new(key(1).public(), &format!("n{n}.example")).unwrap();
    database.set_list(link(0), 5);
    database.set_list(link(0), 4);
    assert_eq!(database.content().lists[&link(0)], 5);
    (0..200).for_each(|n| database.set_list(link(n), 7));
    assert_eq!((database.content().lists.len(), database.content().lists[&link(0)]), (MAX_DNS_SEQS, 7));
}
