//! What has been patched: to forget it again, and to tell where in the program
//! a stub's code stands.
//!
//! A fixed table of atomics, so that a signal handler may look things up at any
//! moment. An entry is reserved by its first word, before anything is patched, and
//! published by its last; text that finds none is left alone.

use core::ops::Range;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};

use super::trap;
use super::written::Copies;
use crate::sys::Mapping;
use crate::{thunk, tls};

/// Patched texts that are remembered.
const CAPACITY: usize = 8192;
/// In `copies`: it was put back. Only the area is of interest, until what was text is unmapped.
const IS_RETIRED: u64 = 1;
/// In `copies`: nothing is written to it, so whoever goes there needs no other way.
const IS_CAUGHT: u64 = 2;
/// First word of an entry that is being written or removed.
const RESERVED: u64 = 1;

struct Entry {
    /// 0 free, [`RESERVED`], or the start of the patched text.
    text_start: AtomicU64,
    text_end: AtomicU64,
    area_start: AtomicU64,
    area_len: AtomicU64,
    /// Of code that the program has written: see [`Copies`]; and [`IS_RETIRED`], [`IS_CAUGHT`].
    copies: AtomicU64,
}

#[unsafe(link_section = ".bss.tables")]
static ENTRIES: [Entry; CAPACITY] = [const {
    Entry {
        text_start: AtomicU64::new(0),
        text_end: AtomicU64::new(0),
        area_start: AtomicU64::new(0),
        area_len: AtomicU64::new(0),
        copies: AtomicU64::new(0),
    }
}; CAPACITY];

/// Entries before this one have been used.
static USED: AtomicU64 = AtomicU64::new(0);

/// A place for a text that is about to be patched. Dropped, it is free again.
pub(super) struct Reserved(Option<&'static Entry>);

/// Reserves a place; `None` when all are taken.
pub(super) fn reserve() -> Option<Reserved> {
    for (index, entry) in ENTRIES.iter().enumerate() {
        let is_free = entry.text_start.load(Relaxed) == 0;
        if is_free && entry.text_start.compare_exchange(0, RESERVED, Acquire, Relaxed).is_ok() {
            // Pairs with the load in `used`.
            USED.fetch_max(index as u64 + 1, Release);
            return Some(Reserved(Some(entry)));
        }
    }
    None
}

impl Reserved {
    /// Remembers that `text` jumps into `area`, and its copies, if it is to be put back when the
    /// program writes to it.
    pub(super) fn add(mut self, text: &Range<u64>, area: Mapping, copies: Option<Copies>) {
        self.fill(text, area, copies.map_or(0, Copies::address));
        self.keep();
    }

    /// The same of a site that the net has caught, up to when this is dropped.
    pub(super) fn fill_caught(&mut self, site: &Range<u64>, area: Mapping) {
        self.fill(site, area, IS_CAUGHT);
    }

    /// Remembers it for good.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }

    fn fill(&mut self, text: &Range<u64>, area: Mapping, copies: u64) {
        if let Some(entry) = self.0 {
            entry.text_end.store(text.end, Relaxed);
            entry.area_start.store(area.start, Relaxed);
            entry.area_len.store(area.len, Relaxed);
            entry.copies.store(copies, Relaxed);
            // Pairs with the load in `Entry::text`.
            entry.text_start.store(text.start, Release);
            // Pairs with that in `areas`: one of both sees what the other did.
            fence(SeqCst);
            if tls::is_unreliable() {
                let _ = thunk::divert_in_use(area.start);
            }
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(entry) = self.0 {
            entry.text_start.store(0, Release);
        }
    }
}

/// Whether patched text may lie in the range.
pub(super) fn may_contain(range: &Range<u64>) -> bool {
    used().iter().any(|entry| {
        entry.text().is_some_and(|text| text.start < range.end && range.start < text.end)
    })
}

/// Gives back the areas of texts that lie wholly in the range, or what is left of them; or only
/// of those that the program has written.
pub(super) fn forget(range: &Range<u64>, only_written: bool) {
    for entry in used().iter().filter(|entry| !only_written || !entry.is_of_file()) {
        let Some(text) = entry.text() else {
            continue;
        };
        let gone = text.start.max(range.start)..text.end.min(range.end);
        if gone.is_empty() {
            continue;
        }
        trap::forget(&gone);
        if gone == text {
            let taken = entry.text_start.compare_exchange(text.start, RESERVED, Acquire, Relaxed);
            if taken.is_ok() {
                let (area, copies) = (entry.area(), entry.copies());
                if entry.is_retired() {
                    RETIRED.fetch_sub(1, Relaxed);
                }
                entry.text_start.store(0, Release);
                area.unmap();
                copies.inspect(|copies| copies.unmap(&text));
            }
        } else if gone.start == text.start {
            entry.text_start.store(gone.end, Release);
        } else if gone.end == text.end {
            entry.text_end.store(gone.start, Relaxed);
        }
    }
}

/// Texts that were put back, and whose areas are still mapped, since threads may be in them.
static RETIRED: AtomicU64 = AtomicU64::new(0);
/// As many as there may be.
const MOST_RETIRED: u64 = 256;

/// Whether there may be one more, so that code that may have to be put back can be patched.
pub(super) fn may_retire() -> bool {
    RETIRED.load(Relaxed) < MOST_RETIRED
}

/// Whether there is a text in the range that has copies and has not been put back.
pub(super) fn has_written_in(range: &Range<u64>) -> bool {
    let is_in = |text: Range<u64>| range.start <= text.start && text.end <= range.end;
    let mut written = used().iter().filter(|entry| entry.copies().is_some() && !entry.is_retired());
    written.any(|entry| entry.text().is_some_and(is_in))
}

/// Puts back texts that have copies and are writable: those that are in the range, or have been
/// and are `distance` bytes away now.
pub(super) fn put_back(range: &Range<u64>, distance: u64) {
    for entry in used() {
        let (Some(text), Some(copies)) = (entry.text(), entry.copies()) else {
            continue;
        };
        // Each is a page, so it is in the range or not.
        let is_in = range.start <= text.start && text.end <= range.end;
        if is_in && !entry.is_retired() && copies.put_back(&text, distance) && distance == 0 {
            trap::forget(&text);
            entry.copies.fetch_or(IS_RETIRED, Relaxed);
            RETIRED.fetch_add(1, Relaxed);
        }
    }
}

/// Calls `act` with what is patched in the range, but for what has copies, and its area.
pub(super) fn for_each_in(range: &Range<u64>, mut act: impl FnMut(Range<u64>, Mapping)) {
    for entry in used().iter().filter(|entry| entry.is_of_file()) {
        let Some(text) = entry.text() else {
            continue;
        };
        let text = text.start.max(range.start)..text.end.min(range.end);
        if !text.is_empty() {
            act(text, entry.area());
        }
    }
}

/// All areas.
pub(super) fn areas() -> impl Iterator<Item = Mapping> {
    fence(SeqCst);
    used().iter().filter(|entry| entry.text().is_some()).map(Entry::area)
}

/// The area that contains an address.
pub(super) fn area_at(address: u64) -> Option<Mapping> {
    used().iter().find_map(|entry| {
        entry.text()?;
        let area = entry.area();
        (area.start..area.start + area.len).contains(&address).then_some(area)
    })
}

/// The patched text that contains an address, and the area that it jumps into.
pub(super) fn text_and_area_of(address: u64) -> Option<(Range<u64>, Mapping)> {
    used().iter().find_map(|entry| {
        let text = entry.text().filter(|text| text.contains(&address) && !entry.is_gone())?;
        Some((text, entry.area()))
    })
}

impl Entry {
    fn text(&self) -> Option<Range<u64>> {
        let start = self.text_start.load(Acquire);
        (start > RESERVED).then(|| start..self.text_end.load(Relaxed))
    }

    fn copies(&self) -> Option<Copies> {
        Copies::at(self.copies.load(Relaxed) & !(IS_RETIRED | IS_CAUGHT))
    }

    fn is_of_file(&self) -> bool {
        self.copies.load(Relaxed) == 0
    }

    fn is_retired(&self) -> bool {
        self.copies.load(Relaxed) & IS_RETIRED != 0
    }

    /// Nothing of ours is in it.
    fn is_gone(&self) -> bool {
        self.copies.load(Relaxed) & (IS_RETIRED | IS_CAUGHT) != 0
    }

    fn area(&self) -> Mapping {
        Mapping { start: self.area_start.load(Relaxed), len: self.area_len.load(Relaxed) }
    }
}

fn used() -> &'static [Entry] {
    let used = USED.load(Acquire) as usize;
    ENTRIES.get(..used).unwrap_or(&ENTRIES)
}
