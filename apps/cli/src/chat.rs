//! `undertone send` and `undertone listen`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use undertone::{Accounts, Client, ClientConfig, ClientEvent};
use undertone_account::{key_text, three_word_name};
use undertone_crypto::PublicKey;
use undertone_messenger::{ChatId, Message, MessageState, Notice, Pfs, Protection};
use undertone_node::{ClockNotice, DiscoveryOptions};
use undertone_payload::MessageId;
use undertone_runtime::{DataDirLock, Environment, Tasks};

use crate::args::{DiscoveryArgs, Global, ListenArgs, PeerArgs, SendArgs, StartArgs, Wait};
use crate::interrupt::Interrupt;
use crate::ipc::{Desk, Mail, Replies, Reply, Request, SendRequest};
use crate::notices::{self, People};
use crate::output::{BAD, DIM, GOOD, NAME, Ui, paint, printable};
use crate::people::{self, Book, Task};
use crate::who::{self, ChatOrPerson, Led};
use crate::{Usage, home, ipc};

/// A client of this process.
struct Session {
    account: String,
    client: Client,
    events: mpsc::Receiver<ClientEvent>,
    tasks: Tasks,
    _lock: DataDirLock,
}

pub(crate) async fn send(global: &Global, args: SendArgs, ui: &Ui) -> Result<ExitCode> {
    let to = who::chat(&args.to, &args.ens).await?;
    if matches!(to, ChatOrPerson::Public(_)) && args.wait == Wait::Delivered {
        let hint = "nobody acknowledges a message to a public chat: use --wait sent";
        return Err(Usage(hint.to_owned()).into());
    }
    let text = match args.text.as_deref() {
        None | Some("-") => home::stdin_text()?.trim_end().to_owned(),
        Some(text) => text.to_owned(),
    };
    let dir = home::data_dir(global)?;
    let lock = match home::own(&dir) {
        Err(held) if held.is::<home::Held>() => {
            let to = match &to {
                ChatOrPerson::Public(name) => format!("#{name}"),
                ChatOrPerson::Person(who) => {
                    let led: Led = people::ask(global, Task::Find { who: who.clone() }, ui).await?;
                    led.tell(ui);
                    led.key.to_hex()
                }
            };
            return ask_owner(global, &args, to, text, held, ui).await;
        }
        lock => lock?,
    };
    let mut session = start(global, lock, &args.peer, ui).await?;
    let chat = to.find(&mut Book::Client(&session.client), Some(ui)).await?;
    let id = session.client.send_text(chat, &text).await?;
    let protection = session.client.message(id).await?.map(|message| message.protection.word());
    let protection = protection.unwrap_or_default().to_owned();
    conclude(&Reply::Composed { id: id.to_string(), protection }, &args, ui);
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
    to: String,
    text: String,
    held: anyhow::Error,
    ui: &Ui,
) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let account = home::find(&Accounts::new(&dir), global)?;
    let request = Request::Send(SendRequest {
        account: account.address.to_string(),
        to,
        text,
        peers: args.peer.peers.iter().map(ToString::to_string).collect(),
        wait: args.wait,
        timeout_ms: u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX),
    });
    let Some(mut replies) = Replies::to(&dir, &request).await? else { return Err(held) };
    loop {
        let reply = replies.next().await?;
        if let Reply::Refused { why, usage } = reply {
            return Err(ipc::refused(why, usage));
        }
        if let Some(code) = conclude(&reply, args, ui) {
            return Ok(code);
        }
    }
}

/// Says how it goes; the exit status when that is the end.
fn conclude(reply: &Reply, args: &SendArgs, ui: &Ui) -> Option<ExitCode> {
    match reply {
        Reply::Composed { id, protection } if !ui.json => {
            ui.line(id);
            if let Some(hint) = weaker(protection) {
                ui.note(&format!("{} {hint}", paint(BAD, "!")));
            }
        }
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
        Reply::Failed { why } | Reply::Refused { why, .. } => {
            ui.note(&format!("failed: {why}"));
            return Some(ExitCode::FAILURE);
        }
        Reply::TimedOut { peers } => {
            let word = format!("{:?}", args.wait).to_lowercase();
            let hint = match peers {
                0 if args.peer.peers.is_empty() => "no peer is connected: name one with --peer ENODE",
                0 => "none of the peers that --peer names is reached",
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
    let mut chats = Vec::new();
    for chat in &args.chats {
        chats.push(who::chat(chat, &args.ens).await?);
    }
    let dir = home::data_dir(global)?;
    let lock = home::own(&dir)?;
    let mut session = start(global, lock, &args.peer, ui).await?;
    for chat in chats {
        let chat = chat.find(&mut Book::Client(&session.client), Some(ui)).await?;
        session.client.open_chat(chat).await?;
    }
    let mut people = People::default();
    for contact in session.client.contacts().await? {
        let (key, off) = (contact.key, contact.pfs == Pfs::Off);
        people.learn(contact);
        if off {
            let who = paint(NAME, people.name(&key));
            ui.note(&format!("{} forward secrecy is off for {who}", paint(BAD, "!")));
        }
    }
    let mail = Mail::new(session.client.clone(), session.account.clone());
    Desk::open(&dir, session.client.node().clone(), Some(mail.clone()), &session.tasks)
        .unwrap_or_else(|error| ui.note(&format!("takes no requests of other processes: {error:#}")));
    let mut interrupt = Interrupt::listen()?;
    let me = *session.client.me();
    ui.note(&format!("listening as {} {}", paint(NAME, three_word_name(&me)), key_text::chat_key(&me)));
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            event = session.events.recv() => match event {
                Some(ClientEvent::Stopped(code)) => bail!("the store has failed ({code})"),
                Some(event) => {
                    if let ClientEvent::Notice(Notice::State { id, state, .. }) = &event {
                        mail.tell(*id, *state);
                    }
                    tell(&event, &me, &mut people, ui);
                    if let ClientEvent::Notice(Notice::Contact(contact)) = event {
                        people.learn(*contact);
                    }
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
    config.protocols = peers.carriers.protocols();
    config.waku = peers.carriers.mode();
    config.bridge = peers.carriers.bridging();
    (config.packet_limits, config.byte_limits) = (peers.carriers.packets, peers.carriers.bytes);
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
            if let ClientEvent::Clock(notice) = &event {
                clock(notice, ui);
            }
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

fn tell(event: &ClientEvent, me: &PublicKey, people: &mut People, ui: &Ui) {
    match event {
        ClientEvent::Notice(Notice::Message(message))
            if message.state == MessageState::Received || written_elsewhere(message, me) =>
        {
            match ui.json {
                true => ui.object(&as_json(message, me, people)),
                false => ui.line(&as_line(message, me, people)),
            }
            if !ui.json
                && matches!(message.chat, ChatId::OneToOne(_))
                && message.author != *me
                && let Some(hint) = people.stranger(&message.author)
            {
                ui.note(&hint);
            }
        }
        ClientEvent::Notice(notice) => {
            let Some(told) = notices::told(notice, me, people) else { return };
            let before = match notice {
                Notice::Undecodable { author, .. } if !ui.json => people.unreadable(author, Instant::now()),
                _ => Some(0),
            };
            match (ui.json, before) {
                (true, _) => ui.object(&told.json),
                (false, Some(0)) => ui.note(&told.line),
                (false, Some(n)) => ui.note(&format!("{}, as {n} before it", told.line)),
                (false, None) => {}
            }
        }
        ClientEvent::Clock(notice) => clock(notice, ui),
        ClientEvent::Peers(count) => tracing::info!(count, "peers"),
        _ => {}
    }
}

/// That the clock of this machine is wrong, or right again.
fn clock(notice: &ClockNotice, ui: &Ui) {
    match ui.json {
        true => ui.object(&crate::output::clock(notice)),
        false => ui.note(&notice.to_string()),
    }
}

/// Whether another device of ours wrote it: what is written here begins as composed.
fn written_elsewhere(message: &Message, me: &PublicKey) -> bool {
    message.author == *me && message.state == MessageState::Sent
}

fn as_line(message: &Message, me: &PublicKey, people: &People) -> String {
    let place = match &message.chat {
        ChatId::Public(name) => format!("#{name} "),
        _ => String::new(),
    };
    let author = match &message.chat {
        ChatId::OneToOne(peer) if message.author == *me => format!("you → {}", people.name(peer)),
        _ => people.name(&message.author),
    };
    let text = printable(&message.text);
    let protection = match message.protection {
        Protection::Public => paint(DIM, "public"),
        Protection::Ratchet => paint(DIM, "forward secret"),
        Protection::DhOnly => paint(BAD, "no forward secrecy"),
        Protection::TransportOnly => paint(BAD, "no forward secrecy, the envelope alone"),
        other => paint(BAD, other.word()),
    };
    format!("{}{}  {text}  {protection}", paint(DIM, place), paint(NAME, author))
}

fn as_json(message: &Message, me: &PublicKey, people: &People) -> Value {
    json!({
        "event": "message",
        "id": message.id.to_string(),
        "chat": message.chat.to_string(),
        "author": message.author.to_hex(),
        "own": message.author == *me,
        "name": people.name(&message.author),
        "text": message.text,
        "clock": message.clock,
        "timestamp": message.timestamp.millis(),
        "protection": message.protection.word(),
        "stranger": message.author != *me && people.is_stranger(&message.author),
    })
}

/// What to know of a message that left with less than it could have.
fn weaker(protection: &str) -> Option<&'static str> {
    match protection {
        "dh-only" => Some(
            "no device of the person is known yet: this message has no forward secrecy, the next ones will",
        ),
        "transport-only" => Some("forward secrecy is off: the encryption of the envelope alone"),
        _ => None,
    }
}
