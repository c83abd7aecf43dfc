//! What `undertone dns` takes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use undertone_devp2p::dnsdisc::Link;

use super::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Sign a list of nodes and print the TXT records to publish
    ///
    /// Printed is a zone file; with --json, one object with the records and the link that readers need.
    Sign(SignArgs),
    /// Read a list from DNS, check every signature, and print its nodes
    List(ListArgs),
    /// Say what a record, an enode or the address of a list holds, and whether its signature is valid
    Show {
        /// `enr:…`, `enode://…`, `enrtree://…` or a text of a list
        text: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct SignArgs {
    /// The name under which the list is published, such as nodes.example.org
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: String,
    /// The private key that signs the list, a file of 64 hexadecimal digits (`undertone bootnode --genkey FILE`)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Version of the list: readers take no older one than they have seen [default: the time in seconds]
    #[arg(long, value_name = "N")]
    pub(crate) seq: Option<u64>,
    /// Another list to name in this one, as enrtree://…@name (repeat for several)
    #[arg(long = "link", value_name = "LINK")]
    pub(crate) links: Vec<Link>,
    /// Node records, one `enr:…` a line; # begins a comment; - is stdin
    #[arg(value_name = "NODES_FILE")]
    pub(crate) nodes: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The list, as enrtree://…@name
    pub(crate) link: Link,
    /// The name server to ask [default: what the system is configured to ask]
    #[arg(long, value_name = "IP:PORT", value_parser = server)]
    pub(crate) server: Option<SocketAddr>,
    /// How long reading may take in all
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(crate) timeout: Duration,
}

/// An address with or without a port.
fn server(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse::<std::net::IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    text.parse().or_else(|_| with_port()).map_err(|_| "expected IP or IP:PORT, such as 9.9.9.9:53".to_owned())
}
