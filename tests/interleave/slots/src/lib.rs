//! The slots of threads and their counts, `src/group/{reserve,slots,counts}.rs`, in every order of their steps, and with
//! members that are killed at every one of them.
//!
//! What must hold: as long as nobody is killed, the counts are those of the slots
//! whenever nobody is at work. After a kill they are once a survivor has looked.
#![cfg(test)]
#![allow(dead_code, reason = "the runtime uses all of it")]

// What the sources below take for these is the model's.
extern crate interceptor_interleave as core;
extern crate self as interceptor_abi;

#[path = "../../../../crates/abi/src/segment.rs"]
pub mod segment;

#[path = "../../../../src/group/counts.rs"]
mod counts;

#[path = "../../../../src/group/reserve.rs"]
mod reserve;

#[path = "../../../../src/group/slots.rs"]
mod slots;

mod lives;

/// The kernel, as far as slots ask it. Who is dead is said by the model.
mod sys {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    std::thread_local! {
        /// Ids of threads that are no more. Checks run in one thread.
        pub(crate) static DEAD: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(crate) fn process_is_gone(tgid: u32) -> bool {
        DEAD.with(|dead| dead.borrow().contains(&tgid))
    }

    pub(crate) fn thread_is_gone(_tgid: u32, tid: u32) -> bool {
        process_is_gone(tid)
    }
}
