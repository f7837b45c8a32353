//! What it was measured on.

use std::arch::x86_64::_rdtsc;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// CPU, clock, kernel and load.
pub fn describe() -> String {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cpus} CPUs, TSC {:.0} MHz, Linux {}, load {}",
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned()),
        tsc_hz() / 1e6,
        first_word("/proc/sys/kernel/osrelease"),
        first_word("/proc/loadavg"),
    )
}

/// Cycles of the TSC in a second.
pub fn tsc_hz() -> f64 {
    let (began, from) = (Instant::now(), tsc());
    thread::sleep(Duration::from_millis(100));
    let (elapsed, to) = (began.elapsed(), tsc());
    to.wrapping_sub(from) as f64 / elapsed.as_secs_f64()
}

fn tsc() -> u64 {
    // SAFETY: reads a counter, which Linux lets everybody read.
    unsafe { _rdtsc() }
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_word(file: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}
