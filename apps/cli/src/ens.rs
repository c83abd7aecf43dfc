//! Names of ENS, looked up where the person says and nowhere else.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
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

/// Whether a name leads to this key now; `None` when no endpoint is configured.
pub(crate) async fn verify(name: &EnsName, key: &PublicKey, args: &EnsArgs) -> Result<Option<bool>> {
    let Some(ens) = endpoint(args)? else { return Ok(None) };
    let verdict = ens.verify(name, key).await.with_context(|| format!("look up {}", name.as_str()))?;
    Ok(Some(verdict == Verdict::Verified))
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
