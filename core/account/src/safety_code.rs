//! A code that two people compare over a call.

use std::fmt;

use undertone_crypto::PublicKey;
use undertone_crypto::kdf::pbkdf2_sha512;

/// Sixty digits that follow from two keys, the same on both sides.
///
/// Ours alone: no Status client shows it. Two people read it to each other over a channel on which they know each
/// other's voice or face; equal codes mean that each holds the other's true key.
///
/// ```text
/// low, high = the two compressed keys (33 bytes each) in byte order
/// out       = PBKDF2-HMAC-SHA512(password = low || high, salt = "undertone safety code 1", 5200 rounds, 64 bytes)
/// group i   = out[5i .. 5i + 5] as a big-endian number mod 100000, i in 0..12; five digits each
/// ```
///
/// Somebody in the middle shows one key of his to each side and wins where both codes are equal. He may vary both
/// keys, so that is a collision: about 2^99.6 trials of 5,200 rounds. A code read in part is a weaker one: n digits
/// stop about 10^(n/2) trials.
///
/// ```
/// use undertone_account::SafetyCode;
/// use undertone_crypto::SecretKey;
/// let mut rng = rand::rng();
/// let (alice, bob) = (SecretKey::random(&mut rng).public(), SecretKey::random(&mut rng).public());
/// let here = SafetyCode::of(&alice, &bob);
/// let there = SafetyCode::of(&bob, &alice);
/// assert!(here.matches(&there.to_string()));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SafetyCode([u32; GROUPS]);

impl SafetyCode {
    /// The code of two keys, in either order. Some milliseconds of work. The code of a key with itself says nothing.
    pub fn of(one: &PublicKey, other: &PublicKey) -> Self {
        let mut keys = [one.to_compressed(), other.to_compressed()];
        keys.sort_unstable();
        let bytes = pbkdf2_sha512(&keys.concat(), DOMAIN, ROUNDS);
        let mut groups = [0; GROUPS];
        for (group, chunk) in groups.iter_mut().zip(bytes.expose().chunks_exact(GROUP_BYTES)) {
            // 2^40 is eleven million times 100000: no digit is favoured to any use.
            let number = chunk.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            *group = u32::try_from(number % GROUP_RANGE).unwrap_or_default();
        }
        Self(groups)
    }

    /// The twelve groups, each below 100000 and shown with five digits.
    pub const fn groups(&self) -> [u32; 12] {
        self.0
    }

    /// Whether `typed` has exactly these sixty digits; blanks and hyphens between them do not count.
    pub fn matches(&self, typed: &str) -> bool {
        let digits = |text: &str| -> String {
            // One character more than a code has is enough to differ from it.
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(DIGITS + 1).collect()
        };
        digits(typed) == digits(&self.to_string())
    }
}

/// Twelve groups of five digits with a blank between them: 71 characters.
impl fmt::Display for SafetyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.0.iter().enumerate() {
            write!(f, "{}{group:05}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Separates these hashes from every other use of the keys; the digit is the version.
const DOMAIN: &[u8] = b"undertone safety code 1";
/// Our choice: what messengers with such codes use; 2^12 more for whoever searches, milliseconds for us.
const ROUNDS: u32 = 5_200;
const GROUPS: usize = 12;
const GROUP_BYTES: usize = 5;
const GROUP_RANGE: u64 = 100_000;
const DIGITS: usize = 60;
