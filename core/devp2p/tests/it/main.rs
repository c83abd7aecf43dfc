//! What the crate promises to others.

mod capabilities;
mod ecies;
mod enode;
