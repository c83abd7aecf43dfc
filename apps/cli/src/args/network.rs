//! What the commands that take part in the network take.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Subcommand, ValueEnum};
use undertone_devp2p::Enode;
use undertone_devp2p::discv4::Network;
use undertone_devp2p::dnsdisc::Link;
use undertone_devp2p::enr::Record;
use undertone_nat::NatMode;
use undertone_whisper::{Bridge, Protocols, RateLimits, WakuMode};

use super::{duration, pow};

/// How other nodes are found.
const FINDING: &str = "Finding other nodes";
/// Who may be a peer.
const PEERS: &str = "Peers";
/// What carries envelopes.
const CARRIERS: &str = "Carrying envelopes";

/// A node to start from: an enode or a record.
#[derive(Clone, Debug)]
pub(crate) enum BootNode {
    Enode(Enode),
    Record(Box<Record>),
}

/// For commands with an account: peers, and whom to ask for more.
#[derive(Args, Clone, Debug)]
pub(crate) struct PeerArgs {
    /// A node to stay connected to, as enode://…@host:port (repeat for several)
    #[arg(long = "peer", value_name = "ENODE")]
    pub(crate) peers: Vec<Enode>,
    #[command(flatten)]
    pub(crate) starts: StartArgs,
    /// Pass on nothing of others: cheapest, but your peers know then that whatever you send is your own
    #[arg(long)]
    pub(crate) light: bool,
    #[command(flatten)]
    pub(crate) carriers: CarrierArgs,
}

/// Whom to ask for other nodes.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StartArgs {
    /// Nodes to start from, as enode://… or enr:… (commas between several, or repeat)
    #[arg(long, value_name = "NODE", value_delimiter = ',', value_parser = boot_node, help_heading = FINDING)]
    pub(crate) bootnodes: Vec<BootNode>,
    /// A node list in DNS to start from, as enrtree://…@name (repeat for several)
    #[arg(long = "discovery.dns", visible_alias = "dns", value_name = "LINK", help_heading = FINDING)]
    pub(crate) lists: Vec<Link>,
}

/// By which protocols envelopes go.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct CarrierArgs {
    /// Speak Whisper [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, hide_default_value = true, help_heading = CARRIERS)]
    pub(crate) shh: bool,
    /// Speak Waku, versions 0 and 1 [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, hide_default_value = true, help_heading = CARRIERS)]
    pub(crate) waku: bool,
    /// How peers of Waku are told what is wanted: by a filter, which leaves doubt, or by the list of topics
    #[arg(long = "waku.interest", value_name = "HOW", value_enum, default_value = "bloom", help_heading = CARRIERS)]
    pub(crate) interest: Interest,
    /// Pass on by one protocol what came by the other [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, hide_default_value = true, help_heading = CARRIERS)]
    pub(crate) bridge: bool,
    /// Packets a second that are taken from one address, one peer, and one peer on one topic; 0 is any number
    /// [default: 0,0,0; for a relay that everybody may reach: 20,10,0]
    #[arg(long = "ratelimit.packets", value_name = "IP,PEER,TOPIC", value_parser = rates, default_value = "0,0,0",
          hide_default_value = true, help_heading = CARRIERS)]
    pub(crate) packets: RateLimits,
    /// Bytes a second, the same [default: 0,0,0; for a relay that everybody may reach: 2097152,1048576,0]
    ///
    /// Peers are told both, and whoever gives more is read later; --peer and --trusted are free of them. Off by default,
    /// as in the other nodes of the network: a limit that is too low slows honest relays, whose traffic comes in bursts.
    #[arg(long = "ratelimit.bytes", value_name = "IP,PEER,TOPIC", value_parser = rates, default_value = "0,0,0",
          hide_default_value = true, help_heading = CARRIERS)]
    pub(crate) bytes: RateLimits,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Interest {
    /// A bloom filter
    Bloom,
    /// The topics themselves
    Topics,
}

impl CarrierArgs {
    pub(crate) const fn protocols(&self) -> Protocols {
        Protocols { whisper: self.shh, waku: self.waku }
    }

    pub(crate) const fn mode(&self) -> WakuMode {
        match self.interest {
            Interest::Bloom => WakuMode::Bloom,
            Interest::Topics => WakuMode::Topics,
        }
    }

    pub(crate) const fn bridging(&self) -> Bridge {
        if self.bridge { Bridge::On } else { Bridge::Off }
    }
}

/// By which protocol discovery goes.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DiscoveryArgs {
    /// Discovery v4 on or off [default: true]
    #[arg(long = "discovery.v4", value_name = "BOOL", action = ArgAction::Set, default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, hide_default_value = true, help_heading = FINDING)]
    pub(crate) v4: bool,
    /// Discovery v5.1 on or off [default: true]
    #[arg(long = "discovery.v5", value_name = "BOOL", action = ArgAction::Set, default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, hide_default_value = true, help_heading = FINDING)]
    pub(crate) v5: bool,
}

/// How others reach the node.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReachArgs {
    /// How to get through a router: any, none, upnp, pmp, pmp:IP or extip:IP (not asked when listening on 127.0.0.1)
    #[arg(long, value_name = "HOW", default_value_t = NatMode::Any, value_parser = nat, help_heading = FINDING)]
    pub(crate) nat: NatMode,
    /// Networks to have to do with, and no other, such as 10.0.0.0/8 (commas between several)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network, help_heading = PEERS)]
    pub(crate) netrestrict: Vec<Network>,
}

/// The node's key.
#[derive(Args, Clone)]
pub(crate) struct KeyArgs {
    /// The node's private key, a file of 64 hexadecimal digits [default: nodekey in the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "nodekeyhex")]
    pub(crate) nodekey: Option<PathBuf>,
    /// The node's private key, for tests: it is visible to every user of this machine
    #[arg(long, value_name = "HEX")]
    pub(crate) nodekeyhex: Option<String>,
}

impl std::fmt::Debug for KeyArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = self.nodekeyhex.as_ref().map(|_| "…");
        f.debug_struct("KeyArgs").field("nodekey", &self.nodekey).field("nodekeyhex", &hex).finish()
    }
}

#[derive(Args, Debug)]
pub(crate) struct NodeArgs {
    /// What the node does for others
    #[arg(long, value_enum, value_delimiter = ',', default_value = "relay")]
    pub(crate) role: Vec<Role>,
    /// Address to listen on; other machines reach only a node that listens on another than 127.0.0.1
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) addr: IpAddr,
    /// TCP port for peers and UDP port for discovery (0: any free one)
    #[arg(long, default_value_t = 30303)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Proof of work that envelopes need; with more than the default a Status client's images do not pass
    #[arg(long = "shh.pow", value_name = "POW", default_value_t = 0.000_002, value_parser = pow)]
    pub(crate) shh_pow: f64,
    #[command(flatten)]
    pub(crate) carriers: CarrierArgs,
    /// A node to stay connected to, as enode://…@host:port (repeat for several)
    #[arg(long = "peer", value_name = "ENODE", help_heading = PEERS)]
    pub(crate) peers: Vec<Enode>,
    /// A node that is let in whatever the limits (repeat for several)
    #[arg(long, value_name = "ENODE", help_heading = PEERS)]
    pub(crate) trusted: Vec<Enode>,
    /// How many peers at most
    #[arg(long, value_name = "N", default_value_t = 50, help_heading = PEERS)]
    pub(crate) maxpeers: usize,
    /// One peer in N is dialled by the node's own choice; the other places are for those that come
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..),
          help_heading = PEERS)]
    pub(crate) dialratio: u16,
    #[command(flatten)]
    pub(crate) starts: StartArgs,
    #[command(flatten)]
    pub(crate) discovery: DiscoveryArgs,
    /// Look for no other nodes, and do not help others to
    #[arg(long, conflicts_with_all = ["bootnodes", "lists"], help_heading = FINDING)]
    pub(crate) nodiscover: bool,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Role {
    /// Pass envelopes on
    Relay,
    /// Help others to find each other, and keep the places for those that come
    Boot,
    /// Pass nothing on, and say so
    Light,
}

#[derive(Args, Debug)]
pub(crate) struct BootnodeArgs {
    /// Make a key, write it to FILE, and end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodekey", "nodekeyhex", "writeaddress"])]
    pub(crate) genkey: Option<PathBuf>,
    /// Print the public key, and end
    #[arg(long)]
    pub(crate) writeaddress: bool,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// UDP address to listen on; :PORT is every address of this machine
    #[arg(long, value_name = "[IP]:PORT", default_value = "127.0.0.1:30301", value_parser = listen)]
    pub(crate) addr: SocketAddr,
    #[command(flatten)]
    pub(crate) starts: StartArgs,
    #[command(flatten)]
    pub(crate) discovery: DiscoveryArgs,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// Who is connected, who should be and is not, and who is banned
    List,
    /// Stay connected to a node
    Add {
        /// As enode://…@host:port
        enode: Enode,
    },
    /// Stay connected to it no more, and end its link
    Remove {
        /// Its enode, its public key, or the first digits of its id
        node: String,
    },
    /// Let a node in whatever the limits
    Trust {
        /// Its enode, its public key, or the first digits of its id
        node: String,
    },
    /// Hold it to the limits again
    Untrust {
        /// Its enode, its public key, or the first digits of its id
        node: String,
    },
    /// Have nothing to do with a node or an address
    Ban {
        /// Its enode, its public key, the first digits of its id, or an IP address
        who: String,
        /// For how long
        #[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "60m")]
        span: Duration,
        /// For as long as the node runs
        #[arg(long, conflicts_with = "span")]
        forever: bool,
    },
    /// End a ban, and forget the faults that led to it
    Unban {
        /// Its enode, its public key, the first digits of its id, or an IP address
        who: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Address that a node would listen on
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) addr: IpAddr,
    /// Port that a node would listen on
    #[arg(long, default_value_t = 30303)]
    pub(crate) port: u16,
}

fn boot_node(text: &str) -> Result<BootNode, String> {
    let text = text.trim();
    if text.starts_with("enr:") {
        return text
            .parse()
            .map(|record| BootNode::Record(Box::new(record)))
            .map_err(|error| error.to_string());
    }
    text.parse().map(BootNode::Enode).map_err(|error: undertone_devp2p::EnodeError| error.to_string())
}

fn nat(text: &str) -> Result<NatMode, String> {
    text.parse().map_err(|error: undertone_nat::NatModeError| error.to_string())
}

fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: undertone_devp2p::discv4::ParseNetworkError| error.to_string())
}

/// Three numbers with commas between them.
fn rates(text: &str) -> Result<RateLimits, String> {
    let numbers: Option<Vec<u64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[ip, peer, topic]) => Ok(RateLimits { ip, peer, topic }),
        _ => Err("expected three numbers with commas between them: IP,PEER,TOPIC".to_owned()),
    }
}

/// `IP:PORT`, or `:PORT` for every address.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let port = |port: &str| port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    let parsed = text.strip_prefix(':').map_or_else(|| text.parse().ok(), port);
    parsed.ok_or_else(|| "expected :PORT or IP:PORT, such as :30301 or 127.0.0.1:30301".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_three_numbers() {
        assert_eq!(rates("20,10, 0"), Ok(RateLimits { ip: 20, peer: 10, topic: 0 }));
        for text in ["", "1", "1,2", "1,2,3,4", "1,2,-3", "a,b,c", "1,,3"] {
            assert!(rates(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_to_listen_on_may_leave_the_ip_out() {
        assert_eq!(listen(":30301").unwrap().to_string(), "0.0.0.0:30301");
        assert_eq!(listen("127.0.0.1:1").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(listen("[::1]:1").unwrap().to_string(), "[::1]:1");
        for text in ["", ":", "30301", ":70000", "host:1"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }
}
