//! Says each second on standard error how many calls the program makes, and which it makes
//! most, from a thread of its own, with the standard library.
//!
//! What a hook with the standard library may do is said of `interceptor::preload!`: this
//! one counts, and all else is done by a thread that runs beside the program.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use interceptor::{Decision, Hook, SyscallEntry, Sysno, without_signals};

const NUMBERS: usize = 512;

struct Monitor {
    calls: [AtomicU64; NUMBERS],
}

impl Monitor {
    fn report(&'static self) {
        let period =
            std::env::var("MONITOR_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(1000);
        loop {
            thread::sleep(Duration::from_millis(period));
            let counts = self.calls.iter().map(|count| count.swap(0, Relaxed)).enumerate();
            let counts: Vec<(usize, u64)> = counts.filter(|(_, count)| *count > 0).collect();
            let total: u64 = counts.iter().map(|(_, count)| count).sum();
            let most = counts.iter().max_by_key(|(_, count)| count);
            let name = most.and_then(|(nr, _)| Sysno::new(*nr)).map_or("none", |call| call.name());
            // In one piece: the program may end at any time.
            let line = format!("{total} calls, most of them {name}\n");
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

impl Hook for Monitor {
    const USES_LIBC: bool = true;

    fn started(&'static self) {
        without_signals(|| thread::spawn(|| self.report()));
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        if let Some(count) = self.calls.get(call.nr() as usize) {
            count.fetch_add(1, Relaxed);
        }
        Decision::Forward
    }
}

interceptor::preload!(Monitor = Monitor { calls: [const { AtomicU64::new(0) }; NUMBERS] });
