//! As `spin`'s mutex, as far as it is used: each attempt is a step.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::sync::atomic::AtomicU32;

/// A lock that is tried, never waited for.
#[derive(Default)]
pub struct Mutex<T> {
    holders: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by the one who holds the lock.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The right to the value.
pub struct MutexGuard<'a, T>(&'a Mutex<T>);

impl<T> Mutex<T> {
    /// A free one.
    pub const fn new(value: T) -> Self {
        Self { holders: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Takes the lock, if nobody has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let taken = self.holders.compare_exchange(0, 1, Acquire, Relaxed);
        taken.is_ok().then(|| MutexGuard(self))
    }

    /// Whether somebody has it.
    pub fn is_locked(&self) -> bool {
        self.holders.load(Relaxed) != 0
    }

    /// Frees it for whoever will not.
    ///
    /// # Safety
    ///
    /// The holder is gone.
    pub unsafe fn force_unlock(&self) {
        self.holders.store(0, Release);
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0.holders.store(0, Release);
    }
}
