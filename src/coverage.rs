//! What became of every patch site, for whoever asks: the segment's reader, the
//! debug dump, hooks through the API.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use interceptor_abi::segment::{NAME_BYTES, OBJECTS, Object, Outcome, Segment};
use interceptor_rewrite::{Reason, Rung, SiteKind, Verdict};

use crate::diagnostics::{Lossy, say};
use crate::group;

/// Number of sites of one object by outcome.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally([u32; Outcome::COUNT]);

impl Tally {
    /// Counts one site.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        if let Some(count) = self.0.get_mut(outcome as usize) {
            *count += 1;
        }
    }

    /// Counts as missed whatever was patched.
    pub(crate) fn miss_all(&mut self) {
        let mut patched = 0;
        for outcome in [Outcome::Hole, Outcome::After, Outcome::Before, Outcome::Trap] {
            patched += self.0.get_mut(outcome as usize).map_or(0, core::mem::take);
        }
        if let Some(missed) = self.0.get_mut(Outcome::Missed as usize) {
            *missed += patched;
        }
    }

    /// Whether there were no sites.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// The outcome of a site that is patched; without a rung it traps.
pub(crate) fn outcome_of(rung: Option<Rung>) -> Outcome {
    match rung {
        Some(Rung::Hole) => Outcome::Hole,
        Some(Rung::After) => Outcome::After,
        Some(Rung::Before) => Outcome::Before,
        None => Outcome::Trap,
    }
}

/// The outcome of a candidate that is left alone.
pub(crate) fn outcome_of_report(kind: SiteKind, verdict: &Verdict) -> Outcome {
    match (verdict, kind) {
        // Outside of all functions of an object that names its functions lie
        // tables; `doctor`, which has section headers, knows for sure.
        (Verdict::NotCode | Verdict::Missed(Reason::Outside), _) => Outcome::NotCode,
        (_, SiteKind::Int80) => Outcome::Int80,
        (_, SiteKind::Sysenter) => Outcome::Sysenter,
        _ => Outcome::Missed,
    }
}

/// Coverage of one mapped object, or of one piece of generated code.
#[derive(Clone, Copy, Debug)]
pub struct ObjectCoverage {
    /// Path of the object, cut at the front; zeros follow.
    pub name: [u8; OBJECT_NAME],
    /// Number of patch sites by [`Outcome`].
    pub sites: [u32; Outcome::COUNT],
}

/// Bytes of an object's name that are kept.
pub const OBJECT_NAME: usize = 96;

/// Objects that are kept; what is mapped after so many is only in the segment.
const KEPT: usize = 256;

struct Kept {
    /// 1 when the rest is valid.
    is_valid: AtomicU32,
    sites: [AtomicU32; Outcome::COUNT],
    name: [AtomicU64; OBJECT_NAME / 8],
}

#[unsafe(link_section = ".bss.tables")]
static OBJECTS_OF_PROCESS: [Kept; KEPT] = [const {
    Kept {
        is_valid: AtomicU32::new(0),
        sites: [const { AtomicU32::new(0) }; Outcome::COUNT],
        name: [const { AtomicU64::new(0) }; OBJECT_NAME / 8],
    }
}; KEPT];
static KEPT_USED: AtomicU32 = AtomicU32::new(0);

/// The objects of this process in which sites were found, in the order in which
/// they were patched. Those that were unmapped since are still among them.
///
/// Safe anywhere, also in hooks.
pub fn coverage() -> impl Iterator<Item = ObjectCoverage> {
    let used = KEPT_USED.load(Acquire) as usize;
    OBJECTS_OF_PROCESS.iter().take(used).filter(|kept| kept.is_valid.load(Acquire) != 0).map(
        |kept| {
            let mut object = ObjectCoverage { name: [0; OBJECT_NAME], sites: [0; Outcome::COUNT] };
            for (to, word) in object.name.as_chunks_mut::<8>().0.iter_mut().zip(&kept.name) {
                *to = word.load(Relaxed).to_le_bytes();
            }
            for (to, count) in object.sites.iter_mut().zip(&kept.sites) {
                *to = count.load(Relaxed);
            }
            object
        },
    )
}

fn keep(name: &[u8], tally: &Tally) {
    let index = KEPT_USED.fetch_add(1, Relaxed) as usize;
    let Some(kept) = OBJECTS_OF_PROCESS.get(index) else {
        KEPT_USED.store(KEPT as u32, Relaxed);
        return;
    };
    let name = name.get(name.len().saturating_sub(OBJECT_NAME)..).unwrap_or(name);
    for (to, word) in kept.name.iter().zip(words(name)) {
        to.store(word, Relaxed);
    }
    for (to, count) in kept.sites.iter().zip(tally.0) {
        to.store(count, Relaxed);
    }
    // Pairs with the load in `coverage`.
    kept.is_valid.store(1, Release);
}

/// Records one object's tally.
pub(crate) fn report(name: &[u8], tally: &Tally, dump: bool) {
    if dump {
        say(format_args!("{}:{tally}", Lossy(name)));
    }
    if tally.is_empty() {
        return;
    }
    keep(name, tally);
    if let Some(segment) = group::segment() {
        record(segment, name, tally);
    }
}

/// What the net has caught is one object, eight bytes of name.
const CAUGHT: &[u8; 8] = b"[caught]";

/// Records one more site that the net has caught.
pub(crate) fn report_caught() {
    const TRAP: usize = Outcome::Trap as usize;
    let mut one = Tally::default();
    one.count(Outcome::Trap);
    let is_it = |name: &[AtomicU64]| {
        let mut words = name.iter().map(|word| word.load(Relaxed));
        words.next() == Some(u64::from_le_bytes(*CAUGHT)) && words.next() == Some(0)
    };
    let used = KEPT_USED.load(Acquire) as usize;
    match OBJECTS_OF_PROCESS.iter().take(used).find(|kept| is_it(&kept.name)) {
        Some(kept) => _ = kept.sites[TRAP].fetch_add(1, Relaxed),
        None => keep(CAUGHT, &one),
    }
    let Some(segment) = group::segment() else {
        return;
    };
    let used = (segment.header.objects_used.load(Acquire) as usize).min(OBJECTS);
    match segment.objects.iter().take(used).find(|object| is_it(&object.name)) {
        Some(object) => _ = object.sites[TRAP].fetch_add(1, Relaxed),
        None => record(segment, CAUGHT, &one),
    }
}

impl core::fmt::Display for Tally {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (outcome, count) in Outcome::ALL.iter().zip(self.0) {
            write!(f, " {} {count}", outcome.name())?;
        }
        Ok(())
    }
}

/// Adds to the entry that says the same, or makes a new one. Two processes that
/// make one at the same time make two, and readers add them up.
fn record(segment: &Segment, name: &[u8], tally: &Tally) {
    let name = name.get(name.len().saturating_sub(NAME_BYTES)..).unwrap_or(name);
    let used = (segment.header.objects_used.load(Acquire) as usize).min(OBJECTS);
    let known = segment.objects.iter().take(used).find(|object| says(object, name, tally));
    if let Some(object) = known {
        object.times.fetch_add(1, Relaxed);
        return;
    }
    let index = segment.header.objects_used.fetch_add(1, Relaxed) as usize;
    let Some(object) = segment.objects.get(index) else {
        return;
    };
    object.state.store(1, Relaxed);
    object.times.store(1, Relaxed);
    for (to, count) in object.sites.iter().zip(tally.0) {
        to.store(count, Relaxed);
    }
    object.name_len.store(name.len() as u32, Relaxed);
    for (to, word) in object.name.iter().zip(words(name)) {
        to.store(word, Relaxed);
    }
    // Pairs with the reader's acquiring load.
    object.state.store(2, Release);
}

fn says(object: &Object, name: &[u8], tally: &Tally) -> bool {
    object.state.load(Acquire) == 2
        && object.name_len.load(Relaxed) as usize == name.len()
        && object.sites.iter().zip(tally.0).all(|(site, count)| site.load(Relaxed) == count)
        && object.name.iter().zip(words(name)).all(|(word, ours)| word.load(Relaxed) == ours)
}

/// A name as little-endian words, the last padded with zeros.
fn words(name: &[u8]) -> impl Iterator<Item = u64> {
    name.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        u64::from_le_bytes(word)
    })
}
