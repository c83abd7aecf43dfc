//! The figures of a run, beside those of the model.

use super::model::{Case, Load, ONLINE, mib};
use super::plan::UsagePlan;
use super::tally::Sums;
use crate::figures::ratio;
use crate::report::{Report, Slack};

const SOME: Slack = Slack::Relative(0.1);
const NONE: Slack = Slack::Absolute(0.0);
const DELIVERY: Slack = Slack::Absolute(0.005);

/// The runs of a scenario, over the same town.
pub(super) struct Runs {
    pub(super) users: u32,
    /// Days in which as much happens as in the window.
    pub(super) day: f64,
    pub(super) whisper: Sums,
    pub(super) waku: Sums,
    /// Mostly away, asking with several filters.
    pub(super) away: Sums,
    /// The same with one filter.
    pub(super) unsplit: Sums,
}

impl Runs {
    pub(super) fn put(&self, plan: &UsagePlan, report: &mut Report) {
        report.put("users", f64::from(self.users), NONE);
        report.put("envelopes", ratio(self.whisper.sent, 1), NONE);
        report.put("topics", f64::from(plan.topics), NONE);
        report.put("envelope_bytes", ratio(self.whisper.envelope_bytes, self.whisper.sent), SOME);
        self.put_modes(plan, report);
        self.put_away(plan, report);
        let load = self.load();
        report.put("false_positives", load.false_positives, Slack::Absolute(0.01));
        report.put("factor_day", self.day, NONE);
        self.put_cases(&load, report);
    }

    fn put_modes(&self, plan: &UsagePlan, report: &mut Report) {
        for (name, sums) in [("whisper", &self.whisper), ("waku", &self.waku)] {
            let copies = sums.copies();
            let relay = self.a_day(sums.relay_bytes) * f64::from(self.users) / f64::from(plan.relays);
            report.put(format!("delivery_{name}"), ratio(sums.opened, sums.sent), DELIVERY);
            report.put(format!("copies_{name}"), copies, SOME);
            report.put(format!("overhead_{name}"), sums.per_byte() / copies, SOME);
            report.put(format!("sent_mib_{name}"), self.a_day(sums.sent_bytes), SOME);
            report.put(format!("relay_mib_{name}"), relay, SOME);
            report.put(format!("pool_kib_{name}"), ratio(sums.pool as u64, 1_024), SOME);
        }
    }

    fn put_away(&self, plan: &UsagePlan, report: &mut Report) {
        let Sums { away, opened, sent, bytes, .. } = self.away;
        report.put("delivery_away", ratio(opened, sent), DELIVERY);
        report.put("missed_away", ratio(away.missed, sent), Slack::Absolute(0.02));
        report.put("recovered_away", ratio(away.recovered, away.missed), DELIVERY);
        report.put("twice_away", ratio(away.twice, 1), NONE);
        report.put("repeated_away", ratio(away.repeated, sent), Slack::Absolute(0.02));
        report.put("visits_away", f64::from(plan.away.visits) * self.day, NONE);
        report.put("queries_away", f64::from(plan.away.queries), NONE);
        report.put("relayed_mib_away", self.a_day(bytes - away.bytes), SOME);
        report.put("fetched_mib_away", self.a_day(away.bytes), SOME);
        report.put("false_positives_away", self.fetched_foreign(&self.away), Slack::Absolute(0.003));
        report.put("archive_kib", ratio(away.kept_bytes, 1_024), SOME);
        report.put("fetched_mib_unsplit", self.a_day(self.unsplit.away.bytes), SOME);
        report.put("false_positives_unsplit", self.fetched_foreign(&self.unsplit), Slack::Absolute(0.02));
    }

    fn put_cases(&self, load: &Load, report: &mut Report) {
        let users = f64::from(self.users);
        for case in Case::ALL {
            let here = match case {
                Case::Partitions => self.a_day(self.whisper.wanted),
                Case::FalsePositives => self.a_day(self.whisper.wanted + self.whisper.foreign_bytes),
                Case::Duplicates => self.a_day(self.whisper.bytes),
                Case::MostlyOffline => self.a_day(self.away.bytes),
                Case::Waku => self.a_day(self.waku.bytes),
            };
            let model = mib(Load::MODEL.bytes(case, users));
            report.put(format!("{}_mib", case.name()), here, SOME);
            report.put(format!("{}_model", case.name()), model, NONE);
            report.put(format!("{}_ratio", case.name()), here / model, SOME);
        }
        for (name, many) in [("100", 100.0), ("10k", 10_000.0), ("1m", 1_000_000.0)] {
            report.put(format!("factor_{name}"), many / users, NONE);
            for case in Case::ALL {
                report.put(format!("{}_mib_{name}", case.name()), mib(load.bytes(case, many)), SOME);
                report.put(format!("{}_model_{name}", case.name()), mib(Load::MODEL.bytes(case, many)), NONE);
            }
        }
    }

    /// What is measured, in the form of the model.
    fn load(&self) -> Load {
        let whisper = Load {
            envelope: ratio(self.whisper.envelope_bytes, self.whisper.sent),
            false_positives: ratio(self.whisper.foreign, self.pairs(&self.whisper)),
            whisper: self.whisper.per_byte(),
            waku: self.waku.per_byte(),
            ..Load::MODEL
        };
        let users = f64::from(self.users);
        let whisper = Load { writers: ONLINE, ..whisper };
        let (wanted, all) = (mib(whisper.wanted(users)), mib(whisper.all(users)));
        let foreign = whisper.others(users) * whisper.false_positives * all;
        // What is no envelope goes to both kinds by their bytes.
        let part = |of: u64, kind: u64, other: u64| self.a_day(of) * ratio(kind, kind + other);
        let Sums { away, wanted: live, foreign_bytes: live_foreign, bytes, .. } = self.away;
        let relayed = bytes - away.bytes;
        Load {
            relayed: share(part(relayed, live, live_foreign), whisper.whisper * wanted),
            relayed_foreign: share(part(relayed, live_foreign, live), whisper.whisper * foreign),
            fetched: share(part(away.bytes, away.wanted, away.foreign_bytes), wanted),
            fetched_foreign: share(part(away.bytes, away.foreign_bytes, away.wanted), all),
            ..whisper
        }
    }

    /// Of each envelope all users but its author, its reader and the reader's mates may be bothered.
    fn pairs(&self, sums: &Sums) -> u64 {
        sums.sent * u64::from(self.users.saturating_sub(2))
    }

    /// Of the envelopes of the time in which a client was away, the share that it was given and does not listen to.
    fn fetched_foreign(&self, sums: &Sums) -> f64 {
        ratio(sums.away.foreign, self.pairs(sums)) / (1.0 - ONLINE)
    }

    /// MiB of a user in a day, of the bytes of all users in the window.
    fn a_day(&self, bytes: u64) -> f64 {
        mib(ratio(bytes, 1) * self.day / f64::from(self.users))
    }
}

/// One amount over another; 0 over none.
fn share(of: f64, all: f64) -> f64 {
    if all == 0.0 { 0.0 } else { of / all }
}
