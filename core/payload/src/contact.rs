//! What a person says of itself to somebody that it has added.

use std::fmt;

use prost::Message as _;
use undertone_base::{FaultClass, Severity, Unix};

use crate::clock::{Clock, ClockError};
use crate::limits::{ENS_NAME_MAX, PICTURE_MAX};
use crate::proto;

/// How a picture begins: it travels as a data URL.
const PICTURE: &str = "data:image/";

/// That its sender has added us, the ENS name that it claims and its picture: checked, by [`ContactUpdate::new`] if we
/// made it, by [`RawContactUpdate::check`] if it came. What it says is still only its author's word.
///
/// | tag | field |
/// |---|---|
/// | `08` | clock of the one-to-one chat, varint |
/// | `12` | ENS name |
/// | `1a` | picture |
///
/// ```
/// use undertone_base::Unix;
/// use undertone_payload::{Clock, ContactUpdate, RawContactUpdate};
///
/// let now = Unix::from_millis(1_600_000_000_000);
/// let update = ContactUpdate::new(Clock::bid(Clock::NONE, now), "alice.stateofus.eth", "", now)?;
/// assert_eq!(RawContactUpdate::decode(&update.encode())?.check(now)?, update);
/// # Ok::<(), undertone_payload::ContactUpdateError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ContactUpdate {
    clock: Clock,
    ens_name: String,
    picture: String,
}

impl ContactUpdate {
    /// One to send at `now`; empty for no name and no picture.
    ///
    /// # Errors
    /// [`ContactUpdateError::Clock`]; [`ContactUpdateError::EnsName`], [`ContactUpdateError::Picture`] for what
    /// receivers would take as absent.
    pub fn new(clock: Clock, ens_name: &str, picture: &str, now: Unix) -> Result<Self, ContactUpdateError> {
        if !is_name(ens_name) {
            return Err(ContactUpdateError::EnsName);
        }
        if !is_picture(picture) {
            return Err(ContactUpdateError::Picture);
        }
        RawContactUpdate(proto::ContactUpdate {
            clock: clock.value(),
            ens_name: ens_name.to_owned(),
            profile_image: picture.to_owned(),
        })
        .check(now)
    }

    /// The payload of a metadata message of type 2.
    pub fn encode(&self) -> Vec<u8> {
        proto::ContactUpdate {
            clock: self.clock.value(),
            ens_name: self.ens_name.clone(),
            profile_image: self.picture.clone(),
        }
        .encode_to_vec()
    }

    /// Orders what one person says of itself, and takes part in the clock of the chat.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The ENS name that it claims, unverified, at most 255 bytes; empty for none.
    pub fn ens_name(&self) -> &str {
        &self.ens_name
    }

    /// Its picture, a data URL of at most [`PICTURE_MAX`] bytes that nobody has looked into; empty for none.
    pub fn picture(&self) -> &str {
        &self.picture
    }
}

impl fmt::Debug for ContactUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContactUpdate(clock {}, picture of {} bytes)", self.clock.value(), self.picture.len())
    }
}

/// A contact update in shape only. Tolerant: unknown fields are skipped.
#[derive(Clone, PartialEq)]
pub struct RawContactUpdate(proto::ContactUpdate);

impl RawContactUpdate {
    /// Reads the payload of a metadata message of type 2.
    ///
    /// # Errors
    /// [`ContactUpdateError::Malformed`], also for a string that is not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Self, ContactUpdateError> {
        proto::ContactUpdate::decode(payload).map(Self).map_err(|_| ContactUpdateError::Malformed)
    }

    /// Applies every rule that needs nothing but the message and `sent_at`, the time of its envelope.
    ///
    /// | id | rule | else | origin |
    /// |---|---|---|---|
    /// | U1 | clock is not zero and at most 120 s after `sent_at` | refused | ours (`payloads.md` trap 8) |
    /// | U2 | the name has at most 255 bytes and ends in `.eth` | taken as none | `identity.md` 6 |
    /// | U3 | the picture is a data URL of an image, of at most 64 KiB | taken as none | ours |
    ///
    /// DEVIATION: the reference checks nothing, so that one update with a clock of 2^62 makes all later messages of a
    /// chat unacceptable to everybody (`payloads.md` trap 8). Pinned by `u1_a_clock_that_is_not_believed`.
    ///
    /// # Errors
    /// [`ContactUpdateError::Clock`].
    pub fn check(self, sent_at: Unix) -> Result<ContactUpdate, ContactUpdateError> {
        let Self(message) = self;
        let clock = Clock::from_value(message.clock);
        clock.check(sent_at)?; // U1
        let ens_name = if is_name(&message.ens_name) { message.ens_name } else { String::new() }; // U2
        let picture = if is_picture(&message.profile_image) { message.profile_image } else { String::new() }; // U3
        Ok(ContactUpdate { clock, ens_name, picture })
    }
}

impl fmt::Debug for RawContactUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawContactUpdate(clock {})", self.0.clock)
    }
}

fn is_name(name: &str) -> bool {
    name.is_empty() || (name.len() <= ENS_NAME_MAX && name.ends_with(".eth"))
}

fn is_picture(url: &str) -> bool {
    url.is_empty() || (url.len() <= PICTURE_MAX && url.starts_with(PICTURE) && url.is_ascii())
}

/// Why a contact update was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContactUpdateError {
    /// U1: a clock that is not believed.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Ours: an ENS name that does not end in `.eth` or is longer than 255 bytes.
    #[error("ens name exceeds {ENS_NAME_MAX} bytes or does not end in .eth")]
    EnsName,
    /// Not the protobuf of a contact update, or a string that is not UTF-8.
    #[error("not a contact update")]
    Malformed,
    /// Ours: a picture that is no data URL of an image or too large.
    #[error("picture exceeds {PICTURE_MAX} bytes or is no data url of an image")]
    Picture,
}

impl ContactUpdateError {
    /// The author's; of one that we make, whoever gave name and picture.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Clock(error) => error.fault(),
            Self::EnsName | Self::Picture => FaultClass::Caller,
            Self::Malformed => FaultClass::peer(Severity::Mild),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Clock(error) => error.code(),
            Self::EnsName => "contact_update.ens_name",
            Self::Malformed => "contact_update.malformed",
            Self::Picture => "contact_update.picture",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Unix = Unix::from_millis(1_600_000_000_000);

    fn came(clock: u64, ens_name: &str, profile_image: &str) -> Result<ContactUpdate, ContactUpdateError> {
        let (ens_name, profile_image) = (ens_name.to_owned(), profile_image.to_owned());
        let bytes = proto::ContactUpdate { clock, ens_name, profile_image }.encode_to_vec();
        RawContactUpdate::decode(&bytes)?.check(NOW)
    }

    #[test]
    fn u1_a_clock_that_is_not_believed() {
        let refused = |clock| came(clock, "", "").unwrap_err().code();
        assert_eq!(refused(0), "clock.zero");
        assert_eq!(refused(NOW.millis() + 120_001), "clock.too_high");
        assert_eq!(refused(1 << 62), "clock.too_high");
        assert_eq!(came(NOW.millis() + 120_000, "", "").unwrap().clock().value(), NOW.millis() + 120_000);
    }

    #[test]
    fn u2_u3_a_name_and_a_picture_that_are_none_are_taken_as_none() {
        let clock = NOW.millis();
        let long = format!("{}.eth", "a".repeat(ENS_NAME_MAX - 4));
        assert_eq!(came(clock, &long, "").unwrap().ens_name(), long);
        assert_eq!(came(clock, &format!("a{long}"), "").unwrap().ens_name(), "");
        assert_eq!(came(clock, "alice", "").unwrap().ens_name(), "");
        let url = format!("{PICTURE}{}", "A".repeat(PICTURE_MAX - PICTURE.len()));
        assert_eq!(came(clock, "", &url).unwrap().picture(), url);
        for bad in
            [&format!("{url}A")[..], "https://example.org/tracker.png", "data:text/html,x", "data:image/é"]
        {
            assert_eq!(came(clock, "", bad).unwrap().picture(), "");
        }
        // We do not send what nobody takes.
        let ours =
            |name, picture| ContactUpdate::new(Clock::from_value(clock), name, picture, NOW).unwrap_err();
        assert_eq!(ours("alice", "").code(), "contact_update.ens_name");
        assert_eq!(ours("", "https://example.org/").code(), "contact_update.picture");
        assert_eq!(ours("alice", "").fault(), FaultClass::Caller);
    }

    #[test]
    fn what_is_no_protobuf_or_no_text_is_malformed() {
        for bytes in [&[0x0a][..], &[0x12, 1, 0xff], &[0x1a, 9]] {
            assert_eq!(RawContactUpdate::decode(bytes).unwrap_err(), ContactUpdateError::Malformed);
        }
    }

    #[test]
    fn what_it_says_does_not_print() {
        let update = came(1, "alice.eth", "data:image/png;base64,AAAA").unwrap();
        assert_eq!(format!("{update:?}"), "ContactUpdate(clock 1, picture of 26 bytes)");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(update) = RawContactUpdate::decode(&bytes).and_then(|raw| raw.check(NOW)) {
                prop_assert_eq!(RawContactUpdate::decode(&update.encode()).unwrap().check(NOW), Ok(update));
            }
        }
    }
}
