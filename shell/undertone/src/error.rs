//! Why a client does not do what it is asked.

use undertone_base::FaultClass;
use undertone_messenger::Fault;
use undertone_node::NodeError;
use undertone_store::{OpenError, WriterError};

/// Why a client does not open or do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client has stopped; nothing has changed.
    #[error("the client has stopped")]
    Gone,
    /// The messenger refused; nothing has changed.
    #[error(transparent)]
    Messenger(#[from] Fault),
    /// The node does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The messages cannot be opened.
    #[error("cannot open the messages")]
    Open(#[from] OpenError),
    /// The store does not take writes any more. Nothing has changed, unless the disk failed in the very commit: then
    /// the next start shows.
    #[error(transparent)]
    Store(#[from] WriterError),
    /// No thread could be started.
    #[error("cannot start a thread")]
    Threads(#[source] std::io::Error),
}

impl ClientError {
    /// Whose fault it is.
    pub fn fault(&self) -> FaultClass {
        match self {
            Self::Gone => FaultClass::Caller,
            Self::Messenger(error) => error.fault(),
            Self::Node(error) => error.fault(),
            Self::Open(error) => error.fault(),
            Self::Store(error) => error.fault(),
            Self::Threads(_) => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone => "client.gone",
            Self::Messenger(error) => error.code(),
            Self::Node(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Threads(_) => "client.threads",
        }
    }
}
