//! QR codes in pictures. What a code holds is only returned as text.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::picture::{self, Samples};

/// Longer side of what is looked at first, in pixels; codes are found faster and better in smaller pictures.
const SIDES: [usize; 3] = [1_000, 2_000, 4_000];

/// The text of the one code in a picture.
pub(crate) fn read(path: &Path) -> Result<String> {
    let bytes = picture::open(path)?;
    let found =
        picture::apart(move || Samples::read(&bytes, false).map(|samples| codes(&Picture::new(&samples))));
    let mut texts = found.with_context(|| format!("read {}", path.display()))??;
    texts.sort();
    texts.dedup();
    match texts.len() {
        0 => bail!("no QR code that can be read is in {}: take a sharper or closer picture", path.display()),
        // Programs that make codes from files leave the end of the line in.
        1 => Ok(texts.remove(0).trim().to_owned()),
        n => bail!("{} holds {n} different QR codes: cut the picture to one", path.display()),
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
    fn new(samples: &Samples) -> Self {
        let light = |[red, green, blue]: [u8; 3]| {
            let grey = (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1_000;
            u8::try_from(grey).unwrap_or(u8::MAX)
        };
        Self { width: samples.width, height: samples.height, grey: samples.colours().map(light).collect() }
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
