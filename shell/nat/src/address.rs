//! Which addresses others can use.

use std::net::Ipv4Addr;

/// Whether an address is one of the public Internet: not private, not shared by a provider's NAT (100.64.0.0/10), not
/// for documentation, benchmarks, multicast or any other special use (IANA's registry, RFC 6890).
pub(crate) fn is_public(ip: Ipv4Addr) -> bool {
    !SPECIAL.iter().any(|(network, bits)| prefix(ip, *bits) == prefix(Ipv4Addr::from(*network), *bits))
}

fn prefix(ip: Ipv4Addr, bits: u32) -> u32 {
    ip.to_bits().checked_shr(u32::BITS.saturating_sub(bits)).unwrap_or(0)
}

const SPECIAL: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        let special = [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.31.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
        ];
        for text in special {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public =
            ["1.1.1.1", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1"];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
