//! Fourteen emojis that stand for a key (`identity.md` 8).

use std::fmt;

use undertone_crypto::PublicKey;

/// 160 bits of a key as fourteen emojis out of 2757: long enough for people to compare.
///
/// A key and its negation (02 and 03 before the same X) share it, as they share the ring: whoever knows the secret
/// of one knows that of the other. The full key decides.
///
/// ```
/// use undertone_account::EmojiHash;
/// use undertone_crypto::PublicKey;
/// let key = PublicKey::from_hex(
///     "0x04eedbaafd6adf4a9233a13e7b1c3c14461fffeba2e9054b8d456ce5f6ebeafadc\
///      bf3dce3716253fbc391277fa5a086b60b283daf61fb5b1f26895f456c2f31ae3",
/// )?;
/// let hash = EmojiHash::of(&key);
/// assert_eq!(hash.emojis().len(), 14);
/// assert!(hash.to_string().starts_with("🛁 🧎🏿‍♀️ 😱 👳‍♀️ 🎍"));
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EmojiHash([u16; COUNT]);

impl EmojiHash {
    /// The emojis of a key.
    pub fn of(key: &PublicKey) -> Self {
        Self(digits(emoji_bits(key)))
    }

    /// The emojis in order; each may be several characters (skin, gender) that show as one sign.
    pub fn emojis(&self) -> [&'static str; 14] {
        let mut found = [""; COUNT];
        for (at, emoji) in EMOJIS.lines().enumerate() {
            for (slot, digit) in found.iter_mut().zip(self.0) {
                if usize::from(digit) == at {
                    *slot = emoji;
                }
            }
        }
        found
    }

    /// Their places in the list, 0 to 2756.
    pub const fn indexes(&self) -> [u16; 14] {
        self.0
    }
}

/// The emojis with a blank between them.
impl fmt::Display for EmojiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.emojis().join(" "))
    }
}

/// Bits 12 to 171, from the top, of the 264 of the compressed key.
fn emoji_bits(key: &PublicKey) -> [u8; 20] {
    let bytes = key.to_compressed();
    let mut out = [0; 20];
    for (slot, pair) in out.iter_mut().zip(bytes.windows(2).skip(1)) {
        if let [high, low] = pair {
            *slot = high << 4 | low >> 4;
        }
    }
    out
}

/// A number as digits in base 2757, most significant first, by repeated long division.
fn digits(mut number: [u8; 20]) -> [u16; COUNT] {
    let mut out = [0; COUNT];
    for slot in out.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let part = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(part / BASE).unwrap_or(u8::MAX);
            rest = part % BASE;
        }
        *slot = u16::try_from(rest).unwrap_or(u16::MAX);
    }
    out
}

/// Emojis of a key: 2757^14 is just above 2^160.
const COUNT: usize = 14;
/// Emojis in the list.
const BASE: u32 = 2757;
/// One a line; see `data/README.md`.
const EMOJIS: &str = include_str!("../data/emojis.txt");

#[cfg(test)]
mod tests {
    use undertone_crypto::hash::sha256;
    use undertone_vectors::{hex_n, load};

    use super::*;

    #[test]
    fn the_list_is_that_of_status() {
        let file = load("emojis");
        let list: Vec<&str> = EMOJIS.lines().collect();
        assert_eq!(list.len(), 2757);
        assert_eq!(u32::try_from(list.len()), Ok(BASE));
        assert_eq!(sha256(list.join("\n").as_bytes()), hex_n(&file["sha256_of_first_2757_newline_joined"]));
        assert!(list.iter().eq(
            file["emojis"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect::<Vec<_>>().iter()
        ));
    }

    #[test]
    fn digits_at_the_ends_of_the_range() {
        assert_eq!(digits([0; 20]), [0; COUNT]);
        let mut one = [0; 20];
        one[19] = 1;
        assert_eq!(digits(one)[..13], [0; 13]);
        assert_eq!(digits(one)[13], 1);
        // Horner's rule back to the largest number.
        let mut back = [0u8; 20];
        for digit in digits([0xff; 20]) {
            let mut carry = u32::from(digit);
            for byte in back.iter_mut().rev() {
                let value = u32::from(*byte) * BASE + carry;
                *byte = (value & 0xff) as u8;
                carry = value >> 8;
            }
            assert_eq!(carry, 0);
        }
        assert_eq!(back, [0xff; 20]);
    }
}
