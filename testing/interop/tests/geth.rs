//! A go-ethereum 1.9.7 with Whisper, as a child process on loopback.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use undertone_base::Secret;
use undertone_crypto::kdf::topic_key;
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::Enode;
use undertone_whisper::Topic;

pub(crate) use crate::rpc::hex;
use crate::rpc::{Rpc, free_port};
use crate::text;

/// Names the program.
pub(crate) const VARIABLE: &str = "UNDERTONE_GETH";

/// The only version that these cases are about; the last with a Whisper that Status used.
const VERSION: &str = "Geth/v1.9.7";

/// How long a start may take: half a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// How often others may take the ports that were free.
const PORTS_TAKEN: usize = 5;

/// The program, when the variable names one.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// How one is started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The least proof of work that it asks for; `None`: what it asks by itself.
    pub(crate) min_pow: Option<f64>,
    /// Most peers.
    pub(crate) max_peers: u16,
    /// The boot nodes of its discovery v4; `None`: it does not run.
    pub(crate) discovery: Option<Vec<Enode>>,
    /// Its node key; `None`: it draws one.
    pub(crate) key: Option<SecretKey>,
    /// Whether [`Geth::log`] has everything.
    pub(crate) trace: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { min_pow: Some(0.002), max_peers: 50, discovery: None, key: None, trace: false }
    }
}

/// A running geth; killed on drop, its directory removed.
pub(crate) struct Geth {
    child: Child,
    home: TempDir,
    ports: (u16, u16),
    setup: Setup,
    rpc: Rpc,
    /// Dialable.
    pub(crate) enode: Enode,
    /// What it says that it is.
    pub(crate) version: String,
}

impl Geth {
    /// Starts one that asks for at least `min_pow`; `None`: what it asks by itself.
    pub(crate) fn start(min_pow: Option<f64>) -> Result<Self> {
        Self::with(Setup { min_pow, ..Setup::default() })
    }

    /// Starts one.
    pub(crate) fn with(setup: Setup) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let ports = (free_port()?, free_port()?);
        let child = spawn(&home, ports, &setup)?;
        // Until it answered, the key is anybody's.
        let enode = Enode::new(
            SecretKey::from_secret(Secret::new([1; 32]))?.public(),
            undertone_devp2p::Endpoint {
                host: undertone_devp2p::Host::Ip([127, 0, 0, 1].into()),
                tcp: 0,
                udp: 0,
            },
        );
        let rpc = Rpc::at(ports.1);
        let mut geth = Self { child, home, ports, setup, rpc, enode, version: String::new() };
        // A port that is free when we look can be somebody's when geth does.
        for _ in 0..PORTS_TAKEN {
            if geth.await_answer()? {
                return Ok(geth);
            }
            geth.ports = (free_port()?, free_port()?);
            geth.rpc = Rpc::at(geth.ports.1);
            geth.child = spawn(&geth.home, geth.ports, &geth.setup)?;
        }
        bail!("geth does not start: {:?}", geth.log(&["Fatal"])?)
    }

    /// The lines of its log in which each of these words is.
    pub(crate) fn log(&self, words: &[&str]) -> Result<Vec<String>> {
        let log = std::fs::read(self.home.path().join("log"))?;
        let log = String::from_utf8_lossy(&log);
        let all = |line: &&str| words.iter().all(|word| line.contains(word));
        Ok(log.lines().filter(all).map(str::to_owned).collect())
    }

    /// Asks it to end, as the key combination in a terminal does, and waits until it has.
    pub(crate) fn quit(&mut self) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(id, Signal::INT)?;
        self.child.wait()?;
        Ok(())
    }

    /// Kills it without a word and starts it again with the same key on the same ports. Its filters and keys of
    /// messages are gone.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.stop();
        self.child = spawn(&self.home, self.ports, &self.setup)?;
        let before = self.enode.clone();
        ensure!(self.await_answer()?, "geth does not start again: {:?}", self.log(&["Fatal"])?);
        ensure!(self.enode == before, "geth came back as {}", self.enode);
        Ok(())
    }

    /// Waits until it answers; `false`: it has ended.
    fn await_answer(&mut self) -> Result<bool> {
        let (mut version, mut ended) = (None, false);
        undertone_support::until(START, || {
            version = self.call("web3_clientVersion", json!([])).ok();
            ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            ended || version.is_some()
        });
        if ended {
            return Ok(false);
        }
        self.version = text(&version.context("geth does not answer")?)?.to_owned();
        ensure!(
            self.version.starts_with(VERSION),
            "this is about {VERSION}, and {VARIABLE} is {}",
            self.version
        );
        let info = self.call("admin_nodeInfo", json!([]))?;
        self.enode = text(&info["enode"])?.parse()?;
        Ok(true)
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// One JSON-RPC call.
    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.rpc.call(method, params)
    }

    /// The same call with each of these parameters, in one request; the results in their order.
    pub(crate) fn calls(&self, method: &str, params: Vec<Value>) -> Result<Vec<Value>> {
        self.rpc.calls(method, params)
    }

    /// Has geth dial a node.
    pub(crate) fn add_peer(&self, enode: &Enode) -> Result<()> {
        let done = self.call("admin_addPeer", json!([enode.to_string()]))?;
        ensure!(done == json!(true), "admin_addPeer: {done}");
        Ok(())
    }

    /// Has geth drop a node and not dial it again.
    pub(crate) fn remove_peer(&self, enode: &Enode) -> Result<()> {
        let done = self.call("admin_removePeer", json!([enode.to_string()]))?;
        ensure!(done == json!(true), "admin_removePeer: {done}");
        Ok(())
    }

    /// Its peers with which it speaks shh.
    pub(crate) fn shh_peers(&self) -> Result<Vec<Value>> {
        let peers = self.call("admin_peers", json!([]))?;
        let speaks = |peer: &&Value| peer["protocols"].get("shh").is_some();
        Ok(peers.as_array().context("admin_peers")?.iter().filter(speaks).cloned().collect())
    }

    /// Whether the node of this key is such a peer.
    pub(crate) fn has_peer(&self, key: &PublicKey) -> bool {
        let name = const_hex::encode(key.to_xy());
        let is_it = |peer: &Value| peer["enode"].as_str().is_some_and(|enode| enode.contains(&name));
        self.shh_peers().is_ok_and(|peers| peers.iter().any(is_it))
    }

    /// The id of the key that geth derives from a name; it is checked to be the one that we derive.
    pub(crate) fn topic_key(&self, name: &str) -> Result<Value> {
        let id = self.call("shh_generateSymKeyFromPassword", json!([name]))?;
        let key = self.call("shh_getSymKey", json!([id]))?;
        ensure!(key == json!(hex(topic_key(name).expose())), "both derive another key from {name}");
        Ok(id)
    }

    /// A fresh key pair: its id and both halves.
    pub(crate) fn key_pair(&self) -> Result<(Value, SecretKey)> {
        let id = self.call("shh_newKeyPair", json!([]))?;
        let secret = SecretKey::from_hex(text(&self.call("shh_getPrivateKey", json!([id]))?)?)?;
        let public = self.call("shh_getPublicKey", json!([id]))?;
        ensure!(public == json!(secret.public().to_hex()), "shh_getPublicKey: {public}");
        Ok((id, secret))
    }

    /// Collects what `author` signs, on one topic; `key` is `("symKeyID" or "privateKeyID", id)`.
    pub(crate) fn filter(&self, key: (&str, &Value), topic: Topic, author: &PublicKey) -> Result<Filter<'_>> {
        let mut criteria = json!({"topics": [topic.to_string()], "sig": author.to_hex()});
        criteria[key.0] = key.1.clone();
        let id = self.call("shh_newMessageFilter", json!([criteria]))?;
        Ok(Filter { geth: self, id })
    }

    /// The same from direct messages too.
    pub(crate) fn direct_filter(&self, key: &Value, topic: Topic, author: &PublicKey) -> Result<Filter<'_>> {
        let criteria = json!({
            "symKeyID": key, "topics": [topic.to_string()], "sig": author.to_hex(), "allowP2P": true,
        });
        let id = self.call("shh_newMessageFilter", json!([criteria]))?;
        Ok(Filter { geth: self, id })
    }

    /// Seals and sends; gives the hash of the envelope.
    pub(crate) fn post(&self, message: Value) -> Result<String> {
        Ok(text(&self.call("shh_post", json!([message]))?)?.to_owned())
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What geth opened for us.
pub(crate) struct Filter<'a> {
    geth: &'a Geth,
    id: Value,
}

impl Filter<'_> {
    /// What came since the last time, in no order.
    pub(crate) fn poll(&self) -> Result<Vec<Value>> {
        match self.geth.call("shh_getFilterMessages", json!([self.id]))? {
            Value::Array(messages) => Ok(messages),
            other => bail!("shh_getFilterMessages: {other}"),
        }
    }

    /// Waits for `count` messages and no more than these.
    pub(crate) fn take(&self, count: usize, deadline: Duration) -> Result<Vec<Value>> {
        let (mut messages, mut failed) = (Vec::new(), None);
        undertone_support::until(deadline, || {
            match self.poll() {
                Ok(more) => messages.extend(more),
                Err(error) => failed = Some(error),
            }
            failed.is_some() || messages.len() >= count
        });
        if let Some(error) = failed {
            return Err(error);
        }
        ensure!(messages.len() == count, "geth got {} messages of {count}", messages.len());
        Ok(messages)
    }
}

fn spawn(home: &TempDir, (port, rpc): (u16, u16), setup: &Setup) -> Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(home.path().join("log"))?;
    let mut command = Command::new(program().context(VARIABLE)?);
    command
        .arg("--datadir")
        .arg(home.path().join("geth"))
        .args(["--maxpeers", &setup.max_peers.to_string(), "--shh", "--networkid", "99991", "--nat", "none"])
        .args(["--rpc", "--rpcapi", "shh,admin,net,web3", "--nousb", "--netrestrict", "127.0.0.0/8"])
        .args(["--port", &port.to_string(), "--rpcport", &rpc.to_string()])
        .args(["--ipcdisable", "--cache", "16", "--syncmode", "full"])
        .args(["--verbosity", if setup.trace { "5" } else { "3" }])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    match &setup.discovery {
        None => command.arg("--nodiscover"),
        // Without the flag it would ask the boot nodes of the Ethereum of its time.
        Some(boot) => {
            let boot: Vec<_> = boot.iter().map(ToString::to_string).collect();
            command.args(["--bootnodes", &boot.join(",")])
        }
    };
    if let Some(min_pow) = setup.min_pow {
        command.args(["--shh.pow", &min_pow.to_string()]);
    }
    if let Some(key) = &setup.key {
        let file = home.path().join("key");
        std::fs::write(&file, const_hex::encode(key.secret().expose()))?;
        command.arg("--nodekey").arg(file);
    }
    command.spawn().context("start geth")
}
