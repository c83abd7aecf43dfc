//! The published model (`vacp2p/research`, `whisper_scalability`), and what is measured put into its form.

/// Envelopes that a user receives in a day: a hundred messages of ten.
pub(super) const ENVELOPES_A_DAY: f64 = 1_000.0;

/// What all clients of the model fall into.
const PARTITIONS: f64 = 5_000.0;

/// Share of the day that the user of case 7 is there.
pub(super) const ONLINE: f64 = 0.1;

/// What a mail server's filter lets through of what is not asked for: "can be fixed with multiple queries".
const SERVER_FALSE_POSITIVES: f64 = 0.01;

/// One of its rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Case {
    Partitions,
    FalsePositives,
    Duplicates,
    MostlyOffline,
    Waku,
}

impl Case {
    pub(super) const ALL: [Self; 5] =
        [Self::Partitions, Self::FalsePositives, Self::Duplicates, Self::MostlyOffline, Self::Waku];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Partitions => "case4",
            Self::FalsePositives => "case5",
            Self::Duplicates => "case6",
            Self::MostlyOffline => "case7",
            Self::Waku => "case8",
        }
    }
}

/// What clients are like. A day's bytes follow from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// Bytes of an envelope.
    pub(super) envelope: f64,
    /// Share of foreign envelopes that come.
    pub(super) false_positives: f64,
    /// Bytes on links per byte of different envelopes, in Whisper mode.
    pub(super) whisper: f64,
    /// The same in Waku mode.
    pub(super) waku: f64,
    /// What relays bring a user who is mostly away, over what they bring one who never is: envelopes that it listens to.
    pub(super) relayed: f64,
    /// The same of those that it does not listen to, if none of them were its own.
    pub(super) relayed_foreign: f64,
    /// Share of all users who write at a time, so that each writes much of what it would else be sent. The model does
    /// not see that: infinity.
    pub(super) writers: f64,
    /// What an archive answers, over what the client listens to: envelopes that it listens to.
    pub(super) fetched: f64,
    /// The same, over all envelopes: those that it does not listen to.
    pub(super) fetched_foreign: f64,
}

impl Load {
    /// The numbers of the model.
    pub(super) const MODEL: Self = Self {
        envelope: 1_024.0,
        false_positives: 0.1,
        whisper: 2.0,
        waku: 1.0,
        relayed: ONLINE,
        relayed_foreign: ONLINE,
        writers: f64::INFINITY,
        fetched: 1.0 - ONLINE,
        fetched_foreign: (1.0 - ONLINE) * SERVER_FALSE_POSITIVES,
    };

    /// Bytes of a day's envelopes on the topics that one of so many users listens to.
    pub(super) fn wanted(&self, users: f64) -> f64 {
        let (own, mates) = (self.all(1.0), (users / PARTITIONS).max(1.0));
        own / 2.0 + own / 2.0 * mates
    }

    /// Bytes of all envelopes of a day.
    pub(super) fn all(&self, users: f64) -> f64 {
        self.envelope * ENVELOPES_A_DAY * users
    }

    /// Share of what is written, while a user of case 7 is there, that it does not write itself.
    pub(super) fn others(&self, users: f64) -> f64 {
        1.0 - 1.0 / (self.writers * users)
    }

    /// Bytes that one of so many users receives in a day.
    pub(super) fn bytes(&self, case: Case, users: f64) -> f64 {
        let (wanted, all) = (self.wanted(users), self.all(users));
        match case {
            Case::Partitions => wanted,
            Case::FalsePositives => wanted + self.false_positives * all,
            Case::Duplicates => self.whisper * self.bytes(Case::FalsePositives, users),
            Case::MostlyOffline => {
                self.relayed * self.whisper * wanted
                    + self.relayed_foreign * self.others(users) * self.whisper * self.false_positives * all
                    + self.fetched * wanted
                    + self.fetched_foreign * all
            }
            Case::Waku => self.waku * wanted,
        }
    }
}

/// Bytes in MiB.
pub(super) fn mib(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_gives_its_published_table() {
        // In MiB, as the table is rounded: 100, 10,000 and 1,000,000 users.
        let gib = 1_024.0;
        let table = [
            (Case::Partitions, [1.0, 1.5, 98.1]),
            (Case::FalsePositives, [10.7, 978.0, 95.5 * gib]),
            (Case::Duplicates, [21.5, 1.9 * gib, 190.9 * gib]),
            (Case::MostlyOffline, [3.9, 284.8, 27.8 * gib]),
            (Case::Waku, [1.0, 1.5, 98.1]),
        ];
        for (case, row) in table {
            for (users, published) in [100.0, 10_000.0, 1_000_000.0].into_iter().zip(row) {
                let ours = mib(Load::MODEL.bytes(case, users));
                assert!((ours / published - 1.0).abs() < 0.03, "{case:?} {users}: {ours} is not {published}");
            }
        }
        assert_eq!(Case::ALL.len(), table.len());
    }
}
