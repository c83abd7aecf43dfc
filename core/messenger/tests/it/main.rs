//! The messenger's suite over every transport, and the originals' own messages.

mod crash;
mod model;
mod start;

mod over_memory {
    undertone_messenger::messenger_suite!(undertone_transport::memory::MemoryNetwork);
}

mod over_whisper {
    undertone_messenger::messenger_suite!(undertone_whisper::testing::WhisperNetwork);
}
