//! QR codes of keys and links, as SVG and for a terminal (`identity.md` 7).
//!
//! The content is a profile link or the bare `0x04…` key; no bundle is inside, whatever older texts say.
//!
//! Left out: reading a code from an image. It wants image decoders, and the one reader in Rust without C code
//! ends the program on some ordinary photographs (`rqrr`, an assertion of its geometry). That belongs in a process
//! or thread that may die, outside the core; what it reads goes through [`crate::link::Link::parse`].

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};
use undertone_base::FaultClass;

use crate::ink::{Ink, Rgb, background, foreground, half_blocks};
use crate::limits;

/// Why no code was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QrError {
    /// No text.
    #[error("empty text")]
    Empty,
    /// The encoder has no code for it.
    #[error("no code holds this text")]
    Encoding,
    /// More text than a phone reads from a screen.
    #[error("text is longer than {} bytes", limits::QR_TEXT_BYTES)]
    TooLong,
}

impl QrError {
    /// The text is the caller's.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "qr.empty",
            Self::Encoding => "qr.encoding",
            Self::TooLong => "qr.too_long",
        }
    }
}

/// A standalone SVG document: black on white, one unit a module, with the quiet zone that readers need.
///
/// ```
/// let svg = undertone_account::qr::svg("https://join.status.im/status")?;
/// assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
/// # Ok::<(), undertone_account::qr::QrError>(())
/// ```
///
/// # Errors
/// Any [`QrError`].
pub fn svg(text: &str) -> Result<String, QrError> {
    let modules = Modules::of(text)?;
    let side = modules.side();
    let mut path = String::new();
    for row in 0..side {
        for column in (0..side).filter(|column| modules.dark(row, *column)) {
            let _infallible = write!(path, "M{column} {row}h1v1h-1z");
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#ffffff\" d=\"M0 0h{side}v{side}h-{side}z\"/>\
         <path fill=\"#000000\" d=\"{path}\"/></svg>"
    ))
}

/// Lines of half blocks, each ended by a line feed; quiet zone included.
///
/// In colour: black on white, whatever the terminal's own colours are. Plain: the *light* modules are drawn, which
/// is right on a dark ground; on a light one the code is inverted, and not every reader takes that.
///
/// ```
/// use undertone_account::{Ink, qr};
/// let drawn = qr::terminal("https://join.status.im/status", Ink::Plain)?;
/// // 29 modules and twice the quiet zone of 4; two rows to a line.
/// assert_eq!((drawn.lines().count(), drawn.lines().next().map(|line| line.chars().count())), (19, Some(37)));
/// # Ok::<(), undertone_account::qr::QrError>(())
/// ```
///
/// # Errors
/// Any [`QrError`].
pub fn terminal(text: &str, ink: Ink) -> Result<String, QrError> {
    let modules = Modules::of(text)?;
    Ok(match ink {
        Ink::Plain => half_blocks(modules.side(), "", |row, column| !modules.dark(row, column)),
        Ink::TrueColour => {
            let sgr = foreground(Rgb::new(0, 0, 0)) + &background(Rgb::new(255, 255, 255));
            half_blocks(modules.side(), &sgr, |row, column| modules.dark(row, column))
        }
    })
}

/// The modules of a code, row by row, without the quiet zone.
struct Modules {
    width: usize,
    colours: Vec<Color>,
}

impl Modules {
    fn of(text: &str) -> Result<Self, QrError> {
        match text.len() {
            0 => return Err(QrError::Empty),
            1..=limits::QR_TEXT_BYTES => {}
            _ => return Err(QrError::TooLong),
        }
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| QrError::Encoding)?;
        Ok(Self { width: code.width(), colours: code.into_colors() })
    }

    const fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    /// Whether a module is dark; coordinates begin with the quiet zone, which is light.
    fn dark(&self, row: usize, column: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        inside(row)
            .zip(inside(column))
            .and_then(|(row, column)| self.colours.get(row * self.width + column))
            .is_some_and(|colour| *colour == Color::Dark)
    }
}

/// Light modules on each side. ISO/IEC 18004: four.
const QUIET: usize = 4;
