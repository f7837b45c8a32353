//! The face of libsyscall_intercept: `include/libsyscall_intercept_hook_point.h`.
//!
//! A [`Hook`] that calls what a library written for libsyscall_intercept has
//! assigned. The runtime below is the same as ever: it patches all objects and
//! follows threads, processes and signals. Only what the hook is shown is what
//! that library shows: calls of libc, or of all objects if so set.
//!
//! Neighbours: `capi`, the other face; `asm/hook_point.S`, which has the
//! variables and is linked in by the final link. Forbidden here: anything a hook
//! written for the original could not rely on.

mod log;
mod magic;
mod objects;

use core::ffi::{c_int, c_long};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering::Relaxed};

use syscalls::Sysno;

use crate::hook::{Decision, Hook, Subscription, SyscallEntry, SyscallExit, Thread, Vectors};
use crate::own_calls;
use crate::thread::keeping_errno;
use crate::tls;
use interceptor_calls::Outcome;

/// What the environment says of this face.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    /// Path of the log.
    pub log: Option<&'a [u8]>,
    /// What an earlier process has logged stays.
    pub log_is_kept: bool,
    /// The hook sees calls of all objects.
    pub all_objects: bool,
}

/// A hook: number, six arguments, and where it puts the result. It returns 0 when
/// it has handled the call.
type HookPoint = unsafe extern "C" fn(
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    *mut c_long,
) -> c_int;

type ChildHook = unsafe extern "C" fn();
type ParentHook = unsafe extern "C" fn(c_long);

// `asm/hook_point.S`.
unsafe extern "C" {
    /// What the hook point of the calling thread holds.
    fn interceptor_hook_point() -> Option<HookPoint>;
    /// Whether each thread has its own.
    safe static interceptor_hook_point_is_threads: u8;
    safe static intercept_hook_point_clone_child: AtomicPtr<()>;
    safe static intercept_hook_point_clone_parent: AtomicPtr<()>;
}

/// 1 when the process is intercepted.
static ALLOWED: AtomicU8 = AtomicU8::new(0);
/// [`Settings::all_objects`].
static ALL_OBJECTS: AtomicBool = AtomicBool::new(false);

/// Takes the settings, before interception begins.
pub(crate) fn configure(settings: &Settings<'static>) {
    ALL_OBJECTS.store(settings.all_objects, Relaxed);
    if let Some(path) = settings.log {
        log::start(path, settings.log_is_kept);
    }
}

/// The hook that leads to `intercept_hook_point`.
pub struct DropIn;

impl Hook for DropIn {
    const VECTORS: Vectors = Vectors::All;

    fn subscription(&self) -> Subscription {
        ALLOWED.store(1, Relaxed);
        Subscription::All
    }

    fn started(&self) {
        objects::note_all();
        log::keep();
    }

    #[inline(always)]
    fn observes_lifecycle(&self) -> bool {
        !intercept_hook_point_clone_child.load(Relaxed).is_null()
            || !intercept_hook_point_clone_parent.load(Relaxed).is_null()
    }

    fn wants_group(&self) -> bool {
        false
    }

    fn thread_start(&self, _thread: &Thread, _parent_tgid: u32) {
        child_starts();
    }

    fn process_start(&self, _thread: &Thread, _parent_tgid: u32) {
        if is_birth_on_stack() {
            child_starts();
        }
    }

    fn child_born(&self, child_tid: u32) {
        let hook = intercept_hook_point_clone_parent.load(Relaxed);
        if !hook.is_null() && is_birth_on_stack() {
            // SAFETY: the header says that only such a function may be assigned.
            let hook = unsafe { core::mem::transmute::<*mut (), ParentHook>(hook) };
            // SAFETY: the hook author's contract, in the header.
            keeping_errno(|| unsafe { hook(c_long::from(child_tid)) });
        }
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        note_birth(call.nr(), call.args());
        let site = call.return_address();
        if !ALL_OBJECTS.load(Relaxed) && !objects::is_libc(site) {
            return Decision::Forward;
        }
        if let Some(result) = magic::switch(call.nr(), call.args()) {
            return Decision::Answer(result);
        }
        let answer = ask(call);
        if !log::is_on() {
            return answer.map_or(Decision::Forward, Decision::Answer);
        }
        let (nr, args) = (u64::from(call.nr() as u32), call.args());
        match answer {
            Some(result) => {
                log::call(site, nr, args, Outcome::Returned(result));
                Decision::Answer(result)
            }
            None if interceptor_calls::never_returns(nr) => {
                log::call(site, nr, args, Outcome::NoReturn);
                Decision::Forward
            }
            None => {
                if interceptor_calls::leaves_process(nr) {
                    // There is no way out of an exec that succeeds.
                    log::call(site, nr, args, Outcome::NoReturn);
                }
                Decision::ForwardAndExit(site)
            }
        }
    }

    fn exit(&self, call: &SyscallExit) -> i64 {
        // Not if this is the call by which the program has confined itself.
        if log::is_on() {
            let nr = u64::from(call.nr() as u32);
            log::call(call.word(), nr, call.args(), Outcome::Returned(call.result()));
        }
        call.result()
    }
}

/// Calls the hook. Returns the result if it handled the call.
fn ask(call: &mut SyscallEntry) -> Option<i64> {
    if interceptor_hook_point_is_threads != 0 && crate::thread::is_caller_foreign() {
        // It has no storage where one could be.
        return None;
    }
    // SAFETY: a leaf of ours that reads a variable.
    let hook = unsafe { interceptor_hook_point() }?;
    // As the kernel, the original looks at the low half only.
    let nr = c_long::from(call.nr() as c_int);
    let [a0, a1, a2, a3, a4, a5] = call.args().map(|argument| argument as c_long);
    let frame = call.frame();
    own_calls::nothing_is_put_off(frame);
    let mut result = 0;
    // SAFETY: the hook author's contract, in the header.
    let forward = keeping_errno(|| unsafe { hook(nr, a0, a1, a2, a3, a4, a5, &mut result) });
    let is_answered = forward == 0
        // The original does not listen for these either: there is no way to make them for
        // somebody else.
        && !matches!(Sysno::new(nr as usize), Some(Sysno::rt_sigreturn | Sysno::vfork))
        && !own_calls::is_put_off(frame);
    is_answered.then_some(result)
}

/// A thread, or a process on a stack of its own, is born, and this is it.
fn child_starts() {
    let hook = intercept_hook_point_clone_child.load(Relaxed);
    if !hook.is_null() {
        // SAFETY: the header says that only such a function may be assigned.
        let hook = unsafe { core::mem::transmute::<*mut (), ChildHook>(hook) };
        // SAFETY: the hook author's contract, in the header.
        keeping_errno(|| unsafe { hook() });
    }
}

/// The original tells of births only whose caller brings a stack: threads and what
/// posix_spawn makes, but not what fork does. Remembers that where both sides find
/// it: a thread is always one, a process has, or shares, its parent's storage.
fn note_birth(nr: u64, args: &[u64; 6]) {
    let has_stack = match Sysno::new(nr as u32 as usize) {
        Some(Sysno::fork | Sysno::vfork) => false,
        Some(Sysno::clone) => args[1] != 0,
        Some(Sysno::clone3) => own_calls::clone3_word(args, own_calls::CLONE3_STACK) != Some(0),
        _ => return,
    };
    // SAFETY: this thread's own words.
    unsafe { (&raw mut (*tls::current()).birth_on_stack).write(u32::from(has_stack)) };
}

fn is_birth_on_stack() -> bool {
    // SAFETY: this thread's own words.
    unsafe { (&raw const (*tls::current()).birth_on_stack).read() != 0 }
}

/// Executes a system call that no hook sees. Returns what the kernel does: a
/// value, or an error number, negative.
///
/// # Safety
///
/// As the call that is made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall_no_intercept(
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
    unsafe { own_calls::make(nr as u64, &args) }
}

/// 1 when the system calls of this process are intercepted; 0 when the filter in
/// the environment keeps them out, or the runtime stood back.
#[unsafe(no_mangle)]
pub extern "C" fn syscall_hook_in_process_allowed() -> c_int {
    c_int::from(ALLOWED.load(Relaxed))
}
