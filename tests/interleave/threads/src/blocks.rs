//! The pool of blocks.

use std::collections::BTreeSet;
use std::sync::Mutex;

use interceptor_interleave::{Bounds, explore};

use crate::thread::{self, ThreadBlock};
use crate::{BOUNDS, alone, sys};

/// Ids of threads.
const FIRST: u32 = 1;
const SECOND: u32 = 2;
const THIRD: u32 = 3;

/// Blocks that threads of the model have when it begins.
struct Model {
    owned: Mutex<Vec<u64>>,
}

/// More blocks than are kept when nobody needs them.
const MANY: usize = 34;

impl Model {
    /// Two threads that have blocks, and `unused` blocks in the pool.
    fn new(unused: usize) -> Model {
        thread::reset();
        let blocks: Vec<_> = (0..unused).map(|_| thread::take(THIRD)).collect();
        let owned = [FIRST, SECOND].map(|tid| {
            sys::set_alive(tid, true);
            thread::take(tid) as u64
        });
        blocks.into_iter().for_each(thread::end);
        Model { owned: Mutex::new(owned.to_vec()) }
    }

    fn owned(&self, index: usize) -> *mut ThreadBlock {
        self.owned.lock().expect("no panic")[index] as *mut ThreadBlock
    }

    /// Whoever is left takes all blocks there are: each of those that nobody has, once.
    fn check(owned: usize) {
        [FIRST, SECOND].into_iter().for_each(|tid| sys::set_alive(tid, false));
        let unused = sys::mapped().len() - owned;
        let taken: BTreeSet<_> = (0..unused).map(|_| thread::take(THIRD) as u64).collect();
        assert_eq!((taken.len(), sys::mapped().len() - owned), (unused, unused), "one is lost");
    }
}

#[test]
fn blocks_that_threads_leave_are_each_given_to_one_other() {
    let _alone = alone();
    let leave = |model: &Model| thread::end(model.owned(0));
    let take = |_: &Model| thread::end(thread::take(THIRD));
    let keep = |_: &Model| {
        thread::take(THIRD);
    };
    let mut schedules = 0;
    for unused in [0, 1, 2] {
        let begin = || Model::new(unused);
        let bounds = Bounds { preemptions: 3, delays: 1, ..BOUNDS };
        schedules += explore(bounds, begin, &[leave, keep], |_, _| Model::check(2));
        schedules += explore(BOUNDS, begin, &[leave, take, keep], |_, _| Model::check(2));
    }
    assert!(schedules > 10_000, "{schedules}");
}

#[test]
fn a_block_is_not_unmapped_under_who_uses_it_or_looks_at_it() {
    let _alone = alone();
    let take = |_: &Model| {
        thread::take(THIRD);
    };
    let look = |_: &Model| {
        assert!(thread::wait_until_left(None, || {}, || {}).is_ok());
    };
    let begin = || Model::new(MANY);
    explore(BOUNDS, begin, &[take, take], |_, _| Model::check(4));
    explore(BOUNDS, begin, &[take, look], |_, _| Model::check(3));
}

/// Blocks that somebody was about to change may be missed; the others serve.
fn check_that_blocks_serve(unused: usize) {
    let mut before = BTreeSet::new();
    for _ in 0..2 {
        let taken: BTreeSet<_> = (0..3).map(|_| thread::take(THIRD) as u64).collect();
        assert_eq!(taken.len(), 3);
        taken.iter().for_each(|block| thread::end(*block as *mut ThreadBlock));
        before = taken;
    }
    let again = thread::take(THIRD) as u64;
    assert!(unused > 3 || before.contains(&again), "blocks that are left are used");
}

#[test]
fn a_forked_child_has_a_pool_wherever_its_parents_other_threads_were() {
    let _alone = alone();
    let leave = |model: &Model| thread::end(model.owned(0));
    let take = |_: &Model| thread::end(thread::take(THIRD));
    for unused in [0, 2, MANY] {
        let bounds = Bounds { preemptions: 1, kills: true, ..BOUNDS };
        explore(
            bounds,
            || Model::new(unused),
            &[leave, take],
            |_, _| {
                thread::after_fork();
                check_that_blocks_serve(unused);
            },
        );
    }
}

#[test]
fn a_process_on_this_memory_that_is_killed_anywhere_leaves_a_pool_that_serves() {
    let _alone = alone();
    let take = |_: &Model| thread::end(thread::take(SECOND));
    for unused in [0, 2, MANY] {
        let bounds = Bounds { preemptions: 0, kills: true, ..BOUNDS };
        explore(
            bounds,
            || Model::new(unused),
            &[take],
            |_, _| {
                [FIRST, SECOND].into_iter().for_each(|tid| sys::set_alive(tid, false));
                check_that_blocks_serve(unused);
            },
        );
    }
}
