//! What is said, in whatever form, and under what protection.

use anyhow::{Result, ensure};
use tempfile::tempdir;
use undertone_messenger::{ChatId, Command, MessageState, Notice, Pfs, Protection};

use crate::ours::{Person, new_key};
use crate::relay::Relay;
use crate::theirs::Theirs;

/// As many bytes as a text may have.
const LONGEST: usize = 4_096;

/// Texts that somebody might take for none, for others, or for too long.
pub(crate) async fn texts_of_all_kinds() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.deliver(theirs.key, "ready?").await?;
    let texts = [
        "👩‍👩‍👧‍👦🏳️‍🌈 ❤️".to_owned(),
        "שלום \u{202e}abc\u{202c} עולם".to_owned(),
        "\u{200b}".to_owned(),
        " \u{feff}edges stay \n".to_owned(),
        "a\0b\r\n\tc".to_owned(),
        "é and e\u{301}".to_owned(),
        "**bold** <script> @0x04 %s ${x}".to_owned(),
        "x".repeat(LONGEST),
        "\u{1f642}".repeat(LONGEST / 4),
    ];
    for text in &texts {
        us.deliver(theirs.key, text).await?;
        theirs.write(&us.me(), text)?;
        let heard = us.received().await?;
        ensure!(heard.text == *text, "{:?} became {:?}", text, heard.text);
    }
    let shown: Vec<_> = texts.iter().map(String::as_str).collect();
    // The peer shows what it has said and what it has heard.
    theirs.shows_times(&us.me().to_hex(), &shown, 2).await?;
    for refused in ["", " \n\t ", &"x".repeat(LONGEST + 1)] {
        ensure!(us.client.send_text(ChatId::OneToOne(theirs.key), refused).await.is_err());
    }
    // A reply names a message that nobody here has.
    let missing = format!("0x{}", "5a".repeat(32));
    theirs.reply(&us.me(), "that is true", &missing)?;
    ensure!(us.received().await?.text == "that is true");
    us.stop().await;
    Ok(())
}

/// Neither knows a device of the other, and both begin at once.
pub(crate) async fn strangers_write_at_once() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    theirs.write(&us.me(), "is this you?")?;
    let id = us.client.send_text(ChatId::OneToOne(theirs.key), "is that you?").await?;
    ensure!(us.received_at_last().await?.text == "is this you?");
    us.reaches_or_is(id, MessageState::Delivered).await?;
    us.deliver(theirs.key, "yes").await?;
    theirs.write(&us.me(), "yes")?;
    let heard = us.received_at_last().await?;
    ensure!((heard.text.as_str(), heard.protection) == ("yes", Protection::Ratchet), "{heard:?}");
    theirs.shows(&us.me().to_hex(), &["is this you?", "is that you?"]).await?;
    us.stop().await;
    Ok(())
}

/// Forward secrecy is off on our side alone: what we write is read and shown for what it is, and so is what comes.
pub(crate) async fn without_forward_secrecy_on_our_side() -> Result<()> {
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    let mut us = Person::open(&new_key()?, home.path(), &theirs).await?;
    us.client.command(Command::SetPfs { peer: theirs.key, pfs: Pfs::Off }).await?;
    us.deliver(theirs.key, "in the envelope alone").await?;
    theirs.shows(&us.me().to_hex(), &["in the envelope alone"]).await?;
    let sent = us.client.messages(ChatId::OneToOne(theirs.key), 1).await?;
    ensure!(sent[0].protection == Protection::TransportOnly, "{:?}", sent[0]);
    theirs.write(&us.me(), "I do what I can")?;
    let heard = us.received().await?;
    ensure!(heard.protection != Protection::TransportOnly, "{heard:?}");
    us.client.command(Command::SetPfs { peer: theirs.key, pfs: Pfs::On }).await?;
    us.deliver(theirs.key, "and on again").await?;
    theirs.write(&us.me(), "welcome back")?;
    let heard = us.received_at_last().await?;
    ensure!((heard.text.as_str(), heard.protection) == ("welcome back", Protection::Ratchet), "{heard:?}");
    us.stop().await;
    Ok(())
}

/// Everything that either sends is lost for a while; what was written in that time arrives after it, each message once.
pub(crate) async fn three_hundred_each_way_over_a_cut_link() -> Result<()> {
    const EACH: usize = 300;
    let (theirs, home) = (Theirs::connect()?, tempdir()?);
    // Its schedule of repetitions grows with its age.
    theirs.reset().await?;
    let relay = Relay::start(&theirs.enode).await?;
    let mut us = Person::open_at(&new_key()?, home.path(), relay.enode()).await?;
    us.deliver(theirs.key, "ready?").await?;
    theirs.write(&us.me(), "ready")?;
    us.received().await?;
    relay.cut().await?;
    let ours: Vec<String> = (0..EACH).map(|n| format!("ours {n}")).collect();
    for (n, text) in ours.iter().enumerate() {
        us.client.send_text(ChatId::OneToOne(theirs.key), text).await?;
        theirs.write(&us.me(), &format!("theirs {n}"))?;
    }
    relay.mend().await?;
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < EACH {
        let message = us.received_at_last().await?;
        ensure!(message.protection == Protection::Ratchet, "{message:?}");
        ensure!(heard.insert(message.text), "a message came twice");
    }
    let texts: Vec<&str> = ours.iter().map(String::as_str).collect();
    theirs.shows(&us.me().to_hex(), &texts).await?;
    let lost = us
        .notices
        .iter()
        .any(|notice| matches!(notice, Notice::LostSession { .. } | Notice::DeviceBeganAnew { .. }));
    ensure!(!lost, "the session did not last");
    us.stop().await;
    relay.stop().await;
    Ok(())
}
