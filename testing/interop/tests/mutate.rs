//! Packets that no honest peer sends, out of a seeded generator: the same ones for an original and for us.

use anyhow::{Context, Result};
use rand_core::Rng;
use undertone_base::Now;
use undertone_runtime::Environment;
use undertone_support::ChaCha20Rng;
use undertone_whisper::pow::{Search, SearchStep};
use undertone_whisper::wire::Status;
use undertone_whisper::{Bloom, Envelope, Header, Pow, RawEnvelope, Topic};

use crate::made::packet;

/// What a link speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    Whisper,
    Waku0,
    Waku1,
}

/// What one link says after the handshake, or in place of it.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) kind: Kind,
    /// In place of an honest Status.
    pub(crate) first: Option<(u64, Vec<u8>)>,
    pub(crate) packet: Option<(u64, Vec<u8>)>,
}

/// The kinds, each thrown as often as any other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    BeforeStatus,
    Behind,
    Bundle,
    Cheap,
    Confirmation,
    Cut,
    Direct,
    Empty,
    Expired,
    Filter,
    Flipped,
    Future,
    Good,
    Grown,
    Late,
    Limits,
    Long,
    Mixed,
    Near,
    NoLife,
    OddField,
    Oversized,
    Price,
    SecondStatus,
    Status,
    UnknownCode,
    Update,
    Wrapped,
}

impl Kind {
    /// Of every dialect.
    const COMMON: [Self; 23] = [
        Self::BeforeStatus,
        Self::Behind,
        Self::Bundle,
        Self::Cheap,
        Self::Confirmation,
        Self::Cut,
        Self::Direct,
        Self::Empty,
        Self::Expired,
        Self::Flipped,
        Self::Future,
        Self::Good,
        Self::Grown,
        Self::Late,
        Self::Long,
        Self::Mixed,
        Self::Near,
        Self::NoLife,
        Self::OddField,
        Self::SecondStatus,
        Self::Status,
        Self::UnknownCode,
        Self::Wrapped,
    ];

    /// All of a dialect.
    pub(crate) fn of(dialect: Dialect) -> Vec<Self> {
        let own: &[Self] = match dialect {
            Dialect::Whisper => &[Self::Filter, Self::Limits, Self::Oversized, Self::Price],
            Dialect::Waku0 | Dialect::Waku1 => &[Self::Oversized, Self::Update],
        };
        [&Self::COMMON, own].concat()
    }
}

/// The two topics that everything is about.
pub(crate) fn topics() -> [Topic; 2] {
    ["mutations-one", "mutations-two"].map(Topic::of)
}

/// Makes shots.
pub(crate) struct Thrower {
    env: Environment,
    rng: ChaCha20Rng,
    dialect: Dialect,
    /// Least proof of work that its targets take.
    price: f64,
}

impl Thrower {
    pub(crate) fn new(seed: u64, dialect: Dialect, price: f64) -> Result<Self> {
        Ok(Self { env: Environment::system()?, rng: undertone_support::rng(seed), dialect, price })
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.rng.next_u64().to_le_bytes()[0]).collect()
    }

    fn one_of<T>(&mut self, mut all: Vec<T>) -> T {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap_or_default();
        all.swap_remove(at)
    }

    fn now(&self) -> Result<u32> {
        let Now { unix, .. } = self.env.now();
        u32::try_from(unix.secs()).context("this century")
    }

    /// An envelope made `age` seconds ago, of this life, with a proof of work in this range, as geth counts it.
    fn envelope(&mut self, age: i64, ttl: u32, data: u64, work: (f64, f64)) -> Result<Envelope> {
        let topic = self.one_of(topics().to_vec());
        self.envelope_on(topic, age, ttl, (data, work))
    }

    fn envelope_on(
        &mut self,
        topic: Topic,
        age: i64,
        ttl: u32,
        (data, work): (u64, (f64, f64)),
    ) -> Result<Envelope> {
        let sent = u32::try_from(i64::from(self.now()?) - age)?;
        let header = Header { expiry: sent.wrapping_add(ttl), ttl, topic };
        let data = self.bytes(data);
        loop {
            let nonce = self.rng.next_u64();
            let envelope = match Pow::new(work.0).filter(|pow| *pow > Pow::ZERO) {
                Some(pow) => match Search::new(header, data.clone(), pow, nonce)?.run(u64::MAX) {
                    SearchStep::Done(found) => found?,
                    SearchStep::Continue(_) => continue,
                },
                None => Envelope::new(header, &data, nonce),
            };
            let pow = RawEnvelope::decode(envelope.bytes())?.work().geth(ttl);
            if work.0 <= pow && pow <= work.1 {
                return Ok(envelope);
            }
        }
    }

    /// One that everybody takes.
    pub(crate) fn good(&mut self) -> Result<Envelope> {
        let len = 40 + self.below(200);
        self.envelope(0, 60, len, (2.0 * self.price, f64::INFINITY))
    }

    /// One that tells what a peer wants: on one of the topics, worth 0.01 or so, or 1 and more.
    pub(crate) fn probe(&mut self, topic: Topic, dear: bool) -> Result<Envelope> {
        let work = if dear { (1.0, f64::INFINITY) } else { (0.01, 0.05) };
        self.envelope_on(topic, 0, 60, (60, work))
    }

    fn cheap(&mut self) -> Result<Envelope> {
        // A small price needs a long life to be missed.
        let ttl = if self.price < 0.001 { 80_000 } else { 60 };
        self.envelope(0, ttl, 100, (0.0, self.price / 2.0))
    }

    fn aged(&mut self, age: i64, ttl: u32) -> Result<Envelope> {
        self.envelope(age, ttl, 60, (2.0 * self.price, f64::INFINITY))
    }

    /// An envelope whose times or work are what geth drops a peer for.
    fn bad(&mut self) -> Result<Envelope> {
        match self.below(3) {
            0 => self.future(),
            1 => self.late(),
            _ => self.cheap(),
        }
    }

    fn future(&mut self) -> Result<Envelope> {
        let ahead = 25 + i64::try_from(self.below(100))?;
        self.aged(-ahead, 60)
    }

    fn late(&mut self) -> Result<Envelope> {
        let since = 35 + i64::try_from(self.below(1_000))?;
        self.aged(60 + since, 60)
    }

    /// A shot of this kind.
    pub(crate) fn shot(&mut self, kind: Kind) -> Result<Shot> {
        let messages = |body| Shot { kind, first: None, packet: Some((1, body)) };
        let said = |packet| Shot { kind, first: None, packet: Some(packet) };
        Ok(match kind {
            Kind::Good => messages(packet(&[&self.good()?])),
            Kind::Bundle => {
                let (a, b) = (self.good()?, self.good()?);
                messages(packet(&[&a, &b, &a]))
            }
            Kind::Near => {
                let ahead = 2 + i64::try_from(self.below(4))?;
                messages(packet(&[&self.aged(-ahead, 60)?]))
            }
            Kind::Future => messages(packet(&[&self.future()?])),
            Kind::Expired => {
                let since = 4 + i64::try_from(self.below(8))?;
                messages(packet(&[&self.aged(60 + since, 60)?]))
            }
            Kind::Late => messages(packet(&[&self.late()?])),
            Kind::Cheap => messages(packet(&[&self.cheap()?])),
            Kind::Mixed => {
                let mut all = [self.good()?, self.bad()?, self.good()?, self.bad()?];
                if self.below(2) == 0 {
                    all.reverse();
                }
                messages(packet(&all.iter().collect::<Vec<_>>()))
            }
            Kind::NoLife => {
                let ahead = i64::try_from(self.below(2))?;
                messages(packet(&[&self.envelope(-ahead, 0, 60, (0.0, f64::INFINITY))?]))
            }
            Kind::Long => {
                let ttl = 90_000 + u32::try_from(self.below(50_000))?;
                messages(packet(&[&self.aged(0, ttl)?]))
            }
            Kind::Wrapped => {
                let ttl = self.now()?.saturating_add(61 + u32::try_from(self.below(1_000_000))?);
                messages(packet(&[&self.wrapped(ttl)?]))
            }
            Kind::Empty => {
                messages(packet(&[&self.envelope(0, 60, 0, (2.0 * self.price, f64::INFINITY))?]))
            }
            Kind::OddField => messages(self.odd_field()?),
            Kind::Flipped | Kind::Cut | Kind::Grown | Kind::Behind => {
                let body = packet(&[&self.good()?]);
                messages(self.mutated(kind, body)?)
            }
            Kind::Price => said((2, self.price())),
            Kind::Filter => said((3, self.filter())),
            Kind::Limits => said((20, self.limits())),
            Kind::Update => said((22, self.options())),
            Kind::Confirmation => said(self.confirmation()),
            Kind::Direct => {
                let body = match self.below(3) {
                    0 => self.good()?.bytes().to_vec(),
                    1 => packet(&[&self.good()?]),
                    _ => self.garbage(),
                };
                said((self.one_of(vec![123, 124, 125, 126, 127]), body))
            }
            Kind::UnknownCode => {
                let codes = (4..=10).chain(13..=19).chain([21]).chain(23..=122).collect();
                said((self.one_of(codes), self.garbage()))
            }
            Kind::Oversized => said((self.one_of(vec![0, 1, 2, 50]), vec![0; 1_048_577])),
            Kind::SecondStatus => said((0, self.status())),
            Kind::Status => Shot { kind, first: Some((0, self.status())), packet: None },
            Kind::BeforeStatus => {
                let code = 1 + self.below(126);
                Shot { kind, first: Some((code, self.garbage())), packet: None }
            }
        })
    }

    /// Whose life is longer than all the time before its end.
    fn wrapped(&mut self, ttl: u32) -> Result<Envelope> {
        let header = Header { expiry: self.now()? + 60, ttl, topic: topics()[0] };
        Ok(Envelope::new(header, &self.bytes(60), self.rng.next_u64()))
    }

    fn garbage(&mut self) -> Vec<u8> {
        let len = self.below(80);
        self.bytes(len)
    }

    fn mutated(&mut self, kind: Kind, mut body: Vec<u8>) -> Result<Vec<u8>> {
        let at = usize::try_from(self.below(body.len() as u64))?;
        match kind {
            Kind::Flipped => body[at] ^= 1 << self.below(8),
            Kind::Cut => body.truncate(at),
            Kind::Grown => body.insert(at, self.bytes(1)[0]),
            _ => body.extend(self.bytes(3)),
        }
        Ok(body)
    }

    /// An envelope of which one item is not as it must be.
    fn odd_field(&mut self) -> Result<Vec<u8>> {
        let expiry = number(u64::from(self.now()?) + 60);
        let mut items =
            vec![expiry, number(60), string(&topics()[0].as_bytes()[..]), string(&self.bytes(60)), number(9)];
        let odd =
            [string(&[0, 1]), vec![0], vec![0x81, 5], list(&[]), string(&[1; 9]), vec![0xb8, 4, 1, 2, 3, 4]];
        match self.below(3) {
            0 => items.push(number(1)),
            1 => {
                items.pop();
            }
            _ => {
                let at = usize::try_from(self.below(5))?;
                // Any string is data.
                let odd = if at == 3 { vec![vec![0x81, 5], list(&[])] } else { odd.to_vec() };
                items[at] = self.one_of(odd);
            }
        }
        Ok(list(&[list(&items)]))
    }

    fn bits(&mut self) -> Vec<u8> {
        let all = [
            0.0,
            -0.0,
            1e-310,
            0.2,
            1e9,
            f64::MAX,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            -1e-310,
        ];
        number(self.one_of(all.to_vec()).to_bits())
    }

    /// An item of some other form, sometimes.
    fn or_odd(&mut self, item: Vec<u8>) -> Vec<u8> {
        if self.below(4) > 0 {
            return item;
        }
        let odd = vec![list(&[]), list(&[number(1)]), string(&[7; 9]), string(&[0, 7]), vec![0], number(2)];
        self.one_of(odd)
    }

    /// Sometimes with something behind it.
    fn or_more(&mut self, mut body: Vec<u8>) -> Vec<u8> {
        if self.below(6) == 0 {
            body.extend(self.garbage());
        }
        body
    }

    fn price(&mut self) -> Vec<u8> {
        let bits = self.bits();
        let bits = self.or_odd(bits);
        self.or_more(bits)
    }

    fn bloom(&mut self) -> Vec<u8> {
        let [one, two] = topics().map(Bloom::of_listener);
        let whole =
            [one, two, one.union(&two), Bloom::EMPTY, Bloom::FULL].map(|bloom| bloom.as_bytes().to_vec());
        let any = self.one_of(vec![0, 1, 32, 63, 65, 128]);
        if self.below(4) > 0 { self.one_of(whole.to_vec()) } else { self.bytes(any) }
    }

    fn filter(&mut self) -> Vec<u8> {
        let bloom = string(&self.bloom());
        let bloom = self.or_odd(bloom);
        self.or_more(bloom)
    }

    fn three(&mut self) -> Vec<u8> {
        // Of no limit that would slow us: theirs are not kept by the originals.
        let count = self.one_of(vec![3, 3, 3, 2, 4]);
        list(&vec![number(0); count])
    }

    fn limits(&mut self) -> Vec<u8> {
        let three = self.three();
        let three = self.or_odd(three);
        self.or_more(three)
    }

    fn confirmation(&mut self) -> (u64, Vec<u8>) {
        let hash = string(&self.bytes(32));
        let error = list(&[hash.clone(), number(self.below(50)), string(b"why")]);
        let inner = list(&[hash.clone(), list(&[error])]);
        let inner = self.or_odd(inner);
        let version = number(1 + self.below(2));
        let (code, body) = self.one_of(vec![(11, hash), (12, list(&[version, inner]))]);
        let body = self.or_odd(body);
        (code, self.or_more(body))
    }

    /// A Status that is nearly right.
    fn status(&mut self) -> Vec<u8> {
        let body = match self.dialect {
            Dialect::Whisper => {
                let version = self.one_of(vec![6, 6, 6, 6, 6, 6, 5, 7]);
                let items =
                    [number(version), self.bits(), string(&self.bloom()), number(0), number(0), self.three()];
                let mut items: Vec<_> = items.into_iter().map(|item| self.or_odd(item)).collect();
                items.truncate(usize::try_from(self.below(7)).unwrap_or_default());
                list(&items)
            }
            Dialect::Waku0 => {
                let version = self.one_of(vec![0, 0, 0, 0, 1]);
                list(&[number(version), self.options()])
            }
            Dialect::Waku1 => self.options(),
        };
        self.or_more(body)
    }

    /// Some options, some of them odd, in any order and number; none that is not known.
    fn options(&mut self) -> Vec<u8> {
        let count = self.below(5);
        let keys = if self.dialect == Dialect::Waku0 { 6 } else { 7 };
        let mut pairs = Vec::new();
        for _ in 0..count {
            let key = self.below(keys);
            let value = match key {
                0 => self.bits(),
                1 => string(&self.bloom()),
                2 | 3 => number(0),
                5 => {
                    let [one, two] = topics().map(|topic| string(&topic.as_bytes()[..]));
                    let lists = vec![
                        list(&[]),
                        list(std::slice::from_ref(&one)),
                        list(&[one, two]),
                        list(&[string(&[1; 3])]),
                    ];
                    self.one_of(lists)
                }
                _ => self.three(),
            };
            let value = self.or_odd(value);
            let digit = u8::try_from(key).unwrap_or_default();
            let key = if self.dialect == Dialect::Waku0 { string(&[b'0' + digit]) } else { number(key) };
            pairs.push(list(&[key, value]));
        }
        list(&pairs)
    }
}

/// A Status of whoever wants everything.
pub(crate) fn open_status(dialect: Dialect) -> Vec<u8> {
    let options = |key: Vec<u8>| list(&[list(&[key, number(0)])]);
    match dialect {
        Dialect::Whisper => Status::default().encode(),
        Dialect::Waku0 => list(&[number(0), options(string(b"0"))]),
        Dialect::Waku1 => options(number(0)),
    }
}

fn number(value: u64) -> Vec<u8> {
    let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    string(&bytes)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte @ 0..=0x7f] => vec![*byte],
        bytes => with_header(0x80, bytes),
    }
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    with_header(0xc0, &items.concat())
}

fn with_header(base: u8, payload: &[u8]) -> Vec<u8> {
    let len: Vec<u8> = payload.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let short = |len: usize| u8::try_from(len).unwrap_or_default();
    let header = match payload.len() {
        len @ 0..=55 => vec![base + short(len)],
        _ => [&[base + 55 + short(len.len())][..], &len].concat(),
    };
    [header, payload.to_vec()].concat()
}
