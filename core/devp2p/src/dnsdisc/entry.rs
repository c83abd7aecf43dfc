//! The texts of a list.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use undertone_crypto::{PublicKey, Signature, keccak256};

use super::{DnsError, base32};
use crate::enr::Record;
use crate::limits::{MAX_DNS_BRANCH, MAX_DNS_NAME, MAX_DNS_TEXT};
use crate::node_key::NodeKey;

const ROOT: &str = "enrtree-root:v1";
const BRANCH: &str = "enrtree-branch:";
const LINK: &str = "enrtree://";
const NODE: &str = "enr:";

/// One TXT record as DNS carries it: strings of at most 255 bytes each.
pub type TxtRecord = Vec<Vec<u8>>;

/// The strings of one TXT record as one text; `None` when it is no text or too long to be an entry.
pub fn join_txt(record: &TxtRecord) -> Option<String> {
    let length = record.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    if length > MAX_DNS_TEXT {
        return None;
    }
    String::from_utf8(record.concat()).ok()
}

/// The hash of an entry as its parent names it: 12 to 32 bytes of the Keccak-256 of its text.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TreeHash {
    /// As it was written: an abbreviated hash is part of a DNS name.
    text: String,
    bytes: Vec<u8>,
}

impl TreeHash {
    /// The hash of a text in the usual 16 bytes.
    pub fn of(text: &str) -> Self {
        let bytes: Vec<u8> = keccak256(text.as_bytes()).iter().copied().take(16).collect();
        Self { text: base32::encode(&bytes), bytes }
    }

    /// Whether this names `text`.
    pub fn names(&self, text: &str) -> bool {
        keccak256(text.as_bytes()).starts_with(&self.bytes)
    }
}

impl FromStr for TreeHash {
    type Err = DnsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 52 digits hold 32 bytes.
        if text.len() > 52 {
            return Err(DnsError::Hash);
        }
        let bytes = base32::decode(text).ok_or(DnsError::Hash)?;
        if !(12..=32).contains(&bytes.len()) {
            return Err(DnsError::Hash);
        }
        Ok(Self { text: text.to_owned(), bytes })
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Address of a list: `enrtree://<base32 of the compressed key>@<name>`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Link {
    key: PublicKey,
    domain: String,
}

impl Link {
    /// The list of this signer under this name.
    ///
    /// # Errors
    /// [`DnsError::Link`] when the name cannot be one.
    pub fn new(key: PublicKey, domain: &str) -> Result<Self, DnsError> {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if domain.len() > MAX_DNS_NAME || !domain.split('.').all(label) {
            return Err(DnsError::Link);
        }
        Ok(Self { key, domain: domain.to_ascii_lowercase() })
    }

    /// The key that signs the list.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The name of its root, lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl FromStr for Link {
    type Err = DnsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, domain) =
            text.strip_prefix(LINK).and_then(|rest| rest.split_once('@')).ok_or(DnsError::Link)?;
        let key = base32::decode(key).ok_or(DnsError::LinkKey)?;
        Self::new(PublicKey::from_compressed(&key).map_err(|_| DnsError::LinkKey)?, domain)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LINK}{}@{}", base32::encode(&self.key.to_compressed()), self.domain)
    }
}

/// A root, its signature not looked at yet: [`Root::verify`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Root {
    /// Root of the subtree of nodes.
    pub nodes: TreeHash,
    /// Root of the subtree of links.
    pub links: TreeHash,
    /// Version of the list.
    pub seq: u64,
    signed: String,
    signature: Signature,
}

impl Root {
    /// Signs a root.
    pub fn sign(nodes: TreeHash, links: TreeHash, seq: u64, key: &NodeKey) -> Self {
        let signed = format!("{ROOT} e={nodes} l={links} seq={seq}");
        let signature = key.sign(&keccak256(signed.as_bytes()));
        Self { nodes, links, seq, signed, signature }
    }

    /// Whether the text of a TXT record claims to be a root.
    pub fn is_root(text: &str) -> bool {
        text.starts_with(ROOT)
    }

    /// Whether `key` signed it.
    ///
    /// # Errors
    /// [`DnsError::RootSignature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), DnsError> {
        let rs = self.signature.as_bytes().first_chunk::<64>().ok_or(DnsError::RootSignature)?;
        // The recovery byte is not looked at, as in geth: r and s decide.
        if Signature::verify_plain(rs, &keccak256(self.signed.as_bytes()), key) {
            Ok(())
        } else {
            Err(DnsError::RootSignature)
        }
    }
}

impl FromStr for Root {
    type Err = DnsError;

    /// The fields in their order, one space between them; what follows the signature after a space is ignored,
    /// as geth ignores it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.split(' ');
        let mut field =
            |prefix: &str| fields.next().and_then(|f| f.strip_prefix(prefix)).ok_or(DnsError::Root);
        if !field(ROOT)?.is_empty() {
            return Err(DnsError::Root);
        }
        let (nodes, links) = (field("e=")?, field("l=")?);
        let (seq, signature) = (field("seq=")?, field("sig=")?);
        // Signed is the text before ` sig=`, which is these fields again: nothing else may be between them.
        if seq.is_empty() || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DnsError::Root);
        }
        let signed = format!("{ROOT} e={nodes} l={links} seq={seq}");
        let (nodes, links) = (nodes.parse()?, links.parse()?);
        let seq = seq.parse().map_err(|_| DnsError::Root)?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| DnsError::RootSignature)?;
        let signature = Signature::from_slice(&signature).map_err(|_| DnsError::RootSignature)?;
        Ok(Self { nodes, links, seq, signed, signature })
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sig={}", self.signed, BASE64URL_NOPAD.encode(self.signature.as_bytes()))
    }
}

/// Anything below the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Further entries.
    Branch(Vec<TreeHash>),
    /// Another list.
    Link(Link),
    /// A verified node record.
    Node(Record),
}

impl Entry {
    /// Whether the text of a TXT record begins like an entry.
    pub fn is_entry(text: &str) -> bool {
        [BRANCH, LINK, NODE].iter().any(|prefix| text.starts_with(prefix))
    }
}

impl FromStr for Entry {
    type Err = DnsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(children) = text.strip_prefix(BRANCH) {
            if children.is_empty() {
                return Ok(Self::Branch(Vec::new()));
            }
            if children.split(',').take(MAX_DNS_BRANCH.saturating_add(1)).count() > MAX_DNS_BRANCH {
                return Err(DnsError::TooManyEntries { max: MAX_DNS_BRANCH });
            }
            return children.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::Branch);
        }
        if text.starts_with(LINK) {
            return text.parse().map(Self::Link).map_err(|_| DnsError::LinkEntry);
        }
        if text.starts_with(NODE) {
            return Ok(Self::Node(text.parse()?));
        }
        Err(DnsError::UnknownEntry)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(children) => {
                let names: Vec<_> = children.iter().map(ToString::to_string).collect();
                write!(f, "{BRANCH}{}", names.join(","))
            }
            Self::Link(link) => link.fmt(f),
            Self::Node(record) => record.fmt(f),
        }
    }
}
