//! Node lists in DNS (EIP-1459, `devp2p.md` 5).
//!
//! A list is a tree of TXT records under one name. The root is signed and names two subtrees by the hash of
//! their text; each branch names its children in the same way, so that the root's signature covers all.
//!
//! ```text
//!   example.org        enrtree-root:v1 e=<hash> l=<hash> seq=<n> sig=<65 bytes, base64url>
//!   <hash>.example.org enrtree-branch:<hash>,<hash>,…        in both subtrees
//!   <hash>.example.org enr:<record>                          under e only
//!   <hash>.example.org enrtree://<base32 key>@<name>         under l only: another list
//! ```
//! [`Tree`] makes and signs a list. [`TreeSync`] reads one: it names what to ask the resolver for and takes the
//! answers. Whoever signs a list can publish nonsense without end and can tell every reader something else: the
//! records that come out are as trusted as any stranger's, and a list is never the only source of nodes.
//!
//! ```
//! use undertone_devp2p::NodeKey;
//! use undertone_devp2p::dnsdisc::{Tree, TreeEvent, TreeSync};
//! # use undertone_base::Now;
//! # use undertone_devp2p::enr::{Entries, Record};
//! # let now = Now::default();
//! let key = NodeKey::from_hex(&"01".repeat(32)).unwrap();
//! let record = Record::sign(&key, 1, &Entries::default()).unwrap();
//! let tree = Tree::build(&[record.clone()], &[], 1, &key);
//! let zone = tree.records("nodes.example");
//! let mut sync = TreeSync::new(tree.link("nodes.example")?, 0, now);
//! let mut found = Vec::new();
//! for step in 0..10 {
//!     let now = now.after(std::time::Duration::from_secs(step));
//!     while let Some(query) = sync.poll_query(now) {
//!         let answer = zone.get(&query.name).map(|text| vec![vec![text.as_bytes().to_vec()]]);
//!         sync.handle_answer(now, query.id, answer.as_deref());
//!     }
//!     while let Some(event) = sync.poll_event() {
//!         if let TreeEvent::Node(record) = event { found.push(record) }
//!     }
//! }
//! assert_eq!(found, [record]);
//! # Ok::<(), undertone_devp2p::dnsdisc::DnsError>(())
//! ```

mod base32;
mod entry;
mod sync;
mod tree;

use undertone_base::{FaultClass, Severity};

use crate::enr::EnrError;

pub use entry::{Entry, Link, Root, TreeHash, TxtRecord, join_txt};
pub use sync::{Query, QueryId, TreeEvent, TreeSync};
pub use tree::Tree;

/// Why a list or a part of it was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// Not `enrtree://<key>@<name>`.
    #[error("not the address of a node list")]
    Link,
    /// The key of a link is no base32 of a compressed point.
    #[error("the address of the node list has no valid key")]
    LinkKey,
    /// A root whose fields are not the expected ones in their order.
    #[error("malformed root of a node list")]
    Root,
    /// A root that the list's key did not sign.
    #[error("invalid signature on the root of the node list")]
    RootSignature,
    /// A root that is older than one seen before.
    #[error("the root of the node list is older than the one seen before")]
    Replayed {
        /// The highest sequence number seen.
        seen: u64,
        /// The one that came.
        got: u64,
    },
    /// A hash that is no base32 of 12 to 32 bytes.
    #[error("malformed hash in a node list")]
    Hash,
    /// A record inside the list.
    #[error(transparent)]
    Record(#[from] EnrError),
    /// The address of another list, inside a list, that is none.
    #[error("malformed link in a node list")]
    LinkEntry,
    /// Text that is none of the known entries.
    #[error("unknown entry in a node list")]
    UnknownEntry,
    /// No TXT record of the expected kind under a name.
    #[error("no entry under a name of the node list")]
    Missing,
    /// The text is not the one that was named by hash.
    #[error("an entry of the node list is not the one that was named")]
    HashMismatch,
    /// A node in the subtree of links, or a link in that of nodes.
    #[error("an entry is in the wrong subtree of the node list")]
    WrongSubtree,
    /// More entries than we read of one list.
    #[error("node list over the limit of {max} entries")]
    TooManyEntries {
        /// The limit.
        max: usize,
    },
    /// Branches under branches without end.
    #[error("node list deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: u8,
    },
    /// The resolver did not answer in time.
    #[error("the resolver did not answer")]
    TimedOut,
}

impl DnsError {
    /// The signer of the list, or the environment when nothing answers.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Missing | Self::TimedOut => FaultClass::Environment,
            Self::Link | Self::LinkKey => FaultClass::Caller,
            _ => FaultClass::peer(Severity::Serious),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Link => "dns.link",
            Self::LinkKey => "dns.link_key",
            Self::Root => "dns.root",
            Self::RootSignature => "dns.root_signature",
            Self::Replayed { .. } => "dns.replayed",
            Self::Hash => "dns.hash",
            Self::Record(_) => "dns.record",
            Self::LinkEntry => "dns.link_entry",
            Self::UnknownEntry => "dns.unknown_entry",
            Self::Missing => "dns.missing",
            Self::HashMismatch => "dns.hash_mismatch",
            Self::WrongSubtree => "dns.wrong_subtree",
            Self::TooManyEntries { .. } => "dns.too_many_entries",
            Self::TooDeep { .. } => "dns.too_deep",
            Self::TimedOut => "dns.timed_out",
        }
    }
}
