//! RLPx over TCP: listener, dialer and one task per peer
