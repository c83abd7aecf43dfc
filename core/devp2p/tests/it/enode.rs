//! enode URLs.

use proptest::prelude::*;
use undertone_crypto::SecretKey;
use undertone_devp2p::{Endpoint, Enode, EnodeError, Host, NodeId};
use undertone_vectors::{hex, load};

#[test]
fn urls_parse_as_in_geth() {
    let file = load("enr");
    let (mut read, mut refused) = (0, 0);
    for case in file["enode_urls"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let outcome = case["url"].as_str().unwrap().parse::<Enode>();
        if case["expect"] != "ok" {
            let expected = match case["expect"].as_str().unwrap() {
                text if text.contains("invalid public key") || text.contains("node ID") => EnodeError::Key,
                "error: invalid port" => EnodeError::Port,
                "error: invalid discport in query" => EnodeError::DiscPort,
                text => {
                    assert!(text.contains("scheme"), "{text}");
                    EnodeError::Scheme
                }
            };
            assert_eq!(outcome, Err(expected), "{note}");
            refused += 1;
            continue;
        }
        let node = outcome.unwrap_or_else(|e| panic!("{note}: {e}"));
        assert_eq!(NodeId::of(node.key()).as_bytes().as_slice(), hex(&case["node_id"]), "{note}");
        assert_eq!(node.to_string(), case["canonical"].as_str().unwrap(), "{note}");
        let (ip, tcp, udp) = match node.endpoint() {
            None => (String::new(), 0, 0),
            Some(Endpoint { host: Host::Ip(ip), tcp, udp }) => (ip.to_string(), *tcp, *udp),
            Some(other) => panic!("{note}: {other:?}"),
        };
        assert_eq!(ip, case["ip"].as_str().unwrap(), "{note}");
        assert_eq!(
            (u64::from(tcp), u64::from(udp)),
            (case["tcp"].as_u64().unwrap(), case["udp"].as_u64().unwrap())
        );
        read += 1;
    }
    assert_eq!((read, refused), (15, 10));
}

fn key() -> String {
    SecretKey::from_slice(&[1; 32]).unwrap().public().to_bare_hex()[2..].to_owned()
}

#[test]
fn a_name_is_kept_for_the_dialler() {
    let node: Enode = format!("enode://{}@Boot-1.Status.example.:443", key()).parse().unwrap();
    let host = Host::Name("boot-1.status.example".into());
    assert_eq!(node.endpoint(), Some(&Endpoint { host, tcp: 443, udp: 443 }));
    assert_eq!(node.to_string().parse::<Enode>().unwrap(), node);
}

#[test]
fn hosts_that_nobody_should_be_asked_for_are_refused() {
    let long = "a".repeat(64);
    let hosts =
        ["", "256.1.1.1", "1.2.3", "a..b", "-.5", "::1", "[::1", "[1.2.3.4]", "a b", "ä.example", &long];
    for host in hosts {
        let outcome = format!("enode://{}@{host}:1", key()).parse::<Enode>();
        assert_eq!(outcome, Err(EnodeError::Host), "{host}");
    }
}

#[test]
fn the_incomplete_form_is_exact() {
    for tail in ["/", "?discport=1", "#x"] {
        assert_eq!(format!("enode://{}{tail}", key()).parse::<Enode>(), Err(EnodeError::Key), "{tail}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,200}", tail in "\\PC{0,40}") {
        let _ = text.parse::<Enode>();
        let _ = format!("enode://{}@{tail}", key()).parse::<Enode>();
    }

    #[test]
    fn what_is_printed_is_read_as_the_same(ip: std::net::IpAddr, tcp: u16, udp: u16, seed in 1u64..) {
        let mut secret = [1; 32];
        secret[..8].copy_from_slice(&seed.to_be_bytes());
        let key = SecretKey::from_slice(&secret[..]).map_or_else(
            |_| SecretKey::from_slice(&[1; 32]).unwrap().public(), |k| k.public());
        let node = Enode::new(key, Endpoint { host: Host::Ip(ip), tcp, udp });
        prop_assert_eq!(node.to_string().parse::<Enode>(), Ok(node));
    }
}
