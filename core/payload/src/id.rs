//! What names a message and what names its kind.

use undertone_base::fixed_bytes;
use undertone_crypto::PublicKey;
use undertone_crypto::hash::{keccak256, keccak256_parts};

use crate::code::wire_code;

fixed_bytes! {
    /// Names an application message; `Display` is the text form that peers, `response_to` and RPC use.
    pub struct MessageId(32);
}

impl MessageId {
    /// The id of metadata exactly as received or sent.
    ///
    /// Signed: `keccak256(author (65, uncompressed) || metadata)`. Unsigned: `keccak256(metadata)`.
    pub fn of(signer: Option<&PublicKey>, metadata: &[u8]) -> Self {
        Self::from_bytes(match signer {
            Some(key) => keccak256_parts(&[&key.to_uncompressed(), metadata]),
            None => keccak256(metadata),
        })
    }
}

wire_code! {
    /// Which message the payload of a metadata message is. Not covered by the signature: a type proves
    /// nothing, each payload is checked for itself.
    pub struct MessageType {
        /// Nothing; ignored by everybody.
        UNKNOWN = 0,
        /// A line of a conversation.
        CHAT_MESSAGE = 1,
        /// Name and picture of the sender.
        CONTACT_UPDATE = 2,
        /// Events of a private group, maybe with a message.
        MEMBERSHIP_UPDATE_MESSAGE = 3,
        /// A device shows itself to the owner's others.
        PAIR_INSTALLATION = 4,
        /// Never sent, ignored.
        SYNC_INSTALLATION = 5,
        /// Asks for a wallet address.
        REQUEST_ADDRESS_FOR_TRANSACTION = 6,
        /// Gives a wallet address.
        ACCEPT_REQUEST_ADDRESS_FOR_TRANSACTION = 7,
        /// Gives none.
        DECLINE_REQUEST_ADDRESS_FOR_TRANSACTION = 8,
        /// Asks for money.
        REQUEST_TRANSACTION = 9,
        /// Says that money was sent.
        SEND_TRANSACTION = 10,
        /// Says that none will be.
        DECLINE_REQUEST_TRANSACTION = 11,
        /// A contact, told to the own devices.
        SYNC_INSTALLATION_CONTACT = 12,
        /// Never sent, ignored.
        SYNC_INSTALLATION_ACCOUNT = 13,
        /// A public chat, told to the own devices.
        SYNC_INSTALLATION_PUBLIC_CHAT = 14,
        /// The bundle around it is the point.
        CONTACT_CODE_ADVERTISEMENT = 15,
        /// Push notifications.
        PUSH_NOTIFICATION_REGISTRATION = 16,
        /// Push notifications.
        PUSH_NOTIFICATION_REGISTRATION_RESPONSE = 17,
        /// Push notifications.
        PUSH_NOTIFICATION_QUERY = 18,
        /// Push notifications.
        PUSH_NOTIFICATION_QUERY_RESPONSE = 19,
        /// Push notifications.
        PUSH_NOTIFICATION_REQUEST = 20,
        /// Push notifications.
        PUSH_NOTIFICATION_RESPONSE = 21,
        /// A reaction to a message.
        EMOJI_REACTION = 22,
        /// Asks to be let into a group.
        GROUP_CHAT_INVITATION = 23,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_are_kept_and_known_ones_named() {
        assert_eq!(format!("{:?}", MessageType::CHAT_MESSAGE), "CHAT_MESSAGE");
        assert_eq!(format!("{:?}", MessageType::from_wire(99)), "MessageType(99)");
        assert_eq!(MessageType::from_wire(-1).number(), -1);
    }
}
