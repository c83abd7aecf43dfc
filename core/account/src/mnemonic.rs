//! Phrases and their seeds (BIP39, `identity.md` 1.1).

use std::fmt;

use rand_core::CryptoRng;
use undertone_base::{FaultClass, Secret};
use undertone_crypto::hash::sha256;
use undertone_crypto::kdf::pbkdf2_sha512;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::language::Language;
use crate::limits;

/// Why text is not a mnemonic. No variant carries a word: words are key material.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MnemonicError {
    /// Every word is known, but the checksum bits in the last one belong to other words.
    #[error("the checksum in the last word does not fit the others: a word is wrong or out of place")]
    Checksum,
    /// Entropy of another length than 16, 20, 24, 28 or 32 bytes.
    #[error("entropy of {got} bytes, not 16, 20, 24, 28 or 32")]
    EntropyLength {
        /// Bytes that were given.
        got: usize,
    },
    /// More text than any phrase has.
    #[error("text is longer than {} bytes", limits::PHRASE_BYTES)]
    TooLong,
    /// A word that is not in the list.
    #[error("word {position} is not in the word list")]
    UnknownWord {
        /// Which word, the first being 1.
        position: usize,
    },
    /// Another number of words than 12, 15, 18, 21 or 24.
    #[error("{got} words, not 12, 15, 18, 21 or 24")]
    WordCount {
        /// Words that were given.
        got: usize,
    },
}

impl MnemonicError {
    /// Whoever typed the phrase.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Checksum => "mnemonic.checksum",
            Self::EntropyLength { .. } => "mnemonic.entropy_length",
            Self::TooLong => "mnemonic.too_long",
            Self::UnknownWord { .. } => "mnemonic.unknown_word",
            Self::WordCount { .. } => "mnemonic.word_count",
        }
    }
}

/// How long a new phrase is.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum WordCount {
    /// 128 bits, what Status makes.
    #[default]
    Twelve,
    /// 160 bits.
    Fifteen,
    /// 192 bits.
    Eighteen,
    /// 224 bits.
    TwentyOne,
    /// 256 bits.
    TwentyFour,
}

impl WordCount {
    /// Bytes of entropy, 16..=32.
    pub const fn entropy_bytes(self) -> usize {
        match self {
            Self::Twelve => 16,
            Self::Fifteen => 20,
            Self::Eighteen => 24,
            Self::TwentyOne => 28,
            Self::TwentyFour => 32,
        }
    }

    /// The number of words.
    pub const fn words(self) -> usize {
        self.entropy_bytes() / 4 * 3
    }
}

/// A phrase that stands for a multiaccount. Wiped on drop, never printed.
///
/// ```
/// use undertone_account::Mnemonic;
/// let text = " Legal winner thank year wave sausage worth useful legal winner  thank yellow ";
/// let phrase = Mnemonic::parse(text)?;
/// assert_eq!(format!("{phrase:?}"), "Mnemonic(12 words)");
/// let seed = phrase.seed("");
/// # let _ = seed;
/// # Ok::<(), undertone_account::MnemonicError>(())
/// ```
#[derive(Clone)]
pub struct Mnemonic(Zeroizing<String>);

impl Mnemonic {
    /// A fresh phrase; `rng` gives all of its entropy.
    pub fn generate(count: WordCount, language: Language, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let entropy = Secret::<32>::random(rng);
        let (entropy, _) = entropy.expose().split_at(count.entropy_bytes());
        Self(phrase_of(entropy, language))
    }

    /// The phrase of given entropy.
    ///
    /// # Errors
    /// [`MnemonicError::EntropyLength`].
    pub fn from_entropy(entropy: &[u8], language: Language) -> Result<Self, MnemonicError> {
        match entropy.len() {
            16 | 20 | 24 | 28 | 32 => Ok(Self(phrase_of(entropy, language))),
            got => Err(MnemonicError::EntropyLength { got }),
        }
    }

    /// Reads what a person typed, in any of the lists: trimmed, blanks collapsed, lower-cased.
    ///
    /// # Errors
    /// [`MnemonicError::WordCount`], [`MnemonicError::UnknownWord`], [`MnemonicError::Checksum`],
    /// [`MnemonicError::TooLong`]. With several lists, the error of the list that got furthest.
    //
    // DEVIATION: status-go's import hashes the text as it stands (`identity.md` 1.1); the mobile client cleans
    // it first, as we do. `verbatim` gives the account of the uncleaned text. Test: `accounts_of_the_vectors`.
    pub fn parse(text: &str) -> Result<Self, MnemonicError> {
        let mut furthest = MnemonicError::UnknownWord { position: 0 };
        for language in Language::ALL {
            match Self::parse_in(language, text) {
                Ok(phrase) => return Ok(phrase),
                Err(error) if progress(error) > progress(furthest) => furthest = error,
                Err(_) => {}
            }
        }
        Err(furthest)
    }

    /// [`Mnemonic::parse`] with one list.
    ///
    /// # Errors
    /// As [`Mnemonic::parse`].
    pub fn parse_in(language: Language, text: &str) -> Result<Self, MnemonicError> {
        let words = clean(text)?;
        let mut bits = Bits::default();
        let got = words.split(' ').filter(|word| !word.is_empty()).count();
        if !matches!(got, 12 | 15 | 18 | 21 | 24) {
            return Err(MnemonicError::WordCount { got });
        }
        for (position, word) in (1..).zip(words.split(' ')) {
            bits.push(language.index(word).ok_or(MnemonicError::UnknownWord { position })?);
        }
        let (entropy, rest) = bits.bytes.split_at(got / 3 * 4);
        // A 12-word phrase has 4 bits of checksum, a 24-word one 8.
        let unused = 8usize.saturating_sub(got / 3);
        let [want, ..] = sha256(entropy);
        if rest.first().is_none_or(|have| have >> unused != want >> unused) {
            return Err(MnemonicError::Checksum);
        }
        Ok(Self(phrase_of(entropy, language)))
    }

    /// What a person typed, cleaned like [`Mnemonic::parse`] but with unknown words or a wrong checksum let
    /// through: for an account that exists, after a warning.
    ///
    /// # Errors
    /// [`MnemonicError::TooLong`].
    pub fn unchecked(text: &str) -> Result<Self, MnemonicError> {
        Ok(Self(collect(clean(text)?.nfc())))
    }

    /// The text as it stands, blanks and capitals too: only to reach an account that status-go made from
    /// uncleaned text.
    ///
    /// # Errors
    /// [`MnemonicError::TooLong`].
    pub fn verbatim(text: &str) -> Result<Self, MnemonicError> {
        bounded(text)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The seed under an optional passphrase (empty: none, as Status has it). Some milliseconds.
    pub fn seed(&self, passphrase: &str) -> Seed {
        let phrase = collect(self.0.nfkd());
        let salt = collect("mnemonic".chars().chain(passphrase.nfkd()));
        Seed(pbkdf2_sha512(phrase.as_bytes(), salt.as_bytes(), SEED_ROUNDS))
    }

    /// The words. Whoever reads them owns the account.
    pub fn expose_words(&self) -> &str {
        &self.0
    }

    /// How many words there are.
    pub fn word_count(&self) -> usize {
        self.0.split_whitespace().count()
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mnemonic({} words)", self.word_count())
    }
}

/// 64 bytes from which the master key follows.
#[derive(Clone, Debug)]
pub struct Seed(pub(crate) Secret<64>);

impl Seed {
    /// The bytes.
    pub const fn secret(&self) -> &Secret<64> {
        &self.0
    }
}

/// BIP39: rounds of PBKDF2-HMAC-SHA512.
const SEED_ROUNDS: u32 = 2_048;

/// How far a list got before it failed, so that the list that a person meant is the one that explains.
const fn progress(error: MnemonicError) -> usize {
    match error {
        MnemonicError::UnknownWord { position } => position,
        _ => usize::MAX,
    }
}

/// The words of 16..=32 bytes of entropy and their checksum.
fn phrase_of(entropy: &[u8], language: Language) -> Zeroizing<String> {
    let mut bits = Bits::default();
    let [checksum, ..] = sha256(entropy);
    for (to, from) in bits.bytes.iter_mut().zip(entropy.iter().chain([&checksum])) {
        *to = *from;
    }
    let separator = language.separator();
    let mut phrase = Zeroizing::new(String::with_capacity(limits::PHRASE_BYTES));
    for at in 0..entropy.len() / 4 * 3 {
        if at > 0 {
            phrase.push(separator);
        }
        phrase.extend(language.word(bits.word(at)).unwrap_or_default().nfc());
    }
    phrase
}

/// Up to 24 groups of 11 bits.
struct Bits {
    bytes: Zeroizing<[u8; 33]>,
    len: usize,
}

impl Default for Bits {
    fn default() -> Self {
        Self { bytes: Zeroizing::new([0; 33]), len: 0 }
    }
}

impl Bits {
    fn push(&mut self, index: u16) {
        for shift in (0..11).rev() {
            if let Some(byte) = self.bytes.get_mut(self.len / 8)
                && index >> shift & 1 == 1
            {
                *byte |= 0x80 >> (self.len % 8);
            }
            self.len += 1;
        }
    }

    fn word(&self, at: usize) -> u16 {
        (at * 11..(at + 1) * 11).fold(0, |index, bit| {
            let byte = self.bytes.get(bit / 8).copied().unwrap_or_default();
            index << 1 | u16::from(byte >> (7 - bit % 8) & 1)
        })
    }
}

/// NFKD, lower case, words with one blank between them.
pub(crate) fn clean(text: &str) -> Result<Zeroizing<String>, MnemonicError> {
    bounded(text)?;
    let lower = collect(text.nfkd().flat_map(char::to_lowercase));
    let mut out = Zeroizing::new(String::with_capacity(lower.len()));
    for word in lower.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Ok(out)
}

const fn bounded(text: &str) -> Result<(), MnemonicError> {
    if text.len() > limits::PHRASE_BYTES { Err(MnemonicError::TooLong) } else { Ok(()) }
}

/// Collects into a string that never grows, so that no copy is left behind in freed memory.
fn collect(chars: impl Iterator<Item = char> + Clone) -> Zeroizing<String> {
    let len = chars.clone().map(char::len_utf8).sum();
    let mut out = Zeroizing::new(String::with_capacity(len));
    out.extend(chars);
    out
}
