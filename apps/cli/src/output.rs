//! What a person sees: colours where they are wanted, JSON lines where a script asks for them.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use tokio::sync::Notify;
use undertone_node::ClockNotice;

use crate::Usage;
use crate::args::Global;

/// Quiet text: labels, explanations.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What is important on a line.
pub(crate) const BOLD: Style = Style::new().bold();
/// Good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Names of people.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default().bold();

/// How often a line of progress moves.
const FRAME: Duration = Duration::from_millis(100);

/// How to talk to whoever is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// JSON lines on stdout.
    pub(crate) json: bool,
    /// Only errors on stderr.
    quiet: bool,
}

/// What a script is told of the clock.
pub(crate) fn clock(notice: &ClockNotice) -> serde_json::Value {
    serde_json::json!({
        "event": "clock", "wrong": notice.is_wrong(), "behindMs": notice.offset_ms,
        "atLeast": notice.at_least, "sources": notice.sources, "text": notice.to_string(),
    })
}

impl Ui {
    pub(crate) const fn new(global: &Global) -> Self {
        Self { json: global.json, quiet: global.quiet }
    }

    /// A line of data. `anstream` drops the colours where they are not wanted (no terminal, `NO_COLOR`).
    pub(crate) fn line(self, text: &str) {
        written(writeln!(anstream::stdout().lock(), "{text}"));
    }

    /// Something to know that is not data.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            anstream::eprintln!("{text}");
        }
    }

    /// Does something that takes a while, with a line on a terminal that says so and is gone afterwards.
    pub(crate) fn busy<T>(self, what: &str, work: impl FnOnce() -> T) -> T {
        if self.quiet || !io::stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|t| t == "dumb")
        {
            return work();
        }
        let (done, over) = mpsc::channel::<()>();
        let what = what.to_owned();
        let line = std::thread::spawn(move || {
            let begun = Instant::now();
            for mark in ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'].into_iter().cycle()
            {
                let secs = begun.elapsed().as_secs_f32();
                let _ = write!(io::stderr(), "\r{mark} {what} … {secs:.1} s");
                if over.recv_timeout(FRAME) != Err(mpsc::RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // Back to the beginning of the line, and nothing on it.
            let _ = write!(io::stderr(), "\r\x1b[2K");
        });
        let outcome = work();
        drop(done);
        let _ = line.join();
        outcome
    }

    /// One JSON object on a line.
    pub(crate) fn object(self, value: &serde_json::Value) {
        written(writeln!(io::stdout().lock(), "{value}"));
    }

    /// Says what went wrong and gives the exit status: 2 for wrong usage, else 1.
    pub(crate) fn fail(self, error: &anyhow::Error) -> ExitCode {
        let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        let text = chain.join(": ");
        let (bad, reset) = (BAD.render(), BAD.render_reset());
        anstream::eprintln!("{bad}error:{reset} {text}");
        if error.downcast_ref::<Usage>().is_some() { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

/// Told once when stdout takes nothing more, as in `undertone listen | head -1`.
static READER_GONE: Notify = Notify::const_new();

/// Completes when nobody reads stdout any more. That is no failure: whoever read has enough.
pub(crate) async fn reader_gone() {
    READER_GONE.notified().await;
}

fn written(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        if error.kind() != io::ErrorKind::BrokenPipe {
            tracing::error!(%error, "cannot write to stdout");
        }
        READER_GONE.notify_one();
    }
}

/// Whether a person sits at both ends.
pub(crate) fn interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Text in a style.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `1 peer`, `2 peers`.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A time as people say it: its largest unit, and the next when it is small.
pub(crate) fn span(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s"),
        60..600 => format!("{} m {:02} s", secs / 60, secs % 60),
        600..3_600 => format!("{} m", secs / 60),
        3_600..86_400 => format!("{} h {:02} m", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {:02} h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// The day of a time in milliseconds since 1970, as `2020-09-13`.
pub(crate) fn day(millis: u64) -> String {
    let address = undertone_account::Address::from_bytes([0; 20]);
    let name = undertone_account::keystore::file_name(&address, undertone_base::Unix::from_millis(millis));
    name.get(5..15).unwrap_or_default().to_owned()
}

/// Columns under a heading, as wide as what they hold.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(|text| paint(DIM, text))] }
    }

    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// A script gets a line for each row, and so does a terminal that is wide enough.
    pub(crate) fn print(&self, ui: &Ui) {
        self.lines(columns()).iter().for_each(|line| ui.line(line));
    }

    fn lines(&self, columns: usize) -> Vec<String> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = visible(cell).max(*width);
            }
        }
        if widths.iter().sum::<usize>() + GAP * N.saturating_sub(1) > columns {
            return self.stacked();
        }
        let line = |row: &[String; N]| {
            let cells = widths.iter().zip(row);
            let padded = cells.map(|(width, cell)| cell.clone() + &" ".repeat(width - visible(cell) + GAP));
            padded.collect::<String>().trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    /// A block for each row: what would be a column is a line.
    fn stacked(&self) -> Vec<String> {
        let Some((heading, rows)) = self.rows.split_first() else { return Vec::new() };
        let widest = heading.iter().map(|head| visible(head)).max().unwrap_or_default();
        let mut lines = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            if n > 0 {
                lines.push(String::new());
            }
            let labelled = heading.iter().zip(row).map(|(head, cell)| {
                format!("{head}{}{cell}", " ".repeat(widest - visible(head) + GAP)).trim_end().to_owned()
            });
            lines.extend(labelled);
        }
        lines
    }
}

/// Blanks between two columns.
const GAP: usize = 2;

/// How wide the terminal is, if stdout is one; as wide as you like otherwise.
pub(crate) fn columns() -> usize {
    let size =
        if io::stdout().is_terminal() { rustix::termios::tcgetwinsize(io::stdout()).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(usize::MAX)
}

/// Characters of a text beside the escapes that colour it.
pub(crate) fn visible(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().chars().count()
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A text of somebody else for a terminal: no control characters, nothing that turns the direction.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if hidden(c) && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{DIM, Table, day, paint, printable, quoted, span, visible};

    #[test]
    fn times_are_short_and_colours_have_no_width() {
        let said = [0, 59, 61, 601, 3_661, 90_000].map(span);
        assert_eq!(said, ["0 s", "59 s", "1 m 01 s", "10 m", "1 h 01 m", "1 d 01 h"]);
        assert_eq!(visible(&paint(DIM, "grüße")), 5);
        assert_eq!(day(1_600_000_000_123), "2020-09-13");
        assert_eq!(["Bob", "it's Bob"].map(quoted), ["Bob", "'it'\\''s Bob'"]);
    }

    #[test]
    fn a_table_that_is_too_wide_stands_on_its_side() {
        let mut table = Table::new(["NAME", "CHAT KEY"]);
        table.row(["Bob".to_owned(), "zQ3sh".to_owned()]);
        table.row([paint(DIM, "–"), "zQ3si".to_owned()]);
        let lines = |columns| {
            let lines: Vec<String> = table.lines(columns);
            lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(lines(14), ["NAME  CHAT KEY", "Bob   zQ3sh", "–     zQ3si"]);
        assert_eq!(lines(13), ["NAME      Bob", "CHAT KEY  zQ3sh", "", "NAME      –", "CHAT KEY  zQ3si"]);
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(printable("grüße, 你好 🙂"), "grüße, 你好 🙂");
    }
}
