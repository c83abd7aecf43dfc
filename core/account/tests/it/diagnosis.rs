//! What a person is told of a phrase that does not fit.

use undertone_account::{Diagnosis, Language, Mnemonic, WordCount};
use undertone_support::rng;

/// Every language and every number of words: found, and read as the same account.
#[test]
fn every_language_and_length_is_recognised() {
    use WordCount::*;
    let mut cases = 0;
    for language in Language::ALL {
        for count in [Twelve, Fifteen, Eighteen, TwentyOne, TwentyFour] {
            let phrase = Mnemonic::generate(count, language, &mut rng(u64::from(language.id())));
            let typed = phrase.expose_words();
            let diagnosis = Diagnosis::of(typed).unwrap();
            assert_eq!(diagnosis.words(), count.words());
            let closest = diagnosis.closest();
            assert!(closest.iter().all(|reading| reading.valid && reading.unknown.is_empty()));
            assert!(closest.iter().any(|reading| reading.language == language), "{language:?} {closest:?}");
            assert_eq!(Mnemonic::parse(typed).unwrap().expose_words(), typed);
            cases += 1;
        }
    }
    assert_eq!(cases, 55);
}

#[test]
fn the_word_that_is_wrong_is_found() {
    for language in Language::ALL {
        let phrase = Mnemonic::from_entropy(&[0x5a; 16], language).unwrap();
        let words: Vec<&str> = phrase.expose_words().split_whitespace().collect();
        for place in 0..12 {
            let mut typed = words.clone();
            typed[place] = "qqqq";
            let diagnosis = Diagnosis::of(&typed.join(" ")).unwrap();
            let closest = diagnosis.closest();
            assert!(closest.iter().any(|reading| reading.language == language), "{language:?}");
            assert!(closest.iter().all(|reading| reading.unknown == [place + 1]), "{closest:?}");
        }
    }
    assert_eq!(Diagnosis::of("qq ww ee").unwrap().closest(), []);
    assert_eq!(Diagnosis::of("").unwrap().closest(), []);
}

#[test]
fn a_mistyped_word_leads_to_its_neighbours() {
    for (typed, meant) in
        [("sausagge", "sausage"), ("sasuage", "sausage"), ("yelow", "yellow"), ("Wnter", "winter")]
    {
        assert!(Language::English.nearest(typed).contains(&meant.to_owned()), "{typed}");
    }
    assert_eq!(Language::English.nearest("sausage"), ["sausage"]);
    assert!(Language::English.nearest("xylophones").is_empty());
    assert!(Language::English.nearest("").is_empty());
    assert!(Language::Spanish.nearest("abdomén").contains(&"abdomen".to_owned()));
    assert!(Language::English.nearest(&"a".repeat(10_000)).is_empty());
}

/// Words that two lists share belong to both; the account is the same.
#[test]
fn shared_words_are_ambiguous_and_harmless() {
    let shared: Vec<String> = Language::ChineseSimplified
        .words()
        .filter(|word| Language::ChineseTraditional.words().any(|other| other == *word))
        .take(12)
        .collect();
    let diagnosis = Diagnosis::of(&shared.join(" ")).unwrap();
    let languages: Vec<_> = diagnosis.closest().iter().map(|reading| reading.language).collect();
    assert_eq!(languages, [Language::ChineseSimplified, Language::ChineseTraditional]);
}
