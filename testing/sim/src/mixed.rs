//! Networks of Whisper and of Waku, and bridges between them.
//!
//! The first nodes speak `shh/6` alone, the next ones Waku alone (every second one only `waku/0`), the last ones both:
//! these bridge. Nodes are linked to others of their own kind at random, and each of them to some bridges; bridges are
//! all linked to each other, by both protocols on one link. Everybody relays, everybody speaks.
//!
//! | figure | what |
//! |---|---|
//! | `delivery` | share of (envelope, other node) pairs that arrived |
//! | `delivery_across` | of these, the pairs of a Whisper and a Waku node |
//! | `taken_twice` | envelopes that a node took again: what a loop would do |
//! | `twice_on_a_link` | receptions of an envelope over a link and in a direction that had carried it |
//! | `crossed` | share of receptions that met the same envelope coming the other way on the same link |
//! | `copies` | receptions per envelope and node |
//! | `latency_p50_ms`, `latency_p99_ms` | from the post to each arrival |
//! | `bridge_copies`, `other_copies` | receptions per envelope at a bridge, at another node |
//! | `bridge_kib_per_link`, `other_kib_per_link` | KiB that a node received and sent, over its links |
//! | `drops` | links that ended for a fault |

mod plan;
mod run;
mod tally;

pub use self::plan::MixedPlan;
pub use self::run::run;
