//! Gossip of Whisper: the engine of `core/whisper` on every honest node, liars on the others.
//!
//! The first byte on a link is the packet's code, the rest its body.
//!
//! | figure | what |
//! |---|---|
//! | `delivery` | of (envelope, other node) pairs between honest nodes with a right clock, the share that arrived |
//! | `delivery_to_skewed`, `delivery_from_skewed` | the same where one side has a wrong clock |
//! | `accepts` | times that an honest node accepts an envelope that exists, liars' included; above 1 it takes again what it had given up |
//! | `copies` | receptions per envelope that was accepted, at honest nodes |
//! | `bytes_per_accepted` | bytes that honest nodes received on links, per envelope that they accepted |
//! | `envelopes_per_packet` | envelopes in a packet of them, as honest nodes sent them |
//! | `latency_*_ms` | from the post to the arrival at each node, by the true time |
//! | `hop_*_ms`, `hops_*` | the last hop of each arrival, by the true time, and how many there were |
//! | `pool_*_most` | the fullest pool of an honest node: envelopes and KiB of them |
//! | `queued_kib_most` | the most that waited at one honest node for busy links, in KiB |
//! | `ignored_packets` | packets without a meaning that honest nodes got, when there are liars |
//! | `did_*` | how often the liars of each kind ([`Attack`]) did what they do |
//! | `refused_early`, `refused_expired`, `evicted` | what honest engines counted, all together |
//! | `drops_of_honest`, `drops_of_liars` | links that honest nodes ended for a fault, by whose other end it was |
//! | `resets`, `links` | links that broke, links that came up |
//! | `virtual_packets` | packets that arrived |

mod liar;
mod measure;
mod node;
mod run;

pub use self::liar::Attack;
pub use self::node::Post;
pub use self::run::run;
