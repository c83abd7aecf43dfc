//! The peer, by its JSON-RPC.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use undertone_account::key_text;
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::Enode;
use undertone_support::until_async;

/// What gives the peer.
pub(crate) const VARIABLES: [&str; 2] = ["UNDERTONE_STATUS_RPC", "UNDERTONE_STATUS_ENODE"];

/// A command that stops the peer, starts it again and ends when it is ready.
pub(crate) const RESTART: &str = "UNDERTONE_STATUS_RESTART";
/// The peer's private chat key, in hex.
pub(crate) const CHAT_KEY: &str = "UNDERTONE_STATUS_KEY";

/// A command that stops the peer, takes all that it has kept away, starts it under the same key and ends when it is ready.
pub(crate) const RESET: &str = "UNDERTONE_STATUS_RESET";

/// It polls its envelopes once a second, and repeats after some seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running status-go messenger over Whisper.
#[derive(Clone, Debug)]
pub(crate) struct Theirs {
    rpc: String,
    pub(crate) enode: Enode,
    /// Its chat key.
    pub(crate) key: PublicKey,
}

impl Theirs {
    pub(crate) fn given() -> bool {
        VARIABLES.iter().all(|name| std::env::var_os(name).is_some())
    }

    pub(crate) fn connect() -> Result<Self> {
        let [rpc, enode] = VARIABLES.map(std::env::var);
        let (rpc, enode) = (rpc?, enode?.parse()?);
        // A message of its own says who it is.
        let said = say(&rpc, "who-am-i", 2, "me")?;
        let key = key_text::parse(said["from"].as_str().context("a message has an author")?)?;
        Ok(Self { rpc, enode, key })
    }

    /// Its private chat key.
    pub(crate) fn chat_key() -> Result<SecretKey> {
        let hex = std::env::var(CHAT_KEY)?;
        Ok(SecretKey::from_slice(&const_hex::decode(hex.trim())?)?)
    }

    /// Stops it and starts it again.
    pub(crate) async fn restart(&self) -> Result<()> {
        self.again(RESTART).await
    }

    /// The same, with nothing kept but its key.
    pub(crate) async fn reset(&self) -> Result<()> {
        self.again(RESET).await
    }

    async fn again(&self, how: &str) -> Result<()> {
        let command = std::env::var(how)?;
        let done = tokio::task::spawn_blocking(move || {
            std::process::Command::new("sh").arg("-c").arg(command).stdin(Stdio::null()).status()
        });
        anyhow::ensure!(done.await??.success(), "the peer does not start again");
        let up = || call(&self.rpc, "shhext_chats", &json!([])).is_ok();
        anyhow::ensure!(until_async(DEADLINE, up).await, "the peer does not answer");
        Ok(())
    }

    /// Any call of its JSON-RPC.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Result<Value> {
        call(&self.rpc, method, params)
    }

    /// The name of its own device: the one that no bundle ever told it of.
    pub(crate) fn installation(&self) -> Result<String> {
        let known = self.call("shhext_getOurInstallations", &json!([]))?;
        let own = known.as_array().into_iter().flatten().find(|one| one["timestamp"] == 0);
        Ok(own.and_then(|one| one["id"].as_str()).context("the peer has a device")?.to_owned())
    }

    /// Joins a public chat.
    pub(crate) fn join(&self, name: &str) -> Result<()> {
        let chat = json!({ "id": name, "name": name, "active": true, "chatType": 2 });
        call(&self.rpc, "shhext_join", &json!([chat]))?;
        save(&self.rpc, name, 2)
    }

    pub(crate) fn say_public(&self, name: &str, text: &str) -> Result<()> {
        say(&self.rpc, name, 2, text).map(drop)
    }

    pub(crate) fn write(&self, to: &PublicKey, text: &str) -> Result<()> {
        say(&self.rpc, &to.to_hex(), 1, text).map(drop)
    }

    /// Answers a message, known or not.
    pub(crate) fn reply(&self, to: &PublicKey, text: &str, message: &str) -> Result<()> {
        let chat = to.to_hex();
        save(&self.rpc, &chat, 1)?;
        let message = json!({ "chatId": chat, "text": text, "contentType": 1, "responseTo": message });
        call(&self.rpc, "shhext_sendChatMessage", &json!([message])).map(drop)
    }

    /// What the chat shows.
    pub(crate) fn texts(&self, chat: &str) -> Result<Vec<String>> {
        let page = call(&self.rpc, "shhext_chatMessages", &json!([chat, "", 1_000]))?;
        let all = page["messages"].as_array().into_iter().flatten();
        Ok(all.filter_map(|message| Some(message["text"].as_str()?.to_owned())).collect())
    }

    /// Waits until the chat (a person's key or a public name) shows each of these texts once.
    pub(crate) async fn shows(&self, chat: &str, texts: &[&str]) -> Result<()> {
        self.shows_times(chat, texts, 1).await
    }

    /// The same, so many times each.
    pub(crate) async fn shows_times(&self, chat: &str, texts: &[&str], wanted: usize) -> Result<()> {
        let seen = || self.texts(chat);
        let times = |all: &[String], text: &str| all.iter().filter(|seen| *seen == text).count();
        let there = until_async(DEADLINE, || {
            seen().is_ok_and(|all| texts.iter().all(|text| times(&all, text) >= wanted))
        });
        if !there.await {
            bail!("{chat} shows {:?}, not {texts:?}", seen()?);
        }
        let all = seen()?;
        let twice: Vec<_> = texts.iter().filter(|text| times(&all, text) != wanted).collect();
        anyhow::ensure!(twice.is_empty(), "shown too often: {twice:?}");
        Ok(())
    }
}

fn save(rpc: &str, id: &str, kind: u8) -> Result<()> {
    let chat = json!({ "id": id, "name": id, "active": true, "chatType": kind });
    call(rpc, "shhext_saveChat", &json!([chat])).map(drop)
}

fn say(rpc: &str, chat: &str, kind: u8, text: &str) -> Result<Value> {
    save(rpc, chat, kind)?;
    let message = json!({ "chatId": chat, "text": text, "contentType": 1 });
    let said = call(rpc, "shhext_sendChatMessage", &json!([message]))?;
    Ok(said["messages"][0].clone())
}

fn call(rpc: &str, method: &str, params: &Value) -> Result<Value> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut response =
        ureq::post(rpc).header("content-type", "application/json").send(request.to_string().as_bytes())?;
    let answer: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
    if !answer["error"].is_null() {
        bail!("{method}: {}", answer["error"]);
    }
    Ok(answer["result"].clone())
}
