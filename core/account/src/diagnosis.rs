//! What is wrong with a phrase, so that a person can mend it.

use unicode_normalization::UnicodeNormalization;

use crate::language::Language;
use crate::mnemonic::{Mnemonic, MnemonicError, clean};

/// What one word list makes of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// The list.
    pub language: Language,
    /// Which words it does not have, the first being 1.
    pub unknown: Vec<usize>,
    /// Whether it has all of them and the checksum fits.
    pub valid: bool,
}

/// What the word lists make of a text. Holds positions, never words.
///
/// ```
/// use undertone_account::{Diagnosis, Language};
/// let text = "legal winner thank year wave sausagge worth useful legal winner thank yellow";
/// let diagnosis = Diagnosis::of(text)?;
/// let [english] = diagnosis.closest() else { panic!("one list is the closest") };
/// assert_eq!((english.language, english.unknown.as_slice()), (Language::English, &[6][..]));
/// assert_eq!(Language::English.nearest("sausagge"), ["sausage"]);
/// # Ok::<(), undertone_account::MnemonicError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnosis {
    words: usize,
    readings: Vec<Reading>,
}

impl Diagnosis {
    /// Looks at what a person typed, cleaned as [`Mnemonic::parse`] does.
    ///
    /// # Errors
    /// [`MnemonicError::TooLong`].
    pub fn of(text: &str) -> Result<Self, MnemonicError> {
        let cleaned = clean(text)?;
        let words: Vec<&str> = cleaned.split(' ').filter(|word| !word.is_empty()).collect();
        let reading = |language: Language| {
            let missing = |(_, word): &(usize, &&str)| language.index(word).is_none();
            let unknown: Vec<usize> =
                (1..).zip(&words).filter(missing).map(|(position, _)| position).collect();
            let valid = unknown.is_empty() && Mnemonic::parse_in(language, text).is_ok();
            Reading { language, unknown, valid }
        };
        let mut readings: Vec<Reading> = Language::ALL.into_iter().map(reading).collect();
        readings.sort_by_key(|reading| (!reading.valid, reading.unknown.len()));
        Ok(Self { words: words.len(), readings })
    }

    /// How many words there are.
    pub const fn words(&self) -> usize {
        self.words
    }

    /// Every list, the one that fits best first.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// The lists that fit best, if they know any of the words: several when they share these words (the two Chinese
    /// ones share most), which makes no difference to the account.
    pub fn closest(&self) -> &[Reading] {
        let Some(best) = self.readings.first().filter(|best| best.unknown.len() < self.words) else {
            return &[];
        };
        let same =
            |reading: &&Reading| (reading.valid, reading.unknown.len()) == (best.valid, best.unknown.len());
        let count = self.readings.iter().take_while(same).count();
        self.readings.get(..count).unwrap_or_default()
    }
}

impl Language {
    /// Its name in English.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::ChineseSimplified => "simplified Chinese",
            Self::ChineseTraditional => "traditional Chinese",
            Self::French => "French",
            Self::Spanish => "Spanish",
            Self::Japanese => "Japanese",
            Self::Italian => "Italian",
            Self::Russian => "Russian",
            Self::Korean => "Korean",
            Self::Czech => "Czech",
            Self::Portuguese => "Portuguese",
        }
    }

    /// The words of the list that a mistyped word may have been: at most [`NEAREST`], those that fewest changes of a
    /// letter lead to, and none when that takes more than two changes or more than half of the letters.
    pub fn nearest(self, word: &str) -> Vec<String> {
        let typed: Vec<char> = word.nfkd().flat_map(char::to_lowercase).take(TYPED).collect();
        let mut best = (typed.len() / 2).clamp(0, 2);
        let mut found = Vec::new();
        for candidate in self.words() {
            let letters: Vec<char> = candidate.nfkd().collect();
            let Some(distance) = distance(&typed, &letters).filter(|d| *d <= best) else { continue };
            if distance < best {
                best = distance;
                found.clear();
            }
            if found.len() < NEAREST {
                found.push(candidate);
            }
        }
        found
    }
}

/// Letters that were changed, left out, added, or exchanged with the next, to come from one word to the other.
/// `None` when the lengths differ by more than two.
fn distance(one: &[char], other: &[char]) -> Option<usize> {
    if one.len().abs_diff(other.len()) > 2 {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut least = at(&above, column) + usize::from(a != b);
            least = least.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            let swapped =
                row > 0 && column > 0 && one.get(row - 1) == Some(b) && other.get(column - 1) == Some(a);
            if swapped {
                least = least.min(at(&before, column - 1) + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied()
}

/// Most words that [`Language::nearest`] names. Our choice: what one line holds.
pub const NEAREST: usize = 3;
/// Letters of a typed word that are looked at. No list has a word of more than twenty.
const TYPED: usize = 32;
