//! Node lists from a name server on loopback, by UDP and TCP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, Record as DnsRecord};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use undertone_devp2p::dnsdisc::{DnsError, Link, Tree};
use undertone_devp2p::enr::{Entries, Record};
use undertone_discovery::{DiscoveryConfig, DnsResolver, Source, TreeContent, sync_tree};
use undertone_runtime::Tasks;
use undertone_vectors::{Value, load};

use crate::node::{LONG, Node, eventually, key};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    Whole,
    /// Not by UDP: the asker has to come again by TCP.
    Truncated,
    Failure,
}

/// Texts by name in lower case.
type Zone = BTreeMap<String, (Manner, String)>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Tcp,
    Udp,
}

fn answer(zone: &Zone, question: &[u8], way: Way) -> Vec<u8> {
    let mut message = Message::from_vec(question).unwrap().into_response();
    let query = message.queries[0].clone();
    let name = query.name.to_string().to_ascii_lowercase();
    match zone.get(name.trim_end_matches('.')) {
        Some((Manner::Failure, _)) => message.metadata.response_code = ResponseCode::ServFail,
        Some((Manner::Truncated, _)) if way == Way::Udp => message.metadata.truncation = true,
        Some((_, text)) => {
            let strings: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
            let mut texts = vec![TXT::from_bytes(vec![b"v=spf1 -all"]), TXT::from_bytes(strings)];
            for txt in texts.drain(..) {
                message.add_answer(DnsRecord::from_rdata(query.name.clone(), 60, RData::TXT(txt)));
            }
        }
        None => message.metadata.response_code = ResponseCode::NXDomain,
    }
    message.to_vec().unwrap()
}

async fn serve(zone: Zone, tasks: &Tasks) -> SocketAddr {
    let zone = Arc::new(zone);
    // Both have the same port.
    let at = SocketAddr::from(([127, 0, 0, 1], undertone_support::lasting_port()));
    let tcp = TcpListener::bind(at).await.unwrap();
    let udp = UdpSocket::bind(at).await.unwrap();
    let (zone_of_udp, zone_of_tcp) = (Arc::clone(&zone), zone);
    tasks.spawn("dns.udp", async move {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let _ = udp.send_to(&answer(&zone_of_udp, &buffer[..length], Way::Udp), from).await;
        }
    });
    tasks.spawn("dns.tcp", async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; usize::from(length)];
                stream.read_exact(&mut question).await.unwrap();
                let bytes = answer(&zone_of_tcp, &question, Way::Tcp);
                stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            }
        }
    });
    at
}

fn whole(records: impl IntoIterator<Item = (String, String)>) -> Zone {
    records.into_iter().map(|(name, text)| (name.to_ascii_lowercase(), (Manner::Whole, text))).collect()
}

fn of_vector(records: &Value) -> Zone {
    let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
    whole(records.as_array().unwrap().iter().map(|record| (text(record, "name"), text(record, "txt"))))
}

fn resolver(at: SocketAddr) -> DnsResolver {
    DnsResolver::Servers(Arc::new(vec![at]))
}

fn node(n: u64, fill: usize) -> Record {
    let ip = [9, 9, u8::try_from(n).unwrap(), 1].into();
    let entries = Entries::default().with_ip(ip).with_udp(30_303).with_tcp(30_303);
    let entries = if fill > 0 { entries.with_string(b"z", &vec![7; fill]) } else { entries };
    Record::sign(&key(n), 1, &entries).unwrap()
}

#[tokio::test]
async fn the_trees_of_the_vectors_are_read_from_a_server() {
    let file = load("dnsdisc");
    let tasks = Tasks::new(Handle::current());
    let cases =
        [("eip1459_example", "url_that_verifies_the_root"), ("tree_one_node", "url"), ("tree_empty", "url")];
    let mut reads = Vec::new();
    for (name, url) in cases {
        let link: Link = file[name][url].as_str().unwrap().parse().unwrap();
        let resolver = resolver(serve(of_vector(&file[name]["records"]), &tasks).await);
        reads.push(async move { sync_tree(&link, &resolver).await.unwrap() });
    }
    let mut reads = reads.into_iter();
    let mut next = || reads.next().unwrap();
    // All at once: each is asked for at most three entries in a second.
    let (eip, one, empty) = tokio::join!(next(), next(), next());
    let mut count = 0;
    for ((name, _), content) in cases.into_iter().zip([eip, one, empty]) {
        let result = &file[name]["result"];
        let mut ids: Vec<String> = content
            .records
            .iter()
            .map(|record| record.id().to_string().trim_start_matches("0x").to_owned())
            .collect();
        ids.sort();
        let listed = |name: &str| -> Vec<String> {
            let listed = result[name].as_array().into_iter().flatten();
            listed.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!((ids, content.seq), (listed("node_ids"), result["seq"].as_u64().unwrap()), "{name}");
        let links: Vec<String> = content.links.iter().map(ToString::to_string).collect();
        assert_eq!(links, listed("links"), "{name}");
        count += content.records.len() + content.links.len();
    }
    assert_eq!(count, 5);
    stop(tasks).await;
}

#[tokio::test]
async fn long_records_come_in_several_strings_and_truncated_answers_by_tcp() {
    let tasks = Tasks::new(Handle::current());
    let long = node(1, 120);
    assert!(long.to_string().len() > 255 && long.to_string().len() <= 408);
    let tree = Tree::build(std::slice::from_ref(&long), &[], 4, &key(90));
    let mut zone = whole(tree.records("nodes.test"));
    for (name, (manner, _)) in &mut zone {
        if name != "nodes.test" {
            *manner = Manner::Truncated;
        }
    }
    let at = serve(zone.clone(), &tasks).await;
    let link = tree.link("nodes.test").unwrap();
    let content = sync_tree(&link, &resolver(at)).await.unwrap();
    assert_eq!(content, TreeContent { seq: 4, records: vec![long], links: vec![] });

    // A server that fails, at the root and below it.
    for failing in zone.keys() {
        let mut zone = zone.clone();
        zone.get_mut(failing).unwrap().0 = Manner::Failure;
        let at = serve(zone, &tasks).await;
        assert_eq!(sync_tree(&link, &resolver(at)).await, Err(DnsError::Missing), "{failing}");
    }
    // A name that is not there, and nobody to ask.
    let other: Link = tree.link("other.test").unwrap();
    assert_eq!(sync_tree(&other, &resolver(at)).await, Err(DnsError::Missing));
    let nobody = DnsResolver::Servers(Arc::default());
    assert_eq!(sync_tree(&link, &nobody).await, Err(DnsError::Missing));
    stop(tasks).await;
}

#[tokio::test]
async fn a_node_follows_its_lists_and_the_lists_that_they_name() {
    let tasks = Tasks::new(Handle::current());
    let inner = Tree::build(&[node(2, 0)], &[], 7, &key(91));
    let inner_link = inner.link("inner.test").unwrap();
    let outer = Tree::build(&[node(3, 0)], std::slice::from_ref(&inner_link), 5, &key(92));
    let outer_link = outer.link("outer.test").unwrap();
    let mut zone = whole(inner.records("inner.test"));
    zone.extend(whole(outer.records("outer.test")));
    let at = serve(zone, &tasks).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes");
    let config = DiscoveryConfig {
        dns: vec![outer_link.clone()],
        resolver: resolver(at),
        database: Some(path.clone()),
        ..DiscoveryConfig::new(key(93))
    };
    let mut node = Node::start(config).await;
    let wanted = [(Source::Dns, key(2).public()), (Source::Dns, key(3).public())];
    eventually("both nodes", || wanted.iter().all(|wanted| node.found().contains(wanted))).await;
    // v4 asks them too.
    eventually("in the table", || node.discovery.stats().sizes.table == 2).await;
    node.stop().await;
    // Their numbers are kept.
    let kept = std::fs::read(&path).unwrap();
    for (link, seq) in [(outer_link, 5_u8), (inner_link, 7)] {
        let section = [&[0, 0, 0, 0, 0, 0, 0, seq], link.to_string().as_bytes()].concat();
        assert!(kept.windows(section.len()).any(|window| window == section), "{link}");
    }
    stop(tasks).await;
}

async fn stop(tasks: Tasks) {
    // The servers end when they are aborted, which is what this says.
    let ended = tasks.shutdown(std::time::Duration::ZERO).await;
    assert_eq!(ended.panicked, None, "within {LONG:?}");
}
