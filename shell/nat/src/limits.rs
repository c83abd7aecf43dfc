//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Lease that a router is asked for (geth: `mapTimeout`).
pub const LEASE: Duration = Duration::from_secs(20 * 60);

/// Pause between renewals (geth: `mapUpdateInterval`).
pub const RENEW: Duration = Duration::from_secs(15 * 60);

/// Pause between looks at the router, which tell of a restart or of a new external address. Our choice: a home router
/// restarts in about two minutes.
pub const CHECK: Duration = Duration::from_secs(2 * 60);

/// Shortest pause between two rounds with a router that answers, whatever lease it grants. Our choice.
pub const RENEW_MIN: Duration = Duration::from_secs(30);

/// Time for one search, for all methods together. Our choice: two tries of SSDP with a second for the description each
/// (geth waits 2.1 s and then up to 3 s for each request).
pub const SEARCH: Duration = Duration::from_secs(8);

/// Tries of SSDP within one search, as datagrams get lost (geth: 3 of them at once).
pub const SEARCH_TRIES: u32 = 2;

/// Time for one question to a router, with its repetitions (geth: `soapRequestTimeout`).
pub const REQUEST: Duration = Duration::from_secs(3);

/// First pause before a question by UDP is repeated, doubled each time (RFC 6886 3.1).
pub const REPEAT: Duration = Duration::from_millis(250);

/// First pause after a search or a round that failed, doubled up to [`RETRY_MAX`]. Our choice.
pub const RETRY: Duration = Duration::from_secs(10);

/// Longest pause after failures. Our choice: a laptop that comes to another network is mapped soon.
pub const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// The wall clock may go on by so much more than ours during a rest before the machine counts as having slept: leases
/// run out meanwhile, and our clock stands still. Our choice.
pub const SLEPT: Duration = Duration::from_secs(60);

/// Time for giving all ports back at the stop. Our choice: below the five seconds in which a node stops.
pub const GOODBYE: Duration = Duration::from_secs(3);

/// Where SSDP searches are sent (UPnP Device Architecture 1.1, 1.3.2).
pub const SSDP: ([u8; 4], u16) = ([239, 255, 255, 250], 1_900);

/// Port of a router for NAT-PMP and PCP (RFC 6886 3.1, RFC 6887 19.1).
pub const PMP_PORT: u16 = 5_351;

/// Ports that one node may ask for; more are ignored. Our choice: a node has two.
pub const MAX_PORTS: usize = 16;

/// Routers asked in one search by NAT-PMP and PCP, and local addresses that SSDP is sent from. Our choice.
pub const MAX_GATEWAYS: usize = 4;

/// Other external ports tried after a conflict. Our choice: with a quarter of all ports taken, one in 250 searches
/// fails.
pub const CONFLICT_TRIES: u32 = 4;

/// Lowest external port that is asked for after a conflict: below are the ports of known services (RFC 6335 6), and
/// geth's tables drop nodes up to this one.
pub const CONFLICT_LOWEST: u16 = 1_025;

/// Longest datagram of PCP (RFC 6887 7); longer ones are cut and so refused.
pub const MAX_DATAGRAM: usize = 1_100;

/// Datagrams of a router that fit no question, before it counts as broken. Our choice: late answers are a few.
pub const MAX_STRAY: u32 = 32;

/// Largest part of the system's routing table that is read, in bytes. Our choice: 500 routes.
pub const MAX_ROUTES: u64 = 64 * 1_024;
