//! Row B12: idle peers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use undertone_devp2p::{Admission, Capability, Config, Enode, Event, NodeKey, Offer, Session};
use undertone_runtime::{Environment, FileLimit};
use undertone_whisper::wire::{CODES, PacketCode, Status};

use crate::Other;
use crate::target::Target;

/// What a thousand idle peers may cost, by the budget.
const BUDGET_MIB: f64 = 200.0;
const BUDGET_CPU: f64 = 2.0;

/// Handshakes at a time: fewer than a node accepts of one host.
const PARALLEL: usize = 16;

/// Time for one of them to be greeted.
const CONNECT: Duration = Duration::from_secs(30);

/// Nodes allocate a little more right after their start.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn measure(count: usize, seconds: u64, node: Other) -> Result<()> {
    FileLimit::raise();
    let target = Target::of(node, count + 100)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        sleep(SETTLE).await;
        let (before, at_start) = (target.process.resident()?, target.process.cpu()?);
        let start = Instant::now();
        let peers = Peers::open(count, &target).await?;
        let (opened, opening) = (start.elapsed(), target.process.cpu()? - at_start);
        println!(
            "{count} peers in {:.1} s, {:.2} s of the node's CPU time",
            opened.as_secs_f64(),
            opening.as_secs_f64()
        );

        sleep(SETTLE).await;
        let (start, idle) = (Instant::now(), target.process.cpu()?);
        sleep(Duration::from_secs(seconds)).await;
        let used = target.process.cpu()? - idle;
        let share = used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
        let after = target.process.resident()?;
        let lost = peers.lost.load(Ordering::Relaxed);
        ensure!(lost == 0, "{lost} peers were lost");
        let mib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1_024.0;
        let each = (mib(after) - mib(before)) * 1_024.0 / f64::from(u32::try_from(count)?);
        println!("| peers | RSS before | RSS after | of each | CPU over {seconds} s |");
        println!("|---:|---:|---:|---:|---:|");
        println!(
            "| {count} | {:.1} MiB | {:.1} MiB | {each:.1} KiB | {share:.2} % |",
            mib(before),
            mib(after)
        );
        let met = mib(after) < BUDGET_MIB && share < BUDGET_CPU;
        println!("budget: {BUDGET_MIB} MiB and {BUDGET_CPU} %: {}", if met { "met" } else { "**not met**" });
        Ok(())
    })
}

/// Peers that live as long as this does.
struct Peers {
    lost: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Peers {
    async fn open(count: usize, target: &Target) -> Result<Self> {
        let env = Environment::system()?;
        let (address, enode) = (target.address()?, target.enode.clone());
        let lost = Arc::new(AtomicUsize::new(0));
        let places = Arc::new(Semaphore::new(PARALLEL));
        let mut tasks = JoinSet::new();
        let (said, mut greeted) = mpsc::channel(count);
        for _ in 0..count {
            let (lost, said, places) = (Arc::clone(&lost), said.clone(), Arc::clone(&places));
            let (env, enode) = (env.clone(), enode.clone());
            tasks.spawn(async move {
                let Ok(place) = places.acquire_owned().await else { return };
                let link = timeout(CONNECT, Link::open(address, &enode, env)).await;
                drop(place);
                let ended = match link.context("no link in time") {
                    Ok(Ok(link)) => {
                        let _ = said.try_send(());
                        link.idle().await
                    }
                    Ok(Err(error)) | Err(error) => Err(error),
                };
                lost.fetch_add(1, Ordering::Relaxed);
                if let Err(error) = ended {
                    eprintln!("a peer was lost: {error:#}");
                }
            });
        }
        drop(said);
        for _ in 0..count {
            greeted.recv().await.context("not all peers were let in")?;
            ensure!(lost.load(Ordering::Relaxed) == 0, "a peer was not let in");
        }
        Ok(Self { lost, _tasks: tasks })
    }
}

/// A peer that greets, says its Status, and then only keeps the link alive.
struct Link {
    stream: TcpStream,
    session: Session,
    env: Environment,
    buffer: Vec<u8>,
}

impl Link {
    async fn open(address: SocketAddr, enode: &Enode, env: Environment) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let offer = Offer { capability: Capability::new("shh", 6), length: CODES };
        let mut rng = env.rng();
        let config = Config::new(NodeKey::random(&mut rng), "idle", vec![offer]);
        let session = Session::dial(config, *enode.key(), env.now(), &mut rng);
        let mut link = Self { stream, session, env, buffer: Vec::new() };
        loop {
            if let Some(Event::Message { code, .. }) = link.step().await?
                && code == PacketCode::STATUS.0
            {
                return Ok(link);
            }
        }
    }

    async fn idle(mut self) -> Result<()> {
        loop {
            self.step().await?;
        }
    }

    /// Waits for bytes or a timer; the message that came.
    async fn step(&mut self) -> Result<Option<Event>> {
        while let Some(event) = self.session.poll_event() {
            let now = self.env.now();
            match event {
                Event::Authenticated(_) => self.session.admit(now, Admission::Admit, &mut self.env.rng()),
                Event::Established { .. } => {
                    self.session.send(now, 0, PacketCode::STATUS.0, &Status::default().encode())?;
                }
                event @ Event::Message { .. } => return Ok(Some(event)),
                Event::Closed(why) => bail!("closed: {why:?}"),
            }
        }
        if let Some(bytes) = self.session.poll_transmit() {
            self.stream.write_all(&bytes).await?;
        }
        let wait = self.session.poll_timeout().map(|at| at.since(self.env.now().mono));
        tokio::select! {
            read = self.stream.read_buf(&mut self.buffer) => ensure!(read? > 0, "closed without a word"),
            () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
        let now = self.env.now();
        let bytes = std::mem::take(&mut self.buffer);
        self.session.receive(now, &bytes, &mut self.env.rng());
        self.session.handle_timeout(now);
        Ok(None)
    }
}
