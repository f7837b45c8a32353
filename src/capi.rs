//! The C face of the runtime: `include/interceptor.h`.
//!
//! The C hook is a [`Hook`] like any other, which calls through the pointer that
//! a hook library assigned. Errno is libc's and belongs to the program: it is
//! put back around everything.
//!
//! Forbidden here: anything a C program could not rely on; every exported name
//! is in the golden list of symbols.

use core::ffi::{c_int, c_long};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed};

use crate::hook::{Decision, Hook, Subscription, SyscallEntry, Vectors};
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

unsafe extern "C" {
    fn interceptor_libc_errno_location() -> Option<unsafe extern "C" fn() -> *mut c_int>;
}

/// 1 when the process is intercepted, 0 when the runtime stood back.
static ALLOWED: AtomicU8 = AtomicU8::new(0);

/// The hook that leads to [`interceptor_syscall_hook`].
pub struct CHook;

impl Hook for CHook {
    const VECTORS: Vectors = Vectors::All;

    fn subscription(&self) -> Subscription {
        ALLOWED.store(1, Relaxed);
        if crate::patch::hook_is_imported() { Subscription::All } else { Subscription::None }
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        let hook = interceptor_syscall_hook.load(Relaxed);
        if hook.is_null() {
            return Decision::Forward;
        }
        // SAFETY: the header says that only a function of this type, or NULL,
        // may be assigned.
        let hook = unsafe { core::mem::transmute::<*mut (), SyscallHook>(hook) };
        let errno = Errno::save();
        let [a0, a1, a2, a3, a4, a5] = call.args().map(|arg| arg as c_long);
        let mut forward = 0;
        // SAFETY: the hook author's contract, in the header.
        let result = unsafe { hook(call.nr() as c_long, a0, a1, a2, a3, a4, a5, &mut forward) };
        let decision = if forward != 0 {
            Decision::Forward
        } else if result == -1 {
            Decision::Answer(-i64::from(errno.current().unwrap_or(1)))
        } else {
            Decision::Answer(result)
        };
        errno.restore();
        decision
    }
}

/// libc's errno of this thread, as it was.
struct Errno(Option<(*mut c_int, c_int)>);

impl Errno {
    fn save() -> Self {
        // SAFETY: the weak symbol, if there is one, is libc's function, which
        // returns this thread's errno.
        Self(unsafe { interceptor_libc_errno_location() }.map(|locate| unsafe {
            let errno = locate();
            (errno, errno.read())
        }))
    }

    fn current(&self) -> Option<c_int> {
        // SAFETY: this thread's errno.
        self.0.map(|(errno, _)| unsafe { errno.read() })
    }

    fn restore(self) {
        if let Some((errno, value)) = self.0 {
            // SAFETY: this thread's errno.
            unsafe { errno.write(value) };
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
    // SAFETY: as in `Errno::save`.
    if let Some(locate) = unsafe { interceptor_libc_errno_location() } {
        // SAFETY: this thread's errno.
        unsafe { locate().write(-result as c_int) };
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
