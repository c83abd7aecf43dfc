//! Identicon, emoji hash, ring and colour of a key.

use proptest::prelude::*;
use undertone_account::{ColourRing, EmojiHash, Identicon, Ink, Rgb, colour_id};
use undertone_crypto::{PublicKey, SecretKey};
use undertone_support::rng;
use undertone_vectors::{Value, load};

use crate::{list, text};

fn every_key(mut check: impl FnMut(&Value, PublicKey)) {
    let file = load("identity");
    let cases = list(&file["visual_identity"]);
    for case in cases {
        check(case, PublicKey::from_hex(text(&case["id"])).unwrap());
    }
    assert_eq!(cases.len(), 28);
}

fn random_key(seed: u64) -> PublicKey {
    SecretKey::random(&mut rng(seed)).public()
}

/// The same X with the other Y.
fn negated(key: &PublicKey) -> PublicKey {
    let mut bytes = key.to_compressed();
    bytes[0] ^= 1;
    PublicKey::from_compressed(&bytes).unwrap()
}

fn rgba_of_data_uri(uri: &str) -> (u32, u32, Vec<u8>) {
    let base64 = uri.strip_prefix("data:image/png;base64,").unwrap();
    let bytes = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgba, png::BitDepth::Eight));
    pixels.truncate(frame.buffer_size());
    (frame.width, frame.height, pixels)
}

#[test]
fn every_identicon_of_the_vectors_pixel_for_pixel() {
    let mut pixels = 0;
    every_key(|case, key| {
        let (picture, want) = (Identicon::of(&key), &case["identicon"]);
        let rows: Vec<String> = picture
            .cells()
            .iter()
            .map(|row| row.iter().map(|on| if *on { '1' } else { '0' }).collect())
            .collect();
        let wanted: Vec<&str> = list(&want["bitmap_rows"]).iter().map(text).collect();
        assert_eq!(rows, wanted);
        assert_eq!(picture.colour().to_string(), text(&want["color"]));
        let (width, height, decoded) = rgba_of_data_uri(text(&want["png_data_uri"]));
        assert_eq!((width, height), (50, 50));
        assert!(picture.pixels() == decoded, "{}", text(&case["id"]));
        pixels += decoded.len() / 4;
    });
    assert_eq!(pixels, 28 * 2_500);
}

#[test]
fn every_emoji_hash_of_the_vectors() {
    every_key(|case, key| {
        let want: Vec<&str> = list(&case["later"]["emoji_hash"]).iter().map(text).collect();
        let hash = EmojiHash::of(&key);
        assert_eq!(hash.emojis().as_slice(), want);
        assert_eq!(hash.to_string(), want.join(" "));
    });
}

#[test]
fn every_colour_hash_and_colour_of_the_vectors() {
    let (mut shortest, mut longest) = (usize::MAX, 0);
    every_key(|case, key| {
        let want: Vec<(u64, u64)> = list(&case["later"]["color_hash"])
            .iter()
            .map(|pair| (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap()))
            .collect();
        let ring = ColourRing::of(&key);
        let got: Vec<(u64, u64)> =
            ring.segments().iter().map(|s| (u64::from(s.length), u64::from(s.index))).collect();
        assert_eq!(got, want);
        assert_eq!(u64::from(colour_id(&key)), case["later"]["color_id"].as_u64().unwrap());
        (shortest, longest) = (shortest.min(got.len()), longest.max(got.len()));
    });
    assert_eq!((shortest, longest), (1, 11), "the vectors reach both ends");
}

#[test]
fn terminal_forms_show_the_same_cells() {
    every_key(|_, key| {
        let picture = Identicon::of(&key);
        let plain = picture.to_terminal(Ink::Plain);
        let lines: Vec<Vec<char>> = plain.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), 3);
        for (row, cells) in picture.cells().iter().enumerate() {
            for (column, on) in cells.iter().enumerate() {
                let half = if row % 2 == 0 { ['█', '▀'] } else { ['█', '▄'] };
                assert_eq!(half.contains(&lines[row / 2][column]), *on);
            }
        }
        let Rgb { red, green, blue } = picture.colour();
        let start = format!("\x1b[38;2;{red};{green};{blue}m");
        for (coloured, plain) in picture.to_terminal(Ink::TrueColour).lines().zip(plain.lines()) {
            assert_eq!(coloured, format!("{start}{plain}\x1b[0m"));
        }
        let ring = ColourRing::of(&key);
        let total: usize = ring.segments().iter().map(|segment| usize::from(segment.length)).sum();
        assert_eq!(ring.to_terminal(Ink::Plain).len(), total);
        assert_eq!(ring.to_terminal(Ink::TrueColour).matches('█').count(), total);
    });
}

#[test]
fn drawings_hold_one_shape_for_each_part() {
    every_key(|_, key| {
        let picture = Identicon::of(&key);
        let on = picture.cells().iter().flatten().filter(|on| **on).count();
        let svg = picture.to_svg();
        assert_eq!(svg.matches("h6v6h-6z").count(), on);
        assert!(svg.contains(&format!("fill=\"{}\"", picture.colour())));
        let ring = ColourRing::of(&key);
        let svg = ring.to_svg();
        assert_eq!(svg.matches("stroke=\"#").count(), ring.segments().len());
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    });
}

/// The digits back into one number, in hex, by Horner's rule.
fn horner(digits: &[u16], base: u32, bytes: usize) -> String {
    let mut number = vec![0u8; bytes];
    for digit in digits {
        let mut carry = u32::from(*digit);
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * base + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
        assert_eq!(carry, 0);
    }
    number.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_emojis_hold_forty_digits_of_the_key(seed: u64) {
        let key = random_key(seed);
        let hex: String = key.to_compressed().iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(horner(&EmojiHash::of(&key).indexes(), 2757, 20), &hex[3..43]);
        let ring = ColourRing::of(&key);
        prop_assert!(ring.segments().windows(2).all(|pair| pair[0].index != pair[1].index));
        prop_assert!(ring.segments().iter().all(|s| (1..=5).contains(&s.length) && s.index < 32));
        prop_assert!((1..=11).contains(&ring.segments().len()));
        prop_assert!(colour_id(&key) < 11);
    }

    #[test]
    fn pictures_are_mirrored_and_a_function_of_the_key(seed: u64) {
        let key = random_key(seed);
        let picture = Identicon::of(&key);
        prop_assert_eq!(picture, Identicon::of(&key));
        for row in picture.cells() {
            prop_assert_eq!((row[0], row[1]), (row[4], row[3]));
        }
        let opaque = picture.pixels().chunks(4).filter(|pixel| pixel[3] != 0).count();
        prop_assert_eq!(opaque, 36 * picture.cells().iter().flatten().filter(|on| **on).count());
    }

    #[test]
    fn a_key_and_its_negation_share_emojis_and_ring(seed: u64) {
        let (key, other) = (random_key(seed), negated(&random_key(seed)));
        prop_assert_ne!(key, other);
        prop_assert_eq!(EmojiHash::of(&key), EmojiHash::of(&other));
        prop_assert_eq!(ColourRing::of(&key), ColourRing::of(&other));
    }
}
