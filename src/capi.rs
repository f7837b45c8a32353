//! The C face of the runtime: `include/interceptor.h`.
//!
//! The C hook is a [`Hook`] like any other, which calls through the pointer that
//! a hook library assigned. Errno is libc's and belongs to the program: it is
//! put back around everything.
//!
//! Forbidden here: anything a C program could not rely on; every exported name
//! is in the golden list of symbols.

mod attachment;
mod chain;
mod errno;
mod group;
mod monitor;
mod names;
mod numbers;
mod query;
mod registry;
mod remote;
mod signal;

use core::ffi::{c_int, c_long};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed};

use interceptor_calls::CallSet;

use crate::hook::{
    Decision, Hook, RemoteEffect, SignalDecision, SignalDelivery, Signals, Subscription,
    SyscallEntry, SyscallExit, Thread, Vectors,
};
use crate::own_calls;
use crate::thread;

use chain::Life;
use errno::{Errno, returned};

pub(crate) use chain::Words;

/// A C hook: number, six arguments, and where to say that the call is to be
/// executed.
type SyscallHook = unsafe extern "C" fn(
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    *mut c_int,
) -> c_long;

/// The hook function; null when there is none.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_syscall_hook: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// How calls go to hooks: a set of the bits below. 0 is the usual way, to the one
/// hook of [`interceptor_syscall_hook`].
static MODE: AtomicU8 = AtomicU8::new(0);
/// [`interceptor_hook_is_vector_free`] was told so.
const VECTOR_FREE: u8 = 1;
/// Hooks are registered (`chain`).
const CHAINED: u8 = 2;
/// Somebody waits for hooks to be left (`thread::wait_until_left`).
const NOTING: u8 = 4;

/// 1 when the process is intercepted, 0 when the runtime stood back.
static ALLOWED: AtomicU8 = AtomicU8::new(0);

/// The hook that leads to [`interceptor_syscall_hook`].
pub struct CHook;

impl Hook for CHook {
    const NEEDS_LIBC_STORAGE: bool = true;

    const VECTORS: Vectors = Vectors::All;

    #[inline(always)]
    fn vectors(&self) -> Vectors {
        // On what storage a call is made is looked at where vector registers are saved.
        let is_free = MODE.load(Relaxed) == VECTOR_FREE && !crate::tls::is_unreliable();
        if is_free { Vectors::None } else { Vectors::All }
    }

    fn subscription(&self) -> Subscription {
        ALLOWED.store(1, Relaxed);
        if !crate::patch::hook_is_imported() {
            return Subscription::None;
        }
        chain::VARIABLE_CALLS.become_set(&CallSet::ALL, true);
        Subscription::All
    }

    #[inline(always)]
    fn observes_lifecycle(&self) -> bool {
        group::observes() || attachment::is_attached() || registry::observes_lifecycle()
    }

    fn wants_group(&self) -> bool {
        crate::patch::group_is_imported() || crate::patch::remote_is_imported()
    }

    fn wants_counts(&self) -> bool {
        crate::patch::counts_are_imported()
    }

    fn wants_time(&self) -> bool {
        crate::patch::time_is_imported()
    }

    #[inline(always)]
    fn observes_remote(&self) -> bool {
        crate::patch::remote_is_imported()
    }

    fn remote_effect(&self, effect: &RemoteEffect) {
        note_entry();
        remote::effect(effect);
    }

    fn signals(&self) -> Signals {
        signal::subscription()
    }

    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision {
        signal::ask(delivery)
    }

    fn started(&'static self) {
        if crate::patch::group_is_imported() {
            monitor::follow_forks();
        }
    }

    fn thread_start(&self, thread: &Thread, parent_tgid: u32) {
        tell_life(&Life::ThreadStarts(thread, parent_tgid));
        group::child_starts(thread, parent_tgid);
    }

    fn thread_exit(&self, thread: &Thread) {
        tell_life(&Life::ThreadExits(thread));
    }

    fn process_start(&self, thread: &Thread, parent_tgid: u32) {
        tell_life(&Life::ProcessStarts(thread, parent_tgid));
        group::child_starts(thread, parent_tgid);
    }

    fn child_born(&self, child_tid: u32) {
        tell_life(&Life::ChildBorn(child_tid));
        group::child_born(child_tid);
    }

    fn process_exec(&self, thread: &Thread) {
        tell_life(&Life::Executes(thread));
    }

    fn process_exit(&self, thread: &Thread, status: i32) {
        tell_life(&Life::ProcessExits(thread, status));
    }

    fn thread_gone(&self, status: u64) -> u64 {
        monitor::thread_exits(status)
    }

    fn waited(&self) {
        if monitor::is_monitor() {
            crate::group::sync();
        }
    }

    #[inline(always)]
    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        if MODE.load(Relaxed) & (CHAINED | NOTING) != 0 {
            return enter_rarely(call);
        }
        call_hook(call)
    }

    #[inline(always)]
    fn enter_early(&self, call: &mut SyscallEntry) -> Decision {
        call_hook(call)
    }

    fn exit(&self, call: &SyscallExit<'_>) -> i64 {
        note_entry();
        chain::exit(call)
    }
}

/// A call when hooks are registered, or somebody waits for hooks to be left.
#[cold]
fn enter_rarely(call: &mut SyscallEntry) -> Decision {
    note_entry();
    if chain::ORDER.load(Relaxed) == 0 { call_hook(call) } else { chain::enter(call) }
}

/// A hook begins; its thread has said that it is inside of one.
fn note_entry() {
    if MODE.load(Relaxed) & NOTING != 0 {
        thread::note_entry();
    }
}

fn tell_life(life: &Life<'_>) {
    if registry::observes_lifecycle() {
        note_entry();
        chain::tell_life(life);
    }
}

/// Asks the hook that the variable points to.
#[inline(always)]
fn call_hook(call: &mut SyscallEntry) -> Decision {
    let Some(hook) = variable_hook() else {
        return Decision::Forward;
    };
    let frame = call.frame();
    own_calls::nothing_is_put_off(frame);
    let errno = Errno::save(call.errno());
    let args = call.args().map(|arg| arg as c_long);
    let (result, forward) = call_function(hook, call.nr() as c_long, &args, &errno);
    errno.restore();
    if forward != 0 || own_calls::is_put_off(frame) {
        return Decision::Forward;
    }
    Decision::Answer(result)
}

#[inline(always)]
fn variable_hook() -> Option<SyscallHook> {
    let hook = interceptor_syscall_hook.load(Relaxed);
    // SAFETY: the header says that only a function of this type, or NULL, may
    // be assigned.
    (!hook.is_null()).then(|| unsafe { core::mem::transmute::<*mut (), SyscallHook>(hook) })
}

/// Calls a hook. Returns the raw result, and whether the call is to be made instead.
#[inline(always)]
fn call_function(hook: SyscallHook, nr: c_long, args: &[c_long; 6], errno: &Errno) -> (i64, c_int) {
    let [a0, a1, a2, a3, a4, a5] = *args;
    let mut forward = 0;
    // SAFETY: the hook author's contract, in the header.
    let value = unsafe { hook(nr, a0, a1, a2, a3, a4, a5, &mut forward) };
    let result = if value == -1 { -i64::from(errno.current()) } else { value };
    (result, forward)
}

/// Declares whether the hook, and all that it calls, leaves vector and x87
/// registers alone. Then none is saved around it.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_hook_is_vector_free(is_vector_free: c_int) {
    if is_vector_free == 0 {
        MODE.fetch_and(!VECTOR_FREE, Relaxed);
    } else {
        MODE.fetch_or(VECTOR_FREE, Relaxed);
    }
}

/// Declares whether all hooks use nothing of libc that a thread's storage has. Then they
/// run in threads on storage of the program's own, too.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_hook_is_libc_free(is_libc_free: c_int) {
    thread::let_hooks_run_anywhere(is_libc_free != 0);
}

/// Declares whether signals interrupt the hooks of calls at once.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_hook_is_interruptible(is_interruptible: c_int) {
    crate::signal::interrupt_hooks(is_interruptible != 0);
}

/// Whether questions for the time are system calls, as they are where a library that is there
/// from the start refers to this function. Returns 0; or -1, ENOSYS.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_subscribe_time() -> c_int {
    let are_calls = crate::patch::are_time_calls();
    returned(if are_calls { Ok(0) } else { Err(syscalls::Errno::ENOSYS) }) as c_int
}

/// Executes a system call that no hook sees. Returns its result; an error is
/// -1 and errno, as from syscall(2).
///
/// # Safety
///
/// As the call that is made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_syscall(
    nr: c_long,
    a0: c_long,
    a1: c_long,
    a2: c_long,
    a3: c_long,
    a4: c_long,
    a5: c_long,
) -> c_long {
    let args = [a0, a1, a2, a3, a4, a5].map(|argument| argument as u64);
    // SAFETY: the caller's.
    let result = unsafe { own_calls::make(nr as u64, &args) };
    if !(-4095..0).contains(&result) {
        return result;
    }
    returned(Err(syscalls::Errno::new(-result as i32)))
}

/// 1 when this process is intercepted, 0 when the runtime stood back.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_allowed() -> c_int {
    c_int::from(ALLOWED.load(Relaxed))
}
