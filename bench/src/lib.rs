//! Benches beside the rows of the budget table. Everything is in `benches/`; figures and their commands are in
//! `bench/README.md`.
#![forbid(unsafe_code)]
