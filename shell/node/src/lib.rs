//! A node: peers and the privacy layer joined to sockets
