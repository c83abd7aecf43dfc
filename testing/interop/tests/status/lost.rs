//! Where one side has lost all that it had but its key and the name of its device.

use anyhow::{Context, Result, ensure};
use tempfile::tempdir;
use undertone_messenger::{ChatId, MessageState, Notice, Protection};
use undertone_transport::PublicName;

use crate::cases::fresh;
use crate::ours::{Person, new_key};
use crate::theirs::Theirs;

/// Who opened the session that is lost: on whose prekey it runs decides how it is found out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Opener {
    Theirs,
    Ours,
}

/// The peer writes first, to somebody whose devices it does not know any more.
pub(crate) async fn their_state_is_lost_and_they_write() -> Result<()> {
    for opener in [Opener::Theirs, Opener::Ours] {
        let (theirs, home) = (Theirs::connect()?, tempdir()?);
        let session = in_a_session(&theirs, home.path(), opener).await;
        let mut us = session.with_context(|| format!("{opener:?}: a session"))?;
        theirs.reset().await?;
        theirs.write(&us.me(), "who are you?")?;
        let heard = us.received_at_last().await;
        let heard =
            heard.with_context(|| format!("{opener:?}: it is read; told so far: {:?}", us.notices))?;
        ensure!(
            (heard.text.as_str(), heard.protection) == ("who are you?", Protection::Ratchet),
            "{heard:?}"
        );
        both_ways(&theirs, &mut us).await.with_context(|| format!("{opener:?}"))?;
        let changed = us.notices.iter().any(|notice| matches!(notice, Notice::SessionChanged { .. }));
        ensure!(changed, "{opener:?}: unseen");
        us.stop().await;
        forget_the_echo(&theirs).await?;
    }
    Ok(())
}

/// We write first, into a session that is gone; what the peer says in public shows that it is.
pub(crate) async fn their_state_is_lost_and_we_write() -> Result<()> {
    for opener in [Opener::Theirs, Opener::Ours] {
        let (theirs, home) = (Theirs::connect()?, tempdir()?);
        let mut us = in_a_session(&theirs, home.path(), opener).await?;
        let name = fresh("lost")?;
        us.client.open_chat(ChatId::Public(PublicName::new(&name)?)).await?;
        theirs.reset().await?;
        let id = us.client.send_text(ChatId::OneToOne(theirs.key), "do you know me?").await?;
        us.reaches(id, MessageState::Sent).await?;
        theirs.join(&name)?;
        theirs.say_public(&name, "where am I?")?;
        let read = us.reaches(id, MessageState::Delivered).await;
        read.with_context(|| format!("{opener:?}: read after all"))?;
        let lost = us.notices.iter().any(|notice| matches!(notice, Notice::DeviceBeganAnew { .. }));
        ensure!(lost, "{opener:?}: unseen");
        theirs.shows(&us.me().to_hex(), &["do you know me?"]).await?;
        both_ways(&theirs, &mut us).await.with_context(|| format!("{opener:?}"))?;
        us.stop().await;
        forget_the_echo(&theirs).await?;
    }
    Ok(())
}

/// The peer begins anew with nobody there. Whoever meets it after a reset gives it what it had said before, its old bundle
/// included; it keeps that as one of its own device's and may name the old prekey, whose secret it has not, to whoever
/// comes next, who cannot be read then ("session not found" in its log).
async fn forget_the_echo(theirs: &Theirs) -> Result<()> {
    theirs.reset().await
}

/// One of us in a session with the peer, in which both have spoken.
async fn in_a_session(theirs: &Theirs, home: &std::path::Path, opener: Opener) -> Result<Person> {
    let name = fresh("session")?;
    let mut us = Person::open(&new_key()?, home, theirs).await?;
    let lab = ChatId::Public(PublicName::new(&name)?);
    us.client.open_chat(lab.clone()).await?;
    theirs.join(&name)?;
    match opener {
        Opener::Ours => {
            theirs.say_public(&name, "my devices")?;
            us.received().await?;
        }
        Opener::Theirs => {
            us.client.send_text(lab, "my devices").await?;
            theirs.shows(&name, &["my devices"]).await?;
            theirs.write(&us.me(), "first")?;
            us.received().await?;
        }
    }
    us.deliver(theirs.key, "hello").await?;
    theirs.write(&us.me(), "hello yourself")?;
    let heard = us.received().await?;
    ensure!(heard.protection == Protection::Ratchet, "{heard:?}");
    Ok(us)
}

async fn both_ways(theirs: &Theirs, us: &mut Person) -> Result<()> {
    for round in 0..2 {
        us.deliver(theirs.key, &format!("on we go {round}")).await?;
        theirs.write(&us.me(), &format!("so we do {round}"))?;
        let heard = us.received_at_last().await?;
        ensure!(heard.text == format!("so we do {round}"), "{heard:?}");
        ensure!(heard.protection == Protection::Ratchet, "{heard:?}");
    }
    Ok(())
}
