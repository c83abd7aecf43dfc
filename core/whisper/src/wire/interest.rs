//! Which envelopes a node asks for: all of them, those that fit a bloom filter, or those of exact topics.

use std::fmt;
use std::sync::Arc;

use undertone_base::FaultClass;

use crate::limits::MAX_TOPIC_INTEREST;
use crate::{Bloom, Topic};

/// What envelopes must be about to be wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Interest {
    /// Anything.
    #[default]
    Everything,
    /// Whatever fits: these topics and some more.
    Bloom(Bloom),
    /// These topics and no more (Waku).
    Topics(TopicInterest),
}

impl Interest {
    /// A filter; a full one is [`Interest::Everything`].
    pub fn bloom(bloom: Bloom) -> Self {
        if bloom == Bloom::FULL { Self::Everything } else { Self::Bloom(bloom) }
    }

    /// Whether envelopes of this topic are wanted, by geth's form of its bloom (see [`Bloom::of_envelope`]).
    pub fn wants(&self, topic: Topic) -> bool {
        match self {
            Self::Everything => true,
            Self::Bloom(bloom) => bloom.wants(topic),
            Self::Topics(topics) => topics.contains(topic),
        }
    }

    /// Whether everything that `other` wants is surely wanted here too. `false` may be a guess: filters of many topics
    /// are not listed back.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Bloom(ours), Self::Bloom(theirs)) => ours.contains(theirs),
            (_, Self::Topics(theirs)) => theirs.iter().all(|topic| self.wants(topic)),
            (Self::Topics(_), Self::Bloom(theirs)) => *theirs == Bloom::EMPTY,
            (Self::Bloom(ours), Self::Everything) => *ours == Bloom::FULL,
            (Self::Topics(_), Self::Everything) => false,
        }
    }
}

/// More topics than a Waku node may announce.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("topic interest in {got} topics is over {MAX_TOPIC_INTEREST}")]
pub struct TooManyTopics {
    /// How many there were, repeated ones too.
    pub got: usize,
}

impl TooManyTopics {
    /// Whoever asked for them.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "interest.too_many_topics"
    }
}

/// At most [`MAX_TOPIC_INTEREST`] topics, each once, in order of their bytes: what was asked for first does not show.
/// Clones share them.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct TopicInterest(Arc<[Topic]>);

impl TopicInterest {
    /// From topics in any order.
    ///
    /// # Errors
    /// [`TooManyTopics`], counted before repeated ones are joined, as receivers count.
    pub fn new(topics: impl IntoIterator<Item = Topic>) -> Result<Self, TooManyTopics> {
        let mut topics = topics.into_iter();
        let mut list: Vec<Topic> = topics.by_ref().take(MAX_TOPIC_INTEREST).collect();
        let more = topics.count();
        if more > 0 {
            return Err(TooManyTopics { got: list.len().saturating_add(more) });
        }
        list.sort_unstable();
        list.dedup();
        Ok(Self(list.into()))
    }

    /// Whether this topic is among them.
    pub fn contains(&self, topic: Topic) -> bool {
        self.0.binary_search(&topic).is_ok()
    }

    /// They, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Topic> + '_ {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing at all is wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for TopicInterest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicInterest({} topics)", self.0.len())
    }
}
