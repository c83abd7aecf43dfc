//! A person of the demo: an account, a client and its node, driven by [`Order`]s.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use undertone::{Client, ClientConfig, ClientEvent};
use undertone_account::ChatKey;
use undertone_devp2p::Enode;
use undertone_messenger::{ChatId, MessageState, Notice, Protection, Sizes, TraceStep};
use undertone_runtime::{Environment, Tasks};
use undertone_transport::{Flush, Route};
use undertone_whisper::Report;

use super::protocol::{Line, Order, Seen};
use crate::args::{Global, PersonArgs};
use crate::{home, password};

/// Orders that may wait. A person falls behind only while its store commits.
pub(super) const ORDERS: usize = 64;
/// Reports that may wait; a full channel stops the person until somebody reads.
pub(super) const REPORTS: usize = 1_024;

/// Where a person lives and whom it connects to.
pub(super) struct Home {
    pub(super) account_home: PathBuf,
    pub(super) key: ChatKey,
    pub(super) peers: Vec<Enode>,
    /// Whether it is a bot that answers every private message.
    pub(super) echo: bool,
}

/// `undertone demo-person`: the same person in a process of its own. Ends when stdin ends, so that it never
/// outlives whoever started it.
pub(crate) async fn run(global: &Global, args: PersonArgs) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let _lock = home::own(&dir)?;
    let account = home::find(&undertone::Accounts::new(&dir), global)?;
    let password = password::existing(global.password_file.as_deref())?;
    let key = account.unlock(&password)?;
    let home = Home { account_home: account.home().to_owned(), key, peers: args.peer.peers, echo: false };

    let (orders_in, orders) = mpsc::channel(ORDERS);
    let (seen, mut reports) = mpsc::channel(REPORTS);
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    tasks.spawn("demo-orders", async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(order) = serde_json::from_str::<Order>(&line) else { continue };
            if orders_in.send(order).await.is_err() {
                return;
            }
        }
        let _ = orders_in.send(Order::Stop).await;
    });
    tasks.spawn("demo-reports", async move {
        while let Some(seen) = reports.recv().await {
            let Ok(line) = serde_json::to_string(&seen) else { continue };
            // Whoever reads may be gone before this process hears that its stdin has ended.
            if writeln!(std::io::stdout(), "{line}").is_err() {
                return;
            }
        }
    });
    live(home, orders, seen).await?;
    Ok(ExitCode::SUCCESS)
}

/// Lives until it is told to stop or nobody gives orders any more.
pub(super) async fn live(
    home: Home,
    mut orders: mpsc::Receiver<Order>,
    seen: mpsc::Sender<Seen>,
) -> Result<()> {
    let env = Environment::system()?;
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let mut config = ClientConfig::new(home.account_home.clone());
    config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    config.peers = home.peers.clone();
    config.watch = true;
    config.flush = Flush::Fast;
    let (client, mut events) =
        Client::open(home.key.clone(), config, &env, &tasks).await.context("open the client")?;
    let ready = Seen::Ready { key: client.me().to_hex(), pid: std::process::id() };
    let _ = seen.send(ready).await;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None | Some(Order::Stop) => break,
                Some(order) => {
                    if let Some(answer) = obey(&client, order).await {
                        let _ = seen.send(answer).await;
                    }
                }
            },
            event = events.recv() => match event {
                None => break,
                Some(event) => {
                    if home.echo {
                        answer(&client, &event).await;
                    }
                    if let Some(report) = report_of(event) {
                        let _ = seen.send(report).await;
                    }
                }
            },
        }
    }
    home::stop(&tasks).await;
    Ok(())
}

/// The bot: says back what it was told in private.
async fn answer(client: &Client, event: &ClientEvent) {
    let ClientEvent::Notice(Notice::Message(message)) = event else { return };
    if message.state != MessageState::Received || !matches!(message.chat, ChatId::OneToOne(_)) {
        return;
    }
    let text = format!("You said: {}", message.text);
    if let Err(error) = client.send_text(message.chat.clone(), &text).await {
        tracing::warn!(code = error.code(), "the echo bot cannot answer");
    }
}

async fn obey(client: &Client, order: Order) -> Option<Seen> {
    match order {
        Order::Blend { on } => {
            client.set_flush(if on { Flush::Blended } else { Flush::Fast });
            None
        }
        Order::Open { chat } => {
            let outcome = match chat.parse::<ChatId>() {
                Ok(chat) => client.open_chat(chat).await.map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            outcome.err().map(|why| Seen::Refused { tag: None, why })
        }
        Order::Send { chat, text, tag } => {
            let outcome = match chat.parse::<ChatId>() {
                Ok(chat) => client.send_text(chat, &text).await.map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            Some(match outcome {
                Ok(id) => Seen::Composed { tag, id: id.to_string() },
                Err(why) => Seen::Refused { tag: Some(tag), why },
            })
        }
        Order::History { chat } => {
            let id = chat.parse::<ChatId>().ok()?;
            Some(match client.messages(id, 1_000).await {
                Ok(messages) => {
                    let line = |m: undertone_messenger::Message| Line {
                        id: m.id.to_string(),
                        author: m.author.to_hex(),
                        text: m.text,
                        state: m.state.word().to_owned(),
                        clock: m.clock,
                    };
                    Seen::History { chat, lines: messages.into_iter().map(line).collect() }
                }
                Err(error) => Seen::Refused { tag: None, why: error.to_string() },
            })
        }
        Order::Stop => None,
    }
}

fn report_of(event: ClientEvent) -> Option<Seen> {
    Some(match event {
        ClientEvent::Notice(Notice::Message(m)) if m.state != MessageState::Received => {
            Seen::Said { id: m.id.to_string(), chat: m.chat.to_string(), text: m.text }
        }
        ClientEvent::Notice(Notice::Message(m)) => Seen::Got {
            id: m.id.to_string(),
            chat: m.chat.to_string(),
            author: m.author.to_hex(),
            text: m.text,
            protection: m.protection.word().to_owned(),
            clock: m.clock,
        },
        ClientEvent::Notice(Notice::State { id, state, .. }) => {
            Seen::State { id: id.to_string(), state: state.word().to_owned() }
        }
        ClientEvent::Notice(Notice::Undecodable { why, .. }) => Seen::Unreadable { why: format!("{why:?}") },
        ClientEvent::Notice(Notice::Trace(trace)) => {
            let id = trace.message.map(|id| id.to_string());
            let peer = trace.peer.map(|peer| peer.to_hex());
            let (sizes, protection, route) =
                (sizes(trace.sizes), word(trace.protection), route(&trace.route));
            match trace.step {
                TraceStep::Received(wire) => {
                    Seen::Opened { id, peer, wire: wire.to_string(), sizes, protection, route }
                }
                TraceStep::Sent(send) => {
                    let session = trace.session.map(const_hex::encode);
                    Seen::Wrapped { id, send: send.0, sizes, protection, route, session }
                }
            }
        }
        ClientEvent::Report(Report::Sealed { send, envelope }) => Seen::Sealed {
            send: send.0,
            wire: envelope.hash().to_string(),
            bytes: envelope.bytes().len(),
            topic: envelope.topic().to_string(),
            pow: envelope.strict_pow(),
        },
        ClientEvent::Report(Report::Carried { envelope, .. }) => {
            Seen::Carried { wire: envelope.hash().to_string() }
        }
        ClientEvent::Peers(count) => Seen::Peers { count },
        _ => return None,
    })
}

fn word(protection: Protection) -> String {
    protection.word().to_owned()
}

fn sizes(sizes: Sizes) -> [usize; 4] {
    [sizes.text, sizes.metadata, sizes.sync, sizes.protocol]
}

/// What kind of route it is, for the person who watches.
fn route(route: &Route) -> String {
    match route {
        Route::ContactCode(_) => "contact code".to_owned(),
        Route::Negotiated(_) => "negotiated topic".to_owned(),
        Route::Partition(_) => "recipient's partition".to_owned(),
        Route::Personal(_) => "personal topic".to_owned(),
        Route::Public(name) => format!("topic of #{name}"),
        _ => "another route".to_owned(),
    }
}
