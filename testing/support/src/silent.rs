//! What `Debug` must not show.

use std::fmt::Debug;

/// So many bytes of a secret in a row are too many: fewer come by chance.
const SHOWN: usize = 4;

/// Asserts that neither `{:?}` nor `{:#?}` of a value shows four bytes of a secret in a row: in hexadecimal of either
/// case, as a list of numbers in either base, or as text. Gives back `{:?}`, for a snapshot.
///
/// # Panics
/// When a secret is shown, and for a secret too short to be looked for.
pub fn assert_silent(value: &dyn Debug, secrets: &[&[u8]]) -> String {
    let compact = format!("{value:?}");
    for shown in [&compact, &format!("{value:#?}"), &format!("{value:x?}"), &format!("{value:#x?}")] {
        // The pretty form has each number of a list on a line of its own.
        let dense: String = shown.chars().filter(|c| !c.is_whitespace()).collect();
        let lower = dense.to_ascii_lowercase();
        for secret in secrets {
            assert!(secret.len() >= SHOWN, "a secret of {} bytes cannot be looked for", secret.len());
            for piece in secret.windows(SHOWN) {
                for form in forms(piece) {
                    assert!(!lower.contains(&form), "{compact} shows {form}");
                }
                if let Ok(text) = std::str::from_utf8(piece) {
                    assert!(!dense.contains(text), "{compact} shows {text:?}");
                }
            }
        }
    }
    compact
}

/// A list may have anything before it and after it.
fn forms(piece: &[u8]) -> [String; 4] {
    let list = |format: fn(&u8) -> String| piece.iter().map(format).collect::<Vec<_>>().join(",");
    let hex = piece.iter().map(|b| format!("{b:02x}")).collect();
    [hex, list(|b| b.to_string()), list(|b| format!("{b:x}")), list(|b| format!("0x{b:x}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_show_bytes_is_seen() {
        let secret = [0xde, 0xad, 0x0e, 0xef, 0x11];
        let ways: [&dyn Debug; 6] = [
            &secret,
            &Some(secret.to_vec()),
            &"0xdead0eef11",
            &"key DEAD0EEF11",
            &(1, [0xad, 0x0e, 0xef, 0x11, 1]),
            &"x de ad 0e ef",
        ];
        for way in ways {
            let seen =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_silent(way, &[&secret])));
            assert!(seen.is_err(), "{way:?}");
        }
        let text = std::panic::catch_unwind(|| assert_silent(&"my password", &[b"password"]));
        assert!(text.is_err());
        assert_eq!(assert_silent(&(0xdead, "0eef"), &[&secret]), "(57005, \"0eef\")");
    }
}
