//! What hooks read without a call. The names are the C API's.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::Relaxed};

use interceptor_abi::segment::Segment;

/// `interceptor_tgstat`: the thread group.
#[repr(C)]
pub struct ThreadGroup {
    /// Its id.
    pub tgid: AtomicU32,
    reserved: AtomicU32,
    /// Its live threads.
    pub nr_local_thread: AtomicU64,
    /// Its monitor thread, 0 without one.
    pub monitor: AtomicU64,
}

/// The calling process.
#[cfg_attr(feature = "capi", unsafe(export_name = "interceptor_tgstat"))]
pub(crate) static TGSTAT: ThreadGroup = ThreadGroup {
    tgid: AtomicU32::new(0),
    reserved: AtomicU32::new(0),
    nr_local_thread: AtomicU64::new(0),
    monitor: AtomicU64::new(0),
};

impl ThreadGroup {
    /// A new process.
    pub(crate) fn begin(&self, tgid: u32) {
        self.tgid.store(tgid, Relaxed);
        self.nr_local_thread.store(1, Relaxed);
        self.monitor.store(0, Relaxed);
    }

    /// Counts births and deaths of threads of this process.
    pub(crate) fn count_local(&self, change: i64) {
        self.nr_local_thread.fetch_add(change as u64, Relaxed);
    }
}

/// Counts of a process without a segment.
static NOBODY: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// `interceptor_pgstat`: threads ever born, thread groups alive, threads alive.
#[cfg_attr(feature = "capi", unsafe(export_name = "interceptor_pgstat"))]
pub(crate) static PGSTAT: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const NOBODY[0]).cast_mut());

/// Lets [`PGSTAT`] point to a segment's counts.
pub(super) fn publish_group(segment: &'static Segment) {
    let first = &raw const segment.header.population.born_threads;
    PGSTAT.store(first.cast_mut(), Relaxed);
}
