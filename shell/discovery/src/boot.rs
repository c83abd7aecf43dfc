//! Names of nodes become addresses.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use undertone_devp2p::discv4::Contact;
use undertone_devp2p::{Endpoint, Enode, Host};
use undertone_runtime::Environment;

use crate::limits::{RESOLVE_AGAIN, RESOLVE_RETRY, RESOLVE_RETRY_MAX};
use crate::task::Command;

/// The node at an address that its discovery can be reached at; `None` for a name that does not resolve, and for a
/// node without discovery.
pub(crate) async fn contact(env: &Environment, enode: &Enode) -> Option<Contact> {
    let endpoint = enode.endpoint()?;
    let Host::Name(name) = &endpoint.host else { return Contact::of_enode(enode) };
    let found = env.resolve(name, endpoint.udp).await.ok()?;
    // IPv4 first: a socket of IPv6 reaches it too, and not the other way round.
    let address = found.iter().find(|address| address.is_ipv4()).or(found.first())?;
    let endpoint = Endpoint { host: Host::Ip(SocketAddr::ip(address)), ..endpoint.clone() };
    Contact::of_enode(&Enode::new(*enode.key(), endpoint))
}

/// Whether the address of this node has to be asked for.
pub(crate) fn has_name(enode: &Enode) -> bool {
    enode.endpoint().is_some_and(|endpoint| matches!(endpoint.host, Host::Name(_)))
}

/// Resolves the names of boot nodes, all of them at every round: addresses change. Ends when discovery does.
pub(crate) async fn resolve(
    env: Environment,
    boot: Vec<Enode>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
) {
    let mut pause = RESOLVE_RETRY;
    loop {
        let round = async {
            let mut contacts = Vec::new();
            for enode in &boot {
                match contact(&env, enode).await {
                    Some(contact) => contacts.push(contact),
                    None => {
                        tracing::debug!(%enode, code = "discovery.boot_name", "the name of a boot node has no address");
                    }
                }
            }
            let all = contacts.len() == boot.len();
            let open = contacts.is_empty() || commands.send(Command::Boot(contacts)).await.is_ok();
            (all, open)
        };
        let Some((all, open)) = stop.run_until_cancelled(round).await else { return };
        if !open {
            return;
        }
        let length: Duration = if all { RESOLVE_AGAIN } else { pause };
        pause = if all { RESOLVE_RETRY } else { RESOLVE_RETRY_MAX.min(pause.saturating_mul(2)) };
        if stop.run_until_cancelled(sleep(length)).await.is_none() {
            return;
        }
    }
}
