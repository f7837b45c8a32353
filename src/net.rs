//! The net: Syscall User Dispatch, for calls from where nothing is patched.
//!
//! On request the kernel raises SIGSYS at each system call instruction outside of this
//! library, whatever code it is in, while the thread's *selector* says [`CATCH`]. Our handler
//! (`signal::traps`) has the call go on at a stub, which is made for the place when it is
//! caught there first: from then on it is a call like any other. Sites that no jump fits
//! are left as they are, and caught, too.
//!
//! Stubs make calls where the kernel would catch them. So each call of the program goes through
//! the entry, which sets the selector to [`PASS`] on the way in and back on the way out. Both
//! may be missed, by a signal handler that comes in between or leaves for good: a stub's
//! own call that is caught passes then, and one of the program's is not caught before another one
//! has come out.
//!
//! The program may use dispatch itself, as Wine does. Then its selector and range are looked at
//! here, and a call that it does not let through is made where the kernel catches it: in the
//! call's stub, with [`CATCH`]. That SIGSYS is the program's.
//!
//! The kernel knows the selector of each thread by its address, and forgets it in whoever is
//! born.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use crate::diagnostics::{Why, say};
use crate::frame::{SyscallFrame, copy_words};
use crate::sys;
use crate::thread::{self, ThreadBlock};
use crate::{interest, patch, signal};

const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;
const OFF: usize = 0;
const ON: usize = 1;

/// Selectors (`SYSCALL_DISPATCH_FILTER_ALLOW` and `_BLOCK`).
pub(crate) const PASS: u8 = 0;
pub(crate) const CATCH: u8 = 1;

static IS_WANTED: AtomicBool = AtomicBool::new(false);
static IS_SPREAD: AtomicBool = AtomicBool::new(false);

/// Whether nothing is trapped, since the net catches it.
pub(crate) fn is_wanted() -> bool {
    IS_WANTED.load(Relaxed)
}

/// Before anything is patched: there is to be a net, if the kernel has one.
pub(crate) fn prepare() {
    match switch_off() {
        Ok(()) => {
            IS_WANTED.store(true, Relaxed);
            signal::trap_by_dispatch();
        }
        Err(error) => say(format_args!(
            "no net: the kernel has no Syscall User Dispatch ({}); what is not patched is missed",
            Why(error)
        )),
    }
}

/// Everything is patched: calls are caught from now on, of this thread and of those to come.
pub(crate) fn spread(block: &mut ThreadBlock) {
    if !is_wanted() {
        return;
    }
    if signal::catch_traps() && ask_to_catch(block).is_ok() {
        interest::add_all(interest::NET);
        IS_SPREAD.store(true, Relaxed);
        return;
    }
    say(format_args!("no net: SIGSYS cannot be had for it; what is not patched is missed"));
}

/// The calls of this thread are caught, if any are. The process has just begun, or the thread.
pub(crate) fn catch(block: &mut ThreadBlock) {
    if IS_SPREAD.load(Relaxed) && !sys::is_confined() {
        let _ = ask_to_catch(block);
    }
}

fn ask_to_catch(block: &mut ThreadBlock) -> sys::Result<()> {
    block.selector = CATCH;
    let (own, selector) = (patch::own_text(), &raw const block.selector);
    // SAFETY: the kernel reads the selector while the thread runs, whose block it is.
    let asked = unsafe {
        syscall!(
            Sysno::prctl,
            PR_SET_SYSCALL_USER_DISPATCH,
            ON,
            own.start,
            own.end - own.start,
            selector
        )
    };
    asked.map(|_| ())
}

/// Syscall User Dispatch as the program has it in a thread.
#[derive(Default)]
pub(crate) struct Dispatch {
    is_on: bool,
    /// Calls from here pass: the address behind the instruction counts.
    start: u64,
    len: u64,
    /// Where the program's selector is, if it has one.
    selector: u64,
    /// The `syscall` in a stub where a call is made to be caught, and with which stack pointer.
    due: [u64; 2],
    /// The selector says nothing that there is.
    is_fatal: bool,
}

/// prctl(PR_SET_SYSCALL_USER_DISPATCH), as the kernel checks it. Where there is no net, and in a
/// vfork child, which has its parent's block, this is a kernel without.
pub(crate) fn set_dispatch(block: &mut ThreadBlock, [mode, start, len, selector]: [u64; 4]) -> i64 {
    /// What is above is no program's.
    const TASK_SIZE: u64 = (1 << 47) - 4096;
    let is_on = mode == ON as u64;
    let is_refused = match is_on {
        true => {
            let is_empty = start != 0 && start.wrapping_add(len) <= start;
            is_empty || !IS_SPREAD.load(Relaxed) || block.depth != 0
        }
        false => mode != OFF as u64 || start | len | selector != 0,
    };
    if is_refused {
        return -i64::from(Errno::EINVAL.into_raw());
    }
    if selector >= TASK_SIZE {
        return -i64::from(Errno::EFAULT.into_raw());
    }
    block.dispatch = Dispatch { is_on, start, len, selector, ..Dispatch::default() };
    0
}

/// Whether the program does not let a call through: it is to be made natively, and caught.
pub(crate) fn is_dispatched(block: &mut ThreadBlock, frame: &SyscallFrame) -> bool {
    let dispatch = &mut block.dispatch;
    if !dispatch.is_on
        || block.depth != 0
        || frame.address_after_site().wrapping_sub(dispatch.start) < dispatch.len
    {
        return false;
    }
    // SAFETY: the program's own, as good as it has it; where it is not mapped the kernel
    // ends the process in this way, too.
    let selector = unsafe { (dispatch.selector as *const u8).as_ref() }
        .map_or(CATCH, |selector| unsafe { (&raw const *selector).read_volatile() });
    if selector == PASS {
        return false;
    }
    dispatch.is_fatal = selector != CATCH;
    copy_words(&[frame.anchor, frame.rsp], &mut dispatch.due);
    block.selector = CATCH;
    true
}

/// Whether a SIGSYS comes of such a call.
pub(crate) fn is_of_dispatch(site: u64, stack_pointer: u64) -> bool {
    thread::known_block().is_some_and(|block| block.dispatch.due == [site, stack_pointer])
}

/// Whether the last such call ends the process, whatever it has for SIGSYS.
pub(crate) fn is_fatal(block: &ThreadBlock) -> bool {
    block.dispatch.is_fatal
}

/// No call of this thread is caught any more.
pub(crate) fn end() {
    if is_wanted() {
        let _ = switch_off();
    }
}

fn switch_off() -> sys::Result<()> {
    // SAFETY: concerns nothing but signals.
    unsafe { syscall!(Sysno::prctl, PR_SET_SYSCALL_USER_DISPATCH, OFF, 0, 0, 0) }.map(|_| ())
}
