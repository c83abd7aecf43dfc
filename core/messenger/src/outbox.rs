//! Sends: kept from the transaction that made them until a peer has taken them.

use rand_core::CryptoRng;
use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_datasync::Pending;
use undertone_payload::{MessageId, MessageType, Metadata};
use undertone_transport::{Command, Listen, OpenWith, Route, Send, SendId};

use crate::chat::{Chat, ChatId, Message, OpenedBy};
use crate::fault::Fault;
use crate::io::{Effect, Notice, Protection, Sizes, Trace, TraceStep};
use crate::limits::{CONTACT_CODE_EVERY, CONTACT_CODE_GAP, MAX_ROWS};
use crate::rows::{Address, Carries, ContactRow, OutboxRow};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

/// What a trace tells about a send.
pub(crate) struct Sent {
    pub(crate) message: Option<MessageId>,
    pub(crate) peer: Option<PublicKey>,
    pub(crate) sizes: Sizes,
    pub(crate) protection: Protection,
    pub(crate) session: Option<[u8; 4]>,
}

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Everything that a start has to do.
    pub(crate) fn start(&mut self) -> Result<(), Fault> {
        let own = *self.own();
        for route in [Route::Partition(own), Route::Personal(own)] {
            let open_with = OpenWith::Identity(*self.messenger.identity());
            self.push(Effect::Transport(Command::Listen(Listen { route, open_with })));
        }
        self.listen_for_own_devices()?;
        for (key, row) in self.tx.scan(Table::Chat, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let chat = Chat::from_row(&key, &row)?;
            let person = match &chat.id {
                ChatId::OneToOne(peer) => self.contact(peer)?.unwrap_or_default(),
                ChatId::Public(_) => ContactRow::default(),
            };
            match chat.opened_by {
                _ if person.blocked => {}
                OpenedBy::Stranger if !person.added => self.listen_to_request(&chat.id)?,
                OpenedBy::Stranger | OpenedBy::Us => self.listen_to(&chat.id)?,
            }
        }
        self.listen_to_contacts()?;
        // A fresh one is made below.
        if let Some(old) = self.state.contact_code_send {
            self.remove_send(old)?;
        }
        self.send_again_what_waits()?;
        self.erase_outdated()?;
        self.publish_contact_code()
    }

    /// Hands every send that the transport of the last run had to the one of this run, under a new id.
    fn send_again_what_waits(&mut self) -> Result<(), Fault> {
        for (key, row) in self.tx.scan(Table::Outbox, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let row = OutboxRow::from_bytes(&row)?;
            if row.again.is_some() {
                continue;
            }
            self.tx.delete(Table::Outbox, &key)?;
            // Acknowledged while it waited: nobody needs it any more.
            if let Carries::Pending(key) = &row.carries
                && self.pending(key)?.is_none()
            {
                continue;
            }
            self.hand_over(&row)?;
        }
        Ok(())
    }

    /// Makes our bundle known to whoever wants to write to us, unless the last one still waits for a peer.
    ///
    /// DEVIATION: the original first publishes two minutes after a start, so that a device that is looked at for
    /// a minute never does (`messenger.md` trap 16). Here each start publishes at once. Pinned by
    /// `a_start_listens_publishes_and_names_the_device_once`.
    pub(crate) fn publish_contact_code(&mut self) -> Result<(), Fault> {
        self.state.contact_code_due = self.now.unix.after(CONTACT_CODE_EVERY);
        if let Some(id) = self.state.contact_code_send
            && self.outbox(id)?.is_some()
        {
            return Ok(());
        }
        let keyring = &*self.messenger.keyring;
        let identity = self.messenger.identity();
        let metadata =
            Metadata::sign(MessageType::CONTACT_CODE_ADVERTISEMENT, Vec::new(), keyring, identity)?;
        let bytes = self.seal_public(metadata.as_bytes())?;
        let row = OutboxRow::new(Address::ContactCode(*self.own()), bytes, Carries::ContactCode);
        self.state.contact_code_send = Some(self.hand_over(&row)?.0);
        Ok(())
    }

    /// Somebody new may look for our bundle: it is published at the next timeout, unless that was done lately.
    pub(crate) fn contact_code_for_a_first_contact(&mut self) {
        let now = self.now.unix;
        // It is due six hours after it was published.
        if self.state.contact_code_due.after(CONTACT_CODE_GAP) <= now.after(CONTACT_CODE_EVERY) {
            self.state.contact_code_due = self.state.contact_code_due.min(now);
        }
    }

    /// Tells what the layers did, and hands a new send over.
    pub(crate) fn send(&mut self, row: OutboxRow, sent: &Sent) -> Result<(), Fault> {
        let (id, route) = self.hand_over(&row)?;
        self.notify(Notice::Trace(Box::new(Trace {
            message: sent.message,
            peer: sent.peer,
            route,
            sizes: sent.sizes,
            protection: sent.protection,
            session: sent.session,
            step: TraceStep::Sent(id),
        })));
        Ok(())
    }

    /// Writes a send into the outbox under a new id and gives it to the transport.
    pub(crate) fn hand_over(&mut self, row: &OutboxRow) -> Result<(SendId, Route), Fault> {
        let id = self.state.take_send_id();
        let (route, to) = self.route(&row.address)?;
        self.tx.put(Table::Outbox, &id.0.to_be_bytes(), &row.to_bytes())?;
        self.push(Effect::Transport(Command::Send(Send {
            id,
            route: route.clone(),
            to,
            sign_as: *self.messenger.identity(),
            payload: row.payload.clone(),
            ephemeral: row.ephemeral,
            flush: row.flush,
        })));
        Ok((id, route))
    }

    fn route(&self, address: &Address) -> Result<(Route, Option<PublicKey>), Fault> {
        Ok(match address {
            Address::ContactCode(owner) => (Route::ContactCode(*owner), None),
            Address::Negotiated(peer) => (self.negotiated(peer)?, None),
            Address::Partition(peer) => (Route::Partition(*peer), Some(*peer)),
            Address::Public(name) => (Route::Public(name.clone()), None),
        })
    }

    pub(crate) fn outbox(&self, id: SendId) -> Result<Option<OutboxRow>, StoreError> {
        let row = self.tx.get(Table::Outbox, &id.0.to_be_bytes())?;
        row.as_deref().map(OutboxRow::from_bytes).transpose()
    }

    /// Forgets a send.
    pub(crate) fn remove_send(&mut self, id: SendId) -> Result<(), StoreError> {
        let Some(row) = self.outbox(id)? else { return Ok(()) };
        if row.carries == Carries::Ack {
            self.state.acks_queued = self.state.acks_queued.saturating_sub(1);
        }
        if self.state.contact_code_send == Some(id) {
            self.state.contact_code_send = None;
        }
        self.tx.delete(Table::Outbox, &id.0.to_be_bytes())
    }

    pub(crate) fn pending(&self, key: &[u8]) -> Result<Option<Pending>, StoreError> {
        self.tx.get(Table::Pending, key)?.as_deref().map(Pending::from_stored).transpose()
    }

    /// The message that a pending one is: its id is a function of its bytes.
    pub(crate) fn message_of(&self, pending: &Pending) -> MessageId {
        MessageId::of(Some(self.own()), &pending.message().body)
    }

    pub(crate) fn message(&self, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let row = self.tx.get(Table::Message, id.as_bytes())?;
        row.map(|row| Message::from_row(*id, &row)).transpose()
    }

    pub(crate) fn put_message(&mut self, message: &Message) -> Result<(), StoreError> {
        self.tx.put(Table::Message, message.id.as_bytes(), &message.to_bytes())
    }
}

/// The id in a key of the outbox.
pub(crate) fn send_id(key: &[u8]) -> Result<SendId, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::Corrupt("outgoing message"))?;
    Ok(SendId(u64::from_be_bytes(bytes)))
}
