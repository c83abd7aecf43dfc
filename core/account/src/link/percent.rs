//! Percent encoding of names in paths and queries.

use super::LinkError;

/// Unreserved ASCII stays; every other byte becomes `%XX`.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()),
            );
        }
    }
    out
}

/// The text behind `%XX`, once; `+` stays itself.
pub(super) fn decode(text: &str) -> Result<String, LinkError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| LinkError::Percent)
}

/// The same in a query, where `+` is a blank.
pub(super) fn decode_query(text: &str) -> Result<String, LinkError> {
    decode(&text.replace('+', " "))
}

fn digit(byte: Option<u8>) -> Result<u8, LinkError> {
    let digit =
        byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    digit.ok_or(LinkError::Percent)
}
