//! What the privacy layer did, for those who want to watch.

use undertone_transport::SendId;

use crate::ClockFault;
use crate::confirm::BatchHash;
use crate::envelope::{Envelope, EnvelopeHash};
use crate::peer::PeerId;

/// Something that this node did. Made only when
/// [`TransportConfig::report`](super::TransportConfig::report) asks for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// An envelope of somebody else is new in this node's pool.
    Carried {
        /// It.
        envelope: Envelope,
        /// Who brought it first.
        from: PeerId,
    },
    /// An envelope came in a packet of a peer, whether it was taken or not; only with
    /// [`Watch::Traffic`](crate::Watch::Traffic).
    Arrived {
        /// Which.
        hash: EnvelopeHash,
        /// Whose packet it was.
        from: PeerId,
    },
    /// An envelope of somebody else left the pool; only with [`Watch::Traffic`](crate::Watch::Traffic).
    Expired(EnvelopeHash),
    /// A peer that confirms took an envelope of ours.
    Confirmed {
        /// Which, as [`Report::Sealed`] named it.
        hash: EnvelopeHash,
        /// Who.
        peer: PeerId,
        /// The packet in which it left.
        batch: BatchHash,
    },
    /// An envelope was opened with one of our keys, and what was in it is delivered.
    Opened(EnvelopeHash),
    /// A peer did not take the envelope of one of our sends. Others may.
    Refused {
        /// Which send.
        send: SendId,
        /// Who.
        peer: PeerId,
        /// What it said of our clock.
        clock: Option<ClockFault>,
    },
    /// A peer that was not sent an envelope of ours has it: somebody took it and passed it on.
    Returned {
        /// Which, as [`Report::Sealed`] named it.
        hash: EnvelopeHash,
        /// Who brought it.
        peer: PeerId,
    },
    /// The link of a peer that does not confirm took an envelope of ours.
    Sent {
        /// Which, as [`Report::Sealed`] named it.
        hash: EnvelopeHash,
        /// Whose link.
        peer: PeerId,
    },
    /// One of our sends became an envelope. It may happen again for the same send, when nobody took the first.
    Sealed {
        /// Which send.
        send: SendId,
        /// It.
        envelope: Envelope,
    },
}

/// Reports that wait for whoever asked for them; above it the newest are dropped and counted. Our choice: a burst of the
/// interop tests fits.
pub(super) const MAX_REPORTS: usize = 8_192;
