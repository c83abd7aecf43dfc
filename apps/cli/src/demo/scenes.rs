//! What happens, in order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::mpsc;
use undertone_crypto::MemoryKeyring;
use undertone_devp2p::Enode;
use undertone_node::{Node, NodeConfig, NodeEvent, load_or_make_node_key};
use undertone_runtime::{Environment, Tasks, private_dir};
use undertone_whisper::Report;

use super::cast::{Character, Player, Reports, Role};
use super::ledger::{Ledger, Track};
use super::person::REPORTS;
use super::protocol::{Order, Seen};
use crate::home;
use crate::output::{BOLD, DIM, GOOD, NAME, Ui, paint};

/// The public chat of the demo.
const PUBLIC: &str = "#undertone-demo";
/// How long one step may take. Only a broken step needs it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Messages of the burst that is sent with random delays.
const BURST: usize = 6;

/// The demo while it runs.
pub(super) struct Show {
    pub(super) ui: Ui,
    begun: Instant,
    pub(super) tasks: Tasks,
    characters: Vec<Character>,
    players: Vec<(Role, Player)>,
    relay: Enode,
    reporting: Reports,
    reports: mpsc::Receiver<(Role, Seen)>,
    carried: mpsc::Receiver<NodeEvent>,
    pub(super) ledger: Ledger,
    tags: u64,
    first_delivery: Option<Duration>,
}

impl Show {
    /// Makes or unlocks the accounts and brings everybody on.
    pub(super) async fn open(stage: &Path, begun: Instant, ui: &Ui) -> Result<Self> {
        let tasks = Tasks::new(tokio::runtime::Handle::current());
        let preparing: Vec<_> = Role::ALL
            .into_iter()
            .map(|role| {
                let stage = stage.to_owned();
                tokio::task::spawn_blocking(move || Character::prepare(role, &stage))
            })
            .collect();
        let mut characters = Vec::new();
        for handle in preparing {
            characters.push(handle.await.context("prepare an account")??);
        }

        let env = Environment::system()?;
        private_dir(&stage.join("relay"))?;
        let key = load_or_make_node_key(&stage.join("relay/nodekey"), &mut env.rng())?;
        let mut config = NodeConfig::relay(key);
        config.listen = Some((std::net::Ipv4Addr::LOCALHOST, 0).into());
        config.watch = true;
        let (relay, carried) = Node::start(config, Arc::new(MemoryKeyring::new()), &env, &tasks).await?;
        let relay = relay.enode();

        let (reporting, reports) = mpsc::channel(REPORTS);
        let mut show = Self {
            ui: *ui,
            begun,
            tasks,
            characters,
            players: Vec::new(),
            relay,
            reporting,
            reports,
            carried,
            ledger: Ledger::default(),
            tags: 0,
            first_delivery: None,
        };
        show.introduce();
        // Alice and the bot listen for Bob's contact code before he comes, so that the first message to him can
        // be forward secret already.
        for role in [Role::Alice, Role::Echo] {
            show.enter(role)?;
        }
        show.until("everybody is connected", |l| online(l, Role::Alice) && online(l, Role::Echo)).await?;
        show.open_chats().await?;
        show.enter(Role::Bob)?;
        show.until("bob is connected", |l| online(l, Role::Bob)).await?;
        show.order(Role::Bob, Order::Open { chat: show.key(Role::Alice) }).await?;
        // His contact code names his device; on a second run Alice knows it already.
        let wanted = (Role::Alice, show.key(Role::Bob));
        show.until("alice knows bob's device", |l| l.codes.contains(&wanted)).await?;
        Ok(show)
    }

    fn introduce(&self) {
        let port = self.relay.endpoint().map_or(0, |endpoint| endpoint.tcp);
        self.ui.line("");
        self.row("relay", &format!("127.0.0.1:{port}"), "passes on what others say");
        for c in &self.characters {
            let what = match c.role {
                Role::Alice => "writes first",
                Role::Bob => "a process of his own",
                Role::Echo => "a bot that answers",
            };
            self.row(c.role.name(), &c.alias, what);
        }
    }

    fn row(&self, who: &str, what: &str, note: &str) {
        self.ui.line(&format!("  {} {what:<32} {}", paint(NAME, format!("{who:<6}")), paint(DIM, note)));
    }

    /// All scenes. An error says what did not happen.
    pub(super) async fn play(&mut self) -> Result<()> {
        self.first_words().await?;
        self.both_ways().await?;
        self.out_of_order().await?;
        self.public_chat().await?;
        self.killed().await?;
        self.echo_answers().await?;
        self.count().await
    }

    async fn first_words(&mut self) -> Result<()> {
        self.scene("Alice writes to Bob");
        let id = self.send(Role::Alice, &self.key(Role::Bob), "Hello Bob, can you hear me?").await?;
        self.delivered(&id).await?;
        self.first_delivery = Some(self.begun.elapsed());
        self.layers(&id);
        Ok(())
    }

    async fn both_ways(&mut self) -> Result<()> {
        self.scene("Bob answers: forward secrecy both ways");
        let bob = [
            (Role::Bob, Role::Alice, "Loud and clear."),
            (Role::Alice, Role::Bob, "Who else can?"),
            (Role::Bob, Role::Alice, "Nobody: every message has a key of its own, used once."),
        ];
        let mut last = String::new();
        for (from, to, text) in bob {
            let id = self.send(from, &self.key(to), text).await?;
            self.delivered(&id).await?;
            if id != last && from != Role::Bob || last.is_empty() {
                self.short(&id);
            }
            last = id;
        }
        let track = self.ledger.track(&last).cloned().unwrap_or_default();
        let protection = track.wrapped.map(|w| w.protection).unwrap_or_default();
        ensure!(protection == "ratchet", "the conversation is not forward secret but {protection}");
        self.layers(&last);
        Ok(())
    }

    async fn out_of_order(&mut self) -> Result<()> {
        self.scene("Out of order: random delays on purpose, as a chat client does for privacy");
        self.order(Role::Alice, Order::Blend { on: true }).await?;
        // The delays are random; one burst in 720 keeps its order.
        for _ in 0..5 {
            let before = self.ledger.arrivals(Role::Bob).len();
            let mut ids = Vec::new();
            for n in 1..=BURST {
                ids.push(
                    self.send(Role::Alice, &self.key(Role::Bob), &format!("Thought {n} of {BURST}")).await?,
                );
            }
            for id in &ids {
                self.delivered(id).await?;
            }
            let arrived: Vec<String> = self.ledger.arrivals(Role::Bob).iter().skip(before).cloned().collect();
            let order: Vec<usize> = arrived
                .iter()
                .filter_map(|id| ids.iter().position(|sent| sent == id))
                .map(|n| n + 1)
                .collect();
            if order.windows(2).all(|pair| matches!(pair, [a, b] if a < b)) {
                continue;
            }
            self.order(Role::Alice, Order::Blend { on: false }).await?;
            let shown = self.shown(Role::Bob, &self.key(Role::Alice), &ids).await?;
            let text = |list: &[usize]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            self.ui.line(&format!("  arrived as  {}", text(&order)));
            self.ui.line(&format!("  shown as    {}  {}", text(&shown), paint(DIM, "by Lamport clock")));
            ensure!(shown == (1..=BURST).collect::<Vec<_>>(), "bob does not show them in order");
            return Ok(());
        }
        bail!("five bursts arrived in order: the delays are not random")
    }

    async fn public_chat(&mut self) -> Result<()> {
        self.scene("A public chat: everybody who knows the name");
        let id = self.send(Role::Alice, PUBLIC, "Good morning, everyone.").await?;
        let read = |t: &Track| t.got.len() >= 2 && t.state == "sent";
        self.until("both others read it", |l| l.track(&id).is_some_and(read)).await?;
        self.layers(&id);
        Ok(())
    }

    async fn killed(&mut self) -> Result<()> {
        self.scene("Bob is killed in the middle (SIGKILL) and comes back");
        let to = self.key(Role::Bob);
        let before = self.send(Role::Alice, &to, "One before the end.").await?;
        self.until("bob has it", |l| l.track(&before).is_some_and(|t| !t.got.is_empty())).await?;
        let pid = self.take(Role::Bob)?.kill().await?;
        self.ledger.peers.remove(&Role::Bob);
        self.ledger.ready.remove(&Role::Bob);
        self.ui.line(&format!(
            "  {} process {pid} is gone, nothing was saved at the last moment",
            paint(BOLD, "kill -9")
        ));
        let during = self.send(Role::Alice, &to, "One while nobody is there.").await?;
        self.until("a peer took it", |l| l.track(&during).is_some_and(|t| t.state == "sent")).await?;
        self.short(&during);
        self.enter(Role::Bob)?;
        self.delivered(&before).await?;
        self.delivered(&during).await?;
        let pid = self.ledger.ready.get(&Role::Bob).copied().unwrap_or_default();
        self.ui
            .line(&format!("  bob is back as process {pid} and has both, from his store and from the relay"));
        let answer = self.send(Role::Bob, &self.key(Role::Alice), "Where were we?").await?;
        self.delivered(&answer).await?;
        self.short(&answer);
        let (then, now) = (self.session(&before), self.session(&answer));
        ensure!(then.is_some() && then == now, "the session did not go on: {then:?} before, {now:?} after");
        let session = now.unwrap_or_default();
        self.ui.line(&format!("  {}", paint(DIM, format!("the same ratchet session goes on: {session}"))));
        Ok(())
    }

    async fn echo_answers(&mut self) -> Result<()> {
        self.scene("The echo bot answers");
        let id = self.send(Role::Alice, &self.key(Role::Echo), "Is there anybody?").await?;
        self.delivered(&id).await?;
        self.short(&id);
        let answer = self.answer(&id).await?;
        self.delivered(&answer).await?;
        self.short(&answer);
        Ok(())
    }

    /// The id of what the bot said to a message.
    pub(super) async fn answer(&mut self, id: &str) -> Result<String> {
        let text = self.ledger.track(id).map(|t| t.text.clone()).unwrap_or_default();
        let wanted = format!("You said: {text}");
        let last = |l: &Ledger| {
            l.arrivals(Role::Alice).last().cloned().filter(|a| l.track(a).is_some_and(|t| t.text == wanted))
        };
        self.until("the bot answers", |l| last(l).is_some()).await?;
        last(&self.ledger).context("the answer")
    }

    /// The ratchet session that a message went by.
    fn session(&self, id: &str) -> Option<String> {
        self.ledger.track(id)?.wrapped.as_ref()?.session.clone()
    }

    /// Compares every store with what was sent in this run.
    async fn count(&mut self) -> Result<()> {
        self.scene("Exactly once");
        let mut total = 0usize;
        let mut resent = 0usize;
        for (reader, chat) in [
            (Role::Bob, self.key(Role::Alice)),
            (Role::Alice, self.key(Role::Bob)),
            (Role::Echo, self.key(Role::Alice)),
            (Role::Alice, self.key(Role::Echo)),
            (Role::Bob, PUBLIC.to_owned()),
            (Role::Echo, PUBLIC.to_owned()),
        ] {
            let lines = self.history(reader, &chat).await?;
            for (id, track) in self.ledger.sent() {
                let addressed = track.from != Some(reader) && self.reaches(track, reader, &chat);
                let copies = lines.iter().filter(|line| line.id == id).count();
                let same_text = lines.iter().filter(|line| line.text == track.text && line.id == id).count();
                if addressed {
                    ensure!(copies == 1, "{} has {copies} copies of {:?}", reader.name(), track.text);
                    ensure!(same_text == 1, "{} has another text than {:?}", reader.name(), track.text);
                    total += 1;
                    resent += track.sends.saturating_sub(1);
                }
            }
        }
        ensure!(self.ledger.unreadable.is_empty(), "could not be read: {:?}", self.ledger.unreadable);
        let first = self.first_delivery.unwrap_or_default().as_secs_f64();
        self.ui.line(&format!(
            "  {} {total} arrivals, each exactly once and with its own text; {resent} sent a second time because \
             an answer was missing",
            paint(GOOD, "✓")
        ));
        self.ui.line(&format!("  {} first message delivered {first:.1} s after the start", paint(GOOD, "✓")));
        Ok(())
    }

    /// Whether a message belongs into this reader's `chat`.
    fn reaches(&self, track: &Track, reader: Role, chat: &str) -> bool {
        match chat == PUBLIC {
            true => track.chat == PUBLIC,
            false => track.chat == self.key(reader) && track.from.is_some_and(|from| self.key(from) == chat),
        }
    }

    async fn open_chats(&mut self) -> Result<()> {
        for role in [Role::Alice, Role::Echo] {
            self.order(role, Order::Open { chat: PUBLIC.to_owned() }).await?;
        }
        for other in [Role::Bob, Role::Echo] {
            self.order(Role::Alice, Order::Open { chat: self.key(other) }).await?;
        }
        self.order(Role::Echo, Order::Open { chat: self.key(Role::Alice) }).await
    }

    /// The places of `ids` in the order in which `who` shows them, oldest first.
    async fn shown(&mut self, who: Role, chat: &str, ids: &[String]) -> Result<Vec<usize>> {
        let lines = self.history(who, chat).await?;
        let places = lines.iter().rev().filter_map(|line| ids.iter().position(|id| *id == line.id));
        Ok(places.map(|n| n + 1).collect())
    }

    async fn history(&mut self, who: Role, chat: &str) -> Result<Vec<super::protocol::Line>> {
        self.ledger.histories.remove(&who);
        self.order(who, Order::History { chat: chat.to_owned() }).await?;
        self.until("the chat is read", |l| l.histories.contains_key(&who)).await?;
        self.ledger.histories.remove(&who).context("history")
    }

    /// Has somebody send a text; the id comes back when it is durable.
    pub(super) async fn send(&mut self, from: Role, chat: &str, text: &str) -> Result<String> {
        self.tags = self.tags.saturating_add(1);
        let (tag, at) = (self.tags, Instant::now());
        self.order(from, Order::Send { chat: chat.to_owned(), text: text.to_owned(), tag }).await?;
        self.until("the message is written down", |l| l.composed.contains_key(&tag)).await?;
        let id = self.ledger.composed.remove(&tag).context("composed")?.map_err(anyhow::Error::msg)?;
        self.ledger.begin(&id, at);
        // The answer may overtake the report of what was said.
        self.until("the message is reported", |l| l.track(&id).is_some_and(|t| t.from.is_some())).await?;
        Ok(id)
    }

    pub(super) async fn delivered(&mut self, id: &str) -> Result<()> {
        self.until("the message is delivered", |l| l.track(id).is_some_and(|t| t.state == "delivered")).await
    }

    async fn order(&self, who: Role, order: Order) -> Result<()> {
        let player =
            self.players.iter().find(|(role, _)| *role == who).context("nobody of that name is on")?;
        player.1.order(order).await
    }

    fn enter(&mut self, role: Role) -> Result<()> {
        let character = self.characters.iter().find(|c| c.role == role).context("no such character")?;
        let reports = self.reporting.clone();
        let player = match role {
            Role::Bob => Player::process(character, &self.relay, reports, &self.tasks)?,
            _ => Player::task(character, self.relay.clone(), reports, &self.tasks),
        };
        self.players.push((role, player));
        if role == Role::Bob {
            let opening = Order::Open { chat: PUBLIC.to_owned() };
            let (_, player) = self.players.last().context("just entered")?;
            player.try_order(opening)?;
        }
        Ok(())
    }

    fn take(&mut self, role: Role) -> Result<Player> {
        let at = self.players.iter().position(|(r, _)| *r == role).context("nobody of that name is on")?;
        Ok(self.players.swap_remove(at).1)
    }

    /// Enters reports until `condition` holds.
    pub(super) async fn until(&mut self, what: &str, condition: impl Fn(&Ledger) -> bool) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !condition(&self.ledger) {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {
                    bail!("waited {} s in vain until {what}", PATIENCE.as_secs())
                }
                report = self.reports.recv() => {
                    let (who, seen) = report.context("nobody reports any more")?;
                    self.ledger.enter(who, seen);
                }
                event = self.carried.recv() => {
                    if let Some(NodeEvent::Report(Report::Carried { envelope, .. })) = event {
                        self.ledger.relayed(envelope.hash().to_string());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn key(&self, role: Role) -> String {
        self.characters.iter().find(|c| c.role == role).map(|c| c.key.to_hex()).unwrap_or_default()
    }

    pub(super) async fn close(self) {
        for (role, player) in self.players {
            if let Err(error) = player.leave().await {
                tracing::warn!(person = role.name(), "{error:#}");
            }
        }
        home::stop(&self.tasks).await;
    }
}

fn online(ledger: &Ledger, role: Role) -> bool {
    ledger.peers.get(&role).is_some_and(|count| *count > 0)
}
