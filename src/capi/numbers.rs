//! Sets of system call numbers that hooks are subscribed to.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use interceptor_calls::{CallSet, parse_filter};

use crate::interest;

const WORDS: usize = interest::NUMBERS / 64;

/// Numbers that have an entry of their own, and all others together. Changed and read
/// at any time.
pub(super) struct Numbers {
    words: [AtomicU64; WORDS],
    others: AtomicU8,
}

impl Numbers {
    pub(super) const fn none() -> Self {
        Self { words: [const { AtomicU64::new(0) }; WORDS], others: AtomicU8::new(0) }
    }

    /// Whether a call with this number in rax is shown.
    #[inline]
    pub(super) fn contains(&self, nr: u64) -> bool {
        let eax = nr as u32;
        match self.words.get(eax as usize / 64) {
            Some(word) => word.load(Relaxed) >> (eax % 64) & 1 != 0,
            None => self.has_others(),
        }
    }

    /// Whether numbers beyond the table are.
    pub(super) fn has_others(&self) -> bool {
        self.others.load(Relaxed) != 0
    }

    pub(super) fn insert(&self, nr: usize) {
        if let Some(word) = self.words.get(nr / 64) {
            word.fetch_or(1 << (nr % 64), Relaxed);
        }
    }

    pub(super) fn remove(&self, nr: usize) {
        if let Some(word) = self.words.get(nr / 64) {
            word.fetch_and(!(1 << (nr % 64)), Relaxed);
        }
    }

    /// Becomes a set and, or without, all others.
    pub(super) fn become_set(&self, set: &CallSet, others: bool) {
        for (index, word) in self.words.iter().enumerate() {
            let first = 64 * index as u64;
            let bits = (0..64).filter(|bit| set.contains(first + bit));
            word.store(bits.fold(0, |bits, bit| bits | 1 << bit), Relaxed);
        }
        self.others.store(u8::from(others), Relaxed);
    }

    /// Becomes what a list says, as `interceptor trace -e` reads it. All others are
    /// among those of a list of what is not shown, and of all.
    pub(super) fn become_list<'a>(
        &self,
        list: &'a str,
    ) -> Result<(), interceptor_calls::FilterError<'a>> {
        let set = parse_filter(list)?;
        self.become_set(&set, list.starts_with('!') || set == CallSet::ALL);
        Ok(())
    }
}
