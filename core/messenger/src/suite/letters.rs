//! People who write to one messenger without a network between them: for those who need many.

use std::sync::Arc;

use rand_core::CryptoRng;
use undertone_base::Now;
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey, keccak256};
use undertone_transport::{Event, Received, Send, Via, WireId};

use crate::store::MemoryStore;
use crate::{ChatId, Command, Effect, Input, Messenger};

/// The messenger of a key, with a keyring of its own.
pub fn messenger_of(key: SecretKey) -> Messenger {
    let mut keyring = MemoryKeyring::new();
    let id = keyring.insert(key);
    Messenger::new(Arc::new(keyring), id).expect("the key is there")
}

/// What goes to the transport.
pub fn sends(effects: Vec<Effect>) -> impl Iterator<Item = Send> {
    effects.into_iter().filter_map(|effect| match effect {
        Effect::Transport(undertone_transport::Command::Send(send)) => Some(send),
        _ => None,
    })
}

/// A send as it arrives.
pub fn received(send: Send, author: &PublicKey, now: Now) -> Received {
    let wire_id = WireId::from_bytes(keccak256(&send.payload));
    Received {
        route: send.route,
        author: *author,
        sealed_to: send.to,
        payload: send.payload,
        sent_at: now.unix,
        wire_id,
        via: Via::Live,
    }
}

/// What somebody of this key writes to the author of a bundle: a messenger and a store that are thrown away.
pub fn letter(
    key: SecretKey,
    bundle: &Received,
    text: &str,
    now: Now,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Received {
    let (messenger, mut store) = (messenger_of(key), MemoryStore::new());
    messenger.open(&mut store, now, rng).expect("starts");
    let to = bundle.author;
    let heard = Input::Transport(Event::Received(Box::new(bundle.clone())));
    messenger.step(&mut store, now, rng, heard).expect("hears");
    let send = Command::Send { chat: ChatId::OneToOne(to), text: text.to_owned() };
    let effects = messenger.step(&mut store, now, rng, Input::Command(send)).expect("writes");
    let letter = sends(effects).find(|send| send.to.is_none_or(|of| of == to)).expect("is sent");
    received(letter, messenger.key(), now)
}
