//! Through NATs: asks the router for ports by UPnP IGD, PCP or NAT-PMP, keeps them while the node runs, and gives them
//! back when it stops.
//!
//! Implements `devp2p.md` 6.1 and 6.2: UPnP (IGD 1 and 2, over the kept library), NAT-PMP (RFC 6886), the MAP and
//! ANNOUNCE parts of PCP (RFC 6887), a fixed external address, and "any" of them. Left out: IPv6 (no NAT, and pinholes
//! in firewalls are another subject), hole punching, STUN; the prediction of the endpoint from discovery is the
//! discovery's business.
//!
//! ```text
//!   Nat::start ──▶ keeper task: search ─▶ map every port ─▶ sleep ─▶ check or renew ─▶ … ─▶ give back at the stop
//!                     │  UPnP ┐                                          │
//!                     │  PCP, NAT-PMP ┘ in parallel, the first wins      ▼
//!   node ◀── watch: NatStatus { external address, granted ports, error }
//! ```
//!
//! # Invariants
//! - Every answer of a router is hostile input: its size, its number and its time are bounded, and what it says is
//!   only ever an address, a port, a number of seconds, or an error of [`NatError`].
//! - [`NatStatus::external`] is an address that others can use: never a private, shared or special one, except when
//!   the user wrote it into [`NatMode::ExtIp`].
//! - One task talks to one router; a port is asked for by one method at a time.
//! - After the stop no task is left and every port was given back, or [`NatTimes::goodbye`] has passed.
//!
//! # Example
//! ```
//! use undertone_nat::{Nat, NatMode, Port, Protocol};
//! use undertone_runtime::{Environment, Tasks};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let env = Environment::system()?;
//! let tasks = Tasks::new(tokio::runtime::Handle::current());
//! let mode: NatMode = "extip:203.0.113.7".parse()?;
//! let listener: std::net::SocketAddr = "0.0.0.0:30303".parse()?;
//! let ports = Port::of(Protocol::Tcp, listener, "undertone p2p").into_iter().collect();
//! let nat = Nat::start(mode, ports, &env, &tasks);
//! assert_eq!(nat.status().borrow().external, Some([203, 0, 113, 7].into()));
//! # let _ = tasks.shutdown(std::time::Duration::from_secs(5)).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod config;
mod error;
mod gateway;
mod keeper;
pub mod limits;
mod mode;
mod nat;
mod pmp;
mod router;
mod status;
mod upnp;

pub use config::{NatConfig, NatTimes, Port, Protocol};
pub use error::NatError;
pub use mode::{NatMode, NatModeError};
pub use nat::Nat;
pub use status::{Method, NatStatus};
