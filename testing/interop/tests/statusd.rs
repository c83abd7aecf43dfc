//! A stock status-go 0.60.0 (`statusd`) as a relay, as a child process on loopback.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use undertone_crypto::kdf::topic_key;
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::Enode;
use undertone_support::until;
use undertone_whisper::{Protocol, Topic};

use crate::rpc::{Rpc, free_port, hex};
use crate::text;

/// Names the program.
pub(crate) const VARIABLE: &str = "UNDERTONE_STATUSD";

/// How long a start may take: a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// How often others may take the ports that were free.
const PORTS_TAKEN: usize = 5;

/// The program, when the variable names one.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// How its Waku asks for topics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Waku {
    /// By a bloom filter.
    Bloom,
    /// All of them.
    Full,
    /// By name.
    Topics,
}

/// What it takes of one peer, and of all at one address, in a second; whoever sends more so often as it bears is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    /// Of both protocols.
    pub(crate) packets: u32,
    /// Of Waku alone, which has them.
    pub(crate) bytes: u32,
    pub(crate) tolerance: u32,
}

/// How one is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) whisper: bool,
    pub(crate) waku: Option<Waku>,
    /// Whether what one of its protocols takes goes on by the other.
    pub(crate) bridge: bool,
    pub(crate) limiter: Option<Limiter>,
}

impl Setup {
    pub(crate) const WHISPER: Self = Self { whisper: true, waku: None, bridge: false, limiter: None };

    /// Both protocols, apart.
    pub(crate) const BOTH: Self = Self { waku: Some(Waku::Full), ..Self::WHISPER };

    pub(crate) const fn waku(waku: Waku) -> Self {
        Self { whisper: false, waku: Some(waku), ..Self::WHISPER }
    }
}

/// A running one; killed on drop, its directory removed.
pub(crate) struct Statusd {
    child: Child,
    /// Removed when it is dropped.
    _home: TempDir,
    rpc: Rpc,
    /// Dialable.
    pub(crate) enode: Enode,
}

impl Statusd {
    pub(crate) fn start(setup: Setup) -> Result<Self> {
        let home = tempfile::tempdir()?;
        // A port that is free when we look can be somebody's when it does.
        for _ in 0..PORTS_TAKEN {
            let ports = (free_port()?, free_port()?);
            let mut child = spawn(&home, ports, setup)?;
            let rpc = Rpc::at(ports.1);
            let (mut info, mut ended) = (None, false);
            until(START, || {
                info = rpc.call("admin_nodeInfo", json!([])).ok();
                ended = child.try_wait().is_ok_and(|status| status.is_some());
                ended || info.is_some()
            });
            if let Some(info) = info {
                let name = text(&info["name"])?;
                ensure!(name.starts_with("Statusd/"), "{VARIABLE} is {name}");
                let enode = text(&info["enode"])?.parse()?;
                return Ok(Self { child, _home: home, rpc, enode });
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(home.path().join("stderr")).unwrap_or_default();
        bail!("statusd does not start: {}", log.lines().last().unwrap_or_default())
    }

    /// One JSON-RPC call.
    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.rpc.call(method, params)
    }

    /// Has it dial a node.
    pub(crate) fn add_peer(&self, enode: &Enode) -> Result<()> {
        let done = self.call("admin_addPeer", json!([enode.to_string()]))?;
        ensure!(done == json!(true), "admin_addPeer: {done}");
        Ok(())
    }

    /// The capabilities of its link with the node of this key.
    pub(crate) fn capabilities_of(&self, key: &PublicKey) -> Result<Value> {
        let name = const_hex::encode(key.to_xy());
        let peers = self.call("admin_peers", json!([]))?;
        let mut peers = peers.as_array().into_iter().flatten();
        let peer = peers.find(|peer| peer["enode"].as_str().is_some_and(|enode| enode.contains(&name)));
        Ok(peer.with_context(|| format!("no peer {name}"))?["protocols"].clone())
    }

    /// Its functions for one protocol.
    pub(crate) const fn by(&self, protocol: Protocol) -> Api<'_> {
        Api { node: self, protocol }
    }
}

impl Drop for Statusd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `shh_*`, which writes bytes as geth does, or `waku_*`, which writes them in base64.
#[derive(Clone, Copy)]
pub(crate) struct Api<'a> {
    node: &'a Statusd,
    protocol: Protocol,
}

impl<'a> Api<'a> {
    /// One call of these functions.
    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value> {
        let space = match self.protocol {
            Protocol::Whisper => "shh",
            Protocol::Waku => "waku",
        };
        self.node.call(&format!("{space}_{method}"), params)
    }

    fn bytes(&self, bytes: &[u8]) -> Value {
        match self.protocol {
            Protocol::Whisper => json!(hex(bytes)),
            Protocol::Waku => json!(BASE64.encode(bytes)),
        }
    }

    /// Bytes of a message that it shows.
    pub(crate) fn read(&self, value: &Value) -> Result<Vec<u8>> {
        Ok(match self.protocol {
            Protocol::Whisper => const_hex::decode(text(value)?)?,
            Protocol::Waku => BASE64.decode(text(value)?.as_bytes())?,
        })
    }

    /// The id of the key that it derives from a name; it is checked to be the one that we derive.
    pub(crate) fn topic_key(&self, name: &str) -> Result<Value> {
        let id = self.call("generateSymKeyFromPassword", json!([name]))?;
        let key = self.call("getSymKey", json!([id]))?;
        ensure!(key == json!(hex(topic_key(name).expose())), "both derive another key from {name}");
        Ok(id)
    }

    /// A fresh key pair: its id and both halves.
    pub(crate) fn key_pair(&self) -> Result<(Value, SecretKey)> {
        let id = self.call("newKeyPair", json!([]))?;
        let secret = SecretKey::from_hex(text(&self.call("getPrivateKey", json!([id]))?)?)?;
        Ok((id, secret))
    }

    /// Collects what is said on a public chat.
    pub(crate) fn filter(&self, name: &str) -> Result<Filter<'a>> {
        let criteria = json!({
            "symKeyID": self.topic_key(name)?, "topics": [Topic::of(name).to_string()], "allowP2P": true,
        });
        let id = self.call("newMessageFilter", json!([criteria]))?;
        Ok(Filter { api: *self, id })
    }

    /// Seals and sends on a public chat, signed by a key pair; gives the hash of the envelope.
    pub(crate) fn say(&self, name: &str, sig: &Value, payload: &[u8]) -> Result<String> {
        self.post(name, sig, payload, json!({"powTarget": 0.002, "powTime": 5, "ttl": 60}))
    }

    /// The same, otherwise.
    pub(crate) fn post(&self, name: &str, sig: &Value, payload: &[u8], with: Value) -> Result<String> {
        let mut message = with;
        message["symKeyID"] = self.topic_key(name)?;
        message["sig"] = sig.clone();
        message["topic"] = json!(Topic::of(name).to_string());
        message["payload"] = self.bytes(payload);
        Ok(text(&self.call("post", json!([message]))?)?.to_owned())
    }

    /// Takes direct messages of a peer.
    pub(crate) fn trust(&self, enode: &Enode) -> Result<()> {
        let done = self.call("markTrustedPeer", json!([enode.to_string()]))?;
        ensure!(done == json!(true), "markTrustedPeer: {done}");
        Ok(())
    }
}

/// What it opened for us.
pub(crate) struct Filter<'a> {
    api: Api<'a>,
    id: Value,
}

/// A message as it shows it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) hash: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) author: Option<PublicKey>,
}

impl Filter<'_> {
    /// What came since the last time, in no order.
    pub(crate) fn poll(&self) -> Result<Vec<Shown>> {
        let Value::Array(messages) = self.api.call("getFilterMessages", json!([self.id]))? else {
            bail!("getFilterMessages gives no list")
        };
        let shown = |message: &Value| {
            let author = match message.get("sig").filter(|sig| !sig.is_null()) {
                Some(sig) => Some(PublicKey::from_uncompressed(&self.api.read(sig)?)?),
                None => None,
            };
            Ok(Shown {
                hash: hex(&self.api.read(&message["hash"])?),
                payload: self.api.read(&message["payload"]).unwrap_or_default(),
                author,
            })
        };
        messages.iter().map(shown).collect()
    }

    /// Waits for `count` messages and no more than these.
    pub(crate) fn take(&self, count: usize, deadline: Duration) -> Result<Vec<Shown>> {
        let (mut messages, mut failed) = (Vec::new(), None);
        until(deadline, || {
            match self.poll() {
                Ok(more) => messages.extend(more),
                Err(error) => failed = Some(error),
            }
            failed.is_some() || messages.len() >= count
        });
        if let Some(error) = failed {
            return Err(error);
        }
        ensure!(messages.len() == count, "statusd got {} messages of {count}", messages.len());
        Ok(messages)
    }
}

fn spawn(home: &TempDir, (port, rpc): (u16, u16), setup: Setup) -> Result<Child> {
    let data = home.path().join("data");
    std::fs::create_dir_all(&data)?;
    let transport = |enabled: bool, waku: Option<Waku>| {
        let own = if waku.is_some() { "waku" } else { "shh" };
        let mut config = json!({
            "Enabled": enabled, "DataDir": data.join(own), "MinimumPoW": 0.000_002, "TTL": 120,
            "MaxMessageSize": 1_048_576, "FullNode": waku == Some(Waku::Full),
            "BloomFilterMode": waku == Some(Waku::Bloom), "EnableRateLimiter": setup.limiter.is_some(),
        });
        if let Some(Limiter { packets, bytes, tolerance }) = setup.limiter {
            // Each protocol has names of its own for the same.
            for field in ["RateLimitIP", "RateLimitPeerID", "PacketRateLimitIP", "PacketRateLimitPeerID"] {
                config[field] = json!(packets);
            }
            for field in ["BytesRateLimitIP", "BytesRateLimitPeerID"] {
                config[field] = json!(bytes);
            }
            config["RateLimitTolerance"] = json!(tolerance);
        }
        config
    };
    let config = json!({
        "NetworkId": 777, "DataDir": data, "KeyStoreDir": data.join("keystore"), "NoDiscovery": true,
        "Rendezvous": false, "ListenAddr": format!("127.0.0.1:{port}"), "MaxPeers": 60, "EnableNTPSync": false,
        "HTTPEnabled": true, "HTTPHost": "127.0.0.1", "HTTPPort": rpc, "HTTPVirtualHosts": ["localhost"],
        "APIModules": "admin,net,web3,shh,waku,peer", "IPCEnabled": false, "LogEnabled": true,
        "LogLevel": "DEBUG", "LogFile": home.path().join("log"), "LogToStderr": false,
        "ClusterConfig": {
            "Enabled": true, "Fleet": "", "StaticNodes": [], "BootNodes": [], "TrustedMailServers": [],
            "RendezvousNodes": [],
        },
        "WhisperConfig": transport(setup.whisper, None),
        "WakuConfig": transport(setup.waku.is_some(), setup.waku),
        "BridgeConfig": {"Enabled": setup.bridge},
    });
    let file = home.path().join("config.json");
    std::fs::write(&file, config.to_string())?;
    let errors = std::fs::File::create(home.path().join("stderr"))?;
    Command::new(program().context(VARIABLE)?)
        .args(["-fleet", "", "-c"])
        .arg(file)
        .arg("-dir")
        .arg(&data)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .context("start statusd")
}
