//! Runs lock-free code in every order of its steps, and kills it at every step.
//!
//! The code under test is compiled from its very own source, in a crate that says
//!
//! ```ignore
//! extern crate interceptor_interleave as core;
//! ```
//!
//! So what it takes for `core` is this crate: all of `core`, except that an access to
//! an atomic is a step, before which another thread may come in. [`explore`] goes
//! through all schedules with a bounded number of preemptions, depth first, and each is
//! the same in each run.
//!
//! Steps take effect one after the other: what a weaker memory order would allow is not
//! seen. On x86-64 that is a store which others see late.
#![no_std]

extern crate std;

pub use core::*;

mod explore;
mod schedule;

pub use explore::{Bounds, Killed, explore};

/// As `core::sync`.
pub mod sync {
    pub use core::sync::*;

    /// Atomics each of whose accesses is a step.
    pub mod atomic {
        pub use core::sync::atomic::{AtomicPtr, Ordering, compiler_fence, fence};

        use crate::schedule::step;

        macro_rules! atomic {
            ($name:ident, $value:ty, $doc:literal) => {
                #[doc = $doc]
                #[repr(transparent)]
                #[derive(Default)]
                pub struct $name(core::sync::atomic::$name);

                #[expect(missing_docs, reason = "as in core")]
                impl $name {
                    pub const fn new(value: $value) -> Self {
                        Self(core::sync::atomic::$name::new(value))
                    }

                    pub const fn as_ptr(&self) -> *mut $value {
                        self.0.as_ptr()
                    }

                    pub fn load(&self, order: Ordering) -> $value {
                        step();
                        self.0.load(order)
                    }

                    pub fn store(&self, value: $value, order: Ordering) {
                        step();
                        self.0.store(value, order);
                    }

                    pub fn swap(&self, value: $value, order: Ordering) -> $value {
                        step();
                        self.0.swap(value, order)
                    }

                    pub fn compare_exchange(
                        &self,
                        from: $value,
                        to: $value,
                        success: Ordering,
                        failure: Ordering,
                    ) -> Result<$value, $value> {
                        step();
                        self.0.compare_exchange(from, to, success, failure)
                    }

                    pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                        step();
                        self.0.fetch_add(value, order)
                    }

                    pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                        step();
                        self.0.fetch_max(value, order)
                    }

                    pub fn fetch_min(&self, value: $value, order: Ordering) -> $value {
                        step();
                        self.0.fetch_min(value, order)
                    }

                    /// A load and an exchange, as the processor does it.
                    pub fn fetch_update(
                        &self,
                        set: Ordering,
                        fetch: Ordering,
                        mut change: impl FnMut($value) -> Option<$value>,
                    ) -> Result<$value, $value> {
                        let mut seen = self.load(fetch);
                        while let Some(next) = change(seen) {
                            match self.compare_exchange(seen, next, set, fetch) {
                                Ok(before) => return Ok(before),
                                Err(now) => seen = now,
                            }
                        }
                        Err(seen)
                    }
                }
            };
        }

        atomic!(AtomicU32, u32, "32 bits.");
        atomic!(AtomicU64, u64, "64 bits.");
    }
}
