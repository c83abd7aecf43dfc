//! QR codes, read back by an independent reader, and safety codes.

use proptest::prelude::*;
use undertone_account::qr::{self, QrError};
use undertone_account::{Ink, SafetyCode, link};
use undertone_base::FaultClass;
use undertone_crypto::{PublicKey, SecretKey};
use undertone_support::rng;
use undertone_vectors::load;

use crate::{list, text};

/// Pixels of a side of a module, as a camera sees several.
const SCALE: usize = 4;

/// What the reader finds in a square of modules; `dark[row][column]`.
fn scanned(dark: &[Vec<bool>]) -> Vec<String> {
    let side = dark[0].len();
    let grey = |x: usize, y: usize| {
        let on = dark.get(y / SCALE).is_some_and(|row| row[x / SCALE]);
        if on { 0 } else { 255 }
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * SCALE, side * SCALE, grey);
    image.detect_grids().iter().map(|grid| grid.decode().unwrap().1).collect()
}

/// The dark modules of the terminal's text: `ground` where nothing is drawn.
fn of_terminal(drawn: &str, drawn_is_dark: bool) -> Vec<Vec<bool>> {
    let mut rows = Vec::new();
    for line in drawn.lines() {
        let start = line
            .rfind('m')
            .filter(|_| line.starts_with('\x1b'))
            .map_or("", |_| "\x1b[38;2;0;0;0m\x1b[48;2;255;255;255m");
        let cells = line.strip_prefix(start).unwrap();
        let cells = cells.strip_suffix("\x1b[0m").unwrap_or(cells);
        rows.push(cells.chars().map(|c| matches!(c, '█' | '▀') == drawn_is_dark).collect());
        rows.push(cells.chars().map(|c| matches!(c, '█' | '▄') == drawn_is_dark).collect());
    }
    // The lower half of the last line is no row.
    rows.pop();
    rows
}

fn of_svg(svg: &str) -> Vec<Vec<bool>> {
    let side: usize = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let mut rows = vec![vec![false; side]; side];
    let path = svg.split("d=\"").nth(2).unwrap().split('"').next().unwrap();
    for module in path.split('M').skip(1) {
        let (column, row) = module.strip_suffix("h1v1h-1z").unwrap().split_once(' ').unwrap();
        rows[row.parse::<usize>().unwrap()][column.parse::<usize>().unwrap()] = true;
    }
    rows
}

#[test]
fn the_codes_of_every_key_are_read_back() {
    let file = load("identity");
    let (mut drawn, mut read) = (0, 0);
    for (at, case) in list(&file["visual_identity"]).iter().enumerate() {
        let key = PublicKey::from_hex(text(&case["id"])).unwrap();
        let contents = [link::profile(&key), link::short_profile(&key), key.to_hex()];
        for (kind, content) in contents.iter().enumerate() {
            let forms = [
                of_svg(&qr::svg(content).unwrap()),
                of_terminal(&qr::terminal(content, Ink::Plain).unwrap(), false),
                of_terminal(&qr::terminal(content, Ink::TrueColour).unwrap(), true),
            ];
            assert!(forms.iter().all(|form| *form == forms[0]), "three drawings of one code");
            drawn += 1;
            // Each key in one of the three forms: the reader is slow without optimisation.
            if at % contents.len() == kind {
                assert_eq!(scanned(&forms[0]), [content.as_str()]);
                let found = link::Link::parse(content).unwrap();
                assert_eq!(found, link::Link::Profile(link::Who::Key(key)));
                read += 1;
            }
        }
    }
    assert_eq!((drawn, read), (84, 28));
}

#[test]
fn texts_that_no_code_holds_are_refused() {
    assert_eq!(qr::svg(""), Err(QrError::Empty));
    assert_eq!(qr::terminal("", Ink::Plain), Err(QrError::Empty));
    assert!(qr::svg(&"é".repeat(450)).is_ok());
    assert_eq!(qr::svg(&"a".repeat(901)), Err(QrError::TooLong));
    assert_eq!(qr::terminal(&"a".repeat(901), Ink::TrueColour), Err(QrError::TooLong));
    assert_eq!(QrError::Empty.fault(), FaultClass::Caller);
}

#[test]
fn a_safety_code_is_that_of_its_definition() {
    // Computed once with another implementation of PBKDF2 (Python's hashlib) from the first two keys.
    let file = load("identity");
    let key = |at: usize| PublicKey::from_hex(text(&file["visual_identity"][at]["id"])).unwrap();
    let code = SafetyCode::of(&key(0), &key(1));
    assert_eq!(code.to_string(), "02165 90687 10765 88229 72021 81603 93263 38522 39780 39026 35074 07133");
    assert_eq!(code.to_string().len(), 71);
}

#[test]
fn what_was_typed_is_compared_by_its_digits() {
    let key = |seed| SecretKey::random(&mut rng(seed)).public();
    let code = SafetyCode::of(&key(1), &key(2));
    let shown = code.to_string();
    let digits = shown.replace(' ', "");
    for same in
        [shown.clone(), digits.clone(), shown.replace(' ', "-"), format!(" {}\n", shown.replace(' ', "\n"))]
    {
        assert!(code.matches(&same), "{same:?}");
    }
    for other in [
        String::new(),
        digits[1..].to_owned(),
        digits[..59].to_owned(),
        format!("{digits}0"),
        "0".repeat(100_000),
    ] {
        assert!(!code.matches(&other), "{:.80}", other);
    }
    let mut changed = 0;
    for at in 0..60 {
        let mut typed = digits.clone().into_bytes();
        typed[at] = b'0' + (typed[at] - b'0' + 1) % 10;
        changed += usize::from(!code.matches(&String::from_utf8(typed).unwrap()));
    }
    assert_eq!(changed, 60);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn safety_codes_are_symmetrical_and_differ(seed: u64) {
        let mut rng = rng(seed);
        let [a, b, c] = std::array::from_fn(|_| SecretKey::random(&mut rng).public());
        let code = SafetyCode::of(&a, &b);
        prop_assert_eq!(code, SafetyCode::of(&b, &a));
        prop_assert_ne!(code, SafetyCode::of(&a, &c));
        prop_assert_ne!(code, SafetyCode::of(&c, &b));
        let mut negated = b.to_compressed();
        negated[0] ^= 1;
        prop_assert_ne!(code, SafetyCode::of(&a, &PublicKey::from_compressed(&negated).unwrap()));
        prop_assert!(code.groups().iter().all(|group| *group < 100_000));
        prop_assert!(code.matches(&code.to_string()));
    }

    #[test]
    fn any_short_text_has_a_code_that_reads_back(content in "[ -~]{1,200}") {
        prop_assert_eq!(scanned(&of_svg(&qr::svg(&content).unwrap())), [content]);
    }
}
