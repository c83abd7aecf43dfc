//! `undertone peers`: asked of the node that owns the data directory.

use std::fmt;
use std::net::IpAddr;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Result, bail};
use undertone_crypto::PublicKey;
use undertone_devp2p::Enode;
use undertone_node::{BanInfo, PeerInfo};
use undertone_peers::BanTarget;

use crate::args::{Global, PeersCommand};
use crate::ipc::{NodeRequest, PeerList, ask};
use crate::output::{BAD, BOLD, DIM, GOOD, NAME, Table, Ui, count, paint, printable, span};
use crate::{Usage, home};

/// Longest name of a program that a table shows, in characters.
const MAX_NAME: usize = 40;

pub(crate) async fn run(global: &Global, command: Option<PeersCommand>, ui: &Ui) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let Some((request, done, was_so)) = change(command)? else {
        list(&ask(&dir, NodeRequest::Peers).await?, ui);
        return Ok(ExitCode::SUCCESS);
    };
    let changed: bool = ask(&dir, request).await?;
    if ui.json {
        ui.object(&serde_json::json!({ "changed": changed }));
    }
    match changed {
        true => ui.note(&format!("{} {done}", paint(GOOD, "✓"))),
        false => ui.note(&format!("nothing changed: {was_so}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// What to ask for, what to say when it is done, and what when it was so before. `None` for the list.
fn change(command: Option<PeersCommand>) -> Result<Option<(NodeRequest, String, &'static str)>> {
    // Looked at here already, so that a mistake is one of the usage.
    Ok(Some(match command {
        None | Some(PeersCommand::List) => return Ok(None),
        Some(PeersCommand::Add { enode }) => {
            if enode.endpoint().is_none_or(|at| at.tcp == 0) {
                return Err(
                    Usage("this enode says no TCP port, so nobody can connect to it".to_owned()).into()
                );
            }
            let request = NodeRequest::Add { enode: enode.to_string() };
            (request, format!("stays connected to {}", short(enode.key())), "it is so already")
        }
        Some(PeersCommand::Remove { node }) => {
            let done = format!("does not stay connected to {}", node.parse::<Who>()?);
            (NodeRequest::Remove { peer: node }, done, "it is no peer to stay connected to")
        }
        Some(PeersCommand::Trust { node }) => {
            let done = format!("lets {} in whatever the limits", node.parse::<Who>()?);
            (NodeRequest::Trust { peer: node }, done, "it is so already")
        }
        Some(PeersCommand::Untrust { node }) => {
            let done = format!("holds {} to the limits", node.parse::<Who>()?);
            (NodeRequest::Untrust { peer: node }, done, "it was not trusted")
        }
        Some(PeersCommand::Ban { who, span: time, forever }) => {
            let target: Who = who.parse()?;
            let secs = (!forever).then_some(time.as_secs());
            let long =
                secs.map_or_else(|| "as long as it runs".to_owned(), |secs| format!("for {}", span(secs)));
            (NodeRequest::Ban { who, secs }, format!("has nothing to do with {target} {long}"), "")
        }
        Some(PeersCommand::Unban { who }) => {
            let done = format!("{} may come back", who.parse::<Who>()?);
            (NodeRequest::Unban { who }, done, "it was not banned")
        }
    }))
}

fn list(list: &PeerList, ui: &Ui) {
    if ui.json {
        return list.peers.iter().for_each(|peer| ui.object(&serde_json::json!(peer)));
    }
    let mut table = Table::new(["", "NODE", "ADDRESS", "CLIENT", "FOR", "USEFUL", "PING", ""]);
    list.peers.iter().for_each(|peer| table.row(row(peer)));
    if !list.peers.is_empty() {
        table.print(ui);
    }
    for enode in &list.absent {
        ui.line(&format!("{} {}  {}", paint(DIM, "…"), enode, paint(DIM, "static, not connected")));
    }
    for BanInfo { who, secs } in &list.bans {
        let left =
            secs.map_or_else(|| "as long as the node runs".to_owned(), |s| format!("{} more", span(s)));
        ui.line(&format!("{} {who}  {}", paint(BAD, "✗"), paint(DIM, format!("banned, {left}"))));
    }
    let inbound = list.peers.iter().filter(|peer| peer.network.inbound).count();
    let (all, max) = (list.peers.len(), list.max);
    ui.note(&paint(DIM, format!("{}, {inbound} of them came to us; room for {max}", count(all, "peer"))));
}

fn row(peer: &PeerInfo) -> [String; 8] {
    let network = &peer.network;
    let kinds = [(network.fixed, "static"), (network.trusted, "trusted")];
    let kinds: Vec<&str> = kinds.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    let mut name: String = printable(&peer.name);
    if name.chars().count() > MAX_NAME {
        name = name.chars().take(MAX_NAME - 1).chain(['…']).collect();
    }
    let id: String = peer.id.chars().take(8).collect();
    let quality = &peer.undertone;
    [
        paint(DIM, if network.inbound { "←" } else { "→" }),
        paint(NAME, id),
        network.remote_address.clone(),
        name,
        span(quality.age_secs),
        quality.usefulness.div_ceil(1_000).to_string(),
        quality.rtt_ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
        paint(BOLD, kinds.join(" ")),
    ]
}

/// The first digits of a node's id, as the table shows it.
fn short(key: &PublicKey) -> String {
    id(key).chars().take(8).collect()
}

/// A node's id without 0x.
fn id(key: &PublicKey) -> String {
    undertone_devp2p::NodeId::of(key).to_string().trim_start_matches("0x").to_owned()
}

/// How a node is named on the command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// An address; only bans know it.
    Ip(IpAddr),
    /// The first digits of the id of one that the node knows.
    Id(String),
    Key(PublicKey),
}

impl FromStr for Who {
    type Err = Usage;

    /// An enode, 128 digits of a key (with 0x or 0x04 before them), an address, or the first digits of an id.
    fn from_str(text: &str) -> Result<Self, Usage> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        let bare = text.strip_prefix("0x").unwrap_or(text);
        if (MIN_ID..=64).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::Id(bare.to_ascii_lowercase()));
        }
        let digits = if bare.len() == 130 { bare.strip_prefix("04").unwrap_or(bare) } else { bare };
        digits.parse().map(|enode: Enode| Self::Key(*enode.key())).map_err(|error| {
            let forms = "its enode://…, the digits of its public key or the first digits of its id";
            Usage(format!("{text:?} is no node: use {forms} ({error})"))
        })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Id(digits) => f.write_str(digits),
            Self::Key(key) => f.write_str(&short(key)),
        }
    }
}

impl Who {
    /// The key that is meant, among those that the node knows.
    pub(crate) fn key(&self, known: &[PublicKey]) -> Result<PublicKey> {
        match self {
            Self::Key(key) => Ok(*key),
            Self::Ip(ip) => bail!("{ip} is an address, and a node is wanted: its enode, key or id"),
            Self::Id(digits) => {
                let mut fit: Vec<&PublicKey> =
                    known.iter().filter(|key| id(key).starts_with(digits)).collect();
                fit.dedup();
                match fit.as_slice() {
                    [key] => Ok(**key),
                    [] => bail!("no node that is known here has an id that begins with {digits}"),
                    more => {
                        bail!("{} nodes have an id that begins with {digits}: give more digits", more.len())
                    }
                }
            }
        }
    }

    pub(crate) fn ban_target(&self, known: &[PublicKey]) -> Result<BanTarget> {
        match self {
            Self::Ip(ip) => Ok(BanTarget::Ip(*ip)),
            other => other.key(known).map(BanTarget::Key),
        }
    }
}

/// Fewest digits of an id that name a node.
const MIN_ID: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_by_enode_key_or_id_and_banned_by_address_too() {
        let key = |seed: u8| undertone_crypto::SecretKey::from_slice(&[seed; 32]).unwrap().public();
        let (mine, known) = (key(7), [key(7), key(8)]);
        let enode = Enode::incomplete(mine).to_string();
        let bare = enode.trim_start_matches("enode://");
        for text in
            [&enode, bare, &format!("{enode}@127.0.0.1:1"), &format!("0x04{bare}"), &format!("0x{bare}")]
        {
            let who: Who = text.parse().unwrap();
            assert_eq!(who.key(&[]).unwrap(), mine, "{text}");
            assert_eq!(who.ban_target(&[]).unwrap(), BanTarget::Key(mine), "{text}");
        }
        let by_id: Who = short(&mine).to_uppercase().parse().unwrap();
        assert_eq!(by_id.key(&known).unwrap(), mine);
        assert!(by_id.key(&known[1..]).is_err());
        let address: Who = "10.0.0.1".parse().unwrap();
        assert_eq!(address.ban_target(&known).unwrap(), BanTarget::Ip("10.0.0.1".parse().unwrap()));
        assert!(address.key(&known).is_err());
        for text in ["", "10.0.0", "bob", "abc", "enode://12"] {
            assert!(text.parse::<Who>().is_err(), "{text}");
        }
    }
}
