//! `undertone send` and `undertone listen`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use undertone::{Accounts, Client, ClientConfig, ClientEvent};
use undertone_account::{key_text, three_word_name};
use undertone_messenger::{ChatId, Message, MessageState, Notice, Undecodable};
use undertone_node::DiscoveryOptions;
use undertone_payload::MessageId;
use undertone_runtime::{DataDirLock, Environment, Tasks};
use undertone_transport::PublicName;

use crate::args::{DiscoveryArgs, Global, ListenArgs, PeerArgs, SendArgs, StartArgs, Wait};
use crate::interrupt::Interrupt;
use crate::ipc::{Desk, Mail, Replies, Reply, Request, SendRequest};
use crate::output::{DIM, GOOD, NAME, Ui, paint, printable};
use crate::{Usage, home};

/// A client of this process.
struct Session {
    account: String,
    client: Client,
    events: mpsc::Receiver<ClientEvent>,
    tasks: Tasks,
    _lock: DataDirLock,
}

pub(crate) async fn send(global: &Global, args: SendArgs, ui: &Ui) -> Result<ExitCode> {
    let chat = recipient(&args.to)?;
    if matches!(chat, ChatId::Public(_)) && args.wait == Wait::Delivered {
        let hint = "nobody acknowledges a message to a public chat: use --wait sent";
        return Err(Usage(hint.to_owned()).into());
    }
    let text = match args.text.as_deref() {
        None | Some("-") => home::stdin_text()?.trim_end().to_owned(),
        Some(text) => text.to_owned(),
    };
    let dir = home::data_dir(global)?;
    let lock = match home::own(&dir) {
        Err(error) if error.is::<home::Held>() => return ask_owner(global, &args, text, error, ui).await,
        lock => lock?,
    };
    let mut session = start(global, lock, &args.peer, ui).await?;
    let id = session.client.send_text(chat, &text).await?;
    conclude(&Reply::Composed { id: id.to_string() }, &args, ui);
    let reached = tokio::time::timeout(args.timeout, session.reach(&id, &args, ui)).await;
    let last = match reached {
        Ok(last) => last?,
        Err(_) => Reply::TimedOut { peers: session.client.peers().len() },
    };
    home::stop(&session.tasks).await;
    Ok(conclude(&last, &args, ui).unwrap_or(ExitCode::FAILURE))
}

/// Another process has the account open: it does the work. Where it takes no requests, `held` says who it is.
async fn ask_owner(
    global: &Global,
    args: &SendArgs,
    text: String,
    held: anyhow::Error,
    ui: &Ui,
) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let account = home::find(&Accounts::new(&dir), global)?;
    let request = Request::Send(SendRequest {
        account: account.address.to_string(),
        to: args.to.clone(),
        text,
        peers: args.peer.peers.iter().map(ToString::to_string).collect(),
        wait: args.wait,
        timeout_ms: u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX),
    });
    let Some(mut replies) = Replies::to(&dir, &request).await? else { return Err(held) };
    loop {
        let reply = replies.next().await?;
        if let Reply::Refused { why } = reply {
            bail!("{why}");
        }
        if let Some(code) = conclude(&reply, args, ui) {
            return Ok(code);
        }
    }
}

/// Says how it goes; the exit status when that is the end.
fn conclude(reply: &Reply, args: &SendArgs, ui: &Ui) -> Option<ExitCode> {
    match reply {
        Reply::Composed { id } if !ui.json => ui.line(id),
        Reply::Composed { .. } | Reply::State { .. } => {
            if ui.json {
                ui.object(&json!(reply));
            }
        }
        Reply::Reached { state } => {
            ui.note(&format!("{} {state}", paint(GOOD, "✓")));
            return Some(ExitCode::SUCCESS);
        }
        // Only a question about the node has an answer.
        Reply::Answer { .. } => {}
        Reply::Failed { why } | Reply::Refused { why } => {
            ui.note(&format!("failed: {why}"));
            return Some(ExitCode::FAILURE);
        }
        Reply::TimedOut { peers } => {
            let word = format!("{:?}", args.wait).to_lowercase();
            let hint = match peers {
                0 => "no peer is connected: name one with --peer ENODE",
                _ if args.wait == Wait::Delivered => "the recipient did not answer",
                _ => "no peer took it",
            };
            ui.note(&format!("not {word} within {:?}: {hint}. The message stays queued.", args.timeout));
            return Some(ExitCode::FAILURE);
        }
    }
    None
}

pub(crate) async fn listen(global: &Global, args: ListenArgs, ui: &Ui) -> Result<ExitCode> {
    let chats: Vec<ChatId> = args.chats.iter().map(|chat| recipient(chat)).collect::<Result<_>>()?;
    let dir = home::data_dir(global)?;
    let lock = home::own(&dir)?;
    let mut session = start(global, lock, &args.peer, ui).await?;
    for chat in chats {
        session.client.open_chat(chat).await?;
    }
    let mail = Mail::new(session.client.clone(), session.account.clone());
    Desk::open(&dir, session.client.node().clone(), Some(mail.clone()), &session.tasks)
        .unwrap_or_else(|error| ui.note(&format!("takes no requests of other processes: {error:#}")));
    let mut interrupt = Interrupt::listen()?;
    let me = session.client.me();
    ui.note(&format!("listening as {} {}", paint(NAME, three_word_name(me)), key_text::chat_key(me)));
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            event = session.events.recv() => match event {
                Some(ClientEvent::Stopped(code)) => bail!("the store has failed ({code})"),
                Some(event) => {
                    if let ClientEvent::Notice(Notice::State { id, state, .. }) = &event {
                        mail.tell(*id, *state);
                    }
                    tell(&event, ui);
                }
                None => bail!("the client has stopped"),
            },
        }
    }
    home::stop(&session.tasks).await;
    Ok(ExitCode::SUCCESS)
}

async fn start(global: &Global, lock: DataDirLock, peers: &PeerArgs, ui: &Ui) -> Result<Session> {
    let (account, key) = home::unlock(global, ui)?;
    let env = Environment::system()?;
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let mut config = ClientConfig::new(account.home().to_owned());
    config.peers = peers.peers.clone();
    config.light = peers.light;
    config.discovery = starts(&peers.starts);
    if config.peers.is_empty() && config.discovery.is_none() {
        ui.note("no --peer and no --bootnodes given: nothing is sent or heard before a peer is named");
    }
    let (client, events) = Client::open(key, config, &env, &tasks).await.context("open the account")?;
    Ok(Session { account: account.address.to_string(), client, events, tasks, _lock: lock })
}

/// Whom to ask for other nodes. Without anybody to start from, nobody is looked for.
fn starts(args: &StartArgs) -> Option<DiscoveryOptions> {
    let any = !args.bootnodes.is_empty() || !args.lists.is_empty();
    any.then(|| crate::node::discovery(args, &DiscoveryArgs { v4: true, v5: true })).flatten()
}

impl Session {
    /// Waits until a message is as far as was asked for; says each state on the way.
    async fn reach(&mut self, id: &MessageId, args: &SendArgs, ui: &Ui) -> Result<Reply> {
        loop {
            let event = self.events.recv().await.context("the client has stopped")?;
            let ClientEvent::Notice(Notice::State { id: of, state, .. }) = event else { continue };
            if of != *id {
                continue;
            }
            conclude(&Reply::State { id: id.to_string(), state: state.word().to_owned() }, args, ui);
            if let Some(last) = args.wait.reached(state) {
                return Ok(last);
            }
        }
    }
}

impl Wait {
    /// The last word about a message in this state, when there is nothing more to wait for.
    pub(crate) fn reached(self, state: MessageState) -> Option<Reply> {
        let far = match state {
            MessageState::Failed(why) => return Some(Reply::Failed { why: why.to_string() }),
            MessageState::Delivered => true,
            MessageState::Sent | MessageState::Stored => self != Self::Delivered,
            MessageState::Queued => self == Self::Queued,
            _ => false,
        };
        far.then(|| Reply::Reached { state: state.word().to_owned() })
    }
}

/// `0x04…`, `zQ3sh…`, `public:NAME` or `#NAME`.
pub(crate) fn recipient(text: &str) -> Result<ChatId> {
    if let Some(name) = text.strip_prefix("public:").or_else(|| text.strip_prefix('#')) {
        let name = PublicName::new(name).map_err(|error| Usage(error.to_string()))?;
        return Ok(ChatId::Public(name));
    }
    let key = key_text::parse(text).map_err(|error| {
        Usage(format!("{text:?} is no recipient ({error}): use 0x04…, zQ3sh… or public:NAME"))
    })?;
    Ok(ChatId::OneToOne(key))
}

fn tell(event: &ClientEvent, ui: &Ui) {
    match event {
        ClientEvent::Notice(Notice::Message(message)) if message.state == MessageState::Received => {
            match ui.json {
                true => ui.object(&as_json(message)),
                false => ui.line(&as_line(message)),
            }
        }
        ClientEvent::Notice(Notice::Undecodable { author, why }) => {
            let code = match why {
                Undecodable::Security(code) | Undecodable::Sync(code) | Undecodable::Payload(code) => code,
                _ => "unknown",
            };
            tracing::info!(code, "a message could not be read");
            ui.note(&paint(
                DIM,
                format!("a message of {} could not be read ({code})", three_word_name(author)),
            ));
        }
        ClientEvent::Peers(count) => tracing::info!(count, "peers"),
        _ => {}
    }
}

fn as_line(message: &Message) -> String {
    let place = match &message.chat {
        ChatId::Public(name) => format!("#{name} "),
        _ => String::new(),
    };
    let author = three_word_name(&message.author);
    let text = printable(&message.text);
    format!("{}{}  {text}  {}", paint(DIM, place), paint(NAME, author), paint(DIM, message.protection.word()))
}

fn as_json(message: &Message) -> Value {
    json!({
        "event": "message",
        "id": message.id.to_string(),
        "chat": message.chat.to_string(),
        "author": message.author.to_hex(),
        "name": three_word_name(&message.author),
        "text": message.text,
        "clock": message.clock,
        "timestamp": message.timestamp.millis(),
        "protection": message.protection.word(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_read_as_the_table_of_commands_says() {
        let key = undertone_crypto::SecretKey::from_slice(&[7; 32]).unwrap().public();
        for text in [key.to_hex(), key_text::chat_key(&key), key_text::compressed_hex(&key)] {
            assert_eq!(recipient(&text).unwrap(), ChatId::OneToOne(key), "{text}");
        }
        let lab = ChatId::Public(PublicName::new("lab").unwrap());
        assert_eq!(recipient("public:lab").unwrap(), lab);
        assert_eq!(recipient("#lab").unwrap(), lab);
        for text in ["", "public:", "lab", "0x04", "zQ3sh"] {
            assert!(recipient(text).unwrap_err().downcast_ref::<Usage>().is_some(), "{text}");
        }
    }
}
