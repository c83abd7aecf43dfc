//! Row B5 through sockets: handshakes that a node answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use undertone_devp2p::{Capability, Config, Enode, Event, NodeKey, Offer, Session};
use undertone_runtime::Environment;
use undertone_whisper::wire::CODES;

use crate::Other;
use crate::target::Target;

/// What the budget asks of one core.
const BUDGET: f64 = 3_000.0;

pub(crate) fn measure(seconds: u64, parallel: u8, node: Other) -> Result<()> {
    let target = Target::of(node, 50)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (address, enode, env) = (target.address()?, target.enode.clone(), Environment::system()?);
        let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let (start, cpu) = (Instant::now(), target.process.cpu()?);
        let mut lanes = JoinSet::new();
        for _ in 0..parallel {
            let (counts, enode, env) = (Arc::clone(&counts), enode.clone(), env.clone());
            lanes.spawn(async move {
                loop {
                    let [done, failed] = &*counts;
                    let outcome = shake(address, &enode, &env).await;
                    if outcome.is_ok() { done } else { failed }.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        sleep(Duration::from_secs(seconds)).await;
        let (took, used) = (start.elapsed().as_secs_f64(), (target.process.cpu()? - cpu).as_secs_f64());
        let [done, failed] =
            [0, 1].map(|which| counts.get(which).map_or(0, |count| count.load(Ordering::Relaxed)));
        let done = f64::from(u32::try_from(done)?);
        let each = done / used;
        println!("| handshakes | each second | each second of the node's CPU time | not answered |");
        println!("|---:|---:|---:|---:|");
        println!("| {done} | {:.0} | {each:.0} | {} |", done / took, failed);
        println!("budget: {BUDGET}: {}", if each >= BUDGET { "met" } else { "**not met**" });
        Ok(())
    })
}

/// Auth and ack, and then no word more.
async fn shake(address: SocketAddr, enode: &Enode, env: &Environment) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let mut rng = env.rng();
    let offer = Offer { capability: Capability::new("shh", 6), length: CODES };
    let config = Config::new(NodeKey::random(&mut rng), "handshake", vec![offer]);
    let mut session = Session::dial(config, *enode.key(), env.now(), &mut rng);
    let auth = session.poll_transmit().context("no auth")?;
    stream.write_all(&auth).await?;
    let mut buffer = Vec::new();
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            bail!("closed");
        }
        session.receive(env.now(), &std::mem::take(&mut buffer), &mut rng);
        match session.poll_event() {
            Some(Event::Authenticated(_)) => return Ok(()),
            Some(other) => bail!("{other:?}"),
            None => {}
        }
    }
}
