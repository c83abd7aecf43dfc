//! Bad input, made systematically from a valid sample, and the trial of a decoder on all of it.
//!
//! A [`Mutation`] is named, so that a failure says which input it was. [`Trial::run`] holds a decoder to four
//! promises: no panic, an error that names the right party and has a code, memory in proportion to the input
//! (16 bytes for each one, and 64 KiB), and a verdict at all. What an accepted mutation means is for the caller to check: the trial
//! hands the value back.
//!
//! ```
//! use undertone_support::mangle::{self, Trial, Whose};
//! use undertone_base::{FaultClass, Reader, Severity};
//! let mut trial = Trial::new(Whose::Peer);
//! for mutation in mangle::bytes(&[1, 2, 3, 4]) {
//!     let decode = |bytes: &[u8]| Reader::new(bytes).take::<4>();
//!     trial.run(&mutation, decode, |_| (FaultClass::peer(Severity::Serious), "reader.truncated"));
//! }
//! assert_eq!((trial.tried, trial.refused), (26, 4));
//! ```
#![expect(clippy::panic, reason = "a failed trial fails the test that runs it")]

use std::collections::BTreeMap;

use undertone_base::FaultClass;

mod protobuf;
mod rlp;

pub use protobuf::protobuf;
pub use rlp::rlp;

/// One bad input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mutation {
    /// What was done to the sample.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

impl Mutation {
    /// A named input.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// The sample cut after every byte; every byte set to 0x00 and 0xff, its top bit turned, and counted up; 1 byte,
/// 32 bytes and 1 KiB behind it. Mutations that would equal the sample are left out.
pub fn bytes(sample: &[u8]) -> Vec<Mutation> {
    let mut made: Vec<_> = truncations(sample).collect();
    for (at, byte) in sample.iter().enumerate() {
        let values =
            [("zero", 0x00), ("ff", 0xff), ("top bit", byte ^ 0x80), ("plus one", byte.wrapping_add(1))];
        for (index, (name, value)) in values.iter().enumerate() {
            let earlier = values.iter().take(index).any(|(_, other)| other == value);
            if value != byte && !earlier {
                let mut bytes = sample.to_vec();
                if let Some(place) = bytes.get_mut(at) {
                    *place = *value;
                }
                made.push(Mutation { name: format!("byte {at} {name}"), bytes });
            }
        }
    }
    made.extend(trailing(sample));
    made
}

/// The sample cut after every byte, also before the first.
pub fn truncations(sample: &[u8]) -> impl Iterator<Item = Mutation> + '_ {
    (0..sample.len())
        .map(|len| Mutation::new(format!("first {len} bytes"), sample.get(..len).unwrap_or_default()))
}

/// The sample and 1 byte, 32 bytes and 1 KiB of zeros, and of 0xff, behind it.
pub fn trailing(sample: &[u8]) -> impl Iterator<Item = Mutation> + '_ {
    [1, 32, 1_024].into_iter().flat_map(move |extra| {
        [0x00, 0xff].map(|byte| {
            let mut bytes = sample.to_vec();
            bytes.resize(sample.len().saturating_add(extra), byte);
            Mutation { name: format!("{extra} bytes {byte:#04x} behind"), bytes }
        })
    })
}

/// The text cut after every character; every character replaced by ones of other kinds; text around it.
pub fn text(sample: &str) -> Vec<Mutation> {
    let chars: Vec<char> = sample.chars().collect();
    let mut made = Vec::new();
    for at in 0..chars.len() {
        made.push(Mutation::new(format!("first {at} characters"), chars.iter().take(at).collect::<String>()));
        for new in ['0', 'z', ' ', '\0', '%', '"', '\u{e9}', '\u{1f600}'] {
            let changed: String =
                chars.iter().enumerate().map(|(i, c)| if i == at { new } else { *c }).collect();
            if changed != sample {
                made.push(Mutation::new(format!("character {at} {new:?}"), changed));
            }
        }
    }
    for around in [" ", "\n", "\0", "0", "\u{feff}"] {
        made.push(Mutation::new(format!("{around:?} before"), format!("{around}{sample}")));
        made.push(Mutation::new(format!("{around:?} behind"), format!("{sample}{around}")));
    }
    made.push(Mutation::new("ten thousand times", sample.repeat(10_000)));
    made
}

/// Who has to be named for a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// Bytes of the other side.
    Peer,
    /// Text or bytes that the caller gave.
    Caller,
    /// Rows of our own disk.
    Environment,
    /// A file of the caller: what it asks for, or what the disk did to it.
    CallerOrEnvironment,
}

/// Bytes that a decoder may hold for each byte of input, unless [`Trial::holding`] says otherwise: a Rust value is
/// wider than its wire form.
const PER_BYTE: u64 = 16;

/// Bytes that a decoder may hold whatever the input: some have tables of a fixed size.
const FIXED: u64 = 64 * 1_024;

/// What trying mutations on a decoder showed.
#[derive(Debug)]
pub struct Trial {
    whose: Whose,
    per_byte: u64,
    /// Mutations tried.
    pub tried: usize,
    /// Those that were refused.
    pub refused: usize,
    /// How often each code was the reason.
    pub codes: BTreeMap<&'static str, usize>,
    /// The most that one decode held beyond its input, in bytes.
    pub peak: u64,
}

impl Trial {
    /// Nothing tried yet; refusals have to name this party.
    pub const fn new(whose: Whose) -> Self {
        Self { whose, per_byte: PER_BYTE, tried: 0, refused: 0, codes: BTreeMap::new(), peak: 0 }
    }

    /// With another bound on what may be held, in bytes for each byte of input. Whoever takes it says why.
    #[must_use]
    pub fn holding(self, per_byte: u64) -> Self {
        Self { per_byte, ..self }
    }

    /// Decodes the mutation and checks the promises. `says` gives the fault and the code of an error. The value
    /// comes back when the decoder took the mutation.
    pub fn run<T, E: std::fmt::Debug>(
        &mut self,
        mutation: &Mutation,
        decode: impl FnOnce(&[u8]) -> Result<T, E>,
        says: impl FnOnce(&E) -> (FaultClass, &'static str),
    ) -> Option<T> {
        let _named = Named(&mutation.name);
        let mut outcome = None;
        let held = allocation_counter::measure(|| outcome = Some(decode(&mutation.bytes))).bytes_max;
        let allowed = self.per_byte.saturating_mul(mutation.bytes.len() as u64).saturating_add(FIXED);
        assert!(held <= allowed, "held {held} bytes where {allowed} are allowed");
        self.peak = self.peak.max(held);
        self.tried = self.tried.saturating_add(1);
        match outcome? {
            Ok(value) => Some(value),
            Err(error) => {
                let (fault, code) = says(&error);
                let right = match self.whose {
                    Whose::Peer => matches!(fault, FaultClass::Peer(_)),
                    Whose::Caller => fault == FaultClass::Caller,
                    Whose::Environment => fault == FaultClass::Environment,
                    Whose::CallerOrEnvironment => {
                        matches!(fault, FaultClass::Caller | FaultClass::Environment)
                    }
                };
                assert!(right, "{error:?} blames {fault:?}, not the {:?}", self.whose);
                assert!(!code.is_empty() && code.contains('.'), "{error:?} has the code {code:?}");
                self.refused = self.refused.saturating_add(1);
                let count = self.codes.entry(code).or_default();
                *count = count.saturating_add(1);
                None
            }
        }
    }

    /// Fails unless at least `tried` mutations were tried and at least `refused` of them refused. Shows the counts
    /// to whoever runs the test with `--nocapture`.
    pub fn at_least(&self, tried: usize, refused: usize) {
        eprintln!("{self:?}");
        if self.tried < tried || self.refused < refused {
            panic!("expected {tried} tried, {refused} refused: {self:?}");
        }
    }
}

/// Says which mutation it was when a check or the decoder panics.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut stderr = std::io::stderr().lock();
            let _unheard = std::io::Write::write_fmt(&mut stderr, format_args!("mutation: {}\n", self.0));
        }
    }
}
