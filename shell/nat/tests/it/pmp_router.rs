//! A router for NAT-PMP and PCP on loopback, as good or as bad as a test wants it. Written from the RFCs, apart from
//! the code under test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::OUTSIDE;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speaks {
    Both,
    NatPmp,
    Pcp,
}

/// How it answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// Many datagrams of nonsense, of any length, for each question.
    Babbling,
    Good,
    /// As over a bad link: each question is lost once.
    Lossy,
    /// Grants, with lease 0 and port 0.
    Nothing,
    /// Every port is refused with this code.
    Refusing(u8),
    Silent,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mood: Mood,
    pub(crate) outside: Ipv4Addr,
    /// When it was started, by its clock.
    pub(crate) born: Instant,
    /// By internal port.
    pub(crate) mapped: BTreeMap<u16, Mapping>,
    /// External ports of others.
    pub(crate) taken: BTreeSet<u16>,
    /// Refuse what is taken (PCP code 11) instead of granting the next one.
    pub(crate) strict: bool,
    /// Longest lease that it grants, in seconds.
    pub(crate) longest: u32,
    /// Questions for a port that were granted.
    pub(crate) grants: usize,
    pub(crate) questions: usize,
    /// Questions that were lost and not asked again yet.
    lost: BTreeSet<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mapping {
    pub(crate) external: u16,
    pub(crate) lease: u32,
    pub(crate) nonce: [u8; 12],
}

pub(crate) struct PmpRouter {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl PmpRouter {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// External ports that are mapped.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.state().mapped.values().map(|mapping| mapping.external).collect()
    }

    /// As after a power cut: no mappings, its clock at zero.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.mapped.clear();
        state.born = Instant::now();
    }
}

/// Runs until the test ends. It was up for an hour already.
pub(crate) fn start(speaks: Speaks) -> PmpRouter {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let state = Arc::new(Mutex::new(State {
        mood: Mood::Good,
        outside: OUTSIDE,
        born: Instant::now().checked_sub(Duration::from_secs(3_600)).unwrap_or_else(Instant::now),
        mapped: BTreeMap::new(),
        taken: BTreeSet::new(),
        strict: false,
        longest: u32::MAX,
        grants: 0,
        questions: 0,
        lost: BTreeSet::new(),
    }));
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut state = shared.lock().unwrap();
            for answer in state.answers(speaks, &buffer[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    PmpRouter { address, state }
}

impl State {
    fn answers(&mut self, speaks: Speaks, question: &[u8]) -> Vec<Vec<u8>> {
        self.questions += 1;
        match self.mood {
            Mood::Silent => Vec::new(),
            Mood::Lossy if self.lost.insert(question.to_vec()) => Vec::new(),
            Mood::Babbling => (0..100u8).map(|n| vec![n % 3; usize::from(n) * 20]).collect(),
            _ => {
                self.lost.remove(question);
                self.answer(speaks, question).into_iter().collect()
            }
        }
    }

    fn answer(&mut self, speaks: Speaks, question: &[u8]) -> Option<Vec<u8>> {
        match (question[0], speaks) {
            (0, Speaks::Both | Speaks::NatPmp) => Some(self.nat_pmp(question)),
            (2, Speaks::Both | Speaks::Pcp) => Some(self.pcp(question)),
            // "Unsupported version", in the version that is supported.
            (2, Speaks::NatPmp) => Some([&[0, 128 + question[1], 0, 1][..], &self.seconds()].concat()),
            _ => None,
        }
    }

    fn nat_pmp(&mut self, question: &[u8]) -> Vec<u8> {
        let head = |code: u8, state: &Self| [&[0, 128 + question[1], 0, code][..], &state.seconds()].concat();
        if question[1] == 0 {
            return [head(0, self), self.outside.octets().to_vec()].concat();
        }
        let internal = u16::from_be_bytes([question[4], question[5]]);
        let suggested = u16::from_be_bytes([question[6], question[7]]);
        let lease = u32::from_be_bytes(question[8..12].try_into().unwrap());
        let end = self.decide(internal, suggested, lease, [0; 12]);
        let (code, external, lease) = end.map_or_else(|code| (code, 0, 0), |(e, l)| (0, e, l));
        [
            head(code, self),
            question[4..6].to_vec(),
            external.to_be_bytes().to_vec(),
            lease.to_be_bytes().to_vec(),
        ]
        .concat()
    }

    fn pcp(&mut self, question: &[u8]) -> Vec<u8> {
        let head = |code: u8, lease: u32, state: &Self| {
            [&[2, 128 + question[1], 0, code][..], &lease.to_be_bytes(), &state.seconds(), &[0; 12]].concat()
        };
        assert_eq!(question[18..24], [0xff, 0xff, 127, 0, 0, 1], "our address as the router sees it");
        if question[1] == 0 {
            return head(0, 0, self);
        }
        let internal = u16::from_be_bytes([question[40], question[41]]);
        let suggested = u16::from_be_bytes([question[42], question[43]]);
        let lease = u32::from_be_bytes(question[4..8].try_into().unwrap());
        let end = self.decide(internal, suggested, lease, question[24..36].try_into().unwrap());
        let (code, external, lease) = end.map_or_else(|code| (code, 0, 30), |(e, l)| (0, e, l));
        let outside = self.outside.to_ipv6_mapped().octets();
        [
            head(code, lease, self),
            question[24..42].to_vec(),
            external.to_be_bytes().to_vec(),
            outside.to_vec(),
        ]
        .concat()
    }

    /// The external port and lease, or the code of the refusal.
    fn decide(
        &mut self,
        internal: u16,
        suggested: u16,
        lease: u32,
        nonce: [u8; 12],
    ) -> Result<(u16, u32), u8> {
        const NOT_AUTHORIZED: u8 = 2;
        const CANNOT_PROVIDE_EXTERNAL: u8 = 11;
        match self.mood {
            Mood::Refusing(code) => return Err(code),
            Mood::Nothing => return Ok((0, 0)),
            _ => {}
        }
        if self.mapped.get(&internal).is_some_and(|mapping| mapping.nonce != nonce) {
            return Err(NOT_AUTHORIZED);
        }
        if lease == 0 {
            self.mapped.remove(&internal);
            return Ok((0, 0));
        }
        let mut external = self.mapped.get(&internal).map_or(suggested, |mapping| mapping.external);
        while self.taken.contains(&external) {
            if self.strict {
                return Err(CANNOT_PROVIDE_EXTERNAL);
            }
            external += 1;
        }
        let lease = lease.min(self.longest);
        self.mapped.insert(internal, Mapping { external, lease, nonce });
        self.grants += 1;
        Ok((external, lease))
    }

    fn seconds(&self) -> [u8; 4] {
        u32::try_from(self.born.elapsed().as_secs()).unwrap().to_be_bytes()
    }
}
