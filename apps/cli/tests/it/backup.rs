//! `undertone account backup` and `restore`; and a password change, which touches one file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Home, Running, run, undertone};

/// On a directory, with a password.
fn on(dir: &Path, password: &Path, args: &[&str]) -> Command {
    let mut command = undertone();
    command.args(args).arg("--datadir").arg(dir).arg("--password-file").arg(password);
    command
}

fn device(dir: &Path, password: &Path) -> Value {
    run(&mut on(dir, password, &["devices", "--json"])).expect(0).json()["device"].clone()
}

/// Every file below a directory.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            all.insert(path, content);
        }
    }
    all
}

#[test]
fn a_backup_brings_an_account_back_as_a_new_device() {
    let home = Home::new(80);
    let bob = Home::new(81).key.to_hex();
    run(&mut home.undertone(&["contacts", "add", &bob, "Bob"])).expect(0);
    run(&mut home.undertone(&["contacts", "pfs", "--default", "off"])).expect(0);
    run(&mut home.undertone(&["send", "bob", "hello", "--wait", "queued"])).expect(0);
    run(&mut home.undertone(&["send", "public:lab", "hello lab", "--wait", "queued"])).expect(0);
    let (before, password) = (device(&home.data(), &home.password_file()), home.password_file());
    let file = home.dir.path().join("alice.backup");
    let name = file.to_str().unwrap();

    // The owner's part comes from the owner; the key from its file.
    let owner = Running::start(&mut home.undertone(&["listen"]));
    owner.says("listening as");
    let made = run(&mut home.undertone(&["account", "backup", name, "--json"])).expect(0).json();
    assert_eq!(made["bytes"], std::fs::metadata(&file).unwrap().len());
    owner.kill_tree();
    run(&mut home.undertone(&["account", "backup", name])).refused(1, &["is there already"]);
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(3).any(|three| three == b"Bob"), "encrypted");

    let anew = home.dir.path().join("anew");
    let restored = run(&mut on(&anew, &password, &["account", "restore", name])).expect(0);
    assert!(restored.out.contains(&home.key.to_hex()), "{}", restored.out);
    for word in ["1 contact", "2 chats", "2 messages", "new device"] {
        assert!(restored.err.contains(word), "{word} in {}", restored.err);
    }
    assert_ne!(device(&anew, &password), before, "never the same device");
    assert_eq!(device(&home.data(), &password), before);
    let people = run(&mut on(&anew, &password, &["contacts", "--json"])).expect(0).json();
    assert_eq!((&people["nickname"], &people["publicKey"]), (&"Bob".into(), &bob.into()));
    assert_eq!(run(&mut on(&anew, &password, &["contacts", "pfs"])).expect(0).out, "off\n");
    // Nothing that is there is overwritten: no account, and no messages without a key file.
    let refused = |words: &[&str]| {
        run(&mut on(&anew, &password, &["account", "restore", name])).refused(1, words);
    };
    refused(&["exists already"]);
    std::fs::rename(anew.join("keystore"), home.dir.path().join("moved")).unwrap();
    refused(&["without its key file", "anew"]);
}

#[test]
fn what_cannot_be_restored_is_a_sentence_and_leaves_nothing() {
    let home = Home::new(82);
    let (file, other) = (home.dir.path().join("a.backup"), home.dir.path().join("other"));
    std::fs::write(&other, "battery staple\n").unwrap();
    let args =
        ["account", "backup", file.to_str().unwrap(), "--backup-password-file", other.to_str().unwrap()];
    run(&mut home.undertone(&args)).expect(0);
    let good = std::fs::read(&file).unwrap();
    let anew = home.dir.path().join("anew");
    let bad = home.dir.path().join("bad.backup");
    let refused = |bytes: &[u8], password: &Path, words: &[&str]| {
        std::fs::write(&bad, bytes).unwrap();
        run(&mut on(&anew, password, &["account", "restore", bad.to_str().unwrap()])).refused(1, words);
        assert_eq!(run(&mut on(&anew, password, &["account", "list"])).expect(0).out, "");
    };
    refused(&good, &home.password_file(), &["bad.backup", "wrong password for this backup"]);
    refused(&good[..good.len() - 1], &other, &["the end of the backup is missing: 1 byte"]);
    refused(&good[..20], &other, &["the end of the backup is missing"]);
    refused(b"", &other, &["no backup of undertone"]);
    refused(&std::fs::read(&other).unwrap(), &other, &["no backup of undertone"]);
    let mut later = good.clone();
    later[16] = 9;
    refused(&later, &other, &["version 9", "reads version 1"]);
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    refused(&changed, &other, &["damaged"]);
    run(&mut on(&anew, &other, &["account", "restore", "absent"])).refused(1, &["absent"]);
    run(&mut on(&anew, &other, &["account", "restore", file.to_str().unwrap()])).expect(0);
}

#[test]
fn a_password_change_rewrites_the_key_file_and_nothing_else() {
    let home = Home::new(83);
    run(&mut home.undertone(&["send", "public:lab", "x", "--wait", "queued"])).expect(0);
    run(&mut home.undertone(&["contacts", "add", &Home::new(84).key.to_hex(), "Bob"])).expect(0);
    let new = home.dir.path().join("new");
    std::fs::write(&new, "battery staple\n").unwrap();
    let before = files(&home.data());
    run(&mut home.undertone(&["account", "password", "--new-password-file", new.to_str().unwrap()]))
        .expect(0);
    let after = files(&home.data());
    let changed: Vec<_> = after.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].starts_with(home.data().join("keystore")), "{changed:?}");
    run(&mut home.undertone(&["contacts"])).refused(1, &["wrong password"]);
    assert!(run(&mut on(&home.data(), &new, &["contacts"])).expect(0).out.contains("Bob"));
}
