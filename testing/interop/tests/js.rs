//! The devp2p of the npm package `@ethereumjs/devp2p`, as a child process on loopback: `js/peer.mjs` with lines of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use undertone_crypto::PublicKey;
use undertone_devp2p::{Endpoint, Enode, Host};
use undertone_support::until;

use crate::{DEADLINE, text};

/// What these cases are about.
pub(crate) const PACKAGE: Package =
    Package { name: "@ethereumjs/devp2p", version: "10.0.0", variable: "UNDERTONE_ETHEREUMJS" };

/// The oldest node that the packages run on.
const NODE: u32 = 20;

/// A package, of the one version that cases are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Names a directory that has the `node_modules` with the package.
    pub(crate) variable: &'static str,
}

impl Package {
    /// The directory with the package: the variable's, or `js` when `npm ci` was run there.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn directory(self) -> Result<PathBuf> {
        let Self { name, version: wanted, variable } = self;
        let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory = named.clone().unwrap_or_else(home);
        let about = format!("node_modules/{name}/package.json");
        let Ok(package) = std::fs::read_to_string(directory.join(&about)) else {
            match named {
                Some(_) => anyhow::bail!("{variable} names a directory without {about}"),
                None => {
                    anyhow::bail!("{variable} is not set, nor was `npm ci --prefix testing/interop/js` run")
                }
            }
        };
        let package: Value = serde_json::from_str(&package)?;
        ensure!(package["version"] == wanted, "this is about {wanted}, and {name} is {}", package["version"]);
        let node = Command::new("node").arg("--version").stdin(Stdio::null()).output();
        let version = node.map(|node| String::from_utf8_lossy(&node.stdout).trim().to_owned());
        let version = version.context("there is no node to run it")?;
        let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
        ensure!(major >= Some(NODE), "the package needs node {NODE}, and here is {version}");
        Ok(directory)
    }
}

/// Where our programs for them are.
pub(crate) fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js")
}

/// A running one; killed on drop.
pub(crate) struct Js {
    child: Child,
    orders: ChildStdin,
    seen: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
    /// Dialable; its discovery port is 0 when that does not run.
    pub(crate) enode: Enode,
}

impl Js {
    /// Starts one; `js/peer.mjs` says what `setup` may have.
    pub(crate) fn start(setup: &Value) -> Result<Self> {
        let mut child = Command::new("node")
            .arg(home().join("peer.mjs"))
            .arg(PACKAGE.directory()?)
            .arg(setup.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start node")?;
        let orders = child.stdin.take().context("stdin is piped")?;
        let lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| json!({"garbled": line}));
                lock(&shared).push(event);
            }
        });
        let nowhere = Enode::incomplete(crate::ours::node_key()?.public());
        let mut js = Self { child, orders, seen, reader: Some(reader), enode: nowhere };
        let ready = js.await_event("ready", |_| true)?;
        let port = |name: &str| ready[name].as_u64().and_then(|port| u16::try_from(port).ok());
        let host = Host::Ip([127, 0, 0, 1].into());
        let endpoint = Endpoint { host, tcp: port("tcp").context("tcp")?, udp: port("udp").unwrap_or(0) };
        js.enode = Enode::new(public(&ready["key"])?, endpoint);
        Ok(js)
    }

    /// Asks it to do something.
    pub(crate) fn order(&mut self, order: &Value) -> Result<()> {
        writeln!(self.orders, "{order}").context("it has ended")
    }

    /// Has it dial a node.
    pub(crate) fn connect(&mut self, node: &Enode) -> Result<()> {
        self.order(&at("connect", node)?)
    }

    /// Has it send a message of the capability.
    pub(crate) fn send(&mut self, peer: &PublicKey, code: u64, payload: &[u8]) -> Result<()> {
        let payload = const_hex::encode(payload);
        self.order(&json!({"do": "send", "peer": name(peer), "code": code, "payload": payload}))
    }

    /// Has it say goodbye.
    pub(crate) fn disconnect(&mut self, peer: &PublicKey, reason: u64) -> Result<()> {
        self.order(&json!({"do": "disconnect", "peer": name(peer), "reason": reason}))
    }

    /// What it said, of one kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        self.seen().iter().filter(|event| event["event"] == kind).cloned().collect()
    }

    /// Waits for the first that is right.
    pub(crate) fn await_event(&self, kind: &str, right: impl Fn(&Value) -> bool) -> Result<Value> {
        self.await_event_for(DEADLINE, kind, right)
    }

    /// The same, for so long.
    pub(crate) fn await_event_for(
        &self,
        deadline: Duration,
        kind: &str,
        right: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut found = None;
        until(deadline, || {
            found = self.events(kind).into_iter().find(|event| right(event));
            found.is_some()
        });
        found.with_context(|| {
            let last = self.seen().iter().rev().take(5).map(short).collect::<Vec<_>>().join(", ");
            format!("no {kind}; the last of what it said: {last}")
        })
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Value>> {
        lock(&self.seen)
    }
}

impl Drop for Js {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// An order about a node.
pub(crate) fn at(what: &str, node: &Enode) -> Result<Value> {
    let Some(Endpoint { host: Host::Ip(ip), tcp, udp }) = node.endpoint() else {
        anyhow::bail!("{node} has no address")
    };
    Ok(json!({"do": what, "key": name(node.key()), "ip": ip.to_string(), "tcp": tcp, "udp": udp}))
}

/// A key as it writes them.
pub(crate) fn name(key: &PublicKey) -> String {
    const_hex::encode(key.to_xy())
}

fn public(value: &Value) -> Result<PublicKey> {
    Ok(PublicKey::from_xy(&const_hex::decode(text(value)?)?)?)
}

fn short(event: &Value) -> String {
    event.to_string().chars().take(200).collect()
}

fn lock(seen: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
