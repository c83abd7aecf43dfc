//! Discovery v5.1, by the crate `discv5`, on the socket of v4.
//!
//! ```text
//!   socket ──▶ discv5: filter ─▶ decode ─▶ sessions ─▶ queries
//!                               └ no v5 packet ──▶ event ──▶ v4
//! ```
//! # One port
//! The library reads the socket and hands over what it cannot decode, by a channel of 100 events that it fills
//! without waiting: what does not fit is lost. So nothing of it runs by itself. Its four tasks are collected instead
//! of spawned ([`Collect`]) and polled here, inside the one task of discovery, each time after the channel was
//! emptied, and in an order in which no round can make more events than the channel holds: the service first, whose
//! own input holds 50. A flood thus costs time of this task, but never a datagram that was read. A panic in the
//! library ends v5, not the node: the socket is then read by us.
//!
//! # Limits
//! The library's packet filter is switched on, because only then its reader wakes up again after an error of the
//! socket, but without any of its limits. They cannot be used on a port with v4:
//! - the limit by address bans the address for every protocol, and counts v4 packets too. Anyone who can write a
//!   source address into a datagram would choose who is not heard.
//! - the limit of all packets counts v4 packets too, before they are decoded.
//! - the limits by node bans and counts by the id in the packet's header, which is not authenticated either: anyone
//!   could have any node banned.
//! - the limit of nodes by address bans the address.
//!
//! What remains bounds the work: an answer to a stranger (WHOAREYOU, 63 bytes) is smaller than what it answers
//! (at least 71), is remembered for a second, and everything beyond needs a handshake by the address.
//!
//! One ban remains, which is not the filter's: a node that answers a query with records of distances that were not
//! asked for is banned, with its address, in a list that the whole process shares. The ban of the node is earned; that
//! of the address would silence others behind it, in v4 too. Therefore every address that v5 might ask is exempted
//! before it is asked ([`Permits`]).

mod filter;
mod jobs;
mod permits;

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use discv5::{ConfigBuilder, Discv5, Enr, Event, ListenConfig, NodeContact};
use enr::CombinedKey;
use rand_core::CryptoRng;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use undertone_base::{Mono, Now};
use undertone_devp2p::discv4::{Contact, Network, is_lan};
use undertone_devp2p::enr::Record;
use undertone_devp2p::limits::{BUCKET_SIZE, EMPTY_REFRESH, TABLE_PER_PREFIX};
use undertone_devp2p::{NodeId, NodeKey};

use crate::limits::{
    MAX_V5_PINGS, V5_BOOT_INTERVAL_MAX, V5_REFRESH_INTERVAL, V5_THIN_INTERVAL, V5_THIN_INTERVAL_MAX,
    V5_WALK_INTERVAL,
};
pub(crate) use filter::Rules;
use filter::Slot;
use jobs::{Collect, Job, poll_jobs};
use permits::Permits;

/// A look-up that is under way.
pub(crate) type Find = Pin<Box<dyn Future<Output = Vec<Record>> + Send>>;
type Ping = Pin<Box<dyn Future<Output = Option<(IpAddr, SocketAddr)>> + Send>>;

/// What v5 gives.
#[derive(Debug)]
pub(crate) enum V5Event {
    /// A datagram that is not its own.
    Datagram { from: SocketAddr, bytes: Vec<u8> },
    /// A node that proved its key to us, at the address of its record.
    Found(Record),
    /// Where another node sees us.
    Vote { voter: IpAddr, said: SocketAddr },
    /// It is broken and must be dropped.
    Broken,
}

/// What v5 starts with.
pub(crate) struct Setup {
    pub(crate) key: NodeKey,
    pub(crate) record: Record,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) boot: Vec<Contact>,
    pub(crate) boot_records: Vec<Record>,
    pub(crate) rules: Rules,
}

/// The library with its tasks.
pub(crate) struct V5 {
    discv5: Discv5,
    jobs: Vec<Job>,
    events: mpsc::Receiver<Event>,
    slot: Slot,
    permits: Permits,
    boot: Vec<Contact>,
    boot_records: Vec<Enr>,
    find: Option<Find>,
    pings: Vec<Ping>,
    contacts: Vec<Job>,
    next_find: Mono,
    next_boot: Mono,
    boot_pause: Duration,
    thin_pause: Duration,
    /// Nodes in the table, and of these those with a session: counted when either may have changed.
    sizes: (usize, usize),
    broken: bool,
}

impl V5 {
    /// Starts the library on the socket.
    pub(crate) async fn start(setup: Setup) -> Result<Self, &'static str> {
        let Setup { key, record, socket, boot, boot_records, rules } = setup;
        let mut secret = *key.secret().expose();
        // Wiped by the callee.
        let secret = CombinedKey::secp256k1_from_bytes(&mut secret).map_err(|_| "the key")?;
        let slot = Slot::take(rules).ok_or("more restricted instances than there are slots")?;
        let jobs = Collect::default();
        let config = config(socket, &slot, &jobs).map_err(|_| "the socket")?;
        let mut discv5 = Discv5::new(to_enr(&record).ok_or("the record")?, secret, config)?;
        discv5.start().await.map_err(|_| "the socket")?;
        let mut jobs = jobs.take();
        let mut stream = Box::pin(discv5.event_stream());
        let events = poll_fn(|cx| {
            let _ = poll_jobs(&mut jobs, cx);
            stream.as_mut().poll(cx)
        });
        let events = events.await.map_err(|_| "its events")?;
        let boot_records = boot_records.iter().filter_map(to_enr).collect();
        Ok(Self {
            discv5,
            jobs,
            events,
            slot,
            permits: Permits::default(),
            boot,
            boot_records,
            find: None,
            pings: Vec::new(),
            contacts: Vec::new(),
            next_find: Mono::ZERO,
            next_boot: Mono::ZERO,
            boot_pause: EMPTY_REFRESH / 2,
            thin_pause: V5_THIN_INTERVAL,
            sizes: (0, 0),
            broken: false,
        })
    }

    /// The next event. May be cancelled: nothing is lost.
    pub(crate) async fn next(&mut self) -> V5Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<V5Event> {
        for round in [Round::Events, Round::Jobs] {
            if matches!(round, Round::Jobs) && poll_jobs(&mut self.jobs, cx).is_err() {
                self.broken = true;
            }
            if self.broken {
                return Poll::Ready(V5Event::Broken);
            }
            while let Poll::Ready(event) = self.events.poll_recv(cx) {
                let Some(event) = event else { return Poll::Ready(V5Event::Broken) };
                if let Some(event) = self.take(event) {
                    return Poll::Ready(event);
                }
            }
            if let Some((voter, said)) = self.poll_requests(cx) {
                return Poll::Ready(V5Event::Vote { voter, said });
            }
        }
        Poll::Pending
    }

    /// What was asked for: a look-up fills the table by itself, a ping says where we are.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Option<(IpAddr, SocketAddr)> {
        if self.find.as_mut().is_some_and(|find| find.as_mut().poll(cx).is_ready()) {
            self.find = None;
        }
        self.contacts.retain_mut(|contact| contact.as_mut().poll(cx).is_pending());
        let mut vote = None;
        self.pings.retain_mut(|ping| {
            if vote.is_some() {
                return true;
            }
            let answer = ping.as_mut().poll(cx);
            if let Poll::Ready(said) = &answer {
                vote = *said;
            }
            answer.is_pending()
        });
        vote
    }

    fn take(&mut self, event: Event) -> Option<V5Event> {
        match event {
            Event::UnrecognizedFrame(frame) => {
                Some(V5Event::Datagram { from: frame.src_address, bytes: frame.packet })
            }
            Event::SessionEstablished(enr, address) => self.established(enr, address),
            // It may be asked next.
            Event::Discovered(enr) => {
                self.permit(&enr);
                None
            }
            Event::NodeInserted { node_id, .. } => {
                // Who came to us by itself has not been through the filter of the table.
                if self
                    .discv5
                    .find_enr(&node_id)
                    .is_some_and(|enr| !self.slot.allows(&enr) || self.is_crowded(&enr))
                {
                    self.discv5.remove_node(&node_id);
                }
                self.count();
                None
            }
            // A request in a protocol that we do not speak is answered with nothing when it is dropped.
            _ => None,
        }
    }

    fn established(&mut self, enr: Enr, address: SocketAddr) -> Option<V5Event> {
        self.permit(&enr);
        if !self.slot.allows(&enr) {
            return None;
        }
        self.count();
        self.thin_pause = V5_THIN_INTERVAL;
        if self.pings.len() < MAX_V5_PINGS {
            let pong = self.discv5.send_ping(enr.clone());
            self.pings.push(Box::pin(async move {
                let pong = pong.await.ok()?;
                Some((address.ip(), SocketAddr::new(pong.ip, pong.port)))
            }));
        }
        to_record(&enr).map(V5Event::Found)
    }

    /// Whether the table has enough nodes of this prefix of IPv6, of which the library has no limit.
    fn is_crowded(&self, enr: &Enr) -> bool {
        let prefix =
            |enr: &Enr| enr.ip6().map(IpAddr::V6).filter(|ip| !is_lan(*ip)).map(Network::neighborhood);
        let Some(own) = prefix(enr) else { return false };
        let entries = self.discv5.table_entries_enr();
        entries.iter().filter(|other| prefix(other) == Some(own)).count() > TABLE_PER_PREFIX
    }

    /// A new version of our record: the node's own is the truth, the library changes nothing by itself.
    pub(crate) fn set_record(&self, record: &Record) {
        if let Some(enr) = to_enr(record) {
            *self.discv5.external_enr().write() = enr;
        }
    }

    /// Nodes to start from, whose names were resolved.
    pub(crate) fn add_boot(&mut self, contacts: &[Contact]) {
        for contact in contacts {
            self.boot.retain(|known| known.id() != contact.id());
            self.boot.push(contact.clone());
        }
        self.next_boot = Mono::ZERO;
    }

    /// Records to start from, or to ask next.
    pub(crate) fn add(&mut self, record: &Record) {
        if let Some(enr) = to_enr(record) {
            self.permit(&enr);
            // Refused when it is not at an address that we can ask, or the bucket is full.
            let _ = self.discv5.add_enr(enr);
        }
    }

    /// Looks for the nodes closest to an id. To be awaited elsewhere.
    pub(crate) fn find(&self, id: &NodeId) -> Find {
        let found = self.discv5.find_node(enr::NodeId::new(id.as_bytes()));
        Box::pin(async move { found.await.unwrap_or_default().iter().filter_map(to_record).collect() })
    }

    /// Records of the table, and whether they have answered.
    pub(crate) fn nodes(&self) -> Vec<Record> {
        let entries = self.discv5.table_entries();
        entries
            .iter()
            .filter(|(_, _, status)| status.is_connected())
            .filter_map(|(_, enr, _)| to_record(enr))
            .collect()
    }

    /// Nodes in the table, and of these those with a session.
    pub(crate) const fn sizes(&self) -> (usize, usize) {
        self.sizes
    }

    fn count(&mut self) {
        self.sizes = (self.discv5.table_entries_id().len(), self.discv5.connected_peers());
    }

    /// When to call [`Self::handle_timeout`] next.
    pub(crate) fn poll_timeout(&self) -> Mono {
        if self.find.is_some() { self.next_boot } else { self.next_find.min(self.next_boot) }
    }

    /// Does what is due. Early calls are harmless.
    pub(crate) fn handle_timeout(&mut self, now: Now, walk: bool, rng: &mut (impl CryptoRng + ?Sized)) {
        self.count();
        let (known, connected) = self.sizes;
        if self.next_boot <= now.mono {
            if connected == 0 {
                // It may not speak v5 at all.
                self.boot_pause = V5_BOOT_INTERVAL_MAX.min(self.boot_pause.saturating_mul(2));
                self.ask_boot();
            } else {
                self.boot_pause = EMPTY_REFRESH;
            }
            self.next_boot = now.mono.after(self.boot_pause);
        }
        if self.find.is_some() || now.mono < self.next_find {
            return;
        }
        let pause = if connected < BUCKET_SIZE {
            let pause = self.thin_pause;
            self.thin_pause = V5_THIN_INTERVAL_MAX.min(pause.saturating_mul(2));
            pause
        } else if walk {
            V5_WALK_INTERVAL
        } else {
            V5_REFRESH_INTERVAL
        };
        self.next_find = now.mono.after(pause);
        if known > 0 {
            let mut target = [0; 32];
            rng.fill_bytes(&mut target);
            self.find = Some(self.find(&NodeId::from_bytes(target)));
        }
    }

    /// A boot node of which only the key and the address are known is sent a request of a protocol that nobody speaks:
    /// its record comes with the handshake.
    fn ask_boot(&mut self) {
        for enr in self.boot_records.clone() {
            self.permit(&enr);
            let _ = self.discv5.add_enr(enr);
        }
        self.contacts.clear();
        for contact in &self.boot {
            let key = enr::k256::ecdsa::VerifyingKey::from_sec1_bytes(&contact.key.to_compressed());
            let Ok(key) = key else { continue };
            self.permits.add(&self.discv5, contact.address.ip());
            let to = NodeContact::new(key.into(), contact.address, None);
            let asked = self.discv5.talk_req(to, Vec::new(), Vec::new());
            self.contacts.push(Box::pin(async move {
                let _ = asked.await;
            }));
        }
    }

    fn permit(&mut self, enr: &Enr) {
        for ip in [enr.ip4().map(IpAddr::V4), enr.ip6().map(IpAddr::V6)].into_iter().flatten() {
            self.permits.add(&self.discv5, ip);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Round {
    Events,
    Jobs,
}

fn config(socket: Arc<UdpSocket>, slot: &Slot, jobs: &Collect) -> std::io::Result<discv5::Config> {
    let (ipv4, ipv6) =
        if socket.local_addr()?.is_ipv4() { (Some(socket), None) } else { (None, Some(socket)) };
    let mut config = ConfigBuilder::new(ListenConfig::FromSockets { ipv4, ipv6 });
    config
        .enable_packet_filter()
        .filter_rate_limiter(None)
        .filter_max_nodes_per_ip(None)
        .filter_max_bans_per_ip(None)
        .table_filter(slot.filter())
        // Our machine of v4 counts what others say, theirs of v5 included, and signs the record.
        .disable_enr_update()
        .auto_nat_listen_duration(None)
        .executor(Box::new(jobs.clone()));
    // Two places of a bucket and ten of the table for a /24: its own counts private addresses too, where many nodes of
    // one host are no attack.
    if !slot.is_local() {
        config.ip_limit();
    }
    Ok(config.build())
}

fn to_enr(record: &Record) -> Option<Enr> {
    record.to_string().parse().ok()
}

fn to_record(enr: &Enr) -> Option<Record> {
    enr.to_base64().parse().ok()
}
