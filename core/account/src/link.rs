//! Links of Status and what a scanned code may hold (`identity.md` 7).
//!
//! | kind | read | made |
//! |---|---|---|
//! | profile | `/u/WHO`, `/user/WHO`, a bare `0x04…` or `zQ3sh…` | `/u/WHO` |
//! | profile, newer | `status.app/u#WHO`, `/u/DATA#zQ3sh…`, `/u/KEY` | [`short_profile`] |
//! | one-to-one chat | `/p/WHO`, `/pm/WHO` | `/p/WHO` |
//! | public chat | `/NAME`, `/chat/public/NAME` | `/NAME`; the long form where `NAME` is a word of this table |
//! | group | `/g/…?a=KEY&a1=NAME&a2=ID` | `/g/args?…` |
//! | browser | `/b/URL`, `/browser/URL`, `/browse/URL` | `/b/URL` |
//!
//! `WHO` is a key or an ENS name. The forms without a host stand behind `http://` or `https://`, `www.` or not,
//! `join.status.im` or `get.status.im`, and behind `status-im:` with any number of slashes.
//!
//! **A link is a stranger's word.** Reading one opens, stores, fetches and joins nothing. What comes out is typed:
//! keys are points of the curve, names are what can be resolved or joined, addresses of web pages have no
//! tricks in them. The caller shows it and asks.
//!
//! Left out: the `DATA` of newer profile links (a packed display name and description that its key does not
//! sign: checked for its alphabet and dropped), links to communities (refused as unsupported), ENS names outside
//! ASCII (they need UTS-46 tables; refused, which also keeps out look-alikes).

mod error;
mod names;
mod percent;

use std::fmt;

use undertone_crypto::{KeyError, PublicKey};

use crate::key_text::{self, KeyTextError};
use crate::limits;

pub use error::LinkError;
pub use names::{ChatName, EnsName, GroupInvite, WebUrl};

/// Whom a link means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// This key.
    Key(PublicKey),
    /// Whoever the name resolves to, at the time when it is resolved.
    Name(EnsName),
}

impl Who {
    /// Reads a key (`0x04…`, `zQ3sh…`) or a name. What begins like a key is a key or an error, never a name.
    ///
    /// ```
    /// use undertone_account::link::Who;
    /// assert_eq!(Who::parse("Alice")?.to_string(), "alice.stateofus.eth");
    /// assert!(Who::parse("0x04eedbaa").is_err());
    /// # Ok::<(), undertone_account::link::LinkError>(())
    /// ```
    ///
    /// # Errors
    /// [`LinkError::Key`], [`LinkError::EnsName`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if looks_like_key(text) { key(text).map(Self::Key) } else { EnsName::parse(text).map(Self::Name) }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&key.to_hex()),
            Self::Name(name) => f.write_str(name.as_str()),
        }
    }
}

/// What a link says. `Display` writes the form that clients of 2019 to 2021 read, and [`Link::parse`] reads that
/// back as an equal link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Link {
    /// Look at a page.
    Browser(WebUrl),
    /// Ask to join a group.
    Group(GroupInvite),
    /// Open the chat with somebody.
    OneToOne(Who),
    /// Look at somebody's profile.
    Profile(Who),
    /// Open a public chat.
    PublicChat(ChatName),
}

impl Link {
    /// Reads any form of the table. Exact: blanks around the text are the caller's to trim.
    ///
    /// ```
    /// use undertone_account::link::{Link, Who};
    /// let Link::PublicChat(name) = Link::parse("status-im://chat/public/status")? else { panic!() };
    /// assert_eq!(name.as_str(), "status");
    /// let Link::Profile(Who::Name(name)) = Link::parse("https://join.status.im/u/Alice")? else { panic!() };
    /// assert_eq!(name.as_str(), "alice.stateofus.eth");
    /// assert!(Link::parse("https://join.status.im.example.org/u/alice").is_err());
    /// assert!(Link::parse("https://join.status.im/b/javascript:alert(1)").is_err());
    /// # Ok::<(), undertone_account::link::LinkError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`LinkError`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > limits::LINK_BYTES {
            return Err(LinkError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(LinkError::Form);
        }
        if looks_like_key(text) {
            return key(text).map(|key| Self::Profile(Who::Key(key)));
        }
        match origin(text)? {
            (Host::Classic, rest) => classic(rest),
            (Host::Newer, rest) => newer(rest),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHARE)?;
        match self {
            Self::Browser(url) => write!(f, "b/{url}"),
            Self::Group(group) => {
                let (name, id) = (percent::encode(group.name()), percent::encode(group.id()));
                write!(f, "g/args?a={}&a1={name}&a2={id}", group.admin().to_hex())
            }
            Self::OneToOne(who) => write!(f, "p/{who}"),
            Self::Profile(who) => write!(f, "u/{who}"),
            Self::PublicChat(name) => {
                let long = if RESERVED.contains(&name.as_str()) { "chat/public/" } else { "" };
                write!(f, "{long}{}", percent::encode(name.as_str()))
            }
        }
    }
}

/// The link to a key's profile that every client since 2019 reads; also what a QR code of a key holds.
///
/// ```
/// use undertone_account::link::{self, Link, Who};
/// let key = undertone_crypto::SecretKey::random(&mut rand::rng()).public();
/// assert_eq!(link::profile(&key), format!("https://join.status.im/u/{key}"));
/// assert_eq!(Link::parse(&link::profile(&key)), Ok(Link::Profile(Who::Key(key))));
/// ```
pub fn profile(key: &PublicKey) -> String {
    Link::Profile(Who::Key(*key)).to_string()
}

/// The newer, shorter link: the key stands behind `#`, so that no web server sees it.
///
/// ```
/// use undertone_account::link::{self, Link, Who};
/// let key = undertone_crypto::SecretKey::random(&mut rand::rng()).public();
/// assert!(link::short_profile(&key).starts_with("https://status.app/u#zQ3sh"));
/// assert_eq!(Link::parse(&link::short_profile(&key)), Ok(Link::Profile(Who::Key(key))));
/// ```
pub fn short_profile(key: &PublicKey) -> String {
    format!("https://status.app/u#{}", key_text::chat_key(key))
}

/// The link to a public chat.
///
/// ```
/// use undertone_account::link::{self, ChatName};
/// assert_eq!(link::public_chat(&ChatName::parse("status")?), "https://join.status.im/status");
/// # Ok::<(), undertone_account::link::LinkError>(())
/// ```
pub fn public_chat(name: &ChatName) -> String {
    Link::PublicChat(name.clone()).to_string()
}

/// Whose forms follow.
enum Host {
    Classic,
    Newer,
}

/// Scheme and host, and what follows them without its first slash.
fn origin(text: &str) -> Result<(Host, &str), LinkError> {
    if let Some(rest) = names::strip_ignoring_case(text, "status-im:") {
        return Ok((Host::Classic, rest.trim_start_matches('/')));
    }
    let rest = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| names::strip_ignoring_case(text, scheme))
        .ok_or(LinkError::Host)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end).ok_or(LinkError::Host)?;
    let host = host.to_ascii_lowercase();
    let host = match host.strip_prefix("www.").unwrap_or(&host) {
        "join.status.im" | "get.status.im" => Host::Classic,
        "status.app" => Host::Newer,
        _ => return Err(LinkError::Host),
    };
    Ok((host, rest.strip_prefix('/').unwrap_or(rest)))
}

fn classic(rest: &str) -> Result<Link, LinkError> {
    // The rest of a browser link belongs to the page's own address, marks and all.
    if let Some(("b" | "browser" | "browse", url)) = rest.split_once('/') {
        return WebUrl::parse(url).map(Link::Browser);
    }
    if rest.contains('#') {
        return Err(LinkError::Extra);
    }
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let parts: Vec<&str> = without_last_slash(path).splitn(PARTS, '/').collect();
    match (parts.as_slice(), query) {
        (["g"] | ["g", _], query) => GroupInvite::parse(query.ok_or(LinkError::Form)?).map(Link::Group),
        (_, Some(_)) => Err(LinkError::Extra),
        (["u" | "user", who], None) => Who::parse(who).map(Link::Profile),
        // DEVIATION: draft 17 of the specifications gives `/p/` to public chats and `/pm/` to people
        // (`identity.md` 7); clients read `/p/` as a person, and so do we. Pinned by
        // `every_form_of_the_table_is_read`.
        (["p" | "pm", who], None) => Who::parse(who).map(Link::OneToOne),
        ([word], None) if word.is_empty() || RESERVED.contains(word) => Err(LinkError::Form),
        ([name] | ["chat", "public", name], None) => ChatName::from_link(name).map(Link::PublicChat),
        _ => Err(LinkError::Form),
    }
}

fn newer(rest: &str) -> Result<Link, LinkError> {
    let (path, fragment) = match rest.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment)),
        None => (rest, None),
    };
    if path.contains('?') {
        return Err(LinkError::Extra);
    }
    let parts: Vec<&str> = without_last_slash(path).splitn(PARTS, '/').collect();
    let who = match (parts.as_slice(), fragment) {
        (["u"], Some(who)) => Who::parse(who)?,
        (["u", data], Some(text)) if is_base64_url(data) => Who::Key(key(text)?),
        (["u", text], None) if looks_like_key(text) => Who::Key(key(text)?),
        (["c" | "cc", ..], _) => return Err(LinkError::Unsupported),
        _ => return Err(LinkError::Form),
    };
    Ok(Link::Profile(who))
}

fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// Whether text claims to be a key, so that a broken key is not taken for a name.
fn looks_like_key(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X") || text.starts_with("zQ3sh")
}

/// The two forms of keys that links have; the other forms of [`key_text`] are none of them.
fn key(text: &str) -> Result<PublicKey, LinkError> {
    if text.starts_with("zQ3sh") {
        return Ok(key_text::parse(text)?);
    }
    match text.strip_prefix("0x") {
        Some(digits) if digits.len() == KEY_DIGITS => Ok(key_text::parse(text)?),
        _ => Err(LinkError::Key(KeyTextError::Key(KeyError::Form))),
    }
}

fn is_base64_url(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'='))
}

/// What links are shared under.
const SHARE: &str = "https://join.status.im/";
/// Digits of an uncompressed key.
const KEY_DIGITS: usize = 130;
/// One more than the longest path has parts.
const PARTS: usize = 4;
/// First words of paths: `/WORD` alone is a link cut short and no public chat.
const RESERVED: [&str; 9] = ["b", "browse", "browser", "chat", "g", "p", "pm", "u", "user"];
