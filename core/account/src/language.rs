//! The ten word lists of BIP39, and Status's Russian one.

use unicode_normalization::UnicodeNormalization;

/// A word list. The first eight are those that Status has, numbered as Status numbers them (`identity.md` 1.1).
///
/// The language is not part of the seed: the same words give the same account whichever list they were
/// found in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Language {
    /// The one that Status offers.
    English,
    /// Simplified Chinese.
    ChineseSimplified,
    /// Traditional Chinese.
    ChineseTraditional,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Japanese; its phrases are joined by U+3000.
    Japanese,
    /// Italian.
    Italian,
    /// Status's own list, not an official one of BIP39.
    Russian,
    /// Korean.
    Korean,
    /// Czech.
    Czech,
    /// Portuguese.
    Portuguese,
}

impl Language {
    /// All lists in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::English,
        Self::ChineseSimplified,
        Self::ChineseTraditional,
        Self::French,
        Self::Spanish,
        Self::Japanese,
        Self::Italian,
        Self::Russian,
        Self::Korean,
        Self::Czech,
        Self::Portuguese,
    ];

    /// Status's number of the list, 0..=7; 8 to 10 are ours, for the lists that Status has not.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The 2048 words in order, composed (NFC) as Status writes them.
    pub fn words(self) -> impl Iterator<Item = String> {
        (0..2048).map_while(move |index| self.word(index)).map(|word| word.nfc().collect())
    }

    /// The word of an 11-bit index, in whichever normalisation the list has.
    pub(crate) fn word(self, index: u16) -> Option<&'static str> {
        match self.official() {
            Some(list) => list.word_list().get(usize::from(index)).copied(),
            None => RUSSIAN.lines().nth(usize::from(index)),
        }
    }

    /// The index of a word that is in lower case and NFKD.
    pub(crate) fn index(self, word: &str) -> Option<u16> {
        match self.official() {
            Some(list) => list.find_word(word),
            None => (0u16..).zip(RUSSIAN.lines()).find(|(_, w)| w.nfkd().eq(word.chars())).map(|(i, _)| i),
        }
    }

    /// What stands between two words.
    pub(crate) const fn separator(self) -> char {
        match self {
            Self::Japanese => '\u{3000}',
            _ => ' ',
        }
    }

    const fn official(self) -> Option<bip39::Language> {
        Some(match self {
            Self::English => bip39::Language::English,
            Self::ChineseSimplified => bip39::Language::SimplifiedChinese,
            Self::ChineseTraditional => bip39::Language::TraditionalChinese,
            Self::French => bip39::Language::French,
            Self::Spanish => bip39::Language::Spanish,
            Self::Japanese => bip39::Language::Japanese,
            Self::Italian => bip39::Language::Italian,
            Self::Korean => bip39::Language::Korean,
            Self::Czech => bip39::Language::Czech,
            Self::Portuguese => bip39::Language::Portuguese,
            Self::Russian => return None,
        })
    }
}

const RUSSIAN: &str = include_str!("../data/russian.txt");
