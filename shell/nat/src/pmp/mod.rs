//! NAT-PMP and PCP: one port of the router, two versions of a protocol.

mod client;
mod epoch;
mod wire;

pub(crate) use client::{Client, search};
