//! Whom a text means.

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use undertone_account::link::{Link, Who};
use undertone_account::{SafetyCode, key_text, three_word_name};
use undertone_crypto::PublicKey;
use undertone_ens::EnsName;
use undertone_messenger::{ChatId, Command};
use undertone_transport::PublicName;

use crate::args::EnsArgs;
use crate::output::Ui;
use crate::people::Book;
use crate::{Usage, ens};

/// Longest name of a contact in bytes.
const MAX_NAME: usize = undertone_messenger::limits::MAX_NICKNAME;

/// Characters of `zQ3sh…`.
const CHAT_KEY: usize = 49;

/// What a text reads as, before anybody is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum To {
    Ens(EnsName),
    Key(PublicKey),
    /// What we call a contact.
    Name(String),
    Public(PublicName),
}

impl To {
    /// `0x04…`, `zQ3sh…`, a link, `name.eth`, `public:NAME` or `#NAME`, else a contact's name.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let wrong = |why: &dyn std::fmt::Display| {
            let how = "use 0x04…, zQ3sh…, a link, a contact's name, name.eth or public:NAME";
            anyhow::Error::new(Usage(format!("{text:?} is no recipient ({why}): {how}")))
        };
        if let Some(name) = text.strip_prefix("public:").or_else(|| text.strip_prefix('#')) {
            return Ok(Self::Public(PublicName::new(name).map_err(|error| Usage(error.to_string()))?));
        }
        let begins = |with: &str| text.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with));
        match key_text::parse(text) {
            Ok(key) => return Ok(Self::Key(key)),
            Err(_) if begins("zQ3sh") && text.len() != CHAT_KEY => {
                return Err(wrong(&format!("a chat key has {CHAT_KEY} characters, not {}", text.len())));
            }
            Err(error) if begins("0x") || begins("zQ3sh") || text.is_empty() => return Err(wrong(&error)),
            Err(_) => {}
        }
        if begins("https://") || begins("http://") || begins("status-im:") {
            return match Link::parse(text).map_err(|error| wrong(&error))? {
                Link::OneToOne(Who::Key(key)) | Link::Profile(Who::Key(key)) => Ok(Self::Key(key)),
                Link::OneToOne(Who::Name(name)) | Link::Profile(Who::Name(name)) => {
                    Ok(Self::Ens(EnsName::typed(name.as_str()).map_err(|error| wrong(&error))?))
                }
                Link::PublicChat(name) => {
                    let name = PublicName::new(name.as_str()).map_err(|error| wrong(&error))?;
                    Ok(Self::Public(name))
                }
                _ => Err(wrong(&"a link to something else than a person or a public chat")),
            };
        }
        if text.len() > 4 && text.to_ascii_lowercase().ends_with(".eth") {
            return Ok(Self::Ens(EnsName::typed(text).map_err(|error| wrong(&error))?));
        }
        match text.len() {
            1..=MAX_NAME if !text.trim().is_empty() => Ok(Self::Name(text.trim().to_owned())),
            _ => Err(wrong(&"no key and no name")),
        }
    }
}

/// A person as it was typed, and what its name of ENS leads to. Can go to the owner of the data directory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Whom {
    typed: String,
    /// The key that an ENS name led to just now.
    resolved: Option<String>,
}

impl Whom {
    /// Reads what was typed; asks the endpoint of the person for a name of ENS. Public chats are no people.
    pub(crate) async fn read(text: &str, ens: &EnsArgs) -> Result<Self> {
        match To::read(text)? {
            To::Public(_) => Err(Usage(format!("{text:?} is a public chat, not a person")).into()),
            To::Ens(name) => {
                let resolved = ens::resolve(&name, ens).await?.map(|key| key.to_hex());
                Ok(Self { typed: name.as_str().to_owned(), resolved })
            }
            To::Key(key) => Ok(Self { typed: key.to_hex(), resolved: None }),
            To::Name(name) => Ok(Self { typed: name, resolved: None }),
        }
    }

    /// The key of the person; see [`Whom::lead`].
    pub(crate) async fn find(&self, book: &mut Book<'_>) -> Result<PublicKey> {
        Ok(self.lead(book).await?.key)
    }

    /// The key of the person. A name is that of a contact. A name of ENS stands for the key that it led to first, or for
    /// the contact that has it as its name: one that leads to another key now is refused, and that is remembered.
    pub(crate) async fn lead(&self, book: &mut Book<'_>) -> Result<Led> {
        if let Ok(To::Key(key)) = To::read(&self.typed) {
            return Ok(Led { key, name: None });
        }
        let named = self.contact(book).await?;
        let Some(resolved) = &self.resolved else {
            return named.map(|key| Led { key, name: None }).with_context(|| self.unknown());
        };
        let resolved = key_text::parse(resolved)?;
        let pinned = self.pinned(book).await?;
        if pinned != Some(resolved) || named.is_some_and(|key| key != resolved) {
            book.command(Command::NameLedTo { name: self.typed.clone(), key: resolved }).await?;
        }
        match named.or(pinned) {
            Some(key) if key != resolved => Err(self.moved(&key, &resolved)),
            Some(key) => Ok(Led { key, name: None }),
            None => Ok(Led { key: resolved, name: Some(self.typed.clone()) }),
        }
    }

    /// The key that a name has stood for so far, wherever it leads now: for what takes something away from somebody.
    pub(crate) async fn kept(&self, book: &mut Book<'_>) -> Result<PublicKey> {
        match self.contact(book).await? {
            Some(key) => Ok(key),
            None => match self.pinned(book).await? {
                Some(key) => Ok(key),
                None => self.find(book).await,
            },
        }
    }

    /// The contact that has what was typed as its name.
    async fn contact(&self, book: &mut Book<'_>) -> Result<Option<PublicKey>> {
        let folded = self.typed.to_lowercase();
        let contacts = book.contacts().await?;
        let named = contacts.iter().find(|contact| {
            contact.nickname.as_ref().is_some_and(|nickname| nickname.to_lowercase() == folded)
        });
        Ok(named.map(|contact| contact.key))
    }

    /// The key that the name of ENS stands for.
    async fn pinned(&self, book: &mut Book<'_>) -> Result<Option<PublicKey>> {
        let folded = self.typed.to_lowercase();
        Ok(book.names().await?.into_iter().find(|pin| pin.name == folded).map(|pin| pin.key))
    }

    fn moved(&self, before: &PublicKey, now: &PublicKey) -> anyhow::Error {
        let (name, before) = (&self.typed, key_text::chat_key(before));
        anyhow!(
            "{name} leads to another key now than it did before: {} instead of {before}. Ask the person before you \
             write, over another channel. If the old key is still its own, `undertone verify {before}` compares it and \
             you write to that; if it has a new account, `undertone contacts remove {name}` forgets the old one",
            key_text::chat_key(now),
        )
    }

    /// What to call the person when nothing else is said: a name of ENS that led to it.
    pub(crate) fn own_name(&self) -> Option<String> {
        self.resolved.is_some().then(|| self.typed.clone())
    }

    fn unknown(&self) -> Usage {
        let typed = &self.typed;
        match To::read(typed) {
            Ok(To::Ens(_)) => Usage(format!("{typed} is no contact, and {}", ens::OFF)),
            _ => Usage(format!(
                "{typed:?} is no contact of yours: use 0x04…, zQ3sh…, a link, a contact's name, name.eth or \
                 public:NAME (`undertone contacts` lists them)"
            )),
        }
    }
}

/// A chat as it was typed.
pub(crate) async fn chat(text: &str, ens: &EnsArgs) -> Result<ChatOrPerson> {
    Ok(match To::read(text)? {
        To::Public(name) => ChatOrPerson::Public(name),
        _ => ChatOrPerson::Person(Whom::read(text, ens).await?),
    })
}

/// What a chat can be with.
#[derive(Clone, Debug)]
pub(crate) enum ChatOrPerson {
    Person(Whom),
    Public(PublicName),
}

impl ChatOrPerson {
    /// The chat. Says to whom a name of ENS leads that was never used before, where somebody is there to read it.
    pub(crate) async fn find(&self, book: &mut Book<'_>, ui: Option<&Ui>) -> Result<ChatId> {
        Ok(match self {
            Self::Person(whom) => {
                let led = whom.lead(book).await?;
                if let Some(ui) = ui {
                    led.tell(ui);
                }
                ChatId::OneToOne(led.key)
            }
            Self::Public(name) => ChatId::Public(name.clone()),
        })
    }
}

/// Whom a text has led to. Can come from the owner of the data directory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Led {
    #[serde(with = "hex_key")]
    pub(crate) key: PublicKey,
    /// The name of ENS that led there, when it never did before.
    name: Option<String>,
}

impl Led {
    /// The first time, to whom: from now on the name stands for that key.
    pub(crate) fn tell(&self, ui: &Ui) {
        if let Some(name) = &self.name {
            let (words, key) = (three_word_name(&self.key), key_text::chat_key(&self.key));
            ui.note(&format!("{} leads to {words}, {key}", crate::output::printable(name)));
        }
    }
}

/// A key as text.
mod hex_key {
    use serde::{Deserialize, Deserializer, Serializer};
    use undertone_crypto::PublicKey;

    pub(super) fn serialize<S: Serializer>(key: &PublicKey, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&key.to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PublicKey, D::Error> {
        PublicKey::from_hex(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// The sixty digits of two keys in three lines.
pub(crate) fn code_lines(code: &SafetyCode) -> Vec<String> {
    let groups = code.groups().map(|group| format!("{group:05}"));
    groups.chunks(4).map(|line| line.join("  ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_read_as_the_table_of_commands_says() {
        let key = undertone_crypto::SecretKey::from_slice(&[7; 32]).unwrap().public();
        let forms = [
            key.to_hex(),
            key_text::chat_key(&key),
            key_text::compressed_hex(&key),
            undertone_account::link::profile(&key),
            undertone_account::link::short_profile(&key),
            format!("status-im://p/{key}"),
        ];
        for text in forms {
            assert_eq!(To::read(&text).unwrap(), To::Key(key), "{text}");
        }
        let lab = To::Public(PublicName::new("lab").unwrap());
        for text in ["public:lab", "#lab", "https://join.status.im/lab"] {
            assert_eq!(To::read(text).unwrap(), lab, "{text}");
        }
        for (text, name) in
            [("Alice.ETH", "alice.eth"), ("https://join.status.im/u/bob", "bob.stateofus.eth")]
        {
            assert_eq!(To::read(text).unwrap(), To::Ens(EnsName::typed(name).unwrap()), "{text}");
        }
        for text in ["Bob", "bob from work", "bob.ethan", " Ünal "] {
            assert_eq!(To::read(text).unwrap(), To::Name(text.trim().to_owned()), "{text}");
        }
        let long = "x".repeat(65);
        let wrong = [
            "",
            " ",
            "public:",
            "#",
            "0x04",
            "0X04ff",
            "zQ3sh",
            "https://example.org/u/bob",
            "status-im://b/x.org",
            "https://join.status.im/u/0x04",
            "a b.eth",
            &long,
        ];
        for text in wrong {
            assert!(To::read(text).unwrap_err().downcast_ref::<Usage>().is_some(), "{text}");
        }
    }
}
