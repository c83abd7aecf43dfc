//! Names of ENS, looked up where the person says and nowhere else.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use undertone_crypto::PublicKey;
use undertone_ens::{Endpoint, Ens, EnsConfig, EnsName, Verdict};

use crate::Usage;
use crate::args::EnsArgs;

/// What to do without an endpoint.
pub(crate) const OFF: &str = "names of ENS are off: name an Ethereum JSON-RPC endpoint with --ens-rpc URL, \
                              UNDERTONE_ENS_RPC or the file ens-rpc in the data directory (it learns whom you look \
                              for, and is believed)";

/// Name of the file in the data directory whose first line is the endpoint.
const FILE: &str = "ens-rpc";
/// Longest such file in bytes.
const MAX_FILE: u64 = 4_096;

/// The data directory of this process.
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// Where the endpoint may be written down. Once, at the start.
pub(crate) fn look_in(dir: PathBuf) {
    // A second directory would be another process's.
    let _ = DIRECTORY.set(dir);
}

/// The key that a name leads to now; `None` when no endpoint is configured.
pub(crate) async fn resolve(name: &EnsName, args: &EnsArgs) -> Result<Option<PublicKey>> {
    let Some(ens) = endpoint(args)? else { return Ok(None) };
    let asked = ens.resolve(name).await;
    let key = asked.with_context(|| format!("look up {}", name.as_str()))?;
    key.map(Some).ok_or_else(|| {
        anyhow!("{} leads to no chat key: nobody has set one, or nobody owns the name", name.as_str())
    })
}

/// What is known of a name that somebody claims.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// No endpoint is configured.
    Off,
    /// The endpoint has not answered, for this reason.
    Unanswered(String),
    /// It leads to the key of whoever claims it, now.
    Verified,
    /// It leads to no key, or to another one.
    Wrong,
}

impl Standing {
    /// For a script: `ensVerified` is none where nothing is known, and `ensError` says why when that is a failure.
    pub(crate) fn tell(&self, members: &mut serde_json::Map<String, Value>) {
        let verified = match self {
            Self::Off | Self::Unanswered(_) => None,
            Self::Verified => Some(true),
            Self::Wrong => Some(false),
        };
        members.insert("ensVerified".to_owned(), verified.into());
        if let Self::Unanswered(why) = self {
            members.insert("ensError".to_owned(), why.as_str().into());
        }
    }
}

/// Whether a name that somebody with this key claims leads to it now. An endpoint that does not answer spoils nothing
/// but this; one that cannot be asked at all is a mistake of the person.
pub(crate) async fn standing(name: &str, key: &PublicKey, args: &EnsArgs) -> Result<Standing> {
    let (Some(ens), Ok(name)) = (endpoint(args)?, EnsName::claimed(name)) else { return Ok(Standing::Off) };
    Ok(match ens.verify(&name, key).await {
        Ok(Verdict::Verified) => Standing::Verified,
        Ok(_) => Standing::Wrong,
        Err(error) => {
            let chain: Vec<String> = anyhow::Error::new(error).chain().map(ToString::to_string).collect();
            Standing::Unanswered(chain.join(": "))
        }
    })
}

fn endpoint(args: &EnsArgs) -> Result<Option<Ens>> {
    let (from, url) = match &args.ens_rpc {
        Some(url) => ("--ens-rpc".to_owned(), url.clone()),
        None => match written_down()? {
            Some((file, url)) => (file.display().to_string(), url),
            None => return Ok(None),
        },
    };
    let endpoint: Endpoint = url.parse().map_err(|error| Usage(format!("{from}: {error}")))?;
    Ok(Some(Ens::new(EnsConfig::new(endpoint))))
}

fn written_down() -> Result<Option<(PathBuf, String)>> {
    let Some(file) = DIRECTORY.get().map(|dir| dir.join(FILE)) else { return Ok(None) };
    let about = || format!("read {}", file.display());
    let mut text = String::new();
    match File::open(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        open => open.with_context(about)?.take(MAX_FILE).read_to_string(&mut text).with_context(about)?,
    };
    let url = text.lines().next().unwrap_or_default().trim().to_owned();
    Ok((!url.is_empty()).then_some((file, url)))
}
