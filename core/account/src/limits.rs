//! Every bound of this crate.

/// Longest mnemonic text that is looked at, bytes. 24 Japanese words in NFKD are below 1,300.
/// Our choice: room for blanks that a person pasted.
pub const PHRASE_BYTES: usize = 4_096;

/// Most steps of a derivation path. BIP32: the depth is one byte.
pub const PATH_STEPS: usize = 255;

/// Longest path text that is looked at, bytes. Our choice: ten times what any wallet uses.
pub const PATH_BYTES: usize = 512;

/// Longest key text that is looked at, characters. The longest form, base 2 of 67 bytes, has 537.
pub const KEY_TEXT_BYTES: usize = 600;

/// Largest key file, bytes. Our choice: status-go's have about 1,100.
pub const KEY_FILE_BYTES: usize = 65_536;

/// Most memory that a file may make scrypt take, bytes: 128 · n · r. `identity.md` 2.1 (1 GiB).
pub const SCRYPT_MEMORY: u64 = 1 << 30;

/// Largest scrypt block factor r. Our choice: every known writer uses 1 or 8.
pub const SCRYPT_R: u32 = 64;

/// Largest scrypt parallelism p. Our choice: known writers use 1, 6 and 8.
pub const SCRYPT_P: u32 = 64;

/// Most scrypt work, n · r · p: 32 times geth's standard. Our choice: about half a minute on one core.
pub const SCRYPT_WORK: u64 = 1 << 26;

/// Most PBKDF2 rounds of a file: 38 times what the format's description uses. Our choice: some seconds.
pub const PBKDF2_ROUNDS: u32 = 10_000_000;

/// Longest salt of a key file, bytes. Our choice: every known writer uses 32.
pub const SALT_BYTES: usize = 256;

/// Longest ciphertext of a key file, bytes. The longest known, the extended key text, has 111.
pub const CIPHERTEXT_BYTES: usize = 256;

/// Largest backup file, bytes. Our choice: a million messages of an ordinary length.
pub const BACKUP_BYTES: usize = 512 << 20;

/// Longest link that is looked at, bytes. Our choice: what browsers and messengers pass on without cutting.
pub const LINK_BYTES: usize = 2_048;

/// Longest web address inside a link, bytes: what leaves [`LINK_BYTES`] room for the link around it.
pub const WEB_URL_BYTES: usize = LINK_BYTES - 48;

/// Longest ENS or host name, bytes. DNS, RFC 1035 2.3.4 (its text form).
pub const ENS_BYTES: usize = 253;

/// Longest label of an ENS or host name, bytes. DNS, RFC 1035 2.3.4.
pub const ENS_LABEL_BYTES: usize = 63;

/// Longest name of a public chat in a link, bytes. Our choice; the transport takes names of the same length.
pub const CHAT_NAME_BYTES: usize = 128;

/// Longest name of a group in an invitation, bytes. Our choice.
pub const GROUP_NAME_BYTES: usize = 128;

/// Longest id of a group, bytes. A UUID, a hyphen and a key have 169; peers check the end alone, so some room.
pub const GROUP_ID_BYTES: usize = 256;

/// Longest text in a QR code, bytes. Our choice: version 24 of 40, above which phones fail at screens.
pub const QR_TEXT_BYTES: usize = 900;
