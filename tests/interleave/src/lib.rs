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
//! What x86-64 adds to these orders is that others may see a store late, after what its
//! thread does then. That is gone through, too, as often in a schedule as
//! [`Bounds::delays`] says; a thread's own loads see it, an exchange, a fence, the end
//! of the thread and [`barrier_everywhere`] wait for it. What only weaker processors or
//! the compiler would do to relaxed accesses is not seen.
//!
//! Libraries that do the like, such as loom, have atomics of their own, which a static cannot
//! hold, and let every thread come to its end.
#![no_std]

extern crate std;

pub use core::*;

mod atomic;
mod buffer;
mod explore;
mod lock;
mod schedule;

pub use explore::{Bounds, Killed, explore};
pub use lock::{Mutex, MutexGuard};

/// Lets everything that any thread has stored be seen, as membarrier(2) does.
pub fn barrier_everywhere() {
    schedule::drain_everywhere();
}

/// As `core::sync`.
pub mod sync {
    pub use core::sync::*;

    /// Atomics each of whose accesses is a step.
    pub mod atomic {
        pub use crate::atomic::*;
    }
}

/// As `core::hint`.
pub mod hint {
    pub use core::hint::*;

    /// Lets another thread come to what this one waits for.
    pub fn spin_loop() {
        crate::schedule::rest();
    }
}
