//! `undertone demo`: a relay, Alice, an echo bot and Bob, each a real node with its own encrypted store, over real
//! TCP on 127.0.0.1.
//!
//! The relay, Alice and the echo bot are tasks with directories and sockets of their own; Bob is a process of his
//! own, so that he can be killed.

mod cast;
mod ledger;
pub(crate) mod person;
mod print;
mod protocol;
mod scenes;
mod talk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use crate::args::{DemoArgs, Global};
use crate::home;
use crate::interrupt::Interrupt;
use crate::output::{BAD, DIM, GOOD, Ui, interactive, paint};

/// Where the demo lives, and whether it stays.
struct Stage {
    dir: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Stage {
    fn set(global: &Global, args: &DemoArgs) -> Result<Self> {
        if let Some(dir) = &global.datadir {
            return Ok(Self { dir: dir.clone(), temporary: None });
        }
        let temporary =
            tempfile::Builder::new().prefix("undertone-demo-").tempdir().context("make a directory")?;
        let dir = temporary.path().to_owned();
        if args.keep {
            return Ok(Self { dir: temporary.keep(), temporary: None });
        }
        Ok(Self { dir, temporary: Some(temporary) })
    }

    fn path(&self) -> &Path {
        &self.dir
    }
}

pub(crate) async fn run(global: &Global, args: DemoArgs, ui: &Ui) -> Result<ExitCode> {
    let begun = Instant::now();
    let stage = Stage::set(global, &args)?;
    let _lock = home::own(stage.path())?;
    ui.line(&format!(
        "{}  a relay, Alice, Bob and an echo bot: four real nodes on 127.0.0.1, each with its own encrypted store",
        paint(crate::output::BOLD, "undertone demo")
    ));
    ui.line(&paint(DIM, format!("directory {}", stage.path().display())));

    let mut show = scenes::Show::open(stage.path(), begun, ui).await?;
    let mut interrupt = Interrupt::listen()?;
    let verdict = tokio::select! {
        verdict = show.play() => verdict,
        () = interrupt.wait() => Err(anyhow!("stopped before its end")),
    };
    let ended = match verdict {
        Ok(()) => {
            if interactive() && !args.once {
                talk::with_echo(&mut show, &mut interrupt, ui).await?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            ui.line(&format!("{} {error:#}", paint(BAD, "✗")));
            Ok(ExitCode::FAILURE)
        }
    };
    show.close().await;
    if stage.temporary.is_none() {
        ui.line(&paint(
            DIM,
            format!("kept in {}; run again with --datadir to go on", stage.path().display()),
        ));
    }
    if matches!(ended, Ok(code) if code == ExitCode::SUCCESS) {
        ui.line(&format!("{} done in {:.1} s", paint(GOOD, "✓"), begun.elapsed().as_secs_f64()));
    }
    ended
}
