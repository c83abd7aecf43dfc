//! Why a question has no answer.

use undertone_base::FaultClass;

use crate::limits::MAX_ANSWER;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerFault {
    /// Twelve bytes that are not zero before an address.
    #[error("not an address")]
    Address,
    /// No hexadecimal data.
    #[error("not hexadecimal data")]
    Hex,
    /// The answer to another question.
    #[error("the answer to another question")]
    Id,
    /// No JSON-RPC answer.
    #[error("not a JSON-RPC answer")]
    Json,
    /// Data of another length than the question has.
    #[error("data of another length")]
    Length,
}

impl AnswerFault {
    /// The environment: whoever runs the endpoint.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address => "ens.answer_address",
            Self::Hex => "ens.answer_hex",
            Self::Id => "ens.answer_id",
            Self::Json => "ens.answer_json",
            Self::Length => "ens.answer_length",
        }
    }
}

/// Why the endpoint was not reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// No connection, or it broke.
    #[error("no connection")]
    Connection,
    /// The name of the host has no address.
    #[error("no such host")]
    Host,
    /// What speaks there does not speak HTTP.
    #[error("no HTTP is spoken there")]
    Protocol,
    /// No TLS, or a certificate that nobody vouches for.
    #[error("no TLS connection with a trusted certificate")]
    Tls,
}

impl Unreachable {
    /// The environment: the endpoint or the way there.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connection => "ens.unreachable_connection",
            Self::Host => "ens.unreachable_host",
            Self::Protocol => "ens.unreachable_protocol",
            Self::Tls => "ens.unreachable_tls",
        }
    }
}

/// Why a question has no answer. It says nothing about the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnsError {
    /// The endpoint answers something else than was asked for.
    #[error("the endpoint's answer is wrong")]
    Answer(#[source] AnswerFault),
    /// The endpoint has not caught up with its chain: the registry is not there yet.
    #[error("the endpoint has not caught up with its chain")]
    Behind,
    /// The endpoint serves another chain: anybody may own the name there.
    #[error("the endpoint serves chain {got}, not {want}")]
    Chain {
        /// Its chain.
        got: u64,
        /// The configured one.
        want: u64,
    },
    /// An HTTP status other than 200. Redirects are not followed.
    #[error("the endpoint answers with HTTP status {0}")]
    HttpStatus(u16),
    /// The endpoint refuses, with this code. Its text is not shown.
    #[error("the endpoint refuses with code {0}")]
    Refused(i64),
    /// The runtime is shutting down.
    #[error("the question was dropped")]
    Stopped,
    /// A call took longer than the configured time.
    #[error("the endpoint does not answer in time")]
    Timeout,
    /// An answer larger than any right one.
    #[error("answer of more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// No connection to the endpoint.
    #[error("the endpoint is not reached")]
    Unreachable(#[source] Unreachable),
}

impl EnsError {
    /// The environment: the endpoint or the way there. The caller for an endpoint of another chain.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Chain { .. } => FaultClass::Caller,
            _ => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Answer(fault) => fault.code(),
            Self::Behind => "ens.behind",
            Self::Chain { .. } => "ens.chain",
            Self::HttpStatus(_) => "ens.http_status",
            Self::Refused(_) => "ens.refused",
            Self::Stopped => "ens.stopped",
            Self::Timeout => "ens.timeout",
            Self::TooLarge => "ens.too_large",
            Self::Unreachable(reason) => reason.code(),
        }
    }
}
