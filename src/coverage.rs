//! What became of every patch site, for whoever asks: the segment's reader, the
//! debug dump, the C API.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use interceptor_abi::segment::{NAME_BYTES, OBJECTS, Object, Outcome, Segment};
use interceptor_rewrite::{Rung, SiteKind, Verdict};

use crate::diagnostics::{Lossy, say};
use crate::stat;

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
        (Verdict::NotCode, _) => Outcome::NotCode,
        (_, SiteKind::Int80) => Outcome::Int80,
        (_, SiteKind::Sysenter) => Outcome::Sysenter,
        _ => Outcome::Missed,
    }
}

/// Records one object's tally.
pub(crate) fn report(name: &[u8], tally: &Tally, dump: bool) {
    if dump {
        say(format_args!("{}:{tally}", Lossy(name)));
    }
    if tally.0.iter().all(|count| *count == 0) {
        return;
    }
    if let Some(segment) = stat::segment() {
        record(segment, name, tally);
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
