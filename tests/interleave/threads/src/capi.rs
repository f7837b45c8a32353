//! As `src/capi.rs`: the one hook in C, and how a call comes to it.

use core::ffi::{c_char, c_int, c_long, c_void};
use std::ptr::null_mut;

use interceptor_interleave::sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed};

use crate::hook::{Decision, SyscallEntry, SyscallExit};
use crate::thread;

#[path = "../../../../src/capi/chain.rs"]
mod chain;

#[path = "../../../../src/capi/errno.rs"]
mod errno;

#[path = "../../../../src/capi/numbers.rs"]
mod numbers;

#[path = "../../../../src/capi/registry.rs"]
mod registry;

pub(crate) use chain::{CCall, Functions, Words};
pub(crate) use registry::{interceptor_synchronize, interceptor_unregister};

use errno::Errno;

static MODE: AtomicU8 = AtomicU8::new(0);
const CHAINED: u8 = 2;
const NOTING: u8 = 4;
static ALLOWED: AtomicU8 = AtomicU8::new(1);

/// What the hook variable leads to: here what it works on, not a function.
pub(crate) static VARIABLE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// What `chain` asks when it is the variable's turn; the function is given the variable.
fn variable_hook() -> Option<*mut c_void> {
    let hook = VARIABLE.load(Relaxed);
    (!hook.is_null()).then_some(hook)
}

fn call_function(hook: *mut c_void, _nr: c_long, _args: &[c_long; 6], _: &Errno) -> (i64, c_int) {
    crate::hooks::variable_hook(hook);
    (0, 1)
}

/// A call on its way in, as `dispatch` and `CHook::enter` lead it.
pub(crate) fn enter(call: &mut SyscallEntry) -> Decision {
    thread::set_inside(true);
    let decision = if MODE.load(Relaxed) & (CHAINED | NOTING) != 0 {
        note_entry();
        if chain::ORDER.load(Relaxed) == 0 { call_hook(call) } else { chain::enter(call) }
    } else {
        call_hook(call)
    };
    thread::set_inside(false);
    decision
}

/// A call on its way out.
pub(crate) fn exit(call: &SyscallExit<'_>) {
    thread::set_inside(true);
    note_entry();
    chain::exit(call);
    thread::set_inside(false);
}

fn note_entry() {
    if MODE.load(Relaxed) & NOTING != 0 {
        thread::note_entry();
    }
}

fn call_hook(call: &SyscallEntry) -> Decision {
    if let Some(hook) = variable_hook() {
        call_function(hook, 0, &[0; 6], &Errno::save(call.errno()));
    }
    Decision::Forward
}

/// Begins with no hook.
pub(crate) fn reset() {
    MODE.store(0, Relaxed);
    VARIABLE.store(null_mut(), Relaxed);
    chain::ORDER.store(0, Relaxed);
    for slot in &chain::SLOTS {
        slot.state.store(chain::FREE, Relaxed);
        slot.generation.store(0, Relaxed);
    }
}

/// `struct interceptor_hook` of the header.
#[repr(C)]
struct Described {
    size: usize,
    strings: [*const c_char; 2],
    priority: c_int,
    data: *mut c_void,
    functions: Functions<*mut ()>,
}

/// Registers a hook that wants all calls. Returns its handle.
pub(crate) fn register(data: *mut c_void, functions: Functions<*mut ()>) -> c_int {
    let strings = [std::ptr::null(); 2];
    let size = size_of::<Described>();
    let described = Described { size, strings, priority: 0, data, functions };
    // SAFETY: it is described as in the header.
    unsafe { registry::interceptor_register((&raw const described).cast()) }
}

/// The hooks in a row, by their slots.
pub(crate) fn order() -> Vec<u64> {
    chain::items(chain::ORDER.load(Relaxed)).collect()
}
