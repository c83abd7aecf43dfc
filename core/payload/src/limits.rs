//! Every bound of this crate.

/// Largest encoded metadata that is looked at, in bytes. Origin: no envelope of Whisper or Waku may exceed
/// 1 MiB (geth: `MaxMessageSize`).
pub const METADATA_MAX: usize = 1_048_576;

/// How far a clock may lie ahead of its reference time, in milliseconds. Origin: `payloads.md` 3.8
/// (status-go: two minutes). There is no bound to the other side.
pub const CLOCK_DRIFT_MAX: u64 = 120_000;

/// Longest name that a device gives itself, in bytes. Origin: our choice; the reference has no limit.
pub const DEVICE_NAME_MAX: usize = 128;

/// Longest word for the kind of a device, in bytes. Origin: our choice; clients send at most seven. The
/// reference has no limit.
pub const DEVICE_TYPE_MAX: usize = 32;

/// Longest installation id, in bytes. Origin: `security.md` 2.3 rule 1.
pub const INSTALLATION_ID_MAX: usize = 64;

/// Longest text of a chat message, in bytes of UTF-8 (not characters). Origin: `payloads.md` 3.1.
pub const TEXT_MAX: usize = 4_096;

/// Longest chat id, in bytes. Origin: our choice, three times the longest that a client makes (a group:
/// 169); the reference has no limit.
pub const CHAT_ID_MAX: usize = 512;

/// Longest ENS name, in bytes; a longer one is taken as none. Origin: our choice, the bound of DNS names;
/// the reference has no limit.
pub const ENS_NAME_MAX: usize = 255;

/// Largest picture of a person, in bytes of its data URL; a larger one is taken as none. Origin: our choice, several
/// times what clients make of a photo; the reference has no limit but the envelope.
pub const PICTURE_MAX: usize = 64 * 1024;

/// Longest hash of a sticker, in bytes. Origin: our choice; clients send 76. The reference has no limit.
pub const STICKER_HASH_MAX: usize = 512;
