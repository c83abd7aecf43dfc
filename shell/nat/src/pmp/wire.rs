//! The datagrams of NAT-PMP (version 0) and PCP (version 2), big-endian.
//!
//! ```text
//! NAT-PMP  address  00 00                                      →  00 80 result:2 seconds:4 address:4
//!          map      00 op 0000 inside:2 outside:2 lease:4      →  00 80+op result:2 seconds:4 inside:2 outside:2 lease:4
//! PCP      header   02 op 0000 lease:4 client:16               →  02 80+op 00 result:1 lease:4 seconds:4 0:12
//!          MAP      nonce:12 protocol:1 0:3 inside:2 outside:2 address:16, after the header, both ways
//! ```
//! A lease of 0 gives the port back. Operations: NAT-PMP 0 address, 1 UDP, 2 TCP; PCP 0 announce, 1 map.

use std::net::{Ipv4Addr, Ipv6Addr};

use undertone_base::{Reader, Truncated};

use crate::config::Protocol;
use crate::limits::MAX_DATAGRAM;

const NAT_PMP: u8 = 0;
const PCP: u8 = 2;
const ANSWER: u8 = 0x80;
const ANNOUNCE: u8 = 0;
const MAP: u8 = 1;

/// What identifies a mapping of PCP.
pub(super) type Nonce = [u8; 12];

/// One port of ours, as both protocols name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Inside {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

/// A datagram of a router, understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// NAT-PMP: the router's outer address, or why it has none.
    Address { seconds: u32, address: Result<Ipv4Addr, u16> },
    /// PCP: the router is there.
    Announced { seconds: u32, result: u8 },
    /// PCP: about a port; the lease is 0 when it was given back.
    Mapped { seconds: u32, nonce: Nonce, inside: Inside, outside: Result<Outside, u8> },
    /// PCP: no, without saying to which question; the RFC forbids it, and some routers do it.
    MapRefused { seconds: u32, result: u8 },
    /// NAT-PMP: about a port.
    OldMapped { seconds: u32, inside: Inside, outside: Result<Outside, u16> },
    /// NAT-PMP: no, without saying to which question.
    OldRefused { seconds: u32, protocol: Protocol, result: u16 },
    /// The router speaks only NAT-PMP, and got PCP.
    OnlyOld,
}

/// What a router has granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Outside {
    pub(super) port: u16,
    /// In seconds.
    pub(super) lease: u32,
    /// PCP says it with each port.
    pub(super) address: Option<Ipv4Addr>,
}

/// NAT-PMP: asks for the outer address.
pub(super) fn ask_address() -> Vec<u8> {
    vec![NAT_PMP, 0]
}

/// NAT-PMP: asks for a port; with lease 0 and outside 0 gives it back.
pub(super) fn ask_old_map(inside: Inside, outside: u16, lease: u32) -> Vec<u8> {
    let mut out = vec![NAT_PMP, old_operation(inside.protocol), 0, 0];
    out.extend(inside.port.to_be_bytes());
    out.extend(outside.to_be_bytes());
    out.extend(lease.to_be_bytes());
    out
}

/// PCP: asks whether the router is there, and its seconds.
pub(super) fn ask_announce(client: Ipv4Addr) -> Vec<u8> {
    header(ANNOUNCE, 0, client)
}

/// PCP: asks for a port; with lease 0 gives it back.
pub(super) fn ask_map(client: Ipv4Addr, nonce: &Nonce, inside: Inside, outside: u16, lease: u32) -> Vec<u8> {
    let mut out = header(MAP, lease, client);
    out.extend(nonce);
    out.extend([internet_protocol(inside.protocol), 0, 0, 0]);
    out.extend(inside.port.to_be_bytes());
    out.extend(outside.to_be_bytes());
    // Any IPv4 address outside: all zeros in the mapped form (RFC 6887 5).
    out.extend(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets());
    out
}

fn header(operation: u8, lease: u32, client: Ipv4Addr) -> Vec<u8> {
    let mut out = vec![PCP, operation, 0, 0];
    out.extend(lease.to_be_bytes());
    out.extend(client.to_ipv6_mapped().octets());
    out
}

/// Understands a datagram of a router (tolerant: what follows the fields is skipped, as both RFCs ask), or not.
pub(super) fn decode(datagram: &[u8]) -> Option<Answer> {
    if datagram.len() > MAX_DATAGRAM {
        return None;
    }
    let mut reader = Reader::new(datagram);
    let [version, operation] = reader.take().ok()?;
    let operation = operation.checked_sub(ANSWER)?;
    match version {
        NAT_PMP => decode_old(operation, &mut reader).ok().flatten(),
        PCP if datagram.len().is_multiple_of(4) => decode_pcp(operation, &mut reader).ok().flatten(),
        _ => None,
    }
}

/// Of NAT-PMP's results, "unsupported version" is the answer to a question of PCP, whatever the operation.
fn decode_old(operation: u8, reader: &mut Reader<'_>) -> Result<Option<Answer>, Truncated> {
    const UNSUPPORTED_VERSION: u16 = 1;
    let result = u16::from_be_bytes(reader.take()?);
    if result == UNSUPPORTED_VERSION {
        return Ok(Some(Answer::OnlyOld));
    }
    let seconds = u32::from_be_bytes(reader.take()?);
    let protocol = match operation {
        0 if result != 0 => return Ok(Some(Answer::Address { seconds, address: Err(result) })),
        0 => {
            let address = Ok(Ipv4Addr::from(reader.take::<4>()?));
            return Ok(Some(Answer::Address { seconds, address }));
        }
        1 => Protocol::Udp,
        2 => Protocol::Tcp,
        _ => return Ok(None),
    };
    let Ok(port) = reader.take().map(u16::from_be_bytes) else {
        return Ok((result != 0).then_some(Answer::OldRefused { seconds, protocol, result }));
    };
    let inside = Inside { protocol, port };
    if result != 0 {
        return Ok(Some(Answer::OldMapped { seconds, inside, outside: Err(result) }));
    }
    let (port, lease) = (u16::from_be_bytes(reader.take()?), u32::from_be_bytes(reader.take()?));
    Ok(Some(Answer::OldMapped { seconds, inside, outside: Ok(Outside { port, lease, address: None }) }))
}

fn decode_pcp(operation: u8, reader: &mut Reader<'_>) -> Result<Option<Answer>, Truncated> {
    let [_, result] = reader.take()?;
    let lease = u32::from_be_bytes(reader.take()?);
    let seconds = u32::from_be_bytes(reader.take()?);
    reader.take::<12>()?;
    match operation {
        ANNOUNCE => return Ok(Some(Answer::Announced { seconds, result })),
        MAP => {}
        _ => return Ok(None),
    }
    if result != 0 && reader.remaining() < 36 {
        return Ok(Some(Answer::MapRefused { seconds, result }));
    }
    let nonce = reader.take()?;
    let protocol = match reader.take::<4>()? {
        [6, ..] => Protocol::Tcp,
        [17, ..] => Protocol::Udp,
        _ => return Ok(None),
    };
    let inside = Inside { protocol, port: u16::from_be_bytes(reader.take()?) };
    let port = u16::from_be_bytes(reader.take()?);
    let address = Ipv6Addr::from(reader.take::<16>()?).to_ipv4_mapped();
    let outside = if result == 0 { Ok(Outside { port, lease, address }) } else { Err(result) };
    Ok(Some(Answer::Mapped { seconds, nonce, inside, outside }))
}

const fn old_operation(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Udp => 1,
        Protocol::Tcp => 2,
    }
}

/// The protocol's number (IANA).
const fn internet_protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP: Inside = Inside { protocol: Protocol::Tcp, port: 30_303 };
    const NONCE: Nonce = *b"twelve bytes";

    /// An answer of PCP to MAP, as a router would send it.
    fn mapped(result: u8, lease: u32, seconds: u32, body: &[u8]) -> Vec<u8> {
        let mut out = vec![2, 0x81, 0, result];
        out.extend(lease.to_be_bytes());
        out.extend(seconds.to_be_bytes());
        out.extend([0; 12]);
        out.extend(body);
        out
    }

    #[test]
    fn questions_have_the_bytes_of_the_rfcs() {
        assert_eq!(ask_address(), [0, 0]);
        let udp = Inside { protocol: Protocol::Udp, port: 0x1234 };
        assert_eq!(ask_old_map(udp, 0x5678, 1_200), [0, 1, 0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 4, 0xb0]);
        assert_eq!(ask_old_map(TCP, 0, 0)[..2], [0, 2]);
        let client = Ipv4Addr::new(192, 168, 1, 5);
        let announce = ask_announce(client);
        assert_eq!(announce.len(), 24);
        assert_eq!(announce[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(announce[18..], [0xff, 0xff, 192, 168, 1, 5]);
        let map = ask_map(client, &NONCE, TCP, 40_000, 1_200);
        assert_eq!(map.len(), 60);
        assert_eq!(map[..8], [2, 1, 0, 0, 0, 0, 4, 0xb0]);
        assert_eq!(map[24..36], NONCE);
        assert_eq!(map[36..44], [6, 0, 0, 0, 0x76, 0x5f, 0x9c, 0x40]);
        assert_eq!(map[44..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    }

    #[test]
    fn answers_of_nat_pmp_are_read() {
        let address = [0, 128, 0, 0, 0, 0, 1, 0, 11, 0, 0, 2];
        assert_eq!(
            decode(&address),
            Some(Answer::Address { seconds: 256, address: Ok(Ipv4Addr::new(11, 0, 0, 2)) })
        );
        assert_eq!(
            decode(&[0, 128, 0, 3, 0, 0, 0, 1]),
            Some(Answer::Address { seconds: 1, address: Err(3) })
        );
        let granted = [0, 130, 0, 0, 0, 0, 0, 9, 0x76, 0x5f, 0x9c, 0x40, 0, 0, 4, 0xb0];
        let outside = Ok(Outside { port: 40_000, lease: 1_200, address: None });
        assert_eq!(decode(&granted), Some(Answer::OldMapped { seconds: 9, inside: TCP, outside }));
        let refused = [0, 130, 0, 2, 0, 0, 0, 9, 0x76, 0x5f, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&refused), Some(Answer::OldMapped { seconds: 9, inside: TCP, outside: Err(2) }));
        assert_eq!(
            decode(&refused[..8]),
            Some(Answer::OldRefused { seconds: 9, protocol: Protocol::Tcp, result: 2 })
        );
        assert_eq!(decode(&[0, 128, 0, 1, 0, 0, 0, 9]), Some(Answer::OnlyOld));
        assert_eq!(decode(&[0, 129, 0, 1]), Some(Answer::OnlyOld));
        assert_eq!(decode(&granted[..14]), None, "a success without a port is none");
        assert_eq!(decode(&[0, 131, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0]), None, "an operation that is none");
    }

    #[test]
    fn answers_of_pcp_are_read() {
        let mut body = NONCE.to_vec();
        body.extend([6, 0, 0, 0, 0x76, 0x5f, 0x9c, 0x40]);
        body.extend(Ipv4Addr::new(11, 0, 0, 2).to_ipv6_mapped().octets());
        let outside = Outside { port: 40_000, lease: 1_200, address: Some(Ipv4Addr::new(11, 0, 0, 2)) };
        let read = |result| decode(&mapped(result, 1_200, 7, &body));
        assert_eq!(
            read(0),
            Some(Answer::Mapped { seconds: 7, nonce: NONCE, inside: TCP, outside: Ok(outside) })
        );
        assert_eq!(
            read(11),
            Some(Answer::Mapped { seconds: 7, nonce: NONCE, inside: TCP, outside: Err(11) })
        );
        assert_eq!(decode(&mapped(2, 30, 7, &[])), Some(Answer::MapRefused { seconds: 7, result: 2 }));
        assert_eq!(decode(&mapped(0, 30, 7, &[])), None, "a success without a port is none");
        assert_eq!(decode(&mapped(0, 1_200, 7, &body[..35])), None, "not a multiple of four");
        let mut announced = mapped(0, 0, 7, &[]);
        announced[1] = 0x80;
        assert_eq!(decode(&announced), Some(Answer::Announced { seconds: 7, result: 0 }));
        announced[0] = 1;
        assert_eq!(decode(&announced), None, "a version that is none");
        body.resize(2_000, 0);
        assert_eq!(decode(&mapped(0, 1_200, 7, &body)), None, "too long");
        let v6 = [&body[..20], &Ipv6Addr::LOCALHOST.octets()[..]].concat();
        let Some(Answer::Mapped { outside: Ok(outside), .. }) = decode(&mapped(0, 1, 7, &v6)) else {
            panic!()
        };
        assert_eq!(outside.address, None, "an IPv6 address is not one of ours");
    }

    #[test]
    fn a_question_is_no_answer() {
        let client = Ipv4Addr::LOCALHOST;
        let questions =
            [ask_address(), ask_old_map(TCP, 1, 1), ask_announce(client), ask_map(client, &NONCE, TCP, 1, 1)];
        for question in questions {
            assert_eq!(decode(&question), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            version in prop_oneof![Just(0u8), Just(2), any::<u8>()],
            operation in 0x80u8..0x84,
            rest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut datagram = vec![version, operation];
            datagram.extend(rest);
            decode(&datagram);
        }
    }
}
