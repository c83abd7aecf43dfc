//! A port that is still free when it is used a second time.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports that a test may name, where none of them is given away.
const NAMED: RangeInclusive<u16> = 10_000..=65_000;
/// What the system gives away where it does not say so.
const GIVEN: RangeInclusive<u16> = 32_768..=65_535;
/// Ports that a process has for itself before the next one's begin.
const EACH: u32 = 32;

/// A free port of 127.0.0.1, TCP and UDP, that the system gives to nobody: neither to who binds port 0 nor to who
/// connects. Whoever starts again on the port it had would otherwise race every other test of the machine.
///
/// # Panics
/// Where every such port is taken.
pub fn lasting_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let given = given();
    let named: Vec<u16> = NAMED.filter(|port| !given.contains(port)).collect();
    let count = u32::try_from(named.len()).unwrap_or(u32::MAX);
    let free = (0..count).find_map(|_| {
        let step = std::process::id().wrapping_mul(EACH).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = usize::try_from(step % count).ok().and_then(|at| named.get(at).copied());
        port.filter(|port| is_free(*port))
    });
    assert!(free.is_some(), "no free port outside of {given:?}");
    free.unwrap_or_default()
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
}

/// What the system gives away.
fn given() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) => first..=last,
        _ => GIVEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_free_and_nobody_is_given_it() {
        let (first, second) = (lasting_port(), lasting_port());
        assert_ne!(first, second);
        assert!(!given().contains(&first) && !given().contains(&second));
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert!(!is_free(first) && is_free(second));
    }
}
