//! Our bytes against live originals on loopback. Everything is in `tests/`; run it with `cargo xtask interop`.
//!
//! A foreign peer is a program named by an environment variable (`UNDERTONE_GETH`: go-ethereum v1.9.7). A case
//! whose peer is absent is reported as ignored, with the name of the variable. Results are recorded in
//! `docs/interop.md`.
#![forbid(unsafe_code)]
