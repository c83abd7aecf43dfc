//! What is said on a link before and after it is established.

use undertone_crypto::PublicKey;
use undertone_devp2p::DisconnectReason;

/// A message on a link: the handshake's steps as far as whoever chooses peers can tell them apart.
///
/// ```text
///   dialler ── Auth (its key, whom it wants) ──▶ answerer      here the answerer learns the key
///           ◀── Hello ──                                       here the dialler has the proof
///           ── Hello ──▶                                       here the answerer has it
///   either  ── Bye (why) ──▶
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Message {
    Auth { key: PublicKey, wanted: PublicKey },
    Bye(DisconnectReason),
    Hello,
}

impl Message {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Auth { key, wanted } => [&[1], &key.to_xy()[..], &wanted.to_xy()[..]].concat(),
            Self::Bye(reason) => vec![2, reason.wire()],
            Self::Hello => vec![3],
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (1, keys) => {
                let (key, wanted) = keys.split_at_checked(64)?;
                let read = |bytes| PublicKey::from_xy(bytes).ok();
                Some(Self::Auth { key: read(key)?, wanted: read(wanted)? })
            }
            (2, [reason]) => Some(Self::Bye(DisconnectReason::from_wire(u64::from(*reason)))),
            (3, []) => Some(Self::Hello),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use undertone_devp2p::NodeKey;

    use super::*;

    #[test]
    fn messages_are_read_as_written() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [key, wanted] = [(); 2].map(|()| NodeKey::random(&mut rng).public());
        for message in [Message::Auth { key, wanted }, Message::Bye(DisconnectReason::SELF), Message::Hello] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
        assert_eq!(Message::decode(&[]), None);
        assert_eq!(Message::decode(&[9]), None);
    }
}
