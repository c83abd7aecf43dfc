//! BIP39.

use proptest::prelude::*;
use undertone_account::{ExtendedKey, Language, Mnemonic, MnemonicError, WordCount, limits};
use undertone_crypto::hash::sha256;
use undertone_support::rng;
use undertone_vectors::{hex, hex_n, load};
use unicode_normalization::UnicodeNormalization as _;

use crate::{list, text};

const NAMES: [(&str, &str); 8] = [
    ("English", "english"),
    ("ChineseSimplified", "chinese_simplified"),
    ("ChineseTraditional", "chinese_traditional"),
    ("French", "french"),
    ("Spanish", "spanish"),
    ("Japanese", "japanese"),
    ("Italian", "italian"),
    ("Russian", "russian"),
];

const COUNTS: [WordCount; 5] =
    [WordCount::Twelve, WordCount::Fifteen, WordCount::Eighteen, WordCount::TwentyOne, WordCount::TwentyFour];

#[test]
fn the_eight_lists_are_those_of_status() {
    let file = load("bip39_words");
    for (language, (name, _)) in Language::ALL.into_iter().zip(NAMES) {
        let words: Vec<_> = language.words().collect();
        assert_eq!(words.len(), 2048);
        assert_eq!(u64::from(language.id()), file["language_ids"][name].as_u64().unwrap());
        assert_eq!(
            sha256(words.join("\n").as_bytes()),
            hex_n(&file["sha256_of_newline_joined"][name]),
            "{name}"
        );
    }
}

/// BIP39 has three more, which Status never had.
#[test]
fn the_official_lists_are_all_there() {
    for language in [Language::Korean, Language::Czech, Language::Portuguese] {
        let words: std::collections::BTreeSet<_> = language.words().collect();
        assert_eq!(words.len(), 2048, "{language:?}");
        let phrase = Mnemonic::from_entropy(&[0xa5; 32], language).unwrap();
        let composed: String = phrase.expose_words().nfc().collect();
        assert_eq!(Mnemonic::parse(&composed).unwrap().expose_words(), phrase.expose_words());
    }
}

#[test]
fn published_phrases_of_eight_languages_give_their_seeds() {
    let file = load("identity");
    let (mut cases, mut outside) = (0, 0);
    for case in list(&file["bip39_languages"]) {
        let (_, language) = Language::ALL
            .into_iter()
            .zip(NAMES)
            .map(|(language, (_, name))| (name, language))
            .find(|(name, _)| *name == text(&case["language"]))
            .unwrap();
        let phrase = text(&case["mnemonic"]);
        let made = Mnemonic::from_entropy(&hex(&case["entropy"]), language).unwrap();
        let read = if case["note"].is_string() {
            // U+FEFF sticks to the words: no list has them, and the seed belongs to this text alone.
            assert_eq!(Mnemonic::parse(phrase).unwrap_err(), MnemonicError::UnknownWord { position: 1 });
            outside += 1;
            Mnemonic::unchecked(phrase).unwrap()
        } else {
            let read = Mnemonic::parse_in(language, phrase).unwrap();
            assert_eq!(read.expose_words(), made.expose_words());
            assert_eq!(Mnemonic::parse(phrase).unwrap().word_count(), made.word_count());
            read
        };
        let seed = read.seed(text(&case["passphrase"]));
        assert_eq!(*seed.secret().expose(), hex_n::<64>(&case["seed"]), "{}", case["language"]);
        assert_eq!(ExtendedKey::master(&seed).unwrap().expose_xprv().as_str(), text(&case["xprv"]));
        cases += 1;
    }
    assert_eq!((cases, outside), (40, 1));
}

#[test]
fn phrases_that_status_rejects_are_rejected_for_the_same_reason() {
    use MnemonicError::{Checksum, UnknownWord, WordCount};
    let file = load("identity");
    let mut cases = 0;
    for case in list(&file["mnemonic_negative"]) {
        let want = match text(&case["what"]) {
            "bad checksum" => Err(Checksum),
            "unknown word" => Err(UnknownWord { position: 12 }),
            "11 words" => Err(WordCount { got: 11 }),
            "27 words" => Err(WordCount { got: 27 }),
            "empty" => Err(WordCount { got: 0 }),
            // Cleaned before it is checked, as the mobile client did.
            "upper case letter" => Ok(12),
            other => panic!("unknown case {other}"),
        };
        assert_eq!(Mnemonic::parse(text(&case["mnemonic"])).map(|m| m.word_count()), want);
        let english = Mnemonic::parse_in(Language::English, text(&case["mnemonic"]));
        assert_eq!(english.map(|m| m.word_count()), want);
        cases += 1;
    }
    assert_eq!(cases, 6);
}

#[test]
fn what_a_person_types_is_cleaned() {
    let clean = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let typed = " \tLegal WINNER thank  year\nwave sausage worth useful\u{3000}legal winner thank yellow\r\n";
    assert_eq!(Mnemonic::parse(typed).unwrap().expose_words(), clean);
    assert_eq!(Mnemonic::unchecked(typed).unwrap().expose_words(), clean);
    assert_eq!(Mnemonic::verbatim(typed).unwrap().expose_words(), typed);
}

#[test]
fn the_list_that_got_furthest_explains() {
    let spanish = "ábaco ábaco ábaco ábaco ábaco ábaco ábaco ábaco ábaco xxxx ábaco ábaco";
    assert_eq!(Mnemonic::parse(spanish).unwrap_err(), MnemonicError::UnknownWord { position: 10 });
    let checksum = ["ábaco"; 12].join(" ");
    assert_eq!(Mnemonic::parse(&checksum).unwrap_err(), MnemonicError::Checksum);
}

#[test]
fn long_text_is_refused_by_every_reader() {
    let long = "zoo ".repeat(limits::PHRASE_BYTES / 4 + 1);
    for read in [Mnemonic::parse, Mnemonic::unchecked, Mnemonic::verbatim] {
        assert_eq!(read(&long).unwrap_err(), MnemonicError::TooLong);
    }
}

#[test]
fn generated_phrases_have_the_asked_length_and_read_back() {
    for (seed, count) in (0..).zip(COUNTS) {
        for language in Language::ALL {
            let phrase = Mnemonic::generate(count, language, &mut rng(seed));
            assert_eq!(phrase.word_count(), count.words());
            let read = Mnemonic::parse_in(language, phrase.expose_words()).unwrap();
            assert_eq!(read.expose_words(), phrase.expose_words());
            let again = Mnemonic::generate(count, language, &mut rng(seed));
            assert_eq!(again.expose_words(), phrase.expose_words());
        }
    }
    let other = Mnemonic::generate(WordCount::Twelve, Language::English, &mut rng(99));
    let one = Mnemonic::generate(WordCount::Twelve, Language::English, &mut rng(0));
    assert_ne!(one.expose_words(), other.expose_words());
}

#[test]
fn entropy_of_another_length_is_refused() {
    for got in (0..=40).filter(|len| ![16, 20, 24, 28, 32].contains(len)) {
        let error = Mnemonic::from_entropy(&vec![1; got], Language::English).unwrap_err();
        assert_eq!(error, MnemonicError::EntropyLength { got });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reading_never_panics(text in "\\PC{0,200}") {
        let _ = Mnemonic::parse(&text);
        let _ = Mnemonic::unchecked(&text).map(|m| m.word_count());
    }

    #[test]
    fn one_changed_word_is_noticed_or_is_another_phrase(entropy: [u8; 32], at in 0usize..24, index in 0usize..2048) {
        let phrase = Mnemonic::from_entropy(&entropy, Language::English).unwrap();
        let word = Language::English.words().nth(index).unwrap();
        let mut words: Vec<_> = phrase.expose_words().split(' ').collect();
        words[at] = &word;
        let changed = words.join(" ");
        match Mnemonic::parse_in(Language::English, &changed) {
            Ok(read) => prop_assert_eq!(read.expose_words(), changed),
            Err(error) => prop_assert_eq!(error, MnemonicError::Checksum),
        }
    }
}
