//! Who plays: accounts, tasks and one child process.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use undertone::{Account, Accounts};
use undertone_account::{ChatKey, ExtendedKey, Language, Mnemonic, WordCount, three_word_name};
use undertone_crypto::PublicKey;
use undertone_devp2p::Enode;
use undertone_runtime::{Environment, Tasks, private_dir, write_private};

use super::person::{self, Home, ORDERS, REPORTS};
use super::protocol::{Order, Seen};

/// One of the three people.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Role {
    Alice,
    Bob,
    Echo,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Alice, Self::Bob, Self::Echo];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Echo => "echo",
        }
    }
}

/// Somebody with an account in a directory of their own.
pub(super) struct Character {
    pub(super) role: Role,
    pub(super) key: PublicKey,
    pub(super) alias: String,
    dir: PathBuf,
    account: Account,
    secret: ChatKey,
}

impl Character {
    /// Unlocks the account of the directory, or makes it. Slow on purpose (scrypt).
    pub(super) fn prepare(role: Role, stage: &Path) -> Result<Self> {
        let dir = stage.join(role.name());
        private_dir(&dir)?;
        let env = Environment::system()?;
        let password = password(&dir, &env)?;
        let accounts = Accounts::new(&dir);
        let (account, secret) = match accounts.list()?.pop() {
            Some(account) => {
                let secret = account.unlock(&password)?;
                (account, secret)
            }
            None => {
                let words = Mnemonic::generate(WordCount::Twelve, Language::English, &mut env.rng());
                let secret = ChatKey::derive(&ExtendedKey::master(&words.seed(""))?)?;
                (accounts.add(&secret, &password, env.now().unix, &mut env.rng())?, secret)
            }
        };
        let key = secret.public();
        Ok(Self { role, key, alias: three_word_name(&key), dir, account, secret })
    }
}

/// The demo's accounts are nobody's: their passwords are random and lie beside them.
fn password(dir: &Path, env: &Environment) -> Result<String> {
    let file = dir.join("password");
    if let Ok(text) = std::fs::read_to_string(&file) {
        return Ok(text.trim().to_owned());
    }
    let secret = undertone_base::Secret::<16>::random(&mut env.rng());
    let text = const_hex::encode(secret.expose());
    write_private(&file, text.as_bytes())?;
    Ok(text)
}

/// A person who is on: orders go in; reports come out through the channel that `enter` was given.
pub(super) struct Player {
    orders: mpsc::Sender<Order>,
    child: Option<Child>,
}

/// A report and who made it.
pub(super) type Reports = mpsc::Sender<(Role, Seen)>;

impl Player {
    /// As a task of this process.
    pub(super) fn task(character: &Character, relay: Enode, reports: Reports, tasks: &Tasks) -> Self {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let (seen, mut outbox) = mpsc::channel(REPORTS);
        let home = Home {
            account_home: character.account.home().to_owned(),
            key: character.secret.clone(),
            peers: vec![relay],
            echo: character.role == Role::Echo,
        };
        let role = character.role;
        tasks.spawn("demo-person", async move {
            if let Err(error) = person::live(home, inbox, seen).await {
                tracing::error!(person = role.name(), "{error:#}");
            }
        });
        tasks.spawn("demo-reports", async move {
            while let Some(seen) = outbox.recv().await {
                if reports.send((role, seen)).await.is_err() {
                    return;
                }
            }
        });
        Self { orders, child: None }
    }

    /// As a process of its own.
    pub(super) fn process(
        character: &Character,
        relay: &Enode,
        reports: Reports,
        tasks: &Tasks,
    ) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe().context("find this program")?)
            .arg("demo-person")
            .arg("--datadir")
            .arg(&character.dir)
            .arg("--password-file")
            .arg(character.dir.join("password"))
            .arg("--peer")
            .arg(relay.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start Bob's process")?;
        let mut stdin = child.stdin.take().context("Bob's stdin")?;
        let stdout = child.stdout.take().context("Bob's stdout")?;
        let (orders, mut inbox) = mpsc::channel::<Order>(ORDERS);
        let role = character.role;
        tasks.spawn("demo-orders", async move {
            while let Some(order) = inbox.recv().await {
                let Ok(mut line) = serde_json::to_string(&order) else { continue };
                line.push('\n');
                if stdin.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        tasks.spawn("demo-reports", async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(seen) = serde_json::from_str(&line) else { continue };
                if reports.send((role, seen)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { orders, child: Some(child) })
    }

    /// An order that must not wait: the first ones always find room.
    pub(super) fn try_order(&self, order: Order) -> Result<()> {
        self.orders.try_send(order).context("a person takes no orders")
    }

    pub(super) async fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).await.context("a person has left")
    }

    /// SIGKILL: nothing is saved, nothing is said.
    pub(super) async fn kill(mut self) -> Result<u32> {
        let mut child = self.child.take().context("only a process can be killed")?;
        let pid = child.id().context("the process has ended already")?;
        child.kill().await.context("kill the process")?;
        Ok(pid)
    }

    /// Asks to end, and waits for a process that does.
    pub(super) async fn leave(mut self) -> Result<()> {
        let _ = self.orders.send(Order::Stop).await;
        if let Some(mut child) = self.child.take() {
            let status = child.wait().await?;
            ensure!(status.success(), "a person's process ended with {status}");
        }
        Ok(())
    }
}
