//! RFC 4648 base32, upper case, without padding.

use data_encoding::BASE32_NOPAD;

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes)
}

/// Whole bytes of the text. The unused bits of the last digit are ignored: a hash that was abbreviated as text
/// has some (`devp2p.md` 5).
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    // These rests of a group of eight digits hold no further whole byte.
    if matches!(text.len() % 8, 1 | 3 | 6) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len().saturating_mul(5) / 8);
    let (mut bits, mut count) = (0_u16, 0_u8);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit.wrapping_sub(b'A'),
            b'2'..=b'7' => digit.wrapping_sub(b'2').wrapping_add(26),
            _ => return None,
        };
        bits = (bits << 5) | u16::from(value);
        count = count.wrapping_add(5);
        if count >= 8 {
            count = count.wrapping_sub(8);
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
        bits &= 0xff;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_and_unused_bits_do_not_count() {
        for len in 0..40_u8 {
            let bytes: Vec<u8> = (0..len).map(|i| i.wrapping_mul(37).wrapping_add(len)).collect();
            assert_eq!(decode(&encode(&bytes)).as_deref(), Some(bytes.as_slice()), "{len}");
        }
        assert_eq!(decode("AB").as_deref(), Some([0].as_slice()));
        for bad in ["A", "AAA", "AAAAAA", "a2", "A0", "AA=", "A\nAA"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
