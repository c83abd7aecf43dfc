//! A peer of the node.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone_devp2p::{Capability, Enode, NodeKey, Offer};
use undertone_net::{Net, NetConfig, NetEvent, PeerId, SendRefused};
use undertone_runtime::{Environment, Tasks};
use undertone_whisper::Pow;
use undertone_whisper::wire::{CODES, PacketCode, Status};

/// How long the handshakes may take. A node that was left a moment ago may throttle us first.
const CONNECT: Duration = Duration::from_secs(60);

/// Largest packet that is taken, in bytes. geth puts all that came within 300 ms into one, however much that is.
const MAX_BUNDLE: usize = 16_000_000;

/// A link over which both Status packets went.
#[derive(Debug)]
pub(crate) struct Link {
    net: Net,
    events: mpsc::Receiver<NetEvent>,
    peer: PeerId,
    capability: usize,
    /// Packets handed to the link.
    sent: u64,
    /// What the node calls itself.
    pub(crate) client: String,
    /// The least work it asks for.
    pub(crate) min_pow: Pow,
}

/// What a link says.
#[derive(Debug)]
pub(crate) enum Said {
    /// A packet of envelopes came.
    Envelopes(Vec<u8>),
    /// The socket took all packets up to this one.
    Written(u64),
}

impl Link {
    pub(crate) async fn connect(env: &Environment, tasks: &Tasks, enode: &Enode) -> Result<Self> {
        let offer = Offer { capability: Capability::new("shh", 6), length: CODES };
        let mut config = NetConfig::new(NodeKey::random(&mut env.rng()), "flood", vec![offer]);
        config.max_message = MAX_BUNDLE;
        let (net, mut events) = Net::start(config, env, tasks).await?;
        net.add_static(enode.clone())?;
        let greeted = timeout(CONNECT, greet(&net, &mut events)).await;
        let (peer, capability, client, status) = greeted.context("no handshake in time")??;
        Ok(Self { net, events, peer, capability, sent: 1, client, min_pow: status.min_pow })
    }

    /// Queues a packet of envelopes and gives its place among all packets; `None` when too much waits.
    pub(crate) fn send(&mut self, packet: Vec<u8>) -> Result<Option<u64>> {
        match self.net.send(self.peer, self.capability, PacketCode::MESSAGES.0, packet) {
            Ok(()) => {
                self.sent += 1;
                Ok(Some(self.sent))
            }
            Err(SendRefused::Full) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    /// The next thing that it says. May be cancelled.
    pub(crate) async fn said(&mut self) -> Result<Said> {
        loop {
            match self.events.recv().await.context("the network is gone")? {
                NetEvent::Message { code, payload, .. } if code == PacketCode::MESSAGES.0 => {
                    return Ok(Said::Envelopes(payload));
                }
                NetEvent::Writable { written, .. } => return Ok(Said::Written(written)),
                NetEvent::Disconnected { closed, .. } => bail!("the node hung up: {closed}"),
                _ => {}
            }
        }
    }
}

async fn greet(net: &Net, events: &mut mpsc::Receiver<NetEvent>) -> Result<(PeerId, usize, String, Status)> {
    let mut connected = None;
    loop {
        match events.recv().await.context("the network is gone")? {
            NetEvent::Connected { peer, shared, client, .. } => {
                let shh = shared.iter().position(|shared| shared.capability.name == b"shh");
                let capability = shh.context("the node does not speak shh/6")?;
                net.send(peer, capability, PacketCode::STATUS.0, Status::default().encode())?;
                connected = Some((peer, capability, client));
            }
            NetEvent::Message { code, payload, .. } if code == PacketCode::STATUS.0 => {
                let (peer, capability, client) = connected.context("a status before the link")?;
                return Ok((peer, capability, client, Status::decode(&payload)?));
            }
            NetEvent::Disconnected { closed, .. } => eprintln!("hung up, trying again: {closed}"),
            _ => {}
        }
    }
}
