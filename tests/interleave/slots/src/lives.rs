//! Lives of threads that meet.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use interceptor_interleave::{Bounds, explore};

use crate::reserve::{self, By, Init, Newborn};
use crate::segment::{DIED, Life, SIZE, Segment, ThreadState};
use crate::slots::{self, Born, Member};
use crate::sys::DEAD;

const BOUNDS: Bounds = Bounds { preemptions: 2, delays: 0, kills: false, steps: 2000 };
const KILLED: Bounds = Bounds { preemptions: 1, delays: 0, kills: true, steps: 2000 };

/// Ids: of a process and its first thread; of other threads of it; of a child.
const FIRST: u32 = 10;
const SECOND: u32 = 11;
const THIRD: u32 = 12;
const CHILD: u32 = 20;

/// A segment, and who is in it when threads begin.
struct Model {
    segment: &'static Segment,
    first: Member,
    second: Member,
    child: Member,
    born: Mutex<Vec<Born>>,
    reserved: Mutex<Vec<Member>>,
}

impl Model {
    /// A process of one thread; another thread and a child process are reserved.
    fn new() -> Model {
        DEAD.with(|dead| dead.borrow_mut().clear());
        let segment = segment();
        let reserve = |by, tgid, is_first| {
            let newborn = Newborn { by, tgid, namespace: 0, is_first, init: Init::Unknown };
            reserve::reserve(segment, &newborn).expect("room")
        };
        let first = reserve(By::Itself(FIRST), FIRST, true);
        assert!(slot(segment, first).is_some_and(|slot| slot.born(FIRST) == Born::Now));
        let second = reserve(By::Parent(first), FIRST, false);
        let child = reserve(By::Parent(first), CHILD, true);
        Model { segment, first, second, child, born: Mutex::default(), reserved: Mutex::default() }
    }

    fn born(&self, member: Member, tid: u32) {
        if let Some(slot) = slot(self.segment, member) {
            let born = slot.born(tid);
            self.born.lock().expect("no panic").push(born);
        }
    }

    fn bury(&self, member: Member) {
        if let Some(slot) = slot(self.segment, member) {
            slot.bury();
        }
    }

    /// What the slots say: threads, groups, and births ever.
    fn truth(&self) -> (u64, u64, u64) {
        let mut truth = (0, 0, 0);
        for thread in &self.segment.threads[..8] {
            let bits = thread.state.load(Relaxed);
            let state = ThreadState::from_bits((bits >> 32) as u32).expect("a state");
            let is_alive = u64::from(state.is_alive());
            truth.0 += is_alive;
            truth.1 += is_alive & u64::from(state.is_first || state.life == Life::InExec);
            truth.2 += is_alive + u64::from(state.births);
        }
        truth
    }

    /// What hooks and readers are told.
    fn counts(&self) -> (u64, u64, u64) {
        let population = &self.segment.header.population;
        let words = [&population.live_threads, &population.live_groups, &population.born_threads];
        let [threads, groups, born] = words.map(|word| word.load(Relaxed));
        (threads, groups, born)
    }

    /// The kernel ends a thread: it is known no more, and if its death word is on its
    /// list, that is marked.
    fn kill(&self, tid: u32) {
        DEAD.with(|dead| dead.borrow_mut().insert(tid));
        for thread in &self.segment.threads[..8] {
            let bits = thread.state.load(Relaxed);
            let state = ThreadState::from_bits((bits >> 32) as u32).expect("a state");
            if state.life == Life::Watched && bits as u32 == tid {
                thread.state.store(bits | u64::from(DIED), Relaxed);
            }
        }
    }

    /// The counts are right, at the latest when somebody has looked after a kill.
    fn check(&self, killed: Option<u32>, expected: Option<(u64, u64)>) {
        if let Some(tid) = killed {
            self.kill(tid);
            slots::sync(self.segment, 0);
        } else if let Some((threads, groups)) = expected {
            assert_eq!((self.truth().0, self.truth().1), (threads, groups));
        }
        assert_eq!(self.counts(), self.truth(), "counts and slots, killed: {killed:?}");
        if killed.is_some() {
            let living = |tid: u32| {
                let mut threads = self.segment.threads[..8].iter();
                threads.any(|thread| {
                    let bits = thread.state.load(Relaxed);
                    let state = ThreadState::from_bits((bits >> 32) as u32).expect("a state");
                    state.is_alive() && bits as u32 == tid
                })
            };
            assert!(killed.is_none_or(|tid| !living(tid)), "the killed one is counted");
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        give_back(self.segment);
    }
}

fn slot(segment: &'static Segment, member: Member) -> Option<slots::Slot> {
    member.slot(segment)
}

/// Segments that nobody uses. One is zeroed where it was used only.
static FREE: Mutex<Vec<&'static Segment>> = Mutex::new(Vec::new());

fn segment() -> &'static Segment {
    if let Some(segment) = FREE.lock().expect("no panic").pop() {
        return segment;
    }
    static MADE: AtomicU64 = AtomicU64::new(0);
    assert!(MADE.fetch_add(1, Relaxed) < 64, "segments are given back");
    let words = vec![0u64; SIZE / 8 + 8].leak();
    let start = words.as_mut_ptr().cast::<u8>();
    // SAFETY: never freed, zeroed, long enough when aligned, and of atomics only, for
    // which zero is valid.
    unsafe { &*start.add(start.align_offset(64)).cast::<Segment>() }
}

fn give_back(segment: &'static Segment) {
    // SAFETY: both consist of atomics, which may change under a shared reference; nobody
    // else has this one now.
    unsafe {
        (&raw const segment.header).cast_mut().write_bytes(0, 1);
        (&raw const segment.threads).cast_mut().cast::<crate::segment::Thread>().write_bytes(0, 8);
    }
    FREE.lock().expect("no panic").push(segment);
}

#[test]
fn a_thread_is_counted_once_whoever_says_first_that_it_is_born() {
    let parent = |model: &Model| model.born(model.second, SECOND);
    let child = |model: &Model| {
        model.born(model.second, SECOND);
        model.bury(model.second);
    };
    let schedules = explore(BOUNDS, Model::new, &[parent, child], |model, _| {
        model.check(None, Some((1, 1)));
        let born = model.born.lock().expect("no panic");
        assert_eq!(born.iter().filter(|born| **born == Born::Now).count(), 1, "{}", born.len());
        assert_eq!(model.counts().2, 2, "born: the first and the second");
    });
    assert!(schedules > 100, "{schedules}");
}

#[test]
fn a_thread_may_be_killed_anywhere_between_its_birth_and_its_end() {
    let parent = |model: &Model| model.born(model.second, SECOND);
    let child = |model: &Model| {
        model.born(model.second, SECOND);
        if let Some(slot) = slot(model.segment, model.second) {
            slot.watch(true);
        }
        model.bury(model.second);
    };
    explore(KILLED, Model::new, &[parent, child], |model, killed| {
        let killed = killed.map(|thread| [FIRST, SECOND][thread]);
        if killed == Some(FIRST) {
            // The parent's thread is gone, the other may have gone by itself.
            model.check(killed, None);
        } else {
            model.check(killed, killed.is_none().then_some((1, 1)));
        }
    });
}

#[test]
fn of_two_threads_that_end_one_takes_the_process_along() {
    let begin = || {
        let model = Model::new();
        model.born(model.second, SECOND);
        model
    };
    let first = |model: &Model| model.bury(model.first);
    let second = |model: &Model| model.bury(model.second);
    explore(BOUNDS, begin, &[first, second], |model, _| model.check(None, Some((0, 0))));
    explore(KILLED, begin, &[first, second], |model, killed| {
        model.check(killed.map(|thread| [FIRST, SECOND][thread]), None);
    });
}

#[test]
fn of_three_threads_that_end_one_takes_the_process_along() {
    let begin = || {
        let model = Model::new();
        let newborn = Newborn {
            by: By::Parent(model.first),
            tgid: FIRST,
            namespace: 0,
            is_first: false,
            init: Init::Unknown,
        };
        let third = reserve::reserve(model.segment, &newborn).expect("room");
        model.born(model.second, SECOND);
        model.born(third, THIRD);
        model.reserved.lock().expect("no panic").push(third);
        model
    };
    let first = |model: &Model| model.bury(model.first);
    let second = |model: &Model| model.bury(model.second);
    let third = |model: &Model| {
        let third = model.reserved.lock().expect("no panic")[0];
        model.bury(third);
    };
    explore(BOUNDS, begin, &[first, second, third], |model, _| model.check(None, Some((0, 0))));
}

#[test]
fn counting_anew_meets_births_and_ends() {
    let begin = || {
        let model = Model::new();
        model.born(model.second, SECOND);
        model
    };
    let born = |model: &Model| model.born(model.child, CHILD);
    let bury = |model: &Model| model.bury(model.second);
    let sync = |model: &Model| slots::sync(model.segment, 0);
    explore(BOUNDS, begin, &[born, sync], |model, _| model.check(None, Some((3, 2))));
    explore(BOUNDS, begin, &[bury, sync], |model, _| model.check(None, Some((1, 1))));
    let bounds = Bounds { preemptions: 1, ..BOUNDS };
    explore(bounds, begin, &[born, bury, sync], |model, _| model.check(None, Some((2, 2))));
}

#[test]
fn nobody_gets_a_slot_that_another_has() {
    let reserve = |model: &Model| {
        let newborn = Newborn {
            by: By::Parent(model.first),
            tgid: FIRST,
            namespace: 0,
            is_first: false,
            init: Init::Unknown,
        };
        let member = reserve::reserve(model.segment, &newborn).expect("room");
        model.reserved.lock().expect("no panic").push(member);
    };
    let cancel = |model: &Model| {
        if let Some(slot) = slot(model.segment, model.child) {
            slot.cancel();
        }
    };
    explore(BOUNDS, Model::new, &[reserve, reserve, cancel], |model, _| {
        let reserved = model.reserved.lock().expect("no panic");
        let tokens: std::collections::BTreeSet<u64> =
            reserved.iter().map(|member| member.token()).collect();
        assert_eq!((reserved.len(), tokens.len()), (2, 2));
        assert!(reserved[0].number != reserved[1].number, "numbers are given once");
        for member in reserved.iter() {
            assert!(slot(model.segment, *member).is_some());
            assert!(*member != model.first && *member != model.second);
        }
    });
}
