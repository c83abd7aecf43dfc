//! Proof of work: what an envelope cost, and finding it.

use std::fmt;

use undertone_base::FaultClass;
use undertone_lanes::{Input, Search as NonceSearch};

use crate::envelope::{Envelope, Header};
use crate::limits::{MAX_POW_BITS, POW_PATIENCE, SEAL_SKEW_SECS};
use crate::rlp;
use crate::{NOMINAL_OVERHEAD, Topic};

/// A proof of work or a requirement: expected hashes per byte and second of life. Finite and not negative.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Pow(f64);

impl Pow {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);
    /// What Status clients pay for small messages, and the most a node that serves them may ask
    /// (`status-go: defaultWhisperPoW`, specs 3).
    pub const STATUS: Self = Self(0.002);
    /// What Status clients pay for payloads over 50,000 bytes, and what every Status node asks.
    pub const STATUS_LARGE: Self = Self(0.000_002);
    /// What geth asks by default (`geth: const DefaultMinimumPoW`).
    pub const GETH: Self = Self(0.2);

    /// `None` for NaN, infinities and negative values: what peers are disconnected for.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// From the IEEE-754 pattern that travels in Status and PoW Requirement.
    pub fn from_wire(bits: u64) -> Option<Self> {
        Self::new(f64::from_bits(bits))
    }

    /// The IEEE-754 pattern.
    pub const fn to_wire(self) -> u64 {
        self.0.to_bits()
    }

    /// The number.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// The lower of two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The higher of two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl fmt::Debug for Pow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pow({})", self.0)
    }
}

/// `2^zeros / size / ttl` in this order; `+inf` for a ttl of 0. `size` and `ttl` are in bytes and seconds.
pub fn ratio(zeros: u32, size: usize, ttl: u32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes of packets are exact in binary64")]
    let size = size as f64;
    // 2^zeros exactly, whatever the platform's exp2 does: only the exponent field is set.
    let power = f64::from_bits((1_023 + u64::from(zeros.min(256))) << 52);
    power / size / f64::from(ttl)
}

/// Leading zero bits of a hash, 0..=256.
pub fn leading_zeros(hash: &[u8; 32]) -> u32 {
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

/// The fewest leading zero bits, at least 1, that reach `target` with these divisors; `None` when more than
/// [`MAX_POW_BITS`] would be needed. A target of 0 needs 1 here: whoever wants no work does not search.
///
/// ```
/// use undertone_whisper::{Pow, pow::target_bits};
/// assert_eq!(target_bits(Pow::GETH, 320, 50), Some(12));
/// ```
pub fn target_bits(target: Pow, size: usize, ttl: u32) -> Option<u32> {
    (1..=MAX_POW_BITS).find(|bits| ratio(*bits, size, ttl) >= target.value())
}

/// Why no envelope came out of a search.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PowError {
    /// All attempts were used up.
    #[error("no proof of work in {attempts} attempts")]
    Exhausted {
        /// How many there were.
        attempts: u64,
    },
    /// The target asks for more than [`MAX_POW_BITS`] zero bits.
    #[error("the proof of work asked for is over {MAX_POW_BITS} bits")]
    TooMuch,
}

impl PowError {
    /// Whoever set the target.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exhausted { .. } => "pow.exhausted",
            Self::TooMuch => "pow.too_much",
        }
    }
}

/// A search for a nonce that can be run in slices. All but the last eight bytes are absorbed once, and several nonces
/// are tried at a time; what is found is always the first from the start on.
#[derive(Clone, Debug)]
pub struct Search {
    header: Header,
    data: Vec<u8>,
    nonces: Box<NonceSearch>,
    nonce: u64,
    bits: u32,
    made: u64,
    max_attempts: u64,
}

/// How far a search got.
#[derive(Debug)]
pub enum SearchStep {
    /// The slice is used up.
    Continue(Search),
    /// Over, one way or the other.
    Done(Result<Envelope, PowError>),
}

impl Search {
    /// Prepares a search that starts at `nonce` (random: counting from 0 shows how fast this machine is).
    ///
    /// The result reaches `target` by every divisor in use, also for a receiver whose clock is so far behind that it barely
    /// takes what is made now: it divides by [`SEAL_SKEW_SECS`] more.
    ///
    /// DEVIATION: the originals seal for the divisor of one of them and for a clock as right as their own: geth for the RLP
    /// without nonce, EIP-627 and parity for the full RLP, nim for `20 + len(data)`. What one of them seals, another may
    /// find too cheap, and geth drops whoever passes it on. Ours costs up to twice the work, and none of them drops us for
    /// it (tests `sealing_reaches_its_target_by_every_divisor`, `our_own_are_dear_enough_for_every_clock_that_takes_them`).
    ///
    /// DEVIATION: the originals count nonces from 0, so that each shows how many its author tried (test
    /// `sealed_envelopes_start_at_a_random_nonce`). A nonce of eight random bytes shows instead that it was sealed here.
    ///
    /// # Errors
    /// [`PowError::TooMuch`].
    pub fn new(header: Header, data: Vec<u8>, target: Pow, nonce: u64) -> Result<Self, PowError> {
        let short = header.encode_short(&data);
        // The nonce adds at most nine bytes, and they may lengthen the list header by one.
        let full = short.len() + 10;
        let size = full.max(data.len() + NOMINAL_OVERHEAD);
        let bits = target_bits(target, size, header.ttl.saturating_add(SEAL_SKEW_SECS));
        let bits = bits.ok_or(PowError::TooMuch)?;
        let nonces = Box::new(NonceSearch::new(&short));
        let max_attempts = (1u64 << bits).saturating_mul(POW_PATIENCE);
        Ok(Self { header, data, nonces, nonce, bits, made: 0, max_attempts })
    }

    /// Makes at most `attempts` attempts.
    pub fn run(mut self, attempts: u64) -> SearchStep {
        let attempts = attempts.min(self.max_attempts.saturating_sub(self.made));
        if let Some(nonce) = self.nonces.first(self.nonce, attempts, self.bits) {
            return SearchStep::Done(Ok(Envelope::new(self.header, &self.data, nonce)));
        }
        self.nonce = self.nonce.wrapping_add(attempts);
        self.made = self.made.saturating_add(attempts);
        if self.made >= self.max_attempts {
            return SearchStep::Done(Err(PowError::Exhausted { attempts: self.made }));
        }
        SearchStep::Continue(self)
    }

    /// The wanted leading zero bits.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// What is searched for goes to this topic.
    pub const fn topic(&self) -> Topic {
        self.header.topic
    }
}

/// What the hash that is counted goes over: the four-item RLP and the nonce in eight bytes, from the canonical items
/// as they were received, so nothing is encoded again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preimage<'a> {
    /// The header of the list of four items and, above its length, zeros.
    head: [u8; MAX_HEADER],
    head_len: usize,
    four_items: &'a [u8],
    nonce: [u8; 8],
}

/// Longest header of a list.
const MAX_HEADER: usize = 9;

impl<'a> Preimage<'a> {
    pub(crate) fn new(four_items: &'a [u8], nonce: u64) -> Self {
        let mut head = [0; MAX_HEADER];
        let mut left = head.as_mut_slice();
        rlp::put_list(four_items.len(), &mut left);
        let head_len = rlp::list_header_len(four_items.len());
        Self { head, head_len, four_items, nonce: nonce.to_be_bytes() }
    }

    pub(crate) fn input(&self) -> Input<'_> {
        Input::parts([self.head.get(..self.head_len).unwrap_or_default(), self.four_items, &self.nonce])
    }
}
