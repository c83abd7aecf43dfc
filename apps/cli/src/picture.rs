//! Pictures of people and of codes.
//!
//! A picture is somebody else's word: its size is bounded, and it is read in a thread that may die (the readers end in a
//! panic on some files) and is given up after a time.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE64;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Largest file in bytes.
const MAX_FILE: u64 = 32 << 20;
/// Most pixels: a photograph of the largest phones.
const MAX_PIXELS: usize = 64_000_000;
/// How long a picture is looked at.
const PATIENCE: Duration = Duration::from_secs(30);
/// Name of the thread, whose panics are nobody's business.
const THREAD: &str = "picture";
/// Longer side of a picture of a person as it is sent: in the worst case, noise, it takes 58 KiB as a data URL, of the
/// 64 that a picture may have.
const SIDE: usize = 120;

/// The file, if it is no larger than a picture is.
pub(crate) fn open(path: &Path) -> Result<Vec<u8>> {
    let about = || format!("read {}", path.display());
    let file = File::open(path).with_context(about)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).with_context(about)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    ensure!(length <= MAX_FILE, "{} is larger than {} MiB", path.display(), MAX_FILE >> 20);
    Ok(bytes)
}

/// Runs in a thread of its own.
pub(crate) fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
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
        Err(RecvTimeoutError::Timeout) => bail!("nothing found within {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => bail!("this picture cannot be read: take another"),
    }
}

/// A picture of a person as a data URL: the middle of it, small, and nothing else that the file says (where and with what
/// it was taken).
pub(crate) fn avatar(path: &Path) -> Result<String> {
    let bytes = open(path)?;
    let drawn = apart(move || Samples::read(&bytes, true).and_then(|samples| samples.square(SIDE).to_png()));
    let png = drawn.and_then(|drawn| drawn).with_context(|| format!("read {}", path.display()))?;
    Ok(format!("data:image/png;base64,{}", BASE64.encode(&png)))
}

/// A picture as it was decoded: samples of 8 bits, row by row, one to four of them for a pixel.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) width: usize,
    pub(crate) height: usize,
    channels: usize,
    samples: Vec<u8>,
}

impl Samples {
    pub(crate) fn read(bytes: &[u8], colours: bool) -> Result<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Self::png(bytes).context("this PNG picture cannot be read");
        }
        if bytes.starts_with(b"\xff\xd8\xff") {
            return Self::jpeg(bytes, colours).context("this JPEG picture cannot be read");
        }
        bail!("neither a PNG nor a JPEG picture")
    }

    fn new(width: usize, height: usize, channels: usize, samples: Vec<u8>) -> Result<Self> {
        ensure!(
            (1..=4).contains(&channels)
                && width > 0
                && height > 0
                && width.checked_mul(height).and_then(|n| n.checked_mul(channels)) == Some(samples.len()),
            "the picture is damaged"
        );
        Ok(Self { width, height, channels, samples })
    }

    fn png(bytes: &[u8]) -> Result<Self> {
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
        Self::new(width, height, frame.color_type.samples(), samples)
    }

    fn jpeg(bytes: &[u8], colours: bool) -> Result<Self> {
        let options = DecoderOptions::default()
            .set_max_width(1 << 15)
            .set_max_height(1 << 15)
            .jpeg_set_out_colorspace(if colours { ColorSpace::RGB } else { ColorSpace::Luma });
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers()?;
        let (width, height) = decoder.dimensions().context("no size")?;
        ensure!(width.saturating_mul(height) <= MAX_PIXELS, "more than {MAX_PIXELS} pixels");
        let samples = decoder.decode()?;
        let channels = samples.len().checked_div(width * height).context("empty")?;
        Self::new(width, height, channels, samples)
    }

    /// Red, green and blue of every pixel; an alpha channel lets white through.
    pub(crate) fn colours(&self) -> impl Iterator<Item = [u8; 3]> + '_ {
        self.samples.chunks_exact(self.channels).map(|pixel| {
            let (colour, alpha) = match *pixel {
                [grey] => ([grey; 3], u8::MAX),
                [grey, alpha] => ([grey; 3], alpha),
                [red, green, blue, ref rest @ ..] => {
                    ([red, green, blue], rest.first().copied().unwrap_or(u8::MAX))
                }
                [] => ([u8::MAX; 3], u8::MAX),
            };
            let alpha = u32::from(alpha);
            colour
                .map(|c| u8::try_from((u32::from(c) * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX))
        })
    }

    /// The largest square in the middle, with sides of `side` pixels or fewer.
    fn square(&self, side: usize) -> Square {
        let whole = self.width.min(self.height);
        let side = side.min(whole);
        let (left, top) = ((self.width - whole) / 2, (self.height - whole) / 2);
        // Every pixel of the square is the mean of those that fall on it.
        let mut sums = vec![([0u64; 3], 0u64); side * side];
        for (at, colour) in self.colours().enumerate() {
            let (x, y) = (at % self.width, at / self.width);
            let (Some(x), Some(y)) = (x.checked_sub(left), y.checked_sub(top)) else { continue };
            if x >= whole || y >= whole {
                continue;
            }
            if let Some((sum, count)) = sums.get_mut((y * side / whole) * side + x * side / whole) {
                for (sum, c) in sum.iter_mut().zip(colour) {
                    *sum += u64::from(c);
                }
                *count += 1;
            }
        }
        let mean = |(sum, count): ([u64; 3], u64)| {
            sum.map(|sum| u8::try_from(sum.checked_div(count).unwrap_or(255)).unwrap_or(u8::MAX))
        };
        Square { side, colours: sums.into_iter().flat_map(mean).collect() }
    }
}

/// A small square picture.
#[derive(Debug, Eq, PartialEq)]
struct Square {
    side: usize,
    colours: Vec<u8>,
}

impl Square {
    fn to_png(&self) -> Result<Vec<u8>> {
        let side = u32::try_from(self.side)?;
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side, side);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.colours)?;
        writer.finish()?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that is red left of the middle and blue right of it, with green borders that the square leaves out.
    fn wide() -> Samples {
        let row: Vec<u8> = (0..600)
            .flat_map(|x| match x {
                0..150 | 450.. => [0, 255, 0],
                150..300 => [255, 0, 0],
                _ => [0, 0, 255],
            })
            .collect();
        Samples::new(600, 300, 3, row.repeat(300)).unwrap()
    }

    #[test]
    fn a_picture_is_cut_to_its_middle_and_made_small() {
        let square = wide().square(SIDE);
        assert_eq!((square.side, square.colours.len()), (SIDE, SIDE * SIDE * 3));
        let row: Vec<&[u8]> = square.colours[..SIDE * 3].chunks(3).collect();
        assert!(row[..SIDE / 2].iter().all(|colour| *colour == [255, 0, 0]));
        assert!(row[SIDE / 2..].iter().all(|colour| *colour == [0, 0, 255]));
        let small = Samples::new(2, 1, 2, vec![0, 255, 7, 0]).unwrap();
        assert_eq!(small.square(SIDE), Square { side: 1, colours: vec![0; 3] }, "none is made larger");
        assert_eq!(small.colours().nth(1), Some([255; 3]), "white shows through");
        for (width, height, channels, len) in
            [(2, 2, 3, 11), (0, 1, 1, 0), (1, 1, 5, 5), (usize::MAX, 2, 4, 8)]
        {
            assert!(Samples::new(width, height, channels, vec![0; len]).is_err());
        }
    }

    /// Noise is the worst that can be compressed: it fits all the same, and reads as what was sent.
    #[test]
    fn what_is_sent_fits_and_says_nothing_but_the_picture() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("noise.png");
        let mut noise = vec![0; 500 * 400 * 3];
        rand::Rng::fill_bytes(&mut undertone_support::rng(1), &mut noise);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 500, 400);
        encoder.set_color(png::ColorType::Rgb);
        encoder.add_text_chunk("Location".to_owned(), "52.5200 N 13.4050 E".to_owned()).unwrap();
        encoder.write_header().unwrap().write_image_data(&noise).unwrap();
        std::fs::write(&file, &bytes).unwrap();
        let url = avatar(&file).unwrap();
        let now = undertone_base::Unix::from_secs(1_600_000_000);
        let clock = undertone_payload::Clock::bid(undertone_payload::Clock::NONE, now);
        undertone_payload::ContactUpdate::new(clock, "", &url, now).unwrap();
        let sent = BASE64.decode(url.strip_prefix("data:image/png;base64,").unwrap().as_bytes()).unwrap();
        assert!(!sent.windows(4).any(|four| four == b"tEXt" || four == b"52.5"));
        let read = Samples::read(&sent, true).unwrap();
        assert_eq!((read.width, read.height, read.channels), (SIDE, SIDE, 3));
        std::fs::write(&file, b"GIF89a").unwrap();
        assert!(format!("{:#}", avatar(&file).unwrap_err()).contains("neither a PNG nor a JPEG"));
    }
}
