//! The colours of a key: the ring around a picture and the colour behind it (`identity.md` 8).

use std::fmt::Write;

use undertone_crypto::PublicKey;

use crate::ink::{Ink, RESET, Rgb, foreground};

/// One arc of a [`ColourRing`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Its share of the ring, 1 to 5, relative to the others.
    pub length: u8,
    /// Its place in the palette, 0 to 31.
    pub index: u8,
}

impl Segment {
    /// The colour of its place.
    pub fn colour(&self) -> Rgb {
        PALETTE.get(usize::from(self.index)).copied().unwrap_or(Rgb::new(0, 0, 0))
    }
}

/// 80 bits of a key as up to eleven coloured arcs (the "colour hash").
///
/// No two neighbours have the same colour; the step that ensures it loses a little of the 80 bits. A key and its
/// negation share the ring.
///
/// ```
/// use undertone_account::{ColourRing, Ink};
/// use undertone_crypto::PublicKey;
/// let key = PublicKey::from_hex(
///     "0x04eedbaafd6adf4a9233a13e7b1c3c14461fffeba2e9054b8d456ce5f6ebeafadc\
///      bf3dce3716253fbc391277fa5a086b60b283daf61fb5b1f26895f456c2f31ae3",
/// )?;
/// let ring = ColourRing::of(&key);
/// assert_eq!((ring.segments()[0].length, ring.segments()[0].index), (2, 29));
/// assert_eq!(ring.to_terminal(Ink::Plain), "ttuuuuunnkkkjhhh222dnnnaaaaffff");
/// assert!(ring.to_svg().starts_with("<svg"));
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColourRing(Vec<Segment>);

impl ColourRing {
    /// Width and height of the SVG's box. Our choice: an even number that scales well.
    pub const SIDE: u8 = 100;
    /// Width of the ring in the same unit. Our choice: as thin as clients draw it.
    pub const LINE: u8 = 8;

    /// The ring of a key.
    pub fn of(key: &PublicKey) -> Self {
        Self::of_bits(ring_bits(key))
    }

    /// Digits of base 160, most significant first, not padded: zero is one digit.
    fn of_bits(mut bits: u128) -> Self {
        let mut segments = Vec::new();
        loop {
            let digit = u8::try_from(bits % BASE).unwrap_or_default();
            segments.push(Segment { length: digit / COLOURS + 1, index: digit % COLOURS });
            bits /= BASE;
            if bits == 0 {
                break;
            }
        }
        segments.reverse();
        let mut before = None;
        for segment in &mut segments {
            if before == Some(segment.index) {
                segment.index = (segment.index + 1) % COLOURS;
            }
            before = Some(segment.index);
        }
        Self(segments)
    }

    /// The arcs in drawing order: one to eleven.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// A standalone SVG document: the arcs drawn clockwise from 3 o'clock, nothing inside.
    pub fn to_svg(&self) -> String {
        let (side, line) = (Self::SIDE, Self::LINE);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}\" height=\"{side}\" \
             viewBox=\"0 0 {side} {side}\" fill=\"none\" stroke-width=\"{line}\">"
        );
        match self.0.as_slice() {
            // An arc that ends where it begins is no arc.
            [only] => {
                let (middle, radius) = (f64::from(side) / 2.0, radius());
                let _infallible = write!(
                    out,
                    "<circle cx=\"{middle}\" cy=\"{middle}\" r=\"{radius}\" stroke=\"{}\"/>",
                    only.colour()
                );
            }
            arcs => self.arcs(arcs, &mut out),
        }
        out.push_str("</svg>");
        out
    }

    fn arcs(&self, arcs: &[Segment], out: &mut String) {
        let (total, radius) = (self.total(), radius());
        let mut start = 0;
        for arc in arcs {
            let end = start + u32::from(arc.length);
            let ((x1, y1), (x2, y2)) = (point(start, total), point(end, total));
            let large = u8::from(2 * u32::from(arc.length) > total);
            let _infallible = write!(
                out,
                "<path d=\"M{x1:.3} {y1:.3}A{radius} {radius} 0 {large} 1 {x2:.3} {y2:.3}\" stroke=\"{}\"/>",
                arc.colour()
            );
            start = end;
        }
    }

    /// One line without a line feed. In colour, as many blocks as each arc is long; plain, as often the arc's
    /// colour as a digit of base 32 (0 to 9, a to v).
    pub fn to_terminal(&self, ink: Ink) -> String {
        let mut out = String::new();
        for segment in &self.0 {
            let times = usize::from(segment.length);
            match ink {
                Ink::Plain => {
                    let digit = char::from_digit(u32::from(segment.index), u32::from(COLOURS)).unwrap_or('?');
                    out.extend(std::iter::repeat_n(digit, times));
                }
                Ink::TrueColour => {
                    out.push_str(&foreground(segment.colour()));
                    out.extend(std::iter::repeat_n('█', times));
                }
            }
        }
        if ink == Ink::TrueColour {
            out.push_str(RESET);
        }
        out
    }

    fn total(&self) -> u32 {
        self.0.iter().map(|segment| u32::from(segment.length)).sum()
    }
}

/// The colour behind a key's initials, 0 to 10: the uncompressed key as a number modulo 11. The palette has twelve
/// entries; the last is never reached, as in the original.
///
/// ```
/// use undertone_account::colour_id;
/// let key = undertone_crypto::SecretKey::random(&mut rand::rng()).public();
/// assert!(colour_id(&key) < 11);
/// ```
pub fn colour_id(key: &PublicKey) -> u8 {
    let rest = key.to_uncompressed().iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % COLOUR_IDS);
    u8::try_from(rest).unwrap_or_default()
}

/// Bits 172 to 251, from the top, of the 264 of the compressed key.
fn ring_bits(key: &PublicKey) -> u128 {
    let bytes = key.to_compressed();
    let low = bytes.last_chunk().copied().map(u128::from_be_bytes).unwrap_or_default();
    low >> 12 & ((1 << 80) - 1)
}

fn radius() -> f64 {
    f64::from(ColourRing::SIDE - ColourRing::LINE) / 2.0
}

/// Where the ring is after `done` of `total` parts, clockwise from 3 o'clock.
fn point(done: u32, total: u32) -> (f64, f64) {
    let angle = std::f64::consts::TAU * f64::from(done) / f64::from(total);
    let middle = f64::from(ColourRing::SIDE) / 2.0;
    (middle + radius() * angle.cos(), middle + radius() * angle.sin())
}

/// Lengths times colours.
const BASE: u128 = 160;
const COLOURS: u8 = 32;
const COLOUR_IDS: u32 = 11;

/// `identity.md` 8; the same on light and dark grounds.
const PALETTE: [Rgb; 32] = [
    Rgb::new(0x00, 0x00, 0x00),
    Rgb::new(0x72, 0x6f, 0x6f),
    Rgb::new(0xc4, 0xc4, 0xc4),
    Rgb::new(0xe7, 0xe7, 0xe7),
    Rgb::new(0xff, 0xff, 0xff),
    Rgb::new(0x00, 0xff, 0x00),
    Rgb::new(0x00, 0x98, 0x00),
    Rgb::new(0xb8, 0xff, 0xbb),
    Rgb::new(0xff, 0xc4, 0x13),
    Rgb::new(0x9f, 0x59, 0x47),
    Rgb::new(0xff, 0xff, 0x00),
    Rgb::new(0xa8, 0xac, 0x00),
    Rgb::new(0xff, 0xff, 0xb0),
    Rgb::new(0xff, 0x57, 0x33),
    Rgb::new(0xff, 0x00, 0x00),
    Rgb::new(0x9a, 0x00, 0x00),
    Rgb::new(0xff, 0x9d, 0x9d),
    Rgb::new(0xff, 0x00, 0x99),
    Rgb::new(0xc8, 0x00, 0x78),
    Rgb::new(0xff, 0x00, 0xff),
    Rgb::new(0x90, 0x00, 0x90),
    Rgb::new(0xff, 0xb0, 0xff),
    Rgb::new(0x9e, 0x00, 0xff),
    Rgb::new(0x00, 0x00, 0xff),
    Rgb::new(0x00, 0x00, 0x86),
    Rgb::new(0x9b, 0x81, 0xff),
    Rgb::new(0x3f, 0xae, 0xf9),
    Rgb::new(0x9a, 0x66, 0x00),
    Rgb::new(0x00, 0xff, 0xff),
    Rgb::new(0x00, 0x86, 0x94),
    Rgb::new(0xc2, 0xff, 0xff),
    Rgb::new(0x00, 0xf0, 0xb6),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bits: u128) -> Vec<(u8, u8)> {
        ColourRing::of_bits(bits).0.iter().map(|segment| (segment.length, segment.index)).collect()
    }

    #[test]
    fn zero_is_one_arc_and_a_full_circle() {
        assert_eq!(pairs(0), [(1, 0)]);
        assert!(ColourRing::of_bits(0).to_svg().contains("<circle"));
        assert_eq!(ColourRing::of_bits((1 << 80) - 1).0.len(), 11);
    }

    #[test]
    fn a_neighbour_of_the_same_colour_takes_the_next_one() {
        // 31 again is 0; the third compares with the changed one before it.
        assert_eq!(pairs((31 * 160 + 63) * 160 + 31), [(1, 31), (2, 0), (1, 31)]);
        assert_eq!(pairs((5 * 160 + 5) * 160 + 6), [(1, 5), (1, 6), (1, 7)]);
    }

    #[test]
    fn arcs_meet_and_close() {
        let ring = ColourRing::of_bits(160 + 130);
        let svg = ring.to_svg();
        assert_eq!(svg.matches("<path").count(), 2);
        assert_eq!(svg.matches("A46 46 0 0 1").count(), 1);
        assert_eq!(svg.matches("A46 46 0 1 1").count(), 1);
        assert_eq!(svg.matches("96.000 50.000").count(), 2, "from 3 o'clock and back to it");
    }
}
