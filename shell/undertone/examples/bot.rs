//! A bot: says back what it is told in private. `BOT_PASSWORD=… bot DIRECTORY ENODE`

use std::path::PathBuf;
use std::time::Duration;

use undertone::account::{Language, WordCount, key_text};
use undertone::messenger::{ChatId, MessageState, Notice};
use undertone::runtime::{DataDirLock, Environment, Tasks};
use undertone::{Accounts, AccountsError, Client, ClientConfig, ClientEvent};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, enode] = args.as_slice() else { return Err("usage: bot DIRECTORY ENODE".into()) };
    run(dir.into(), std::env::var("BOT_PASSWORD")?, enode).await
}

/// Answers until the client stops, or somebody presses Ctrl-C.
/// # Errors
/// Whatever keeps it from starting.
pub async fn run(dir: PathBuf, password: String, enode: &str) -> Outcome {
    let _lock = DataDirLock::acquire(&dir)?; // one process owns a data directory
    let (env, accounts) = (Environment::system()?, Accounts::new(&dir));

    // The first start makes the account. Key files are slow on purpose, so not on a thread of the runtime.
    let rng = env.clone();
    let open = move || {
        let account = match accounts.find(None) {
            Err(AccountsError::NotFound) => {
                accounts.create(WordCount::Twelve, Language::English, &password, &rng)?.0
            }
            found => found?,
        };
        Ok::<_, AccountsError>((account.unlock(&password)?, account.home().to_owned()))
    };
    let (key, home) = tokio::task::spawn_blocking(open).await??;

    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let mut config = ClientConfig::new(home);
    config.peers = vec![enode.parse()?];
    let (client, mut events) = Client::open(key, config, &env, &tasks).await?;
    eprintln!("write to {}", key_text::chat_key(client.me()));

    while let Some(event) = tokio::select! { e = events.recv() => e, _ = tokio::signal::ctrl_c() => None } {
        let ClientEvent::Notice(Notice::Message(message)) = event else { continue };
        // Our own answers are announced too, and a public chat is no place for a bot that repeats everything.
        let private = matches!(message.chat, ChatId::OneToOne(_));
        if private && message.state == MessageState::Received {
            let answer = format!("You said: {}", message.text);
            // What is refused (an answer too long to send) is no reason to stop answering others.
            if let Err(error) = client.send_text(message.chat, &answer).await {
                eprintln!("not answered: {error}");
            }
        }
    }
    let end = tasks.shutdown(Duration::from_secs(5)).await;
    end.panicked.map_or(Ok(()), |task| Err(format!("the task {task} panicked").into()))
}
