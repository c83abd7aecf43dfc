//! The task that owns the machine.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use undertone_devp2p::DisconnectReason;
use undertone_net::{Net, NetEvent};
use undertone_runtime::{Environment, Pool};
use undertone_transport::{Command, CommandError, Event, Failure, Progress, Transport};
use undertone_whisper::wire::PacketCode;
use undertone_whisper::{Input, JobDone, PeerId, Transmit, WhisperTransport};

use crate::limits;
use crate::node::NodeEvent;

/// Owns the Whisper machine and moves what goes in and out.
pub(crate) struct Driver {
    whisper: WhisperTransport,
    net: Net,
    pool: Pool,
    env: Environment,
    events: mpsc::Sender<NodeEvent>,
    results: (mpsc::Sender<JobDone>, mpsc::Receiver<JobDone>),
    /// Links with the capability, and which of the link's capabilities it is.
    links: BTreeMap<PeerId, (undertone_net::PeerId, usize)>,
    /// Jobs that found no room in the pool.
    deferred: Vec<undertone_whisper::Job>,
}

impl Driver {
    pub(crate) fn new(
        whisper: WhisperTransport,
        net: Net,
        pool: Pool,
        env: Environment,
        events: mpsc::Sender<NodeEvent>,
    ) -> Self {
        let results = mpsc::channel(limits::RESULTS);
        Self { whisper, net, pool, env, events, results, links: BTreeMap::new(), deferred: Vec::new() }
    }

    /// Runs until `stop`. Order of service: shutdown, results, commands, timers, network.
    pub(crate) async fn run(
        mut self,
        stop: CancellationToken,
        mut commands: mpsc::Receiver<Command>,
        mut network: mpsc::Receiver<NetEvent>,
    ) {
        let mut batch = Vec::with_capacity(limits::BATCH);
        let mut commanded = true;
        loop {
            let wait = self.until_timeout();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = self.results.1.recv() => {
                    let now = self.env.now();
                    self.whisper.job_done(now, done);
                }
                command = commands.recv(), if commanded => match command {
                    Some(command) => self.command(command),
                    None => commanded = false,
                },
                () = wait => self.whisper.handle_timeout(self.env.now()),
                received = network.recv_many(&mut batch, limits::BATCH) => {
                    if received == 0 {
                        break;
                    }
                    for event in batch.drain(..) {
                        self.network(event).await;
                    }
                }
            }
            self.pump().await;
        }
        self.pool.close();
    }

    /// Completes when the machine wants its timer, never when it wants none.
    fn until_timeout(&self) -> impl Future<Output = ()> + 'static {
        let wait = self.whisper.poll_timeout().map(|at| at.since(self.env.now().mono));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.env.now();
        let id = match &command {
            Command::Send(send) => Some(send.id),
            _ => None,
        };
        if let Err(error) = self.whisper.command(now, command) {
            tracing::debug!(code = error.code(), "command refused");
            let Some(id) = id else { return };
            let failure = match error {
                CommandError::TooLarge { .. } => Failure::TooLarge,
                _ => Failure::Refused,
            };
            self.tell(NodeEvent::Transport(Event::Progress { id, progress: Progress::Failed(failure) }));
        }
    }

    async fn network(&mut self, event: NetEvent) {
        let now = self.env.now();
        match event {
            NetEvent::Connected { peer, shared, .. } => {
                let shh = shared.iter().position(|s| s.capability.name == b"shh");
                let Some(capability) = shh else { return };
                self.links.insert(whisper_id(peer), (peer, capability));
                self.handle(Input::Connected(whisper_id(peer)));
                self.say_peers().await;
            }
            NetEvent::Message { peer, capability, code, payload } => {
                if self.links.get(&whisper_id(peer)) == Some(&(peer, capability)) {
                    let code = PacketCode(code);
                    let input = Input::Packet { peer: whisper_id(peer), code, body: &payload };
                    if let Err(fault) = self.whisper.handle(now, input) {
                        tracing::debug!(peer = peer.number(), code = fault.code(), "packet refused");
                    }
                }
            }
            NetEvent::Writable { peer } => {
                if self.links.contains_key(&whisper_id(peer)) {
                    self.handle(Input::Sent(whisper_id(peer)));
                }
            }
            NetEvent::Disconnected { peer, .. } => {
                if self.links.remove(&whisper_id(peer)).is_some() {
                    self.handle(Input::Disconnected(whisper_id(peer)));
                    self.say_peers().await;
                }
            }
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        if let Err(fault) = self.whisper.handle(self.env.now(), input) {
            tracing::debug!(code = fault.code(), "input refused");
        }
    }

    /// Moves everything that the machine has to give: events, jobs, packets.
    async fn pump(&mut self) {
        while let Some(event) = self.whisper.poll_event() {
            self.say(NodeEvent::Transport(event)).await;
        }
        while let Some(report) = self.whisper.poll_report() {
            self.say(NodeEvent::Report(report)).await;
        }
        self.start_jobs();
        while let Some(transmit) = self.whisper.poll_transmit(self.env.now()) {
            self.transmit(transmit);
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Disconnect { peer, reason } => {
                let reason = DisconnectReason::from_wire(u64::from(reason));
                if let Some((link, _)) = self.links.get(&peer) {
                    self.net.disconnect(*link, reason);
                }
            }
            Transmit::Packet { peer, code, body } => {
                let Some((link, capability)) = self.links.get(&peer).copied() else { return };
                if let Err(refused) = self.net.send(link, capability, code.0, body) {
                    // The machine has one packet of envelopes under way per peer and a few bytes besides: a
                    // link that cannot take that much is not read by anybody.
                    tracing::debug!(
                        peer = link.number(),
                        code = refused.code(),
                        "link does not take packets"
                    );
                    self.net.disconnect(link, DisconnectReason::SUBPROTOCOL_ERROR);
                }
            }
        }
    }

    fn start_jobs(&mut self) {
        let mut waiting = std::mem::take(&mut self.deferred);
        waiting.extend(std::iter::from_fn(|| self.whisper.poll_job()));
        for job in waiting {
            if self.pool.waiting() >= limits::JOBS {
                self.deferred.push(job);
                continue;
            }
            let results = self.results.0.clone();
            let work = move || {
                // The driver is gone when this fails, and nobody misses the result.
                let _ = results.blocking_send(job.run());
            };
            if let Err(error) = self.pool.submit(work) {
                tracing::warn!(code = error.code(), "a job was lost");
            }
        }
    }

    async fn say_peers(&self) {
        self.say(NodeEvent::Peers(self.links.len())).await;
    }

    async fn say(&self, event: NodeEvent) {
        let _ = self.events.send(event).await;
    }

    /// For where nothing can be awaited; whoever does not read 1,024 events misses this one.
    fn tell(&self, event: NodeEvent) {
        let _ = self.events.try_send(event);
    }
}

const fn whisper_id(peer: undertone_net::PeerId) -> PeerId {
    PeerId(peer.number())
}
