//! Accounts from words, old and new.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail, ensure};
use rand::RngExt;
use undertone_account::{
    ChatKey, Diagnosis, ExtendedKey, Language, Mnemonic, MnemonicError, Reading, WordCount,
};
use undertone_runtime::Environment;
use zeroize::Zeroizing;

use crate::args::{Global, WordList};
use crate::output::{BOLD, Ui, paint};
use crate::{Usage, home, password};

/// How many words are asked back.
const ASKED: usize = 3;

/// A new key and the password for it. The words are shown once and asked back.
pub(super) fn new(
    global: &Global,
    no_confirm: bool,
    count: &str,
    language: WordList,
    ui: &Ui,
) -> Result<(ChatKey, Zeroizing<String>)> {
    // Whatever can be missing is asked for before the words are shown.
    if !no_confirm && !std::io::stdin().is_terminal() {
        let hint = "no terminal to ask the words back: use --no-confirm if they are kept elsewhere";
        return Err(Usage(hint.to_owned()).into());
    }
    let password = password::new(global.password_file.as_deref())?;
    let mut rng = Environment::system()?.rng();
    let mnemonic = Mnemonic::generate(word_count(count), list(language), &mut rng);
    let master = ExtendedKey::master(&mnemonic.seed(""))?;
    let key = ChatKey::derive(&master)?;

    let words: Vec<&str> = mnemonic.expose_words().split_whitespace().collect();
    ui.note(&format!(
        "These {count} words are the account. Who has them has it; who loses them has lost it."
    ));
    ui.note("Write them down on paper. They are not shown again.\n");
    let columns = terminal_columns();
    // To stderr, with the other things that a person reads: a script gets the account as data on stdout.
    let rows = rows(&words, columns);
    rows.iter().for_each(|row| anstream::eprintln!("{}", paint(BOLD, row)));
    anstream::eprintln!();
    if !no_confirm {
        take_away(&rows, columns)?;
        let mut places: Vec<usize> = (1..=words.len()).collect();
        while places.len() > ASKED {
            places.remove(rng.random_range(0..places.len()));
        }
        ask_back(&words, &places)?;
    }
    Ok((key, password))
}

/// Words with their numbers, as many on a line as surely fit.
fn rows(words: &[&str], columns: usize) -> Vec<String> {
    // Characters of Chinese, Japanese and Korean are two columns wide, and the words have twelve of them at most.
    let widest = if words.iter().all(|word| word.is_ascii()) { 18 } else { 30 };
    let cells = (columns.saturating_sub(1) / widest).clamp(1, 4);
    let row = |(row, line): (usize, &[&str])| {
        let numbered = (row * cells + 1..).zip(line).map(|(n, word)| format!("{n:>3}. {word:<12}"));
        numbered.collect::<String>().trim_end().to_owned()
    };
    words.chunks(cells).enumerate().map(row).collect()
}

/// What stderr has room for; eighty where that is not known.
fn terminal_columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Waits until the words are on paper, and takes them off the screen: what is asked back is not read off it, and they do
/// not stay there.
fn take_away(rows: &[String], columns: usize) -> Result<()> {
    const PROMPT: &str = "Are they on paper? Press Enter: they leave the screen. ";
    anstream::eprint!("{PROMPT}");
    std::io::stderr().flush()?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        // The words, the empty line, the prompt, and where the cursor is now.
        let lines = rows.len() + 1 + PROMPT.len().div_ceil(columns);
        // To the beginning of that line, and nothing below.
        write!(std::io::stderr(), "\x1b[{lines}F\x1b[J")?;
    }
    Ok(())
}

/// Asks for some of the words, so that they are on paper before anything depends on them.
fn ask_back(words: &[&str], places: &[usize]) -> Result<()> {
    for place in places {
        let word = words.get(place - 1).copied().unwrap_or_default();
        for attempt in 1..=3 {
            anstream::eprint!("Word number {place}? ");
            std::io::stderr().flush()?;
            let mut answer = Zeroizing::new(String::new());
            std::io::stdin().lock().read_line(&mut answer)?;
            if answer.trim().to_lowercase() == word {
                break;
            }
            ensure!(attempt < 3, "the words do not agree: no account was made; begin again");
            anstream::eprintln!("That is not word number {place}; look again.");
        }
    }
    Ok(())
}

/// The key of the words on stdin, in whichever list they are.
pub(super) fn import(ignore_checksum: bool, ui: &Ui) -> Result<ChatKey> {
    let text = if std::io::stdin().is_terminal() {
        ui.note("Type the words, and an empty line after them:");
        home::typed_text()?
    } else {
        home::stdin_text()?
    };
    let mnemonic = match Mnemonic::parse(&text) {
        Ok(mnemonic) => {
            let found = Diagnosis::of(&text)?;
            ui.note(&recognised(&found));
            mnemonic
        }
        Err(MnemonicError::Checksum) if ignore_checksum => {
            ui.note("the checksum is wrong; the words are taken as they are");
            Mnemonic::unchecked(&text)?
        }
        Err(error @ (MnemonicError::Checksum | MnemonicError::UnknownWord { .. })) => {
            bail!(explain(&text, error)?)
        }
        Err(error @ MnemonicError::WordCount { .. }) if runs_together(&text) => bail!("{error}. {PARTED}"),
        Err(error) => return Err(error.into()),
    };
    Ok(ChatKey::derive(&ExtendedKey::master(&mnemonic.seed(""))?)?)
}

/// What to know of words that are not parted by blanks.
const PARTED: &str = "The words are parted by blanks alone";

/// Whether there are signs between words that are none of a word, or signs of Chinese without blanks between them.
fn runs_together(text: &str) -> bool {
    let between = |c: char| matches!(c, ',' | ';' | '.' | '|' | '/' | '、' | '，' | '。');
    let chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let adjoin = |(one, other): (char, char)| chinese(one) && chinese(other);
    text.contains(between) || text.chars().zip(text.chars().skip(1)).any(adjoin)
}

fn recognised(found: &Diagnosis) -> String {
    let closest = found.closest();
    let words = found.words();
    match closest {
        [one] => format!("{words} {} words", one.language.name()),
        several => format!(
            "{words} words that the {} lists share: the account is the same whichever is meant",
            names(several)
        ),
    }
}

/// What is wrong with words that are no phrase. Says back only words that are in no list, or the last one.
fn explain(text: &str, error: MnemonicError) -> Result<String> {
    let found = Diagnosis::of(text)?;
    let typed: Vec<&str> = text.split_whitespace().collect();
    let word = |position: usize| typed.get(position.saturating_sub(1)).copied().unwrap_or_default();
    let closest = found.closest();
    let [first, ..] = closest else {
        let hint = if runs_together(text) { format!(". {PARTED}") } else { String::new() };
        return Ok(format!("none of these words is in any of the word lists{hint}"));
    };
    if error == MnemonicError::Checksum {
        let last = typed.len();
        return Ok(format!(
            "all words are {}, but the checksum in the last one, {:?}, does not fit the others: one of the {last} \
             is not what was written down, or two changed places; --ignore-checksum takes them as they are",
            names(closest),
            word(last),
        ));
    }
    if first.unknown.len() * 2 > found.words() {
        let known = found.words() - first.unknown.len();
        let hint = if runs_together(text) { format!(". {PARTED}") } else { String::new() };
        return Ok(format!(
            "only {known} of {} words are in one list ({}){hint}",
            found.words(),
            names(closest)
        ));
    }
    let mut faults = Vec::new();
    for position in &first.unknown {
        let word = word(*position);
        let elsewhere = Language::ALL.into_iter().find(|language| language_has(*language, word));
        let hint = match elsewhere {
            Some(language) => format!(" but {}", language.name()),
            None => {
                let near: Vec<String> =
                    first.language.nearest(word).iter().map(|word| format!("{word:?}")).collect();
                if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
            }
        };
        faults.push(format!("word {position}, {word:?}, is not {}{hint}", names(closest)));
    }
    Ok(format!("{} (the others are)", faults.join("\n       ")))
}

fn language_has(language: Language, word: &str) -> bool {
    let lower = word.to_lowercase();
    language.words().any(|known| known == lower)
}

fn names(readings: &[Reading]) -> String {
    let names: Vec<&str> = readings.iter().map(|reading| reading.language.name()).collect();
    names.join(" or ")
}

fn word_count(text: &str) -> WordCount {
    match text {
        "15" => WordCount::Fifteen,
        "18" => WordCount::Eighteen,
        "21" => WordCount::TwentyOne,
        "24" => WordCount::TwentyFour,
        _ => WordCount::Twelve,
    }
}

const fn list(list: WordList) -> Language {
    match list {
        WordList::English => Language::English,
        WordList::ChineseSimplified => Language::ChineseSimplified,
        WordList::ChineseTraditional => Language::ChineseTraditional,
        WordList::French => Language::French,
        WordList::Spanish => Language::Spanish,
        WordList::Japanese => Language::Japanese,
        WordList::Italian => Language::Italian,
        WordList::Russian => Language::Russian,
        WordList::Korean => Language::Korean,
        WordList::Czech => Language::Czech,
        WordList::Portuguese => Language::Portuguese,
    }
}
