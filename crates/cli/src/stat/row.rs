//! One line of the table: a system call's numbers, bounded and extrapolated.

use std::time::Duration;

use interceptor_abi::segment::bucket_floor;

use crate::clock::Rate;
use crate::tree_segment::CallCount;

/// What is printed of one system call.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the call.
    pub name: String,
    /// Calls begun.
    pub calls: u64,
    /// Calls that returned an error.
    pub errors: u64,
    /// Durations, if any call was timed.
    pub timing: Option<Timing>,
}

/// Durations of one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Calls timed.
    pub samples: u64,
    /// Mean × calls.
    pub total: Duration,
    /// Of the calls timed.
    pub mean: Duration,
    /// Half of them took at most this.
    pub median: Duration,
    /// 99 in 100 took at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Row {
    /// Makes sense of counts; nothing in them is relied on.
    pub fn new(name: String, count: &CallCount, rate: Rate) -> Row {
        Row {
            name,
            calls: count.calls,
            errors: count.errors.min(count.calls),
            timing: timing(count, rate),
        }
    }

    /// Estimated time in the call, by which the table is sorted.
    pub fn total(&self) -> Duration {
        self.timing.map_or(Duration::ZERO, |timing| timing.total)
    }
}

fn timing(count: &CallCount, rate: Rate) -> Option<Timing> {
    if count.samples == 0 {
        return None;
    }
    let mean = count.sampled_cycles as f64 / count.samples as f64;
    let longest = count.longest_cycles;
    let percentile = |percent| {
        let cycles = percentile_cycles(&count.buckets, percent).min(longest);
        rate.duration(cycles as f64)
    };
    Some(Timing {
        samples: count.samples.min(count.calls),
        total: rate.duration(mean * count.calls as f64),
        mean: rate.duration(mean),
        median: percentile(50),
        p99: percentile(99),
        max: rate.duration(longest as f64),
    })
}

/// The middle of the bucket in which the given share of all samples is reached.
fn percentile_cycles(buckets: &[u64], percent: u64) -> u64 {
    let total: u128 = buckets.iter().map(|count| u128::from(*count)).sum();
    let wanted = (total * u128::from(percent)).div_ceil(100);
    let mut reached = 0;
    for (bucket, count) in buckets.iter().enumerate() {
        reached += u128::from(*count);
        if reached >= wanted && *count > 0 {
            return bucket_floor(bucket).midpoint(bucket_floor(bucket + 1) - 1);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use interceptor_abi::segment::{BUCKETS, bucket_of};

    #[test]
    fn a_percentile_is_within_the_bucket_of_its_sample() {
        let mut buckets = vec![0; BUCKETS];
        buckets[bucket_of(1000)] = 98;
        buckets[bucket_of(50_000)] = 2;
        assert_eq!(bucket_of(percentile_cycles(&buckets, 50)), bucket_of(1000));
        assert_eq!(bucket_of(percentile_cycles(&buckets, 98)), bucket_of(1000));
        assert_eq!(bucket_of(percentile_cycles(&buckets, 99)), bucket_of(50_000));
    }

    #[test]
    fn full_and_empty_histograms_have_percentiles() {
        assert_eq!(percentile_cycles(&[0; BUCKETS], 50), 0);
        let full = percentile_cycles(&[u64::MAX; BUCKETS], 99);
        assert!(bucket_of(full) >= BUCKETS - 2);
    }
}
