//! What goes wrong, in a sentence that says what to do, and with the exit status that the table of commands names.

use crate::{Home, Running, run, undertone};

/// Somebody without a TCP port.
const NODE: &str = "enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@127.0.0.1:0?discport=1";

#[test]
fn wrong_usage_is_2() {
    let home = Home::new(10);
    let cases: [(&[&str], &[&str]); 46] = [
        (&[], &["Usage"]),
        (&["shout"], &["shout"]),
        (&["send"], &["<TO>"]),
        (&["send", "bob", "hello"], &["bob", "0x04", "zQ3sh", "public:NAME"]),
        (&["send", "public:", "hello"], &["name"]),
        (&["send", "public:lab", "hello", "--wait", "seen"], &["queued", "sent", "delivered"]),
        (&["send", "public:lab", "hello", "--wait", "delivered"], &["--wait sent"]),
        (&["send", "public:lab", "hello", "--timeout", "soon"], &["--timeout"]),
        (&["send", "public:lab", "hello", "--peer", "enode://12@localhost:1"], &["--peer"]),
        (&["listen", "bob"], &["bob", "public:NAME"]),
        (&["node", "--shh.pow", "NaN"], &["--shh.pow", "finite"]),
        (&["node", "--port", "70000"], &["--port"]),
        (&["node", "--bootnodes", "enode://12@1.2.3.4:1"], &["--bootnodes", "128 hexadecimal digits"]),
        (&["node", "--bootnodes", "enr:AAAA"], &["--bootnodes", "record"]),
        (&["node", "--dns", "nodes.example.org"], &["--discovery.dns", "address of a node list"]),
        (&["node", "--netrestrict", "10.0.0.0"], &["--netrestrict", "10.0.0.0/8"]),
        (&["node", "--nat", "stun"], &["--nat", "any, none, upnp, pmp"]),
        (&["node", "--nat", "extip"], &["--nat", "extip:203.0.113.7"]),
        (&["node", "--role", "relay,light"], &["light", "choose one"]),
        (&["node", "--role", "boss"], &["--role", "relay, boot, light"]),
        (&["node", "--nodiscover", "--bootnodes", NODE], &["--nodiscover", "--bootnodes"]),
        (&["node", "--discovery.v4=maybe"], &["--discovery.v4", "true, false"]),
        (&["node", "--dialratio", "0"], &["--dialratio"]),
        (&["node", "--trusted", "me"], &["--trusted"]),
        (&["bootnode", "--addr", "30301"], &["--addr", ":30301"]),
        (&["bootnode", "--discovery.v4=false", "--discovery.v5=false"], &["nothing to do"]),
        (&["bootnode", "--genkey", "f", "--nodekeyhex", "00"], &["--genkey"]),
        (&["peers", "add", NODE], &["no TCP port"]),
        (&["peers", "ban", "bob"], &["bob", "public key"]),
        (&["peers", "ban", "1.2.3.4", "--for", "a while"], &["--for"]),
        (
            &["dns", "sign", "nodes", "--key", "k", "--domain", "a", "--link", "b"],
            &["--link", "address of a node list"],
        ),
        (&["contacts", "add"], &["<WHO>"]),
        (&["contacts", "add", "0x04"], &["0x04", "zQ3sh"]),
        (&["contacts", "add", "public:lab"], &["public chat"]),
        (&["contacts", "add", "https://example.org/x"], &["link"]),
        (&["contacts", "pfs", "bob"], &["<POLICY>"]),
        (&["contacts", "pfs", "bob", "maybe"], &["allow-weaker"]),
        (&["contacts", "pfs", "bob", "on", "--default", "on"], &["--default"]),
        (&["contacts", "scan", "x.png", "--name", "Bob"], &["--add"]),
        (&["verify", "bob", "--face-to-face"], &["--code"]),
        (&["verify", "bob", "--code", "1", "--qr", "x.png"], &["--qr"]),
        (&["devices", "enable"], &["<DEVICE>"]),
        (&["account", "new", "--words", "13"], &["12, 15, 18, 21, 24"]),
        (&["account", "show", "--picture", "ring"], &["--svg"]),
        (&["dns", "show", "hello"], &["enr:", "enode://", "enrtree://"]),
        (&["dns", "list", "enrtree://AAAA@a.example"], &["valid key"]),
    ];
    let mut count = 0;
    for (args, words) in cases {
        let mut command = undertone();
        command.args(args);
        if !args.is_empty() {
            command.arg("--datadir").arg(home.data()).arg("--password-file").arg(home.password_file());
        }
        run(&mut command).refused(2, words);
        count += 1;
    }
    assert_eq!(count, 46);
}

#[test]
fn a_missing_account_is_1_and_says_how_to_make_one() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["account", "show"][..],
        &["account", "export"],
        &["send", "public:lab", "x"],
        &["listen"],
        &["contacts"],
    ] {
        let mut command = undertone();
        command.args(args).arg("--datadir").arg(home.path());
        run(&mut command).refused(1, &["no account here", "undertone account new"]);
    }
}

/// What others would show steers no terminal and turns no text around.
#[test]
fn a_name_of_a_device_that_deceives_is_2() {
    let home = Home::new(87);
    for name in ["a\u{1b}[31mb", "a\u{202e}b"] {
        let ended = run(&mut home.undertone(&["devices", "rename", name]));
        assert!(!ended.err.contains(name), "not said back as it is: {}", ended.err);
        ended.refused(2, &["visible characters"]);
    }
}

#[test]
fn passwords() {
    let home = Home::new(11);
    let send = |file: &str| {
        let mut command = undertone();
        command.args(["send", "public:lab", "x", "--wait", "queued", "--datadir"]).arg(home.data());
        command.args(["--password-file", file]);
        command
    };
    std::fs::write(home.dir.path().join("wrong"), "wrong\n").unwrap();
    let wrong = home.dir.path().join("wrong");
    run(&mut send(wrong.to_str().unwrap())).refused(1, &["wrong password for 0x"]);
    run(&mut send("absent")).refused(1, &["password file", "absent"]);

    let bare = || {
        let mut command = undertone();
        command.args(["send", "public:lab", "x", "--wait", "queued", "--datadir"]).arg(home.data());
        command
    };
    run(&mut bare()).refused(2, &["no terminal", "--password-file FILE", "UNDERTONE_PASSWORD_FILE"]);
    run(bare().env("UNDERTONE_PASSWORD_FILE", home.password_file())).expect(0);
    // Never an argument, never a value in the environment: both can be seen by others.
    run(bare().env("UNDERTONE_PASSWORD", "correct horse")).refused(2, &["no terminal"]);
    run(bare().env("UNDERTONE_PASSWORD_FILE", "correct horse")).refused(1, &["password file"]);
    for flag in ["--password", "--pass", "--passphrase", "-p"] {
        run(bare().args([flag, "correct horse"])).refused(2, &["unexpected argument"]);
    }
    for args in [
        &["--help"][..],
        &["account", "new", "--help"],
        &["account", "password", "--help"],
        &["send", "--help"],
    ] {
        let help = run(undertone().args(args)).expect(0).out;
        let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.contains("pass"));
        for flag in flags {
            assert!(flag.ends_with("password-file"), "{flag}");
        }
    }
}

#[test]
fn a_directory_in_use_names_the_process() {
    let home = Home::new(12);
    let listening = Running::start(&mut home.undertone(&["listen", "--json"]));
    listening.says("listening as");
    let pid = listening.pid().as_raw_nonzero().to_string();
    let mut node = undertone();
    node.args(["node", "--port", "0", "--datadir"]).arg(home.data());
    run(&mut node).refused(1, &[&format!("process {pid}"), "--datadir"]);
    let demo = run(undertone().args(["demo", "--once", "--datadir"]).arg(home.data()));
    demo.refused(1, &[&format!("process {pid}")]);
    // Reading what is public needs no ownership.
    run(&mut home.undertone(&["account", "list"])).expect(0);
    listening.kill_tree();
    // A killed owner locks nobody out.
    run(&mut home.undertone(&["send", "public:lab", "x", "--wait", "queued"])).expect(0);
}

#[test]
fn a_damaged_store_is_a_sentence() {
    let home = Home::new(13);
    run(&mut home.undertone(&["send", "public:lab", "x", "--wait", "queued"])).expect(0);
    let accounts = std::fs::read_dir(home.data().join("accounts")).unwrap();
    let account = accounts.map(|entry| entry.unwrap().path()).next().unwrap();
    for name in ["messages.db", "messages.db.salt"] {
        let file = account.join(name);
        let kept = std::fs::read(&file).unwrap();
        std::fs::write(&file, &kept[..kept.len() / 2]).unwrap();
        run(&mut home.undertone(&["listen"])).refused(1, &["damaged"]);
        std::fs::write(&file, kept).unwrap();
    }
    run(&mut home.undertone(&["send", "public:lab", "x", "--wait", "queued"])).expect(0);
}
