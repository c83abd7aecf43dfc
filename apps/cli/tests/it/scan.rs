//! QR codes out of pictures: drawn here, and photographs (`pictures/README.md` says how they were made).

use std::path::{Path, PathBuf};

use undertone_account::{Ink, key_text, link, qr};
use undertone_crypto::{PublicKey, SecretKey};

use crate::{Home, run, undertone};

/// Whose code the photographs show.
fn of_photographs() -> PublicKey {
    SecretKey::from_slice(&[0x51; 32]).unwrap().public()
}

fn photograph(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pictures").join(name)
}

/// As programs make it from a file that ends with a line feed.
#[test]
fn a_code_that_ends_with_a_line_is_read_and_so_is_a_bare_key() {
    let (temp, key) = (tempfile::tempdir().unwrap(), of_photographs());
    let image = temp.path().join("code.png");
    for text in [format!("{}\n", key.to_hex()), format!(" {}\r\n", link::profile(&key)), key.to_bare_hex()] {
        draw(&image, &text, 4, false);
        let ended = run(undertone().args(["contacts", "scan", "--json"]).arg(&image)).expect(0);
        assert_eq!(ended.json()["publicKey"], key.to_hex(), "{text:?}");
    }
}

/// A PNG of the code of a text, this many pixels a module; dark on light or the other way round.
fn draw(path: &Path, text: &str, pixels: usize, inverted: bool) {
    let drawn = qr::terminal(text, Ink::Plain).unwrap();
    // A line holds two rows; what is drawn is light.
    let light = |c: char| (matches!(c, '█' | '▀'), matches!(c, '█' | '▄'));
    let mut rows: Vec<Vec<bool>> = Vec::new();
    for line in drawn.lines() {
        let (upper, lower) = line.chars().map(light).unzip();
        rows.push(upper);
        rows.push(lower);
    }
    let side = rows[0].len();
    rows.truncate(side);
    let mut samples = Vec::new();
    for row in rows {
        let row: Vec<u8> =
            row.into_iter().flat_map(|l| vec![if l == inverted { 0 } else { 255 }; pixels]).collect();
        (0..pixels).for_each(|_| samples.extend_from_slice(&row));
    }
    let edge = u32::try_from(side * pixels).unwrap();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), edge, edge);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&samples).unwrap();
}

#[test]
fn drawn_codes_and_photographs_are_read() {
    let temp = tempfile::tempdir().unwrap();
    let key = of_photographs();
    let scan = |image: &Path| {
        run(undertone().args(["contacts", "scan", "--json"]).arg(image)).expect(0).json()["publicKey"].clone()
    };
    let image = temp.path().join("code.png");
    let mut cases = 0;
    for text in [key.to_hex(), link::profile(&key), link::short_profile(&key), key_text::chat_key(&key)] {
        for (pixels, inverted) in [(3, false), (8, false), (8, true), (30, false)] {
            draw(&image, &text, pixels, inverted);
            assert_eq!(scan(&image), key.to_hex(), "{text} {pixels} {inverted}");
            cases += 1;
        }
    }
    assert_eq!(cases, 16);
    for name in ["screen.jpg", "tilted.jpg", "grey.png"] {
        assert_eq!(scan(&photograph(name)), key.to_hex(), "{name}");
    }
    let shown = run(undertone().args(["contacts", "scan"]).arg(photograph("tilted.jpg"))).expect(0).out;
    assert!(shown.contains(&key_text::chat_key(&key)), "{shown}");
}

#[test]
fn a_scanned_person_is_added_and_verified() {
    let home = Home::new(90);
    let key = of_photographs();
    let photo = photograph("tilted.jpg");
    let photo = photo.to_str().unwrap();
    let added = ["contacts", "scan", photo, "--add", "--name", "Carol", "--json"];
    let carol = run(&mut home.undertone(&added)).expect(0).json();
    assert_eq!((&carol["nickname"], &carol["publicKey"]), (&"Carol".into(), &key.to_hex().into()));
    let verified = run(&mut home.undertone(&["verify", "carol", "--qr", photo, "--json"])).expect(0).json();
    assert_eq!((&verified["state"], &verified["verifiedBy"]), (&"verified".into(), &"qr-code".into()));

    let other = Home::new(91).key;
    let image = home.dir.path().join("other.png");
    draw(&image, &link::profile(&other), 6, false);
    let differs = run(&mut home.undertone(&["verify", "carol", "--qr", image.to_str().unwrap()]));
    differs.refused(1, &["another key", &key_text::chat_key(&other), &key_text::chat_key(&key)]);
}

#[test]
fn what_holds_no_key_is_a_sentence() {
    let temp = tempfile::tempdir().unwrap();
    let scan = |name: &str, words: &[&str]| {
        run(undertone().args(["contacts", "scan"]).arg(temp.path().join(name))).refused(1, words);
    };
    scan("absent.png", &["absent.png"]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(temp.path().join(name), bytes).unwrap();
    write("text.png", b"hello");
    scan("text.png", &["neither a PNG nor a JPEG"]);
    let good = std::fs::read(photograph("tilted.jpg")).unwrap();
    write("cut.jpg", &good[..200]);
    scan("cut.jpg", &["JPEG picture cannot be read"]);
    draw(&temp.path().join("code.png"), "x", 4, false);
    let good = std::fs::read(temp.path().join("code.png")).unwrap();
    write("cut.png", &good[..good.len() / 2]);
    scan("cut.png", &["PNG picture cannot be read"]);
    // A header that promises more than there is memory for.
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    write("huge.png", &huge);
    scan("huge.png", &["PNG picture cannot be read"]);
    for (text, word) in [
        ("hello", "no Status link or key"),
        ("https://example.org/u/x", "no Status link or key"),
        ("https://join.status.im/u/0x04", "no Status link or key"),
        ("https://join.status.im/status", "another link"),
    ] {
        draw(&temp.path().join("code.png"), text, 4, false);
        scan("code.png", &[word]);
    }
    let mut blank = png::Encoder::new(std::fs::File::create(temp.path().join("blank.png")).unwrap(), 90, 90);
    blank.set_color(png::ColorType::Grayscale);
    blank.write_header().unwrap().write_image_data(&[255; 8_100]).unwrap();
    scan("blank.png", &["no QR code"]);
}
