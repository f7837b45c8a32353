//! Reserving a slot for a thread that is about to be born.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use interceptor_abi::segment::{Life, Segment, THREADS, TID, ThreadState};

use super::slots::{Member, State};
use crate::sys;

/// Who reserves a slot.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// The parent of the thread.
    Parent(Member),
    /// The thread with this id, for itself.
    Itself(u32),
}

/// In the word of a reserved slot: who it is has an id, else a slot.
const BY_ITSELF: u32 = 1 << 31;
/// Bits of the index of a slot, plus one.
const INDEX_BITS: u32 = 15;

impl By {
    /// What the word of a reserved slot says.
    fn word(self) -> u32 {
        match self {
            Self::Itself(tid) => BY_ITSELF | tid,
            Self::Parent(Member { index, owner, .. }) => {
                (owner >> OWNER_SHIFT) << INDEX_BITS & !BY_ITSELF | (index + 1)
            }
        }
    }
}

/// Bits of an owner that are not kept there.
const OWNER_SHIFT: u32 = 10;

/// Whether who reserved a slot with this word still lives.
pub(super) fn is_there(word: u32, segment: &Segment) -> bool {
    if word & BY_ITSELF != 0 {
        return !sys::process_is_gone(word & TID);
    }
    let index = (word & ((1 << INDEX_BITS) - 1)).wrapping_sub(1);
    let parent = segment.threads.get(index as usize);
    parent.and_then(|parent| State::of(parent.state.load(Acquire))).is_some_and(|state| {
        let by = By::Parent(Member { index, owner: state.high.owner(), number: 0 });
        state.high.is_alive() && by.word() == word
    })
}

/// What a reserved slot says of the thread to come.
pub(crate) struct Newborn {
    pub by: By,
    /// Its process, 0 when it is a new one.
    pub tgid: u32,
    pub namespace: u32,
    /// It is the first thread of its process.
    pub is_first: bool,
    /// With whose end its namespace ends.
    pub init: Init,
}

/// The thread with whose end a PID namespace ends.
#[derive(Clone, Copy)]
pub(crate) enum Init {
    /// It is not known.
    Unknown,
    /// That which is to be born.
    Itself,
    /// The one with this number, or what a slot says of it.
    Number(u32),
}

/// Reserves a slot. `None` when there is no room.
pub(crate) fn reserve(segment: &'static Segment, newborn: &Newborn) -> Option<Member> {
    let population = &segment.header.population;
    let (index, owner) = claim(segment, newborn)?;
    let thread = &segment.threads[index];
    thread.tgid.store(newborn.tgid, Relaxed);
    thread.namespace.store(newborn.namespace, Relaxed);
    thread.outer_tid.store(0, Relaxed);
    thread.outer_namespace.store(0, Relaxed);
    thread.mail.store(0, Relaxed);
    thread.is_monitor.store(0, Relaxed);
    let number = population.numbers.fetch_add(1, Relaxed) + 1;
    thread.number.store(number, Relaxed);
    let init = match newborn.init {
        Init::Unknown => 0,
        Init::Itself => number as u32,
        Init::Number(number) => number,
    };
    thread.init.store(init, Relaxed);
    Some(Member { index: index as u32, owner, number })
}

fn claim(segment: &Segment, newborn: &Newborn) -> Option<(usize, u32)> {
    let is_first = newborn.is_first;
    let word = newborn.by.word();
    let population = &segment.header.population;
    let first = population.free_threads.load(Relaxed) as usize;
    // The hint may be too high: somebody frees a slot at any time.
    for index in (first..THREADS).chain(0..first.min(THREADS)) {
        let thread = &segment.threads[index];
        let bits = thread.state.load(Relaxed);
        let Some(state) = State::of(bits).filter(|state| state.high.life == Life::Free) else {
            continue;
        };
        let high = ThreadState { life: Life::Reserved, is_first, ..state.high };
        let reserved = State { word, high };
        if thread.state.compare_exchange(bits, reserved.bits(), AcqRel, Relaxed).is_ok() {
            if population.used_threads.load(Relaxed) <= index as u32 {
                population.used_threads.fetch_max(index as u32 + 1, Release);
            }
            population.free_threads.store(index as u32 + 1, Relaxed);
            return Some((index, state.high.owner()));
        }
    }
    None
}
