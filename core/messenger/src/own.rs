//! What our other devices send us: copies of what they sent, and what they are called.
//!
//! | id | check | else |
//! |---|---|---|
//! | O1 | it names another device than this one | ignored: an echo |
//! | O2 | what the ratchet protects comes from a device that is enabled here | refused, so that it comes again |
//! | O3 | without the ratchet it is the pairing of a device, and nothing else | refused |
//! | O4 | that device is known by a bundle, and is not this one | refused |
//! | O5 | it is newer than what the device said before | ignored |

use rand_core::CryptoRng;
use undertone_crypto::PublicKey;
use undertone_datasync::{Unwrapped, unwrap};
use undertone_payload::{Attribution, ChatKind, CheckedChatMessage, MessageId, Parsed};
use undertone_ratchet::{InstallationId, Kind, OpenError, Opened};
use undertone_transport::{PublicName, Received, Route};

use crate::chat::{Chat, ChatId, Message, MessageState};
use crate::fault::Fault;
use crate::heal::is_new;
use crate::io::{Notice, Protection, Undecodable};
use crate::receive::{Arrival, code, identify, perhaps_switched_off, refuse, stop};
use crate::rows::DeviceLabel;
use crate::step::{Step, Stop};
use crate::store::{StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Takes in what was signed with our own key.
    ///
    /// DEVIATION: the original takes what any holder of our key sends as our own word, whatever protects it, and
    /// whether or not that device was enabled (`messenger.md` 1, 8). Pinned by
    /// `a_device_that_is_not_enabled_does_not_speak_for_us`.
    pub(crate) fn received_from_own(&mut self, received: &Received) -> Result<(), Stop> {
        match &received.route {
            Route::ContactCode(owner) if owner == self.own() => self.own_contact_code(received),
            Route::Negotiated(_) | Route::Partition(_) | Route::Personal(_) => self.own_direct(received),
            Route::Public(name) => self.own_public(received, name),
            _ => Err(Stop::Ignored),
        }
    }

    /// What a device has missed, it may take now.
    fn own_contact_code(&mut self, received: &Received) -> Result<(), Stop> {
        let (opened, from) = self.open_of_other(received)?;
        if opened.kind != Kind::Public {
            return Err(refuse(code::NOT_A_PUBLIC_MESSAGE));
        }
        self.admit(self.own())?;
        if opened.fresh && self.is_enabled(&from)? {
            self.bring_forward(self.own())?;
        }
        Ok(())
    }

    fn own_direct(&mut self, received: &Received) -> Result<(), Stop> {
        let (opened, from) = match self.open_of_other(received) {
            Err(Unopened::Unreadable(error)) => return self.own_unreadable(received, error),
            other => other?,
        };
        match (opened.kind, opened.payload) {
            (Kind::Empty, _) => {}
            (Kind::DhOnly, Some(payload)) => self.paired(payload, received)?,
            (Kind::Ratchet, Some(payload)) => {
                if !self.is_enabled(&from)? {
                    return Err(refuse(code::DEVICE_NOT_ENABLED)); // O2
                }
                self.session_is_back(&received.author, Some(from), opened.replaced)?;
                let arrival = Arrival { received, protection: Protection::Ratchet, sync: 0 };
                self.received_payload(payload, arrival)?;
            }
            _ => return Err(refuse(code::NOT_A_DIRECT_MESSAGE)),
        }
        self.admit(self.own())?;
        Ok(())
    }

    /// It does not know this device, or one of the two has lost its state: its bundle is worth having, and if it is
    /// one of us, so is ours for it.
    fn own_unreadable(&mut self, received: &Received, error: OpenError) -> Result<(), Stop> {
        if !(error == OpenError::NotPaired || error.wants_answer()) {
            return Err(stop(error));
        }
        let learned = self.learn_from(received).map_err(stop)?;
        self.admit(self.own())?;
        let own = *self.own();
        let enabled = self.own_devices()?.iter().any(|device| device.enabled && !device.this_device);
        if error.wants_answer() && enabled {
            let answered = self.answer(&own, is_new(received, &learned))?;
            self.lost_session(received, answered)?;
        }
        Ok(())
    }

    /// A device says what it is called (`security.md` 5.4). Its metadata is not signed: the envelope is.
    fn paired(&mut self, payload: Vec<u8>, received: &Received) -> Result<(), Stop> {
        let body = match unwrap(payload) {
            Ok(Unwrapped::Plain(body)) => body,
            Ok(Unwrapped::Sync(_)) => return Err(refuse(code::NOT_A_PAIRING)), // O3
            Err(error) => return Err(Stop::Refused(Undecodable::Sync(error.code()))),
        };
        let identified = identify(received, body)?;
        if identified.attribution() == Attribution::Relayed {
            return Err(refuse("metadata.relayed"));
        }
        let pair = match identified.parse() {
            Ok(Parsed::Pair(raw)) => raw.check(received.sent_at).map_err(|e| refuse(e.code()))?,
            Ok(_) => return Err(refuse(code::NOT_A_PAIRING)), // O3
            Err(error) => return Err(refuse(error.code())),
        };
        let installation = InstallationId::new(pair.installation_id()).ok_or(refuse(code::UNKNOWN_DEVICE))?;
        let known = self.own_devices()?;
        if !known.iter().any(|device| device.installation == installation && !device.this_device) {
            return Err(refuse(code::UNKNOWN_DEVICE)); // O4
        }
        let label = self.label(&installation)?;
        if pair.clock().value() <= label.clock {
            return Err(Stop::Ignored); // O5
        }
        let label = DeviceLabel {
            clock: pair.clock().value(),
            name: pair.name().to_owned(),
            kind: pair.device_type().to_owned(),
        };
        self.put_label(&installation, &label)?;
        // If it is new, the end of the step tells of it.
        let was_known = self.messenger.devices(self.tx.below(), self.own())?;
        let device = self.own_devices()?.into_iter().find(|device| device.installation == installation);
        if let Some(device) = device.filter(|_| was_known.iter().any(|d| d.installation == installation)) {
            self.notify(Notice::OwnDevice(Box::new(device)));
        }
        Ok(())
    }

    fn own_public(&mut self, received: &Received, name: &PublicName) -> Result<(), Stop> {
        let id = ChatId::Public(name.clone());
        if self.chat(&id)?.is_none() {
            return Err(Stop::Ignored);
        }
        let (opened, _) = self.open_of_other(received)?;
        if opened.kind != Kind::Public {
            return Err(refuse(code::NOT_A_PUBLIC_MESSAGE));
        }
        let identified = identify(received, opened.payload.unwrap_or_default())?;
        if identified.attribution() != Attribution::Direct {
            return Err(Stop::Ignored);
        }
        if let Ok(Parsed::Chat(raw)) = identified.parse() {
            let checked = raw.check(received.sent_at).map_err(|e| refuse(e.code()))?;
            let fits = ChatKind::of(checked.message_type()) == Some(ChatKind::Public);
            if !fits || checked.chat_id() != name.as_str() {
                return Err(refuse(code::WRONG_CHAT));
            }
            self.file_own(id, identified.id(), &checked, Protection::Public)?;
        }
        self.admit(self.own())?;
        Ok(())
    }

    /// Files a copy of what another device of ours wrote to a person.
    pub(crate) fn own_body(
        &mut self,
        id: MessageId,
        checked: &CheckedChatMessage,
        protection: Protection,
    ) -> Result<Result<(), Undecodable>, Fault> {
        let Ok(peer) = PublicKey::from_hex(checked.chat_id()) else {
            return Ok(Err(Undecodable::Payload(code::WRONG_CHAT)));
        };
        // Notes to oneself are not kept yet.
        if peer != *self.own() {
            self.file_own(ChatId::OneToOne(peer), id, checked, protection)?;
        }
        Ok(Ok(()))
    }

    fn file_own(
        &mut self,
        id: ChatId,
        message: MessageId,
        checked: &CheckedChatMessage,
        protection: Protection,
    ) -> Result<(), Fault> {
        let author = *self.own();
        if self.tx.get(Table::Message, message.as_bytes())?.is_some()
            || self.wrapped_anew(&id, &author, checked)?
        {
            return Ok(());
        }
        let blocked = matches!(&id, ChatId::OneToOne(peer) if self.is_blocked(peer)?);
        let row =
            if blocked { self.chat(&id)?.unwrap_or(Chat::new(id.clone())) } else { self.own_chat(&id)? };
        let clock = checked.clock().value();
        self.put_chat(&Chat { clock: row.clock.max(clock), ..row })?;
        self.put_new_message(Message {
            id: message,
            chat: id,
            author,
            text: checked.text().to_owned(),
            clock,
            timestamp: checked.timestamp(),
            state: MessageState::Sent,
            protection,
        })
    }

    /// Opens what another device of ours sent, and says which one.
    fn open_of_other(&mut self, received: &Received) -> Result<(Opened, InstallationId), Unopened> {
        let opened = match self.open_sealed(received) {
            Ok(opened) => opened,
            // Without the security layer it names no device.
            Err(error) if perhaps_switched_off(&error) => return Err(Unopened::Echo),
            Err(error) => return Err(Unopened::Unreadable(error)),
        };
        match opened.installation.clone() {
            Some(from) if from != self.state.installation => Ok((opened, from)),
            _ => Err(Unopened::Echo), // O1
        }
    }

    fn is_enabled(&self, installation: &InstallationId) -> Result<bool, Fault> {
        let devices = self.own_devices()?;
        Ok(devices.iter().any(|device| device.installation == *installation && device.enabled))
    }
}

/// Why nothing of another device came out.
enum Unopened {
    /// This device sent it, or nobody can tell.
    Echo,
    /// It cannot be read here.
    Unreadable(OpenError),
}

impl From<Unopened> for Stop {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Echo => Self::Ignored,
            Unopened::Unreadable(error) => stop(error),
        }
    }
}
