//! What Waku v0 and v1 say other than Whisper: Status and its changes, as lists of options (`whisper.md` 6).
//!
//! ```text
//! option   value                          default    v0 key     v1 key
//! pow      integer: IEEE-754 bits         0.001      30 ("0")   80 (0)
//! bloom    string of 0 or 64 bytes        full       31         01
//! light    bool                           false      32         02
//! confirm  bool                           false      33         03
//! limits   [ip, peer, topic] packets/s    none       34         04
//! topics   list of 4-byte strings         none       35         05
//! limits   [ip, peer, topic] bytes/s      none       –          06
//!
//! options = [[key, value], …]   Status of v0 = [0, options]   Status of v1 = options   update (22) = options
//! ```
//!
//! Envelopes, confirmations and direct messages are those of [`wire`](super) and [`confirm`](crate::confirm).

use undertone_base::{FaultClass, PeerFault, Severity};

use crate::limits::MAX_TOPIC_INTEREST;
use crate::rlp::{self, BadRlp};
use crate::wire::{Interest, SUBPROTOCOL_ERROR, Service, TopicInterest};
use crate::{Bloom, Pow, RateLimits, Topic, WakuVersion};

/// What a node that says nothing of its minimum PoW is taken to want (`status-go: defaultMinimumPoW` of Waku; nim 0.2).
///
/// DEVIATION: the text of Waku names no default; nim-waku assumes 0.2. status-go's nodes are the ones that are met
/// (test `options_decide_what_is_forwarded`).
pub const DEFAULT_MIN_POW: f64 = 0.001;

/// Why options are none. In a Status it ends the link; a change that has it is ignored (status-go does both).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsFault {
    /// A bloom filter that has neither 64 bytes nor none.
    #[error("bloom filter is neither 64 bytes nor empty")]
    Bloom,
    /// Limits that are not three numbers.
    #[error("rate limits are not three numbers")]
    Limits,
    /// A PoW requirement that is no number, infinite or negative.
    #[error("invalid pow requirement")]
    Pow,
    /// No list of pairs, or what is around it is not as this version has it.
    #[error("undecodable options")]
    Shape,
    /// Neither true nor false.
    #[error("a yes or no that is neither")]
    Switch,
    /// Topics that are not all four bytes.
    #[error("topic interest is not a list of topics")]
    Topics,
    /// More than [`MAX_TOPIC_INTEREST`] topics.
    #[error("topic interest in {got} topics is over {MAX_TOPIC_INTEREST}")]
    TooManyTopics {
        /// How many.
        got: usize,
    },
    /// A Status of v0 that names another version.
    #[error("protocol version {got} is not 0")]
    Version {
        /// Which.
        got: u64,
    },
}

impl OptionsFault {
    /// The peer's, with the reason to send.
    pub const fn fault(&self) -> FaultClass {
        let severity = match self {
            Self::Version { .. } => Severity::Mild,
            Self::TooManyTopics { .. } => Severity::Serious,
            _ => Severity::Fatal,
        };
        FaultClass::Peer(PeerFault { severity, disconnect: Some(SUBPROTOCOL_ERROR) })
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bloom => "options.bloom",
            Self::Limits => "options.limits",
            Self::Pow => "options.pow",
            Self::Shape => "options.shape",
            Self::Switch => "options.switch",
            Self::TooManyTopics { .. } => "options.too_many_topics",
            Self::Topics => "options.topics",
            Self::Version { .. } => "options.version",
        }
    }
}

/// What one list of options says; `None` is what it does not name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Least PoW of envelopes that are wanted.
    pub min_pow: Option<Pow>,
    /// Which topics are wanted, if [`Options::topics`] says nothing; else it is not even read. One of no bytes is a full
    /// one.
    pub bloom: Option<Bloom>,
    /// Whether the node forwards.
    pub service: Option<Service>,
    /// Whether it confirms packets of envelopes, and wants them confirmed.
    pub confirmations: Option<bool>,
    /// Packets that it takes in a second.
    pub packet_limits: Option<RateLimits>,
    /// Exactly which topics are wanted. It goes before a bloom filter.
    pub topics: Option<TopicInterest>,
    /// Bytes that it takes in a second; v0 has no way to say so.
    pub byte_limits: Option<RateLimits>,
}

impl Options {
    /// A change of settings (packet 22). Strict but for keys that are not known; trailing bytes are skipped.
    ///
    /// DEVIATION: an unknown key and its value, whatever they are, are skipped and the next pair is read. status-go skips
    /// the value but not the end of the pair: in v1 it overlooks all options behind it, in v0 it drops whoever put any
    /// there. So nothing unknown is ever sent here (test `status_received_as_status_go_does`).
    ///
    /// # Errors
    /// All of [`OptionsFault`] but its `Version`.
    pub fn decode(version: WakuVersion, mut body: &[u8]) -> Result<Self, OptionsFault> {
        Self::read(version, &mut body)
    }

    /// Of a key that is there twice the last counts, and it alone must make sense; a filter only where no topics are named.
    fn read(version: WakuVersion, left: &mut &[u8]) -> Result<Self, OptionsFault> {
        let mut pairs = rlp::list(left).map_err(shape)?;
        let (mut options, mut pow, mut bloom) = (Self::default(), None, None);
        while !pairs.is_empty() {
            let mut pair = rlp::list(&mut pairs).map_err(shape)?;
            let key = Key::read(version, &mut pair)?;
            let mut value = rlp::item(&mut pair).map_err(shape)?;
            rlp::end(pair).map_err(shape)?;
            match key {
                Key::Pow => pow = Some(rlp::uint(&mut value, 8).map_err(|BadRlp| OptionsFault::Pow)?),
                Key::Bloom => bloom = Some(rlp::string(&mut value).map_err(|BadRlp| OptionsFault::Bloom)?),
                key => options.take(key, value)?,
            }
        }
        options.min_pow = pow.map(|bits| Pow::from_wire(bits).ok_or(OptionsFault::Pow)).transpose()?;
        options.bloom = match bloom {
            Some(bytes) if options.topics.is_none() => Some(match bytes.len() {
                0 => Bloom::FULL,
                _ => Bloom::from_slice(bytes).ok_or(OptionsFault::Bloom)?,
            }),
            _ => None,
        };
        Ok(options)
    }

    fn take(&mut self, key: Key, mut value: &[u8]) -> Result<(), OptionsFault> {
        let value = &mut value;
        match key {
            Key::Light => self.service = Some(if switch(value)? { Service::Light } else { Service::Full }),
            Key::Confirmations => self.confirmations = Some(switch(value)?),
            Key::PacketLimits => self.packet_limits = Some(limits(value)?),
            Key::Topics => self.topics = Some(topics(value)?),
            Key::ByteLimits => self.byte_limits = Some(limits(value)?),
            Key::Pow | Key::Bloom | Key::Unknown => {}
        }
        Ok(())
    }

    /// The list, keys in order. Nothing that an original does not know.
    ///
    /// ```
    /// use undertone_whisper::wire::waku::Options;
    /// use undertone_whisper::{Pow, WakuVersion};
    ///
    /// let options = Options { min_pow: Some(Pow::STATUS), ..Options::default() };
    /// //  [[0, bits of 0.002]]
    /// let bytes = [0xcb, 0xca, 0x80, 0x88, 0x3f, 0x60, 0x62, 0x4d, 0xd2, 0xf1, 0xa9, 0xfc];
    /// assert_eq!(options.encode(WakuVersion::V1), bytes);
    /// ```
    pub fn encode(&self, version: WakuVersion) -> Vec<u8> {
        let mut pairs = Vec::new();
        let mut put = |key: Key, value: Option<Vec<u8>>| {
            if let (Some(key), Some(value)) = (key.byte(version), value) {
                rlp::put_list(1 + value.len(), &mut pairs);
                pairs.push(key);
                pairs.extend_from_slice(&value);
            }
        };
        put(Key::Pow, self.min_pow.map(|pow| alloy_rlp::encode(pow.to_wire())));
        put(Key::Bloom, self.bloom.map(|bloom| alloy_rlp::encode(bloom.as_bytes().as_slice())));
        put(Key::Light, self.service.map(|service| alloy_rlp::encode(service == Service::Light)));
        put(Key::Confirmations, self.confirmations.map(alloy_rlp::encode));
        put(Key::PacketLimits, self.packet_limits.map(|limits| limits.encode()));
        put(Key::Topics, self.topics.as_ref().map(encode_topics));
        put(Key::ByteLimits, self.byte_limits.map(|limits| limits.encode()));
        in_list(&pairs)
    }

    /// What is wanted, if anything is said of that: topics go before a bloom filter.
    pub fn interest(&self) -> Option<Interest> {
        match (&self.topics, self.bloom) {
            (Some(topics), _) => Some(Interest::Topics(topics.clone())),
            (None, Some(bloom)) => Some(Interest::bloom(bloom)),
            (None, None) => None,
        }
    }
}

/// What a node has said of itself so far, with what holds for the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Least PoW of envelopes that it wants.
    pub min_pow: Pow,
    /// Which topics it wants.
    pub interest: Interest,
    /// Whether it forwards.
    pub service: Service,
    /// Whether it confirms packets of envelopes, and wants them confirmed.
    pub confirmations: bool,
    /// Packets that it takes in a second.
    pub packet_limits: RateLimits,
    /// Bytes that it takes in a second.
    pub byte_limits: RateLimits,
}

impl Default for Status {
    /// What status-go assumes of a node that says nothing.
    fn default() -> Self {
        Self {
            min_pow: Pow::new(DEFAULT_MIN_POW).unwrap_or(Pow::ZERO),
            interest: Interest::Everything,
            service: Service::Full,
            confirmations: false,
            packet_limits: RateLimits::NONE,
            byte_limits: RateLimits::NONE,
        }
    }
}

impl Status {
    /// A first packet. Strict but for keys that are not known; trailing bytes are skipped.
    ///
    /// # Errors
    /// All of [`OptionsFault`]; all of them end the link. Whether two light nodes meet is for the caller to see.
    pub fn decode(version: WakuVersion, mut body: &[u8]) -> Result<Self, OptionsFault> {
        let mut status = Self::default();
        let options = match version {
            WakuVersion::V0 => {
                let mut items = rlp::list(&mut body).map_err(shape)?;
                let got = rlp::uint(&mut items, 8).map_err(shape)?;
                if got != version.number() {
                    return Err(OptionsFault::Version { got });
                }
                let options = Options::read(version, &mut items)?;
                rlp::end(items).map_err(shape)?;
                options
            }
            WakuVersion::V1 => Options::decode(version, body)?,
        };
        status.apply(&options);
        Ok(status)
    }

    /// The first packet with every option, as status-go sends it.
    pub fn encode(&self, version: WakuVersion) -> Vec<u8> {
        let options = self.options().encode(version);
        match version {
            WakuVersion::V0 => in_list(&[alloy_rlp::encode(version.number()), options].concat()),
            WakuVersion::V1 => options,
        }
    }

    /// Takes what is said, leaves the rest as it was.
    pub fn apply(&mut self, options: &Options) {
        self.min_pow = options.min_pow.unwrap_or(self.min_pow);
        if let Some(interest) = options.interest() {
            self.interest = interest;
        }
        self.service = options.service.unwrap_or(self.service);
        self.confirmations = options.confirmations.unwrap_or(self.confirmations);
        self.packet_limits = options.packet_limits.unwrap_or(self.packet_limits);
        self.byte_limits = options.byte_limits.unwrap_or(self.byte_limits);
    }

    /// All of it.
    pub fn options(&self) -> Options {
        let (bloom, topics) = said(&self.interest);
        Options {
            min_pow: Some(self.min_pow),
            bloom,
            service: Some(self.service),
            confirmations: Some(self.confirmations),
            packet_limits: Some(self.packet_limits),
            topics,
            byte_limits: Some(self.byte_limits),
        }
    }

    /// What must be told to whoever knows `old`.
    pub fn changes_since(&self, old: &Self) -> Options {
        let (bloom, topics) = if self.interest == old.interest { (None, None) } else { said(&self.interest) };
        Options {
            min_pow: (self.min_pow != old.min_pow).then_some(self.min_pow),
            bloom,
            service: (self.service != old.service).then_some(self.service),
            confirmations: (self.confirmations != old.confirmations).then_some(self.confirmations),
            packet_limits: (self.packet_limits != old.packet_limits).then_some(self.packet_limits),
            topics,
            byte_limits: (self.byte_limits != old.byte_limits).then_some(self.byte_limits),
        }
    }
}

/// The option that carries an interest. That everything is wanted is said by a full filter: silence would leave topics
/// in force that were named before.
fn said(interest: &Interest) -> (Option<Bloom>, Option<TopicInterest>) {
    match interest {
        Interest::Everything => (Some(Bloom::FULL), None),
        Interest::Bloom(bloom) => (Some(*bloom), None),
        Interest::Topics(topics) => (None, Some(topics.clone())),
    }
}

/// What a pair is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Pow,
    Bloom,
    Light,
    Confirmations,
    PacketLimits,
    Topics,
    ByteLimits,
    Unknown,
}

impl Key {
    const ALL: [Self; 7] = [
        Self::Pow,
        Self::Bloom,
        Self::Light,
        Self::Confirmations,
        Self::PacketLimits,
        Self::Topics,
        Self::ByteLimits,
    ];

    /// Its encoding, which is one byte; `None` where this version has none.
    const fn byte(self, version: WakuVersion) -> Option<u8> {
        let number = match self {
            Self::Pow => 0,
            Self::Bloom => 1,
            Self::Light => 2,
            Self::Confirmations => 3,
            Self::PacketLimits => 4,
            Self::Topics => 5,
            Self::ByteLimits => 6,
            Self::Unknown => return None,
        };
        match (version, number) {
            (WakuVersion::V0, 6) => None,
            (WakuVersion::V0, _) => Some(b'0' + number),
            // The number 0 is the empty string.
            (WakuVersion::V1, 0) => Some(0x80),
            (WakuVersion::V1, _) => Some(number),
        }
    }

    /// A string in v0, a number in v1.
    fn read(version: WakuVersion, pair: &mut &[u8]) -> Result<Self, OptionsFault> {
        let whole = *pair;
        match version {
            WakuVersion::V0 => rlp::string(pair).map(drop),
            WakuVersion::V1 => rlp::uint(pair, 8).map(drop),
        }
        .map_err(shape)?;
        let taken = whole.get(..whole.len() - pair.len()).unwrap_or_default();
        let known = Self::ALL.into_iter().find(|key| key.byte(version).is_some_and(|byte| taken == [byte]));
        Ok(known.unwrap_or(Self::Unknown))
    }
}

fn shape(_: BadRlp) -> OptionsFault {
    OptionsFault::Shape
}

fn switch(value: &mut &[u8]) -> Result<bool, OptionsFault> {
    match rlp::uint(value, 1) {
        Ok(0) => Ok(false),
        Ok(1) => Ok(true),
        _ => Err(OptionsFault::Switch),
    }
}

fn limits(value: &mut &[u8]) -> Result<RateLimits, OptionsFault> {
    RateLimits::read(value).map_err(|BadRlp| OptionsFault::Limits)
}

/// Counted before anything is kept: the encoding of a topic takes five bytes.
fn topics(value: &mut &[u8]) -> Result<TopicInterest, OptionsFault> {
    let mut items = rlp::list(value).map_err(|BadRlp| OptionsFault::Topics)?;
    let got = items.len() / ENCODED_TOPIC;
    if got > MAX_TOPIC_INTEREST {
        return Err(OptionsFault::TooManyTopics { got });
    }
    let mut topics = Vec::with_capacity(got);
    while !items.is_empty() {
        let bytes = rlp::string(&mut items).map_err(|BadRlp| OptionsFault::Topics)?;
        topics.push(Topic::from_slice(bytes).ok_or(OptionsFault::Topics)?);
    }
    TopicInterest::new(topics).map_err(|e| OptionsFault::TooManyTopics { got: e.got })
}

/// Bytes of an encoded topic: its header and four.
const ENCODED_TOPIC: usize = 5;

fn encode_topics(topics: &TopicInterest) -> Vec<u8> {
    use alloy_rlp::Encodable;
    let mut items = Vec::with_capacity(topics.len() * ENCODED_TOPIC);
    for topic in topics.iter() {
        topic.as_bytes().as_slice().encode(&mut items);
    }
    in_list(&items)
}

fn in_list(items: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() + rlp::list_header_len(items.len()));
    rlp::put_list(items.len(), &mut out);
    out.extend_from_slice(items);
    out
}
