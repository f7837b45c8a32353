//! The group segment: one `MAP_SHARED` file for a whole tree of processes.
//!
//! The command line tool creates it as a memfd of exactly [`SIZE`] bytes, writes
//! the [`Header`], and lets its children inherit the descriptor; each runtime
//! maps it and adds to it. All numbers only grow and are written with relaxed
//! atomics: a reader sees each of them torn-free but not all of one instant.
//! A reader treats the whole as hostile: it copies values out and bounds them.
//!
//! Counts go to *lanes*, so that threads do not fight over cache lines: a
//! thread claims a free lane, writes to it alone, and leaves its numbers behind
//! for the next owner, so a lane's numbers survive its owner's death. A thread
//! that finds none free shares the last lane, with atomic additions.
//!
//! Each live thread has a *slot* ([`Thread`]). Its first word is the *death
//! word*: it holds the thread's id and lies on the thread's robust list, so the
//! kernel itself marks it when the thread dies, however it dies (robust_list(7)).

use core::sync::atomic::{AtomicU32, AtomicU64};

/// First word of every segment: "INTRCPTR" in ASCII, little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"INTRCPTR");

/// Grows with every change to a type in this module.
pub const VERSION: u32 = 4;

/// System call numbers that have a counter of their own; the last one stands
/// for every number beyond the table.
pub const CALLS: usize = 512;

/// Threads that can count at once without sharing a counter.
pub const LANES: usize = 64;

/// Mapped objects whose coverage can be recorded.
pub const OBJECTS: usize = 512;

/// Bytes of an object's name that are kept (its tail, if it is longer).
pub const NAME_BYTES: usize = 96;

/// Buckets of a duration histogram, see [`bucket_of`].
pub const BUCKETS: usize = 160;

/// Threads that can be alive at once and be counted.
pub const THREADS: usize = 16384;

/// Effects on other members that can be on their way.
pub const EFFECTS: usize = 1024;

/// Size of the segment in bytes.
pub const SIZE: usize = core::mem::size_of::<Segment>();

/// The whole segment.
#[repr(C, align(64))]
pub struct Segment {
    /// What this is, and whole-tree counters.
    pub header: Header,
    /// Who owns which lane: a thread id, 0 when it is free. Claimed by
    /// compare-and-exchange. Apart from the lanes, so that who looks for one does
    /// not touch a page of each.
    pub lane_owners: [AtomicU32; LANES],
    /// Live threads. The first ones are on one page with all that comes before, so that
    /// a forked child of a small tree has one page to touch.
    pub threads: [Thread; THREADS],
    /// Call and error counts.
    pub lanes: [Lane; LANES],
    /// Sampled durations by call number.
    pub durations: [Duration; CALLS],
    /// Coverage by object; the first [`Header::objects_used`] may be in use.
    pub objects: [Object; OBJECTS],
    /// What members did to other members.
    pub effects: [Effect; EFFECTS],
}

/// First part of the segment.
#[repr(C, align(64))]
pub struct Header {
    /// [`MAGIC`].
    pub magic: AtomicU64,
    /// [`VERSION`].
    pub version: AtomicU32,
    /// [`SIZE`]; a reader or runtime that finds another one does not use it.
    pub size: AtomicU32,
    /// Processes that armed interception (each exec counts anew).
    pub armed: AtomicU64,
    /// Processes whose runtime could not arm and ran untouched.
    pub not_armed: AtomicU64,
    /// Entries of [`Segment::objects`] handed out; may exceed [`OBJECTS`], then
    /// the excess is lost.
    pub objects_used: AtomicU32,
    /// Programs executed that the runtime could not follow: statically linked,
    /// of another architecture, or run with other privileges.
    pub not_followed: AtomicU32,
    /// 1 when the user has been told of one of those.
    pub not_followed_said: AtomicU32,
    /// Effects on members that found no room.
    pub lost_effects: AtomicU32,
    /// Trace lines that could not be written.
    pub lost_lines: AtomicU64,
    /// Calls that were executed without being counted or traced.
    pub lost_calls: AtomicU64,
    /// Effects ever sent: a futex word.
    pub effects_sent: AtomicU32,
    /// Threads that wait for it.
    pub effect_readers: AtomicU32,
    /// Threads and processes.
    pub population: Population,
}

/// How many threads and thread groups there are.
///
/// The first three are what the C API calls `interceptor_pgstat`; they repeat
/// what `born` and `live` say, which follow from the slots.
#[repr(C, align(64))]
pub struct Population {
    /// Threads ever born.
    pub born_threads: AtomicU64,
    /// Thread groups alive.
    pub live_groups: AtomicU64,
    /// Threads alive.
    pub live_threads: AtomicU64,
    /// Threads ever born; in the high 16 bits, how often the slots were counted
    /// anew.
    pub born: AtomicU64,
    /// Threads alive (24 bits), groups alive (24 bits), and the same.
    pub live: AtomicU64,
    /// Thread numbers given out.
    pub numbers: AtomicU64,
    /// Threads that found no slot and are not counted.
    pub lost_threads: AtomicU32,
    /// Entries of [`Segment::threads`] before this one have been used.
    pub used_threads: AtomicU32,
    /// No entry before this one is free, as far as is known.
    pub free_threads: AtomicU32,
    /// PID namespaces entered by members.
    pub namespaces: AtomicU32,
}

/// Coverage of one mapped object in one or more processes of the tree.
///
/// Processes that map the same object with the same result share an entry.
#[repr(C, align(64))]
pub struct Object {
    /// 0 free, 1 being written, 2 valid. Stored last, with release ordering.
    pub state: AtomicU32,
    /// How often this object was patched with this result.
    pub times: AtomicU32,
    /// Sites by outcome, see [`Outcome`].
    pub sites: [AtomicU32; Outcome::COUNT],
    /// Length of the name in bytes.
    pub name_len: AtomicU32,
    /// Path of the object, or a name in brackets for anonymous memory.
    pub name: [AtomicU64; NAME_BYTES / 8],
}

/// What became of a patch site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// Two-byte jump into a hole of dead padding.
    Hole = 0,
    /// Five-byte jump over the site and instructions after it.
    After = 1,
    /// Five-byte jump over instructions before the site, and perhaps after it.
    Before = 2,
    /// Trap in place of the instruction.
    Trap = 3,
    /// Left alone: the program's calls there are not seen.
    Missed = 4,
    /// Bytes that look like a site and proved not to be an instruction.
    NotCode = 5,
    /// `int 0x80`: reported, not intercepted.
    Int80 = 6,
    /// `sysenter`: reported, not intercepted.
    Sysenter = 7,
}

impl Outcome {
    /// Number of outcomes.
    pub const COUNT: usize = 8;
    /// All of them, in the order of their numbers.
    pub const ALL: [Outcome; Outcome::COUNT] = [
        Outcome::Hole,
        Outcome::After,
        Outcome::Before,
        Outcome::Trap,
        Outcome::Missed,
        Outcome::NotCode,
        Outcome::Int80,
        Outcome::Sysenter,
    ];

    /// Short name, as reports print it.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Hole => "hole",
            Outcome::After => "after",
            Outcome::Before => "before",
            Outcome::Trap => "trap",
            Outcome::Missed => "missed",
            Outcome::NotCode => "not-code",
            Outcome::Int80 => "int80",
            Outcome::Sysenter => "sysenter",
        }
    }
}

/// A thread that is alive, from before its birth to after its death.
///
/// The layout fits two robust lists: glibc's, whose nodes lie 32 bytes behind
/// the futex word, and musl's, 28 bytes behind. The library that owns the list
/// writes to the eight bytes before a node, and musl reads the words 4 bytes
/// before and behind the futex word.
#[repr(C, align(64))]
pub struct Thread {
    /// The death word, which the kernel writes, in the low half; a
    /// [`ThreadState`] in the high half. Before its birth the low half says who
    /// has reserved the slot.
    pub state: AtomicU64,
    /// Its process, in its own PID namespace; 0 while that is not known.
    pub tgid: AtomicU32,
    /// Its PID namespace, from [`Population::namespaces`].
    pub namespace: AtomicU32,
    /// A process whose parent is in another PID namespace: its id there; 0 for others,
    /// and while that is not known.
    pub outer_tid: AtomicU32,
    /// The links of the robust list, valid in the thread's process only.
    pub links: [AtomicU32; 5],
    /// Unique in the segment, from 1.
    pub number: AtomicU64,
    /// Not 0 when there may be an effect for it.
    pub mail: AtomicU32,
    /// Not 0 when it waits for effects on its process, from time to time.
    pub is_monitor: AtomicU32,
    /// That namespace.
    pub outer_namespace: AtomicU32,
    /// The low half of the number of the thread with whose end its PID namespace ends; 0
    /// when that is not known.
    pub init: AtomicU32,
}

/// What one member did to another.
#[repr(C, align(64))]
pub struct Effect {
    /// 0 free, 1 ready to be read; else the highest bit and the id of the thread
    /// that writes or reads it.
    pub state: AtomicU32,
    /// Id of the thread or process that it was done to.
    pub target: AtomicU32,
    /// Who is to be told: 0 a thread of that process, 1 that thread, 2 the monitor
    /// of that process.
    pub reader: AtomicU32,
    /// Its PID namespace.
    pub namespace: AtomicU32,
    /// Id of the thread that did it.
    pub caller: AtomicU32,
    /// Padding.
    pub reserved: AtomicU32,
    /// The call's number.
    pub nr: AtomicU64,
    /// Its arguments.
    pub args: [AtomicU64; 6],
    /// Its result.
    pub result: AtomicU64,
}

/// What a thread's slot says of its owner, beside the death word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadState {
    /// What the owner does.
    pub life: Life,
    /// The owner stands for its thread group when groups are counted.
    pub is_first: bool,
    /// How often the slot was reserved for nothing (6 bits).
    pub cancelled: u8,
    /// How many owners were born before (22 bits).
    pub births: u32,
}

/// From being expected to being dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Life {
    /// There is nobody.
    Free = 0,
    /// It may be born.
    Reserved = 1,
    /// It lives, and its death word is on no list.
    Unwatched = 2,
    /// It lives, and its death word will say when it is dead.
    Watched = 3,
    /// It is in exec: a death word that says so means that its old image is
    /// gone.
    InExec = 4,
}

impl ThreadState {
    const BIRTHS: u32 = 0x3f_ffff;
    const CANCELLED: u32 = 0x3f;

    /// From the high half of [`Thread::state`]; `None` for nonsense.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        let life = match bits & 7 {
            0 => Life::Free,
            1 => Life::Reserved,
            2 => Life::Unwatched,
            3 => Life::Watched,
            4 => Life::InExec,
            _ => return None,
        };
        let is_first = bits & 8 != 0;
        let cancelled = ((bits >> 4) & Self::CANCELLED) as u8;
        Some(Self { life, is_first, cancelled, births: bits >> 10 })
    }

    /// The high half of [`Thread::state`].
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.life as u32 | (self.is_first as u32) << 3 | self.owner()
    }

    /// What tells the slot's owners apart.
    pub const fn owner(self) -> u32 {
        ((self.cancelled as u32 & Self::CANCELLED) << 4) | ((self.births & Self::BIRTHS) << 10)
    }

    /// Whether somebody lives.
    pub const fn is_alive(self) -> bool {
        matches!(self.life, Life::Unwatched | Life::Watched | Life::InExec)
    }

    /// The state after the owner's death, or when it is not born after all.
    pub const fn freed(self) -> Self {
        let born = self.is_alive() as u32;
        Self {
            life: Life::Free,
            is_first: false,
            cancelled: ((self.cancelled as u32 + 1 - born) & Self::CANCELLED) as u8,
            births: (self.births + born) & Self::BIRTHS,
        }
    }
}

/// Set by the kernel in the death word of a dead thread: `FUTEX_OWNER_DIED`.
pub const DIED: u32 = 0x4000_0000;

/// The bits of a death word that hold the thread's id: `FUTEX_TID_MASK`.
pub const TID: u32 = 0x3fff_ffff;

/// Counters that one thread at a time writes.
#[repr(C, align(64))]
pub struct Lane {
    /// Not 0 when it has one owner at a time, who need not add atomically.
    pub is_owned: AtomicU32,
    /// Padding.
    pub reserved: AtomicU32,
    /// Calls begun, by number.
    pub calls: [AtomicU64; CALLS],
    /// Calls that returned an error, by number.
    pub errors: [AtomicU64; CALLS],
}

/// Durations of one system call number, in TSC cycles.
///
/// Not every call is timed: reading the clock twice costs as much as a short
/// call takes. [`Duration::samples`] of the calls counted in the lanes were.
#[repr(C, align(64))]
pub struct Duration {
    /// Calls timed.
    pub samples: AtomicU64,
    /// Sum of the timed durations.
    pub total: AtomicU64,
    /// Longest timed duration.
    pub max: AtomicU64,
    /// How many fell into each bucket of [`bucket_of`].
    pub buckets: [AtomicU64; BUCKETS],
}

/// Histogram bucket of a duration: four buckets to each power of two, so that
/// a bucket's bounds are at most 25% apart.
pub const fn bucket_of(cycles: u64) -> usize {
    if cycles < 4 {
        return cycles as usize;
    }
    let log2 = 63 - cycles.leading_zeros() as usize;
    let quarter = (cycles >> (log2 - 2)) as usize & 3;
    let bucket = (log2 - 1) * 4 + quarter;
    if bucket < BUCKETS { bucket } else { BUCKETS - 1 }
}

/// Smallest duration that falls into a bucket; the inverse of [`bucket_of`].
pub const fn bucket_floor(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let log2 = bucket / 4 + 1;
    (4 + (bucket as u64 & 3)) << (log2 - 2)
}

const _: () = assert!(core::mem::size_of::<Header>() == 192);
const _: () = assert!(core::mem::size_of::<Thread>() == 64);
const _: () = assert!(core::mem::size_of::<Effect>() == 128);
const _: () = assert!(core::mem::offset_of!(Thread, links) == 20);
const _: () = assert!(core::mem::size_of::<Object>() == 192);
const _: () = assert!(core::mem::size_of::<Lane>() == 64 + 2 * 8 * CALLS);
const _: () = assert!(core::mem::size_of::<Duration>() == 1344);
const _: () = assert!(
    SIZE == 192
        + OBJECTS * 192
        + LANES * (4 + 64 + 16 * CALLS)
        + CALLS * 1344
        + THREADS * 64
        + EFFECTS * 128,
    "a change of the layout is a new VERSION"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_contains_the_durations_that_map_to_it() {
        for shift in 0..41 {
            for low in [0u64, 1, 2, 3, 5, 7] {
                let cycles = (1u64 << shift) + low;
                let bucket = bucket_of(cycles);
                assert!(bucket_floor(bucket) <= cycles, "{cycles}");
                if bucket + 1 < BUCKETS {
                    assert!(cycles < bucket_floor(bucket + 1), "{cycles}");
                }
            }
        }
    }

    #[test]
    fn a_slot_s_owners_differ() {
        let lives = [Life::Free, Life::Reserved, Life::Unwatched, Life::Watched, Life::InExec];
        for life in lives {
            for is_first in [false, true] {
                let state = ThreadState { life, is_first, cancelled: 63, births: 0x3f_ffff };
                assert_eq!(ThreadState::from_bits(state.bits()), Some(state));
                assert_eq!(state.bits() & !15, state.owner());
                let next = state.freed();
                assert_ne!(next.owner(), state.owner());
                assert_eq!(next.births, if state.is_alive() { 0 } else { 0x3f_ffff });
                assert_eq!(ThreadState::from_bits(next.bits()), Some(next));
            }
        }
        assert_eq!(ThreadState::from_bits(7), None);
    }

    #[test]
    fn the_longest_duration_has_a_bucket() {
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
