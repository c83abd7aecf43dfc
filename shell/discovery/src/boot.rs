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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use tokio::time::timeout;
    use undertone_devp2p::NodeKey;
    use undertone_runtime::Clock;
    use undertone_support::rng;

    use super::*;

    fn node(host: &str, n: u64) -> Enode {
        let key = NodeKey::random(&mut rng(n)).public().to_bare_hex();
        format!("enode://{}@{host}:30303", &key[2..]).parse().unwrap()
    }

    /// How often boot nodes were told of in this time, and of how many the last time.
    async fn rounds(boot: &[Enode], time: Duration) -> (usize, usize) {
        let address: IpAddr = "9.9.9.9".parse().unwrap();
        let hosts = BTreeMap::from([("known.test".to_owned(), vec!["2a01::1".parse().unwrap(), address])]);
        let env = Environment::fixed(1, Clock::system(), hosts);
        let (commands, mut taken) = mpsc::channel(1_000);
        let run = resolve(env, boot.to_vec(), commands, CancellationToken::new());
        assert!(timeout(time, run).await.is_err(), "goes on");
        let (mut count, mut last) = (0, 0);
        while let Ok(Command::Boot(contacts)) = taken.try_recv() {
            assert!(contacts.iter().all(|contact| contact.address == SocketAddr::new(address, 30_303)));
            (count, last) = (count + 1, contacts.len());
        }
        (count, last)
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_resolve_is_asked_for_again_and_less_and_less_often() {
        let (known, unknown) = (node("known.test", 1), node("unknown.test", 2));
        assert!(has_name(&known) && !has_name(&node("9.9.9.9", 3)));
        let minute = Duration::from_secs(60);
        // At 0, 5, 15 and 35 seconds.
        assert_eq!(rounds(&[known.clone(), unknown.clone()], minute).await, (4, 1));
        assert_eq!(rounds(std::slice::from_ref(&unknown), minute).await, (0, 0));
        assert_eq!(rounds(std::slice::from_ref(&known), 29 * minute).await, (1, 1));
        assert_eq!(rounds(&[known], 31 * minute).await, (2, 1));
        let (count, _) = rounds(&[node("known.test", 4), unknown], 24 * 60 * minute).await;
        assert!((100..200).contains(&count), "every ten minutes in the end: {count}");
    }
}
