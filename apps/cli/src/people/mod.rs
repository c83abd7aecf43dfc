//! `undertone contacts`, `undertone verify` and `undertone devices`.
//!
//! The work is a [`Task`]: this process does it on the account itself, or the owner of the data directory does. What
//! comes back is the same, and printed here.

mod book;
mod contacts;
mod devices;
pub(crate) mod show;
mod task;
mod verify;
mod views;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use undertone::{Account, Accounts, Offline};
use undertone_account::ChatKey;
use undertone_runtime::{DataDirLock, Environment};

pub(crate) use self::book::Book;
pub(crate) use self::contacts::run as contacts;
pub(crate) use self::devices::run as devices;
pub(crate) use self::task::{NameClaim, ProfileChange, Proof, Task};
pub(crate) use self::verify::run as verify;
pub(crate) use self::views::{PersonView, ProfileView};

use crate::args::Global;
use crate::home;
use crate::ipc;
use crate::output::Ui;

/// Does the work here, or has the owner of the data directory do it.
pub(crate) async fn ask<T: DeserializeOwned>(global: &Global, task: Task, ui: &Ui) -> Result<T> {
    let dir = home::data_dir(global)?;
    let answer = match home::own(&dir) {
        Ok(lock) => here(&lock, home::unlock(global, ui)?, task).await?,
        Err(held) if held.is::<home::Held>() => {
            let account = home::find(&Accounts::new(&dir), global)?;
            ipc::work(&dir, account.address.to_string(), task, held).await?
        }
        Err(error) => return Err(error),
    };
    serde_json::from_value(answer).context(ipc::OTHER_VERSION)
}

/// The same, when the account is unlocked already.
pub(crate) async fn ask_with<T: DeserializeOwned>(global: &Global, key: ChatKey, task: Task) -> Result<T> {
    let dir = home::data_dir(global)?;
    let account = home::find(&Accounts::new(&dir), global)?;
    let answer = match home::own(&dir) {
        Ok(lock) => here(&lock, (account, key), task).await?,
        Err(held) if held.is::<home::Held>() => {
            ipc::work(&dir, account.address.to_string(), task, held).await?
        }
        Err(error) => return Err(error),
    };
    serde_json::from_value(answer).context(ipc::OTHER_VERSION)
}

async fn here(_owned: &DataDirLock, (account, key): (Account, ChatKey), task: Task) -> Result<Value> {
    let env = Environment::system()?;
    let mut offline = Offline::open(key, account.home(), &env).context("open the account")?;
    let answer = task::perform(&mut Book::Offline(&mut offline), task).await;
    offline.close()?;
    answer
}

/// For the owner of the data directory.
pub(crate) use self::task::perform;
