//! Every bound and interval of this crate, with unit and origin.

use std::time::Duration;

/// Bytes of a payload. `security.md` 8.2.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// Bytes of a serialized `ProtocolMessage`: the largest payload for three devices, four bundles, headers. Our
/// choice; an envelope carries less.
pub const MAX_MESSAGE: usize = 3 * MAX_PAYLOAD + 256 * 1024;
/// Entries of `direct_message`. `security.md` 8.2.
pub const MAX_DIRECT_ENTRIES: usize = 16;
/// Bundles of one message, the legacy field counted. `security.md` 8.2.
pub const MAX_BUNDLES: usize = 4;
/// Entries of one bundle. `security.md` 2.3 rule 1.
pub const MAX_BUNDLE_ENTRIES: usize = 8;
/// Bytes of a serialized bundle. Our choice: eight entries with the extensions of `security.md` 8.3.
pub const MAX_BUNDLE_BYTES: usize = 32 * 1024;
/// Bytes of an installation id. `security.md` 2.3 rule 1.
pub const MAX_INSTALLATION_ID: usize = 64;

/// Highest version of a foreign prekey that is stored. `security.md` 2.3 rule 5.
pub const MAX_PREKEY_VERSION: u32 = 1 << 31;
/// Earliest plausible timestamp of a bundle, nanoseconds since 1970. `security.md` 2.3 rule 2.
pub const MIN_BUNDLE_TIMESTAMP: i64 = 1_500_000_000_000_000_000;
/// How far in the future a bundle may be dated. `security.md` 2.3 rule 2.
pub const MAX_BUNDLE_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Age at which our prekey is replaced. status-go: 24 h, checked when a bundle is needed.
pub const PREKEY_ROTATION: Duration = Duration::from_secs(24 * 3600);
/// How long a private prekey is kept after it was replaced. `security.md` 8.2; status-go keeps it for ever.
pub const PREKEY_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// Devices in our own bundle: this one and the two latest enabled ones. `security.md` 5.4.
pub const MAX_OWN_DEVICES: usize = 3;
/// Devices of a peer that one message is encrypted for. `security.md` 5.1.
pub const MAX_TARGETS: usize = 3;
/// Devices remembered of one identity; the one with the oldest bundle leaves. Our choice.
pub const MAX_DEVICES_PER_IDENTITY: usize = 64;
/// Sessions with one identity; the one unused for longest leaves. Our choice: 3 devices, 14 days of our
/// prekeys and as many of theirs, with room.
pub const MAX_SESSIONS_PER_IDENTITY: usize = 256;

/// Openings on one of our prekeys by one device, each in the place of the one before. Our choice: a prekey lives a day,
/// and no device loses its state that often.
pub const MAX_REPLACED_OPENINGS: usize = 32;

/// Keys skipped by one message in one chain. `security.md` 4; exactly this many are allowed.
pub const MAX_SKIP: u32 = 1000;
/// Skipped keys stored for one session; the lowest sequence numbers leave. `security.md` 4.
pub const MAX_SKIPPED_PER_SESSION: usize = 2000;
/// A skipped key whose sequence number is this far behind leaves. `security.md` 4.
pub const MAX_SKIPPED_BEHIND: u64 = 3000;
/// Skipped keys stored for one identity; the oldest leave. `security.md` 8.2.
pub const MAX_SKIPPED_PER_IDENTITY: usize = 5000;
/// How long a skipped key is kept: the retention of mail servers. `security.md` 8.2.
pub const SKIPPED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Skipped keys that are read at once to see whether they are outdated. Our choice: some 300 KiB.
pub const ERASE_PAGE: usize = 1_000;
/// Skipped keys that one call erases. Our choice: the names of so many rows wait for the end of the call, some 10 MiB; the
/// rest is left for the next call.
pub const MAX_ERASED: usize = 50_000;
/// How old a bundle may be and still tell that its device is there, although a later one is known: the clocks of two
/// devices differ. Our choice: a transport shows no copy sooner.
pub const BUNDLE_FRESH: Duration = Duration::from_secs(600);
/// Former ratchet keys of a peer that a session remembers, so that a late copy of a message is told apart
/// from a forgery. Our choice.
pub const MAX_RETIRED_KEYS: usize = 32;

/// Shortest Double Ratchet ciphertext: IV and MAC. `security.md` S7.
pub const MIN_RATCHET_CIPHERTEXT: usize = 48;
