//! Discovery: the machine of discovery v4 of `core/devp2p` on every honest node, liars on the others.
//!
//! Nobody is linked from the start. Nodes have addresses ([`DiscoveryPlan::per_prefix`] of them in a /24, all public,
//! so that limits by prefix work as in life), know the boot nodes, which are the first ones, and keep their database
//! when they crash. Signatures are real, made and recovered for every datagram: that is most of the run's time.
//!
//! With a [`PeersPlan`] nodes also have the peer manager of `core/peers`, joined to links as the shell joins it: it gets
//! whom discovery finds, dials, lets in, and says when discovery should walk. Everybody answers pings; new envelopes
//! come first from a random one of the peers that relay, which liars do not. Not modelled: discovery v5, DNS lists.
//!
//! A liar ([`LiarPlan`]) knows all addresses from the start, has as many keys as it likes at its one address, answers
//! FindNode with liars alone, the best there are for the question, and tells everybody a false endpoint.
//!
//! | figure | what, over honest nodes |
//! |---|---|
//! | `known_{min,p50,max}` | nodes in the table that answered a ping |
//! | `ten_known_{p50,p99,most}_s` | from a node's last start until ten are |
//! | `without_ten` | nodes that never knew ten since their last start |
//! | `parts` | parts of the network that know nobody of each other |
//! | `datagrams_per_node`, `kib_per_node` | what was sent, by everybody, over all nodes |
//! | `records_moved` | nodes whose record says a false endpoint, because others told them |
//! | `hostile_known_{p50,max}` | share of liars among the known, when there are any |
//! | `across_{min,p50}` | share of the other side among the known, when there is a partition |
//! | `links_{min,p50}`, `dialled_p50` | links, and those that the node dialled, when there are peers |
//! | `honest_links_{min,p01,p50}` | share of links that go to honest nodes |
//! | `honest_{dialled,inbound}_p50` | the same of each kind of link |
//! | `isolated` | nodes without a link to an honest one |
//!
//! A figure that is taken at a checkpoint has `_at_SECONDS` after it; without it, it is of the end.

mod company;
mod hello;
mod honest;
mod liar;
mod measure;
mod node;
mod plan;
mod run;
mod world;

pub use self::plan::{DiscoveryPlan, LiarPlan, PeersPlan};
pub use self::run::run;
