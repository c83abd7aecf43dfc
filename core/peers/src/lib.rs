//! Whom to dial, let in, keep and drop: the peer manager as a pure machine.
//!
//! Follows `devp2p.md` of the notes, sections 7.1 to 7.3 (limits, admission, choosing whom to dial, as go-ethereum
//! 1.9.7 does) and answers the eclipse row of section 8. Beside it [`skew::ClockSkew`]: how far our clock is from those
//! of others. Left out: the peer pool of status-go (section 7.5), whose topics we do not search for; connections
//! themselves, discovery and files, which belong to shells; reputation told by others, which would be a lie sooner or
//! later.
//!
//! ```text
//!  listener ── accept ──▶┌───────────┐── Dial ───────────▶ dialler (answers: dial_over)
//!  handshake ─ admit ───▶│           │── Disconnect ─────▶ connections
//!  Hello ───── establish▶│   Peers   │── Hungry/Satisfied ▶ discovery (answers: found)
//!  end ─────── closed ──▶│           │── Resolve ────────▶ discovery (answers: resolved)
//!  discovery ─ found ───▶│           │── Remember ───────▶ disk (comes back in Config at the next start)
//!  peers ───── useful …─▶└───────────┘── Banned ─────────▶ log
//!
//!  places:  max_peers = dynamic (max_peers / dial_ratio, we choose) + inbound (they come); static and trusted beside
//! ```
//!
//! | what a stranger can do | what bounds it |
//! |---|---|
//! | open connections | one per host in 30 s, 25 handshakes per host, 50 in all; not reset by refused attempts |
//! | replay an auth packet | a link without Hello takes no place and no key's place; its faults count against the address alone |
//! | have many keys in one network | a quarter of the places of either kind per /16 or /32; 3 inbound, 1 dialled per /24 or /56 |
//! | name nodes | 128 candidates per source, 2 per /24, 32 per /16; a flood is refused, it flushes nobody |
//! | name a victim's address | one dial per address in 35 s, whatever the key; after 3 failures the candidate is gone; failed dials are held against nobody |
//! | look useful | half of the places are protected by usefulness, but a quarter of those that we dialled by age |
//! | lie about the time | one voice in [`skew`] per /24 or /56, whatever the keys, while it is linked; nothing below three |
//! | wait for a restart | good peers are remembered, few of one network, and are every other one of the first dials |
//!
//! # Inputs, outputs, timers
//! After each call: [`Peers::poll_event`] until `None`, then [`Peers::poll_dial`] until `None`, then sleep until
//! [`Peers::poll_timeout`] or the next input; then [`Peers::handle_timeout`]. The order of the two polls does not matter.
//! Timers: pauses of the dialler, boot nodes after 20 s without a peer, look-ups of static peers, rotation every five
//! minutes, the list to remember every five minutes.
//!
//! # Invariants
//! - Never two established links of one key; never one of this node's own key.
//! - Links in places for dialled and inbound peers never exceed the limits of their kind, of `max_peers` together, or of
//!   their subnet, whatever happens in which order; a link that replaces another takes its very place.
//! - Whoever is banned is neither dialled nor let in, and is told to go. Bans of the operator are stronger than those for
//!   faults, which never concern static and trusted peers or their addresses.
//! - A static peer is connected, being dialled, banned, or has a time at which it will be dialled.
//! - Everything that a stranger can make grow has a limit in [`limits`].
//! - Same seed, same inputs, same times: same outputs.
//!
//! # Example
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//! use undertone_peers::{Attempt, Config, DialOutcome, Direction, Ending, Event, Peers, Reach, Source};
//! let mut rng = rand::rng();
//! # let now = undertone_base::Now::default();
//! # let key = |n| undertone_crypto::SecretKey::from_slice(&[n; 32]).unwrap().public();
//! # let found = format!("enode://{}@8.8.4.4:30303", &key(2).to_bare_hex()[2..]).parse()?;
//! let mut peers = Peers::new(Config::new(key(1)), now);
//! assert_eq!(peers.poll_event(), Some(Event::Hungry));
//!
//! // Discovery has found a node. It is dialled, and answers.
//! assert!(peers.found(now, found, Source::V4));
//! let dial = peers.poll_dial(now, &mut rng).unwrap();
//! let address = SocketAddr::from(([8, 8, 4, 4], 30303));
//! let link = peers.admit(now, *dial.enode.key(), address, Direction::Dialled(dial.id)).unwrap();
//! assert_eq!(peers.establish(now, link), Ok(None));
//! peers.useful(now, link, 3);
//! assert_eq!(peers.peers(now)[0].usefulness, 3_000);
//!
//! // The link ends. The node is left alone for a while.
//! peers.closed(now, link, Ending::Clean);
//! let outcome = DialOutcome { reach: Reach::of(address.ip()), attempt: Attempt::Lived(Duration::from_secs(60)) };
//! peers.dial_over(now, dial.id, outcome, &mut rng);
//! assert_eq!(peers.poll_dial(now, &mut rng), None);
//! assert!(peers.poll_timeout().unwrap() >= now.mono.after(Duration::from_secs(30)));
//! # Ok::<(), undertone_devp2p::EnodeError>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod backoff;
mod bans;
mod candidates;
mod config;
mod decay;
mod id;
pub mod limits;
mod peers;
mod recent;
pub mod remembered;
pub mod skew;
mod throttle;

pub use address::Reach;
pub use config::{
    Attempt, BanTarget, Config, Counts, Dial, DialId, DialKind, DialOutcome, Direction, Ending, Event,
    LinkId, PeerView, Refusal, Source, StaticError, StaticView,
};
pub use peers::Peers;
pub use remembered::{Remembered, RememberedError};
