//! What the privacy layer did, for those who want to watch.

use undertone_transport::SendId;

use crate::envelope::Envelope;
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
    /// One of our sends became an envelope. It may happen again for the same send, when nobody took the first.
    Sealed {
        /// Which send.
        send: SendId,
        /// It.
        envelope: Envelope,
    },
}

/// Reports that wait for whoever asked for them; above it the newest are dropped. Our choice: a burst of the
/// interop tests fits.
pub(super) const MAX_REPORTS: usize = 8_192;
