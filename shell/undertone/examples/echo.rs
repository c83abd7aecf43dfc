//! An echo bot: says back what it is told in private.
//!
//! ```console
//! $ undertone account new --datadir bot --password-file password
//! $ cargo run -p undertone --example echo -- bot password enode://…@127.0.0.1:30303
//! ```
use std::path::Path;

use tokio::runtime::Handle;
use undertone::{Accounts, Client, ClientConfig, ClientEvent};
use undertone_account::key_text;
use undertone_messenger::{ChatId, MessageState, Notice};
use undertone_runtime::{DataDirLock, Environment, Tasks};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, password_file, enode] = args.as_slice() else {
        return Err("usage: echo DATADIR PASSWORD-FILE ENODE".into());
    };
    run(Path::new(dir), Path::new(password_file), enode).await
}

/// Answers until the client stops.
///
/// # Errors
/// When the directory, the account or the store cannot be used: their own sentences say why.
pub async fn run(dir: &Path, password_file: &Path, enode: &str) -> Outcome {
    // One process owns a data directory; the account's key is opened with its password.
    let _lock = DataDirLock::acquire(dir)?;
    let password = std::fs::read_to_string(password_file)?;
    let account = Accounts::new(dir).find(None)?;
    let key = account.unlock(password.trim_end())?;

    // The client runs until its tasks stop; what it hears comes as events.
    let env = Environment::system()?;
    let tasks = Tasks::new(Handle::current());
    let mut config = ClientConfig::new(account.home().to_owned());
    config.peers = vec![enode.parse()?];
    let (client, mut events) = Client::open(key, config, &env, &tasks).await?;
    eprintln!("write to {}", key_text::chat_key(client.me()));

    while let Some(event) = events.recv().await {
        let ClientEvent::Notice(Notice::Message(message)) = event else { continue };
        // Our own answers are announced too, and a public chat is no place for a bot that repeats everything.
        let private = matches!(message.chat, ChatId::OneToOne(_));
        if private && message.state == MessageState::Received {
            client.send_text(message.chat, &format!("You said: {}", message.text)).await?;
        }
    }
    Ok(())
}
