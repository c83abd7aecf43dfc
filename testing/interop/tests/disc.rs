//! Our discovery v4 on a UDP socket of loopback.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use undertone_crypto::PublicKey;
use undertone_devp2p::discv4::{Config, Contact, Discovery, Event, Input, Network, Stats};
use undertone_devp2p::enr::{Entries, LocalRecord, Record};
use undertone_devp2p::{Enode, NodeKey};
use undertone_runtime::Environment;
use undertone_support::until;

use crate::DEADLINE;

/// How long the socket waits before the machine's timers are looked at.
const TICK: Duration = Duration::from_millis(5);

/// What the machine is asked to do.
enum Act {
    Lookup([u8; 64]),
    RequestRecord(Contact),
}

#[derive(Default)]
struct Seen {
    found: Vec<Enode>,
    looked_up: Vec<Vec<Contact>>,
    nodes: Vec<Contact>,
    records: Vec<Record>,
    stats: Option<Stats>,
}

/// The machine and its socket; ended on drop.
pub(crate) struct Disc {
    acts: Sender<Act>,
    record: Record,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Disc {
    /// Starts from `boot`; its record says that RLPx listens on `tcp`.
    pub(crate) fn start(key: NodeKey, tcp: u16, boot: Vec<Enode>) -> Result<Self> {
        let env = Environment::system()?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(TICK))?;
        let address = socket.local_addr()?;
        let entries = Entries::default().with_ip(address.ip()).with_udp(address.port()).with_tcp(tcp);
        let local = LocalRecord::new(key, entries, None)?;
        let record = local.record().clone();
        let restrict: Vec<Network> = vec!["127.0.0.0/8".parse()?];
        let machine = Discovery::new(Config { boot, restrict, ..Config::new(local) }, env.now());
        let (acts, inbox) = channel();
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let driver = Driver { machine, socket, env, seen: Arc::clone(&seen) };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || driver.run(&stopped, &inbox));
        Ok(Self { acts, record, seen, stop, thread: Some(thread) })
    }

    /// Its record.
    pub(crate) const fn record(&self) -> &Record {
        &self.record
    }

    /// Where it is.
    pub(crate) fn enode(&self) -> Enode {
        self.record.to_enode()
    }

    /// Waits until it has found the node of this key.
    pub(crate) fn await_found(&self, key: &PublicKey, deadline: Duration) -> Result<Enode> {
        let mut found = None;
        until(deadline, || {
            found = self.seen().found.iter().find(|enode| enode.key() == key).cloned();
            found.is_some()
        });
        found.with_context(|| format!("not found; {:?}", self.seen().stats))
    }

    /// Waits until it holds this node for alive.
    pub(crate) fn await_alive(&self, key: &PublicKey) -> Result<()> {
        let alive = || self.seen().nodes.iter().any(|contact| contact.key == *key);
        ensure!(until(DEADLINE, alive), "it is not in the table; {:?}", self.seen().stats);
        Ok(())
    }

    /// Asks the network for the nodes closest to a key; the closest first.
    pub(crate) fn lookup(&self, key: &PublicKey) -> Result<Vec<Contact>> {
        let before = self.seen().looked_up.len();
        self.acts.send(Act::Lookup(key.to_xy())).ok().context("discovery has ended")?;
        ensure!(until(DEADLINE, || self.seen().looked_up.len() > before), "the lookup does not end");
        self.seen().looked_up.last().cloned().context("no lookup")
    }

    /// Asks a node for its record, and waits for it.
    pub(crate) fn request_record(&self, enode: &Enode, deadline: Duration) -> Result<Option<Record>> {
        let contact = Contact::of_enode(enode).with_context(|| format!("{enode} has no discovery"))?;
        self.acts.send(Act::RequestRecord(contact)).ok().context("discovery has ended")?;
        let mut record = None;
        until(deadline, || {
            record = self.seen().records.iter().find(|record| record.key() == enode.key()).cloned();
            record.is_some()
        });
        Ok(record)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Disc {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Driver {
    machine: Discovery,
    socket: UdpSocket,
    env: Environment,
    seen: Arc<Mutex<Seen>>,
}

impl Driver {
    fn run(mut self, stop: &AtomicBool, acts: &Receiver<Act>) {
        let mut rng = self.env.rng();
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Acquire) {
            let now = self.env.now();
            self.machine.handle_timeout(now, &mut rng);
            while let Ok(act) = acts.try_recv() {
                let input = match act {
                    Act::Lookup(target) => Input::Lookup { id: 0, target },
                    Act::RequestRecord(contact) => Input::RequestRecord(contact),
                };
                // What is refused does not happen, and the case that waits for it fails.
                let _ = self.machine.handle(now, input, &mut rng);
            }
            if let Ok((size, from)) = self.socket.recv_from(&mut buffer) {
                self.take(from, buffer.get(..size).unwrap_or_default(), &mut rng);
            }
            self.pump();
        }
    }

    fn take(&mut self, from: SocketAddr, bytes: &[u8], rng: &mut impl rand_core::CryptoRng) {
        let _ = self.machine.handle(self.env.now(), Input::Datagram { from, bytes }, rng);
    }

    fn pump(&mut self) {
        while let Some(transmit) = self.machine.poll_transmit(self.env.now()) {
            // A port that nobody listens on is reported by the next call, and no concern of this one.
            let _ = self.socket.send_to(&transmit.bytes, transmit.to);
        }
        let mut seen = lock(&self.seen);
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::NodeFound { enode, .. } => seen.found.push(enode),
                Event::LookupDone { closest, .. } => seen.looked_up.push(closest),
                Event::NodeRecord(record) => seen.records.push(record),
                _ => {}
            }
        }
        seen.nodes = self.machine.nodes().cloned().collect();
        seen.stats = Some(self.machine.stats());
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
