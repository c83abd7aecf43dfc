//! More devices of the peer than anybody writes to.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;
use tempfile::tempdir;
use undertone_messenger::{ChatId, Notice, Protection};
use undertone_support::until_async;
use undertone_transport::PublicName;

use crate::cases::fresh;
use crate::ours::{LONG, Person, new_key};
use crate::theirs::Theirs;

/// Four devices of one person write to us one after the other: each is read, each new one is announced, the three that
/// were heard of last are written to and show it, and the one that they pushed out is announced too.
pub(crate) async fn four_devices_of_theirs() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    theirs.reset().await?;
    let name = fresh("four")?;
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.client.open_chat(ChatId::Public(PublicName::new(&name)?)).await?;
    theirs.write(&us.me(), "from device 1")?;
    ensure!(us.received_at_last().await?.text == "from device 1");
    us.deliver(theirs.key, "to one").await?;
    let mut all = vec![theirs.clone()];
    for n in 2..=4 {
        let device = theirs.one_more(n).await?;
        // By its bundle, before it has a session with us.
        device.join(&name)?;
        device.say_public(&name, &format!("device {n} is here"))?;
        us.received_at_last().await?;
        device.write(&us.me(), &format!("from device {n}"))?;
        us.hears(&format!("from device {n}")).await?;
        all.push(device);
    }
    let new = us.notices.iter().filter(|notice| matches!(notice, Notice::NewDevice { .. })).count();
    ensure!(new == 3, "{new} new devices were announced");
    let out = us.notices.iter().filter(|notice| matches!(notice, Notice::DevicePushedOut { .. })).count();
    ensure!(out >= 1, "nothing is said of the device that is written to no more");

    us.client.send_text(ChatId::OneToOne(theirs.key), "to the last three").await?;
    let mut shown = BTreeSet::new();
    let me = us.me().to_hex();
    let there = until_async(LONG, || {
        for (n, device) in all.iter().enumerate() {
            if device.texts(&me).is_ok_and(|texts| texts.iter().any(|text| text == "to the last three")) {
                shown.insert(n + 1);
            }
        }
        shown.len() >= 3
    });
    ensure!(there.await && shown == BTreeSet::from([2, 3, 4]), "shown by {shown:?}");
    let sent = us.client.messages(ChatId::OneToOne(theirs.key), 1).await?;
    ensure!(sent[0].protection == Protection::Ratchet, "{:?}", sent[0]);
    let known = all[3].call("shhext_getOurInstallations", &json!([]))?;
    ensure!(known.as_array().is_some_and(|known| !known.is_empty()));
    us.stop().await;
    theirs.no_more()?;
    theirs.reset().await
}
