//! Limits of this crate.

use std::time::Duration;

/// Longest name in bytes, before and after normalisation. Our choice: that of a host name (RFC 1035), which every name
/// in use stays below.
pub const MAX_NAME: usize = 255;

/// Longest endpoint in bytes. Our choice: keys of providers are far shorter.
pub const MAX_ENDPOINT: usize = 2_048;

/// Largest answer in bytes. Our choice: the longest right one has about 200.
pub const MAX_ANSWER: u64 = 16 * 1024;

/// Largest head of an answer in bytes. Our choice: proxies add some headers.
pub const MAX_ANSWER_HEAD: usize = 16 * 1024;

/// How long one call may take, from the name of the host to the last byte (`status-go: ENS verifier, 5 s`). A question
/// takes at most five calls.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions under way at once; more wait. Our choice: a client asks seldom, and public endpoints count.
pub const MAX_QUESTIONS: usize = 4;

/// When a name that was answered for is asked for again. Our choice (`identity.md` 6, trap T5): the original never does,
/// so that a sold name stays with its old owner.
pub const RECHECK: Duration = Duration::from_secs(24 * 60 * 60);

/// Failures after which a name is given up (`status-go: ENS verifier`).
pub const MAX_FAILURES: u32 = 11;

/// Unit of [`retry_after`] (`status-go: ENS verifier`).
pub const RETRY_UNIT: Duration = Duration::from_secs(30);

/// How long to wait after so many failures in a row: `30 · n · 2^n` seconds. `None` from [`MAX_FAILURES`] on: given up,
/// until the claimed name changes or the person asks.
///
/// ```
/// use std::time::Duration;
/// use undertone_ens::retry_after;
/// assert_eq!(retry_after(0), Some(Duration::ZERO));
/// assert_eq!(retry_after(3), Some(Duration::from_secs(720)));
/// assert_eq!(retry_after(11), None);
/// ```
pub fn retry_after(failures: u32) -> Option<Duration> {
    if failures >= MAX_FAILURES {
        return None;
    }
    let factor = 1u32.checked_shl(failures)?.checked_mul(failures)?;
    RETRY_UNIT.checked_mul(factor)
}
