//! `undertone send` and `undertone listen`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use undertone::{Client, ClientConfig, ClientEvent};
use undertone_account::{key_text, three_word_name};
use undertone_messenger::{ChatId, Message, MessageState, Notice, Undecodable};
use undertone_runtime::{DataDirLock, Environment, Tasks};
use undertone_transport::PublicName;

use crate::args::{Global, ListenArgs, PeerArgs, SendArgs, Wait};
use crate::interrupt::Interrupt;
use crate::output::{DIM, GOOD, NAME, Ui, paint, printable};
use crate::{Usage, home};

/// A client of this process.
struct Session {
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
    let mut session = start(global, args.peer, ui).await?;
    let id = session.client.send_text(chat, &text).await?;
    match ui.json {
        true => ui.object(&json!({ "event": "composed", "id": id.to_string() })),
        false => ui.line(&id.to_string()),
    }
    let wanted = match args.wait {
        Wait::Queued => 1,
        Wait::Sent => 2,
        Wait::Delivered => 4,
    };
    let reached = tokio::time::timeout(args.timeout, session.reach(&id, wanted, ui)).await;
    let code = match reached {
        Ok(outcome) => outcome?,
        Err(_) => {
            let word = format!("{:?}", args.wait).to_lowercase();
            let hint = match session.client.peers().len() {
                0 => "no peer is connected: name one with --peer ENODE",
                _ if args.wait == Wait::Delivered => "the recipient did not answer",
                _ => "no peer took it",
            };
            ui.note(&format!("not {word} within {:?}: {hint}. The message stays queued.", args.timeout));
            ExitCode::FAILURE
        }
    };
    home::stop(&session.tasks).await;
    Ok(code)
}

pub(crate) async fn listen(global: &Global, args: ListenArgs, ui: &Ui) -> Result<ExitCode> {
    let chats: Vec<ChatId> = args.chats.iter().map(|chat| recipient(chat)).collect::<Result<_>>()?;
    let mut session = start(global, args.peer, ui).await?;
    for chat in chats {
        session.client.open_chat(chat).await?;
    }
    let mut interrupt = Interrupt::listen()?;
    let me = session.client.me();
    ui.note(&format!("listening as {} {}", paint(NAME, three_word_name(me)), key_text::chat_key(me)));
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            event = session.events.recv() => match event {
                Some(ClientEvent::Stopped(code)) => bail!("the store has failed ({code})"),
                Some(event) => tell(&event, ui),
                None => bail!("the client has stopped"),
            },
        }
    }
    home::stop(&session.tasks).await;
    Ok(ExitCode::SUCCESS)
}

async fn start(global: &Global, peers: PeerArgs, ui: &Ui) -> Result<Session> {
    let dir = home::data_dir(global)?;
    let lock = home::own(&dir)?;
    let (account, key) = home::unlock(global, ui)?;
    let env = Environment::system()?;
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let mut config = ClientConfig::new(account.home().to_owned());
    if peers.peers.is_empty() {
        ui.note("no --peer given: nothing is sent or heard before one is");
    }
    config.peers = peers.peers;
    let (client, events) = Client::open(key, config, &env, &tasks).await.context("open the account")?;
    Ok(Session { client, events, tasks, _lock: lock })
}

impl Session {
    /// Waits until a message is at least so far; prints each state on the way.
    async fn reach(&mut self, id: &undertone_payload::MessageId, wanted: u8, ui: &Ui) -> Result<ExitCode> {
        loop {
            let event = self.events.recv().await.context("the client has stopped")?;
            let ClientEvent::Notice(Notice::State { id: of, state, .. }) = event else { continue };
            if of != *id {
                continue;
            }
            if ui.json {
                ui.object(&json!({ "event": "state", "id": id.to_string(), "state": state.word() }));
            }
            if let MessageState::Failed(why) = state {
                ui.note(&format!("failed: {why}"));
                return Ok(ExitCode::FAILURE);
            }
            if rank(state) >= wanted {
                ui.note(&format!("{} {}", paint(GOOD, "✓"), state.word()));
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// How far a state is on the way.
const fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Queued => 1,
        MessageState::Sent => 2,
        MessageState::Stored => 3,
        MessageState::Delivered => 4,
        _ => 0,
    }
}

/// `0x04…`, `zQ3sh…`, `public:NAME` or `#NAME`.
fn recipient(text: &str) -> Result<ChatId> {
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
