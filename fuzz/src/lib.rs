//! A target for each decoder and machine that hostile bytes reach.
//!
//! Each target is a plain function over bytes. It must not panic, hang or allocate beyond what it was given,
//! and it asserts what holds beyond that: that what was read can be written and read again, and that the same
//! bytes give the same answer. `fuzz_targets/<name>.rs` runs one under libFuzzer; `tests/replay.rs` runs all of
//! them over their committed corpora, and over seeded mutations of these, on stable Rust.
//!
//! To add one: a function in the module of its layer, its name in [`for_each_target!`], a file in
//! `fuzz_targets/` with its `[[bin]]`, and a few seeds in `corpus/<name>/` (`examples/seeds.rs` makes them from the
//! test vectors).
#![forbid(unsafe_code)]

mod account;
mod datasync;
mod devp2p;
mod discovery;
mod dnsdisc;
mod messenger;
mod payload;
mod ratchet;
mod sealed;
mod waku;
mod whisper;

pub use account::{backup, key_forms, keystore, link, mnemonic};
pub use datasync::{sync_payload, sync_stored};
pub use devp2p::{enode, hello, rlpx_handshake, rlpx_session};
pub use discovery::{discovery, discv4_packet, discv4_stored, enr};
pub use dnsdisc::{dns_entry, dns_sync};
pub use messenger::messenger;
pub use payload::metadata;
pub use ratchet::{protocol_message, ratchet_network, ratchet_stored};
pub use sealed::{sealed_open, sealed_plaintext};
pub use waku::{filters, rates, waku_packet};
pub use whisper::{envelope, waku_node, whisper_node, whisper_packet};

/// Calls `$then!` with the name of every target.
#[macro_export]
macro_rules! for_each_target {
    ($then:ident) => {
        $then! {
            backup
            discovery
            discv4_packet
            discv4_stored
            dns_entry
            dns_sync
            enode
            enr
            envelope
            filters
            hello
            key_forms
            keystore
            link
            messenger
            metadata
            mnemonic
            protocol_message
            ratchet_network
            ratchet_stored
            rates
            rlpx_handshake
            rlpx_session
            sealed_open
            sealed_plaintext
            sync_payload
            sync_stored
            waku_node
            waku_packet
            whisper_node
            whisper_packet
        }
    };
}

macro_rules! table {
    ($($name:ident)*) => {
        /// Every target by name.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name)),*];
    };
}
for_each_target!(table);

/// The program of one target: libFuzzer's entry under `cfg(fuzzing)`, else one that runs the files it is given.
#[macro_export]
macro_rules! program {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::run_files(stringify!($name), $crate::$name)
        }
    };
}

/// The records of a step list: operation, length (2 bytes), that many bytes.
fn records(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[op, high, low], rest) = data.split_first_chunk()?;
        let (body, rest) = rest.split_at(usize::from(u16::from_be_bytes([high, low])).min(rest.len()));
        data = rest;
        Some((op, body))
    })
}

/// Runs the files named as arguments through a target: to look at a crash without a fuzzer.
pub fn run_files(name: &str, target: fn(&[u8])) -> std::process::ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: {name} FILE…   (to fuzz: cargo +nightly fuzz run {name})");
        return std::process::ExitCode::from(2);
    }
    for file in files {
        match std::fs::read(&file) {
            Ok(bytes) => target(&bytes),
            Err(error) => {
                eprintln!("{file}: {error}");
                return std::process::ExitCode::FAILURE;
            }
        }
        println!("{file}: ok");
    }
    std::process::ExitCode::SUCCESS
}
