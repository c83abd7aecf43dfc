//! The task that owns the machine and the socket.

use std::pin::Pin;

use tokio::sync::oneshot;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, NodeId};

use crate::config::{NodeView, Pinged};

/// A look-up of v5 that is under way.
pub(crate) type FindV5 = Pin<Box<dyn Future<Output = Vec<Record>> + Send>>;

/// What handles ask for.
#[expect(dead_code, reason = "taken by the task")]
pub(crate) enum Command {
    FindV5 { id: NodeId, reply: oneshot::Sender<Option<FindV5>> },
    Lookup { target: [u8; 64], reply: oneshot::Sender<Option<Vec<Enode>>> },
    Nodes { reply: oneshot::Sender<Option<Vec<NodeView>>> },
    Offer(Vec<Enode>),
    Ping { enode: Enode, reply: oneshot::Sender<Option<Pinged>> },
    Record { enode: Enode, reply: oneshot::Sender<Option<Record>> },
}
