//! Why there is no node.

use undertone_base::FaultClass;
use undertone_discovery::DiscoveryError;
use undertone_net::NetError;

/// Why a node does not start or does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The node has stopped.
    #[error("the node has stopped")]
    Gone,
    /// No thread could be started.
    #[error("cannot start the worker threads")]
    Threads(#[source] std::io::Error),
    /// The network could not be set up.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Discovery could not be set up.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// It offers no protocol.
    #[error("a node speaks Whisper, a version of Waku, or both")]
    Mute,
    /// The minimum proof of work is no positive finite number.
    #[error("the minimum proof of work must be a finite number from 0")]
    MinPow,
    /// The node's key file cannot be read or written.
    #[error(transparent)]
    File(#[from] undertone_runtime::FileError),
    /// The node's key file holds no key.
    #[error("{} holds no node key: 64 hexadecimal digits", .0.display())]
    NodeKey(std::path::PathBuf),
}

impl NodeError {
    /// Whose fault it is.
    pub fn fault(&self) -> FaultClass {
        match self {
            Self::Gone | Self::MinPow | Self::Mute | Self::NodeKey(_) => FaultClass::Caller,
            Self::Threads(_) => FaultClass::Environment,
            Self::Discovery(error) => error.fault(),
            Self::Net(error) => error.fault(),
            Self::File(error) => error.fault(),
        }
    }

    /// Stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone => "node.gone",
            Self::MinPow => "node.min_pow",
            Self::Mute => "node.mute",
            Self::NodeKey(_) => "node.key_file",
            Self::Threads(_) => "node.threads",
            Self::Discovery(error) => error.code(),
            Self::Net(error) => error.code(),
            Self::File(error) => error.code(),
        }
    }
}
