//! A go-ethereum 1.9.7 with Whisper, as a child process on loopback.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Names the program.
pub const VARIABLE: &str = "UNDERTONE_GETH";

/// The program, when the variable names one.
pub fn program() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// A running geth; killed on drop, its directory removed.
pub struct Geth {
    child: Child,
    rpc: String,
    agent: ureq::Agent,
    /// Dialable.
    pub enode: String,
    /// What it says that it is.
    pub version: String,
    _home: TempDir,
}

impl Geth {
    /// Starts one that asks for at least `min_pow`.
    pub fn start(min_pow: f64) -> Result<Self> {
        let program = program().context(VARIABLE)?;
        let home = tempfile::tempdir()?;
        let (port, rpc_port) = (free_port()?, free_port()?);
        let log = std::fs::File::create(home.path().join("log"))?;
        let child = Command::new(program)
            .arg("--datadir")
            .arg(home.path().join("geth"))
            .args(["--nodiscover", "--maxpeers", "50", "--shh", "--shh.pow", &min_pow.to_string()])
            .args(["--rpc", "--rpcapi", "shh,admin,net,web3", "--networkid", "99991", "--nat", "none"])
            .args(["--port", &port.to_string(), "--rpcport", &rpc_port.to_string()])
            .args(["--nousb", "--netrestrict", "127.0.0.0/8", "--ipcdisable", "--cache", "16"])
            .args(["--syncmode", "full"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start geth")?;
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build(),
        );
        let rpc = format!("http://127.0.0.1:{rpc_port}");
        let mut geth =
            Self { child, rpc, agent, enode: String::new(), version: String::new(), _home: home };
        let mut version = None;
        undertone_support::until(Duration::from_secs(30), || {
            version = geth.call("web3_clientVersion", json!([])).ok();
            version.is_some()
        });
        let version = version.context("geth does not answer")?;
        geth.version = version.as_str().unwrap_or_default().to_owned();
        let info = geth.call("admin_nodeInfo", json!([]))?;
        let enode = info["enode"].as_str().context("enode")?;
        geth.enode = enode.split('?').next().unwrap_or_default().to_owned();
        Ok(geth)
    }

    /// One JSON-RPC call.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = self
            .agent
            .post(&self.rpc)
            .header("content-type", "application/json")
            .send(request.to_string())?
            .body_mut()
            .with_config()
            .limit(256 * 1024 * 1024)
            .read_to_string()
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(serde_json::from_str(&text)?))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// Has geth dial a node.
    pub fn add_peer(&self, enode: &str) -> Result<()> {
        ensure!(self.call("admin_addPeer", json!([enode]))? == json!(true), "admin_addPeer");
        Ok(())
    }

    /// How many peers it has that speak shh.
    pub fn shh_peers(&self) -> usize {
        let Ok(peers) = self.call("admin_peers", json!([])) else { return 0 };
        let speaks = |p: &&Value| p["protocols"]["shh"].is_object();
        peers.as_array().map_or(0, |list| list.iter().filter(speaks).count())
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
