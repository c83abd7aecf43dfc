//! What a device of ours calls itself.

use std::fmt;

use prost::Message as _;
use undertone_base::{FaultClass, Severity, Unix};

use crate::clock::{Clock, ClockError};
use crate::limits::{DEVICE_NAME_MAX, DEVICE_TYPE_MAX, INSTALLATION_ID_MAX};
use crate::proto;

/// The name and kind of one of our own devices, checked: by [`PairInstallation::new`] if we made it, by
/// [`RawPairInstallation::check`] if it came.
///
/// It travels from one device of a person to the others, in an envelope that the person signed, as
/// [`Metadata::unsigned`](crate::Metadata::unsigned).
///
/// | tag | field |
/// |---|---|
/// | `08` | clock, varint |
/// | `12` | installation id |
/// | `1a` | device type |
/// | `22` | name |
///
/// ```
/// use undertone_base::Unix;
/// use undertone_payload::{Clock, PairInstallation, RawPairInstallation};
///
/// let now = Unix::from_millis(1_600_000_000_000);
/// let id = "a11ce000-0000-4000-8000-000000000001";
/// let pair = PairInstallation::new(Clock::bid(Clock::NONE, now), id, "desktop", "study", now)?;
/// assert_eq!(RawPairInstallation::decode(&pair.encode())?.check(now)?, pair);
/// # Ok::<(), undertone_payload::PairError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct PairInstallation {
    clock: Clock,
    installation_id: String,
    device_type: String,
    name: String,
}

impl PairInstallation {
    /// One to send at `now`, held against the rules that receivers apply.
    ///
    /// # Errors
    /// [`PairError`], the first rule that fails.
    pub fn new(
        clock: Clock,
        installation_id: &str,
        device_type: &str,
        name: &str,
        now: Unix,
    ) -> Result<Self, PairError> {
        RawPairInstallation(proto::PairInstallation {
            clock: clock.value(),
            installation_id: installation_id.to_owned(),
            device_type: device_type.to_owned(),
            name: name.to_owned(),
        })
        .check(now)
    }

    /// The payload of a metadata message of type 4.
    pub fn encode(&self) -> Vec<u8> {
        proto::PairInstallation {
            clock: self.clock.value(),
            installation_id: self.installation_id.clone(),
            device_type: self.device_type.clone(),
            name: self.name.clone(),
        }
        .encode_to_vec()
    }

    /// Orders what one device says of itself: the highest counts.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Which device, 1 to 64 bytes. Whether there is one is not known.
    pub fn installation_id(&self) -> &str {
        &self.installation_id
    }

    /// `ios`, `android`, `desktop`, or whatever stands there: 1 to 32 bytes.
    pub fn device_type(&self) -> &str {
        &self.device_type
    }

    /// Its name, 1 to 128 bytes. May hold control and bidirectional characters: whoever shows it on a terminal
    /// or page neutralises them.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for PairInstallation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairInstallation({}, clock {})", self.installation_id, self.clock.value())
    }
}

/// The pairing of a device in shape only. Tolerant: unknown fields are skipped.
#[derive(Clone, PartialEq)]
pub struct RawPairInstallation(proto::PairInstallation);

impl RawPairInstallation {
    /// Reads the payload of a metadata message of type 4.
    ///
    /// # Errors
    /// [`PairError::Malformed`], also for a string that is not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Self, PairError> {
        proto::PairInstallation::decode(payload).map(Self).map_err(|_| PairError::Malformed)
    }

    /// Applies every rule that needs nothing but the message and `sent_at`, the time of its envelope.
    ///
    /// | id | rule, in this order | origin |
    /// |---|---|---|
    /// | P1 | clock is not zero and at most 120 s after `sent_at` | `payloads.md` 3.8 |
    /// | P2 | name is not blank | 3.8 |
    /// | P3 | device type is not blank | 3.8 |
    /// | P4 | installation id is not blank | 3.8 |
    /// | P5 | name, device type and installation id have at most 128, 32 and 64 bytes | ours |
    ///
    /// DEVIATION: the reference bounds none of the three (`payloads.md` 3.8). Pinned by
    /// `p5_lengths_are_bounded`.
    ///
    /// That the author is ourselves and the device known is the messenger's matter.
    ///
    /// # Errors
    /// [`PairError`], the first rule that fails.
    pub fn check(self, sent_at: Unix) -> Result<PairInstallation, PairError> {
        let Self(message) = self;
        let clock = Clock::from_value(message.clock);
        clock.check(sent_at)?; // P1
        let blank = |text: &str| text.trim().is_empty();
        if blank(&message.name) {
            return Err(PairError::NameBlank); // P2
        }
        if blank(&message.device_type) {
            return Err(PairError::DeviceTypeBlank); // P3
        }
        if blank(&message.installation_id) {
            return Err(PairError::InstallationIdBlank); // P4
        }
        if message.name.len() > DEVICE_NAME_MAX
            || message.device_type.len() > DEVICE_TYPE_MAX
            || message.installation_id.len() > INSTALLATION_ID_MAX
        {
            return Err(PairError::TooLong); // P5
        }
        Ok(PairInstallation {
            clock,
            installation_id: message.installation_id,
            device_type: message.device_type,
            name: message.name,
        })
    }
}

impl fmt::Debug for RawPairInstallation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawPairInstallation(clock {})", self.0.clock)
    }
}

/// Why the pairing of a device was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// P1: a clock that is not believed.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// P3: no device type.
    #[error("device type is blank")]
    DeviceTypeBlank,
    /// P4: no device.
    #[error("installation id is blank")]
    InstallationIdBlank,
    /// Not the protobuf of a pairing, or a string that is not UTF-8.
    #[error("not the pairing of a device")]
    Malformed,
    /// P2: no name.
    #[error("device name is blank")]
    NameBlank,
    /// P5: one of the texts is above its limit.
    #[error(
        "device name, type or id exceeds {DEVICE_NAME_MAX}, {DEVICE_TYPE_MAX} or {INSTALLATION_ID_MAX} bytes"
    )]
    TooLong,
}

impl PairError {
    /// The author's.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Clock(error) => error.fault(),
            _ => FaultClass::peer(Severity::Mild),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Clock(error) => error.code(),
            Self::DeviceTypeBlank => "pair.device_type_blank",
            Self::InstallationIdBlank => "pair.installation_id_blank",
            Self::Malformed => "pair.malformed",
            Self::NameBlank => "pair.name_blank",
            Self::TooLong => "pair.too_long",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix::from_millis(1_600_000_000_000);

    fn made(id: &str, kind: &str, name: &str) -> Result<PairInstallation, PairError> {
        PairInstallation::new(Clock::bid(Clock::NONE, NOW), id, kind, name, NOW)
    }

    #[test]
    fn p1_to_p4_in_their_order() {
        let far = Clock::from_value(NOW.millis() + 120_001);
        let clock = PairInstallation::new(far, "", "", "", NOW);
        assert_eq!(clock, Err(PairError::Clock(ClockError::TooHigh)));
        assert_eq!(made("", " ", "\t\u{2003}"), Err(PairError::NameBlank));
        assert_eq!(made("", " ", "x"), Err(PairError::DeviceTypeBlank));
        assert_eq!(made("\n", "ios", "x"), Err(PairError::InstallationIdBlank));
        assert_eq!(made("i", "ios", "x").unwrap().name(), "x");
    }

    #[test]
    fn p5_lengths_are_bounded() {
        let long = "a".repeat(DEVICE_NAME_MAX + 1);
        let (name, kind, id) =
            (&long[..DEVICE_NAME_MAX], &long[..DEVICE_TYPE_MAX], &long[..INSTALLATION_ID_MAX]);
        assert!(made(id, kind, name).is_ok());
        assert_eq!(made(id, kind, &long), Err(PairError::TooLong));
        assert_eq!(made(id, &long[..=DEVICE_TYPE_MAX], name), Err(PairError::TooLong));
        assert_eq!(made(&long[..=INSTALLATION_ID_MAX], kind, name), Err(PairError::TooLong));
    }

    #[test]
    fn what_is_no_protobuf_or_no_text_is_malformed() {
        for bytes in [&[0x0a][..], &[0x12, 1, 0xff], &[0x22, 9]] {
            assert_eq!(RawPairInstallation::decode(bytes).unwrap_err(), PairError::Malformed);
        }
    }

    #[test]
    fn codes_are_distinct() {
        let all = [
            PairError::Clock(ClockError::Zero),
            PairError::DeviceTypeBlank,
            PairError::InstallationIdBlank,
            PairError::Malformed,
            PairError::NameBlank,
            PairError::TooLong,
        ]
        .map(|error| error.code());
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }
}
