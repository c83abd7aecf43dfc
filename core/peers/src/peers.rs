//! The machine's face: see the head of the crate.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_core::CryptoRng;
use undertone_base::{FaultClass, Mono, Now};
use undertone_crypto::PublicKey;
use undertone_devp2p::{DisconnectReason, Enode};

use crate::config::{
    BanTarget, Config, Counts, Dial, DialId, DialOutcome, Direction, Ending, Event, LinkId, PeerView,
    Refusal, Source, StaticError, StaticView,
};
use crate::remembered::Remembered;

/// The peer manager. After every call: [`Peers::poll_event`] until `None`, [`Peers::poll_dial`] until `None`, then sleep
/// until [`Peers::poll_timeout`] or the next input.
#[derive(Clone, Debug)]
pub struct Peers {
    config: Config,
}

impl Peers {
    /// A manager that has nobody. What is remembered becomes its first candidates.
    pub fn new(config: Config, now: Now) -> Self {
        let _ = now;
        Self { config }
    }

    /// An inbound TCP connection, before any cryptography. On `Ok` the caller must say [`Peers::accept_over`] once, when
    /// the handshake has ended either way.
    ///
    /// # Errors
    /// [`Refusal`], in the order of its checks: banned, restricted, busy, throttled. A refused one does not count
    /// for the throttle.
    pub fn accept(&mut self, now: Now, from: IpAddr) -> Result<(), Refusal> {
        let _ = (now, from);
        Ok(())
    }

    /// The handshake of a connection that was accepted is over: established, refused or failed.
    pub fn accept_over(&mut self, from: IpAddr) {
        let _ = from;
    }

    /// Whether another handshake may begin: while not, connections are better left in the backlog of the system.
    pub fn has_room(&self) -> bool {
        true
    }

    /// Whether this address may be connected to: neither banned nor restricted. For what a name resolves to.
    pub fn allows(&self, now: Now, ip: IpAddr) -> bool {
        let _ = (now, ip);
        true
    }

    /// The handshake has named a key (`devp2p.md` 7.2). A link without Hello takes no place: an auth packet can be
    /// replayed by anyone.
    ///
    /// # Errors
    /// The reason to send.
    pub fn admit(
        &mut self,
        now: Now,
        key: PublicKey,
        address: SocketAddr,
        direction: Direction,
    ) -> Result<LinkId, DisconnectReason> {
        let _ = (now, key, address, direction);
        Ok(LinkId(0))
    }

    /// Both Hellos are there: the key is proved. The link that is returned was of the same key, counts no more, and is to
    /// be closed with [`DisconnectReason::ALREADY_CONNECTED`].
    ///
    /// # Errors
    /// The reason to send; then [`Peers::closed`] as always.
    pub fn establish(&mut self, now: Now, link: LinkId) -> Result<Option<LinkId>, DisconnectReason> {
        let _ = (now, link);
        Ok(None)
    }

    /// A link that was admitted is over. Unknown links are ignored.
    pub fn closed(&mut self, now: Now, link: LinkId, ending: Ending) {
        let _ = (now, link, ending);
    }

    /// A node was found. Says whether it is among the candidates now.
    pub fn found(&mut self, now: Now, enode: Enode, source: Source) -> bool {
        let _ = (now, enode, source);
        false
    }

    /// Whom to dial now. Call until `None`; each is answered by [`Peers::dial_over`].
    pub fn poll_dial(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Option<Dial> {
        let _ = (now, rng);
        None
    }

    /// An attempt is over: no connection came about, or its link has ended ([`Peers::closed`] comes first).
    pub fn dial_over(
        &mut self,
        now: Now,
        dial: DialId,
        outcome: DialOutcome,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let _ = (now, dial, outcome, rng);
    }

    /// Keeps a peer connected from now on, free of every limit. `false` when it is known exactly so already; another
    /// endpoint of a known key replaces it.
    ///
    /// # Errors
    /// [`StaticError`]; nothing has changed then.
    pub fn add_static(&mut self, now: Now, enode: Enode) -> Result<bool, StaticError> {
        let _ = (now, enode);
        Ok(false)
    }

    /// Dials it no more, and ends its link, whoever made it. `false` when it was not static.
    pub fn remove_static(&mut self, now: Now, key: &PublicKey) -> bool {
        let _ = (now, key);
        false
    }

    /// The endpoint that was asked for by [`Event::Resolve`], or that there is none.
    pub fn resolved(&mut self, now: Now, key: &PublicKey, enode: Option<Enode>) {
        let _ = (now, key, enode);
    }

    /// Lets a key in whatever the limits. `false` when it was trusted already.
    pub fn trust(&mut self, now: Now, key: PublicKey) -> bool {
        let _ = (now, key);
        false
    }

    /// Takes trust back. A live link needs a place like others then, or ends. `false` when it was not trusted.
    pub fn untrust(&mut self, now: Now, key: &PublicKey) -> bool {
        let _ = (now, key);
        false
    }

    /// Neither dials nor admits it for this long, for ever with `None`. Its links end. Stronger than static and trusted.
    pub fn ban(&mut self, now: Now, target: BanTarget, span: Option<Duration>) {
        let _ = (now, target, span);
    }

    /// Ends a ban, forgetting the faults that led to it. `false` when there was none.
    pub fn unban(&mut self, now: Now, target: BanTarget) -> bool {
        let _ = (now, target);
        false
    }

    /// The peer delivered this many valid envelopes that nobody had delivered before.
    pub fn useful(&mut self, now: Now, link: LinkId, new_envelopes: u32) {
        let _ = (now, link, new_envelopes);
    }

    /// The peer answered a ping.
    pub fn answered(&mut self, now: Now, link: LinkId, rtt: Duration) {
        let _ = (now, link, rtt);
    }

    /// The peer did something wrong that does not end the link. Only faults of class `Peer` count.
    pub fn fault(&mut self, now: Now, link: LinkId, fault: FaultClass) {
        let _ = (now, link, fault);
    }

    /// Timers. Idempotent, early calls harmless.
    pub fn handle_timeout(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        let _ = (now, rng);
    }

    /// When to call [`Peers::handle_timeout`] and [`Peers::poll_dial`] next, if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Mono> {
        None
    }

    /// What to do or to know, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Links that are established, in the order in which they were admitted.
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        let _ = now;
        Vec::new()
    }

    /// The established link of a key.
    pub fn link_of(&self, key: &PublicKey) -> Option<LinkId> {
        let _ = key;
        None
    }

    /// The static peers.
    pub fn statics(&self) -> Vec<StaticView> {
        Vec::new()
    }

    /// The trusted keys.
    pub fn trusted(&self) -> Vec<PublicKey> {
        Vec::new()
    }

    /// Who is banned and until when, `None` for ever.
    pub fn bans(&self, now: Now) -> Vec<(BanTarget, Option<Mono>)> {
        let _ = now;
        Vec::new()
    }

    /// What to write to disk at shutdown.
    pub fn remembered(&self, now: Now) -> Vec<Remembered> {
        let _ = (now, &self.config);
        Vec::new()
    }

    /// Counts.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }
}
