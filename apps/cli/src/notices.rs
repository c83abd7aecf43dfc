//! What the messenger tells a person beside messages, as a line and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use undertone_account::{key_text, three_word_name};
use undertone_crypto::PublicKey;
use undertone_ens::EnsName;
use undertone_messenger::{
    ChatId, Contact, ContactState, Device, InstallationId, Notice, Pfs, Protection, Undecodable,
};

use crate::output::{BAD, BOLD, DIM, GOOD, NAME, paint, printable, quoted};
use crate::people::PersonView;

/// Something to know.
pub(crate) struct Told {
    /// For a person.
    pub(crate) line: String,
    /// For a script; `event` says what it is.
    pub(crate) json: Value,
}

/// How urgent a line is.
#[derive(Clone, Copy)]
enum Mark {
    /// Look at this.
    Alarm,
    /// As it should be.
    Fine,
    /// By the way.
    Note,
}

/// What is known of people: what to call them, and what was said of them last.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    known: BTreeMap<PublicKey, Contact>,
    /// Strangers of whom was said what to do with them.
    announced: BTreeSet<PublicKey>,
    /// When it was said last that something of somebody could not be read, and how often it was not said since. All whom
    /// there is no room for are one.
    unreadable: BTreeMap<Option<PublicKey>, (Instant, u64)>,
}

/// How often it is said that messages of one person cannot be read: whoever sends them decides how many there are.
const UNREADABLE: Duration = Duration::from_secs(60);

/// Of how many strangers it is said what to do with them; whoever comes later is shown all the same.
const STRANGERS: usize = 256;

impl People {
    pub(crate) fn learn(&mut self, contact: Contact) {
        self.known.insert(contact.key, contact);
    }

    /// Whether we have said nothing about somebody.
    pub(crate) fn is_stranger(&self, key: &PublicKey) -> bool {
        self.known.get(key).is_none_or(|contact| contact.state == ContactState::Unknown)
    }

    /// What to do with a stranger, the first time that it writes.
    pub(crate) fn stranger(&mut self, key: &PublicKey) -> Option<String> {
        if !self.is_stranger(key) || self.announced.len() >= STRANGERS || !self.announced.insert(*key) {
            return None;
        }
        let (name, typed) = (paint(NAME, self.name(key)), key_text::chat_key(key));
        Some(format!(
            "{} {name} is a stranger: `undertone contacts add {typed} NAME` takes the chat, `undertone contacts \
             decline {typed}` removes it",
            paint(DIM, "·")
        ))
    }

    /// Whether to say that something of somebody could not be read, and of how many before nothing was said.
    pub(crate) fn unreadable(&mut self, author: &PublicKey, now: Instant) -> Option<u64> {
        let known = self.unreadable.contains_key(&Some(*author)) || self.unreadable.len() < STRANGERS;
        let (told, untold) = self.unreadable.entry(known.then_some(*author)).or_insert((now, 0));
        if *told == now || now.duration_since(*told) >= UNREADABLE {
            *told = now;
            return Some(std::mem::take(untold));
        }
        *untold += 1;
        None
    }

    /// Contacts by what we call them, others by their three words.
    pub(crate) fn name(&self, key: &PublicKey) -> String {
        let nickname = self.known.get(key).and_then(|contact| contact.nickname.as_deref());
        nickname.map_or_else(|| three_word_name(key), printable)
    }

    /// What to type for a person: the name of a contact, or the key.
    fn typed(&self, key: &PublicKey) -> String {
        let nickname = self.known.get(key).and_then(|contact| contact.nickname.as_deref());
        nickname.map_or_else(|| key_text::chat_key(key), |name| quoted(&printable(name)))
    }

    /// What is new of a person, in words; nothing when it is nothing to speak of.
    fn change(&self, now: &Contact) -> Option<String> {
        let before = self.known.get(&now.key);
        let mut words: Vec<&str> = Vec::new();
        if before.map_or(ContactState::Unknown, |contact| contact.state) != now.state {
            words.push(match now.state {
                ContactState::Unknown => "is no contact any more",
                ContactState::Added => "is a contact",
                ContactState::Verified => "is verified",
                ContactState::Blocked => "is blocked",
                _ => "has changed",
            });
        }
        if before.and_then(|contact| contact.nickname.as_ref()) != now.nickname.as_ref() && words.is_empty() {
            words.push("has another name here");
        }
        if before.map(|contact| contact.pfs) != Some(now.pfs) && (before.is_some() || now.pfs == Pfs::Off) {
            words.push(match now.pfs {
                Pfs::On => "forward secrecy is on",
                Pfs::Off => "forward secrecy is OFF",
            });
        }
        if before.is_some_and(|contact| contact.weaker_allowed) != now.weaker_allowed {
            words.push(match now.weaker_allowed {
                true => "what it sends with less is read",
                false => "what it sends with less is refused",
            });
        }
        if now.has_added_us && !before.is_some_and(|contact| contact.has_added_us) {
            words.push("has added you");
        }
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let claimed = |contact: &Contact| EnsName::claimed(contact.claimed_ens.as_deref()?).ok();
        if let Some(name) = claimed(now)
            && before.and_then(claimed).as_ref() != Some(&name)
        {
            let typed = self.typed(&now.key);
            words.push(format!(
                "says that it is {}: unverified (`undertone contacts show {typed}` looks it up)",
                name.as_str()
            ));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// What there is to say; nothing of what others say better (messages and their states) or what nobody asked for.
pub(crate) fn told(notice: &Notice, me: &PublicKey, names: &People) -> Option<Told> {
    let name = |key: &PublicKey| paint(NAME, names.name(key));
    let of = |key: &PublicKey| json!({ "publicKey": key.to_hex(), "name": names.name(key) });
    Some(match notice {
        Notice::ChatRemoved(chat) => tell(
            Mark::Note,
            format!("the chat with {} is gone", chat_name(chat, names)),
            json!({ "event": "chatRemoved", "chat": chat.to_string() }),
        ),
        Notice::Contact(contact) => {
            let change = names.change(contact)?;
            let person = PersonView::new(contact);
            let called = paint(NAME, printable(person.called()));
            tell(Mark::Note, format!("{called}: {change}"), json!({ "event": "contact", "person": person }))
        }
        Notice::DefaultPfs(pfs) => {
            let on = *pfs == Pfs::On;
            let line = format!("forward secrecy is {} by default", if on { "on" } else { "OFF" });
            tell(Mark::Note, line, json!({ "event": "defaultPfs", "on": on }))
        }
        Notice::DeviceBeganAnew { peer, installation } => tell(
            Mark::Alarm,
            format!(
                "{}'s device {} has lost its sessions and begins anew; what waits for it is sent again",
                name(peer),
                short(installation)
            ),
            json!({ "event": "deviceAnew", "person": of(peer), "device": installation.as_str() }),
        ),
        Notice::DevicePushedOut { identity, installation } if identity == me => tell(
            Mark::Alarm,
            format!(
                "your device {} was pushed out by one that was active later: people write to three devices at \
                 most (`undertone devices`)",
                short(installation)
            ),
            json!({ "event": "devicePushedOut", "own": true, "device": installation.as_str() }),
        ),
        Notice::DevicePushedOut { identity, installation } => tell(
            Mark::Alarm,
            format!(
                "{}'s device {} was pushed out by one that was active later",
                name(identity),
                short(installation)
            ),
            json!({ "event": "devicePushedOut", "own": false, "person": of(identity),
                    "device": installation.as_str() }),
        ),
        Notice::DevicesLeftOut { peer, why } => tell(
            Mark::Note,
            format!(
                "what {} says of its devices is not believed ({why}): nothing is encrypted for new ones. Is a clock wrong?",
                name(peer)
            ),
            json!({ "event": "devicesLeftOut", "person": of(peer), "code": why }),
        ),
        Notice::Downgraded { peer, installation, to } => tell(
            Mark::Alarm,
            format!(
                "{}{} wrote {}, though it has shown that it can do better: refused. `undertone contacts pfs {} \
                 allow-weaker` lets such messages through",
                name(peer),
                device(installation.as_ref()),
                weaker(*to),
                names.typed(peer),
            ),
            json!({ "event": "downgraded", "person": of(peer), "to": to.word(),
                    "device": installation.as_ref().map(InstallationId::as_str) }),
        ),
        Notice::LostSession { peer, installation, answered } => {
            let whose = if peer == me { "your other device".to_owned() } else { name(peer) };
            let next = match answered {
                true => "it was told of this device; what it repeats can be read",
                false => "it was told of this device already",
            };
            let line = format!(
                "a message of {whose}{} could not be read: one of you has lost its session; {next}",
                device(installation.as_ref())
            );
            let json = json!({ "event": "lostSession", "person": of(peer), "own": peer == me, "answered": answered,
                               "device": installation.as_ref().map(InstallationId::as_str) });
            tell(Mark::Alarm, line, json)
        }
        Notice::NewDevice { peer, installation } => tell(
            Mark::Alarm,
            format!(
                "{} uses a new device, {}: it reads what you write from now on. Ask, if that is a surprise",
                name(peer),
                short(installation)
            ),
            json!({ "event": "newDevice", "person": of(peer), "device": installation.as_str() }),
        ),
        Notice::OwnDevice(device) => own_device(device),
        Notice::Profile(profile) => {
            let name = match profile.ens_name.as_str() {
                "" => "no name of ENS".to_owned(),
                name => format!("the name {}", paint(NAME, printable(name))),
            };
            let picture = if profile.picture.is_empty() { "no picture" } else { "a picture" };
            tell(
                Mark::Note,
                format!("your contacts are told {name} and {picture} of you"),
                json!({ "event": "profile", "ensName": profile.ens_name, "pictureBytes": profile.picture.len() }),
            )
        }
        Notice::SessionChanged { peer, installation } => {
            let whose = if peer == me { "your other".to_owned() } else { format!("{}'s", name(peer)) };
            tell(
                Mark::Fine,
                format!(
                    "{whose} device{} changed its session; what it writes is forward secret again",
                    installation.as_ref().map_or_else(String::new, |id| format!(" {}", short(id)))
                ),
                json!({ "event": "sessionChanged", "person": of(peer), "own": peer == me,
                        "device": installation.as_ref().map(InstallationId::as_str) }),
            )
        }
        // [`Notice::Downgraded`] says it better.
        Notice::Undecodable { why: Undecodable::Payload("messenger.downgrade"), .. } => return None,
        Notice::Undecodable { author, why } => {
            let code = match why {
                Undecodable::Security(code) | Undecodable::Sync(code) | Undecodable::Payload(code) => code,
                _ => "unknown",
            };
            tell(
                Mark::Note,
                format!("a message of {} could not be read ({code})", name(author)),
                json!({ "event": "undecodable", "person": of(author), "code": code }),
            )
        }
        _ => return None,
    })
}

fn own_device(device: &Device) -> Told {
    let called = match &device.name {
        Some(name) => format!("{} ({})", paint(NAME, printable(name)), short(&device.installation)),
        None => short(&device.installation),
    };
    let (mark, line) = match (device.this_device, device.enabled) {
        (true, _) => (Mark::Note, format!("this device is called {called}")),
        (false, true) => (Mark::Fine, format!("your device {called} is enabled: it gets what you write")),
        (false, false) => (
            Mark::Alarm,
            format!(
                "another device of yours, {called}, is there. If you have set it up: `undertone devices enable {}`; \
                 if not, somebody has your account's key",
                typed_device(&device.installation)
            ),
        ),
    };
    let json = json!({ "event": "ownDevice", "device": device.installation.as_str(), "name": device.name,
                       "kind": device.kind, "thisDevice": device.this_device, "enabled": device.enabled });
    tell(mark, line, json)
}

fn tell(mark: Mark, line: String, json: Value) -> Told {
    let line = match mark {
        Mark::Alarm => format!("{} {line}", paint(BAD, "!")),
        Mark::Fine => format!("{} {line}", paint(GOOD, "✓")),
        Mark::Note => format!("{} {line}", paint(DIM, "·")),
    };
    Told { line, json }
}

fn chat_name(chat: &ChatId, names: &People) -> String {
    match chat {
        ChatId::OneToOne(key) => paint(NAME, names.name(key)),
        other => other.to_string(),
    }
}

fn device(installation: Option<&InstallationId>) -> String {
    installation.map_or_else(String::new, |id| format!(" (device {})", short(id)))
}

/// The beginning of a device's id. Whoever holds the key chooses it.
fn short(installation: &InstallationId) -> String {
    let id: String = printable(installation.as_str()).chars().take(8).collect();
    paint(BOLD, format!("{id}…"))
}

/// What to type for a device. Whoever holds the key chooses its id, and a person copies this into a shell.
fn typed_device(installation: &InstallationId) -> String {
    quoted(&printable(installation.as_str()).chars().take(8).collect::<String>())
}

const fn weaker(to: Protection) -> &'static str {
    match to {
        Protection::DhOnly => "without forward secrecy",
        Protection::TransportOnly => "with the encryption of the envelope alone",
        _ => "in another form",
    }
}

#[cfg(test)]
mod tests {
    use undertone_crypto::SecretKey;
    use undertone_messenger::Profile;

    use super::*;

    fn key(byte: u8) -> PublicKey {
        SecretKey::from_slice(&[byte; 32]).unwrap().public()
    }

    fn id(text: &str) -> InstallationId {
        InstallationId::new(text).unwrap()
    }

    #[test]
    fn a_device_cannot_write_into_a_shell() {
        assert_eq!(typed_device(&id("b5a1f2c0-6d1c-4d0a-9a55-0b1c2d3e4f50")), "b5a1f2c0");
        assert_eq!(typed_device(&id(";reboot;")), "';reboot;'");
        assert_eq!(typed_device(&id("a\u{202e}b")), "'a\u{fffd}b'");
    }

    #[test]
    fn what_cannot_be_read_is_said_once_a_minute() {
        let (mut people, now) = (People::default(), Instant::now());
        let after = |secs| now + Duration::from_secs(secs);
        assert_eq!(people.unreadable(&key(2), now), Some(0));
        for _ in 0..5 {
            assert_eq!(people.unreadable(&key(2), after(1)), None);
        }
        assert_eq!(people.unreadable(&key(3), after(1)), Some(0), "of another person");
        assert_eq!(people.unreadable(&key(2), after(60)), Some(5));
        assert_eq!(people.unreadable(&key(2), after(61)), None);
        let mut rng = undertone_support::rng(1);
        for _ in 0..2 * STRANGERS {
            people.unreadable(&undertone_crypto::SecretKey::random(&mut rng).public(), after(62));
        }
        assert!(people.unreadable.len() <= STRANGERS + 1);
    }

    /// Every notice that a person is told, as the line and as the object; keys of JSON are pinned by the tests of the
    /// program.
    #[test]
    fn every_notice_has_its_sentence() {
        let (me, bob, people) = (key(1), key(2), People::default());
        let device = Some(id("b5a1f2c0-6d1c-4d0a-9a55-0b1c2d3e4f50"));
        let notices = [
            Notice::ChatRemoved(ChatId::OneToOne(bob)),
            Notice::DefaultPfs(Pfs::Off),
            Notice::DefaultPfs(Pfs::On),
            Notice::DeviceBeganAnew { peer: bob, installation: id("a1") },
            Notice::DevicePushedOut { identity: me, installation: id("a1") },
            Notice::DevicePushedOut { identity: bob, installation: id("a1") },
            Notice::DevicesLeftOut { peer: bob, why: "bundle.timestamp" },
            Notice::Downgraded { peer: bob, installation: None, to: Protection::TransportOnly },
            Notice::Downgraded { peer: bob, installation: device.clone(), to: Protection::DhOnly },
            Notice::LostSession { peer: bob, installation: device.clone(), answered: true },
            Notice::LostSession { peer: bob, installation: None, answered: false },
            Notice::LostSession { peer: me, installation: None, answered: true },
            Notice::NewDevice { peer: bob, installation: id("a\u{202e}b") },
            Notice::Profile(Box::default()),
            Notice::Profile(Box::new(Profile {
                ens_name: "alice.eth".to_owned(),
                picture: "data:image/png;base64,AA==".to_owned(),
            })),
            Notice::SessionChanged { peer: bob, installation: device },
            Notice::SessionChanged { peer: me, installation: None },
            Notice::Undecodable { author: bob, why: Undecodable::Security("open.key") },
        ];
        let mut lines = Vec::new();
        for notice in notices {
            let told = told(&notice, &me, &people).unwrap();
            let line = anstream::adapter::strip_str(&told.line).to_string();
            assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
            lines.push(format!("{}: {line}", told.json["event"].as_str().unwrap()));
        }
        insta::assert_snapshot!(lines.join("\n"));
        let doubled = Notice::Undecodable { author: bob, why: Undecodable::Payload("messenger.downgrade") };
        assert!(told(&doubled, &me, &people).is_none());
    }
}
