//! What has been patched, so that it can be forgotten.
//!
//! Lock: taken for a few instructions, never across a system call, and never
//! waited for: a signal handler may interrupt the holder. Whoever does not get
//! it forgoes giving an area back, which is a leak of a few pages and no more.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use spin::Mutex;

use crate::sys::Mapping;

/// Patched texts that are remembered; areas beyond it are never given back.
const CAPACITY: usize = 2048;

struct Entry {
    text: Range<u64>,
    area: Mapping,
}

static ENTRIES: Mutex<heapless::Vec<Entry, CAPACITY>> = Mutex::new(heapless::Vec::new());
/// Bounds of everything patched, for a quick no.
static LOWEST: AtomicU64 = AtomicU64::new(u64::MAX);
static HIGHEST: AtomicU64 = AtomicU64::new(0);

/// Remembers that `text` jumps into `area`.
pub(super) fn add(text: Range<u64>, area: Mapping) {
    LOWEST.fetch_min(text.start, Relaxed);
    HIGHEST.fetch_max(text.end, Relaxed);
    if let Some(mut entries) = ENTRIES.try_lock() {
        let _ = entries.push(Entry { text, area });
    }
}

/// Whether any patched text may lie in the range.
pub(super) fn may_contain(range: &Range<u64>) -> bool {
    if range.start >= HIGHEST.load(Relaxed) || LOWEST.load(Relaxed) >= range.end {
        return false;
    }
    ENTRIES.try_lock().is_none_or(|entries| {
        entries.iter().any(|entry| entry.text.start < range.end && range.start < entry.text.end)
    })
}

/// Gives back the areas of texts that lie wholly in the range.
pub(super) fn forget(range: &Range<u64>) {
    while let Some(area) = take(range) {
        area.unmap();
    }
}

/// In a forked child: nobody else can hold the lock.
pub(super) fn after_fork() {
    if ENTRIES.is_locked() {
        // SAFETY: the holder was a thread of the parent. Entries are pushed and
        // removed by moves of whole values; at worst one is there twice or
        // missing, and giving an area back twice fails harmlessly.
        unsafe { ENTRIES.force_unlock() };
    }
}

fn take(range: &Range<u64>) -> Option<Mapping> {
    let mut entries = ENTRIES.try_lock()?;
    let at = entries
        .iter()
        .position(|entry| range.start <= entry.text.start && entry.text.end <= range.end)?;
    Some(entries.swap_remove(at).area)
}
