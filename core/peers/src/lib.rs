//! Whom to dial, let in, keep and drop: the peer manager as a pure machine.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod config;
pub mod limits;
mod peers;
pub mod remembered;
pub mod skew;

pub use address::Reach;
pub use config::{
    Attempt, BanTarget, Config, Counts, Dial, DialId, DialKind, DialOutcome, Direction, Ending, Event,
    LinkId, PeerView, Refusal, Source, StaticError, StaticView,
};
pub use peers::Peers;
pub use remembered::{Remembered, RememberedError};
