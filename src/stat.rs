//! Counting calls into the group segment.
//!
//! Runs in the first stage of the entry: no vector registers, no locks. Counts
//! go to the thread's lane by plain stores, since nobody else writes there;
//! only the last lane is shared. Some calls are timed.

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use interceptor_abi::segment::{CALLS, LANES, Lane, Segment, bucket_of};

use crate::group;
use crate::sys;
use crate::thread::ThreadBlock;

/// The logarithm of how many calls of a thread there are for each that is timed.
const SAMPLE: u32 = 3;
/// The same from the thread's call with this number on.
const SAMPLE_LATER: u32 = 6;
const FIRST: u64 = 4096;
/// 2^64 divided by the golden ratio: the fractions of its multiples are spread evenly, and
/// so are those that lie below a bound, without a period that a program's calls could have.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Whether calls are counted.
static COUNTING: AtomicBool = AtomicBool::new(false);

/// Counts calls from now on.
pub(crate) fn start() {
    COUNTING.store(true, Relaxed);
}

/// Whether the TSC may be read.
static IS_TIMING: AtomicBool = AtomicBool::new(true);

/// Calls are counted, but not timed, from now on: the TSC is about to fault.
pub(crate) fn stop_timing() {
    IS_TIMING.store(false, Relaxed);
}

/// A call went to the kernel, or a signal away, with nobody looking.
#[cold]
pub(crate) fn count_lost_call() {
    if let Some(segment) = group::segment() {
        segment.header.lost_calls.fetch_add(1, Relaxed);
    }
}

/// Gives a new thread, or a new process on the same block, a lane.
#[inline(always)]
pub(crate) fn process_begin(block: &mut ThreadBlock) {
    if !COUNTING.load(Relaxed) {
        return;
    }
    take_lane(block);
}

#[inline(never)]
fn take_lane(block: &mut ThreadBlock) {
    if let Some(segment) = group::segment() {
        block.lane = claim(segment, block.tid);
    }
}

/// Leaves the lane to others; what it counted stays.
pub(crate) fn thread_exit(block: &mut ThreadBlock) {
    if let Some(segment) = group::segment().filter(|_| !block.lane.is_null()) {
        let index = (block.lane as usize - segment.lanes.as_ptr() as usize) / size_of::<Lane>();
        if let Some(owner) = segment.lane_owners.get(index) {
            let _ = owner.compare_exchange(block.tid, 0, Relaxed, Relaxed);
        }
    }
}

fn claim(segment: &'static Segment, tid: u32) -> *const Lane {
    let owners = &segment.lane_owners[..LANES - 1];
    let take = |index: usize, from: u32| {
        let taken = owners[index].compare_exchange(from, tid, Relaxed, Relaxed);
        taken.is_ok() || taken == Err(tid)
    };
    let index = (0..owners.len()).find(|index| take(*index, 0)).or_else(|| {
        // Owners that were killed, or that a successful exec replaced, are gone.
        (0..owners.len()).find(|index| {
            let owner = owners[*index].load(Relaxed);
            sys::process_is_gone(owner) && take(*index, owner)
        })
    });
    let lane = &segment.lanes[index.unwrap_or(LANES - 1)];
    if index.is_some() {
        lane.is_owned.store(1, Relaxed);
    }
    lane
}

/// A call begins.
#[inline(always)]
pub(crate) fn enter(lane: *const Lane, nr: u64) {
    // SAFETY: as above.
    if let Some(lane) = unsafe { lane.as_ref() } {
        add(lane, &lane.calls[index_of(nr)]);
    }
}

/// When the call that begins now is to be timed, the time; else 0.
#[inline(always)]
pub(crate) fn begin(block: &mut ThreadBlock) -> u64 {
    block.counted = block.counted.wrapping_add(1);
    let sample = if block.counted < FIRST { SAMPLE } else { SAMPLE_LATER };
    let is_timed = block.counted.wrapping_mul(GOLDEN) >> (64 - sample) == 0;
    if is_timed && IS_TIMING.load(Relaxed) { now() | 1 } else { 0 }
}

/// A call ended with `result`.
#[inline(always)]
pub(crate) fn exit(lane: *const Lane, nr: u64, result: i64, began: u64) {
    // SAFETY: as above.
    let Some(lane) = (unsafe { lane.as_ref() }) else {
        return;
    };
    if (-4095..0).contains(&result) {
        add(lane, &lane.errors[index_of(nr)]);
    }
    if began != 0 && IS_TIMING.load(Relaxed) {
        record(nr, now().saturating_sub(began));
    }
}

#[inline(always)]
fn index_of(nr: u64) -> usize {
    (nr as u32 as usize).min(CALLS - 1)
}

#[inline(always)]
fn add(lane: &Lane, counter: &AtomicU64) {
    if is_shared(lane) {
        counter.fetch_add(1, Relaxed);
    } else {
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

#[inline(always)]
fn is_shared(lane: &Lane) -> bool {
    lane.is_owned.load(Relaxed) == 0
}

#[inline(never)]
fn record(nr: u64, cycles: u64) {
    let Some(segment) = group::segment() else {
        return;
    };
    let duration = &segment.durations[index_of(nr)];
    duration.samples.fetch_add(1, Relaxed);
    duration.total.fetch_add(cycles, Relaxed);
    if cycles > duration.max.load(Relaxed) {
        duration.max.fetch_max(cycles, Relaxed);
    }
    duration.buckets[bucket_of(cycles)].fetch_add(1, Relaxed);
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: reads a counter.
    unsafe { _rdtsc() }
}
