//! The task that owns the machine.

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use undertone_crypto::PublicKey;
use undertone_devp2p::DisconnectReason;
use undertone_net::{Net, NetEvent};
use undertone_runtime::{Environment, Pool};
use undertone_transport::{Command, CommandError, Event, Failure, Progress, Transport};
use undertone_whisper::wire::PacketCode;
use undertone_whisper::{Input, Job, JobDone, JobId, PeerId, Protocol, Step, Transmit, WhisperTransport};

use crate::clock::ClockWatch;
use crate::limits;
use crate::links::{Capabilities, Link, Links, Origin};
use crate::node::NodeEvent;
use crate::orders::{Order, PeerWishes};
use crate::skew::Skew;

/// Owns the Whisper machine and moves what goes in and out.
pub(crate) struct Driver {
    whisper: WhisperTransport,
    net: Net,
    pool: Pool,
    env: Environment,
    events: mpsc::Sender<NodeEvent>,
    skew: Skew,
    clock: ClockWatch,
    stop: CancellationToken,
    results: (mpsc::Sender<Outcome>, mpsc::Receiver<Outcome>),
    links: Links,
}

/// What a worker says of a job: its result, or that there will be none.
type Outcome = Result<JobDone, JobId>;

impl Driver {
    pub(crate) fn new(
        whisper: WhisperTransport,
        net: Net,
        pool: Pool,
        env: Environment,
        skew: Skew,
        events: mpsc::Sender<NodeEvent>,
        stop: CancellationToken,
    ) -> Self {
        let results = mpsc::channel(limits::RESULTS);
        Self {
            whisper,
            net,
            pool,
            env,
            skew,
            clock: ClockWatch::default(),
            events,
            stop,
            results,
            links: Links::new(),
        }
    }

    /// Runs until the token is cancelled. Order of service: shutdown, timers that are due, results, commands, orders,
    /// the network.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut orders: mpsc::Receiver<Order>,
        mut network: mpsc::Receiver<NetEvent>,
    ) {
        let stop = self.stop.clone();
        let mut batch = Vec::with_capacity(limits::BATCH);
        let mut commanded = true;
        let mut credit = interval_at(Instant::now() + limits::CREDIT_EVERY, limits::CREDIT_EVERY);
        credit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A sleep is never over when it is first polled, so the one below only ends a wait: whoever keeps the
            // channels full must not stop the clock.
            self.fire_timers();
            self.pump().await;
            let wait = self.until_timeout();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(outcome) = self.results.1.recv() => self.job_over(outcome),
                command = commands.recv(), if commanded => match command {
                    Some(command) => self.command(command).await,
                    None => commanded = false,
                },
                Some(order) = orders.recv() => self.order(order),
                () = wait => {}
                _ = credit.tick() => self.credit().await,
                received = network.recv_many(&mut batch, limits::BATCH) => {
                    if received == 0 {
                        break;
                    }
                    for event in batch.drain(..) {
                        self.network(event).await;
                    }
                }
            }
        }
        self.results.1.close();
        self.pool.close();
    }

    fn fire_timers(&mut self) {
        let now = self.env.now();
        if self.whisper.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.whisper.handle_timeout(now);
        }
    }

    /// Tells the peer manager who brought something new, and the estimate what time it is elsewhere.
    async fn credit(&mut self) {
        let mut news = Vec::new();
        self.whisper.take_news(&mut news);
        for (peer, envelopes) in news {
            if let Some(link) = self.links.get(&peer) {
                self.net.useful(link.peer, envelopes);
            }
        }
        let now = self.env.now().mono;
        while let Some(sample) = self.whisper.poll_clock_sample() {
            if let Some(link) = self.links.get(&sample.peer)
                && let Some(kind) = link.origin.sample(now, sample.kind)
            {
                self.skew.lock().sample(now, link.source(), kind, sample.offset_ms);
            }
        }
        self.follow_exemptions();
        let estimate = self.skew.lock().estimate(now);
        if let Some(notice) = self.clock.look(estimate) {
            tracing::warn!(
                offset_ms = notice.offset_ms,
                sources = notice.sources,
                code = "node.clock",
                "{notice}"
            );
            self.say(NodeEvent::Clock(notice)).await;
        }
    }

    /// Who was made static or trusted since the last look is free of limits from now on, and the reverse.
    fn follow_exemptions(&mut self) {
        for view in self.net.peers() {
            let (peer, exempt) = (whisper_id(view.peer), view.fixed || view.trusted);
            if let Some(link) = self.links.get_mut(&peer)
                && std::mem::replace(&mut link.exempt, exempt) != exempt
            {
                self.handle(Input::Exempt { peer, exempt });
            }
        }
    }

    fn job_over(&mut self, outcome: Outcome) {
        let now = self.env.now();
        match outcome {
            Ok(done) => self.whisper.job_done(now, done),
            Err(id) => self.whisper.job_failed(now, id),
        }
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

    async fn command(&mut self, command: Command) {
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
            let progress = Progress::Failed(failure);
            self.say(NodeEvent::Transport(Event::Progress { id, progress })).await;
        }
    }

    fn order(&mut self, order: Order) {
        // Whoever asked may not be there any more.
        match order {
            Order::Bloom(bloom) => self.handle(Input::SetBloom(bloom)),
            Order::Direct { to, envelopes, done } => {
                let peer = self.link_of(&to);
                if let Some(peer) = peer {
                    self.handle(Input::SendDirect { peer, envelopes });
                }
                let _ = done.send(peer.is_some());
            }
            Order::MinPow(pow) => self.handle(Input::SetMinPow(pow)),
            Order::Stats(done) => {
                let _ = done.send(self.whisper.engine().stats());
            }
            Order::Trust { key, trusted, done } => {
                let peer = self.link_of(&key);
                if let Some(peer) = peer {
                    self.handle(if trusted { Input::Trust(peer) } else { Input::Distrust(peer) });
                }
                let _ = done.send(peer.is_some());
            }
            Order::Wishes(done) => {
                let _ = done.send(self.wishes());
            }
        }
    }

    /// A key has one link.
    fn link_of(&self, key: &PublicKey) -> Option<PeerId> {
        self.links.iter().find(|(_, link)| link.key == *key).map(|(peer, _)| *peer)
    }

    fn wishes(&self) -> Vec<PeerWishes> {
        let engine = self.whisper.engine();
        let of = |(peer, link): (&PeerId, &Link)| PeerWishes {
            key: link.key,
            whisper: engine.peer_wants(*peer, Protocol::Whisper).cloned(),
            waku: engine.peer_wants(*peer, Protocol::Waku).cloned(),
        };
        self.links.iter().map(of).collect()
    }

    async fn network(&mut self, event: NetEvent) {
        let now = self.env.now();
        match event {
            NetEvent::Connected { peer, key, address, shared, exempt, .. } => {
                let capabilities = Capabilities::of(&shared);
                let dialects = capabilities.dialects();
                if dialects.is_empty() {
                    return;
                }
                let id = whisper_id(peer);
                let ip = address.ip().to_canonical();
                let origin = Origin { ip, since: now.mono };
                self.links.insert(id, Link::new(peer, key, origin, capabilities, exempt));
                self.follow_voices();
                let link = undertone_whisper::Link { peer: id, dialects, ip: Some(ip), exempt };
                self.handle(Input::Connected(link));
                self.say_peers().await;
            }
            NetEvent::Message { peer, capability, code, payload } => {
                let id = whisper_id(peer);
                let Some(protocol) = self.links.get(&id).and_then(|link| link.protocol(capability)) else {
                    return;
                };
                let input = Input::Packet { peer: id, protocol, code: PacketCode(code), body: &payload };
                if let Err(fault) = self.whisper.handle(now, input) {
                    tracing::debug!(peer = peer.number(), code = fault.code(), "packet refused");
                    self.net.fault(peer, fault.fault());
                }
            }
            NetEvent::Writable { peer, written } => {
                let Some(link) = self.links.get_mut(&whisper_id(peer)) else { return };
                // Only what is on the socket counts as sent.
                if link.envelopes.is_some_and(|place| place <= written) {
                    link.envelopes = None;
                    self.handle(Input::Sent(whisper_id(peer)));
                }
            }
            NetEvent::Disconnected { peer, .. } => {
                if self.links.remove(&whisper_id(peer)).is_some() {
                    self.follow_voices();
                    self.handle(Input::Disconnected(whisper_id(peer)));
                    self.say_peers().await;
                }
            }
        }
    }

    /// How many have to speak of the clock goes by how many there are.
    fn follow_voices(&self) {
        let linked = self.links.values().map(|link| (link.key, link.origin.ip));
        self.skew.lock().keep_peers(linked);
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
                if let Some(link) = self.links.get(&peer) {
                    self.net.disconnect(link.peer, reason);
                }
            }
            Transmit::Defer { peer, until } => {
                if let Some(link) = self.links.get(&peer) {
                    self.net.defer(link.peer, until);
                }
            }
            Transmit::Packet { peer, protocol, code, body } => {
                let Some(link) = self.links.get_mut(&peer) else { return };
                let Some(capability) = link.capability(protocol) else { return };
                if let Err(refused) = self.net.send(link.peer, capability, code.0, body) {
                    // The machine has one packet of envelopes under way per peer and a few bytes besides: a
                    // link that cannot take that much is not read by anybody.
                    tracing::debug!(peer = link.peer.number(), code = refused.code(), "link is stuck");
                    self.net.disconnect(link.peer, DisconnectReason::SUBPROTOCOL_ERROR);
                    return;
                }
                link.sent = link.sent.saturating_add(1);
                if code == PacketCode::MESSAGES {
                    link.envelopes = Some(link.sent);
                }
            }
        }
    }

    /// The machine gives out few enough jobs that the pool and the channel of results have room for all of them.
    fn start_jobs(&mut self) {
        while let Some(job) = self.whisper.poll_job() {
            let report = Report { job: job.id(), results: self.results.0.clone(), told: false };
            let stop = self.stop.clone();
            if let Err(error) = self.pool.submit(move || run(job, report, &stop)) {
                tracing::warn!(code = error.code(), "a job was lost");
            }
        }
    }

    async fn say_peers(&self) {
        self.say(NodeEvent::Peers(self.links.len())).await;
    }

    /// Waits for room, but not beyond the end of the node.
    async fn say(&self, event: NodeEvent) {
        tokio::select! {
            biased;
            _ = self.events.send(event) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Runs a job in slices, so that a proof of work does not outlive the node.
fn run(mut job: Job, report: Report, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match job.step(limits::SLICE) {
            Step::Continue(more) => job = more,
            Step::Done(done) => return report.done(done),
        }
    }
}

/// A worker's word about a job. When it is dropped without one, because the job panicked or never ran, the machine
/// learns that no result will come: what stands behind the job must not wait for it for ever.
struct Report {
    job: JobId,
    results: mpsc::Sender<Outcome>,
    told: bool,
}

impl Report {
    fn done(mut self, done: JobDone) {
        self.tell(Ok(done));
    }

    fn tell(&mut self, outcome: Outcome) {
        self.told = true;
        // There is room for all jobs; when the channel is closed the driver is gone and misses nothing.
        let _ = self.results.try_send(outcome);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Err(self.job));
        }
    }
}

const fn whisper_id(peer: undertone_net::PeerId) -> PeerId {
    PeerId(peer.number())
}

#[cfg(test)]
mod tests;
