//! After the show: the person at the terminal chats with the echo bot, as Alice.

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::cast::Role;
use super::scenes::Show;
use crate::interrupt::Interrupt;
use crate::output::{DIM, NAME, Ui, paint, printable};

pub(super) async fn with_echo(show: &mut Show, interrupt: &mut Interrupt, ui: &Ui) -> Result<()> {
    ui.line("");
    ui.line("Your turn: you are Alice, the echo bot listens. An empty line or Ctrl-D ends.");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        anstream::eprint!("{} ", paint(NAME, "you >"));
        let line = tokio::select! {
            () = interrupt.wait() => break,
            line = lines.next_line() => line?,
        };
        let Some(text) = line.map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()) else { break };
        match show.send(Role::Alice, &show.key(Role::Echo), &text).await {
            Ok(id) => {
                let answer = show.answer(&id).await?;
                let text = show.ledger.track(&answer).map(|t| t.text.clone()).unwrap_or_default();
                ui.line(&format!("{} {}", paint(NAME, "echo >"), printable(&text)));
            }
            Err(error) => ui.line(&paint(DIM, format!("not sent: {error:#}"))),
        }
    }
    Ok(())
}
