//! The in-memory transport keeps the contract.
undertone_transport::transport_conformance!(undertone_transport::memory::MemoryNetwork);
