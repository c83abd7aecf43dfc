//! Offsets of other clocks.

use std::collections::VecDeque;

use crate::config::ClockSample;
use crate::limits::MAX_CLOCK_SAMPLES;

/// The youngest sample of each prefix; above [`MAX_CLOCK_SAMPLES`] the oldest goes.
#[derive(Debug, Default)]
pub(crate) struct Clocks(VecDeque<ClockSample>);

impl Clocks {
    pub(crate) fn add(&mut self, sample: ClockSample) {
        self.0.retain(|other| other.prefix != sample.prefix);
        if self.0.len() >= MAX_CLOCK_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    pub(crate) fn samples(&self) -> Vec<ClockSample> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use undertone_base::Unix;
    use undertone_devp2p::discv4::Network;

    use super::*;

    #[test]
    fn one_sample_of_a_prefix_and_few_prefixes() {
        let mut clocks = Clocks::default();
        for n in 0..=255_u8 {
            for host in [1, 2] {
                let prefix = Network::neighborhood(IpAddr::from([9, 9, n, host]));
                clocks.add(ClockSample {
                    prefix,
                    offset_ms: i64::from(n),
                    at: Unix::from_secs(u64::from(n)),
                });
            }
        }
        let samples = clocks.samples();
        assert_eq!(samples.len(), MAX_CLOCK_SAMPLES);
        assert_eq!(samples.last().map(|sample| sample.offset_ms), Some(255));
        assert!(samples.windows(2).all(|pair| pair[0].offset_ms < pair[1].offset_ms));
    }
}
