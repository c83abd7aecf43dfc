//! Whom to dial, let in, keep and drop: the peer manager as a pure machine
