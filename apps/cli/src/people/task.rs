//! What can be done with people and devices, by whoever has the account open.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use undertone::ClientError;
use undertone_account::{ChatKey, SafetyCode, key_text};
use undertone_crypto::{PublicKey, Signature, keccak256};
use undertone_messenger::{ChatId, Command, Contact, ContactState, Fault, OpenedBy, Pfs, VerifiedBy};
use undertone_runtime::Environment;

use super::book::Book;
use super::views::{Compared, DeviceChange, DeviceView, PersonAndDevices, PersonView, ProfileView};
use crate::Usage;
use crate::args::Policy;
use crate::output::quoted;
use crate::who::Whom;

/// Fewest characters of an id that name a device.
const MIN_PREFIX: usize = 4;

/// A piece of work. Can go to the owner of the data directory.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum Task {
    /// What a backup holds beside the key, in base64: for whoever has the key.
    Backup { proof: Proof },
    /// A change of what is said of a person; gives the [`PersonView`] after it.
    Change { who: Whom, change: Change },
    /// A [`Compared`]; equal codes or keys make the person verified.
    Compare { who: Whom, with: With },
    /// Whether forward secrecy is the default; sets it before, when it is given.
    DefaultPfs { on: Option<bool> },
    /// The [`DeviceView`]s of a person, or ours.
    Devices { who: Option<Whom> },
    /// Enables or disables a device of ours: [`DeviceChange`].
    EnableDevice { device: String, enabled: bool },
    /// Whom a text leads to: a [`Led`](crate::who::Led).
    Find { who: Whom },
    /// Names this device and tells the others of it: [`DeviceView`].
    Pair { name: String, kind: Option<String> },
    /// Every [`PersonView`].
    People,
    /// A [`PersonAndDevices`].
    Person { who: Whom },
    /// Changes what we claim of ourselves, if anything is to be changed: [`ProfileView`].
    Profile { change: ProfileChange },
}

/// What we claim of ourselves from now on; what is none stays.
#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProfileChange {
    pub(crate) ens_name: Option<NameClaim>,
    /// A data URL; empty for no picture.
    pub(crate) picture: Option<String>,
}

/// A name of ENS to claim; empty for none.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct NameClaim {
    pub(crate) name: String,
    /// The key that it leads to; none when nobody has looked.
    pub(crate) leads_to: Option<String>,
}

/// That whoever asks has the key of the account, and so its password: all that was said leaves the owner with this.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Proof {
    /// When it was made, milliseconds since 1970.
    at: u64,
    /// Signature of the account's key.
    signature: String,
}

impl Proof {
    /// Good for a minute.
    pub(crate) fn new(key: &ChatKey) -> Result<Self> {
        let at = Environment::system()?.now().unix.millis();
        let signature = Signature::sign(&Self::digest(at), key.secret_key());
        Ok(Self { at, signature: const_hex::encode(signature.as_bytes()) })
    }

    fn check(&self, me: &PublicKey) -> Result<()> {
        let now = Environment::system()?.now().unix.millis();
        let signature = const_hex::decode(&self.signature).ok().and_then(|b| Signature::from_slice(&b).ok());
        let signer = signature.and_then(|signature| signature.recover(&Self::digest(self.at)).ok());
        ensure!(
            signer == Some(*me) && now.abs_diff(self.at) <= FRESH,
            "only the account's key opens its messages"
        );
        Ok(())
    }

    fn digest(at: u64) -> [u8; 32] {
        keccak256(format!("undertone: messages for a backup, asked at {at}").as_bytes())
    }
}

/// How old a proof may be, milliseconds.
const FRESH: u64 = 60_000;

/// What is said of a person.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum Change {
    Add { name: Option<String>, tell: bool },
    Block,
    Decline { block: bool },
    Pfs { policy: Policy },
    Remove,
    Unblock,
}

/// What to compare.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum With {
    /// Nothing: to show the code.
    Nothing,
    /// The code that the other side reads.
    Code { code: String, face_to_face: bool },
    /// The key in a picture of its screen.
    Scanned { key: String },
}

/// Does a piece of work.
pub(crate) async fn perform(book: &mut Book<'_>, task: Task) -> Result<Value> {
    Ok(match task {
        Task::Backup { proof } => {
            proof.check(&book.me())?;
            json!(data_encoding::BASE64.encode(&book.backup().await?))
        }
        Task::Change { who, change } => {
            // What a name has stood for is what is taken away, wherever the name leads now.
            let person = match change {
                Change::Block | Change::Decline { .. } | Change::Remove | Change::Unblock => {
                    who.kept(book).await?
                }
                Change::Add { .. } | Change::Pfs { .. } => who.find(book).await?,
            };
            json!(change_person(book, &who, person, change).await?)
        }
        Task::Compare { who, with } => {
            let person = who.find(book).await?;
            json!(compare(book, person, with).await?)
        }
        Task::DefaultPfs { on } => {
            if let Some(on) = on {
                book.command(Command::SetDefaultPfs(if on { Pfs::On } else { Pfs::Off })).await?;
            }
            json!(book.default_pfs().await? == Pfs::On)
        }
        Task::Devices { who } => {
            let identity = match who {
                Some(who) => who.find(book).await?,
                None => book.me(),
            };
            json!(devices(book, identity).await?)
        }
        Task::EnableDevice { device, enabled } => json!(enable(book, &device, enabled).await?),
        Task::Find { who } => json!(who.lead(book).await?),
        Task::Pair { name, kind } => json!(pair(book, name, kind).await?),
        Task::People => json!(people(book).await?),
        Task::Person { who } => {
            let key = who.find(book).await?;
            let person = view(book, key).await?;
            json!(PersonAndDevices { person, devices: devices(book, key).await? })
        }
        Task::Profile { change } => json!(profile(book, change).await?),
    })
}

async fn profile(book: &mut Book<'_>, change: ProfileChange) -> Result<ProfileView> {
    if change != ProfileChange::default() {
        let mut profile = book.profile().await?;
        if let Some(claim) = change.ens_name {
            crate::account::ours(&claim, &book.me())?;
            profile.ens_name = claim.name;
        }
        if let Some(picture) = change.picture {
            profile.picture = picture;
        }
        book.command(Command::SetProfile(profile)).await?;
    }
    let contacts = book.contacts().await?;
    let told = contacts.iter().filter(|contact| contact.told && contact.state != ContactState::Blocked);
    Ok(ProfileView::new(&book.me(), &book.profile().await?, told.count()))
}

/// Contacts by what they are called, then who is blocked, then strangers who wait.
async fn people(book: &mut Book<'_>) -> Result<Vec<PersonView>> {
    let mut people: Vec<PersonView> = book.contacts().await?.iter().map(PersonView::new).collect();
    for pin in book.names().await?.into_iter().filter(|pin| pin.moved.is_some()) {
        if !people.iter().any(|person| person.key() == Some(pin.key)) {
            people.push(PersonView::new(&book.contact(pin.key).await?));
        }
        people.iter_mut().for_each(|person| person.see(&pin));
    }
    people.sort_by_key(|person| (person.state == "blocked", person.called().to_lowercase()));
    for chat in book.chats().await? {
        if let (ChatId::OneToOne(key), OpenedBy::Stranger) = (&chat.id, chat.opened_by) {
            let person = view(book, *key).await?;
            if person.state == "request" && !people.iter().any(|known| known.public_key == person.public_key)
            {
                people.push(person);
            }
        }
    }
    Ok(people)
}

async fn view(book: &mut Book<'_>, key: PublicKey) -> Result<PersonView> {
    let contact = book.contact(key).await?;
    let mut view = PersonView::new(&contact);
    book.names().await?.iter().for_each(|pin| view.see(pin));
    if contact.state == ContactState::Unknown {
        let by_stranger = |chat: &undertone_messenger::Chat| {
            chat.id == ChatId::OneToOne(key) && chat.opened_by == OpenedBy::Stranger
        };
        if book.chats().await?.iter().any(by_stranger) {
            view.state = "request".to_owned();
        }
    }
    Ok(view)
}

async fn change_person(
    book: &mut Book<'_>,
    who: &Whom,
    peer: PublicKey,
    change: Change,
) -> Result<PersonView> {
    let command = match change {
        Change::Add { name, tell } => {
            let known = book.contact(peer).await?;
            if known.state == ContactState::Blocked {
                let typed = quoted(known.nickname.as_deref().unwrap_or(&key_text::chat_key(&peer)));
                bail!("this person is blocked: `undertone contacts unblock {typed}` first");
            }
            let name = name.or_else(|| who.own_name().filter(|_| known.nickname.is_none()));
            if let Some(name) = &name {
                free(&book.contacts().await?, &peer, name)?;
            }
            book.command(Command::AddContact { peer, nickname: name }).await?;
            if !tell {
                return view(book, peer).await;
            }
            Command::SendContactUpdate(peer)
        }
        Change::Block => Command::Block(peer),
        Change::Decline { block } => Command::Decline { peer, block },
        Change::Pfs { policy } => match policy {
            Policy::On => Command::SetPfs { peer, pfs: Pfs::On },
            Policy::Off => Command::SetPfs { peer, pfs: Pfs::Off },
            Policy::Default => Command::PfsByDefault(peer),
            Policy::AllowWeaker => Command::AllowWeaker { peer, allowed: true },
            Policy::RefuseWeaker => Command::AllowWeaker { peer, allowed: false },
        },
        Change::Remove => Command::RemoveContact(peer),
        Change::Unblock => Command::Unblock(peer),
    };
    book.command(command).await?;
    view(book, peer).await
}

/// Whether a name is nobody else's. Whoever comes with a friend's name and another key is looked at twice.
fn free(contacts: &[Contact], peer: &PublicKey, name: &str) -> Result<()> {
    let folded = name.trim().to_lowercase();
    let taken = contacts.iter().find(|contact| {
        contact.key != *peer
            && contact.nickname.as_ref().is_some_and(|nickname| nickname.to_lowercase() == folded)
    });
    let Some(other) = taken else { return Ok(()) };
    bail!(
        "you call somebody else {name:?} already: {} ({}). This is another key. If it is the same person with a new \
         account, ask it over another channel first, then `undertone contacts remove {}`, add the new key, and \
         compare codes with `undertone verify`",
        key_text::chat_key(&other.key),
        other.state.word(),
        quoted(name),
    )
}

async fn compare(book: &mut Book<'_>, peer: PublicKey, with: With) -> Result<Compared> {
    let me = book.me();
    if peer == me {
        bail!("this is oneself");
    }
    let (matches, by) = match with {
        With::Nothing => (None, None),
        With::Code { code, face_to_face } => {
            let by = if face_to_face { VerifiedBy::CodeFaceToFace } else { VerifiedBy::CodeOverCall };
            (Some(SafetyCode::of(&me, &peer).matches(&code)), Some(by))
        }
        With::Scanned { key } => (Some(key_text::parse(&key)? == peer), Some(VerifiedBy::QrCode)),
    };
    if let (Some(true), Some(by)) = (matches, by) {
        book.command(Command::Verify { peer, by }).await?;
    }
    Ok(Compared { person: view(book, peer).await?, own_key: me.to_hex(), matches })
}

async fn devices(book: &mut Book<'_>, identity: PublicKey) -> Result<Vec<DeviceView>> {
    Ok(book.devices(identity).await?.iter().map(DeviceView::new).collect())
}

async fn enable(book: &mut Book<'_>, device: &str, enabled: bool) -> Result<DeviceChange> {
    let me = book.me();
    let before = book.devices(me).await?;
    let fits = |d: &&undertone_messenger::Device| {
        let id = d.installation.as_str();
        id == device
            || (device.len() >= MIN_PREFIX && id.starts_with(device))
            || d.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(device))
    };
    let mut fitting = before.iter().filter(fits);
    let found = fitting.next().with_context(|| {
        Usage(format!("none of your devices is {device:?}; `undertone devices` lists them"))
    })?;
    if fitting.next().is_some() {
        return Err(Usage(format!("several of your devices are {device:?}: use more of the id")).into());
    }
    let id = found.installation.clone();
    book.command(match enabled {
        true => Command::EnableDevice(id.clone()),
        false => Command::DisableDevice(id.clone()),
    })
    .await?;
    let after = book.devices(me).await?;
    let pushed_out = after.iter().filter(|now| {
        let was = before.iter().any(|old| old.installation == now.installation && old.reached);
        was && now.enabled && !now.reached
    });
    let device = after.iter().find(|device| device.installation == id).context("the device is gone")?;
    Ok(DeviceChange {
        device: DeviceView::new(device),
        pushed_out: pushed_out.map(DeviceView::new).collect(),
    })
}

async fn pair(book: &mut Book<'_>, name: String, kind: Option<String>) -> Result<DeviceView> {
    let me = book.me();
    let this = |devices: Vec<undertone_messenger::Device>| {
        devices.into_iter().find(|device| device.this_device).context("this device is not among yours")
    };
    let known = book.devices(me).await?.into_iter().find(|device| device.this_device);
    let kind = kind.or_else(|| known?.kind).unwrap_or_else(|| "desktop".to_owned());
    if let Err(error) = book.command(Command::Pair { name, kind }).await {
        let deceives =
            error.downcast_ref::<ClientError>().is_some_and(|e| e.code() == Fault::DeviceName.code());
        return Err(if deceives { Usage(error.to_string()).into() } else { error });
    }
    Ok(DeviceView::new(&this(book.devices(me).await?)?))
}
