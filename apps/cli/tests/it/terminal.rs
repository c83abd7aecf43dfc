//! What only a terminal sees: the words asked back, a line of progress, colours.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, sync_channel};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::{Home, LONG, run, undertone};

/// A program on a terminal.
struct Terminal {
    child: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(command: Command) -> Self {
        Self::sized(command, 0)
    }

    /// None says how wide it is.
    fn sized(mut command: Command, columns: u16) -> Self {
        let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&host).unwrap();
        unlockpt(&host).unwrap();
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&host, size).unwrap();
        let name = ptsname(&host, Vec::new()).unwrap();
        let open =
            || -> OwnedFd { rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap() };
        command.env("TERM", "xterm-256color").stdin(open()).stdout(open()).stderr(open());
        let child = command.spawn().unwrap();
        // The command holds the other end; without it the reading below ends when the program does.
        drop(command);
        let keys = File::from(host);
        let mut screen = keys.try_clone().unwrap();
        let (send, shown) = sync_channel(10_000);
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                let _ = send.try_send(buffer[..n].to_vec());
            }
        });
        Self { child, keys, shown, seen: String::new() }
    }

    /// Everything up to the first of these words and it, which is not seen again.
    fn until(&mut self, word: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(word) {
                let rest = self.seen.split_off(at + word.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let more = self.shown.recv_timeout(LONG);
            let more = more.unwrap_or_else(|_| panic!("no {word:?} in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    fn type_line(&mut self, text: &str) {
        self.keys.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// What was shown until the end, and the status.
    fn end(mut self) -> (String, Option<i32>) {
        while let Ok(more) = self.shown.recv_timeout(LONG) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        (self.seen, self.child.wait().unwrap().code())
    }
}

fn new_account(dir: &Path, password: &Path) -> Terminal {
    let mut command = undertone();
    command.args(["account", "new", "--datadir"]).arg(dir).arg("--password-file").arg(password);
    Terminal::start(command)
}

/// The words as they are shown: `1. word`.
fn words(shown: &str) -> Vec<String> {
    let plain = anstream::adapter::strip_str(shown).to_string();
    let all: Vec<&str> = plain.split_whitespace().collect();
    let place = |n: usize| all.iter().position(|word| *word == format!("{n}.")).unwrap() + 1;
    (1..=12).map(|n| all[place(n)].to_owned()).collect()
}

#[test]
fn the_words_are_asked_back_before_there_is_an_account() {
    let home = Home::new(97);
    let dir = home.dir.path().join("fresh");
    let mut terminal = new_account(&dir, &home.password_file());
    let words = words(&terminal.until("on paper?"));
    terminal.type_line("");
    // The six lines that hold them and the question, and all that stands below.
    assert!(terminal.until("Word number ").contains("\u{1b}[5F\u{1b}[J"));
    let mut asked = Vec::new();
    for round in 0..3 {
        if round > 0 {
            terminal.until("Word number ");
        }
        let place: usize = terminal.until("? ").trim_end_matches("? ").parse().unwrap();
        if round == 0 {
            terminal.type_line("wrong");
            terminal.until("look again");
            terminal.until("Word number ");
            terminal.until("? ");
        }
        asked.push(place);
        terminal.type_line(&words[place - 1]);
    }
    assert!(asked.is_sorted() && asked.windows(2).all(|two| two[0] != two[1]), "{asked:?}");
    let (rest, code) = terminal.end();
    assert_eq!(code, Some(0), "{rest}");
    // The line of progress was there, and has gone again.
    assert!(rest.contains("encrypting the key file … 0.") && rest.contains("\u{1b}[2K"), "{rest:?}");
    assert!(rest.contains("zQ3sh"), "{rest}");

    // Whoever does not know them has no account.
    let other = home.dir.path().join("other");
    let mut terminal = new_account(&other, &home.password_file());
    terminal.until("on paper?");
    terminal.type_line("");
    for _ in 0..3 {
        terminal.until("? ");
        terminal.type_line("wrong");
    }
    let (rest, code) = terminal.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(rest.contains("no account was made"), "{rest}");
    assert!(!other.join("keystore").exists());
}

/// On a terminal the words end with an empty line, and may stand on several.
#[test]
fn words_are_typed_in() {
    let home = Home::new(99);
    let mut command = undertone();
    command.args(["account", "import", "--datadir"]).arg(home.dir.path().join("words"));
    command.arg("--password-file").arg(home.password_file());
    let mut terminal = Terminal::start(command);
    terminal.until("an empty line after them");
    terminal.type_line("legal winner thank year wave sausage");
    terminal.type_line("worth useful legal winner thank yellow");
    terminal.type_line("");
    let (rest, code) = terminal.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("12 English words") && rest.contains("zQ3sh"), "{rest}");
}

/// Sixty columns: a table stands on its side, and a smaller code is drawn.
#[test]
fn what_is_too_wide_for_the_terminal_is_drawn_otherwise() {
    let home = Home::new(100);
    let shown = |columns: u16, args: &[&str]| {
        let (shown, code) = Terminal::sized(home.undertone(args), columns).end();
        assert_eq!(code, Some(0));
        anstream::adapter::strip_str(&shown).to_string()
    };
    let widest = |text: &str| {
        let code = text.lines().filter(|line| line.contains(['▀', '▄', '█']));
        code.map(|line| line.trim_end_matches('\r').chars().count()).max().unwrap()
    };
    let [wide, narrow] = [100, 60].map(|columns| widest(&shown(columns, &["account", "show"])));
    assert!((61..=100).contains(&wide) && narrow <= 60, "{wide} {narrow}");
    assert!(shown(40, &["account", "show"]).contains("too narrow for the QR code"));
    assert!(shown(140, &["account", "list"]).contains("ADDRESS"));
    let stacked = shown(60, &["account", "list"]);
    assert_eq!(stacked.lines().filter(|line| line.starts_with("ADDRESS   0x")).count(), 1, "{stacked}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let home = Home::new(98);
    let show = |name: &str, value: &str| {
        let mut command = home.undertone(&["account", "show"]);
        command.env(name, value);
        let (shown, code) = Terminal::start(command).end();
        assert_eq!(code, Some(0));
        shown
    };
    assert!(show("COLORTERM", "truecolor").contains("\u{1b}[38;2;"));
    assert!(!show("NO_COLOR", "1").contains('\u{1b}'));
    assert!(!run(&mut home.undertone(&["account", "show"])).expect(0).out.contains('\u{1b}'));
}
