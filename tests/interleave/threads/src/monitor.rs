//! The monitor: one is attached at a time, and ends with the last other thread.

use std::sync::Mutex;

use interceptor_interleave::sync::atomic::{AtomicU32, Ordering::Relaxed};
use interceptor_interleave::{Bounds, explore};

use crate::group::TGSTAT;
use crate::{BOUNDS, alone};

#[path = "../../../../src/capi/attachment.rs"]
mod attachment;

use attachment::{attach, destruct, end_with_last};

/// What a busy monitor is shown as: `(pthread_t)-1`.
const BUSY: u64 = u64::MAX;

/// States of a thread, as libc has them.
const NEVER: u32 = 0;
const RUNS: u32 = 1;
const CANCELLED: u32 = 2;
const JOINED: u32 = 3;

/// A process of two threads. Monitors get ids from 1 on; that of one that was joined is
/// used again, as libc does.
struct Model {
    states: [AtomicU32; 4],
    told: Mutex<Vec<u64>>,
}

impl Model {
    fn new() -> Model {
        TGSTAT.monitor.store(0, Relaxed);
        TGSTAT.nr_local_thread.store(2, Relaxed);
        let states = [const { AtomicU32::new(NEVER) }; 4];
        Model { states, told: Mutex::default() }
    }

    /// With a monitor.
    fn attached() -> Model {
        let model = Model::new();
        model.attach();
        model.told.lock().expect("no panic").clear();
        model
    }

    fn tell(&self, what: u64) {
        self.told.lock().expect("no panic").push(what);
    }

    /// As libc makes a thread: it is counted before its parent knows it.
    fn attach(&self) {
        let attached = attach(|| {
            let is_free = |id: &usize| matches!(self.states[*id].load(Relaxed), NEVER | JOINED);
            let id = (1..self.states.len()).find(is_free).expect("an id");
            self.states[id].store(RUNS, Relaxed);
            TGSTAT.nr_local_thread.fetch_add(1, Relaxed);
            id as u64
        });
        self.tell(attached);
    }

    fn cancel(&self, id: u64) {
        let state = &self.states[id as usize];
        assert!(matches!(state.load(Relaxed), RUNS | CANCELLED), "a monitor is cancelled late");
        state.store(CANCELLED, Relaxed);
    }

    fn destruct(&self) {
        let ended = destruct(|id| {
            self.cancel(id);
            TGSTAT.nr_local_thread.fetch_add(u64::MAX, Relaxed);
            self.states[id as usize].store(JOINED, Relaxed);
        });
        self.tell(ended);
    }

    /// A thread of the program ends.
    fn end(&self) {
        TGSTAT.nr_local_thread.fetch_add(u64::MAX, Relaxed);
        end_with_last(|| false, |id| self.cancel(id));
    }

    /// How many monitors nobody has told to end.
    fn running(&self) -> usize {
        self.states.iter().filter(|state| state.load(Relaxed) == RUNS).count()
    }

    /// All that were told, in order.
    fn told(&self) -> Vec<u64> {
        let mut told = self.told.lock().expect("no panic").clone();
        told.sort_unstable();
        told
    }
}

/// More of everything than for longer ones.
const SHORT: Bounds = Bounds { preemptions: 4, delays: 1, ..BOUNDS };

#[test]
fn of_two_that_attach_one_makes_a_thread() {
    let _alone = alone();
    let attach: fn(&Model) = Model::attach;
    explore(SHORT, Model::new, &[attach, attach], |model, _| {
        assert_eq!((model.running(), TGSTAT.monitor.load(Relaxed)), (1, 1));
        assert!(matches!(model.told()[..], [1, 1 | BUSY]), "{:?}", model.told());
    });
}

#[test]
fn of_two_that_destruct_one_joins() {
    let _alone = alone();
    let destruct: fn(&Model) = Model::destruct;
    explore(SHORT, Model::attached, &[destruct, destruct], |model, _| {
        assert_eq!((model.running(), TGSTAT.monitor.load(Relaxed)), (0, 0));
        assert!(matches!(model.told()[..], [0, 1] | [1, BUSY]), "{:?}", model.told());
    });
}

#[test]
fn who_attaches_while_one_is_destructed_is_told_so() {
    let _alone = alone();
    let attach: fn(&Model) = Model::attach;
    let destruct: fn(&Model) = Model::destruct;
    explore(SHORT, Model::attached, &[attach, destruct], |model, _| {
        let monitor = TGSTAT.monitor.load(Relaxed);
        assert_eq!(model.running(), usize::from(monitor != 0));
        // It was there still or a new one was made, or it is being destructed.
        let is_known = matches!(model.told()[..], [1, 1] | [1, BUSY]);
        assert!(is_known && matches!(monitor, 0 | 1), "{:?}, {monitor}", model.told());
    });
}

#[test]
fn it_ends_with_the_last_other_thread() {
    let _alone = alone();
    let end: fn(&Model) = Model::end;
    explore(SHORT, Model::attached, &[end, end], |model, _| assert_eq!(model.running(), 0));
    let ends: [fn(&Model); 4] = [
        |model| {
            model.attach();
            model.end();
        },
        |model| {
            model.destruct();
            model.end();
        },
        |model| {
            model.destruct();
            model.attach();
            model.end();
        },
        Model::end,
    ];
    for first in ends {
        for second in ends {
            for begin in [Model::new, Model::attached] {
                explore(BOUNDS, begin, &[first, second], |model, _| {
                    assert_eq!(model.running(), 0, "a monitor is left alone");
                });
            }
        }
    }
    // Who ends, finds it busy and leaves it to the other must be seen by that one.
    let bounds = Bounds { preemptions: 5, ..SHORT };
    explore(bounds, Model::attached, &[end, ends[2]], |model, _| assert_eq!(model.running(), 0));
}

#[test]
fn it_does_not_end_before() {
    let _alone = alone();
    let attach: fn(&Model) = Model::attach;
    let renew: fn(&Model) = |model| {
        model.destruct();
        model.attach();
    };
    let end: fn(&Model) = Model::end;
    for (begin, other) in [(Model::new as fn() -> Model, attach), (Model::attached, renew)] {
        explore(SHORT, begin, &[other, end], |model, _| {
            let monitor = TGSTAT.monitor.load(Relaxed);
            assert!(monitor != 0 && monitor != BUSY);
            assert_eq!(model.states[monitor as usize].load(Relaxed), RUNS);
        });
    }
}
