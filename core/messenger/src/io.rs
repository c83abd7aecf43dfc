//! What goes into a step and what comes out.

use std::fmt;

use undertone_base::Unix;
use undertone_crypto::PublicKey;
use undertone_payload::MessageId;
use undertone_ratchet::InstallationId;
use undertone_transport::{Route, SendId, WireId};

use crate::contact::{Contact, Profile, VerifiedBy};
use crate::device::Device;
use crate::{Chat, ChatId, Message, MessageState};

/// Into [`Messenger::step`](crate::Messenger::step).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A person or program wants something.
    Command(Command),
    /// The clock reached what [`Effect::WakeAt`] named.
    Timeout,
    /// The transport says something.
    Transport(undertone_transport::Event),
}

/// What a person or program can want.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Add a person, or give one that is added another nickname. What a stranger had opened becomes ours.
    AddContact {
        /// Whom.
        peer: PublicKey,
        /// What we call it, at most 64 bytes, unlike every other; empty for nothing, none to leave it as it is.
        nickname: Option<String>,
    },
    /// Read what this person sends without forward secrecy although it has shown that it can do better, or no longer.
    AllowWeaker {
        /// Whom.
        peer: PublicKey,
        /// What.
        allowed: bool,
    },
    /// Hear nothing of a person any more: neither shown nor acknowledged nor answered. What waits for it is given up.
    Block(PublicKey),
    /// Remove a chat that a stranger opened, with what is in it.
    Decline {
        /// Whose.
        peer: PublicKey,
        /// Whether to block it as well.
        block: bool,
    },
    /// No longer treat another device of ours as one of us. It keeps what it has; nothing more is encrypted for it here,
    /// nothing from it is taken, and our bundle does not name it.
    DisableDevice(InstallationId),
    /// Treat another device of ours as one of us: it gets a copy of what we write, what it wrote is filed here, and
    /// people write to it. To be done on both.
    EnableDevice(InstallationId),
    /// Give up a message that was not taken by a peer yet.
    GiveUp(MessageId),
    /// Set the unread count of a chat to zero.
    MarkRead(ChatId),
    /// Remember where a name of ENS leads now. It stands for the key that it led to first, or for the contact that we call
    /// by it; that it leads elsewhere is kept with that person ([`NamePin`](crate::NamePin)) until
    /// [`Command::Verify`] or [`Command::RemoveContact`].
    NameLedTo {
        /// The name, which ends in `.eth`, at most 255 bytes.
        name: String,
        /// Where it leads.
        key: PublicKey,
    },
    /// Open a chat: from now on listen to it.
    Open(ChatId),
    /// Name this device, and tell our other devices.
    Pair {
        /// What we call it: 1 to 128 bytes.
        name: String,
        /// `desktop`, `android`, `ios` or another word of at most 32 bytes.
        kind: String,
    },
    /// Send to a person as the default says from now on.
    PfsByDefault(PublicKey),
    /// Forget nickname and verification of a person, and that it was added. The chat stays.
    RemoveContact(PublicKey),
    /// Send a text; opens the chat when need be. Comes back as [`Notice::Message`].
    Send {
        /// Where.
        chat: ChatId,
        /// At most 4,096 bytes, not blank.
        text: String,
    },
    /// Tell a person that we have added it, with the profile that we claim; adds it, if need be. Nothing else tells it.
    SendContactUpdate(PublicKey),
    /// Perfect forward secrecy on or off from now on for what is sent to people of whom nothing else was said.
    SetDefaultPfs(Pfs),
    /// Perfect forward secrecy on or off for what is sent to this person from now on, whatever the default is.
    SetPfs {
        /// Whom.
        peer: PublicKey,
        /// What.
        pfs: Pfs,
    },
    /// What we claim of ourselves. Everybody whom we have told something before hears of it, and our other devices.
    SetProfile(Profile),
    /// Hear of a person again. Its unacknowledged messages come again by themselves.
    Unblock(PublicKey),
    /// Remember that the person's key was compared with it. Adds it.
    Verify {
        /// Whom.
        peer: PublicKey,
        /// How.
        by: VerifiedBy,
    },
}

/// Without what a person wrote: it is nobody's business in a log.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |f: &mut fmt::Formatter<'_>, name: &str, what: &dyn fmt::Debug| {
            f.debug_tuple(name).field(what).finish()
        };
        match self {
            Self::AddContact { peer, nickname } => f
                .debug_struct("AddContact")
                .field("peer", peer)
                .field("nickname_bytes", &nickname.as_ref().map(String::len))
                .finish(),
            Self::AllowWeaker { peer, allowed } => {
                f.debug_struct("AllowWeaker").field("peer", peer).field("allowed", allowed).finish()
            }
            Self::Block(peer) => one(f, "Block", peer),
            Self::Decline { peer, block } => {
                f.debug_struct("Decline").field("peer", peer).field("block", block).finish()
            }
            Self::DisableDevice(device) => one(f, "DisableDevice", device),
            Self::EnableDevice(device) => one(f, "EnableDevice", device),
            Self::GiveUp(id) => one(f, "GiveUp", id),
            Self::MarkRead(chat) => one(f, "MarkRead", chat),
            Self::NameLedTo { name, key } => {
                f.debug_struct("NameLedTo").field("name_bytes", &name.len()).field("key", key).finish()
            }
            Self::Open(chat) => one(f, "Open", chat),
            Self::Pair { name, kind } => {
                f.debug_struct("Pair").field("name_bytes", &name.len()).field("kind", kind).finish()
            }
            Self::PfsByDefault(peer) => one(f, "PfsByDefault", peer),
            Self::RemoveContact(peer) => one(f, "RemoveContact", peer),
            Self::Send { chat, text } => {
                f.debug_struct("Send").field("chat", chat).field("text_bytes", &text.len()).finish()
            }
            Self::SendContactUpdate(peer) => one(f, "SendContactUpdate", peer),
            Self::SetDefaultPfs(pfs) => one(f, "SetDefaultPfs", pfs),
            Self::SetPfs { peer, pfs } => {
                f.debug_struct("SetPfs").field("peer", peer).field("pfs", pfs).finish()
            }
            Self::SetProfile(profile) => one(f, "SetProfile", profile),
            Self::Unblock(peer) => one(f, "Unblock", peer),
            Self::Verify { peer, by } => {
                f.debug_struct("Verify").field("peer", peer).field("by", by).finish()
            }
        }
    }
}

/// Whether messages to a person go through the ratchet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pfs {
    /// Whisper encryption only: who steals the identity key reads everything.
    Off,
    /// X3DH and Double Ratchet.
    #[default]
    On,
}

/// Out of a step. Nothing here may happen before the transaction of the step is durable.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Tell the person.
    Notify(Notice),
    /// Hand to the transport. A refusal comes back as an [`Input::Transport`] progress of failure.
    Transport(undertone_transport::Command),
    /// Call [`Input::Timeout`] at this wall-clock time; the newest one counts.
    WakeAt(Unix),
}

/// What a person is told.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A chat is new or its counters changed.
    Chat(Chat),
    /// A stranger's chat was declined, or gave way to one of somebody else because nobody has looked at it: it is gone,
    /// with its messages.
    ChatRemoved(ChatId),
    /// What we make of a person changed.
    Contact(Box<Contact>),
    /// Whether messages go through the ratchet to people of whom nothing else was said.
    DefaultPfs(Pfs),
    /// A device of a person has lost its state, kept its name and begins again. Nothing need be lost: what waits for it is
    /// sent again, and the next that comes through the ratchet is a [`Notice::SessionChanged`]. Whoever holds the
    /// person's key can say so, too.
    DeviceBeganAnew {
        /// Whose.
        peer: PublicKey,
        /// Its name.
        installation: InstallationId,
    },
    /// A device that was enabled lost its place among the three that are written to, to one with a later bundle. Of
    /// ours: our bundle does not name it any more. Of a person: we do not encrypt for it any more.
    DevicePushedOut {
        /// Whose.
        identity: PublicKey,
        /// Its name.
        installation: InstallationId,
    },
    /// Somebody who had written through the ratchet wrote without it. Not shown and not acknowledged, so that it
    /// comes again: the person's devices were told of ours, and write through the ratchet then. If they do not,
    /// [`Command::AllowWeaker`] lets it through.
    Downgraded {
        /// Who.
        peer: PublicKey,
        /// Which device, as it says; none where the message names none.
        installation: Option<InstallationId>,
        /// What protects its message now.
        to: Protection,
    },
    /// What says which devices somebody has was left out of one of its messages, as its time, a name or its form is not
    /// one that is believed: nothing is encrypted for what is new in it. Of whom we want to hear, once a day.
    DevicesLeftOut {
        /// Whose message it was.
        peer: PublicKey,
        /// Why; a stable code.
        why: &'static str,
    },
    /// Somebody's devices work with sessions that this device does not have: one of the two has lost its state. The
    /// message that showed it is lost unless it is repeated.
    LostSession {
        /// Whose devices.
        peer: PublicKey,
        /// Which one wrote it.
        installation: Option<InstallationId>,
        /// Whether it was told of ours now, so that its next message can be read. Not more often than every two
        /// hours.
        answered: bool,
    },
    /// A message is new: ours or somebody's. Exactly once each.
    Message(Box<Message>),
    /// What one layer did, for those who want to watch.
    Trace(Box<Trace>),
    /// Somebody that we have a chat with uses a device that we did not know. From now on it reads what we write,
    /// and so does whoever holds the person's key and has named a device of its own.
    NewDevice {
        /// Whose.
        peer: PublicKey,
        /// Its name.
        installation: InstallationId,
    },
    /// Another device of ours is new, or what it is called or whether it is enabled changed. A new one that nobody of
    /// us has set up is somebody else's who holds our key.
    OwnDevice(Box<Device>),
    /// What we claim of ourselves changed, here or on another device of ours.
    Profile(Box<Profile>),
    /// After a [`Notice::LostSession`] or a [`Notice::DeviceBeganAnew`] the first message of that person came through the
    /// ratchet: in another session than those before, protected as well as they were.
    SessionChanged {
        /// Whose device.
        peer: PublicKey,
        /// Which one wrote it.
        installation: Option<InstallationId>,
    },
    /// A message of ours went on.
    State {
        /// Which.
        id: MessageId,
        /// In which chat.
        chat: ChatId,
        /// How far.
        state: MessageState,
    },
    /// Something arrived that could not be read or is not valid. Nothing was stored and nothing acknowledged.
    Undecodable {
        /// Who signed it.
        author: PublicKey,
        /// Why.
        why: Undecodable,
    },
}

/// Why something that arrived is not shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Undecodable {
    /// The security layer could not open it; the stable code of its error.
    Security(&'static str),
    /// The data-sync layer refused it.
    Sync(&'static str),
    /// The message's form, signature or content is not valid.
    Payload(&'static str),
}

/// How a message was protected beyond the transport's own sealing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Protection {
    /// Readable by everyone who knows the public chat's name.
    Public,
    /// A ratchet session: forward secret.
    Ratchet,
    /// A one-off Diffie-Hellman because no device of the recipient was known: not forward secret.
    DhOnly,
    /// Nothing beyond the transport's sealing.
    TransportOnly,
}

impl Protection {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Ratchet => "ratchet",
            Self::DhOnly => "dh-only",
            Self::TransportOnly => "transport-only",
        }
    }
}

/// What the layers did with one message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The message; none for a bare acknowledgement.
    pub message: Option<MessageId>,
    /// The other side; none in a public chat.
    pub peer: Option<PublicKey>,
    /// On which route.
    pub route: Route,
    /// Bytes after each layer, from the text outwards; 0 where a layer had no part.
    pub sizes: Sizes,
    /// How it was protected.
    pub protection: Protection,
    /// Of what was sent in a ratchet session: the first bytes of the session's name, the same on both sides and
    /// for its whole life.
    pub session: Option<[u8; 4]>,
    /// Sent or received.
    pub step: TraceStep,
}

/// Which way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TraceStep {
    /// Opened from this envelope.
    Received(WireId),
    /// Handed to the transport under this id.
    Sent(SendId),
}

/// Bytes after each layer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes {
    /// The text.
    pub text: usize,
    /// The application message with its signature.
    pub metadata: usize,
    /// Wrapped for data sync.
    pub sync: usize,
    /// Encrypted by the security layer.
    pub protocol: usize,
}
