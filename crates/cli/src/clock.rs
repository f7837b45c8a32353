//! Durations in TSC cycles, turned into seconds.

use std::time::{Duration, Instant};

/// A moment on both clocks.
pub struct Moment {
    cycles: u64,
    time: Instant,
}

/// How fast the TSC runs.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    cycles_per_ns: f64,
}

impl Moment {
    /// Reads both clocks. `Instant` is CLOCK_MONOTONIC.
    pub fn now() -> Moment {
        Moment {
            // SAFETY: every x86-64 processor has the instruction.
            cycles: unsafe { std::arch::x86_64::_rdtsc() },
            time: Instant::now(),
        }
    }

    /// The time since an earlier moment.
    pub fn since(&self, earlier: &Moment) -> Duration {
        self.time.duration_since(earlier.time)
    }

    /// The rate between this moment and `later`.
    pub fn rate_until(&self, later: &Moment) -> Rate {
        let cycles = later.cycles.saturating_sub(self.cycles);
        let elapsed = later.time.duration_since(self.time);
        Rate {
            cycles_per_ns: (cycles as f64 / elapsed.as_nanos().max(1) as f64)
                .max(f64::MIN_POSITIVE),
        }
    }
}

impl Rate {
    /// How long so many cycles take; at most what a `Duration` holds.
    pub fn duration(self, cycles: f64) -> Duration {
        Duration::try_from_secs_f64(cycles / self.cycles_per_ns / 1e9).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_of_an_interval_last_as_long_as_the_interval() {
        let start = Moment::now();
        std::thread::sleep(Duration::from_millis(20));
        let end = Moment::now();
        let cycles = (end.cycles - start.cycles) as f64;
        let duration = start.rate_until(&end).duration(cycles);
        let elapsed = end.time - start.time;
        assert!(duration.abs_diff(elapsed) < Duration::from_micros(10));
    }
}
