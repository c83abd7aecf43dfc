//! The parts of links, each checked when it is made.

use std::fmt;

use undertone_crypto::PublicKey;

use super::{LinkError, key, looks_like_key, percent};
use crate::limits;

/// An ENS name in lower-case ASCII that ends in `.eth`. It proves nothing before it is resolved and compared.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EnsName(String);

impl EnsName {
    /// Lower-cases, and appends `.stateofus.eth` where `.eth` is missing, as clients do (`identity.md` 6).
    ///
    /// ```
    /// use undertone_account::link::EnsName;
    /// assert_eq!(EnsName::parse("Alice")?.as_str(), "alice.stateofus.eth");
    /// assert_eq!(EnsName::parse("vitalik.eth")?.as_str(), "vitalik.eth");
    /// assert!(EnsName::parse("аlice").is_err(), "a Cyrillic letter");
    /// # Ok::<(), undertone_account::link::LinkError>(())
    /// ```
    ///
    /// # Errors
    /// [`LinkError::EnsName`] when a label is empty or longer than 63 bytes, the whole longer than 253, a sign is
    /// not a letter of ASCII, a digit, `-` or `_`, or the text looks like a key.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > limits::ENS_BYTES || looks_like_key(text) {
            return Err(LinkError::EnsName);
        }
        let mut name = text.to_ascii_lowercase();
        if !name.ends_with(".eth") {
            name.push_str(".stateofus.eth");
        }
        let label = |label: &str| {
            (1..=limits::ENS_LABEL_BYTES).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        if name.len() > limits::ENS_BYTES || !name.split('.').all(label) {
            return Err(LinkError::EnsName);
        }
        Ok(Self(name))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a public chat, its exact bytes: `Status` and `status` are different chats.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChatName(String);

impl ChatName {
    /// Checks a name.
    ///
    /// ```
    /// use undertone_account::link::ChatName;
    /// assert_eq!(ChatName::parse("status")?.as_str(), "status");
    /// assert!(ChatName::parse("two words").is_err());
    /// # Ok::<(), undertone_account::link::LinkError>(())
    /// ```
    ///
    /// # Errors
    /// [`LinkError::ChatName`] when it is empty, longer than 128 bytes, begins like a key, or has signs other than
    /// letters and digits of any script, `-`, `_` and `.`.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let sign = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=limits::CHAT_NAME_BYTES).contains(&text.len());
        // A lone dot or two are steps of a path to whoever follows the link.
        if fits && text.chars().all(sign) && !looks_like_key(text) && text != "." && text != ".." {
            Ok(Self(text.to_owned()))
        } else {
            Err(LinkError::ChatName)
        }
    }

    /// From a part of a path.
    pub(super) fn from_link(text: &str) -> Result<Self, LinkError> {
        Self::parse(&percent::decode(text)?)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An invitation to a private group: whom to ask, and what for. Whether that person is an admin of that group is
/// not known before they answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupInvite {
    admin: PublicKey,
    id: String,
    name: String,
}

impl GroupInvite {
    /// Checks the parts.
    ///
    /// ```
    /// use undertone_account::link::{GroupInvite, Link};
    /// let admin = undertone_crypto::SecretKey::random(&mut rand::rng()).public();
    /// let id = format!("8e1a2a0c-5c43-4a7e-9c4f-3f2b8a6f1d10-{admin}");
    /// let invite = GroupInvite::new(admin, &id, "Chess & tea")?;
    /// let shared = Link::Group(invite.clone()).to_string();
    /// assert_eq!(Link::parse(&shared), Ok(Link::Group(invite)));
    /// # Ok::<(), undertone_account::link::LinkError>(())
    /// ```
    ///
    /// # Errors
    /// [`LinkError::Group`] when the id is not printable ASCII that ends with `-` and the creator's `0x04…`, or
    /// the name is empty, longer than 128 bytes, or has signs that do not show.
    pub fn new(admin: PublicKey, id: &str, name: &str) -> Result<Self, LinkError> {
        let printable = id.len() <= limits::GROUP_ID_BYTES && id.bytes().all(|c| c.is_ascii_graphic());
        let created =
            id.rsplit_once('-').is_some_and(|(prefix, creator)| !prefix.is_empty() && key(creator).is_ok());
        let named = (1..=limits::GROUP_NAME_BYTES).contains(&name.len()) && !name.chars().any(hides);
        if !(printable && created && named) {
            return Err(LinkError::Group);
        }
        Ok(Self { admin, id: id.to_owned(), name: name.to_owned() })
    }

    /// From a query: `a`, `a1` and `a2`, each once, nothing else.
    pub(super) fn parse(query: &str) -> Result<Self, LinkError> {
        let (mut admin, mut name, mut id) = (None, None, None);
        for pair in query.split('&') {
            let (parameter, value) = pair.split_once('=').ok_or(LinkError::Form)?;
            let slot = match parameter {
                "a" => &mut admin,
                "a1" => &mut name,
                "a2" => &mut id,
                _ => return Err(LinkError::Extra),
            };
            if slot.replace(percent::decode_query(value)?).is_some() {
                return Err(LinkError::Extra);
            }
        }
        let admin = key(&admin.ok_or(LinkError::Form)?)?;
        Self::new(admin, &id.ok_or(LinkError::Form)?, &name.ok_or(LinkError::Form)?)
    }

    /// Whom to ask.
    pub const fn admin(&self) -> &PublicKey {
        &self.admin
    }

    /// The group's chat id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the link calls the group: anybody can have written it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// An address of a web page whose host is what it shows: `http` or `https`, a host of lower-case ASCII, no user
/// name before it, no blanks, no backslashes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WebUrl(String);

impl WebUrl {
    /// Reads an address; without a scheme it gets `https://`. A wholly percent-encoded one is decoded once.
    ///
    /// ```
    /// use undertone_account::link::WebUrl;
    /// assert_eq!(WebUrl::parse("Example.org/a?b#c")?.as_str(), "https://example.org/a?b#c");
    /// assert!(WebUrl::parse("https://status.im@example.org/").is_err());
    /// # Ok::<(), undertone_account::link::LinkError>(())
    /// ```
    ///
    /// Where the host is, is not looked at: a name or number of this machine is a host too.
    ///
    /// # Errors
    /// [`LinkError::WebUrl`] for another scheme, a user name, a host that is none or not ASCII, a port that is
    /// none, a sign that is not printable ASCII, a backslash, or more than [`limits::WEB_URL_BYTES`]; [`LinkError::Percent`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > limits::LINK_BYTES {
            return Err(LinkError::WebUrl);
        }
        let encoded = ["http%3a", "https%3a"].iter().any(|start| strip_ignoring_case(text, start).is_some());
        let text = if encoded { percent::decode(text)? } else { text.to_owned() };
        if !text.bytes().all(|c| c.is_ascii_graphic() && c != b'\\') {
            return Err(LinkError::WebUrl);
        }
        let (scheme, rest) = ["https://", "http://"]
            .into_iter()
            .find_map(|scheme| Some((scheme, strip_ignoring_case(&text, scheme)?)))
            .unwrap_or(("https://", &text));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).ok_or(LinkError::WebUrl)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if !is_host(host) || !port.is_none_or(is_port) {
            return Err(LinkError::WebUrl);
        }
        let made = format!("{scheme}{}{rest}", authority.to_ascii_lowercase());
        if made.len() > limits::WEB_URL_BYTES { Err(LinkError::WebUrl) } else { Ok(Self(made)) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Labels of letters, digits and inner hyphens (RFC 1123; `_` is seen in practice). An IPv6 address is none.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=limits::ENS_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    };
    host.len() <= limits::ENS_BYTES && host.split('.').all(label)
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Signs that do not show, or that turn round what stands beside them.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `text` behind `prefix` in any case of letters.
pub(super) fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
