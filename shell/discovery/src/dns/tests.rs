use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use undertone_devp2p::NodeKey;
use undertone_devp2p::dnsdisc::Tree;
use undertone_devp2p::enr::Entries;
use undertone_support::rng;
use undertone_vectors::{Value, load};

use super::*;
use crate::config::{Found, Source};
use crate::found::queue;
use crate::limits::MAX_DNS_TREES;
use crate::task::Command;

type Zone = BTreeMap<String, Vec<TxtRecord>>;

fn of_vector(records: &Value) -> Zone {
    let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
    let entry = |record: &Value| (text(record, "name"), text(record, "txt"));
    records.as_array().unwrap().iter().map(entry).map(|(name, text)| (name, strings(&text))).collect()
}

fn strings(text: &str) -> Vec<TxtRecord> {
    vec![text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect()]
}

fn fixed(zone: Zone) -> DnsResolver {
    DnsResolver::Fixed(Arc::new(zone))
}

fn key(n: u64) -> NodeKey {
    NodeKey::random(&mut rng(n))
}

fn node(n: u64, ip: &str) -> Record {
    let entries = Entries::default().with_ip(ip.parse().unwrap()).with_udp(30_303).with_tcp(30_303);
    Record::sign(&key(n), 1, &entries).unwrap()
}

fn zone_of(tree: &Tree, domain: &str) -> Zone {
    tree.records(domain).into_iter().map(|(name, text)| (name, strings(&text))).collect()
}

#[tokio::test(start_paused = true)]
async fn trees_are_read_once_no_faster_than_resolvers_like() {
    let file = load("dnsdisc");
    let mut count = 0;
    for (name, url) in [
        ("eip1459_example", "url_that_verifies_the_root"),
        ("tree_40_nodes", "url"),
        ("tree_one_node", "url"),
        ("tree_empty", "url"),
    ] {
        let case = &file[name];
        let zone = of_vector(&case["records"]);
        let entries = u32::try_from(zone.len()).unwrap();
        let begin = tokio::time::Instant::now();
        let content = sync_tree(&case[url].as_str().unwrap().parse().unwrap(), &fixed(zone)).await.unwrap();
        let least = undertone_devp2p::limits::DNS_QUERY_INTERVAL * (entries - 1);
        assert!(begin.elapsed() >= least, "{name}");
        assert_eq!(content.seq, case["result"]["seq"].as_u64().unwrap());
        count += content.records.len() + content.links.len();
    }
    assert_eq!(count, 46);
}

#[tokio::test(start_paused = true)]
async fn bad_trees_are_refused() {
    let file = load("dnsdisc");
    let mut count = 0;
    for case in file["negative"].as_array().unwrap().iter().filter(|case| case.get("records").is_some()) {
        let link = case["url"].as_str().unwrap().parse().unwrap();
        let outcome = sync_tree(&link, &fixed(of_vector(&case["records"]))).await;
        assert_eq!(outcome.is_ok(), case["expect"] == "ok", "{}: {outcome:?}", case["note"]);
        count += 1;
    }
    assert_eq!(count, 12);
}

/// Follows lists for a minute.
async fn follow(
    links: Vec<Link>,
    seen: BTreeMap<Link, u64>,
    restrict: &[&str],
    zone: Zone,
) -> (Vec<Found>, Vec<(Link, u64)>) {
    let (nodes, lists, listed) = follow_for(60, links, seen, restrict, zone).await;
    assert_eq!(listed, nodes.len());
    (nodes, lists)
}

async fn follow_for(
    secs: u64,
    links: Vec<Link>,
    seen: BTreeMap<Link, u64>,
    restrict: &[&str],
    zone: Zone,
) -> (Vec<Found>, Vec<(Link, u64)>, usize) {
    let (commands, mut taken) = mpsc::channel(1_000);
    let (finder, mut found) = queue();
    let restrict = restrict.iter().map(|net| net.parse().unwrap()).collect();
    let follower = Follower { links, seen, resolver: fixed(zone), restrict, commands, found: finder };
    let end = std::time::Duration::from_secs(secs);
    let _ = timeout(end, follower.run(CancellationToken::new())).await;
    let (mut nodes, mut lists) = (Vec::new(), Vec::new());
    while let Some(node) = found.try_recv() {
        nodes.push(node);
    }
    let mut listed = 0;
    while let Ok(command) = taken.try_recv() {
        match command {
            Command::List { link, seq } => lists.push((link, seq)),
            Command::Listed(records) => listed += records.len(),
            _ => {}
        }
    }
    (nodes, lists, listed)
}

#[tokio::test(start_paused = true)]
async fn nodes_are_told_of_again_when_the_list_was_looked_at() {
    let nodes = [node(1, "9.9.9.9"), node(4, "11.0.0.1")];
    let tree = Tree::build(&nodes, &[], 3, &key(9));
    let link = tree.link("n.test").unwrap();
    let zone = zone_of(&tree, "n.test");
    // Read at once, looked at after 30 and 60 minutes and a bit.
    for (minutes, expected) in [(29, 2), (31, 4), (62, 6)] {
        let links = vec![link.clone()];
        let (found, lists, listed) =
            follow_for(minutes * 60, links, BTreeMap::new(), &[], zone.clone()).await;
        assert_eq!((found.len(), lists.len(), listed), (expected, 1, 2), "{minutes}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_nodes_that_can_be_public_are_taken() {
    let nodes = [node(1, "9.9.9.9"), node(2, "192.168.1.1"), node(3, "127.0.0.1"), node(4, "11.0.0.1")];
    let tree = Tree::build(&nodes, &[], 3, &key(9));
    let link = tree.link("n.test").unwrap();
    let zone = zone_of(&tree, "n.test");
    let keys = |found: Vec<Found>| -> Vec<_> {
        assert!(found.iter().all(|found| found.source == Source::Dns && found.record.is_some()));
        let mut keys: Vec<_> = found.iter().map(|found| *found.enode.key()).collect();
        keys.sort();
        keys
    };
    let sorted = |mut keys: Vec<_>| {
        keys.sort();
        keys
    };
    let (found, lists) = follow(vec![link.clone()], BTreeMap::new(), &[], zone.clone()).await;
    assert_eq!(keys(found), sorted(vec![key(1).public(), key(4).public()]));
    assert_eq!(lists, [(link.clone(), 3)]);
    let (found, _) = follow(vec![link.clone()], BTreeMap::new(), &["11.0.0.0/8"], zone.clone()).await;
    assert_eq!(keys(found), [key(4).public()]);
    // An older list than was seen is a replay; the same one is not, and its number is known.
    let (found, lists) = follow(vec![link.clone()], [(link.clone(), 4)].into(), &[], zone.clone()).await;
    assert_eq!((found.len(), lists), (0, vec![]));
    let (found, lists) = follow(vec![link.clone()], [(link, 3)].into(), &[], zone).await;
    assert_eq!((found.len(), lists), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn lists_in_lists_are_followed_up_to_a_bound_and_rings_end() {
    // Each names the next two; there are more than are read.
    let count = 3 * MAX_DNS_TREES as u64;
    let name = |n: u64| format!("l{}.test", n % count);
    let link = |n: u64| Link::new(key(100 + n % count).public(), &name(n)).unwrap();
    let mut zone = Zone::new();
    for n in 0..count {
        let ip = format!("9.9.{n}.1");
        let tree = Tree::build(&[node(n, &ip)], &[link(n + 1), link(n + 2)], 1, &key(100 + n));
        zone.extend(zone_of(&tree, &name(n)));
    }
    // One more list claims the name of another with a key of its own: it is not read.
    let rival = Link::new(key(999).public(), &name(1)).unwrap();
    let (found, lists) = follow(vec![link(0), link(1), rival.clone()], BTreeMap::new(), &[], zone).await;
    assert_eq!((found.len(), lists.len()), (MAX_DNS_TREES, MAX_DNS_TREES));
    assert!(lists.iter().all(|(link, _)| *link != rival));
}
