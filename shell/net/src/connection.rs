//! One connection: the socket, the session, and the two queues towards the node.
//!
//! A turn does a bounded amount of each kind of work, in this order: the node's messages, stop or close, reading,
//! timers, events, writing. Then it waits for any of them. Reading stops while events of this peer wait for the node; writing
//! goes on, so that two sides that both write much do not wait for each other.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, PollSender};
use undertone_base::{Mono, Now};
use undertone_crypto::PublicKey;
use undertone_devp2p::{Admission, Closed, DisconnectReason, Event, Hello, SendError, Session, Shared};
use undertone_peers::{self as peers, DialId};

use crate::config::{Direction, LinkEnd, NetEvent};
use crate::limits::{GOODBYE_TIMEOUT, MAX_BATCHES, READ_BUFFER, WRITE_TIMEOUT};
use crate::mailbox::{Inbox, Mailbox, Outgoing, mailbox};
use crate::net::Inner;
use crate::registry::{Established, Pending, Slot};
use crate::stats::add;

/// A socket that just connected.
pub(crate) struct Fresh {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    /// By which attempt and whom we dialled, if we did.
    pub(crate) dialled: Option<(DialId, PublicKey)>,
    /// Given back when the handshake is over.
    pub(crate) pending: Option<(OwnedSemaphorePermit, Pending)>,
}

/// Runs a connection to its end. The result is how long it was established, if it was.
pub(crate) async fn run(net: Arc<Inner>, fresh: Fresh) -> Option<Duration> {
    let mut connection = Connection::new(net, fresh);
    let end = connection.drive().await;
    connection.finish(end).await
}

struct Connection {
    net: Arc<Inner>,
    stream: TcpStream,
    address: SocketAddr,
    direction: peers::Direction,
    session: Session,
    /// The right to receive a large frame, while one is unfinished.
    large: Option<OwnedSemaphorePermit>,
    rng: StdRng,
    pending: Option<(OwnedSemaphorePermit, Pending)>,
    slot: Option<Slot>,
    key: Option<PublicKey>,
    since: Option<Mono>,
    /// Kept so that the inbox stays open whoever else lets go.
    mailbox: Mailbox,
    inbox: Inbox,
    /// Taken from the inbox, refused as congested: goes first after the next flush.
    backlog: Option<Outgoing>,
    closing: Option<DisconnectReason>,
    /// The batch that is being written, how far, and until when.
    batch: Vec<u8>,
    written: usize,
    write_until: Instant,
    /// Something was taken from the inbox since the last [`NetEvent::Writable`].
    writable_owed: bool,
    /// Messages taken from the inbox so far.
    taken: u64,
    /// There is work that no wait would notice.
    more: bool,
    /// Waits for the node; holds what one read gave.
    outbox: VecDeque<NetEvent>,
    events: PollSender<NetEvent>,
    /// A place for the first of them is being waited for; it keeps its turn among the peers.
    reserving: bool,
}

impl Connection {
    fn new(net: Arc<Inner>, fresh: Fresh) -> Self {
        let Fresh { stream, address, dialled, pending } = fresh;
        let mut rng = net.env.rng();
        let (now, config) = (net.env.now(), net.session.clone());
        let (direction, session) = match dialled {
            Some((dial, remote)) => {
                (peers::Direction::Dialled(dial), Session::dial(config, remote, now, &mut rng))
            }
            None => (peers::Direction::Inbound, Session::accept(config, now)),
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "no TCP_NODELAY");
        }
        let (mailbox, inbox) = mailbox();
        let events = PollSender::new(net.events.clone());
        Self {
            net,
            stream,
            address,
            direction,
            session,
            large: None,
            rng,
            pending,
            slot: None,
            key: None,
            since: None,
            mailbox,
            inbox,
            backlog: None,
            closing: None,
            batch: Vec::new(),
            written: 0,
            write_until: Instant::now(),
            writable_owed: false,
            taken: 0,
            more: false,
            outbox: VecDeque::new(),
            events,
            reserving: false,
        }
    }

    async fn drive(&mut self) -> LinkEnd {
        loop {
            let lane = self.lane().await;
            let end = self.turn();
            drop(lane);
            if let Some(end) = end {
                return end;
            }
            if std::mem::take(&mut self.more) {
                tokio::task::yield_now().await;
            } else {
                self.wait().await;
            }
        }
    }

    /// A place among the few whose handshake may compute at this moment, while there is one to do.
    async fn lane(&self) -> Option<OwnedSemaphorePermit> {
        match self.slot {
            Some(_) => None,
            None => Arc::clone(&self.net.handshakes).acquire_owned().await.ok(),
        }
    }

    fn turn(&mut self) -> Option<LinkEnd> {
        let now = self.net.env.now();
        self.take_messages(now);
        if let Some(reason) = self.goodbye_asked() {
            self.session.disconnect(reason);
        }
        let read = if self.wants_bytes(now) && !self.session.is_closed() { self.read(now) } else { Ok(()) };
        // After reading: a process that was stopped for a while finds bytes that came in time.
        self.session.handle_timeout(now);
        if let Some(end) = self.take_events(now) {
            return Some(end);
        }
        self.hand_over();
        if let Err(error) = read {
            return Some(LinkEnd::Io(error));
        }
        if let Err(error) = self.write(now) {
            // The peer may have said why before it closed.
            if self.outbox.is_empty() {
                let _ = self.read(now);
            }
            return Some(self.take_events(now).unwrap_or(LinkEnd::Io(error)));
        }
        None
    }

    fn goodbye_asked(&mut self) -> Option<DisconnectReason> {
        if self.net.stop.is_cancelled() {
            return Some(DisconnectReason::QUITTING);
        }
        self.closing.take().or_else(|| self.inbox.close.try_recv().ok())
    }

    /// Moves the node's messages into the session until there is none or the session has enough to write.
    fn take_messages(&mut self, now: Now) {
        while let Some(message) = self.backlog.take().or_else(|| self.receive()) {
            let Outgoing { capability, code, payload } = &message;
            match self.session.send(now, *capability, *code, payload) {
                Ok(()) => add(&self.net.stats.messages_out, 1),
                Err(SendError::Congested) => {
                    self.backlog = Some(message);
                    return;
                }
                Err(error) => {
                    add(&self.net.stats.dropped, 1);
                    tracing::debug!(address = %self.address, code = error.code(), "message not sent: {error}");
                }
            }
        }
    }

    fn receive(&mut self) -> Option<Outgoing> {
        let message = self.inbox.messages.try_recv().ok()?;
        self.took(&message);
        Some(message)
    }

    fn took(&mut self, message: &Outgoing) {
        self.inbox.taken(message);
        self.writable_owed = true;
        self.taken = self.taken.saturating_add(1);
    }

    /// One read, if bytes are there. The buffer lives as long as the read, so that an idle peer has none.
    fn read(&mut self, now: Now) -> Result<(), io::ErrorKind> {
        let mut buffer = Vec::with_capacity(READ_BUFFER);
        match self.stream.try_read_buf(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof),
            Ok(read) => {
                add(&self.net.stats.bytes_in, read);
                self.session.receive(now, &buffer, &mut self.rng);
                if !self.is_large() {
                    self.large = None;
                } else if self.large.is_none() {
                    self.large = Arc::clone(&self.net.large_frames).try_acquire_owned().ok();
                }
                Ok(())
            }
            Err(error) => again(&error),
        }
    }

    /// Whoever lets large frames lie unfinished keeps others from sending theirs, until it is cut; all others go on.
    /// Whoever sends too much is let wait.
    fn wants_bytes(&self, now: Now) -> bool {
        self.outbox.is_empty()
            && self.inbox.deferred(now.mono).is_none()
            && (self.large.is_some() || !self.is_large())
    }

    const fn is_large(&self) -> bool {
        self.session.buffered() > READ_BUFFER
    }

    /// What the session says; `Some` when it is over.
    fn take_events(&mut self, now: Now) -> Option<LinkEnd> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Authenticated(key) => self.authenticated(now, key),
                Event::Established { hello, shared } => self.established(now, &hello, shared),
                Event::Message { capability, code, payload } => {
                    if let Some(slot) = self.slot.as_ref().filter(|_| self.since.is_some()) {
                        add(&self.net.stats.messages_in, 1);
                        let peer = slot.peer();
                        self.outbox.push_back(NetEvent::Message { peer, capability, code, payload });
                    }
                }
                Event::Closed(closed) => return Some(LinkEnd::Session(closed)),
            }
        }
        if let (Some(rtt), Some(slot)) = (self.session.take_rtt(), &self.slot) {
            slot.answered(rtt);
        }
        None
    }

    fn authenticated(&mut self, now: Now, key: PublicKey) {
        let admitted = self.net.registry.admit(key, self.address, self.direction, self.mailbox.clone());
        let admission = match admitted {
            Ok(slot) => {
                self.slot = Some(slot);
                self.key = Some(key);
                Admission::Admit
            }
            Err(reason) => Admission::Refuse(reason),
        };
        self.session.admit(now, admission, &mut self.rng);
    }

    fn established(&mut self, now: Now, hello: &Hello, shared: Vec<Shared>) {
        let (Some(slot), Some(key)) = (&self.slot, self.key) else { return };
        let client = String::from_utf8_lossy(&hello.client).into_owned();
        let established = Established { client: client.clone(), shared: shared.clone() };
        if let Err(reason) = slot.establish(established) {
            self.session.disconnect(reason);
            return;
        }
        self.net.stats.handshakes_ok.fetch_add(1, Ordering::Relaxed);
        self.since = Some(now.mono);
        self.pending = None;
        let (peer, address, direction) = (slot.peer(), self.address, Direction::of(self.direction));
        tracing::debug!(%peer, %address, ?direction, "connected");
        let exempt = slot.is_exempt();
        self.outbox.push_back(NetEvent::Connected { peer, key, address, direction, client, shared, exempt });
    }

    /// Gives the node what it has room for.
    fn hand_over(&mut self) {
        let Some(events) = self.events.get_ref().filter(|_| !self.reserving) else { return };
        while let Some(event) = self.outbox.pop_front() {
            match events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => return self.outbox.push_front(event),
                Err(mpsc::error::TrySendError::Closed(_)) => return self.nobody(),
            }
        }
    }

    /// The node dropped its end: nobody is left to talk for.
    fn nobody(&mut self) {
        self.closing = Some(DisconnectReason::QUITTING);
        self.more = true;
        self.outbox.clear();
    }

    /// Writes as much as the socket takes.
    fn write(&mut self, now: Now) -> Result<(), io::ErrorKind> {
        for _ in 0..MAX_BATCHES {
            if self.batch.is_empty() && !self.next_batch(now) {
                self.say_writable();
                return Ok(());
            }
            match self.stream.try_write(self.batch.get(self.written..).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero),
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if Instant::now() < self.write_until {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::TimedOut)
                    };
                }
                Err(error) => again(&error)?,
            }
        }
        self.more = true;
        Ok(())
    }

    /// Everything that waits, in one piece: small messages share a segment.
    fn next_batch(&mut self, now: Now) -> bool {
        self.take_messages(now);
        let Some(batch) = self.session.poll_transmit() else { return false };
        self.batch = batch;
        self.written = 0;
        self.write_until = Instant::now() + WRITE_TIMEOUT;
        true
    }

    fn advance(&mut self, n: usize) {
        add(&self.net.stats.bytes_out, n);
        self.written = self.written.saturating_add(n);
        if self.written >= self.batch.len() {
            self.batch = Vec::new();
        }
    }

    fn say_writable(&mut self) {
        if let Some(slot) = &self.slot
            && std::mem::take(&mut self.writable_owed)
        {
            self.outbox.push_back(NetEvent::Writable { peer: slot.peer(), written: self.taken });
            self.hand_over();
        }
    }

    /// Sleeps until a turn has something to do. Whatever is received on the way is kept.
    async fn wait(&mut self) {
        let now = self.net.env.now();
        let timer = self.session.poll_timeout().map(|at| at.since(now.mono));
        let timer = timer.into_iter().chain(self.inbox.deferred(now.mono)).min();
        let queues = self.is_large() && self.large.is_none();
        let interest = match (self.wants_bytes(now), self.batch.is_empty()) {
            (true, true) => Some(Interest::READABLE),
            (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, false) => Some(Interest::WRITABLE),
            (false, true) => None,
        };
        self.reserving = !self.outbox.is_empty();
        let Self { net, stream, inbox, backlog, closing, events, large, .. } = self;
        let mut arrived = None;
        let mut open = None;
        tokio::select! {
            biased;
            () = net.stop.cancelled() => {}
            reason = inbox.close.recv() => *closing = reason,
            message = inbox.messages.recv(), if backlog.is_none() => arrived = message,
            () = sleep(timer.unwrap_or_default()), if timer.is_some() => {}
            () = sleep_until(self.write_until), if !self.batch.is_empty() => {}
            permit = Arc::clone(&net.large_frames).acquire_owned(), if queues => *large = permit.ok(),
            room = std::future::poll_fn(|cx| events.poll_reserve(cx)), if self.reserving => open = Some(room.is_ok()),
            // What it says is found out by trying.
            _ = stream.ready(interest.unwrap_or(Interest::READABLE)), if interest.is_some() => {}
        }
        if let Some(open) = open {
            self.reserving = false;
            let event = self.outbox.pop_front();
            if !open || event.is_some_and(|event| self.events.send_item(event).is_err()) {
                self.nobody();
            }
        }
        if let Some(message) = arrived {
            self.took(&message);
            self.backlog = Some(message);
        }
    }

    async fn finish(mut self, end: LinkEnd) -> Option<Duration> {
        let lived = self.since.map(|since| self.net.env.now().mono.since(since));
        let slot = self.slot.take();
        let peer = slot.as_ref().map(Slot::peer);
        if let Some(slot) = slot {
            slot.end(end.ending(lived.is_some()));
        }
        self.report(end, peer.is_some());
        if let Some(peer) = peer.filter(|_| lived.is_some()) {
            self.outbox.push_back(NetEvent::Disconnected { peer, closed: end });
        }
        self.inbox.messages.close();
        let mut dropped = usize::from(self.backlog.take().is_some());
        while let Ok(message) = self.inbox.messages.try_recv() {
            self.inbox.taken(&message);
            dropped = dropped.saturating_add(1);
        }
        add(&self.net.stats.dropped, dropped);
        let Self { net, stream, mut session, batch, written, outbox, events, pending, .. } = self;
        let sender = events.get_ref().cloned();
        // Gives back the place that it may have reserved.
        drop(events);
        let transmit = session.poll_transmit().unwrap_or_default();
        let last = [batch.get(written..).unwrap_or_default(), &transmit];
        tokio::join!(goodbye(stream, end, &last), deliver(&net.stop, sender, outbox));
        // Until here: the sockets of those that are told why they may not come in are bounded too.
        drop(pending);
        lived
    }

    fn report(&self, end: LinkEnd, admitted: bool) {
        let (address, code) = (self.address, end.code());
        if self.since.is_some() {
            tracing::debug!(%address, code, "disconnected: {end}");
        } else {
            self.net.stats.handshake_failed(code);
            tracing::debug!(%address, code, admitted, "not connected: {end}");
        }
    }
}

/// The last bytes, then the peer's turn to close: closing at once, with bytes of it unread, would make the system
/// send a reset that can overtake the reason.
async fn goodbye(mut stream: TcpStream, end: LinkEnd, bytes: &[&[u8]]) {
    let LinkEnd::Session(closed) = end else { return };
    if bytes.iter().all(|bytes| bytes.is_empty()) {
        return;
    }
    let last = async {
        for bytes in bytes {
            stream.write_all(bytes).await?;
        }
        stream.shutdown().await?;
        if !matches!(closed, Closed::ByPeer(_)) {
            let mut ignored = [0; 1_024];
            while stream.read(&mut ignored).await? > 0 {}
        }
        Ok::<(), io::Error>(())
    };
    if !matches!(timeout(GOODBYE_TIMEOUT, last).await, Ok(Ok(()))) {
        tracing::trace!("the last bytes may be lost");
    }
}

/// The last events. When everything stops, only what there is room for: the node may not be listening any more.
async fn deliver(
    stop: &CancellationToken,
    events: Option<mpsc::Sender<NetEvent>>,
    outbox: VecDeque<NetEvent>,
) {
    let Some(events) = events else { return };
    for event in outbox {
        let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(event) else { continue };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = events.send(event) => {}
        }
    }
}

/// Whether an operation may be tried again later.
fn again(error: &io::Error) -> Result<(), io::ErrorKind> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        kind => Err(kind),
    }
}
