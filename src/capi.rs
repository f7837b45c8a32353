//! The C face of the runtime: `include/interceptor.h`.
//!
//! The C hook is a [`Hook`] like any other, which calls through the pointer that
//! a hook library assigned. Errno is libc's and belongs to the program: it is
//! put back around everything.
//!
//! Forbidden here: anything a C program could not rely on; every exported name
//! is in the golden list of symbols.

mod group;
mod monitor;
mod remote;
mod signal;

use core::ffi::{c_int, c_long, c_uint};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed};

use crate::hook::{
    Decision, Hook, RemoteEffect, SignalDecision, SignalDelivery, Signals, Subscription,
    SyscallEntry, Thread, Vectors,
};
use crate::interest;

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

/// What [`interceptor_hook_is_vector_free`] was told.
static IS_VECTOR_FREE: AtomicU8 = AtomicU8::new(0);

/// 1 when the process is intercepted, 0 when the runtime stood back.
static ALLOWED: AtomicU8 = AtomicU8::new(0);

/// The hook that leads to [`interceptor_syscall_hook`].
pub struct CHook;

/// It has no state, so that any instance is the one.
static C_HOOK: CHook = CHook;

impl Hook for CHook {
    const VECTORS: Vectors = Vectors::All;

    #[inline(always)]
    fn vectors(&self) -> Vectors {
        if IS_VECTOR_FREE.load(Relaxed) == 0 { Vectors::All } else { Vectors::None }
    }

    fn subscription(&self) -> Subscription {
        ALLOWED.store(1, Relaxed);
        if crate::patch::hook_is_imported() { Subscription::All } else { Subscription::None }
    }

    #[inline(always)]
    fn observes_lifecycle(&self) -> bool {
        group::observes() || monitor::is_attached()
    }

    fn wants_group(&self) -> bool {
        crate::patch::group_is_imported() || crate::patch::remote_is_imported()
    }

    #[inline(always)]
    fn observes_remote(&self) -> bool {
        crate::patch::remote_is_imported()
    }

    fn remote_effect(&self, effect: &RemoteEffect) {
        remote::effect(effect);
    }

    fn signals(&self) -> Signals {
        signal::subscription()
    }

    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision {
        signal::ask(delivery)
    }

    fn started(&self) {
        if crate::patch::group_is_imported() {
            monitor::follow_forks();
        }
    }

    fn thread_start(&self, thread: &Thread, parent_tgid: u32) {
        group::child_starts(thread, parent_tgid);
    }

    fn process_start(&self, thread: &Thread, parent_tgid: u32) {
        group::child_starts(thread, parent_tgid);
    }

    fn child_born(&self, child_tid: u32) {
        group::child_born(child_tid);
    }

    fn thread_gone(&self) {
        monitor::thread_exits();
    }

    fn waited(&self) {
        if monitor::is_monitor() {
            crate::group::sync();
        }
    }

    #[inline(always)]
    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        call_hook(call).map_or(Decision::Forward, Decision::Answer)
    }
}

/// Calls the hook. Returns the raw result if it answered.
#[inline(always)]
fn call_hook(call: &SyscallEntry) -> Option<i64> {
    let hook = interceptor_syscall_hook.load(Relaxed);
    if hook.is_null() {
        return None;
    }
    // SAFETY: the header says that only a function of this type, or NULL, may
    // be assigned.
    let hook = unsafe { core::mem::transmute::<*mut (), SyscallHook>(hook) };
    let errno = Errno::save(call.errno());
    let [a0, a1, a2, a3, a4, a5] = *call.args();
    let (a0, a1, a2) = (a0 as c_long, a1 as c_long, a2 as c_long);
    let (a3, a4, a5) = (a3 as c_long, a4 as c_long, a5 as c_long);
    let mut forward = 0;
    // SAFETY: the hook author's contract, in the header.
    let value = unsafe { hook(call.nr() as c_long, a0, a1, a2, a3, a4, a5, &mut forward) };
    let result = if value == -1 { -i64::from(errno.current()) } else { value };
    errno.restore();
    (forward == 0).then_some(result)
}

/// Declares whether the hook, and all that it calls, leaves vector and x87
/// registers alone. Then none is saved around it.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_hook_is_vector_free(is_vector_free: c_int) {
    IS_VECTOR_FREE.store(u8::from(is_vector_free != 0), Relaxed);
}

/// libc's errno of a thread, as it was.
struct Errno {
    at: *mut c_int,
    value: c_int,
}

impl Errno {
    #[inline(always)]
    fn save(at: *mut c_int) -> Self {
        // SAFETY: null, or this thread's errno.
        let value = unsafe { at.as_ref() }.copied().unwrap_or(0);
        Self { at, value }
    }

    /// What it is now; EPERM where nobody could set it.
    #[inline(always)]
    fn current(&self) -> c_int {
        // SAFETY: as above.
        unsafe { self.at.as_ref() }.copied().unwrap_or(1)
    }

    #[inline(always)]
    fn restore(self) {
        // SAFETY: as above.
        if let Some(errno) = unsafe { self.at.as_mut() } {
            *errno = self.value;
        }
    }
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
    let nr = nr as usize;
    // SAFETY: the caller's.
    let result = unsafe {
        syscalls::raw::syscall6(
            core::mem::transmute_copy(&nr),
            a0 as usize,
            a1 as usize,
            a2 as usize,
            a3 as usize,
            a4 as usize,
            a5 as usize,
        )
    } as c_long;
    if !(-4095..0).contains(&result) {
        return result;
    }
    // SAFETY: null, or this thread's errno.
    if let Some(errno) = unsafe { crate::thread::libc_errno().as_mut() } {
        *errno = -result as c_int;
    }
    -1
}

/// 1 when this process is intercepted, 0 when the runtime stood back.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_allowed() -> c_int {
    c_int::from(ALLOWED.load(Relaxed))
}

/// Shows the hook calls with this number; `nr` -1 stands for all. A library
/// that refers to `interceptor_syscall_hook` is subscribed to all until it
/// first unsubscribes. Returns 0, or -1 for a number that has no entry.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_subscribe(nr: c_long) -> c_int {
    match usize::try_from(nr) {
        Ok(nr) if nr < interest::NUMBERS => interest::add(nr, interest::HOOK),
        Err(_) if nr == -1 => interest::add_all(interest::HOOK),
        _ => return -1,
    }
    0
}

/// The opposite of [`interceptor_subscribe`].
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_unsubscribe(nr: c_long) -> c_int {
    match usize::try_from(nr) {
        Ok(nr) if nr < interest::NUMBERS => interest::remove(nr, interest::HOOK),
        Err(_) if nr == -1 => interest::remove_all(interest::HOOK),
        _ => return -1,
    }
    0
}

/// The C face of [`coverage`](crate::coverage()): name, then sites by outcome.
#[repr(C)]
pub struct CCoverage {
    object: [u8; crate::OBJECT_NAME],
    sites: [u32; crate::Outcome::COUNT],
}

/// Fills in the coverage of an object. Returns 0, or -1 when there is no object
/// with this index.
///
/// # Safety
///
/// `coverage` points to memory for one [`CCoverage`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_coverage(index: c_uint, coverage: *mut CCoverage) -> c_int {
    let Some(object) = crate::coverage().nth(index as usize) else {
        return -1;
    };
    // SAFETY: the caller's.
    unsafe { coverage.write(CCoverage { object: object.name, sites: object.sites }) };
    0
}
