//! What the pictures share: a colour, and cells drawn with the half blocks of a terminal.

use std::fmt;

/// A colour of 24 bits; `Display` is `#rrggbb`.
///
/// ```
/// use undertone_account::Rgb;
/// assert_eq!(Rgb::new(0x72, 0x6f, 0x6f).to_string(), "#726f6f");
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Rgb {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Rgb {
    /// From its three parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl fmt::Debug for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rgb({self})")
    }
}

/// What a terminal can show. The caller knows (`NO_COLOR`, a pipe); this crate asks nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ink {
    /// No escape sequences at all.
    Plain,
    /// Colours of 24 bits by SGR sequences; every line ends with a reset.
    TrueColour,
}

/// SGR sequence: text in `colour`.
pub(crate) fn foreground(colour: Rgb) -> String {
    format!("\x1b[38;2;{};{};{}m", colour.red, colour.green, colour.blue)
}

/// SGR sequence: `colour` behind the text.
pub(crate) fn background(colour: Rgb) -> String {
    format!("\x1b[48;2;{};{};{}m", colour.red, colour.green, colour.blue)
}

/// SGR sequence: back to what the terminal had.
pub(crate) const RESET: &str = "\x1b[0m";

/// `size` × `size` cells, two rows of them in each line of text, each line ended by a line feed. `sgr` is written
/// before a line and undone after it; empty for none.
pub(crate) fn half_blocks(size: usize, sgr: &str, on: impl Fn(usize, usize) -> bool) -> String {
    let reset = if sgr.is_empty() { "" } else { RESET };
    let mut out = String::new();
    for row in (0..size).step_by(2) {
        out.push_str(sgr);
        for column in 0..size {
            out.push(match (on(row, column), row + 1 < size && on(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        out.push_str(reset);
        out.push('\n');
    }
    out
}
