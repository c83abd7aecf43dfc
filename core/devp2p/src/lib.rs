//! How envelopes travel: enode, the RLPx handshake and frames, the base protocol, capabilities; and how nodes find
//! each other: node records, discovery v4, node lists in DNS.
//!
//! Specified in `devp2p.md` of the notes, sections 1, 2, 3 and 5, after the devp2p specifications, EIP-8,
//! EIP-706, EIP-778, EIP-868 and EIP-1459, as go-ethereum 1.9.7 and status-go 0.60.0 really behave. Discovery v5
//! and NAT traversal belong to the shell, which keeps libraries for them. The legacy topic discovery of 2019 is
//! left out for good.
//!
//! | module | what |
//! |---|---|
//! | [`Session`], [`handshake`] | one link: RLPx and the base protocol, drawn below |
//! | [`enr`] | node records: read, verified, made; the node's own |
//! | [`discv4`] | discovery v4 over UDP |
//! | [`dnsdisc`] | node lists in DNS: read, made, signed |
//!
//! ```text
//!   bytes ──▶ Session ──▶ events: Authenticated → Established → Message… → Closed
//!   bytes ◀── Session ◀── admit / send / disconnect
//!              │ handshake: auth, ack → keys        one phase type each
//!              │ frame: MAC, cipher                 header MAC before size, body MAC before body
//!              │ message: id, snappy, Hello …
//!              └ caps: (capability, code) ⇄ message id
//! ```
//!
//! # Invariants
//! - No byte of a peer is believed before its MAC; no size before it is compared with a limit.
//! - A key is named by the handshake and proved by the first frame: [`Event::Established`], not
//!   [`Event::Authenticated`].
//! - A session that refused something is dead: nothing can be sent on it but one Disconnect.
//! - Only defined disconnect reasons are sent: others end the whole process of the originals.
//! - RLPx is **not confidential**: both directions share one keystream, so that their XOR leaks
//!   (CVE-2015-20112). What must be secret is sealed above.
//!
//! # Known attacks and what answers them
//! Frame memory: buffers grow with the bytes that came, up to the capability's limit. Snappy bomb: the declared
//! length is compared before allocating. Ping flood (CVE-2023-40591): one Pong owed at most, a rate above it.
//! Disconnect panic (CVE-2022-29177): reasons are a newtype that keeps unknown values. Short ECIES bodies
//! (CVE-2026-22862) and invalid points (CVE-2026-26315): refused in `undertone_crypto`.
//!
//! # Example
//! ```
//! use undertone_devp2p::{Admission, Capability, Config, Event, NodeKey, Offer, Session};
//! let mut rng = rand::rng();
//! # let now = undertone_base::Now::default();
//! let shh = Offer { capability: Capability::new("shh", 6), length: 128 };
//! let config = |key| Config::new(key, "example/v1", vec![shh.clone()]);
//! let bob = NodeKey::random(&mut rng);
//! let mut dialled = Session::dial(config(NodeKey::random(&mut rng)), bob.public(), now, &mut rng);
//! let mut accepted = Session::accept(config(bob), now);
//! let mut ends = [&mut dialled, &mut accepted];
//! for turn in 0..6 {
//!     // What one end has written, the other reads; the shell lets whoever authenticates in.
//!     let bytes = ends[turn % 2].poll_transmit().unwrap_or_default();
//!     let other = &mut *ends[(turn + 1) % 2];
//!     other.receive(now, &bytes, &mut rng);
//!     while let Some(event) = other.poll_event() {
//!         match event {
//!             Event::Authenticated(_key) => other.admit(now, Admission::Admit, &mut rng),
//!             Event::Established { shared, .. } => assert_eq!(shared[0].offset, 16),
//!             other => panic!("{other:?}"),
//!         }
//!     }
//! }
//! assert_eq!(dialled.send(now, 0, 1, b"an envelope"), Ok(()));
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod caps;
pub mod discv4;
pub mod dnsdisc;
mod enode;
pub mod enr;
mod error;
mod frame;
pub mod handshake;
pub mod limits;
mod message;
mod node_key;
mod rlp;
mod session;
mod snappy;

pub use caps::{BASE_LENGTH, Capability, Offer, Shared, shared};
pub use enode::{Endpoint, Enode, EnodeError, Host};
pub use error::{SendError, WireError};
pub use message::{DisconnectReason, Hello, P2P_VERSION};
pub use node_key::{NodeId, NodeKey};
pub use session::{Admission, Closed, Config, Event, Session};
