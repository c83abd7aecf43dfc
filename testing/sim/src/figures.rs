//! Arithmetic of the measurements.

/// The value below which this share of the sorted list lies; 0 of an empty one.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a position in a list in memory"
    )]
    let position = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(position).copied().map_or(0.0, f64::from)
}

/// The mean; 0 of an empty list.
pub(crate) fn mean(list: &[u32]) -> f64 {
    ratio(list.iter().map(|value| u64::from(*value)).sum(), list.len() as u64)
}

/// One count over another; 0 over none.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub(crate) fn ratio(of: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { of as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_short_lists() {
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[7], 0.99), 7.0);
        assert_eq!(quantile(&[1, 2, 3, 4, 5], 0.5), 3.0);
        assert_eq!((mean(&[]), mean(&[1, 2])), (0.0, 1.5));
    }
}
