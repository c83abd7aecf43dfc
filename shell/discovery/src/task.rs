//! The task that owns machine, socket and database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use undertone_base::{Mono, Now};
use undertone_devp2p::discv4::{
    Contact, Discovery as Machine, DiscoveryError as Refusal, Event, Input, Network, PacketError, Walk,
};
use undertone_devp2p::dnsdisc::Link;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, NodeId};
use undertone_runtime::Environment;

use crate::config::{ClockSample, Found, NodeView, Pinged, Source};
use crate::database::Database;
use crate::discovery::{Shared, Wanted};
use crate::found::Finder;
use crate::limits::MAX_WAITING;
use crate::socket::{Came, Io};
use crate::v5::{Find, V5Event};

/// What handles and the other tasks ask for.
pub(crate) enum Command {
    /// Boot nodes whose names were resolved.
    Boot(Vec<Contact>),
    FindV5 {
        id: NodeId,
        reply: oneshot::Sender<Option<Find>>,
    },
    /// A list in DNS has this sequence number now.
    List {
        link: Link,
        seq: u64,
    },
    /// Nodes of a list in DNS.
    Listed(Vec<Record>),
    Lookup {
        target: [u8; 64],
        reply: oneshot::Sender<Option<Vec<Enode>>>,
    },
    Nodes {
        reply: oneshot::Sender<Option<Vec<NodeView>>>,
    },
    Offer(Vec<Contact>),
    Ping {
        contact: Contact,
        reply: oneshot::Sender<Option<Pinged>>,
    },
    Record {
        contact: Contact,
        reply: oneshot::Sender<Option<Record>>,
    },
}

/// Everything that the task owns.
pub(crate) struct Task {
    pub(crate) env: Environment,
    pub(crate) stop: CancellationToken,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) io: Io,
    pub(crate) core: Core,
}

/// The part without channels.
pub(crate) struct Core {
    pub(crate) rng: StdRng,
    pub(crate) machine: Machine,
    /// Whether v4 is on: if not, the machine keeps our record and counts what others see, and says nothing.
    pub(crate) v4: bool,
    pub(crate) advertise: Option<std::net::IpAddr>,
    pub(crate) walk: bool,
    pub(crate) database: Database,
    pub(crate) shared: Arc<Shared>,
    pub(crate) found: Finder,
    pub(crate) waiting: Waiting,
}

/// Who waits for an answer. Those who have gone away make room.
#[derive(Default)]
pub(crate) struct Waiting {
    next: u64,
    lookups: BTreeMap<u64, oneshot::Sender<Option<Vec<Enode>>>>,
    pings: Vec<(NodeId, Mono, oneshot::Sender<Option<Pinged>>)>,
    records: Vec<(NodeId, oneshot::Sender<Option<Record>>)>,
}

enum Step {
    Came(Came),
    Command(Option<Command>),
    Stop,
    Timer,
    Wanted(bool),
}

impl Task {
    /// Runs until it is stopped or nobody holds a handle.
    pub(crate) async fn run(mut self) {
        loop {
            self.settle().await;
            match self.step().await {
                Step::Stop | Step::Command(None) | Step::Wanted(false) => break,
                Step::Came(came) => self.came(came),
                Step::Command(Some(command)) => self.command(command),
                Step::Timer => {}
                Step::Wanted(true) => {
                    let wanted = *self.wanted.borrow_and_update();
                    self.core.want(wanted, self.env.now());
                }
            }
        }
        let now = self.env.now();
        let nodes = self.core.machine.snapshot(now);
        if !nodes.is_empty() {
            self.core.database.add_nodes(nodes, now.unix);
        }
        self.core.database.save(now).await;
    }

    /// The next thing to do: a stop first, then the node's own wishes, then time, then the network.
    async fn step(&mut self) -> Step {
        let pause = self.until_due();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Step::Stop,
            command = self.commands.recv() => Step::Command(command),
            changed = self.wanted.changed() => Step::Wanted(changed.is_ok()),
            () = sleep(pause) => Step::Timer,
            came = self.io.next() => Step::Came(came),
        }
    }

    fn until_due(&mut self) -> Duration {
        let v4 = self.core.machine.poll_timeout().filter(|_| self.core.v4);
        let v5 = self.io.v5().map(|v5| v5.poll_timeout());
        let due = v4.into_iter().chain(v5).min();
        due.map_or(Duration::from_secs(60), |due| due.since(self.env.now().mono))
    }

    /// Does what is due, and lets out what there is: what changes our record is on the disk before anything is sent
    /// that tells of it.
    async fn settle(&mut self) {
        let now = self.env.now();
        let core = &mut self.core;
        if core.v4 && core.machine.poll_timeout().is_some_and(|due| due <= now.mono) {
            core.machine.handle_timeout(now, &mut core.rng);
        }
        let mut told = None;
        while let Some(event) = core.machine.poll_event() {
            core.event(event, now, &mut told);
        }
        if let Some(record) = told {
            core.database.set_own(record.clone());
            core.database.save(now).await;
            if let Some(v5) = self.io.v5() {
                v5.set_record(&record);
            }
            core.shared.record.send_replace(record);
        }
        if core.database.is_due(now) {
            core.database.save(now).await;
        }
        if let Some(v5) = self.io.v5().filter(|v5| v5.poll_timeout() <= now.mono) {
            v5.handle_timeout(now, core.walk, &mut core.rng);
        }
        let mut failed = 0_u64;
        while let Some(transmit) = core.machine.poll_transmit(now) {
            if core.v4 && !self.io.send(&transmit.bytes, transmit.to).await {
                failed = failed.saturating_add(1);
            }
        }
        let sizes = self.io.v5().map(|v5| v5.sizes());
        core.show(failed, sizes);
    }

    fn came(&mut self, came: Came) {
        let now = self.env.now();
        match came {
            Came::Datagram { from, bytes } => self.core.datagram(now, from, &bytes),
            Came::Oversize => self.core.count(|stats| &mut stats.oversize),
            Came::V5(V5Event::Datagram { from, bytes }) => self.core.datagram(now, from, &bytes),
            Came::V5(V5Event::Found(record)) => {
                let enode = record.to_enode();
                self.core.found.send(Found { enode, record: Some(record), source: Source::V5 });
            }
            Came::V5(V5Event::Vote { voter, said }) => {
                // Never refused.
                let _ = self.core.machine.handle(now, Input::Vote { voter, said }, &mut self.core.rng);
            }
            Came::V5(V5Event::Broken) => {
                let code = "discovery.v5_broken";
                tracing::error!(code, "discovery v5 has ended by a bug of its library: going on without it");
                self.io.drop_v5();
            }
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.env.now();
        match command {
            Command::Boot(contacts) => {
                if let Some(v5) = self.io.v5() {
                    v5.add_boot(&contacts);
                }
                self.core.input(now, Input::Boot(contacts));
            }
            // Whoever asked may have gone away: so the answers that nobody takes.
            Command::FindV5 { id, reply } => {
                let _ = reply.send(self.io.v5().map(|v5| v5.find(&id)));
            }
            Command::List { link, seq } => self.core.database.set_list(link, seq),
            Command::Listed(records) => {
                if let Some(v5) = self.io.v5() {
                    records.iter().for_each(|record| v5.add(record));
                }
                self.core.input(now, Input::Nodes(records.iter().filter_map(Contact::of_record).collect()));
            }
            Command::Lookup { target, reply } => self.core.lookup(now, target, reply),
            Command::Nodes { reply } => {
                let records = self.io.v5().map(|v5| v5.nodes()).unwrap_or_default();
                let _ = reply.send(Some(self.core.nodes(records)));
            }
            Command::Offer(contacts) => self.core.input(now, Input::Nodes(contacts)),
            Command::Ping { contact, reply } => self.core.ping(now, contact, reply),
            Command::Record { contact, reply } => self.core.record(now, contact, reply),
        }
    }
}

impl Core {
    fn datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        if !self.v4 {
            return;
        }
        match self.machine.handle(now, Input::Datagram { from, bytes }, &mut self.rng) {
            Ok(()) => {}
            Err(Refusal::Packet(PacketError::Hash | PacketError::Size { .. })) => {
                self.count(|stats| &mut stats.garbage);
            }
            Err(refusal) => tracing::trace!(%from, code = refusal.code(), "datagram refused"),
        }
    }

    /// An input that may be refused, which is then as if it had not been.
    fn input(&mut self, now: Now, input: Input<'_>) {
        if let Err(refusal) = self.machine.handle(now, input, &mut self.rng) {
            tracing::debug!(code = refusal.code(), "refused");
        }
    }

    fn want(&mut self, wanted: Wanted, now: Now) {
        self.walk = wanted.walk;
        self.input(now, Input::Walk(if wanted.walk { Walk::On } else { Walk::Off }));
        self.input(now, Input::ExternalAddress(wanted.external.or(self.advertise)));
        self.input(now, Input::Ports { tcp: wanted.tcp, udp: wanted.udp });
    }

    fn event(&mut self, event: Event, now: Now, told: &mut Option<Record>) {
        match event {
            Event::EndpointPredicted(address) => {
                tracing::info!(%address, "others see this node here");
            }
            Event::LookupDone { id, closest } => {
                if let Some(reply) = self.waiting.lookups.remove(&id) {
                    let _ = reply.send(Some(closest.iter().map(Contact::to_enode).collect()));
                }
            }
            Event::NodeFound { enode, record } => {
                self.found.send(Found { enode, record, source: Source::V4 });
            }
            Event::NodeRecord(record) => self.waiting.record(&record),
            Event::Pong { contact, offset_ms } => {
                self.waiting.pong(contact.id(), now);
                let prefix = Network::neighborhood(contact.address.ip());
                self.shared.state().clocks.add(ClockSample { prefix, offset_ms, at: now.unix });
            }
            Event::RecordChanged(record) => *told = Some(record),
            Event::Store(nodes) => self.database.add_nodes(nodes, now.unix),
            _ => {}
        }
    }

    fn lookup(&mut self, now: Now, target: [u8; 64], reply: oneshot::Sender<Option<Vec<Enode>>>) {
        let Some(id) = self.waiting.id(self.v4) else { return };
        let input = Input::Lookup { id, target };
        // Refused: the reply is dropped, which is an answer too.
        if self.machine.handle(now, input, &mut self.rng).is_ok() {
            self.waiting.lookups.insert(id, reply);
        }
    }

    fn ping(&mut self, now: Now, contact: Contact, reply: oneshot::Sender<Option<Pinged>>) {
        let id = *contact.id();
        let room = self.waiting.id(self.v4).is_some();
        if room && self.machine.handle(now, Input::Ping(contact), &mut self.rng).is_ok() {
            self.waiting.pings.push((id, now.mono, reply));
        }
    }

    fn record(&mut self, now: Now, contact: Contact, reply: oneshot::Sender<Option<Record>>) {
        let id = *contact.id();
        let room = self.waiting.id(self.v4).is_some();
        if room && self.machine.handle(now, Input::RequestRecord(contact), &mut self.rng).is_ok() {
            self.waiting.records.push((id, reply));
        }
    }

    fn nodes(&self, v5: Vec<Record>) -> Vec<NodeView> {
        let v4 = self.machine.nodes().map(|contact| NodeView {
            enode: contact.to_enode(),
            record: self.machine.record_of(contact.id()).cloned(),
            source: Source::V4,
        });
        let v5 = v5.into_iter().map(|record| NodeView {
            enode: record.to_enode(),
            record: Some(record),
            source: Source::V5,
        });
        v4.chain(v5).collect()
    }

    fn count(&self, counter: impl FnOnce(&mut crate::config::Stats) -> &mut u64) {
        let mut state = self.shared.state();
        let counter = counter(&mut state.stats);
        *counter = counter.saturating_add(1);
    }

    fn show(&self, failed: u64, v5: Option<(usize, usize)>) {
        let mut state = self.shared.state();
        let stats = &mut state.stats;
        stats.v4 = self.machine.stats();
        stats.sizes = self.machine.sizes();
        (stats.v5_table, stats.v5_connected) = v5.unwrap_or_default();
        stats.found_dropped = self.found.dropped();
        stats.send_failed = stats.send_failed.saturating_add(failed);
    }
}

impl Waiting {
    /// The next number, if there is room for one more who waits, and v4 to be asked.
    fn id(&mut self, v4: bool) -> Option<u64> {
        self.lookups.retain(|_, reply| !reply.is_closed());
        self.pings.retain(|(.., reply)| !reply.is_closed());
        self.records.retain(|(_, reply)| !reply.is_closed());
        let count = self.lookups.len().saturating_add(self.pings.len()).saturating_add(self.records.len());
        self.next = self.next.wrapping_add(1);
        (v4 && count < MAX_WAITING).then_some(self.next)
    }

    fn record(&mut self, record: &Record) {
        for (_, reply) in self.records.extract_if(.., |(id, _)| id == record.id()) {
            let _ = reply.send(Some(record.clone()));
        }
    }

    fn pong(&mut self, from: &NodeId, now: Now) {
        for (_, asked, reply) in self.pings.extract_if(.., |(id, ..)| id == from) {
            let _ = reply.send(Some(Pinged { rtt: now.mono.since(asked) }));
        }
    }
}
