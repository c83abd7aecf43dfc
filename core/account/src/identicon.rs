//! The picture of a key as clients before 2021 drew it (`identity.md` 5).

use std::array::from_fn;
use std::fmt::Write;

use md5::{Digest, Md5};
use undertone_crypto::PublicKey;

use crate::ink::{Ink, Rgb, foreground, half_blocks};

/// Five rows of five cells, mirrored left to right, in one colour on nothing.
///
/// **Not a fingerprint.** Fifteen cells and one of 766 colours: a key with a given picture is found in seconds.
///
/// ```
/// use undertone_account::{Identicon, Ink};
/// use undertone_crypto::PublicKey;
/// let key = PublicKey::from_hex(
///     "0x04eedbaafd6adf4a9233a13e7b1c3c14461fffeba2e9054b8d456ce5f6ebeafadc\
///      bf3dce3716253fbc391277fa5a086b60b283daf61fb5b1f26895f456c2f31ae3",
/// )?;
/// let picture = Identicon::of(&key);
/// assert_eq!(picture.colour().to_string(), "#8cd9a3");
/// assert_eq!(picture.to_terminal(Ink::Plain), "██▀██\n ▀ ▀ \n  ▀  \n");
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identicon {
    cells: [[bool; CELLS]; CELLS],
    colour: Rgb,
}

impl Identicon {
    /// Width and height of [`Identicon::pixels`] and of the SVG's box, pixels.
    pub const SIDE: usize = 50;

    /// The picture of a key: MD5 over the *text* of the user id, as the original has it.
    pub fn of(key: &PublicKey) -> Self {
        Self::of_digest(Md5::digest(key.to_hex().as_bytes()).into())
    }

    fn of_digest(digest: [u8; 16]) -> Self {
        let even = |at: usize| digest.get(at).is_some_and(|byte| byte % 2 == 0);
        let cells = from_fn(|row| from_fn(|column| even(3 * row + column.min(CELLS - 1 - column))));
        let [.., a, b, c] = digest;
        Self { cells, colour: colour_of(u16::from(a) + u16::from(b) + u16::from(c)) }
    }

    /// Which cells are on, by row from the top and column from the left.
    pub const fn cells(&self) -> &[[bool; 5]; 5] {
        &self.cells
    }

    /// The colour of the cells that are on.
    pub const fn colour(&self) -> Rgb {
        self.colour
    }

    /// 50 × 50 pixels, row by row, four bytes each: red, green, blue, alpha (255 or, outside the cells, all four
    /// bytes zero).
    pub fn pixels(&self) -> Vec<u8> {
        let Rgb { red, green, blue } = self.colour;
        let mut out = Vec::with_capacity(Self::SIDE * Self::SIDE * 4);
        for y in 0..Self::SIDE {
            for x in 0..Self::SIDE {
                let on = cell_at(y).zip(cell_at(x)).is_some_and(|(row, column)| self.on(row, column));
                out.extend(if on { [red, green, blue, u8::MAX] } else { [0; 4] });
            }
        }
        out
    }

    /// A standalone SVG document of the same geometry.
    pub fn to_svg(&self) -> String {
        let mut path = String::new();
        for row in 0..CELLS {
            for column in (0..CELLS).filter(|column| self.on(row, *column)) {
                let (x, y) = (MARGIN + CELL * column, MARGIN + CELL * row);
                let _infallible = write!(path, "M{x} {y}h{CELL}v{CELL}h-{CELL}z");
            }
        }
        let side = Self::SIDE;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}\" height=\"{side}\" \
             viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"{}\" d=\"{path}\"/></svg>",
            self.colour
        )
    }

    /// Three lines of five characters, each ended by a line feed.
    pub fn to_terminal(&self, ink: Ink) -> String {
        let sgr = match ink {
            Ink::Plain => String::new(),
            Ink::TrueColour => foreground(self.colour),
        };
        half_blocks(CELLS, &sgr, |row, column| self.on(row, column))
    }

    fn on(&self, row: usize, column: usize) -> bool {
        self.cells.get(row).and_then(|cells| cells.get(column)).is_some_and(|on| *on)
    }
}

/// The row or column of cells that a pixel's coordinate lies in.
fn cell_at(pixel: usize) -> Option<usize> {
    pixel.checked_sub(MARGIN).map(|inside| inside / CELL).filter(|cell| *cell < CELLS)
}

/// Hue from the sum of three bytes (0 to 765); saturation 0.5, lightness 0.7. The order of operations is that of
/// the original: the last bit of each part depends on it.
fn colour_of(hue_sum: u16) -> Rgb {
    let hue = f64::from(hue_sum) / 765.0 * 360.0 / 360.0;
    let high = LIGHTNESS + SATURATION - LIGHTNESS * SATURATION;
    let low = 2.0 * LIGHTNESS - high;
    let part = |shift: f64| eight_bits(channel(wrapped(hue + shift), low, high));
    Rgb::new(part(1.0 / 3.0), part(0.0), part(-1.0 / 3.0))
}

fn wrapped(turn: f64) -> f64 {
    if turn < 0.0 {
        turn + 1.0
    } else if turn > 1.0 {
        turn - 1.0
    } else {
        turn
    }
}

fn channel(turn: f64, low: f64, high: f64) -> f64 {
    if 6.0 * turn < 1.0 {
        low + (high - low) * 6.0 * turn
    } else if 2.0 * turn < 1.0 {
        high
    } else if 3.0 * turn < 2.0 {
        low + (high - low) * (2.0 / 3.0 - turn) * 6.0
    } else {
        low
    }
}

/// Sixteen bits, rounded, of which the upper eight are kept.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a value of 0..=1 gives 0..=65535"
)]
fn eight_bits(value: f64) -> u8 {
    ((value * 65_535.0 + 0.5) as u32 >> 8) as u8
}

/// Rows and columns.
const CELLS: usize = 5;
/// Side of a cell, pixels.
const CELL: usize = 6;
/// Empty pixels on each side.
const MARGIN: usize = 10;
const SATURATION: f64 = 0.5;
const LIGHTNESS: f64 = 0.7;
