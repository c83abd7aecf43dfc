//! What is shown of people, of devices, and of sessions that do not run smoothly.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::tempdir;
use undertone_messenger::{ChatId, Command, MessageState, Notice, Profile, Protection, TraceStep};
use undertone_support::until_async;
use undertone_transport::PublicName;

use crate::cases::fresh;
use crate::ours::{LONG, Person, new_key};
use crate::relay::{Relay, Side};
use crate::theirs::Theirs;

/// What they write while a relay keeps it back arrives last first; each is read, once, in its place.
pub(crate) async fn out_of_order() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let relay = Relay::start(&theirs.enode).await?;
    let mut us = Person::open_at(&new_key()?, home.path(), relay.enode()).await?;
    us.deliver(theirs.key, "by way of a relay").await?;
    theirs.write(&us.me(), "good")?;
    us.received().await?;

    relay.hold(Side::Theirs).await?;
    let texts = ["first", "second", "third", "fourth"];
    for (before, text) in texts.into_iter().enumerate() {
        theirs.write(&us.me(), text)?;
        // In packets of their own: it puts what is ready at one time into one.
        relay.keeps(before + 1).await?;
    }
    relay.release().await?;
    let mut order = Vec::new();
    for _ in texts {
        let message = us.received().await?;
        ensure!(message.protection == Protection::Ratchet, "{message:?}");
        order.push(message.text);
    }
    ensure!(order != texts, "nothing was reordered: {order:?}");
    let shown = us.client.messages(ChatId::OneToOne(theirs.key), 10).await?;
    let shown: Vec<_> = shown.iter().rev().map(|message| message.text.as_str()).skip(2).collect();
    ensure!(shown == texts, "{shown:?}");
    us.deliver(theirs.key, "and on we go").await?;
    us.stop().await;
    relay.stop().await;
    Ok(())
}

/// The same of what we write: the peer shows each once, and goes on in the session.
pub(crate) async fn ours_out_of_order() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let relay = Relay::start(&theirs.enode).await?;
    let mut us = Person::open_at(&new_key()?, home.path(), relay.enode()).await?;
    us.deliver(theirs.key, "by way of a relay").await?;
    theirs.write(&us.me(), "good")?;
    us.received().await?;

    relay.hold(Side::Ours).await?;
    // Each is a good deal longer than the one before, and any of them than an acknowledgement: the relay knows them apart.
    let texts = [1, 2, 3, 4].map(|n: usize| format!("{n}{}", ", and so on".repeat(n * 60)));
    let mut ids = Vec::new();
    for (before, text) in texts.iter().enumerate() {
        ids.push(us.client.send_text(ChatId::OneToOne(theirs.key), text).await?);
        relay.keeps_larger(before + 1).await?;
    }
    relay.release().await?;
    for id in ids {
        us.reaches_or_is(id, MessageState::Delivered).await?;
        let sent = us.client.message(id).await?.context("it is there")?;
        ensure!(sent.protection == Protection::Ratchet, "{sent:?}");
    }
    let shown = texts.each_ref().map(|text| text.as_str());
    theirs.shows(&us.me().to_hex(), &shown).await?;
    theirs.write(&us.me(), "all four")?;
    let answer = us.received().await?;
    ensure!((answer.text.as_str(), answer.protection) == ("all four", Protection::Ratchet), "{answer:?}");
    us.deliver(theirs.key, "and on we go").await?;
    theirs.shows(&us.me().to_hex(), &shown).await?;
    us.stop().await;
    relay.stop().await;
    Ok(())
}

/// The peer is stopped and started on what it keeps, in the middle of a session.
pub(crate) async fn their_restart() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.deliver(theirs.key, "before").await?;
    theirs.write(&us.me(), "so far so good")?;
    us.received().await?;
    theirs.restart().await?;
    // Whatever is written while it is away or comes back waits.
    let id = us.client.send_text(ChatId::OneToOne(theirs.key), "after").await?;
    us.reaches(id, MessageState::Delivered).await.context("delivered after the restart")?;
    theirs.shows(&us.me().to_hex(), &["before", "after"]).await?;
    theirs.write(&us.me(), "still me")?;
    let heard = us.received().await?;
    ensure!((heard.text.as_str(), heard.protection) == ("still me", Protection::Ratchet), "{heard:?}");
    us.stop().await;
    Ok(())
}

/// Each has the other's bundle and no session, and both begin at once: all is read, and both go on in one session.
pub(crate) async fn concurrent_first_contact() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let name = fresh("both")?;
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    let lab = ChatId::Public(PublicName::new(&name)?);
    us.client.open_chat(lab.clone()).await?;
    theirs.join(&name)?;
    theirs.say_public(&name, "my devices")?;
    us.received().await?;
    us.client.send_text(lab, "and mine").await?;
    theirs.shows(&name, &["and mine"]).await?;

    theirs.write(&us.me(), "after you")?;
    let ours = us.client.send_text(ChatId::OneToOne(theirs.key), "no, after you").await?;
    ensure!(us.client.message(ours).await?.context("it is there")?.protection == Protection::Ratchet);
    let heard = us.received().await?;
    ensure!((heard.text.as_str(), heard.protection) == ("after you", Protection::Ratchet), "{heard:?}");
    theirs.shows(&us.me().to_hex(), &["no, after you"]).await?;
    for round in 0..3 {
        us.deliver(theirs.key, &format!("ours {round}")).await?;
        theirs.write(&us.me(), &format!("theirs {round}"))?;
        let heard = us.received().await?;
        ensure!(heard.protection == Protection::Ratchet, "{heard:?}");
    }
    let session = |notice: &Notice| match notice {
        Notice::Trace(trace) if matches!(trace.step, TraceStep::Sent(_)) => trace.session,
        _ => None,
    };
    let sessions: Vec<_> = us.notices.iter().rev().filter_map(session).take(3).collect();
    ensure!(sessions.len() == 3 && sessions.iter().all(|one| *one == sessions[0]), "{sessions:?}");
    us.stop().await;
    Ok(())
}

/// That one has added the other, with name and picture, both ways.
pub(crate) async fn contact_updates() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    let picture = "data:image/png;base64,iVBORw0K";
    let profile = Profile { ens_name: "undertone.eth".to_owned(), picture: picture.to_owned() };
    us.client.command(Command::SetProfile(profile)).await?;
    us.client.command(Command::SendContactUpdate(theirs.key)).await?;
    let me = us.me().to_hex();
    let seen = || -> Result<bool> {
        let contacts = theirs.call("shhext_contacts", &json!([]))?;
        let mut all = contacts.as_array().into_iter().flatten();
        let Some(contact) = all.find(|contact| contact["id"] == me) else { return Ok(false) };
        let tags = contact["systemTags"].as_array().cloned().unwrap_or_default();
        Ok(tags.contains(&json!(":contact/request-received"))
            && contact["name"] == "undertone.eth"
            && contact["photoPath"] == picture)
    };
    let there = until_async(LONG, || seen().unwrap_or(false)).await;
    ensure!(there, "{}", theirs.call("shhext_contacts", &json!([]))?);

    theirs.call(
        "shhext_sendContactUpdate",
        &json!([me, "theirs.stateofus.eth", "data:image/png;base64,AAAA"]),
    )?;
    let contact = loop {
        if let Notice::Contact(contact) = us.notice().await?
            && contact.has_added_us
        {
            break contact;
        }
    };
    ensure!(contact.is_mutual(), "{contact:?}");
    ensure!(contact.claimed_ens.as_deref() == Some("theirs.stateofus.eth"), "{contact:?}");
    ensure!(contact.picture.as_deref() == Some("data:image/png;base64,AAAA"), "{contact:?}");
    us.stop().await;
    Ok(())
}

/// A device of ours under the peer's own key: each names itself to the other, is enabled there, and what either writes to
/// somebody the other shows.
///
/// The peer starts before and after it, which empties its pool: a device under its key would read what was meant for it in
/// other cases, and what it says of itself there would be learned by the people of other cases.
pub(crate) async fn pairing() -> Result<()> {
    let (theirs, homes) = (Theirs::connect()?, [tempdir()?, tempdir()?]);
    theirs.restart().await?;
    let mut tablet = Person::open(&Theirs::chat_key()?, homes[0].path(), &theirs).await?;
    ensure!(tablet.me() == theirs.key, "another key than the peer's");
    let mut carol = Person::open(&new_key()?, homes[1].path(), &theirs).await?;
    let here = tablet.installation().await?;

    // We name ourselves: the peer shows us.
    let pair = Command::Pair { name: "our tablet".to_owned(), kind: "android".to_owned() };
    tablet.client.command(pair).await?;
    let named = |id: &str| -> Result<bool> {
        let known = theirs.call("shhext_getOurInstallations", &json!([]))?;
        let mut all = known.as_array().into_iter().flatten();
        Ok(all.any(|one| one["id"] == id && one["metadata"]["name"] == "our tablet"))
    };
    let there = until_async(LONG, || named(&here).unwrap_or(false)).await;
    ensure!(there, "{}", theirs.call("shhext_getOurInstallations", &json!([]))?);

    // It names itself: so do we.
    let their_device = theirs.installation()?;
    let metadata = json!({ "name": "their desk", "deviceType": "desktop" });
    theirs.call("shhext_setInstallationMetadata", &json!([their_device, metadata]))?;
    theirs.call("shhext_sendPairInstallation", &json!([]))?;
    let device = loop {
        if let Notice::OwnDevice(device) = tablet.notice().await?
            && device.name.as_deref() == Some("their desk")
        {
            break device;
        }
    };
    ensure!(device.installation.as_str() == their_device && !device.enabled, "{device:?}");
    ensure!(device.last_heard.is_some(), "{device:?}");

    // Enabled on both, each has a copy of what the other writes.
    theirs.call("shhext_enableInstallation", &json!([here]))?;
    tablet.client.command(Command::EnableDevice(device.installation.clone())).await?;
    theirs.write(&carol.me(), "from the desk")?;
    let heard = carol.received().await?;
    ensure!(heard.text == "from the desk", "{heard:?}");
    let copy = loop {
        if let Notice::Message(message) = tablet.notice().await? {
            break message;
        }
    };
    ensure!(copy.text == "from the desk" && copy.author == theirs.key, "{copy:?}");
    ensure!(copy.chat == ChatId::OneToOne(carol.me()) && copy.state == MessageState::Sent, "{copy:?}");
    tablet.deliver(carol.me(), "from the tablet").await?;
    theirs.shows(&carol.me().to_hex(), &["from the desk", "from the tablet"]).await?;

    theirs.call("shhext_disableInstallation", &json!([here]))?;
    tablet.stop().await;
    carol.stop().await;
    theirs.restart().await
}
