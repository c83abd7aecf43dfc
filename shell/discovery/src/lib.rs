//! Discovery over sockets: v4 and v5.1 on one UDP port, DNS lists, the node database
