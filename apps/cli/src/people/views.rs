//! People and devices as they are answered and printed with `--json`.

use serde::{Deserialize, Serialize};
use undertone_account::{key_text, three_word_name};
use undertone_base::Unix;
use undertone_crypto::PublicKey;
use undertone_messenger::{Contact, Device, NamePin, Pfs, Profile};

/// A person.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonView {
    pub(crate) public_key: String,
    pub(crate) chat_key: String,
    /// Three words that follow from the key.
    pub(crate) name: String,
    /// What we call it.
    pub(crate) nickname: Option<String>,
    /// `unknown`, `added`, `verified`, `blocked`; `request` for a stranger whose chat waits for a decision.
    pub(crate) state: String,
    pub(crate) verified_by: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) verified_at: Option<u64>,
    /// Whether what we send goes through the ratchet.
    pub(crate) pfs: bool,
    /// Whether that was said of this person, and is not the default.
    pub(crate) pfs_chosen: bool,
    /// Whether it has written through the ratchet, so that less is refused.
    pub(crate) shown_pfs: bool,
    /// Whether less is read all the same.
    pub(crate) weaker_allowed: bool,
    /// Whether it has told us that it has added us.
    pub(crate) has_added_us: bool,
    /// Whether we have told it that we have added it.
    pub(crate) told: bool,
    /// The name of ENS that it says is its own. Nobody has checked that.
    pub(crate) claimed_ens: Option<String>,
    /// A name of ENS that stood for this person leads to another key; until it is verified or removed.
    pub(crate) key_changed: Option<KeyChanged>,
}

/// That a name leads to another key than before.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyChanged {
    /// The name.
    pub(crate) name: String,
    /// The chat key that it leads to.
    pub(crate) leads_to: String,
    /// When that was seen first, milliseconds since 1970.
    pub(crate) at: u64,
}

impl PersonView {
    pub(crate) fn new(contact: &Contact) -> Self {
        Self {
            public_key: contact.key.to_hex(),
            chat_key: key_text::chat_key(&contact.key),
            name: three_word_name(&contact.key),
            nickname: contact.nickname.clone(),
            state: contact.state.word().to_owned(),
            verified_by: contact.verification.map(|verified| verified.by.word().to_owned()),
            verified_at: contact.verification.map(|verified| verified.at.millis()),
            pfs: contact.pfs == Pfs::On,
            pfs_chosen: contact.pfs_chosen.is_some(),
            shown_pfs: contact.shown_pfs,
            weaker_allowed: contact.weaker_allowed,
            has_added_us: contact.has_added_us,
            told: contact.told,
            claimed_ens: contact.claimed_ens.clone(),
            key_changed: None,
        }
    }

    /// Takes in what is known of a name, if it is this person's.
    pub(crate) fn see(&mut self, pin: &NamePin) {
        if let Some(moved) = pin.moved.filter(|_| self.key() == Some(pin.key)) {
            self.key_changed = Some(KeyChanged {
                name: pin.name.clone(),
                leads_to: key_text::chat_key(&moved.to),
                at: moved.at.millis(),
            });
        }
    }

    /// What to call it in a sentence.
    pub(crate) fn called(&self) -> &str {
        self.nickname.as_deref().unwrap_or(&self.name)
    }

    pub(crate) fn key(&self) -> Option<PublicKey> {
        PublicKey::from_hex(&self.public_key).ok()
    }
}

/// A person with its devices.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonAndDevices {
    #[serde(flatten)]
    pub(crate) person: PersonView,
    pub(crate) devices: Vec<DeviceView>,
}

/// What our contacts are told of us.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileView {
    pub(crate) public_key: String,
    /// Three words that follow from the key.
    pub(crate) name: String,
    /// The name of ENS that we claim; empty for none.
    pub(crate) ens_name: String,
    /// What kind of picture we send, such as `image/png`.
    pub(crate) picture_type: Option<String>,
    /// How long it is as it is sent.
    pub(crate) picture_bytes: usize,
    /// How many people are told.
    pub(crate) told: usize,
}

impl ProfileView {
    pub(crate) fn new(key: &PublicKey, profile: &Profile, told: usize) -> Self {
        let kind = profile.picture.strip_prefix("data:").and_then(|rest| rest.split_once(';'));
        Self {
            public_key: key.to_hex(),
            name: three_word_name(key),
            ens_name: profile.ens_name.clone(),
            picture_type: kind.map(|(kind, _)| kind.to_owned()),
            picture_bytes: profile.picture.len(),
            told,
        }
    }

    pub(crate) fn key(&self) -> Option<PublicKey> {
        PublicKey::from_hex(&self.public_key).ok()
    }
}

/// A device.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceView {
    pub(crate) device: String,
    pub(crate) this_device: bool,
    pub(crate) enabled: bool,
    /// Whether it is one of the three that are written to.
    pub(crate) reached: bool,
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<String>,
    /// When something of it was read last, milliseconds since 1970.
    pub(crate) last_heard: Option<u64>,
    /// When a bundle named it last, milliseconds since 1970.
    pub(crate) last_named: Option<u64>,
}

impl DeviceView {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            device: device.installation.to_string(),
            this_device: device.this_device,
            enabled: device.enabled,
            reached: device.reached,
            name: device.name.clone(),
            kind: device.kind.clone(),
            last_heard: device.last_heard.map(Unix::millis),
            last_named: device.last_named.map(Unix::millis),
        }
    }

    /// Name and beginning of the id, or the latter alone.
    pub(crate) fn called(&self) -> String {
        let id: String = crate::output::printable(&self.device).chars().take(8).collect();
        match &self.name {
            Some(name) => format!("{} ({id}…)", crate::output::printable(name)),
            None => format!("{id}…"),
        }
    }
}

/// What a change of devices led to.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceChange {
    pub(crate) device: DeviceView,
    /// Devices of ours that people no longer write to because of it.
    pub(crate) pushed_out: Vec<DeviceView>,
}

/// What a comparison of keys gave.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Compared {
    #[serde(flatten)]
    pub(crate) person: PersonView,
    /// Our own key.
    pub(crate) own_key: String,
    /// Whether what was to be compared is equal; none when there was nothing.
    pub(crate) matches: Option<bool>,
}
