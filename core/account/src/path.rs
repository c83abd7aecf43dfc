//! Derivation paths (`identity.md` 1 and 1.3).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use undertone_base::FaultClass;

use crate::limits;

/// Why text is not a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// An index that is not below 2^31.
    #[error("step {step} is not below 2147483648")]
    Index {
        /// Which step, the first being 1.
        step: usize,
    },
    /// A step that is not a decimal number with an optional `'`.
    #[error("step {step} is not a decimal number with an optional '")]
    Step {
        /// Which step, the first being 1.
        step: usize,
    },
    /// The text does not begin with `m`.
    #[error("a path begins with m")]
    Start,
    /// More steps, or more text, than a key can have.
    #[error("path is longer than {} steps or {} bytes", limits::PATH_STEPS, limits::PATH_BYTES)]
    TooLong,
}

impl PathError {
    /// Whoever wrote the path.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Index { .. } => "path.index",
            Self::Start => "path.start",
            Self::Step { .. } => "path.step",
            Self::TooLong => "path.too_long",
        }
    }
}

/// One step of a path: an index below 2^31, hardened or not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ChildNumber(u32);

impl ChildNumber {
    /// A step without `'`; `None` from 2^31 on.
    pub const fn normal(index: u32) -> Option<Self> {
        if index < HARDENED { Some(Self(index)) } else { None }
    }

    /// A step with `'`; `None` from 2^31 on.
    pub const fn hardened(index: u32) -> Option<Self> {
        if index < HARDENED { Some(Self(index | HARDENED)) } else { None }
    }

    /// Whether the step has a `'`.
    pub const fn is_hardened(self) -> bool {
        self.0 & HARDENED != 0
    }

    /// The index without the hardened bit.
    pub const fn index(self) -> u32 {
        self.0 & !HARDENED
    }

    /// The 32 bits of BIP32, the top one meaning hardened.
    pub const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl fmt::Display for ChildNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.index(), if self.is_hardened() { "'" } else { "" })
    }
}

/// A way from the master key to a key.
///
/// Grammar: `m` and then any number of `/` index with an optional `'`. An index is decimal, below 2^31,
/// without leading zeros or sign. Nothing else: no `h`, no `M`, no blanks, no relative paths.
///
/// ```
/// use undertone_account::Path;
/// assert_eq!("m/43'/60'/1581'/0'/0".parse(), Ok(Path::CHAT));
/// assert_eq!(Path::CHAT.to_string(), "m/43'/60'/1581'/0'/0");
/// assert!("44'/60'".parse::<Path>().is_err());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path(Cow<'static, [ChildNumber]>);

impl Path {
    /// The key itself.
    pub const MASTER: Self = Self(Cow::Borrowed(&[]));
    /// The EIP-1581 root, `m/43'/60'/1581'`.
    pub const EIP1581: Self = Self(Cow::Borrowed(&[h(43), h(60), h(1581)]));
    /// The chat key, `m/43'/60'/1581'/0'/0`.
    pub const CHAT: Self = Self(Cow::Borrowed(&[h(43), h(60), h(1581), h(0), n(0)]));
    /// The encryption key of a keycard, `m/43'/60'/1581'/1'/0`.
    pub const ENCRYPTION: Self = Self(Cow::Borrowed(&[h(43), h(60), h(1581), h(1), n(0)]));
    /// The parent of the wallet accounts, `m/44'/60'/0'/0`.
    pub const WALLET_ROOT: Self = Self(Cow::Borrowed(&[h(44), h(60), h(0), n(0)]));
    /// The default wallet, `m/44'/60'/0'/0/0`; also the chat key of accounts of 2019 (v0.x).
    pub const WALLET: Self = Self(Cow::Borrowed(&[h(44), h(60), h(0), n(0), n(0)]));

    /// The path of these steps; `None` above [`limits::PATH_STEPS`].
    pub fn new(steps: Vec<ChildNumber>) -> Option<Self> {
        (steps.len() <= limits::PATH_STEPS).then_some(Self(Cow::Owned(steps)))
    }

    /// What status-go derives for this text, so that addresses which it stored can be recognised: the start
    /// mark `m`, `.` or `..` may be missing and means nothing, and **a hardened last step is dropped** (trap T1
    /// of `identity.md` 1.3). Never derive new keys by this.
    ///
    /// # Errors
    /// Any [`PathError`] but `Start`.
    pub fn status_go_reading(text: &str) -> Result<Self, PathError> {
        if text.len() > limits::PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let (first, rest) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let steps = match (first, rest) {
            ("" | "m" | "." | "..", None) => None,
            ("m" | "." | "..", Some(rest)) => Some(rest),
            _ => Some(text),
        };
        let mut steps = steps.map_or(Ok(Vec::new()), |steps| parse_steps(steps, Zeros::Taken))?;
        if steps.last().is_some_and(|last| last.is_hardened()) {
            steps.pop();
        }
        Ok(Self(Cow::Owned(steps)))
    }

    /// The steps from the root on.
    pub fn steps(&self) -> &[ChildNumber] {
        &self.0
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > limits::PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let rest = text.strip_prefix('m').ok_or(PathError::Start)?;
        if rest.is_empty() {
            return Ok(Self::MASTER);
        }
        let steps = rest.strip_prefix('/').ok_or(PathError::Start)?;
        Ok(Self(Cow::Owned(parse_steps(steps, Zeros::Refused)?)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.0.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

#[derive(Clone, Copy)]
enum Zeros {
    Refused,
    Taken,
}

fn parse_steps(text: &str, zeros: Zeros) -> Result<Vec<ChildNumber>, PathError> {
    let mut steps = Vec::new();
    for (step, text) in (1..).zip(text.split('/')) {
        if step > limits::PATH_STEPS {
            return Err(PathError::TooLong);
        }
        let (digits, hardened) = text.strip_suffix('\'').map_or((text, false), |digits| (digits, true));
        let leading_zero = matches!(zeros, Zeros::Refused) && digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || leading_zero || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(PathError::Step { step });
        }
        let index = digits.parse().map_err(|_| PathError::Index { step })?;
        let number = if hardened { ChildNumber::hardened(index) } else { ChildNumber::normal(index) };
        steps.push(number.ok_or(PathError::Index { step })?);
    }
    Ok(steps)
}

const HARDENED: u32 = 1 << 31;

const fn h(index: u32) -> ChildNumber {
    ChildNumber(index | HARDENED)
}

const fn n(index: u32) -> ChildNumber {
    ChildNumber(index)
}
