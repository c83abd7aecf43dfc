//! A transport in memory: endpoints on one hub, virtual time, seeded latency. For tests of what is above.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{Keyring, keccak256};

use crate::conformance::Network;
use crate::{
    Caps, Command, CommandError, Event, HistorySupport, Listen, OpenWith, Progress, Received, Route, Send,
    SendId, Transport, Via, WireId,
};

/// Largest payload that the hub carries.
pub const MAX_PAYLOAD: usize = 512 * 1024;

/// One endpoint: listens, sends and receives; the hub moves what it sent.
pub struct MemoryTransport {
    keyring: Arc<dyn Keyring>,
    listening: BTreeSet<Listen>,
    outbox: VecDeque<(SendId, Sealed)>,
    events: VecDeque<Event>,
}

#[derive(Clone)]
struct Sealed {
    message: Received,
    to: Option<undertone_crypto::PublicKey>,
}

impl MemoryTransport {
    /// An endpoint that uses the keys of `keyring`.
    pub fn new(keyring: Arc<dyn Keyring>) -> Self {
        Self { keyring, listening: BTreeSet::new(), outbox: VecDeque::new(), events: VecDeque::new() }
    }

    fn send(&mut self, now: Now, send: Send) -> Result<(), CommandError> {
        if send.payload.len() > MAX_PAYLOAD {
            return Err(CommandError::TooLarge { got: send.payload.len(), max: MAX_PAYLOAD });
        }
        if send.route.is_sealed_to_a_key() != send.to.is_some() {
            return Err(CommandError::Recipient);
        }
        let author = self.keyring.public(&send.sign_as).ok_or(CommandError::UnknownKey)?;
        let mut id = send.payload.clone();
        id.extend_from_slice(&author.to_compressed());
        id.extend_from_slice(&send.id.0.to_be_bytes());
        let message = Received {
            route: send.route,
            author,
            sealed_to: None,
            payload: send.payload,
            sent_at: Unix::from_secs(now.unix.secs()),
            wire_id: WireId::from_bytes(keccak256(&id)),
            via: Via::Live,
        };
        self.outbox.push_back((send.id, Sealed { message, to: send.to }));
        self.events.push_back(Event::Progress { id: send.id, progress: Progress::Queued });
        Ok(())
    }

    fn deliver(&mut self, sealed: &Sealed) {
        let heard = self.listening.iter().find_map(|listen| self.opens(listen, sealed));
        self.events.extend(heard.map(|r| Event::Received(Box::new(r))));
    }

    fn opens(&self, listen: &Listen, sealed: &Sealed) -> Option<Received> {
        let mut message = sealed.message.clone();
        match (listen.open_with, sealed.to) {
            (OpenWith::ByRoute, None) if listen.route == message.route => Some(message),
            (OpenWith::Identity(key), Some(to)) if listen.route.is_sealed_to_a_key() => {
                let ours = self.keyring.public(&key).filter(|ours| *ours == to)?;
                message.route.clone_from(&listen.route);
                message.sealed_to = Some(ours);
                Some(message)
            }
            _ => None,
        }
    }
}

impl std::fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryTransport").field("listening", &self.listening.len()).finish_non_exhaustive()
    }
}

impl Transport for MemoryTransport {
    fn caps(&self) -> Caps {
        Caps { max_payload: MAX_PAYLOAD, history: HistorySupport::None }
    }

    fn command(&mut self, now: Now, command: Command) -> Result<(), CommandError> {
        match command {
            Command::Listen(listen) => {
                if let OpenWith::Identity(key) = listen.open_with {
                    self.keyring.public(&key).ok_or(CommandError::UnknownKey)?;
                }
                if listen.route.is_sealed_to_a_key() != matches!(listen.open_with, OpenWith::Identity(_)) {
                    return Err(CommandError::Recipient);
                }
                self.listening.insert(listen);
                Ok(())
            }
            Command::Unlisten(listen) => {
                self.listening.remove(&listen);
                Ok(())
            }
            Command::Send(send) => self.send(now, send),
            Command::History(_) => Err(CommandError::Unsupported),
        }
    }

    fn handle_timeout(&mut self, _now: Now) {}

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Mono> {
        None
    }
}

/// Endpoints that hear each other, with a latency of 5 to 50 ms drawn from the seed for each delivery.
#[derive(Debug)]
pub struct MemoryNetwork {
    now: Now,
    seed: u64,
    endpoints: Vec<MemoryTransport>,
    online: Vec<bool>,
    flying: BTreeMap<(Mono, u64), (usize, SealedBox)>,
}

struct SealedBox(Sealed);

impl std::fmt::Debug for SealedBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl MemoryNetwork {
    /// xorshift64: only orders deliveries, keeps no secret.
    fn draw(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn launch(&mut self) {
        for from in 0..self.endpoints.len() {
            let others = self.online.iter().enumerate().filter(|(i, up)| **up && *i != from).count();
            if !self.online.get(from).copied().unwrap_or(false) || others == 0 {
                continue;
            }
            while let Some((id, sealed)) = self.endpoints.get_mut(from).and_then(|e| e.outbox.pop_front()) {
                if let Some(endpoint) = self.endpoints.get_mut(from) {
                    endpoint.events.push_back(Event::Progress { id, progress: Progress::Relayed });
                }
                for to in (0..self.endpoints.len()).filter(|to| *to != from) {
                    let at = self.now.mono.after(Duration::from_millis(5 + self.draw() % 46));
                    let tie = self.draw();
                    self.flying.insert((at, tie), (to, SealedBox(sealed.clone())));
                }
            }
        }
    }
}

impl Network for MemoryNetwork {
    fn new(seed: u64, keyrings: Vec<Arc<dyn Keyring>>) -> Self {
        let online = vec![true; keyrings.len()];
        let now = Now { mono: Mono::ZERO, unix: Unix::from_millis(1_600_000_000_000) };
        let endpoints = keyrings.into_iter().map(MemoryTransport::new).collect();
        Self { now, seed: seed | 1, endpoints, online, flying: BTreeMap::new() }
    }

    fn now(&self) -> Now {
        self.now
    }

    fn caps(&self) -> Caps {
        Caps { max_payload: MAX_PAYLOAD, history: HistorySupport::None }
    }

    fn command(&mut self, at: usize, command: Command) -> Result<(), CommandError> {
        let now = self.now;
        self.endpoints.get_mut(at).ok_or(CommandError::Unsupported)?.command(now, command)
    }

    fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        self.launch();
        while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= end.mono) {
            let ((at, _), (to, sealed)) = entry.remove_entry();
            self.now = self.now.after(at.since(self.now.mono));
            if self.online.get(to).copied().unwrap_or(false)
                && let Some(endpoint) = self.endpoints.get_mut(to)
            {
                endpoint.deliver(&sealed.0);
            }
        }
        self.now = end;
    }

    fn events(&mut self, at: usize) -> Vec<Event> {
        let Some(endpoint) = self.endpoints.get_mut(at) else { return Vec::new() };
        std::iter::from_fn(|| endpoint.poll_event()).collect()
    }

    fn set_online(&mut self, at: usize, online: bool) {
        if let Some(slot) = self.online.get_mut(at) {
            *slot = online;
        }
    }
}

/// Routes that two endpoints can both name without knowing each other's keys.
pub fn public(name: &str) -> Route {
    #[expect(clippy::expect_used, reason = "test helper with literal names")]
    Route::Public(crate::PublicName::new(name).expect("valid name"))
}
