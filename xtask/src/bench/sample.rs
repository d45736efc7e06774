//! Several measurements of one quantity, and the units in which quantities are told.
//!
//! To add a statistic: its method of [`Sample`].

use std::time::Duration;

/// The number of runs of most measurements.
pub(super) const RUNS: usize = 21;

/// Several measurements of the same quantity.
pub(super) struct Sample(pub(super) Vec<f64>);

impl Sample {
    pub(super) fn take(runs: usize, mut one: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<Self> {
        (0..runs).map(|_| one()).collect::<anyhow::Result<_>>().map(Self::new)
    }

    pub(super) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(super) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The 95th percentile.
    pub(super) fn percentile_95(&self) -> f64 {
        self.0[self.0.len() * 95 / 100]
    }

    pub(super) fn note(&self) -> String {
        let (least, most) = (self.0.first().unwrap_or(&0.0), self.0.last().unwrap_or(&0.0));
        format!("median of {}, {least:.1} to {most:.1}", self.0.len())
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
