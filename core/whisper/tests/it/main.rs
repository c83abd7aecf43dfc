//! What only the whole can show: the contract, networks, and the transport over time.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::unreachable,
    reason = "helpers of tests are outside test functions"
)]

mod attacks;
mod listens;
mod mangle;
mod memory;
mod networks;
mod privacy;
mod transport;
mod waku;

mod conformance {
    undertone_transport::transport_conformance!(undertone_whisper::testing::WhisperNetwork);
}

mod conformance_waku_v0 {
    undertone_transport::transport_conformance!(undertone_whisper::testing::WakuV0Network);
}

mod conformance_waku_v1 {
    undertone_transport::transport_conformance!(undertone_whisper::testing::WakuV1Network);
}

mod conformance_both {
    undertone_transport::transport_conformance!(undertone_whisper::testing::MixedNetwork);
}
