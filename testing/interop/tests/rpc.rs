//! JSON-RPC over HTTP on loopback, and what starting a foreign program takes.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

/// How long one call may take; a batch of posts costs geth a second or two.
const CALL: Duration = Duration::from_secs(60);

/// A server on a port of loopback.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    agent: ureq::Agent,
    url: String,
}

impl Rpc {
    pub(crate) fn at(port: u16) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(CALL)).build();
        Self { agent: ureq::Agent::new_with_config(config), url: format!("http://127.0.0.1:{port}") }
    }

    /// One call.
    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value> {
        let mut answer = self.http(&request(1, method, params))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// The same call with each of these parameters, in one request; the results in their order.
    pub(crate) fn calls(&self, method: &str, params: Vec<Value>) -> Result<Vec<Value>> {
        let count = params.len();
        let all: Value = (1..).zip(params).map(|(id, params)| request(id, method, params)).collect();
        let Value::Array(answers) = self.http(&all)? else { bail!("{method}: no list of answers") };
        ensure!(answers.len() == count, "{method}: {} answers to {count} calls", answers.len());
        let result = |mut answer: Value| match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].take()),
        };
        answers.into_iter().map(result).collect()
    }

    fn http(&self, body: &Value) -> Result<Value> {
        let request = self.agent.post(&self.url).header("content-type", "application/json");
        let mut answer = request.send(body.to_string())?;
        let answer = answer.body_mut().with_config().limit(256 * 1024 * 1024).read_to_string()?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// `0x` and lower-case digits, as the originals write bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const_hex::encode_prefixed(bytes)
}

/// A port that is free for TCP and UDP.
pub(crate) fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let port = tcp.local_addr()?.port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free for TCP and UDP")
}

fn request(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}
