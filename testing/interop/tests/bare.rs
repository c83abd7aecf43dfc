//! One link of ours without a network around it: each message and each reason as the session gives it, and sessions
//! that no node of ours would make.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use undertone_devp2p::{
    Admission, Capability, Closed, Config, DisconnectReason, Endpoint, Enode, Event, Hello, Host, NodeKey,
    Offer, Session, Shared,
};
use undertone_runtime::Environment;
use undertone_support::until;

use crate::DEADLINE;
use crate::ours::node_key;

/// How long the socket waits before the session's timers and our orders are looked at.
const TICK: Duration = Duration::from_millis(5);

/// How long the peer has to close after a goodbye (`devp2p.md` 2.6).
const LINGER: Duration = Duration::from_secs(2);

/// What the session is asked to do.
enum Act {
    Send(u64, Vec<u8>),
    Disconnect(DisconnectReason),
}

/// What a link offers, and under which key.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) key: NodeKey,
    pub(crate) offers: Vec<Offer>,
    pub(crate) admission: Admission,
}

impl Side {
    /// `shh/6` under a fresh key, for whoever comes.
    pub(crate) fn shh() -> Result<Self> {
        Self::offering(vec![("shh", 6, 128)])
    }

    /// These under a fresh key.
    pub(crate) fn offering(offers: Vec<(&str, u64, u64)>) -> Result<Self> {
        let offer = |(name, version, length)| Offer { capability: Capability::new(name, version), length };
        let offers = offers.into_iter().map(offer).collect();
        Ok(Self { key: node_key()?, offers, admission: Admission::Admit })
    }

    /// The same for nobody.
    pub(crate) fn refusing(reason: DisconnectReason) -> Result<Self> {
        Ok(Self { admission: Admission::Refuse(reason), ..Self::shh()? })
    }
}

#[derive(Default)]
struct Seen {
    established: Option<(Hello, Vec<Shared>)>,
    messages: Vec<(u64, Vec<u8>)>,
    closed: Option<Closed>,
    over: bool,
}

/// The link; it ends when this is dropped.
pub(crate) struct Bare {
    acts: Option<Sender<Act>>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Dials a node.
    pub(crate) fn dial(node: &Enode, side: &Side) -> Result<Self> {
        let Some(Endpoint { host: Host::Ip(ip), tcp, .. }) = node.endpoint() else {
            anyhow::bail!("{node} has no address")
        };
        let env = Environment::system()?;
        let socket = TcpStream::connect(SocketAddr::new(*ip, *tcp))?;
        let config = Config::new(side.key.clone(), "Undertone/bare", side.offers.clone());
        let session = Session::dial(config, *node.key(), env.now(), &mut env.rng());
        Self::run(env, session, side.admission, move || Ok(socket))
    }

    /// Listens for one link.
    pub(crate) fn listen(side: &Side) -> Result<(Self, Enode)> {
        let env = Environment::system()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let config = Config::new(side.key.clone(), "Undertone/bare", side.offers.clone());
        let session = Session::accept(config, env.now());
        let accept = move || {
            let mut socket = None;
            until(DEADLINE, || {
                socket = listener.accept().ok();
                socket.is_some()
            });
            let (socket, _) = socket.context("nobody came")?;
            socket.set_nonblocking(false)?;
            Ok(socket)
        };
        let endpoint = Endpoint { host: Host::Ip(address.ip()), tcp: address.port(), udp: 0 };
        let enode = Enode::new(side.key.public(), endpoint);
        Ok((Self::run(env, session, side.admission, accept)?, enode))
    }

    fn run(
        env: Environment,
        session: Session,
        admission: Admission,
        socket: impl FnOnce() -> Result<TcpStream> + Send + 'static,
    ) -> Result<Self> {
        let (acts, inbox) = channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            if let Ok(socket) = socket() {
                let _ = Driver { env, session, socket, admission, seen: Arc::clone(&shared) }.run(&inbox);
            }
            lock(&shared).over = true;
        });
        Ok(Self { acts: Some(acts), seen, thread: Some(thread) })
    }

    /// Waits until both Hellos are exchanged; gives the peer's.
    pub(crate) fn await_established(&self) -> Result<(Hello, Vec<Shared>)> {
        until(DEADLINE, || self.seen().established.is_some() || self.seen().over);
        let established = self.seen().established.clone();
        established.with_context(|| format!("no link: {:?}", self.seen().closed))
    }

    /// Waits until the link is over; `None`: it broke without a word.
    pub(crate) fn await_closed(&self) -> Result<Option<Closed>> {
        ensure!(until(DEADLINE, || self.seen().over), "the link does not end");
        Ok(self.seen().closed)
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.seen().over
    }

    /// All that came so far.
    pub(crate) fn messages(&self) -> Vec<(u64, Vec<u8>)> {
        self.seen().messages.clone()
    }

    /// Why it ended, if it did.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.seen().closed
    }

    /// Waits for so many messages.
    pub(crate) fn await_messages(&self, count: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        until(DEADLINE, || self.seen().messages.len() >= count || self.seen().over);
        let messages = self.seen().messages.clone();
        ensure!(messages.len() >= count, "{} messages of {count}; {:?}", messages.len(), self.seen().closed);
        Ok(messages)
    }

    /// Sends a message of the first capability.
    pub(crate) fn send(&self, code: u64, payload: &[u8]) -> Result<()> {
        self.act(Act::Send(code, payload.to_vec()))
    }

    /// Says goodbye.
    pub(crate) fn disconnect(&self, reason: DisconnectReason) -> Result<()> {
        self.act(Act::Disconnect(reason))
    }

    fn act(&self, act: Act) -> Result<()> {
        self.acts.as_ref().and_then(|acts| acts.send(act).ok()).context("the link is over")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.acts = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Driver {
    env: Environment,
    session: Session,
    socket: TcpStream,
    admission: Admission,
    seen: Arc<Mutex<Seen>>,
}

impl Driver {
    fn run(mut self, acts: &Receiver<Act>) -> Result<()> {
        use std::sync::mpsc::TryRecvError::{Disconnected, Empty};
        self.socket.set_read_timeout(Some(TICK))?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.pump()?;
            if self.session.is_closed() {
                let by_peer = matches!(lock(&self.seen).closed, Some(Closed::ByPeer(_)));
                if !by_peer {
                    self.linger(&mut buffer);
                }
                return Ok(());
            }
            match acts.try_recv() {
                Ok(Act::Send(code, payload)) => self.session.send(self.env.now(), 0, code, &payload)?,
                Ok(Act::Disconnect(reason)) => self.session.disconnect(reason),
                Err(Disconnected) => return Ok(()),
                Err(Empty) => {}
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(size) => {
                    let bytes = buffer.get(..size).unwrap_or_default();
                    self.session.receive(self.env.now(), bytes, &mut self.env.rng());
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            self.session.handle_timeout(self.env.now());
        }
    }

    /// Leaves the end to the peer, when the goodbye is ours: what it still writes would meet a closed socket, and it would not read our goodbye.
    fn linger(&mut self, buffer: &mut [u8]) {
        let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        until(LINGER, || match self.socket.read(buffer) {
            Ok(size) => size == 0,
            Err(error) => !waits.contains(&error.kind()),
        });
    }

    fn pump(&mut self) -> Result<()> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Authenticated(_) => {
                    self.session.admit(self.env.now(), self.admission, &mut self.env.rng());
                }
                Event::Established { hello, shared } => {
                    lock(&self.seen).established = Some((hello, shared));
                }
                Event::Message { code, payload, .. } => lock(&self.seen).messages.push((code, payload)),
                Event::Closed(closed) => lock(&self.seen).closed = Some(closed),
            }
        }
        while let Some(bytes) = self.session.poll_transmit() {
            self.socket.write_all(&bytes)?;
        }
        Ok(())
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
