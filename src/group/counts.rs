//! How many threads and groups are alive, which follows from the slots.
//!
//! Who changes a slot adds the change to the counts, in a second step. It may be killed
//! between the two; then the counts are wrong until somebody counts the slots anew
//! ([`recount`]). A recount may in turn come between the two steps of somebody who is only
//! slow, and have seen the first. So the counts carry the number of recounts, and whoever
//! finds that there was one since before its first step counts anew instead of adding.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use interceptor_abi::segment::{Life, Population, Segment};

use super::slots::{self, Slot, State};

/// A change of the counts of live threads and groups.
pub(super) struct Change {
    pub threads: i64,
    pub groups: i64,
}

/// Bits of a count of threads or groups.
const COUNT_BITS: u32 = 24;
/// Where the number of recounts begins.
const RECOUNTS: u32 = 48;

/// The counts before a slot changes.
pub(super) struct Counts<'a> {
    population: &'a Population,
    born: u64,
    live: u64,
}

impl<'a> Counts<'a> {
    pub fn of(population: &'a Population) -> Self {
        let (born, live) = (population.born.load(Acquire), population.live.load(Acquire));
        Self { population, born, live }
    }

    /// Adds what has changed since.
    pub fn add(&self, segment: &'static Segment, born: u64, change: Change) {
        let live = (change.threads as u64).wrapping_add((change.groups as u64) << COUNT_BITS);
        let added = add_since(&self.population.born, self.born, born)
            && add_since(&self.population.live, self.live, live);
        if added {
            publish(self.population);
        } else {
            recount(segment);
        }
    }
}

/// Adds to a count, unless the slots were counted anew since it was `seen`.
fn add_since(count: &AtomicU64, seen: u64, added: u64) -> bool {
    if added == 0 {
        return count.load(Acquire) >> RECOUNTS == seen >> RECOUNTS;
    }
    let change = |now: u64| {
        let low = now.wrapping_add(added) & ((1 << RECOUNTS) - 1);
        (now >> RECOUNTS == seen >> RECOUNTS).then_some(now >> RECOUNTS << RECOUNTS | low)
    };
    count.fetch_update(AcqRel, Acquire, change).is_ok()
}

/// Makes the counts what the slots say.
pub(super) fn recount(segment: &'static Segment) {
    recount_as(segment, |slot| slot.state());
}

/// The same, of slots that `look` looks at, and may change, one by one: there are thousands
/// where there are thousands of threads.
pub(super) fn recount_as(segment: &'static Segment, mut look: impl FnMut(&Slot) -> Option<State>) {
    let population = &segment.header.population;
    loop {
        let (born_before, live_before) =
            (population.born.load(Acquire), population.live.load(Acquire));
        let (mut born, mut threads, mut groups) = (0u64, 0u64, 0u64);
        for state in slots::used(segment).filter_map(|slot| look(&slot)) {
            let is_alive = u64::from(state.high.is_alive());
            born += u64::from(state.high.births) + is_alive;
            threads += is_alive;
            let stands = state.high.is_first || state.high.life == Life::InExec;
            groups += u64::from(stands) & is_alive;
        }
        // Births do not become fewer, only a slot's count of them starts anew.
        let born = born.max(born_before & ((1 << RECOUNTS) - 1));
        if replace(&population.born, born_before, born)
            && replace(&population.live, live_before, threads | groups << COUNT_BITS)
        {
            break;
        }
    }
    publish(population);
}

/// Sets a count that has not changed since it was `seen`.
fn replace(count: &AtomicU64, seen: u64, counted: u64) -> bool {
    let recounts = (seen >> RECOUNTS).wrapping_add(1) << RECOUNTS;
    let is_right = seen & ((1 << RECOUNTS) - 1) == counted;
    is_right || count.compare_exchange(seen, recounts | counted, AcqRel, Relaxed).is_ok()
}

/// Writes the counts where hooks read them.
fn publish(population: &Population) {
    const COUNT: u64 = (1 << COUNT_BITS) - 1;
    // Others do the same at the same time; the last one to look is right.
    loop {
        let (born, live) = (population.born.load(Acquire), population.live.load(Acquire));
        population.born_threads.store(born & ((1 << RECOUNTS) - 1), Relaxed);
        population.live_threads.store(live & COUNT, Relaxed);
        population.live_groups.store(live >> COUNT_BITS & COUNT, Release);
        if population.born.load(Acquire) == born && population.live.load(Acquire) == live {
            break;
        }
    }
}
