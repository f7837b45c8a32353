//! Hooks that are replaced while threads run them.

use core::ffi::{c_int, c_void};
use std::ptr::{from_ref, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use interceptor_interleave::sync::atomic::{AtomicU32, Ordering::Relaxed};
use interceptor_interleave::{Bounds, explore};

use crate::capi::{self, CCall, Functions};
use crate::hook::{Decision, SyscallEntry, SyscallExit};
use crate::{BOUNDS, alone, sys, thread};

/// What a hook works on, until its library is taken away.
#[derive(Default)]
struct Library {
    is_gone: AtomicU32,
    /// Its hook was called when it was gone.
    was_used: AtomicBool,
    /// It was told how a call ended that another hook had asked for.
    was_mistaken: AtomicBool,
}

impl Library {
    fn address(&self) -> *mut c_void {
        from_ref(self).cast_mut().cast()
    }

    /// A hook of it runs, for some time.
    fn run(&self) {
        for _ in 0..2 {
            if self.is_gone.load(Relaxed) != 0 {
                self.was_used.store(true, SeqCst);
            }
        }
    }

    fn take_away(&self) {
        self.is_gone.store(1, Relaxed);
    }

    fn check(&self) {
        assert!(!self.was_used.load(SeqCst), "a hook runs whose library is gone");
        assert!(!self.was_mistaken.load(SeqCst), "a hook is told of a call that is not its own");
    }
}

/// Two hooks, one of which takes the place of the other.
struct Model {
    old: Box<Library>,
    new: Box<Library>,
    handles: Mutex<Vec<c_int>>,
}

impl Model {
    fn new() -> Model {
        thread::reset();
        capi::reset();
        Model { old: Box::default(), new: Box::default(), handles: Mutex::default() }
    }

    /// The hook variable has the old one.
    fn assigned() -> Model {
        let model = Model::new();
        capi::VARIABLE.store(model.old.address(), Relaxed);
        model
    }

    /// The old one is registered.
    fn registered() -> Model {
        let model = Model::new();
        model.register(&model.old);
        model
    }

    fn register(&self, library: &Library) {
        let functions = Functions {
            enter: enter as *mut (),
            exit: exit as *mut (),
            thread_start: null_mut(),
            thread_exit: null_mut(),
            process_start: null_mut(),
            child_born: null_mut(),
            process_exec: null_mut(),
            process_exit: null_mut(),
            signal: null_mut(),
            remote: null_mut(),
        };
        let handle = capi::register(library.address(), functions);
        assert!(handle > 0, "a hook is registered");
        self.handles.lock().expect("no panic").push(handle);
    }

    fn unregister(&self, index: usize) {
        let handle = self.handles.lock().expect("no panic")[index];
        assert_eq!(capi::interceptor_unregister(handle, -1), 0);
    }

    fn check(&self) {
        self.old.check();
        self.new.check();
    }
}

/// A hook's function is given its library.
fn library<'a>(data: *mut c_void) -> &'a Library {
    // SAFETY: the models' hooks are called with nothing else, and models outlive runs.
    unsafe { &*data.cast::<Library>() }
}

/// Called with what the hook variable holds.
pub(crate) fn variable_hook(data: *mut c_void) {
    library(data).run();
}

unsafe extern "C" fn enter(call: *mut CCall, data: *mut c_void) -> c_int {
    /// Tells the end, too.
    const FORWARD_AND_EXIT: c_int = 1;
    library(data).run();
    // SAFETY: the caller's.
    unsafe { (*call).word = data as u64 };
    FORWARD_AND_EXIT
}

unsafe extern "C" fn exit(call: *mut CCall, data: *mut c_void) {
    library(data).run();
    // SAFETY: the caller's.
    if unsafe { (*call).word } != data as u64 {
        library(data).was_mistaken.store(true, SeqCst);
    }
}

/// A thread of the program makes a call.
fn call() {
    let decision = capi::enter(&mut SyscallEntry::default());
    if let Decision::ForwardAndExit(word) = decision {
        capi::exit(&SyscallExit(&[0; 6], word));
    }
}

/// A thread of the program makes calls, of which the model sees the second half.
fn calls(_: &Model) {
    thread::take(1);
    call();
}

/// The library that replaces the hook variable's.
fn assign(model: &Model) {
    capi::VARIABLE.store(model.new.address(), Relaxed);
    assert_eq!(capi::interceptor_synchronize(-1), 0);
    model.old.take_away();
}

const ONCE: Bounds = Bounds { preemptions: 1, ..BOUNDS };
const LATE: Bounds = Bounds { delays: 1, ..ONCE };

#[test]
fn a_hook_that_was_replaced_is_left_before_its_library_goes() {
    let _alone = alone();
    for bounds in [BOUNDS, LATE] {
        explore(bounds, Model::assigned, &[calls, assign], |model, _| model.check());
    }
    let twice = |model: &Model| {
        calls(model);
        call();
    };
    explore(LATE, Model::assigned, &[twice, assign], |model, _| model.check());
    explore(ONCE, Model::assigned, &[calls, calls, assign], |model, _| model.check());
}

#[test]
fn without_the_barrier_it_would_not_be() {
    let _alone = alone();
    let was_used = Mutex::new(false);
    let begin = || {
        let model = Model::assigned();
        sys::HAS_BARRIER.store(false, SeqCst);
        model
    };
    let check = |model: &Model, _| {
        *was_used.lock().expect("no panic") |= model.old.was_used.load(SeqCst);
    };
    explore(BOUNDS, begin, &[calls, assign], check);
    assert!(!*was_used.lock().expect("no panic"), "in order, nothing goes wrong");
    explore(LATE, begin, &[calls, assign], check);
    assert!(*was_used.lock().expect("no panic"), "a thread says too late that it is inside");
}

#[test]
fn a_hook_that_was_taken_back_is_left_and_its_slot_serves_another() {
    let _alone = alone();
    let replace = |model: &Model| {
        model.unregister(0);
        model.old.take_away();
        model.register(&model.new);
    };
    explore(BOUNDS, Model::registered, &[calls, replace], |model, _| {
        model.check();
        assert_eq!(capi::order().len(), 2, "the variable and the new one");
    });
    let take_back = |model: &Model| {
        model.unregister(0);
        model.old.take_away();
    };
    let register = |model: &Model| model.register(&model.new);
    explore(ONCE, Model::registered, &[calls, take_back, register], |model, _| {
        model.check();
        assert_eq!(capi::order().len(), 2, "the variable and the new one");
    });
}

#[test]
fn two_that_wait_wait_one_after_the_other() {
    let _alone = alone();
    let begin = || {
        let model = Model::registered();
        model.register(&model.new);
        model
    };
    let take_back = [
        |model: &Model| {
            model.unregister(0);
            model.old.take_away();
        },
        |model: &Model| {
            model.unregister(1);
            model.new.take_away();
        },
    ];
    explore(ONCE, begin, &[calls, take_back[0], take_back[1]], |model, _| {
        model.check();
        assert_eq!(capi::order(), [0u64; 0]);
    });
}
