//! Stores that a processor has not yet made: what x86-64 allows others to see late.
//!
//! They take effect in their order. The thread itself sees them at once.

use std::collections::VecDeque;

/// A store: where, which bits, and how they are written.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    pub at: usize,
    pub bits: u64,
    /// Writes bits at an address.
    pub write: fn(usize, u64),
}

impl Store {
    pub(crate) fn commit(self) {
        (self.write)(self.at, self.bits);
    }
}

#[derive(Default)]
pub(crate) struct Buffer(VecDeque<Store>);

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, store: Store) {
        self.0.push_back(store);
    }

    /// The bits last stored at an address.
    pub(crate) fn newest(&self, at: usize) -> Option<u64> {
        self.0.iter().rev().find(|store| store.at == at).map(|store| store.bits)
    }

    /// Lets the oldest store take effect. Returns false if there is none.
    pub(crate) fn commit_oldest(&mut self) -> bool {
        self.0.pop_front().map(Store::commit).is_some()
    }
}
