//! ENS names: which chat key a name stands for, and whether a name that somebody claims is theirs.
//!
//! Implements `identity.md` 6 over EIP-137 (registry, namehash), ENSIP-15 (normalisation, by the kept library) and
//! EIP-619 (`pubkey` of a resolver), asked of an Ethereum JSON-RPC endpoint. There is no endpoint by default: nothing is
//! asked before a person names one. Left out: names on other chains and off chain (ENSIP-10, EIP-3668), reverse records,
//! registration, the expiry of a name (see the invariants).
//!
//! ```text
//!   "Alice" ─ EnsName::typed ─▶ alice.stateofus.eth ─ namehash ─▶ node
//!                                                                  │  eth_chainId, once: 1
//!   Ens::verify(name, key) ─▶ registry.owner(node) ─▶ registry.resolver(node) ─▶ resolver.pubkey(node) ─▶ x, y
//!   Verdict::{Verified, OtherKey, NoKey}  ◀── a point of the curve? equal to the key, all of it? ◀──────────┘
//! ```
//!
//! # Invariants
//! - Every answer is hostile input: bounded in size and time, exact in shape; nothing in it is followed, kept or shown but
//!   a key, an address and a number. A wrong answer of the endpoint is an [`EnsError`], never a verdict; a resolver,
//!   which the owner of a name chooses, has a key for it in the right shape or none.
//! - Whoever runs the endpoint is believed in what a name stands for, and learns which names are asked for and from
//!   which address of the network. Somebody between is not: the connection is TLS, or stays on this machine.
//! - A verdict is of its moment. Names are sold and expire: ask again after [`limits::RECHECK`].
//! - An error says nothing about the name. It is tried again after [`retry_after`], ever later, and given up.
//!
//! # Example
//! ```no_run
//! use undertone_crypto::PublicKey;
//! use undertone_ens::{Ens, EnsConfig, EnsName, Verdict};
//!
//! # async fn show(claimed: PublicKey) -> Result<(), Box<dyn std::error::Error>> {
//! let ens = Ens::new(EnsConfig::new("http://127.0.0.1:8545".parse()?));
//! let name = EnsName::typed("alice")?;
//! assert_eq!(name.as_str(), "alice.stateofus.eth");
//! let shown = match ens.verify(&name, &claimed).await? {
//!     Verdict::Verified => "theirs",
//!     Verdict::OtherKey(_) | Verdict::NoKey => "not theirs",
//!     _ => "unknown",
//! };
//! # let _ = shown; Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod abi;
mod endpoint;
mod error;
pub mod limits;
mod name;
mod resolver;
mod rpc;

pub use endpoint::{Endpoint, EndpointError};
pub use error::{AnswerFault, EnsError, Unreachable};
pub use limits::retry_after;
pub use name::{EnsName, NameError};
pub use resolver::{Ens, EnsConfig, MAINNET, MAINNET_REGISTRY, Verdict};
