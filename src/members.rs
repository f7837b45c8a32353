//! What a hook may ask of its group.

use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use crate::group;
use crate::hook::RemoteEffect;
use crate::thread;

/// How many threads and thread groups a group has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// Threads ever born; never falls.
    pub born_threads: u64,
    /// Thread groups alive.
    pub live_groups: u64,
    /// Threads alive.
    pub live_threads: u64,
}

/// The group of the calling process. All 0 when there is none: then no hook
/// wants one, or there was no memory for it, which was said.
///
/// Right whenever a wait of any member has returned, and after [`sync`].
pub fn population() -> Population {
    group::segment().map_or(Population::default(), |segment| {
        let population = &segment.header.population;
        Population {
            born_threads: population.born_threads.load(Relaxed),
            live_groups: population.live_groups.load(Relaxed),
            live_threads: population.live_threads.load(Relaxed),
        }
    })
}

/// Counts the threads that have died unnoticed (SIGKILL, crashes).
pub fn sync() {
    group::sync();
}

/// For a thread that watches its process: waits until another member does
/// something to one of its threads, or takes what was done since the calling
/// thread has called this first. The hooks of the threads are told as well.
///
/// Returns `None` when the time is over, when a signal has come, or without a group.
pub fn wait_for_remote_effect(timeout: Option<Duration>) -> Option<RemoteEffect> {
    group::wait_for_effect(thread::own_block()?.membership(), timeout)
}
