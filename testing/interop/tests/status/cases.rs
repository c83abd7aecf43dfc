//! What is shown of the two together.

use anyhow::{Result, ensure};
use tempfile::tempdir;
use undertone_messenger::{ChatId, MessageState, Notice, Protection, TraceStep};
use undertone_transport::{PublicName, Route};

use crate::ours::{Case, Person, new_key};
use crate::theirs::{CHAT_KEY, RESET, RESTART, Theirs};
use crate::{lost, people, texts};

/// A case by its name.
pub(crate) type Named = (&'static str, fn() -> Case);

/// All of them.
pub(crate) const ALL: [Named; 15] = [
    ("public_both_ways", || Box::pin(public_both_ways())),
    ("we_write_first", || Box::pin(we_write_first())),
    ("they_write_first", || Box::pin(they_write_first())),
    ("first_contact_with_their_bundle", || Box::pin(first_contact_with_their_bundle())),
    ("fifty_each_way", || Box::pin(fifty_each_way())),
    ("our_restart", || Box::pin(our_restart())),
    ("two_devices_of_ours", || Box::pin(two_devices_of_ours())),
    ("our_device_set_up_anew", || Box::pin(our_device_set_up_anew())),
    ("out_of_order", || Box::pin(people::out_of_order())),
    ("ours_out_of_order", || Box::pin(people::ours_out_of_order())),
    ("concurrent_first_contact", || Box::pin(people::concurrent_first_contact())),
    ("contact_updates", || Box::pin(people::contact_updates())),
    ("texts_of_all_kinds", || Box::pin(texts::texts_of_all_kinds())),
    ("strangers_write_at_once", || Box::pin(texts::strangers_write_at_once())),
    ("without_forward_secrecy_on_our_side", || Box::pin(texts::without_forward_secrecy_on_our_side())),
];

/// Those that change the peer for all others, so that nothing runs beside them; each with the variables that it needs.
pub(crate) const ALONE: [(Named, &[&str]); 5] = [
    (("pairing", || Box::pin(people::pairing())), &[CHAT_KEY, RESTART]),
    (("their_restart", || Box::pin(people::their_restart())), &[RESTART]),
    (
        ("their_state_is_lost_and_they_write", || Box::pin(lost::their_state_is_lost_and_they_write())),
        &[RESET],
    ),
    (("their_state_is_lost_and_we_write", || Box::pin(lost::their_state_is_lost_and_we_write())), &[RESET]),
    (
        ("three_hundred_each_way_over_a_cut_link", || {
            Box::pin(texts::three_hundred_each_way_over_a_cut_link())
        }),
        &[RESET],
    ),
];

/// A public name that no other run had.
pub(crate) fn fresh(what: &str) -> Result<String> {
    Ok(format!("{what}-{}", &new_key()?.public().to_bare_hex()[2..12]))
}

async fn public_both_ways() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let name = fresh("public")?;
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    let chat = ChatId::Public(PublicName::new(&name)?);
    us.client.open_chat(chat.clone()).await?;
    theirs.join(&name)?;
    theirs.say_public(&name, "hello from status-go")?;
    let heard = us.received().await?;
    ensure!(heard.text == "hello from status-go" && heard.author == theirs.key, "{heard:?}");
    us.client.send_text(chat, "hello from undertone, grüße 🙂").await?;
    theirs.shows(&name, &["hello from undertone, grüße 🙂"]).await?;
    us.stop().await;
    Ok(())
}

/// Without a bundle of theirs: the first message by their identity key alone, everything after it by the ratchet.
async fn we_write_first() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.deliver(theirs.key, "may I?").await?;
    theirs.write(&us.me(), "you may")?;
    let reply = us.received().await?;
    ensure!((reply.text.as_str(), reply.protection) == ("you may", Protection::Ratchet), "{reply:?}");
    us.deliver(theirs.key, "thank you").await?;
    theirs.shows(&us.me().to_hex(), &["may I?", "thank you"]).await?;
    // Both listen where only these two meet, so that is where the messages go.
    let negotiated = us.notices.iter().any(|notice| match notice {
        Notice::Trace(trace) => {
            matches!(trace.step, TraceStep::Sent(_)) && matches!(trace.route, Route::Negotiated(_))
        }
        _ => false,
    });
    ensure!(negotiated, "nothing went by the negotiated topic");
    us.stop().await;
    Ok(())
}

async fn they_write_first() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    theirs.write(&us.me(), "is anybody there?")?;
    let first = us.received().await?;
    ensure!(first.author == theirs.key && first.text == "is anybody there?", "{first:?}");
    us.deliver(theirs.key, "somebody").await?;
    theirs.write(&us.me(), "good")?;
    let second = us.received().await?;
    ensure!((second.text.as_str(), second.protection) == ("good", Protection::Ratchet), "{second:?}");
    us.stop().await;
    Ok(())
}

/// Their bundle comes with what they say in public; our first message is in a session already.
async fn first_contact_with_their_bundle() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let name = fresh("bundle")?;
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.client.open_chat(ChatId::Public(PublicName::new(&name)?)).await?;
    theirs.join(&name)?;
    theirs.say_public(&name, "my devices come along")?;
    us.received().await?;
    us.deliver(theirs.key, "at once in a session").await?;
    let chat = us.client.messages(ChatId::OneToOne(theirs.key), 10).await?;
    ensure!(chat[0].protection == Protection::Ratchet, "{:?}", chat[0]);
    theirs.shows(&us.me().to_hex(), &["at once in a session"]).await?;
    us.stop().await;
    Ok(())
}

async fn fifty_each_way() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.deliver(theirs.key, "ready?").await?;
    let ours: Vec<String> = (0..50).map(|n| format!("ours {n}")).collect();
    for (n, text) in ours.iter().enumerate() {
        us.client.send_text(ChatId::OneToOne(theirs.key), text).await?;
        theirs.write(&us.me(), &format!("theirs {n}"))?;
    }
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < 50 {
        ensure!(heard.insert(us.received().await?.text), "a message came twice");
    }
    let texts: Vec<&str> = ours.iter().map(String::as_str).collect();
    theirs.shows(&us.me().to_hex(), &texts).await?;
    us.stop().await;
    Ok(())
}

async fn our_restart() -> Result<()> {
    let (theirs, home, key) = (Theirs::connect()?, tempdir()?, new_key()?);
    let mut us = Person::open(&key, home.path(), &theirs).await?;
    us.deliver(theirs.key, "before").await?;
    theirs.write(&us.me(), "while you were there")?;
    us.received().await?;
    us.stop().await;
    theirs.write(&key.public(), "while you were away")?;
    let mut us = Person::open(&key, home.path(), &theirs).await?;
    let missed = us.received().await?;
    ensure!((missed.text.as_str(), missed.protection) == ("while you were away", Protection::Ratchet));
    us.deliver(theirs.key, "after").await?;
    theirs.shows(&us.me().to_hex(), &["before", "after"]).await?;
    us.stop().await;
    Ok(())
}

/// What they write reaches both of our devices, each by a session of its own.
async fn two_devices_of_ours() -> Result<()> {
    let (theirs, key) = (Theirs::connect()?, new_key()?);
    let homes = [tempdir()?, tempdir()?];
    let mut phone = Person::open(&key, homes[0].path(), &theirs).await?;
    let mut tablet = Person::open(&key, homes[1].path(), &theirs).await?;
    phone.deliver(theirs.key, "from the phone").await?;
    tablet.deliver(theirs.key, "from the tablet").await?;
    theirs.write(&key.public(), "to both")?;
    for device in [&mut phone, &mut tablet] {
        let heard = device.received().await?;
        ensure!((heard.text.as_str(), heard.protection) == ("to both", Protection::Ratchet), "{heard:?}");
    }
    phone.stop().await;
    tablet.stop().await;
    Ok(())
}

/// Everything is lost but the key. The peer hears of the new device by what it writes, and writes to it.
async fn our_device_set_up_anew() -> Result<()> {
    let (theirs, key) = (Theirs::connect()?, new_key()?);
    let homes = [tempdir()?, tempdir()?];
    let mut us = Person::open(&key, homes[0].path(), &theirs).await?;
    us.deliver(theirs.key, "the old device").await?;
    theirs.write(&us.me(), "to the old device")?;
    us.received().await?;
    us.stop().await;
    let mut us = Person::open(&key, homes[1].path(), &theirs).await?;
    let id = us.client.send_text(ChatId::OneToOne(theirs.key), "a new device").await?;
    us.reaches(id, MessageState::Delivered).await?;
    theirs.write(&us.me(), "to the new device")?;
    let heard = us.received().await?;
    ensure!(
        (heard.text.as_str(), heard.protection) == ("to the new device", Protection::Ratchet),
        "{heard:?}"
    );
    us.stop().await;
    Ok(())
}
