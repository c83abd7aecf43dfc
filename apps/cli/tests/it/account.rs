//! `undertone account`, with the real cost of scrypt where a key file is written.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use undertone_account::keystore::KeyFile;
use undertone_account::{ChatKey, ExtendedKey, Mnemonic, key_text};
use undertone_crypto::SecretKey;

use crate::{Home, run, run_with, undertone};

/// The first words of BIP-39's own test vectors.
const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

fn on(dir: &Path, args: &[&str]) -> Command {
    let mut command = undertone();
    command.args(args).arg("--datadir").arg(dir);
    command
}

#[test]
fn a_new_account_is_shown_listed_exported_and_gets_another_password() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, old, new) = (temp.path().join("data"), temp.path().join("old"), temp.path().join("new"));
    std::fs::write(&old, "correct horse\n").unwrap();
    std::fs::write(&new, "battery staple\n").unwrap();
    let with = |args: &[&str], file: &Path| {
        let mut command = on(&dir, args);
        command.arg("--password-file").arg(file);
        command
    };

    let made = run(&mut with(&["account", "new", "--no-confirm", "--json"], &old)).expect(0);
    let account = made.json();
    // The words go to the person alone, never among the data; and they are the account.
    let words: Vec<&str> = made.err.split_whitespace().collect();
    let word = |n: usize| words[words.iter().position(|w| *w == format!("{n}.")).unwrap() + 1];
    let phrase = (1..=12).map(word).collect::<Vec<_>>().join(" ");
    let master = ExtendedKey::master(&Mnemonic::parse(&phrase).unwrap().seed("")).unwrap();
    let key = ChatKey::derive(&master).unwrap();
    assert_eq!(account["publicKey"], key.public().to_hex());
    assert_eq!(account["chatKey"], key_text::chat_key(&key.public()));
    assert!(!made.out.contains(word(1)), "no words on stdout");

    assert_eq!(run(&mut on(&dir, &["account", "list", "--json"])).expect(0).json(), account);
    assert_eq!(run(&mut on(&dir, &["account", "show", "--json"])).expect(0).json(), account);
    let shown = run(&mut on(&dir, &["account", "show"])).expect(0).out;
    for field in ["name", "chatKey", "publicKey", "address", "keyFile"] {
        assert!(shown.contains(account[field].as_str().unwrap()), "{field} in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours where no terminal is");
    let listed = run(&mut on(&dir, &["account", "list"])).expect(0).out;
    assert_eq!(listed.lines().count(), 2, "a heading and one account");

    let exported = run(&mut on(&dir, &["account", "export"])).expect(0).out;
    let params = serde_json::from_str::<Value>(&exported).unwrap()["crypto"]["kdfparams"].clone();
    assert_eq!((&params["n"], &params["r"], &params["p"]), (&262_144.into(), &8.into(), &1.into()), "geth's");
    assert_eq!(
        KeyFile::parse(exported.as_bytes()).unwrap().open("correct horse").unwrap().public(),
        key.public()
    );

    let new_file = new.to_str().unwrap();
    let change = ["account", "password", "--new-password-file", new_file];
    run(&mut with(&change, &new)).refused(1, &["wrong password"]);
    assert_eq!(run(&mut on(&dir, &["account", "export"])).out, exported, "unchanged");
    run(&mut with(&change, &old)).expect(0);
    let exported = run(&mut on(&dir, &["account", "export"])).expect(0).out;
    let file = KeyFile::parse(exported.as_bytes()).unwrap();
    assert_eq!(file.open("battery staple").unwrap().public(), key.public());
    assert!(file.open("correct horse").is_err());
}

fn import(dir: &Path, password: &Path, args: &[&str], stdin: &str) -> crate::Ended {
    let mut command = on(dir, &["account", "import", "--json"]);
    run_with(command.args(args).arg("--password-file").arg(password), stdin)
}

#[test]
fn words_are_imported_once_and_checked() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, password) = (temp.path().join("data"), temp.path().join("password"));
    std::fs::write(&password, "correct horse\n").unwrap();
    let expected = |phrase: &Mnemonic| {
        ChatKey::derive(&ExtendedKey::master(&phrase.seed("")).unwrap()).unwrap().public().to_hex()
    };
    // As they are typed: over several lines, with more spaces.
    let typed = WORDS.replacen(' ', "\n  ", 3);
    let account = import(&dir, &password, &[], &typed).expect(0).json();
    assert_eq!(account["publicKey"], expected(&Mnemonic::parse(WORDS).unwrap()));
    import(&dir, &password, &[], WORDS).refused(1, &["exists already"]);

    let swapped = WORDS.replacen("legal winner", "winner legal", 1);
    import(&dir, &password, &[], &swapped).refused(1, &["checksum", "--ignore-checksum"]);
    import(&dir, &password, &[], &WORDS.replace("sausage", "sausagge"))
        .refused(1, &["word 6", "sausagge", "not English", "did you mean \"sausage\""]);
    import(&dir, &password, &[], "").refused(1, &[]);
    let account = import(&dir, &password, &["--ignore-checksum"], &swapped).expect(0).json();
    assert_eq!(account["publicKey"], expected(&Mnemonic::unchecked(&swapped).unwrap()));
    assert_eq!(run(&mut on(&dir, &["account", "list", "--json"])).lines().len(), 2);
    // Now it has to be said which.
    run(&mut on(&dir, &["account", "show"])).refused(2, &["2 accounts", "--account"]);
    let name = account["name"].as_str().unwrap();
    let named = run(&mut on(&dir, &["account", "show", "--json", "--account", name])).expect(0).json();
    assert_eq!(named, account);
    run(&mut on(&dir, &["account", "show", "--account", "Nobody At Home"])).refused(1, &["no account"]);
}

#[test]
fn a_private_key_is_imported() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, password) = (temp.path().join("data"), temp.path().join("password"));
    std::fs::write(&password, "correct horse\n").unwrap();
    let hex = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
    let from = ["--from", "private-key"];
    for bad in ["", "4c08", &"00".repeat(32), &"ff".repeat(32), &hex.replace('4', "x")] {
        let ended = import(&dir, &password, &from, bad).expect(1);
        assert!(bad.is_empty() || !ended.err.contains(bad), "a secret is not said back: {}", ended.err);
    }
    let account = import(&dir, &password, &from, &format!("{hex}\n")).expect(0).json();
    assert_eq!(account["publicKey"], SecretKey::from_hex(hex).unwrap().public().to_hex());
    assert_eq!(
        account["address"].as_str().unwrap().to_lowercase(),
        "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"
    );
}

/// As it is written down elsewhere, and why another is none.
#[test]
fn a_private_key_is_read_in_every_form_and_what_is_none_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let password = temp.path().join("password");
    std::fs::write(&password, "correct horse\n").unwrap();
    let hex = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
    let from = ["--from", "private-key"];
    let public = SecretKey::from_hex(hex).unwrap().public().to_hex();
    let forms = [format!("0X{hex}"), format!("\u{feff}0x{hex}\r\n"), hex.to_uppercase()];
    for (n, form) in forms.iter().enumerate() {
        let dir = temp.path().join(n.to_string());
        assert_eq!(import(&dir, &password, &from, form).expect(0).json()["publicKey"], public, "{form:?}");
    }
    let dir = temp.path().join("none");
    for none in ["00".repeat(32), "ff".repeat(32)] {
        import(&dir, &password, &from, &none).refused(1, &["no private key is zero or that large"]);
    }
}

/// A file made by geth 1.9.7; the wrong password first.
#[test]
fn a_key_file_of_geth_is_imported() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, password, file) =
        (temp.path().join("data"), temp.path().join("password"), temp.path().join("UTC--geth"));
    let known = concat!(env!("CARGO_MANIFEST_DIR"), "/../../core/account/tests/it/key_files.json");
    let known: Value = serde_json::from_slice(&std::fs::read(known).unwrap()).unwrap();
    let geth = &known["files"][0];
    assert_eq!(geth["writer"], "geth, --lightkdf");
    std::fs::write(&file, geth["file"].to_string()).unwrap();
    let from = ["--from", "keystore", "--file", file.to_str().unwrap()];

    std::fs::write(&password, "wrong\n").unwrap();
    import(&dir, &password, &from, "").refused(1, &["wrong password"]);
    std::fs::write(&password, geth["password"].as_str().unwrap()).unwrap();
    // As an editor of Windows keeps it.
    std::fs::write(&file, format!("\u{feff}{}", geth["file"])).unwrap();
    let account = import(&dir, &password, &from, "").expect(0).json();
    let secret = SecretKey::from_hex(geth["private_key"].as_str().unwrap()).unwrap();
    assert_eq!(account["publicKey"], secret.public().to_hex());

    std::fs::write(&file, "{}").unwrap();
    import(&dir, &password, &from, "").refused(1, &[]);
    import(&dir, &password, &["--from", "keystore", "--file", "absent"], "").refused(1, &["absent"]);
    import(&dir, &password, &["--from", "keystore"], "").refused(2, &["--file"]);
}

/// What a person would see on a terminal is asked for before the words are shown.
#[test]
fn nothing_is_shown_when_something_is_missing() {
    let home = Home::new(1);
    let fresh = home.dir.path().join("fresh");
    let ended = run(&mut on(&fresh, &["account", "new", "--no-confirm"]));
    assert!(!ended.err.contains("1."), "no words: {}", ended.err);
    ended.refused(2, &["no terminal", "--password-file", "UNDERTONE_PASSWORD_FILE"]);
    let mut command = on(&fresh, &["account", "new"]);
    run(command.arg("--password-file").arg(home.password_file()))
        .refused(2, &["no terminal", "--no-confirm"]);
    std::fs::write(home.password_file(), "\n").unwrap();
    let mut command = on(&fresh, &["account", "new", "--no-confirm"]);
    run(command.arg("--password-file").arg(home.password_file())).refused(1, &["empty password"]);
    let listed = run(&mut on(&fresh, &["account", "list"])).expect(0);
    assert_eq!(listed.out, "");
    assert!(listed.err.contains("undertone account new"), "{}", listed.err);
}

/// Lists with accents, without spaces and of Status's own; all lists and every length are in the tests of the crate.
#[test]
fn words_of_other_languages_and_lengths_are_imported() {
    use undertone_account::{Language, WordCount};
    let temp = tempfile::tempdir().unwrap();
    let password = temp.path().join("password");
    std::fs::write(&password, "correct horse\n").unwrap();
    let cases = [
        (Language::Spanish, WordCount::Fifteen),
        (Language::Japanese, WordCount::TwentyFour),
        (Language::Russian, WordCount::TwentyOne),
        (Language::Korean, WordCount::Eighteen),
    ];
    for (language, count) in cases {
        let phrase = Mnemonic::generate(count, language, &mut undertone_support::rng(language.id().into()));
        let dir = temp.path().join(language.name());
        let ended = import(&dir, &password, &[], phrase.expose_words()).expect(0);
        let key = ChatKey::derive(&ExtendedKey::master(&phrase.seed("")).unwrap()).unwrap();
        assert_eq!(ended.json()["publicKey"], key.public().to_hex());
        for word in [&count.words().to_string(), language.name()] {
            assert!(ended.err.contains(word), "{word} in {}", ended.err);
        }
    }
}

#[test]
fn what_is_wrong_with_words_is_said_of_the_word() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, password) = (temp.path().join("data"), temp.path().join("password"));
    std::fs::write(&password, "correct horse\n").unwrap();
    let refused = |typed: &str, words: &[&str]| import(&dir, &password, &[], typed).refused(1, words);
    refused(
        &WORDS.replace("thank yellow", "thank zebra"),
        &["all words are English", "\"zebra\"", "checksum"],
    );
    refused(&WORDS.replace("wave", "abaisser"), &["word 5, \"abaisser\", is not English but French"]);
    refused(&WORDS.replace("winner", "qwertzy"), &["word 2", "word 10", "is not English (the others are)"]);
    refused(&WORDS.replace(" yellow", ""), &["11 words, not 12, 15, 18, 21 or 24"]);
    refused(&"qwertz ".repeat(12), &["none of these words is in any"]);
    let parted = "words are parted by blanks alone";
    refused(&WORDS.replace(' ', ", "), &[parted]);
    refused(&WORDS.replace(' ', ","), &[parted]);
    refused("的一是在不了有和人这中大", &[parted]);
    refused("eins zwei drei vier abandon ability able about above absent absorb zzzz", &["eins", "word 12"]);
}

/// The mark that editors of Windows put before a text.
#[test]
fn words_behind_a_mark_are_words() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, password) = (temp.path().join("data"), temp.path().join("password"));
    std::fs::write(&password, "correct horse\n").unwrap();
    let account = import(&dir, &password, &[], &format!("\u{feff}{WORDS}\r\n")).expect(0).json();
    let key =
        ChatKey::derive(&ExtendedKey::master(&Mnemonic::parse(WORDS).unwrap().seed("")).unwrap()).unwrap();
    assert_eq!(account["publicKey"], key.public().to_hex());
}

/// It must not look as if the account had never been, and nobody else may speak in its place.
#[test]
fn a_damaged_key_file_is_told_of_and_another_account_is_not_taken_for_it() {
    let home = Home::new(3);
    let file = std::fs::read_dir(home.data().join("keystore")).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..300]).unwrap();
    let shown = run(&mut home.undertone(&["account", "list", "--json"])).expect(0).json();
    let address = shown["address"].as_str().unwrap().to_owned();
    assert_eq!(shown["damaged"], "not a json object");
    let listed = run(&mut home.undertone(&["account", "list"])).expect(0);
    let said = format!("{}{}", listed.out, listed.err);
    for word in [&address, "KEY FILE CANNOT BE USED", "Put a copy of the file back", "account restore"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert!(!said.contains("no accounts here"), "{said}");
    let words = [address.as_str(), "cannot be used", "Put a copy of the file back", "account import"];
    for command in [&["account", "show"][..], &["contacts"], &["send", &home.key.to_hex(), "hi"]] {
        run(&mut home.undertone(command)).refused(1, &words);
    }
    run(&mut home.undertone(&["contacts", "--account", &address])).refused(1, &words);

    // With a second one it has to be said which, as before.
    let other = crate::add_account(&home.data(), 4);
    let send = ["send", &home.key.to_hex(), "hi", "--wait", "queued"];
    run(&mut home.undertone(&send)).refused(2, &["2 accounts here", "--account"]);
    let by_name = ["contacts", "--account", &key_text::chat_key(&other)];
    run(&mut home.undertone(&by_name)).expect(0);
    run(&mut home.undertone(&["contacts", "--account", &address])).refused(1, &words);

    // A copy put back, and all is as it was.
    std::fs::write(&file, &whole).unwrap();
    run(&mut home.undertone(&["contacts", "--account", &address])).expect(0);
}

#[test]
fn the_account_is_drawn() {
    let home = Home::new(2);
    let show = |args: &[&str]| run(&mut home.undertone(&[&["account", "show"], args].concat())).expect(0);
    let shown = show(&[]).out;
    for word in ["emoji", "ring", "identicon", "https://status.app/u#zQ3sh", "█▀", "0x"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours where no terminal is");
    let file = home.dir.path().join("me.svg");
    for picture in ["qr", "identicon", "ring"] {
        show(&["--svg", file.to_str().unwrap(), "--picture", picture]);
        let drawn = std::fs::read_to_string(&file).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"), "{picture}");
        assert_eq!(show(&["--svg", "-", "--picture", picture]).out, drawn);
    }
    let value = show(&["--json"]).json();
    assert_eq!(value["emojiHash"].as_array().unwrap().len(), 14);
    assert!(!value["colourRing"].as_array().unwrap().is_empty());
    assert!(value["profileLink"].as_str().unwrap().ends_with(&home.key.to_hex()));
}
