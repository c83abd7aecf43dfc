//! Multibase: text that names its base by the first character (`identity.md` 3.1).

use data_encoding::{BASE32, BASE32_NOPAD, BASE32HEX, BASE32HEX_NOPAD, BASE64, BASE64_NOPAD, BASE64URL};
use data_encoding::{BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};

use crate::key_text::KeyTextError;

/// A base that status-go reads and writes, named by its prefix. Its eighteenth, the identity (prefix NUL), is no
/// text and is left out; 7, 9, h, k and K of the specification work in neither.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Base {
    /// `0`: binary digits.
    Base2,
    /// `f`: hex, lower case.
    Base16Lower,
    /// `F`: hex, upper case.
    Base16Upper,
    /// `b`: RFC 4648 base 32, lower case, no padding.
    Base32Lower,
    /// `B`: the same in upper case.
    Base32Upper,
    /// `c`: RFC 4648 base 32, lower case, padded.
    Base32PadLower,
    /// `C`: the same in upper case.
    Base32PadUpper,
    /// `v`: base 32 with the hex alphabet, lower case, no padding.
    Base32HexLower,
    /// `V`: the same in upper case.
    Base32HexUpper,
    /// `t`: base 32 with the hex alphabet, lower case, padded.
    Base32HexPadLower,
    /// `T`: the same in upper case.
    Base32HexPadUpper,
    /// `z`: the base 58 of Bitcoin, in which chat keys are shown.
    Base58Btc,
    /// `Z`: the base 58 of Flickr.
    Base58Flickr,
    /// `m`: base 64, no padding.
    Base64,
    /// `M`: base 64, padded.
    Base64Pad,
    /// `u`: base 64 for URLs, no padding.
    Base64Url,
    /// `U`: base 64 for URLs, padded.
    Base64UrlPad,
}

impl Base {
    /// Every base.
    pub const ALL: [Self; 17] = [
        Self::Base2,
        Self::Base16Lower,
        Self::Base16Upper,
        Self::Base32Lower,
        Self::Base32Upper,
        Self::Base32PadLower,
        Self::Base32PadUpper,
        Self::Base32HexLower,
        Self::Base32HexUpper,
        Self::Base32HexPadLower,
        Self::Base32HexPadUpper,
        Self::Base58Btc,
        Self::Base58Flickr,
        Self::Base64,
        Self::Base64Pad,
        Self::Base64Url,
        Self::Base64UrlPad,
    ];

    /// The base of a prefix; `None` for any other character.
    pub fn from_prefix(prefix: char) -> Option<Self> {
        Self::ALL.into_iter().find(|base| base.prefix() == prefix)
    }

    /// The base that a caller of the old interface names: a prefix, or `0x`, which means `f`.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut chars = name.chars();
        match (chars.next(), chars.next()) {
            (Some(prefix), None) => Self::from_prefix(prefix),
            _ if name == "0x" => Some(Self::Base16Lower),
            _ => None,
        }
    }

    /// The character in front.
    pub const fn prefix(self) -> char {
        match self {
            Self::Base2 => '0',
            Self::Base16Lower => 'f',
            Self::Base16Upper => 'F',
            Self::Base32Lower => 'b',
            Self::Base32Upper => 'B',
            Self::Base32PadLower => 'c',
            Self::Base32PadUpper => 'C',
            Self::Base32HexLower => 'v',
            Self::Base32HexUpper => 'V',
            Self::Base32HexPadLower => 't',
            Self::Base32HexPadUpper => 'T',
            Self::Base58Btc => 'z',
            Self::Base58Flickr => 'Z',
            Self::Base64 => 'm',
            Self::Base64Pad => 'M',
            Self::Base64Url => 'u',
            Self::Base64UrlPad => 'U',
        }
    }

    /// The prefix and the bytes in this base.
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        let body = match self.kind() {
            Kind::Binary => bytes.iter().map(|byte| format!("{byte:08b}")).collect(),
            Kind::Fifty8(alphabet) => bs58::encode(bytes).with_alphabet(alphabet).into_string(),
            Kind::Power(encoding, Letters::AsTheyAre | Letters::Upper) => encoding.encode(bytes),
            Kind::Power(encoding, Letters::Lower) => encoding.encode(bytes).to_ascii_lowercase(),
        };
        format!("{}{body}", self.prefix())
    }

    /// The bytes of text without its prefix. Exact: no blanks, no stray padding, no loose last bits; the bases
    /// with one case take the other too, as the originals do.
    pub(crate) fn decode(self, body: &str) -> Result<Vec<u8>, KeyTextError> {
        match self.kind() {
            Kind::Binary => binary(body),
            Kind::Fifty8(alphabet) => bs58::decode(body).with_alphabet(alphabet).into_vec().ok(),
            Kind::Power(encoding, Letters::AsTheyAre) => encoding.decode(body.as_bytes()).ok(),
            Kind::Power(encoding, _) => {
                let body =
                    if encoding == HEXLOWER { body.to_ascii_lowercase() } else { body.to_ascii_uppercase() };
                encoding.decode(body.as_bytes()).ok()
            }
        }
        .ok_or(KeyTextError::Alphabet)
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Base2 => Kind::Binary,
            Self::Base16Lower => Kind::Power(HEXLOWER, Letters::Lower),
            Self::Base16Upper => Kind::Power(HEXUPPER, Letters::Upper),
            Self::Base32Lower => Kind::Power(BASE32_NOPAD, Letters::Lower),
            Self::Base32Upper => Kind::Power(BASE32_NOPAD, Letters::Upper),
            Self::Base32PadLower => Kind::Power(BASE32, Letters::Lower),
            Self::Base32PadUpper => Kind::Power(BASE32, Letters::Upper),
            Self::Base32HexLower => Kind::Power(BASE32HEX_NOPAD, Letters::Lower),
            Self::Base32HexUpper => Kind::Power(BASE32HEX_NOPAD, Letters::Upper),
            Self::Base32HexPadLower => Kind::Power(BASE32HEX, Letters::Lower),
            Self::Base32HexPadUpper => Kind::Power(BASE32HEX, Letters::Upper),
            Self::Base58Btc => Kind::Fifty8(bs58::Alphabet::BITCOIN),
            Self::Base58Flickr => Kind::Fifty8(bs58::Alphabet::FLICKR),
            Self::Base64 => Kind::Power(BASE64_NOPAD, Letters::AsTheyAre),
            Self::Base64Pad => Kind::Power(BASE64, Letters::AsTheyAre),
            Self::Base64Url => Kind::Power(BASE64URL_NOPAD, Letters::AsTheyAre),
            Self::Base64UrlPad => Kind::Power(BASE64URL, Letters::AsTheyAre),
        }
    }
}

enum Kind {
    Binary,
    Fifty8(&'static bs58::Alphabet),
    Power(Encoding, Letters),
}

/// What a base does with the case of letters.
enum Letters {
    AsTheyAre,
    Lower,
    Upper,
}

fn binary(body: &str) -> Option<Vec<u8>> {
    if !body.len().is_multiple_of(8) {
        return None;
    }
    let digits: Option<Vec<u8>> = body
        .bytes()
        .map(|c| match c {
            b'0' => Some(0),
            b'1' => Some(1),
            _ => None,
        })
        .collect();
    Some(digits?.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect())
}
