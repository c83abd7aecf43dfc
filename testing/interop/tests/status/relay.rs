//! A relay of ours that reorders: it stands between the peer and one of our people and passes every packet on. While it
//! is told to, it keeps back what the peer sends of envelopes; what was kept leaves last first.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use undertone_crypto::PublicKey;
use undertone_devp2p::{Capability, Enode, NodeKey, Offer};
use undertone_net::{Net, NetConfig, NetEvent, PeerId};
use undertone_runtime::{CancellationToken, Environment, Tasks};
use undertone_support::until_async;

use crate::ours::{LONG, new_key};

/// Packets of the kind that is kept back: envelopes. The others are wishes and confirmations of the link.
const ENVELOPES: u64 = 1;

#[derive(Clone, Copy, Debug)]
enum Act {
    Cut,
    Hold,
    Mend,
    Release,
}

pub(crate) struct Relay {
    net: Net,
    tasks: Tasks,
    acts: mpsc::Sender<Act>,
    kept: Arc<AtomicUsize>,
}

impl Relay {
    /// Dials the peer, and waits for one of ours. The two announce to each other, through it, what they want.
    pub(crate) async fn start(theirs: &Enode) -> Result<Self> {
        let (env, tasks) = (Environment::system()?, Tasks::new(Handle::current()));
        let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
        let mut config = NetConfig::new(NodeKey::new(new_key()?), "Undertone/relay", vec![offer]);
        config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (net, events) = Net::start(config, &env, &tasks).await?;
        let (acts, inbox) = mpsc::channel(4);
        let kept = Arc::new(AtomicUsize::new(0));
        let passing = Passing {
            net: net.clone(),
            theirs: *theirs.key(),
            links: [None; 2],
            early: [Vec::new(), Vec::new()],
            held: None,
            kept: Arc::clone(&kept),
            cut: false,
        };
        tasks.spawn("interop.relay", passing.run(tasks.token(), inbox, events));
        net.add_static(theirs.clone())?;
        Ok(Self { net, tasks, acts, kept })
    }

    pub(crate) fn enode(&self) -> Enode {
        self.net.enode()
    }

    /// Keeps the peer's envelopes back from now on.
    pub(crate) async fn hold(&self) -> Result<()> {
        self.acts.send(Act::Hold).await.context("the relay has ended")
    }

    /// Loses all envelopes, of both, from now on.
    pub(crate) async fn cut(&self) -> Result<()> {
        self.acts.send(Act::Cut).await.context("the relay has ended")
    }

    /// Passes envelopes on again.
    pub(crate) async fn mend(&self) -> Result<()> {
        self.acts.send(Act::Mend).await.context("the relay has ended")
    }

    /// Waits until so many packets are kept.
    pub(crate) async fn keeps(&self, least: usize) -> Result<()> {
        let kept = || self.kept.load(Ordering::SeqCst);
        ensure!(until_async(LONG, || kept() >= least).await, "{} packets are kept, not {least}", kept());
        Ok(())
    }

    /// Lets what is kept go.
    pub(crate) async fn release(&self) -> Result<()> {
        self.acts.send(Act::Release).await.context("the relay has ended")
    }

    pub(crate) async fn stop(self) {
        let _ = self.tasks.shutdown(LONG).await;
    }
}

/// One end is the peer (0), the other one of us (1).
struct Passing {
    net: Net,
    theirs: PublicKey,
    links: [Option<PeerId>; 2],
    /// What came for an end before it was there.
    early: [Vec<(u64, Vec<u8>)>; 2],
    held: Option<Vec<Vec<u8>>>,
    kept: Arc<AtomicUsize>,
    cut: bool,
}

impl Passing {
    async fn run(
        mut self,
        stop: CancellationToken,
        mut acts: mpsc::Receiver<Act>,
        mut events: mpsc::Receiver<NetEvent>,
    ) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(act) = acts.recv() => self.act(act),
                event = events.recv() => match event {
                    Some(event) => self.network(event),
                    None => return,
                },
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Cut => self.cut = true,
            Act::Mend => self.cut = false,
            Act::Hold => self.held = Some(Vec::new()),
            Act::Release => {
                for packet in self.held.take().unwrap_or_default().into_iter().rev() {
                    self.pass(1, ENVELOPES, packet);
                }
            }
        }
    }

    fn network(&mut self, event: NetEvent) {
        match event {
            NetEvent::Connected { peer, key, .. } => {
                let end = usize::from(key != self.theirs);
                self.links[end] = Some(peer);
                for (code, payload) in std::mem::take(&mut self.early[end]) {
                    self.pass(end, code, payload);
                }
            }
            NetEvent::Message { peer, code, payload, .. } => {
                let from_them = self.links[0] == Some(peer);
                if self.cut && code == ENVELOPES {
                    return;
                }
                match &mut self.held {
                    Some(held) if from_them && code == ENVELOPES => {
                        held.push(payload);
                        self.kept.fetch_add(1, Ordering::SeqCst);
                    }
                    _ => self.pass(usize::from(from_them), code, payload),
                }
            }
            NetEvent::Disconnected { peer, .. } => {
                self.links.iter_mut().filter(|link| **link == Some(peer)).for_each(|link| *link = None);
            }
            NetEvent::Writable { .. } => {}
        }
    }

    fn pass(&mut self, end: usize, code: u64, payload: Vec<u8>) {
        match self.links[end] {
            Some(peer) => {
                let _ = self.net.send(peer, 0, code, payload);
            }
            None => self.early[end].push((code, payload)),
        }
    }
}
