//! `undertone peers`: asked of the node that owns the data directory.

use std::process::ExitCode;

use anyhow::Result;
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
            let done = format!("does not stay connected to {}", short(&key_of(&node)?));
            (NodeRequest::Remove { peer: node }, done, "it is no peer to stay connected to")
        }
        Some(PeersCommand::Trust { node }) => {
            let done = format!("lets {} in whatever the limits", short(&key_of(&node)?));
            (NodeRequest::Trust { peer: node }, done, "it is so already")
        }
        Some(PeersCommand::Untrust { node }) => {
            let done = format!("holds {} to the limits", short(&key_of(&node)?));
            (NodeRequest::Untrust { peer: node }, done, "it was not trusted")
        }
        Some(PeersCommand::Ban { who, span: time, forever }) => {
            let target = whom(&ban_target(&who)?);
            let secs = (!forever).then_some(time.as_secs());
            let long =
                secs.map_or_else(|| "as long as it runs".to_owned(), |secs| format!("for {}", span(secs)));
            (NodeRequest::Ban { who, secs }, format!("has nothing to do with {target} {long}"), "")
        }
        Some(PeersCommand::Unban { who }) => {
            let done = format!("{} may come back", whom(&ban_target(&who)?));
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
    let id = undertone_devp2p::NodeId::of(key).to_string();
    id.trim_start_matches("0x").chars().take(8).collect()
}

fn whom(target: &BanTarget) -> String {
    match target {
        BanTarget::Ip(ip) => ip.to_string(),
        BanTarget::Key(key) => short(key),
    }
}

/// A key, as an enode or by its digits.
pub(crate) fn key_of(text: &str) -> Result<PublicKey> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits = if digits.len() == 130 { digits.strip_prefix("04").unwrap_or(digits) } else { digits };
    let enode: Enode = digits.parse().map_err(|error| {
        Usage(format!("{text:?} is no node: use its enode://… or the 128 digits of its public key ({error})"))
    })?;
    Ok(*enode.key())
}

/// An address or a key.
pub(crate) fn ban_target(text: &str) -> Result<BanTarget> {
    match text.parse() {
        Ok(ip) => Ok(BanTarget::Ip(ip)),
        Err(_) => key_of(text).map(BanTarget::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_by_enode_or_key_and_banned_by_address_too() {
        let key = undertone_crypto::SecretKey::from_slice(&[7; 32]).unwrap().public();
        let enode = Enode::incomplete(key).to_string();
        let bare = enode.trim_start_matches("enode://");
        for text in
            [&enode, bare, &format!("{enode}@127.0.0.1:1"), &format!("0x04{bare}"), &format!("0x{bare}")]
        {
            assert_eq!(key_of(text).unwrap(), key, "{text}");
            assert_eq!(ban_target(text).unwrap(), BanTarget::Key(key), "{text}");
        }
        assert_eq!(ban_target("10.0.0.1").unwrap(), BanTarget::Ip("10.0.0.1".parse().unwrap()));
        for text in ["", "10.0.0", "bob", "enode://12"] {
            assert!(ban_target(text).unwrap_err().is::<Usage>(), "{text}");
        }
    }
}
