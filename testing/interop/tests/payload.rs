//! The sealed payload of the npm package `@waku/message-encryption`, as a child process: `js/payload.mjs` with lines of
//! JSON.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use undertone_crypto::PublicKey;
use undertone_sealed::Form;

use crate::js::{self, Package};
use crate::text;

/// What these cases are about.
pub(crate) const PACKAGE: Package =
    Package { name: "@waku/message-encryption", version: "0.0.38", variable: "UNDERTONE_WAKU_JS" };

/// A running one; killed on drop.
pub(crate) struct Sealer {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What it opened.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Read {
    pub(crate) payload: Vec<u8>,
    pub(crate) author: Option<PublicKey>,
}

impl Sealer {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new("node")
            .arg(js::home().join("payload.mjs"))
            .arg(PACKAGE.directory()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start node")?;
        let orders = child.stdin.take().context("stdin is piped")?;
        let answers = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        Ok(Self { child, orders, answers })
    }

    /// The public key that it derives.
    pub(crate) fn public(&mut self, secret: &[u8]) -> Result<PublicKey> {
        let answer = self.ask(&json!({"do": "public", "secret": const_hex::encode(secret)}))??;
        public(&answer["public"])
    }

    /// Seals; `key` is a public key or a symmetric one, `signer` a secret.
    pub(crate) fn seal(
        &mut self,
        form: Form,
        key: &[u8],
        signer: Option<&[u8]>,
        payload: &[u8],
    ) -> Result<Vec<u8>> {
        let mut order = json!({"do": "seal", "form": name(form), "key": const_hex::encode(key)});
        order["payload"] = json!(const_hex::encode(payload));
        if let Some(signer) = signer {
            order["signer"] = json!(const_hex::encode(signer));
        }
        Ok(const_hex::decode(text(&self.ask(&order)??["data"])?)?)
    }

    /// Opens; `key` is a secret key or a symmetric one. The inner error is its refusal.
    pub(crate) fn open(&mut self, form: Form, key: &[u8], data: &[u8]) -> Result<Result<Read>> {
        let mut order = json!({"do": "open", "form": name(form), "key": const_hex::encode(key)});
        order["data"] = json!(const_hex::encode(data));
        let answer = match self.ask(&order)? {
            Ok(answer) => answer,
            Err(refused) => return Ok(Err(refused)),
        };
        let author = answer.get("author").map(public).transpose()?;
        Ok(Ok(Read { payload: const_hex::decode(text(&answer["payload"])?)?, author }))
    }

    fn ask(&mut self, order: &Value) -> Result<Result<Value>> {
        writeln!(self.orders, "{order}").context("it has ended")?;
        let answer: Value = serde_json::from_str(&self.answers.next().context("it has ended")??)?;
        if let Some(error) = answer.get("error") {
            return Ok(Err(anyhow::anyhow!("it says {error}")));
        }
        if !answer.is_object() {
            bail!("it answers {answer}");
        }
        Ok(Ok(answer))
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const fn name(form: Form) -> &'static str {
    match form {
        Form::Asymmetric => "asymmetric",
        Form::Symmetric => "symmetric",
    }
}

fn public(value: &Value) -> Result<PublicKey> {
    Ok(PublicKey::from_hex(text(value)?)?)
}
