//! How many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process needs beside the links of its peers: databases, listeners, logs, handshakes under way. Our
/// choice: 50 pending handshakes and 16 dials (`devp2p.md` 7.1), and as much again.
pub const RESERVED_FILES: u64 = 128;

/// The limits of open files and sockets of this process. `None`: there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileLimit {
    /// The one that holds now.
    pub soft: Option<u64>,
    /// As far as the process may raise it itself.
    pub hard: Option<u64>,
}

impl FileLimit {
    /// As it is.
    pub fn current() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        Self { soft: current, hard: maximum }
    }

    /// Raises the soft limit to the hard one, which every process may do. Where the system refuses, it stays as it
    /// was. Gives the limits that hold then.
    pub fn raise() -> Self {
        let limit = Self::current();
        if limit.soft != limit.hard
            && let Err(error) =
                setrlimit(Resource::Nofile, Rlimit { current: limit.hard, maximum: limit.hard })
        {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
        Self::current()
    }

    /// How many peers the soft limit leaves room for, each with one socket, after [`RESERVED_FILES`].
    pub fn peers(&self) -> usize {
        self.soft.map_or(usize::MAX, |soft| {
            usize::try_from(soft.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one_and_leaves_room_for_peers() {
        let before = FileLimit::current();
        let after = FileLimit::raise();
        assert_eq!(after.hard, before.hard);
        assert!(after.soft.is_none_or(|soft| before.soft.is_some_and(|was| soft >= was)));
        let limit = |soft| FileLimit { soft, hard: None };
        assert_eq!(limit(Some(1_024)).peers(), 896);
        assert_eq!(limit(Some(64)).peers(), 0);
        assert_eq!(limit(None).peers(), usize::MAX);
    }
}
