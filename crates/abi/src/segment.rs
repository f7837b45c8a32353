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

use core::sync::atomic::{AtomicU32, AtomicU64};

/// First word of every segment: "INTRCPTR" in ASCII, little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"INTRCPTR");

/// Grows with every change to a type in this module.
pub const VERSION: u32 = 2;

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

/// Size of the segment in bytes.
pub const SIZE: usize = core::mem::size_of::<Segment>();

/// The whole segment.
#[repr(C, align(64))]
pub struct Segment {
    /// What this is, and whole-tree counters.
    pub header: Header,
    /// Coverage by object; the first [`Header::objects_used`] may be in use.
    pub objects: [Object; OBJECTS],
    /// Call and error counts.
    pub lanes: [Lane; LANES],
    /// Sampled durations by call number.
    pub durations: [Duration; CALLS],
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
    /// Trace lines that could not be written.
    pub lost_lines: AtomicU64,
    /// Calls that were executed without being counted or traced.
    pub lost_calls: AtomicU64,
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

/// Counters that one thread at a time writes.
#[repr(C, align(64))]
pub struct Lane {
    /// Thread id of the owner, 0 when free. Claimed by compare-and-exchange.
    pub owner: AtomicU32,
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

const _: () = assert!(core::mem::size_of::<Header>() == 64);
const _: () = assert!(core::mem::size_of::<Object>() == 192);
const _: () = assert!(core::mem::size_of::<Lane>() == 64 + 2 * 8 * CALLS);
const _: () = assert!(core::mem::size_of::<Duration>() == 1344);
const _: () = assert!(
    SIZE == 64 + OBJECTS * 192 + LANES * (64 + 16 * CALLS) + CALLS * 1344,
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
    fn the_longest_duration_has_a_bucket() {
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
