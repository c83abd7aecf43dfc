//! QR codes in pictures.
//!
//! A picture is somebody else's word: its size is bounded, it is read in a thread that may die (the reader ends in a
//! panic on some photographs) and is given up after a time, and what it holds is only returned as text.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Largest file in bytes.
const MAX_FILE: u64 = 32 << 20;
/// Most pixels: a photograph of the largest phones.
const MAX_PIXELS: usize = 64_000_000;
/// Longer side of what is looked at first, in pixels; codes are found faster and better in smaller pictures.
const SIDES: [usize; 3] = [1_000, 2_000, 4_000];
/// How long a picture is looked at.
const PATIENCE: Duration = Duration::from_secs(30);
/// Name of the thread, whose panics are nobody's business.
const THREAD: &str = "qr";

/// The text of the one code in a picture.
pub(crate) fn read(path: &Path) -> Result<String> {
    let about = || format!("read {}", path.display());
    let file = File::open(path).with_context(about)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).with_context(about)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    ensure!(length <= MAX_FILE, "{} is larger than {} MiB", path.display(), MAX_FILE >> 20);
    let found = apart(move || picture(&bytes).map(|picture| codes(&picture)));
    let mut texts = found.with_context(about)??;
    texts.sort();
    texts.dedup();
    match texts.len() {
        0 => bail!("no QR code that can be read is in {}: take a sharper or closer picture", path.display()),
        1 => Ok(texts.remove(0)),
        n => bail!("{} holds {n} different QR codes: cut the picture to one", path.display()),
    }
}

/// Runs in a thread of its own.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(THREAD) {
            usual(panic);
        }
    }));
    let (send, receive) = sync_channel(1);
    let thread = std::thread::Builder::new().name(THREAD.to_owned());
    // Whoever waited may have given up.
    thread.spawn(move || drop(send.send(work()))).context("start a thread")?;
    match receive.recv_timeout(PATIENCE) {
        Ok(done) => Ok(done),
        Err(RecvTimeoutError::Timeout) => bail!("no code found within {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => bail!("this picture cannot be read: take another"),
    }
}

/// A picture in shades of grey, row by row.
#[derive(Debug)]
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

impl Picture {
    /// From samples of 8 bits; an alpha channel lets white through.
    fn new(width: usize, height: usize, channels: usize, samples: &[u8]) -> Result<Self> {
        ensure!(
            channels > 0
                && width.checked_mul(height).and_then(|n| n.checked_mul(channels)) == Some(samples.len()),
            "the picture is damaged"
        );
        let light = |pixel: &[u8]| -> u8 {
            let (grey, alpha) = match *pixel {
                [grey] => (u32::from(grey), 255),
                [grey, alpha] => (u32::from(grey), u32::from(alpha)),
                [r, g, b, ref rest @ ..] => {
                    let grey = (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1_000;
                    (grey, rest.first().map_or(255, |alpha| u32::from(*alpha)))
                }
                [] => (255, 255),
            };
            u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        Ok(Self { width, height, grey: samples.chunks_exact(channels).map(light).collect() })
    }

    fn at(&self, x: usize, y: usize) -> u8 {
        self.grey.get(y * self.width + x).copied().unwrap_or(u8::MAX)
    }

    /// Each pixel of the smaller picture is the mean of a square of this one.
    fn shrunk(&self, by: usize) -> Self {
        let (width, height) = (self.width / by, self.height / by);
        let mut grey = Vec::with_capacity(width * height);
        let area = u32::try_from(by * by).unwrap_or(u32::MAX);
        for y in 0..height {
            for x in 0..width {
                let square = (0..by * by).map(|at| u32::from(self.at(x * by + at % by, y * by + at / by)));
                grey.push(u8::try_from(square.sum::<u32>() / area).unwrap_or(u8::MAX));
            }
        }
        Self { width, height, grey }
    }
}

fn picture(bytes: &[u8]) -> Result<Picture> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return png(bytes).context("this PNG picture cannot be read");
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return jpeg(bytes).context("this JPEG picture cannot be read");
    }
    bail!("neither a PNG nor a JPEG picture")
}

fn png(bytes: &[u8]) -> Result<Picture> {
    let mut decoder = png::Decoder::new(BufReader::new(Cursor::new(bytes)));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_limits(png::Limits { bytes: MAX_PIXELS * 4 });
    let mut reader = decoder.read_info()?;
    let info = reader.info();
    let (width, height) = (usize::try_from(info.width)?, usize::try_from(info.height)?);
    ensure!(width.saturating_mul(height) <= MAX_PIXELS, "more than {MAX_PIXELS} pixels");
    let size = reader.output_buffer_size().context("too large")?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples)?;
    samples.truncate(frame.buffer_size());
    Picture::new(width, height, frame.color_type.samples(), &samples)
}

fn jpeg(bytes: &[u8]) -> Result<Picture> {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;
    let options = DecoderOptions::default()
        .set_max_width(1 << 15)
        .set_max_height(1 << 15)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let (width, height) = decoder.dimensions().context("no size")?;
    ensure!(width.saturating_mul(height) <= MAX_PIXELS, "more than {MAX_PIXELS} pixels");
    let samples = decoder.decode()?;
    let channels = samples.len().checked_div(width * height).context("empty")?;
    Picture::new(width, height, channels, &samples)
}

/// What the codes in a picture say; light on dark as well, as a terminal with a light ground shows them.
fn codes(picture: &Picture) -> Vec<String> {
    let side = picture.width.max(picture.height);
    let mut tried = 0;
    for by in SIDES.map(|most| side.div_ceil(most).max(1)) {
        if by == tried {
            continue;
        }
        tried = by;
        let smaller = picture.shrunk(by);
        for invert in [0, 255] {
            let mut prepared =
                rqrr::PreparedImage::prepare_from_greyscale(smaller.width, smaller.height, |x, y| {
                    smaller.at(x, y) ^ invert
                });
            let grids = prepared.detect_grids();
            let texts: Vec<String> =
                grids.iter().filter_map(|grid| grid.decode().ok().map(|(_, text)| text)).collect();
            if !texts.is_empty() {
                return texts;
            }
        }
    }
    Vec::new()
}
