//! Whom to dial, let in, keep and drop: the peer manager as a pure machine.
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
