//! The monitor thread of a thread group: libc's side of it. Who may change it says
//! [`attachment`].

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};

use syscalls::Sysno;

use super::attachment::{self, Pthread};
use crate::diagnostics::say;
use crate::group::TGSTAT;
use crate::interest;
use crate::signal::without_signals;
use crate::{sys, thread};

type Function = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(*mut Pthread, *const c_void, Function, *mut c_void) -> c_int;
type Cancel = unsafe extern "C" fn(Pthread) -> c_int;
type Join = unsafe extern "C" fn(Pthread, *mut *mut c_void) -> c_int;
type SetCancelState = unsafe extern "C" fn(c_int, *mut c_int) -> c_int;
type RegisterAtfork = unsafe extern "C" fn(
    Option<unsafe extern "C" fn()>,
    Option<unsafe extern "C" fn()>,
    Option<unsafe extern "C" fn()>,
    *mut c_void,
) -> c_int;

unsafe extern "C" {
    // Each is null where libc does not have it (`asm/weak.S`).
    fn interceptor_libc_pthread_create() -> Option<Create>;
    fn interceptor_libc_pthread_cancel() -> Option<Cancel>;
    fn interceptor_libc_pthread_join() -> Option<Join>;
    fn interceptor_libc_pthread_setcancelstate() -> Option<SetCancelState>;
    fn interceptor_libc_register_atfork() -> Option<RegisterAtfork>;
}

/// Calls in which a monitor waits, and after which it looks at the counts.
const WAITS: [Sysno; 9] = [
    Sysno::nanosleep,
    Sysno::clock_nanosleep,
    Sysno::poll,
    Sysno::ppoll,
    Sysno::select,
    Sysno::pselect6,
    Sysno::epoll_wait,
    Sysno::epoll_pwait,
    Sysno::rt_sigtimedwait,
];

/// The monitor's attributes; null for the default.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_monitor_attr: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// The monitor's function; null when new groups get none.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_monitor_fn: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// Gives every process that `fork` makes a monitor from now on.
pub(super) fn follow_forks() {
    // SAFETY: libc's functions, with arguments as it wants them.
    unsafe {
        if let Some(register) = interceptor_libc_register_atfork() {
            register(None, None, Some(in_forked_child), null_mut());
        }
    }
}

unsafe extern "C" fn in_forked_child() {
    let function = interceptor_monitor_fn.load(Relaxed);
    if !function.is_null() {
        // SAFETY: the header says that only a function of this type may be
        // assigned.
        let function = unsafe { core::mem::transmute::<*mut (), Function>(function) };
        let attributes = interceptor_monitor_attr.load(Relaxed);
        // SAFETY: as above.
        unsafe {
            interceptor_attach_monitor(attributes, Some(function), super::group::child_argument());
        }
    }
}

/// Starts the monitor of the calling thread group. Returns it, or the one that
/// there is; -1 while another thread attaches or destructs one; 0 when it cannot
/// be made, which is said.
///
/// # Safety
///
/// As pthread_create(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_attach_monitor(
    attributes: *const c_void,
    function: Option<Function>,
    argument: *mut c_void,
) -> Pthread {
    let Some(function) = function else {
        return 0;
    };
    if is_on_memory_of_another() {
        say(format_args!("no monitor thread: the process runs on the memory of its parent"));
        return 0;
    }
    // SAFETY: the caller's.
    attachment::attach(|| unsafe { make(attributes, function, argument) })
}

/// Whether the caller is a vfork child, or made by a bare clone with CLONE_VM: the variables
/// of a monitor, and libc's, are its parent's.
fn is_on_memory_of_another() -> bool {
    thread::own_block().is_some_and(|block| block.depth > 0)
}

/// Makes the thread. Returns 0 when it cannot be made, which is said.
///
/// # Safety
///
/// As pthread_create(3).
unsafe fn make(attributes: *const c_void, function: Function, argument: *mut c_void) -> Pthread {
    let mut thread = 0;
    // SAFETY: null, or libc's function.
    let result = match unsafe { interceptor_libc_pthread_create() } {
        Some(create) => without_signals(|| {
            // SAFETY: the caller's.
            unsafe { create(&mut thread, attributes, function, argument) }
        }),
        None => {
            say(format_args!("no monitor thread: the program has no pthread_create"));
            -1
        }
    };
    if result > 0 {
        say(format_args!("no monitor thread: pthread_create failed ({result})"));
    }
    for sysno in WAITS {
        interest::add(sysno as usize, interest::LIFECYCLE);
    }
    if result == 0 { thread } else { 0 }
}

/// Ends the monitor of the calling thread group and stores its result, if
/// `result` is not null. Returns the thread that it was; 0 if there was none; -1
/// while another thread attaches or destructs it.
///
/// # Safety
///
/// As pthread_join(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_destruct_monitor(result: *mut *mut c_void) -> Pthread {
    if is_on_memory_of_another() {
        return 0;
    }
    attachment::destruct(|thread| {
        // SAFETY: a thread that nobody has joined; libc's functions.
        unsafe {
            if let (Some(cancel), Some(join)) =
                (interceptor_libc_pthread_cancel(), interceptor_libc_pthread_join())
            {
                cancel(thread);
                uncancelled(|| join(thread, result));
            }
        }
    })
}

/// Runs what the calling thread must not be cancelled in: nobody would end it, and the
/// monitor would be busy for ever.
unsafe fn uncancelled<T>(run: impl FnOnce() -> T) -> T {
    // Of both libcs.
    const PTHREAD_CANCEL_DISABLE: c_int = 1;
    let mut before = 0;
    // SAFETY: null, or libc's function.
    let set_state = unsafe { interceptor_libc_pthread_setcancelstate() };
    if let Some(set_state) = set_state {
        // SAFETY: it writes one word.
        unsafe { set_state(PTHREAD_CANCEL_DISABLE, &mut before) };
    }
    let result = run();
    if let Some(set_state) = set_state {
        // SAFETY: as above.
        unsafe { set_state(before, &mut 0) };
    }
    result
}

/// The argument of the program's last `exit`, and [`IS_SET`].
static LAST_STATUS: AtomicU64 = AtomicU64::new(0);
const IS_SET: u64 = 1 << 32;

/// A thread has ended. If only the monitor is left then, it ends, too, and with it the
/// process. Returns the argument of the `exit` that follows: of a process without
/// exit_group the status is that of the last one (`synchronize_group_exit`, Linux 6.0), which
/// would have been the program's. Where libc cannot be used the process ends at once.
pub(super) fn thread_exits(status: u64) -> u64 {
    let of_program = LAST_STATUS.load(Relaxed);
    if of_program & IS_SET != 0 {
        return of_program & !IS_SET;
    }
    attachment::end_with_last(is_monitor, |thread| {
        LAST_STATUS.store(status & !IS_SET | IS_SET, Relaxed);
        if thread::is_caller_foreign() {
            // libc cannot be called on this storage, to cancel it.
            sys::exit_group(status);
        }
        // SAFETY: null, or libc's function.
        if let Some(cancel) = unsafe { interceptor_libc_pthread_cancel() } {
            // SAFETY: it has not been joined.
            unsafe { cancel(thread) };
        }
    });
    status
}

/// Whether the calling thread is the monitor: both libcs' `pthread_t` is the
/// thread pointer.
pub(super) fn is_monitor() -> bool {
    TGSTAT.monitor.load(Relaxed) == thread::storage_of_caller()
}
