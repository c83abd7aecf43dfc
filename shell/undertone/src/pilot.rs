//! The task between the application, the store thread and the node.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use undertone_base::Unix;
use undertone_messenger::limits::MAX_SLEEP;
use undertone_messenger::{Command, Effect, Fault, Input, Messenger, Notice};
use undertone_node::{Node, NodeEvent};
use undertone_payload::MessageId;
use undertone_runtime::Environment;
use undertone_store::{Answer, Machine, SqlTx, SubmitError, Writer};
use undertone_transport::Flush;

use crate::client::ClientEvent;
use crate::dice::Dice;
use crate::error::ClientError;
use crate::limits;

/// What the application asks for, and where the answer goes: the id of a message that was composed.
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) reply: Reply,
}

type Reply = oneshot::Sender<Result<Option<MessageId>, ClientError>>;

/// The messenger on the store's thread.
pub(crate) struct Steps {
    messenger: Messenger,
    env: Environment,
}

/// What the store's thread is given.
pub(crate) enum StepInput {
    /// Once, first.
    Open,
    /// Everything after.
    Step(Box<Input>),
}

impl Steps {
    pub(crate) fn new(messenger: Messenger, env: &Environment) -> Self {
        Self { messenger, env: env.clone() }
    }
}

impl Machine for Steps {
    type Input = StepInput;
    type Output = Vec<Effect>;
    type Error = Fault;

    fn step(&mut self, tx: &mut SqlTx<'_>, input: StepInput) -> Result<Vec<Effect>, Fault> {
        let now = self.env.now();
        // A generator keeps what it has just given, and from its state all that it ever gave follows: one that lived on
        // would hold the keys that the ratchet has long wiped. The store's thread wipes its stack after each batch.
        let rng = &mut Dice::new(self.env.rng());
        match input {
            StepInput::Open => self.messenger.open(tx, now, rng),
            StepInput::Step(input) => self.messenger.step(tx, now, rng, *input),
        }
    }
}

/// Owns the order of things. No queue of its own waits for another task that could wait for it: commands to the
/// node and events to the application are kept here until there is room.
pub(crate) struct Pilot {
    writer: Writer<Steps>,
    node: Node,
    env: Environment,
    events: mpsc::Sender<ClientEvent>,
    blended: Arc<AtomicBool>,
    in_flight: VecDeque<(Answer<Steps>, Option<Reply>)>,
    to_node: VecDeque<undertone_transport::Command>,
    to_application: VecDeque<ClientEvent>,
    wake_at: Option<Unix>,
}

impl Pilot {
    pub(crate) fn new(
        writer: Writer<Steps>,
        node: Node,
        env: Environment,
        events: mpsc::Sender<ClientEvent>,
        blended: Arc<AtomicBool>,
    ) -> Self {
        Self {
            writer,
            node,
            env,
            events,
            blended,
            in_flight: VecDeque::new(),
            to_node: VecDeque::new(),
            to_application: VecDeque::new(),
            wake_at: None,
        }
    }

    /// Does what a start has to do.
    pub(crate) async fn open(mut self) -> Result<Self, ClientError> {
        let effects = self.writer.submit(StepInput::Open).await.map_err(refused)?;
        self.apply(effects);
        Ok(self)
    }

    /// Runs until `stop` or until the store fails. Order of service: shutdown, commits, what waits to go out; then
    /// requests, the timer and the network in turn, so that none of them keeps the others out.
    pub(crate) async fn run(
        mut self,
        stop: CancellationToken,
        mut requests: mpsc::Receiver<Request>,
        mut network: mpsc::Receiver<NodeEvent>,
    ) {
        loop {
            let room = self.in_flight.len() < limits::IN_FLIGHT;
            let listening = self.to_application.len() < limits::EVENTS;
            let node = self.node.sender().clone();
            let events = self.events.clone();
            let wait = self.until_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(outcome) = next_commit(&mut self.in_flight) => {
                    if !self.committed(outcome) {
                        break;
                    }
                }
                permit = node.reserve(), if !self.to_node.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(command) = self.to_node.pop_front() {
                        permit.send(command);
                    }
                }
                permit = events.reserve(), if !self.to_application.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(event) = self.to_application.pop_front() {
                            permit.send(event);
                        }
                    }
                    // Nobody listens: that is the application's choice.
                    Err(_) => self.to_application.clear(),
                },
                next = next_input(&mut requests, &mut network, wait, listening), if room => {
                    if !self.take(next) {
                        break;
                    }
                }
            }
        }
        self.close().await;
    }

    /// Hands the next input on; `false` when the store or the node has ended.
    fn take(&mut self, next: Next) -> bool {
        match next {
            Next::Request(request) => self.submit(Input::Command(request.command), Some(request.reply)),
            Next::Wake => {
                self.wake_at = None;
                self.submit(Input::Timeout, None)
            }
            Next::Network(Some(NodeEvent::Transport(event))) => self.submit(Input::Transport(event), None),
            Next::Network(Some(NodeEvent::Clock(notice))) => {
                self.to_application.push_back(ClientEvent::Clock(notice));
                true
            }
            Next::Network(Some(NodeEvent::Peers(count))) => {
                self.to_application.push_back(ClientEvent::Peers(count));
                true
            }
            Next::Network(Some(NodeEvent::Report(report))) => {
                self.to_application.push_back(ClientEvent::Report(report));
                true
            }
            Next::Network(Some(_)) => true,
            Next::Network(None) => false,
        }
    }

    /// Ends the store, and says how it went to whoever still waits: what was handed over before is written down, and
    /// leaves with the next start.
    async fn close(mut self) {
        if let Err(error) = self.writer.close().await {
            tracing::warn!(code = error.code(), "the store did not close in order");
        }
        while let Some((outcome, reply)) = next_commit(&mut self.in_flight).await {
            if let Some(reply) = reply {
                let _ = reply.send(outcome.map(|effects| composed(&effects)).map_err(refused));
            }
        }
    }

    /// Hands an input to the store's thread; `false` when that has ended.
    fn submit(&mut self, input: Input, reply: Option<Reply>) -> bool {
        match self.writer.try_submit(StepInput::Step(Box::new(input))) {
            Ok(answer) => {
                self.in_flight.push_back((answer, reply));
                true
            }
            Err(error) => {
                self.failed(error.code());
                if let Some(reply) = reply {
                    let _ = reply.send(Err(error.into()));
                }
                false
            }
        }
    }

    /// The store takes nothing any more.
    fn failed(&self, code: &'static str) {
        tracing::error!(code, "the store has failed");
        let _ = self.events.try_send(ClientEvent::Stopped(code));
    }

    /// Lets out what a committed step wanted; `false` when the store has failed for good.
    fn committed(&mut self, (outcome, reply): Committed) -> bool {
        match outcome {
            Ok(effects) => {
                let composed = composed(&effects);
                self.apply(effects);
                if let Some(reply) = reply {
                    let _ = reply.send(Ok(composed));
                }
                true
            }
            Err(error) => {
                let fatal = matches!(error, SubmitError::Writer(_));
                let error = refused(error);
                if fatal {
                    self.failed(error.code());
                } else {
                    tracing::debug!(code = error.code(), "a step was refused");
                    // It may have been the one that the timer was for, and nothing else would set it again.
                    self.wake_at.get_or_insert(self.env.now().unix.after(MAX_SLEEP));
                }
                if let Some(reply) = reply {
                    let _ = reply.send(Err(error));
                }
                !fatal
            }
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Notify(notice) => self.to_application.push_back(ClientEvent::Notice(notice)),
                Effect::Transport(undertone_transport::Command::Send(mut send)) => {
                    let blended = self.blended.load(Ordering::Relaxed);
                    send.flush = if blended { Flush::Blended } else { Flush::Fast };
                    self.to_node.push_back(undertone_transport::Command::Send(send));
                }
                Effect::Transport(command) => self.to_node.push_back(command),
                Effect::WakeAt(at) => self.wake_at = Some(at),
                _ => {}
            }
        }
    }

    fn until_wake(&self) -> impl Future<Output = ()> + 'static {
        let now = self.env.now().unix;
        let wait =
            self.wake_at.map(|at| std::time::Duration::from_millis(at.millis().saturating_sub(now.millis())));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// What there is to do next.
enum Next {
    Request(Request),
    Wake,
    /// `None`: the node has ended.
    Network(Option<NodeEvent>),
}

/// Whichever is there; of several, any. Dropping it loses nothing.
async fn next_input(
    requests: &mut mpsc::Receiver<Request>,
    network: &mut mpsc::Receiver<NodeEvent>,
    wait: impl Future<Output = ()>,
    listening: bool,
) -> Next {
    tokio::select! {
        Some(request) = requests.recv() => Next::Request(request),
        () = wait => Next::Wake,
        event = network.recv(), if listening => Next::Network(event),
    }
}

type Committed = (Result<Vec<Effect>, SubmitError<Fault>>, Option<Reply>);

/// The outcome of the oldest input under way; `None` at once when there is none. Dropping it loses nothing: the
/// input stays at the front.
async fn next_commit(in_flight: &mut VecDeque<(Answer<Steps>, Option<Reply>)>) -> Option<Committed> {
    let (answer, _) = in_flight.front_mut()?;
    let outcome = answer.await;
    let (_, reply) = in_flight.pop_front()?;
    Some((outcome, reply))
}

/// The id of the message that a step made, if it made one.
fn composed(effects: &[Effect]) -> Option<MessageId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify(Notice::Message(message)) => Some(message.id),
        _ => None,
    })
}

fn refused(error: SubmitError<Fault>) -> ClientError {
    match error {
        SubmitError::Machine(fault) => fault.into(),
        SubmitError::Writer(error) => error.into(),
    }
}
