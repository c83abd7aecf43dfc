//! A relay of ours that reorders: it stands between the peer and one of our people and passes every packet on. While it
//! is told to, it keeps back what one of them sends of envelopes; what was kept leaves last first.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

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

/// An end of the relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// The peer.
    Theirs,
    /// One of our people.
    Ours,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Cut,
    Hold(Side),
    Mend,
    Release,
}

pub(crate) struct Relay {
    net: Net,
    tasks: Tasks,
    acts: mpsc::Sender<Act>,
    kept: Sizes,
}

/// The bytes of each packet that was kept.
type Sizes = Arc<Mutex<Vec<usize>>>;

impl Relay {
    /// Dials the peer, and waits for one of ours. The two announce to each other, through it, what they want.
    pub(crate) async fn start(theirs: &Enode) -> Result<Self> {
        let (env, tasks) = (Environment::system()?, Tasks::new(Handle::current()));
        let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
        let mut config = NetConfig::new(NodeKey::new(new_key()?), "Undertone/relay", vec![offer]);
        config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (net, events) = Net::start(config, &env, &tasks).await?;
        let (acts, inbox) = mpsc::channel(4);
        let kept = Sizes::default();
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

    /// Keeps the envelopes of this side back from now on.
    pub(crate) async fn hold(&self, side: Side) -> Result<()> {
        self.acts.send(Act::Hold(side)).await.context("the relay has ended")
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
        self.await_kept(|sizes| sizes.len() >= least).await
    }

    /// Waits until so many packets are kept, each larger than all before it.
    pub(crate) async fn keeps_larger(&self, least: usize) -> Result<()> {
        let larger = |sizes: &[usize]| {
            let grows = |(largest, count): (usize, usize), size: &usize| {
                (largest.max(*size), count + usize::from(*size > largest))
            };
            sizes.iter().fold((0, 0), grows).1
        };
        self.await_kept(|sizes| larger(sizes) >= least).await
    }

    async fn await_kept(&self, enough: impl Fn(&[usize]) -> bool) -> Result<()> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(until_async(LONG, || enough(&kept())).await, "kept packets of {:?} bytes", kept());
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

/// One end is the peer (0), the other one of us (1), as in [`Side`].
struct Passing {
    net: Net,
    theirs: PublicKey,
    links: [Option<PeerId>; 2],
    /// What came for an end before it was there.
    early: [Vec<(u64, Vec<u8>)>; 2],
    /// Of which end, and what.
    held: Option<(usize, Vec<Vec<u8>>)>,
    kept: Sizes,
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
            Act::Hold(side) => self.held = Some((usize::from(side == Side::Ours), Vec::new())),
            Act::Release => {
                let Some((from, packets)) = self.held.take() else { return };
                for packet in packets.into_iter().rev() {
                    self.pass(1 - from, ENVELOPES, packet);
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
                let from = usize::from(self.links[0] != Some(peer));
                if self.cut && code == ENVELOPES {
                    return;
                }
                match &mut self.held {
                    Some((end, held)) if *end == from && code == ENVELOPES => {
                        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(payload.len());
                        held.push(payload);
                    }
                    _ => self.pass(1 - from, code, payload),
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
