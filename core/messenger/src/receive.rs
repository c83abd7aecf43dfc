//! What arrives: opened, sorted, checked, filed, acknowledged.
//!
//! Every check comes before the first write that could outlive it; a step that ends in [`Stop`] writes nothing
//! at all, not even that a ratchet went on: the message can come again.
//!
//! | id | check | else |
//! |---|---|---|
//! | M1 | the envelope is not our own | see `own` |
//! | M2 | a public message came on the route of an open public chat and names that chat (trap 17) | refused |
//! | M3 | a contact code was signed by its owner | ignored |
//! | M4 | a direct payload came on a direct route, a public one on a public route | refused |
//! | M5 | without the security layer: sealed to our key, or on a negotiated route | refused |
//! | M6 | direct: the author itself sent it (S14); public: it is signed | refused |
//! | M7 | its type belongs on this route | refused |
//! | M8 | there is room for the chat of one more stranger, and in it | refused |
//! | M9 | an acknowledgement comes from the peer that the message went to | ignored |
//! | M10 | it is protected as well as what its author has sent before | refused and answered |
//! | M11 | its author is not blocked | ignored |
//! | M12 | it is newer than its author's chat that was declined | acknowledged, not shown |
//! | M13 | a message of one person to another names no other chat key than ours (S14) | refused |

use rand_core::CryptoRng;
use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_datasync::{Acks, Delivery, Pending, SyncPayload, Unwrapped, receive, unwrap};
use undertone_payload::{
    Attribution, ChatKind, CheckedChatMessage, ContactUpdate, Identified, MessageId, Parsed, PayloadError,
    RawMetadata,
};
use undertone_ratchet::{Kind, OpenError, ProtocolError, RatchetError};
use undertone_transport::{PublicName, Received, Route};

use crate::chat::{ChatId, Message, MessageState};
use crate::fault::Fault;
use crate::io::{Notice, Protection, Sizes, Trace, TraceStep, Undecodable};
use crate::limits::{
    ACK_PAYLOAD, MAX_LOOKED_AT, MAX_QUEUED_ACKS, MAX_REQUEST_MESSAGES, MAX_SAME_CLOCK, RESENDS_PER_STEP,
    SENT_IN_VAIN,
};
use crate::outbox::Sent;
use crate::rows::{Carries, Due, OutboxRow, chat_key, clock_key, contact_key, pending_key};
use crate::security::protection;
use crate::step::{Step, Stop};
use crate::store::{Order, StoreTx, Table};

/// Codes of what only this layer refuses.
pub(crate) mod code {
    pub(crate) const NOT_A_PUBLIC_MESSAGE: &str = "messenger.not_a_public_message";
    pub(crate) const NOT_A_DIRECT_MESSAGE: &str = "messenger.not_a_direct_message";
    pub(crate) const WRONG_CHAT: &str = "messenger.wrong_chat";
    pub(crate) const REQUEST_IS_FULL: &str = "messenger.request_is_full";
    pub(crate) const TOO_MANY_STRANGERS: &str = "messenger.too_many_strangers";
    pub(crate) const FOREIGN_GROUP: &str = "messenger.foreign_group";
    pub(crate) const DEVICE_NOT_ENABLED: &str = "messenger.device_not_enabled";
    pub(crate) const NOT_A_PAIRING: &str = "messenger.not_a_pairing";
    pub(crate) const UNKNOWN_DEVICE: &str = "messenger.unknown_device";
}

/// How a message came, for its trace.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'r> {
    pub(crate) received: &'r Received,
    pub(crate) protection: Protection,
    pub(crate) sync: usize,
}

/// What a body turned out to be.
enum Body {
    /// A chat message that may be filed.
    Chat(MessageId, Box<CheckedChatMessage>),
    /// What a person says of itself.
    Update(Box<ContactUpdate>),
    /// Valid, but nothing that this version does anything with. Acknowledged all the same: its sender would
    /// repeat it for ever.
    Unhandled,
}

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Takes one payload in.
    ///
    /// DEVIATION: the original acknowledges before it looks at a message, loses a whole poll when one row cannot
    /// be saved, and shows nothing of either (`messenger.md` traps 2, 3). Here only what is valid and written
    /// is acknowledged, in the same transaction. Pinned by `only_the_valid_bodies_of_a_payload_are_acknowledged`
    /// and `crash_points_of_a_receipt`.
    pub(crate) fn received(&mut self, received: &Received) -> Result<(), Stop> {
        if received.author == *self.own() {
            return self.received_from_own(received); // M1
        }
        if self.is_blocked(&received.author)? {
            return Err(Stop::Ignored); // M11
        }
        match &received.route {
            Route::ContactCode(owner) => self.received_contact_code(received, owner),
            Route::Negotiated(_) | Route::Partition(_) | Route::Personal(_) => self.received_direct(received),
            Route::Public(name) => self.received_public(received, name),
            _ => Err(Stop::Ignored),
        }
    }

    /// The bundle around it is the message; and that its owner has started, so what waits for its time to be
    /// sent again is sent now.
    fn received_contact_code(&mut self, received: &Received, owner: &PublicKey) -> Result<(), Stop> {
        if received.author != *owner || !self.follows(owner)? {
            return Err(Stop::Ignored); // M3
        }
        let opened = self.open_sealed(received).map_err(stop)?;
        if opened.kind != Kind::Public {
            return Err(refuse(code::NOT_A_PUBLIC_MESSAGE)); // M4
        }
        self.hear_of_devices(owner, &opened.learned)?;
        self.tell_what_was_left_out(owner, &opened.dropped)?;
        let metadata = opened.payload.map_or(0, |payload| payload.len());
        self.admit(owner)?;
        // A copy that anybody kept says nothing of who is there now, and must not show whether something waits.
        if opened.fresh {
            self.bring_forward(owner)?;
        }
        self.notify(Notice::Trace(Box::new(Trace {
            message: None,
            peer: Some(*owner),
            route: received.route.clone(),
            sizes: Sizes { metadata, protocol: received.payload.len(), ..Sizes::default() },
            protection: Protection::Public,
            session: None,
            step: TraceStep::Received(received.wire_id),
        })));
        Ok(())
    }

    fn received_public(&mut self, received: &Received, name: &PublicName) -> Result<(), Stop> {
        let id = ChatId::Public(name.clone());
        if self.chat(&id)?.is_none() {
            return Err(Stop::Ignored); // M2
        }
        let (bytes, switched_off) = match self.open_sealed(received) {
            Ok(opened) if opened.kind == Kind::Public => {
                self.hear_of_devices(&received.author, &opened.learned)?;
                self.tell_what_was_left_out(&received.author, &opened.dropped)?;
                (opened.payload.unwrap_or_default(), None)
            }
            Ok(_) => return Err(refuse(code::NOT_A_PUBLIC_MESSAGE)), // M4
            // Clients with the layer switched off; a public message has nothing to lose.
            Err(error) if perhaps_switched_off(&error) => (received.payload.clone(), Some(error)),
            Err(error) => return Err(stop(error)),
        };
        let metadata = bytes.len();
        let identified = identify(received, bytes).map_err(|e| switched_off.map_or(e, stop))?;
        if identified.attribution() == Attribution::Unsigned {
            return Err(refuse("metadata.unsigned")); // M6
        }
        if identified.author() == self.own() {
            return Err(Stop::Ignored); // M1
        }
        if self.is_blocked(identified.author())? {
            return Err(Stop::Ignored); // M11
        }
        match identified.parse() {
            Ok(Parsed::Chat(raw)) => {
                let checked = raw.check(received.sent_at).map_err(|e| refuse(e.code()))?;
                let fits = ChatKind::of(checked.message_type()) == Some(ChatKind::Public);
                if !fits || checked.chat_id() != name.as_str() {
                    return Err(refuse(code::WRONG_CHAT)); // M2, M7
                }
                let arrival = Arrival { received, protection: Protection::Public, sync: 0 };
                self.file(id, *identified.author(), identified.id(), &checked, arrival, metadata)?
                    .map_err(refuse)?;
            }
            Ok(_) => {}
            Err(error) => return Err(refuse(error.code())),
        }
        self.admit_speaker(&received.author)?;
        Ok(())
    }

    fn received_direct(&mut self, received: &Received) -> Result<(), Stop> {
        let (mut from, mut replaced, mut learned) = (None, false, Vec::new());
        let (payload, protection) = match self.open_sealed(received) {
            Ok(opened) => {
                from.clone_from(&opened.installation);
                (replaced, learned) = (opened.replaced, opened.learned);
                self.hear_of_devices(&received.author, &learned)?;
                self.tell_what_was_left_out(&received.author, &opened.dropped)?;
                match (opened.kind, opened.payload) {
                    (Kind::Ratchet | Kind::DhOnly, Some(payload)) => (payload, protection(opened.protection)),
                    // The sender's devices were the message.
                    (Kind::Empty, _) => {
                        self.admit(&received.author)?;
                        return Ok(());
                    }
                    _ => return Err(refuse(code::NOT_A_DIRECT_MESSAGE)), // M4
                }
            }
            Err(error) if perhaps_switched_off(&error) => {
                check_switched_off(received, self.own(), &error)?; // M5
                (received.payload.clone(), Protection::TransportOnly)
            }
            Err(error) => return self.unreadable(received, error),
        };
        if self.is_downgrade(&received.author, protection)? {
            return self.downgraded(received, protection, &learned); // M10
        }
        self.received_payload(payload, Arrival { received, protection, sync: 0 })?;
        if protection == Protection::Ratchet {
            self.has_shown_pfs(&received.author)?;
            self.session_is_back(&received.author, from, replaced)?;
            self.bring_forward_after(&received.author, SENT_IN_VAIN)?;
        }
        Ok(())
    }

    pub(crate) fn received_payload(
        &mut self,
        payload: Vec<u8>,
        mut arrival: Arrival<'_>,
    ) -> Result<(), Stop> {
        let sync = payload.len();
        match unwrap(payload) {
            Err(error) => Err(Stop::Refused(Undecodable::Sync(error.code()))),
            Ok(Unwrapped::Plain(body)) => {
                self.body(body, arrival)?.map_err(Stop::Refused)?;
                self.admit(&arrival.received.author)?;
                Ok(())
            }
            Ok(Unwrapped::Sync(payload)) => {
                arrival.sync = sync;
                self.received_sync(payload, arrival)
            }
        }
    }

    fn received_sync(&mut self, payload: SyncPayload, arrival: Arrival<'_>) -> Result<(), Stop> {
        let author = arrival.received.author;
        let sync = receive(payload, self.own(), &author);
        let mut useful = false;
        // Whoever nothing waits for has nothing to acknowledge, however much it names.
        let waits =
            !self.tx.scan_prefix(Table::Pending, &contact_key(&author), Order::Ascending, 1)?.is_empty();
        for id in sync.acked.iter().filter(|_| waits) {
            useful |= self.acked(&pending_key(&author, id))?;
        }
        for id in sync.requested.iter().take(RESENDS_PER_STEP).filter(|_| waits) {
            useful |= self.requested(&pending_key(&author, id))?;
        }
        let mut acks = Acks::new();
        let mut refused = Vec::new();
        for Delivery { id, body } in sync.deliver {
            match self.body(body, arrival)? {
                Ok(()) => drop(acks.add(id)),
                Err(why) => refused.push(why),
            }
        }
        if sync.foreign > 0 {
            refused.push(Undecodable::Sync(code::FOREIGN_GROUP));
        }
        if !useful
            && acks.is_empty()
            && let Some(why) = refused.first()
        {
            return Err(Stop::Refused(*why));
        }
        for why in refused {
            self.notify(Notice::Undecodable { author, why });
        }
        if !acks.is_empty() {
            self.meet(&author)?;
        }
        // Nothing may be encrypted with what is not kept.
        if self.admit(&author)? {
            self.send_acks(&author, acks)?;
        }
        Ok(())
    }

    /// Whoever gets an answer from us may from then on write to us where only these two meet, so we must
    /// listen there, now and after every start: there is a chat, even if nothing that it shows has come yet.
    fn meet(&mut self, author: &PublicKey) -> Result<(), Stop> {
        let id = ChatId::OneToOne(*author);
        // Whom we have declined reopens its chat by a new message only.
        if author != self.own() && self.chat(&id)?.is_none() && !self.is_declined(author, 0)? {
            let row = self.chat_of_stranger(&id)?.ok_or(refuse(code::TOO_MANY_STRANGERS))?; // M8
            self.put_chat(&row)?;
        }
        Ok(())
    }

    /// A peer keeps a message of ours. Says whether it was one that waited for that.
    fn acked(&mut self, key: &[u8]) -> Result<bool, Fault> {
        let Some(pending) = self.pending(key)? else { return Ok(false) }; // M9
        self.tx.delete(Table::Due, &Due::Pending(key.to_vec()).key(pending.next_at()))?;
        self.tx.delete(Table::Pending, key)?;
        // That another device of ours has it says nothing about the person.
        if pending.peer() != self.own() {
            let id = self.message_of(&pending);
            self.advance(&id, MessageState::Delivered)?;
        }
        Ok(true)
    }

    /// A peer asks for a message of ours: it is brought forward, if it waits for its time and not for the
    /// transport.
    fn requested(&mut self, key: &[u8]) -> Result<bool, Fault> {
        let Some(pending) = self.pending(key)? else { return Ok(false) };
        let due = Due::Pending(key.to_vec());
        let old = due.key(pending.next_at());
        if self.tx.get(Table::Due, &old)?.is_none() {
            return Ok(false);
        }
        let pending = pending.after_request(self.now.unix);
        self.tx.delete(Table::Due, &old)?;
        self.tx.put(Table::Due, &due.key(pending.next_at()), &[])?;
        self.tx.put(Table::Pending, key, &pending.to_stored())?;
        Ok(true)
    }

    /// A person is back. Not more than one step sends, and nothing sooner than 5 s after it was last sent.
    pub(crate) fn bring_forward(&mut self, person: &PublicKey) -> Result<(), Fault> {
        self.bring_forward_after(person, 0)
    }

    /// What was sent so often at least.
    fn bring_forward_after(&mut self, person: &PublicKey, sendings: u32) -> Result<(), Fault> {
        let rows =
            self.tx.scan_prefix(Table::Pending, &contact_key(person), Order::Ascending, MAX_LOOKED_AT)?;
        let mut left = RESENDS_PER_STEP;
        for (key, row) in rows {
            if left == 0 {
                break;
            }
            if Pending::from_stored(&row)?.attempts() < sendings {
                continue;
            }
            left = left.saturating_sub(usize::from(self.requested(&key)?));
        }
        Ok(())
    }

    /// Checks a body and files what is in it. Writes nothing if it refuses.
    fn body(&mut self, body: Vec<u8>, arrival: Arrival<'_>) -> Result<Result<(), Undecodable>, Fault> {
        let metadata = body.len();
        let (id, checked) = match check_body(body, arrival, self.own()) {
            Ok(Body::Chat(id, checked)) => (id, checked),
            Ok(Body::Update(update)) => return self.updated(&arrival.received.author, &update),
            Ok(Body::Unhandled) => return Ok(Ok(())),
            Err(why) => return Ok(Err(why)),
        };
        let author = arrival.received.author;
        if author == *self.own() {
            return self.own_body(id, &checked, arrival.protection);
        }
        let chat = ChatId::OneToOne(author);
        let filed = self.file(chat, author, id, &checked, arrival, metadata)?;
        Ok(filed.map_err(Undecodable::Payload)) // M8
    }

    /// Files a message and shows it, unless it is known already; says why when there is no room for it.
    fn file(
        &mut self,
        chat: ChatId,
        author: PublicKey,
        id: MessageId,
        checked: &CheckedChatMessage,
        arrival: Arrival<'_>,
        metadata: usize,
    ) -> Result<Result<(), &'static str>, Fault> {
        if self.tx.get(Table::Message, id.as_bytes())?.is_some()
            || self.wrapped_anew(&chat, &author, checked)?
        {
            return Ok(Ok(()));
        }
        let clock = checked.clock().value();
        let known = match self.chat(&chat)? {
            None if self.is_declined(&author, clock)? => return Ok(Ok(())), // M12
            None => self.chat_of_stranger(&chat)?,
            row => row,
        };
        let Some(mut row) = known else { return Ok(Err(code::TOO_MANY_STRANGERS)) };
        if self.is_request(&row)? && self.is_full(&chat)? {
            return Ok(Err(code::REQUEST_IS_FULL));
        }
        row.clock = row.clock.max(clock);
        row.unread = row.unread.saturating_add(1);
        self.put_chat(&row)?;
        let received = arrival.received;
        let trace = Trace {
            message: Some(id),
            peer: matches!(chat, ChatId::OneToOne(_)).then_some(author),
            route: received.route.clone(),
            sizes: Sizes {
                text: checked.text().len(),
                metadata,
                sync: arrival.sync,
                protocol: received.payload.len(),
            },
            protection: arrival.protection,
            session: None,
            step: TraceStep::Received(received.wire_id),
        };
        self.put_new_message(Message {
            id,
            chat,
            author,
            text: checked.text().to_owned(),
            clock,
            timestamp: checked.timestamp(),
            state: MessageState::Received,
            protection: arrival.protection,
        })?;
        self.notify(Notice::Trace(Box::new(trace)));
        Ok(Ok(()))
    }

    /// Whether a chat that nobody has accepted has all the messages that it may.
    fn is_full(&self, chat: &ChatId) -> Result<bool, StoreError> {
        let of_it = chat_key(chat);
        let rows = self.tx.scan_prefix(Table::Timeline, &of_it, Order::Ascending, MAX_REQUEST_MESSAGES)?;
        Ok(rows.len() >= MAX_REQUEST_MESSAGES)
    }

    /// Whether a public message is known under another id. The author signs the payload only, and the id covers what
    /// is around it: whoever has seen a message can bring it again under any number of ids, but not at another clock.
    ///
    /// DEVIATION: the original shows each (test `a_public_message_in_another_wrapper_is_the_same_message`).
    pub(crate) fn wrapped_anew(
        &self,
        chat: &ChatId,
        author: &PublicKey,
        checked: &CheckedChatMessage,
    ) -> Result<bool, Fault> {
        if matches!(chat, ChatId::OneToOne(_)) {
            return Ok(false); // The author itself wraps it.
        }
        let at_clock = clock_key(chat, checked.clock().value());
        let rows = self.tx.scan_prefix(Table::Timeline, &at_clock, Order::Ascending, MAX_SAME_CLOCK)?;
        for (key, _) in &rows {
            let id = key.get(at_clock.len()..).and_then(MessageId::from_slice);
            let known = id.map(|id| self.message(&id)).transpose()?.flatten();
            if known.is_some_and(|known| {
                known.author == *author
                    && known.timestamp == checked.timestamp()
                    && known.text == checked.text()
            }) {
                return Ok(true);
            }
        }
        // Somebody has filled this clock, so that nothing can be told apart any more.
        Ok(rows.len() >= MAX_SAME_CLOCK)
    }

    /// They wait in the outbox of this transaction, so they leave only if what they promise is kept.
    fn send_acks(&mut self, peer: &PublicKey, acks: Acks) -> Result<(), Fault> {
        for payload in acks.into_payloads(ACK_PAYLOAD) {
            if self.state.acks_queued >= MAX_QUEUED_ACKS {
                break;
            }
            let payload = payload.to_bytes();
            let sync = payload.len();
            let sealed = self.seal_direct(peer, payload)?;
            self.state.acks_queued = self.state.acks_queued.saturating_add(1);
            let sizes = Sizes { sync, protocol: sealed.bytes.len(), ..Sizes::default() };
            let sent = Sent {
                message: None,
                peer: Some(*peer),
                sizes,
                protection: sealed.protection,
                session: sealed.session,
            };
            self.send(OutboxRow::new(sealed.address, sealed.bytes, Carries::Ack), &sent)?;
        }
        Ok(())
    }
}

/// Everything that a one-to-one body can be checked for without the store.
///
/// DEVIATION: the original files a message under whichever chat its sender names (`messenger.md` trap 13,
/// `payloads.md` trap 17) and under whoever once signed it (`security.md` S14). Pinned by
/// `m2_a_public_message_stays_in_the_chat_it_names`, `m6_only_the_author_itself_speaks_in_a_chat_of_two` and
/// `m13_what_was_written_to_another_is_not_ours`.
fn check_body(body: Vec<u8>, arrival: Arrival<'_>, own: &PublicKey) -> Result<Body, Undecodable> {
    let received = arrival.received;
    let identified = RawMetadata::decode(body)
        .and_then(|raw| raw.identify(&received.author))
        .map_err(|e| Undecodable::Payload(e.code()))?;
    identified.require_direct().map_err(|e| Undecodable::Payload(e.code()))?; // M6
    match identified.parse() {
        Ok(Parsed::Chat(raw)) => {
            let checked = raw.check(received.sent_at).map_err(|e| Undecodable::Payload(e.code()))?;
            match ChatKind::of(checked.message_type()) {
                // Everybody writes the recipient's key there (`payloads.md` 3.1): its author meant somebody else.
                Some(ChatKind::OneToOne)
                    if received.author != *own
                        && PublicKey::from_hex(checked.chat_id()).is_ok_and(|meant| meant != *own) =>
                {
                    Err(Undecodable::Payload(code::WRONG_CHAT)) // M13
                }
                Some(ChatKind::OneToOne) => Ok(Body::Chat(identified.id(), Box::new(checked))),
                Some(ChatKind::PrivateGroup) => Ok(Body::Unhandled),
                _ => Err(Undecodable::Payload(code::WRONG_CHAT)), // M7
            }
        }
        Ok(Parsed::Contact(raw)) => {
            let update = raw.check(received.sent_at).map_err(|e| Undecodable::Payload(e.code()))?;
            Ok(Body::Update(Box::new(update)))
        }
        Ok(_) => Ok(Body::Unhandled),
        // A later version's.
        Err(PayloadError::UnknownType(kind)) if kind.number() > 0 => Ok(Body::Unhandled),
        Err(error) => Err(Undecodable::Payload(error.code())),
    }
}

pub(crate) fn identify(received: &Received, bytes: Vec<u8>) -> Result<Identified, Stop> {
    RawMetadata::decode(bytes).and_then(|raw| raw.identify(&received.author)).map_err(|e| refuse(e.code()))
}

/// Bytes that are not of the security layer. What is inside a metadata message may by chance look like a
/// broken bundle to it.
pub(crate) const fn perhaps_switched_off(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Protocol(ProtocolError::Malformed) | OpenError::NoPayload | OpenError::Bundle(_)
    )
}

/// M5, and that the bytes are signed metadata or hold nothing but such: else they are what they look like, a
/// broken message of the security layer.
///
/// DEVIATION: the original takes any bytes that the security layer cannot read as a message of the envelope's
/// signer, unsigned ones too (`messenger.md` trap 1). Here they are signed metadata in an envelope that was
/// encrypted to us, or refused. Pinned by `m5_bare_messages_need_the_transport_to_have_sealed_them`.
fn check_switched_off(received: &Received, own: &PublicKey, error: &OpenError) -> Result<(), Stop> {
    let for_us = received.sealed_to == Some(*own) || matches!(received.route, Route::Negotiated(_));
    let direct = |body: Vec<u8>| {
        let identified = RawMetadata::decode(body).and_then(|raw| raw.identify(&received.author));
        identified.is_ok_and(|metadata| metadata.attribution() == Attribution::Direct)
    };
    let readable = match unwrap(received.payload.clone()) {
        Ok(Unwrapped::Plain(body)) => direct(body),
        Ok(Unwrapped::Sync(payload)) => payload.messages.into_iter().all(|message| direct(message.body)),
        Err(_) => false,
    };
    if for_us && readable { Ok(()) } else { Err(stop(*error)) }
}

pub(crate) fn stop(error: OpenError) -> Stop {
    match error {
        OpenError::Store(error) => Stop::Fault(error.into()),
        OpenError::Keyring(error) => Stop::Fault(error.into()),
        // A copy that came another way, or what we sent ourselves.
        OpenError::Ratchet(RatchetError::Duplicate) | OpenError::OwnEcho => Stop::Ignored,
        error => Stop::Refused(Undecodable::Security(error.code())),
    }
}

pub(crate) const fn refuse(code: &'static str) -> Stop {
    Stop::Refused(Undecodable::Payload(code))
}
