//! Reports, and what they are compared with.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};

use crate::engine::Log;
use crate::scenario::{Scenario, folder};

/// How far a figure may be from its baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slack {
    /// By so much.
    Absolute(f64),
    /// By this share of the baseline.
    Relative(f64),
}

impl Slack {
    fn allows(self, baseline: f64, value: f64) -> bool {
        let limit = match self {
            Self::Absolute(limit) => limit,
            Self::Relative(share) => baseline.abs() * share,
        };
        (value - baseline).abs() <= limit
    }
}

/// A number that a run came out with.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name, with the unit at the end where it has one.
    pub name: String,
    /// Rounded to three decimals, as it is stored.
    pub value: f64,
    /// How far from the baseline it may be.
    pub slack: Slack,
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of which scenario.
    pub scenario: String,
    /// The figures, in a fixed order.
    pub figures: Vec<Figure>,
    /// The digest of the run.
    pub log: Log,
}

impl Report {
    /// Without figures.
    pub const fn new(scenario: String, log: Log) -> Self {
        Self { scenario, figures: Vec::new(), log }
    }

    /// Adds a figure.
    pub fn put(&mut self, name: impl Into<String>, value: f64, slack: Slack) {
        let value = (value * 1_000.0).round() / 1_000.0;
        self.figures.push(Figure { name: name.into(), value, slack });
    }

    /// A figure by its name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// The stored form. The digest is no part of it: it changes with every byte that a machine sends differently.
    pub fn to_toml(&self) -> String {
        let mut text =
            format!("# Written by `cargo xtask sim --bless {}`; compared with tolerance.\n", self.scenario);
        for figure in &self.figures {
            let _infallible = writeln!(text, "{} = {:.3}", figure.name, figure.value);
        }
        text
    }

    /// What is wrong with this report by the bounds of its scenario and by its baseline. Empty when all is well.
    ///
    /// # Errors
    /// When there is no baseline or it is not TOML.
    pub fn faults(&self, scenario: &Scenario) -> Result<Vec<String>> {
        let mut faults = self.out_of_bounds(scenario);
        faults.extend(self.compare(&self.baseline()?)?);
        Ok(faults)
    }

    /// The bounds of the scenario that do not hold.
    pub fn out_of_bounds(&self, scenario: &Scenario) -> Vec<String> {
        let broken = |(name, [least, most]): (&String, &[f64; 2])| match self.value(name) {
            None => Some(format!("no figure {name}, which the scenario bounds")),
            Some(value) if (*least..=*most).contains(&value) => None,
            Some(value) => Some(format!("{name} is {value}, outside {least}..={most}")),
        };
        scenario.expect.iter().filter_map(broken).collect()
    }

    /// The figures that are not what the baseline says.
    fn compare(&self, baseline: &str) -> Result<Vec<String>> {
        let baseline: toml::Table = baseline.parse()?;
        let mut faults = Vec::new();
        for figure in &self.figures {
            match baseline.get(&figure.name).and_then(toml::Value::as_float) {
                None => faults.push(format!("{} is not in the baseline", figure.name)),
                Some(stored) if figure.slack.allows(stored, figure.value) => {}
                Some(stored) => faults.push(format!(
                    "{} is {}, the baseline says {stored} ({:?})",
                    figure.name, figure.value, figure.slack
                )),
            }
        }
        for name in baseline.keys().filter(|name| self.value(name).is_none()) {
            faults.push(format!("{name} is in the baseline and not in the report"));
        }
        Ok(faults)
    }

    fn baseline(&self) -> Result<String> {
        let path = folder("baseline").join(format!("{}.toml", self.scenario));
        std::fs::read_to_string(path).with_context(|| {
            format!("{0} has no baseline: `cargo xtask sim --bless {0}` writes it", self.scenario)
        })
    }

    /// Makes this report the baseline, if it keeps the bounds of its scenario.
    ///
    /// # Errors
    /// When it does not, or the file cannot be written.
    pub fn bless(&self, scenario: &Scenario) -> Result<()> {
        let faults = self.out_of_bounds(scenario);
        if !faults.is_empty() {
            bail!("{} keeps its old baseline: {}", self.scenario, faults.join("; "));
        }
        Ok(std::fs::write(folder("baseline").join(format!("{}.toml", self.scenario)), self.to_toml())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(value: f64, slack: Slack) -> Report {
        let mut report = Report::new("test".into(), Log::new());
        report.put("delivery", value, slack);
        report
    }

    #[test]
    fn a_figure_outside_its_slack_is_a_fault() {
        let cases = [
            (1.0, Slack::Absolute(0.01), "delivery = 0.991", 0),
            (1.0, Slack::Absolute(0.01), "delivery = 0.98", 1),
            (105.0, Slack::Relative(0.1), "delivery = 100.0", 0),
            (111.0, Slack::Relative(0.1), "delivery = 100.0", 1),
            (f64::NAN, Slack::Relative(0.1), "delivery = 100.0", 1),
            (1.0, Slack::Absolute(0.1), "", 1),
            (1.0, Slack::Absolute(0.1), "delivery = 1.0\nother = 2.0", 1),
        ];
        for (value, slack, baseline, faults) in cases {
            assert_eq!(report(value, slack).compare(baseline).unwrap().len(), faults, "{value} {baseline}");
        }
        let written = report(0.123_456, Slack::Absolute(0.0));
        assert_eq!(written.compare(&written.to_toml()).unwrap(), [""; 0]);
    }
}
