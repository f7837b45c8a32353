//! A lock that is tried, never waited for, and that outlives who holds it.
//!
//! A thread dies with all others of its process, but a process on this memory, a vfork
//! child or one made by a bare clone, may be killed alone, at any instruction. So the
//! lock says who holds it. Who finds it held may ask whether that one still lives.
//!
//! Forbidden here: waiting.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::sys;

/// A value that one thread at a time may use.
pub(crate) struct Lock<T> {
    /// The holder's thread id, 0 without one.
    holder: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by who holds the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

/// The right to the value.
pub(crate) struct Held<'a, T>(&'a Lock<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { holder: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Takes the lock for thread `tid`, if nobody has it.
    pub(crate) fn try_lock(&self, tid: u32) -> Option<Held<'_, T>> {
        self.take(0, tid)
    }

    /// Takes the lock of a holder that is no more. The value is what that one has left,
    /// be it half of a change.
    #[cold]
    pub(crate) fn inherit(&self, tid: u32) -> Option<Held<'_, T>> {
        let holder = self.holder.load(Relaxed);
        if holder == 0 || holder == tid || !sys::process_is_gone(holder) {
            return None;
        }
        self.take(holder, tid)
    }

    /// In a forked child: no other thread is there. Returns whether one of the parent's
    /// had it.
    pub(crate) fn free_after_fork(&self) -> bool {
        self.holder.swap(0, Relaxed) != 0
    }

    fn take(&self, from: u32, tid: u32) -> Option<Held<'_, T>> {
        let taken = self.holder.compare_exchange(from, tid, Acquire, Relaxed);
        // Not `then_some`, which would make one, and drop it, in any case.
        taken.is_ok().then(|| Held(self))
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: there is one holder.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.0.holder.store(0, Release);
    }
}
