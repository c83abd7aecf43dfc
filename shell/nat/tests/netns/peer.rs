//! A peer: listens over TCP and UDP, tells whoever comes who it is and where they come from, and has its port mapped.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone_nat::{Nat, NatConfig, NatStatus, Port, Protocol};
use undertone_runtime::{Environment, Tasks};

use crate::lab::{LONG, Program, within};

/// The first argument of the program that is one.
pub(crate) const WORD: &str = "peer";

/// How long nobody answers before nobody is there: a NAT that drops takes it all, and an answer some milliseconds.
const NOBODY: Duration = Duration::from_secs(1);

/// A peer in its namespace, seen from the test.
pub(crate) struct Peer(Program);

/// How its mappings are kept.
#[derive(Clone, Copy)]
pub(crate) struct Keeping {
    pub(crate) mode: &'static str,
    pub(crate) lease: Duration,
    pub(crate) renew: Duration,
}

impl Keeping {
    /// Twenty and fifteen minutes.
    pub(crate) const fn by(mode: &'static str) -> Self {
        Self { mode, lease: undertone_nat::limits::LEASE, renew: undertone_nat::limits::RENEW }
    }
}

impl Peer {
    pub(crate) fn start(name: &'static str, keeping: Keeping) -> Self {
        let mut command: Command = within(name, std::env::current_exe().unwrap().to_str().unwrap());
        let millis = |time: Duration| time.as_millis().to_string();
        command.args([WORD, name, keeping.mode, &millis(keeping.lease), &millis(keeping.renew)]);
        let peer = Self(Program::start(name, command));
        peer.0.wait_for(0, "listening");
        peer
    }

    /// What it knows of its router, once both ports are mapped.
    pub(crate) fn until_mapped(&self) -> BTreeMap<String, String> {
        self.until(|status| status["tcp"] != "-" && status["udp"] != "-")
    }

    /// Its latest status, once it is as wanted.
    pub(crate) fn until(
        &self,
        wanted: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> BTreeMap<String, String> {
        let latest =
            || self.0.lines().iter().rev().find(|line| line.starts_with("status ")).map(|line| fields(line));
        let found = undertone_support::until(LONG, || latest().is_some_and(|status| wanted(&status)));
        assert!(found, "{}", self.0.trouble());
        latest().unwrap()
    }

    /// Connects to an address: who answers, and as whom it sees us.
    pub(crate) fn reach(&mut self, protocol: &str, address: &str) -> (String, SocketAddr) {
        let answer = self.try_to_reach(protocol, address, LONG);
        answer.unwrap_or_else(|| panic!("{protocol} {address} not reached: {}", self.0.trouble()))
    }

    /// Whether nobody answers there.
    pub(crate) fn cannot_reach(&mut self, protocol: &str, address: &str) -> bool {
        self.try_to_reach(protocol, address, NOBODY).is_none()
    }

    fn try_to_reach(
        &mut self,
        protocol: &str,
        address: &str,
        time: Duration,
    ) -> Option<(String, SocketAddr)> {
        let from = self.0.lines().len();
        self.0.say(&format!("{protocol} {address} {}", time.as_millis()));
        let line = self.0.wait_for(from, &format!("{protocol} "));
        let mut words = line.split(' ').skip(1);
        match (words.next().unwrap(), words.next()) {
            ("failed", _) => None,
            (name, seen) => Some((name.to_owned(), seen.unwrap().parse().unwrap())),
        }
    }

    /// A clean end.
    pub(crate) fn stop(mut self) {
        self.0.say("stop");
        self.0.ended();
    }

    /// As a power cut.
    pub(crate) fn kill(self) {
        self.0.kill();
    }
}

fn fields(line: &str) -> BTreeMap<String, String> {
    line.split(' ')
        .filter_map(|word| word.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// The program: `peer NAME MODE LEASE RENEW`, with times in milliseconds; commands come on stdin, its end is a stop.
pub(crate) fn run(words: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(words));
}

async fn serve(words: &[String]) {
    let [_, name, mode, lease, renew] = words else { panic!("peer NAME MODE LEASE RENEW") };
    let millis = |text: &String| Duration::from_millis(text.parse().unwrap());
    let env = Environment::system().unwrap();
    let tasks = Tasks::new(Handle::current());
    listen(name, &tasks).await;
    let port = |protocol, name| Port { protocol, internal: 30_303, name };
    let ports = vec![port(Protocol::Tcp, "undertone p2p"), port(Protocol::Udp, "undertone discovery")];
    let mut config = NatConfig::new(mode.parse().unwrap(), ports);
    config.times.lease = millis(lease);
    config.times.renew = millis(renew);
    config.times.renew_min = Duration::from_millis(100);
    config.times.check = Duration::from_millis(500);
    config.times.retry = Duration::from_millis(500);
    let nat = Nat::with(config, &env, &tasks);
    println!("listening");
    let (send, mut commands) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut status = nat.status();
    show(&status.borrow_and_update());
    loop {
        tokio::select! {
            _ = status.changed() => show(&status.borrow_and_update()),
            command = commands.recv() => {
                let words: Vec<&str> = command.as_deref().unwrap_or_default().split(' ').collect();
                let &[protocol, address, time] = words.as_slice() else { break };
                let time = Duration::from_millis(time.parse().unwrap());
                let answer = timeout(time, reach(protocol, address)).await.ok().flatten();
                println!("{protocol} {}", answer.as_deref().unwrap_or("failed"));
            }
        }
    }
    assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, undertone_runtime::Shutdown::default());
}

fn show(status: &NatStatus) {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let port = |protocol| {
        let found = status.mapped.iter().find(|(port, _)| port.protocol == protocol);
        text(found.map(|(_, number)| number.to_string()))
    };
    println!(
        "status method={} external={} second={} tcp={} udp={} error={}",
        text(status.method.map(|method| method.to_string())),
        text(status.external.map(|ip| ip.to_string())),
        text(status.second_nat.map(|ip| ip.to_string())),
        port(Protocol::Tcp),
        port(Protocol::Udp),
        text(status.error.map(|error| error.code().to_owned())),
    );
}

/// Answers everybody.
async fn listen(name: &str, tasks: &Tasks) {
    let tcp = TcpListener::bind("0.0.0.0:30303").await.unwrap();
    let udp = UdpSocket::bind("0.0.0.0:30303").await.unwrap();
    let (over_tcp, over_udp) = (name.to_owned(), name.to_owned());
    let (stop_tcp, stop_udp) = (tasks.token(), tasks.token());
    tasks.spawn("tcp", async move {
        while let Some(Ok((mut stream, from))) = stop_tcp.run_until_cancelled(tcp.accept()).await {
            let _ = stream.write_all(format!("{over_tcp} {from}").as_bytes()).await;
        }
    });
    tasks.spawn("udp", async move {
        let mut buffer = [0; 16];
        while let Some(Ok((_, from))) = stop_udp.run_until_cancelled(udp.recv_from(&mut buffer)).await {
            let _ = udp.send_to(format!("{over_udp} {from}").as_bytes(), from).await;
        }
    });
}

async fn reach(protocol: &str, address: &str) -> Option<String> {
    let mut text = Vec::new();
    if protocol == "tcp" {
        TcpStream::connect(address).await.ok()?.read_to_end(&mut text).await.ok()?;
    } else {
        let socket = UdpSocket::bind("0.0.0.0:0").await.ok()?;
        socket.connect(address).await.ok()?;
        socket.send(b"who?").await.ok()?;
        text.resize(100, 0);
        let length = socket.recv(&mut text).await.ok()?;
        text.truncate(length);
    }
    String::from_utf8(text).ok().filter(|text| !text.is_empty())
}
