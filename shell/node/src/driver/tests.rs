//! What cannot be seen from outside: lost jobs, and time under load.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use undertone_base::{Now, Secret, Unix};
use undertone_crypto::{KeyId, MemoryKeyring, SecretKey};
use undertone_devp2p::NodeKey;
use undertone_net::NetConfig;
use undertone_runtime::{Clock, ManualClock, Tasks};
use undertone_support::rng;
use undertone_transport::{Flush, Listen, OpenWith, PublicName, Route, Send, SendId};
use undertone_whisper::wire::Status;
use undertone_whisper::{Bloom, Protocol, TransportConfig};

use super::*;

fn route() -> Route {
    Route::Public(PublicName::new("lab").unwrap())
}

fn whisper() -> (WhisperTransport, KeyId) {
    let mut keyring = MemoryKeyring::new();
    let me = keyring.insert(SecretKey::random(&mut rng(1)));
    (WhisperTransport::new(TransportConfig::default(), Arc::new(keyring), &Secret::new([7; 32])), me)
}

#[test]
fn a_job_that_panics_or_never_runs_is_reported() {
    let (mut whisper, _) = whisper();
    let listen = Listen { route: route(), open_with: OpenWith::ByRoute };
    whisper.command(Now::default(), Command::Listen(listen)).unwrap();
    let job = whisper.poll_job().unwrap();
    let (results, mut told) = mpsc::channel(2);
    let id = job.id();
    let report = || Report { job: id, results: results.clone(), told: false };
    let pool = Pool::per_core(1).unwrap();

    let panics = report();
    let work = move || {
        let _report = panics;
        panic!("on purpose");
    };
    pool.submit(work).unwrap();
    assert_eq!(told.blocking_recv().unwrap().unwrap_err(), id);

    pool.close();
    let refused = report();
    assert!(pool.submit(move || drop(refused)).is_err());
    assert_eq!(told.try_recv().unwrap().unwrap_err(), id);

    let stopped = CancellationToken::new();
    run(job, report(), &stopped);
    assert!(told.try_recv().unwrap().is_ok());
    assert!(told.try_recv().is_err(), "one word for each");
}

/// Whoever keeps the channels full does not stop the clock: an envelope still expires.
#[tokio::test]
async fn timers_fire_while_the_channels_are_full() {
    let hand = ManualClock::new(Now { unix: Unix::from_secs(1_600_000_000), ..Now::default() });
    let env = Environment::fixed(1, Clock::manual(hand.clone()), std::collections::BTreeMap::new());
    let (mut whisper, me) = whisper();
    // A peer that wants nothing, so that the envelope stays here until it is over.
    let (peer, status) = (PeerId(1), Status { bloom: Some(Bloom::EMPTY), ..Status::default() });
    whisper.handle(env.now(), Input::Connected(undertone_whisper::Link::whisper(peer))).unwrap();
    let (code, body) = (PacketCode::STATUS, status.encode());
    whisper
        .handle(env.now(), Input::Packet { peer, protocol: Protocol::Whisper, code, body: &body })
        .unwrap();
    let send = Send {
        id: SendId(1),
        route: route(),
        to: None,
        sign_as: me,
        payload: b"x".to_vec(),
        ephemeral: false,
        flush: Flush::Fast,
    };
    whisper.command(env.now(), Command::Send(send)).unwrap();
    while let Some(job) = whisper.poll_job() {
        whisper.job_done(env.now(), job.run());
    }

    let tasks = Tasks::new(Handle::current());
    let net = NetConfig::new(NodeKey::random(&mut rng(2)), "test", Vec::new());
    let (net, network) = Net::start(net, &env, &tasks).await.unwrap();
    let (commands, inbox) = mpsc::channel(limits::COMMANDS);
    let (events, mut outbox) = mpsc::channel(limits::EVENTS);
    let pool = Pool::per_core(limits::JOBS).unwrap();
    let driver = Driver::new(whisper, net, pool, env, Skew::default(), events, tasks.token());
    let (_orders, told) = mpsc::channel(1);
    tasks.spawn("node", driver.run(inbox, told, network));

    hand.advance(Duration::from_secs(20));
    let nothing = Listen { route: route(), open_with: OpenWith::ByRoute };
    for _ in 0..20 * limits::COMMANDS {
        commands.send(Command::Unlisten(nothing.clone())).await.unwrap();
    }
    let mut failed = false;
    while let Ok(event) = outbox.try_recv() {
        let expired = Progress::Failed(Failure::Expired);
        failed |=
            matches!(event, NodeEvent::Transport(Event::Progress { progress, .. }) if progress == expired);
    }
    assert!(failed, "the envelope was over long before the last command");
    let _ = tasks.shutdown(Duration::from_secs(5)).await;
}
