//! Discovery v4: who else is there (`devp2p.md` 3, EIP-8, EIP-868).
//!
//! ```text
//!   datagram ──▶ Discovery::handle ──▶ events: NodeFound, LookupDone, EndpointPredicted, Store …
//!   datagram ◀── Discovery::poll_transmit
//!                 │ packet: hash, signature, list             who signed it
//!                 │ memory: bonds, rates, votes               who proved its address
//!                 │ table: 17 buckets                         whom we know
//!                 └ query: ping → find node / record → lookup whom we ask
//! ```
//! [`Discovery`] owns the table, proved endpoints, what it waits for, and the node's own record. Inputs are
//! datagrams and wishes ([`Input`]); outputs datagrams ([`Transmit`]) and [`Event`]s; one timer. After every call
//! poll transmits, then events, then the timer.
//!
//! # Endpoint proof
//! An address is proved by a Pong that quotes the hash of a Ping that we sent there, by the same key, and for 24
//! hours. Before that **no datagram is answered with more bytes than it has**: a Pong is larger than geth's
//! Ping, so that a stranger's Ping is first answered with a Ping of ours, cut to fit, and with the Pong after its
//! own. geth answers both at once, which multiplies what a forged source address brings its owner by two. Our
//! pings carry an additional element of zeros (ignored by EIP-8), so that two nodes like ours need not wait for
//! each other. FindNode and ENRRequest, whose answers are long, are answered to proved endpoints only.
//!
//! # What a liar can do
//! Tell of nodes that are not there: they are asked before they are told to others. Fill the table: one place
//! for an address, whatever its keys, two of a bucket and ten of the table for a /24 or /56; old nodes stay. Name ever
//! closer nodes: a lookup asks [`MAX_LOOKUP_ASKED`](crate::limits::MAX_LOOKUP_ASKED), and keeps two of a prefix in
//! view. Name each other alone: a lookup also asks a boot node and some of the table, and one is made every minute.
//! Lie about our address: one vote for a prefix, only in answers to pings that we made of our own accord; ten and
//! the majority decide, and against a public address that we say ourselves two thirds.
//!
//! ```
//! use undertone_base::Now;
//! use undertone_devp2p::NodeKey;
//! use undertone_devp2p::discv4::{Config, Discovery, Event, Input};
//! use undertone_devp2p::enr::{Entries, LocalRecord};
//! let mut rng = rand::rng();
//! # let mut now = Now { unix: undertone_base::Unix::from_secs(1_780_000_000), ..Now::default() };
//! let mut node = |port: u16, boot| {
//!     let entries = Entries::default().with_ip("127.0.0.1".parse().unwrap()).with_udp(port).with_tcp(port);
//!     let local = LocalRecord::new(NodeKey::random(&mut rng), entries, None).unwrap();
//!     Discovery::new(Config { boot, ..Config::new(local) }, now)
//! };
//! let mut boot = node(30301, vec![]);
//! let mut fresh = node(30302, vec![boot.record().to_enode()]);
//! let mut rng = rand::rng();
//! let mut found = Vec::new();
//! for _ in 0..50 {
//!     for (from, at) in [(30301, 0), (30302, 1)] {
//!         let [a, b] = [&mut boot, &mut fresh];
//!         let (me, other) = if at == 0 { (a, b) } else { (b, a) };
//!         me.handle_timeout(now, &mut rng);
//!         while let Some(sent) = me.poll_transmit(now) {
//!             let from = ([127, 0, 0, 1], from).into();
//!             let _ = other.handle(now, Input::Datagram { from, bytes: &sent.bytes }, &mut rng);
//!         }
//!         while let Some(event) = me.poll_event() {
//!             if let Event::NodeFound { enode, .. } = event { found.push(enode) }
//!         }
//!     }
//!     now = now.after(std::time::Duration::from_millis(100));
//! }
//! assert!(found.contains(&boot.record().to_enode()) && found.contains(&fresh.record().to_enode()));
//! ```

mod address;
mod contact;
mod endpoint;
mod machine;
mod memory;
mod packet;
mod query;
mod receive;
mod table;

use std::net::{IpAddr, SocketAddr};

use undertone_base::{FaultClass, Severity};

use crate::enode::Enode;
use crate::enr::{LocalRecord, Record};

pub use address::{Network, ParseNetworkError, RelayFault, check_relay, is_lan};
pub use contact::{Contact, StoredNode, check_neighbor};
pub use machine::{Discovery, Sizes, Stats};
pub use packet::{Packet, PacketError, Signed, WireEndpoint, WireNode, decode};

/// How to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's record: its address is what our pings say, its number what others are told.
    pub local: LocalRecord,
    /// Nodes to start from, with addresses; names are resolved before, and incomplete ones are ignored.
    pub boot: Vec<Enode>,
    /// What the database kept, the youngest first; more than [`MAX_STORED`](crate::limits::MAX_STORED) are ignored.
    pub stored: Vec<StoredNode>,
    /// If not empty: nobody outside of these networks is asked, told of or answered.
    pub restrict: Vec<Network>,
    /// Whether random lookups go on all the time.
    pub walk: Walk,
    /// Our address, if it is known: as [`Input::ExternalAddress`], and in `local` already.
    pub external: Option<IpAddr>,
}

impl Config {
    /// Without boot nodes, database and restriction, not walking.
    pub const fn new(local: LocalRecord) -> Self {
        Self {
            local,
            boot: Vec::new(),
            stored: Vec::new(),
            restrict: Vec::new(),
            walk: Walk::Off,
            external: None,
        }
    }
}

/// Whether random lookups go on, to feed the dialer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Walk {
    /// One after another.
    On,
    /// One a minute, and those of a refresh: whoever was led astray at the start finds out.
    #[default]
    Off,
}

/// What happens to the machine.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Boot nodes, for those whose names are resolved only now. One that is known moves.
    Boot(Vec<Contact>),
    /// A datagram came.
    Datagram {
        /// Its UDP source.
        from: SocketAddr,
        /// All of it; a longer one than 1,280 bytes is refused.
        bytes: &'a [u8],
    },
    /// Our address is known from a router or by configuration: predictions no longer change the record.
    /// `None` takes that back.
    ExternalAddress(Option<IpAddr>),
    /// Look for the nodes closest to a key. Answered by [`Event::LookupDone`] with the same number.
    Lookup {
        /// Chosen by the caller.
        id: u64,
        /// 64 bytes; a node's key finds that node, if it is there.
        target: [u8; 64],
    },
    /// Nodes from elsewhere: boot nodes whose names were resolved, nodes of a DNS list ([`Contact::of_record`]).
    /// They get no more trust than nodes that another node tells of.
    Nodes(Vec<Contact>),
    /// Ping this node; answered by [`Event::Pong`], or not.
    Ping(Contact),
    /// Ports that a router maps to ours, for the record; `None` where it maps none.
    Ports {
        /// RLPx.
        tcp: Option<u16>,
        /// Discovery. A prediction has its own.
        udp: Option<u16>,
    },
    /// Ask this node for its record; answered by [`Event::NodeRecord`], or not.
    RequestRecord(Contact),
    /// New content of our record, for whoever listens on other ports or adds entries. What routers and others say
    /// of our address and ports is added to it.
    SetEntries(crate::enr::Entries),
    /// What another node says of our endpoint, in an answer to a question of ours in another protocol (the Pong of
    /// discovery v5). Counts as what a Pong says here.
    Vote {
        /// Whose address was proved by that answer.
        voter: IpAddr,
        /// Where it sees us.
        said: SocketAddr,
    },
    /// Start or stop to walk.
    Walk(Walk),
}

/// A datagram to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// Where.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// What the layer above should know.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Enough others see us there. Without an external address the record says so now.
    EndpointPredicted(SocketAddr),
    /// A lookup that was asked for is over.
    LookupDone {
        /// The number that was given.
        id: u64,
        /// Who answered, closest first.
        closest: Vec<Contact>,
    },
    /// A node proved its endpoint, or answered in a lookup: it may be dialled unless its RLPx port is 0. It can come
    /// again.
    NodeFound {
        /// The node at the address that it proved.
        enode: Enode,
        /// Its record, if we know it.
        record: Option<Record>,
    },
    /// A newer record of a node, verified.
    NodeRecord(Record),
    /// A node answered a ping of ours.
    Pong {
        /// It, at the address that it proved.
        contact: Contact,
        /// Its clock minus ours in milliseconds, if it gives its packets the life that geth gives them
        /// ([`PACKET_LIFETIME`](crate::limits::PACKET_LIFETIME)). Whole seconds, rounded down: half a second less than the truth on average,
        /// and less by the time that the Pong took. It cannot be an old packet, because it quotes the ping.
        offset_ms: i64,
    },
    /// Our record changed: to be stored before anything that the machine sends now is sent.
    RecordChanged(Record),
    /// Nodes for the database, which keeps them by key; given again every half minute while they answer. It may
    /// drop whom it has not got for [`SEED_AGE`](crate::limits::SEED_AGE): nobody starts from those.
    Store(Vec<StoredNode>),
}

/// Why an input was refused. The machine is as before, but for its counters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// No packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Its time is over.
    #[error("packet has expired")]
    Expired,
    /// Our own packet, or one from an address that cannot be or is not allowed.
    #[error("packet from an address that is not answered")]
    Address,
    /// An answer that nothing asked for.
    #[error("unsolicited answer")]
    Unsolicited,
    /// A request of somebody who has not proved its endpoint.
    #[error("request from an endpoint that is not proved")]
    Unproven,
    /// More than is answered to one prefix, or to all strangers together.
    #[error("too many packets from there")]
    Limited,
    /// A record that is not the asked node's, is older than known, or says a foreign address.
    #[error("record is not acceptable")]
    Record,
    /// Too many lookups wait, or a node with an address that is not allowed.
    #[error("cannot be asked for now")]
    Refused,
}

impl DiscoveryError {
    /// Datagrams can be forged: never more than a mild fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Refused => FaultClass::Caller,
            _ => FaultClass::peer(Severity::Mild),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Packet(error) => error.code(),
            Self::Expired => "discovery.expired",
            Self::Address => "discovery.address",
            Self::Unsolicited => "discovery.unsolicited",
            Self::Unproven => "discovery.unproven",
            Self::Limited => "discovery.limited",
            Self::Record => "discovery.record",
            Self::Refused => "discovery.refused",
        }
    }
}
