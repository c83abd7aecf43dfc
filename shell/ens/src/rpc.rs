//! One JSON-RPC call over HTTP, blocking.

use std::fmt;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::Agent;

use crate::abi::Address;
use crate::endpoint::Endpoint;
use crate::error::{AnswerFault, EnsError, Unreachable};
use crate::limits::{MAX_ANSWER, MAX_ANSWER_HEAD};

/// Codes of an error of the contract that was called: geth's (`revertError`) and that of Parity and Nethermind.
const REVERTED: [i64; 2] = [3, -32_015];

/// Code of a method that an endpoint does not have (JSON-RPC 2.0, 5.1).
const NO_SUCH_METHOD: i64 = -32_601;

/// Bytes of the selector before the words of a reason.
const SELECTOR: usize = 4;
/// Bytes of a word.
const WORD: usize = 32;

/// What a call of a contract came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Called {
    /// Its data. Empty where no contract is.
    Data(Vec<u8>),
    /// The contract refused: it has no such method, or not for this name.
    Reverted,
}

/// The connection to an endpoint.
pub(crate) struct Rpc {
    agent: Agent,
    endpoint: Endpoint,
    next: AtomicU64,
}

impl Rpc {
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            // A redirect may lead anywhere, and a proxy of the environment was not named for this.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .http_status_as_error(false)
            .max_response_header_size(MAX_ANSWER_HEAD)
            .max_idle_connections(1)
            .user_agent("undertone")
            .build();
        Self { agent: Agent::new_with_config(config), endpoint, next: AtomicU64::new(1) }
    }

    /// The chain that the endpoint serves. `None` where it has no method that says so, as a node that is older than
    /// EIP-695, behind a gate that lets `eth_call` alone through.
    pub(crate) fn chain(&self) -> Result<Option<u64>, EnsError> {
        match self.request::<[(); 0]>("eth_chainId", &[])? {
            Reply::Result(text) => {
                let digits = text.strip_prefix("0x").ok_or(EnsError::Answer(AnswerFault::Hex))?;
                number(digits, 16).map(Some).ok_or(EnsError::Answer(AnswerFault::Hex))
            }
            Reply::Error(refusal) if refusal.code == NO_SUCH_METHOD => self.network(),
            Reply::Error(refusal) => Err(EnsError::Refused(refusal.code)),
        }
    }

    /// The number of the network, which is that of the chain on all chains with names.
    fn network(&self) -> Result<Option<u64>, EnsError> {
        match self.request::<[(); 0]>("net_version", &[])? {
            Reply::Result(text) => number(&text, 10).map(Some).ok_or(EnsError::Answer(AnswerFault::Hex)),
            Reply::Error(refusal) if refusal.code == NO_SUCH_METHOD => Ok(None),
            Reply::Error(refusal) => Err(EnsError::Refused(refusal.code)),
        }
    }

    /// Calls a method of a contract that changes nothing.
    pub(crate) fn call(&self, to: &Address, data: &str) -> Result<Called, EnsError> {
        let call = Call { data, to: const_hex::encode_prefixed(to) };
        match self.request("eth_call", &(call, "latest"))? {
            Reply::Result(text) => {
                let digits = text.strip_prefix("0x").ok_or(EnsError::Answer(AnswerFault::Hex))?;
                let data = const_hex::decode(digits).map_err(|_| EnsError::Answer(AnswerFault::Hex))?;
                // An answer is whole words; a reason has a selector before them, and geth 1.9.7 gives both alike.
                let reason = data.len() % WORD == SELECTOR;
                Ok(if reason { Called::Reverted } else { Called::Data(data) })
            }
            Reply::Error(refusal) if refusal.is_of_the_contract() => Ok(Called::Reverted),
            Reply::Error(refusal) => Err(EnsError::Refused(refusal.code)),
        }
    }

    fn request<P: Serialize>(&self, method: &'static str, params: &P) -> Result<Reply, EnsError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        // Fails for maps with other keys than text alone, of which there are none.
        let body = serde_json::to_vec(&Request { id, jsonrpc: "2.0", method, params }).unwrap_or_default();
        let mut response = self
            .agent
            .post(self.endpoint.uri())
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .send(body.as_slice())
            .map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(EnsError::HttpStatus(status));
        }
        let bytes =
            response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| failed(&e))?;
        read(&bytes, id).map_err(EnsError::Answer)
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Request<'a, P> {
    id: u64,
    jsonrpc: &'static str,
    method: &'static str,
    params: &'a P,
}

/// A call of a contract that changes nothing.
#[derive(Serialize)]
struct Call<'a> {
    data: &'a str,
    to: String,
}

enum Reply {
    Error(Refusal),
    Result(String),
}

/// Members that JSON-RPC does not know are passed over.
#[derive(Deserialize)]
struct Answer {
    id: Value,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Clients agree on no code for a contract that reverts, but their texts all have the word.
    fn is_of_the_contract(&self) -> bool {
        REVERTED.contains(&self.code) || self.message.to_ascii_lowercase().contains("revert")
    }
}

/// Digits and nothing else: the library would take a sign too.
fn number(digits: &str, radix: u32) -> Option<u64> {
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

fn read(bytes: &[u8], id: u64) -> Result<Reply, AnswerFault> {
    // The library reads a list as a struct too, member by member.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(AnswerFault::Json);
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| AnswerFault::Json)?;
    // What could not be read has no id to answer to.
    let ours = answer.id.as_u64() == Some(id) || (answer.id.is_null() && answer.error.is_some());
    if !ours {
        return Err(AnswerFault::Id);
    }
    match (answer.result, answer.error) {
        (Some(result), None) => Ok(Reply::Result(result)),
        (None, Some(refusal)) => Ok(Reply::Error(refusal)),
        _ => Err(AnswerFault::Json),
    }
}

/// What of an error of the library matters here; its text may hold the URL.
fn failed(error: &ureq::Error) -> EnsError {
    match error {
        ureq::Error::Timeout(_) => EnsError::Timeout,
        ureq::Error::BodyExceedsLimit(_) => EnsError::TooLarge,
        ureq::Error::HostNotFound => EnsError::Unreachable(Unreachable::Host),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
            EnsError::Unreachable(Unreachable::Tls)
        }
        ureq::Error::Io(e) => match e.kind() {
            ErrorKind::TimedOut => EnsError::Timeout,
            // rustls tells the connection's errors through the stream.
            ErrorKind::InvalidData => EnsError::Unreachable(Unreachable::Tls),
            _ => EnsError::Unreachable(Unreachable::Connection),
        },
        ureq::Error::ConnectionFailed => EnsError::Unreachable(Unreachable::Connection),
        _ => EnsError::Unreachable(Unreachable::Protocol),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let ok = |text: &str| match read(text.as_bytes(), 7) {
            Ok(Reply::Result(result)) => result,
            Ok(Reply::Error(refusal)) => format!("{}/{}", refusal.code, refusal.is_of_the_contract()),
            Err(fault) => format!("{fault:?}"),
        };
        for (text, want) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":"0x01"}"#, "0x01"),
            (r#"{"id":7,"result":"0x01","error":null,"more":[1]}"#, "0x01"),
            (r#"{"id":7,"error":{"code":-32000,"message":"execution reverted"}}"#, "-32000/true"),
            (r#"{"id":7,"error":{"code":3,"message":"","data":"0x08c379a0"}}"#, "3/true"),
            (
                r#"{"id":7,"error":{"code":-32015,"message":"VM execution error.","data":"Reverted 0x"}}"#,
                "-32015/true",
            ),
            (r#"{"id":7,"error":{"code":-32005,"message":"limit exceeded"}}"#, "-32005/false"),
            (r#"{"id":null,"error":{"code":-32700,"message":"parse error"}}"#, "-32700/false"),
            (r#"{"id":8,"result":"0x01"}"#, "Id"),
            (r#"{"id":"7","result":"0x01"}"#, "Id"),
            (r#"{"id":null,"result":"0x01"}"#, "Id"),
            (r#"{"id":7}"#, "Json"),
            (r#"{"id":7,"result":null}"#, "Json"),
            (r#"{"id":7,"result":1}"#, "Json"),
            (r#"{"id":7,"result":"0x01","error":{"code":1}}"#, "Json"),
            (r#"{"result":"0x01"}"#, "Json"),
            (r#"[{"id":7,"result":"0x01"}]"#, "Json"),
            (r#"{"id":7,"result":"0x01"} x"#, "Json"),
            ("<html>", "Json"),
            ("", "Json"),
        ] {
            assert_eq!(ok(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 1);
        }
    }
}
