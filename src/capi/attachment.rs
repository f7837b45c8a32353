//! Whether a monitor is attached, and who may change that.
//!
//! One word, which hook libraries read: the thread, 0, or [`BUSY`] while somebody
//! changes it. Who has made it busy has the monitor to itself: nobody else joins it
//! meanwhile, so it may be cancelled.
//!
//! Forbidden here: libc, and system calls.

use core::ffi::c_ulong;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::group::TGSTAT;

/// `pthread_t`, as both libcs have it.
pub(super) type Pthread = c_ulong;

/// Somebody attaches or destructs at the moment.
const BUSY: Pthread = Pthread::MAX;

/// Attaches what `create` returns, 0 for nothing. Returns that, or what there is.
pub(super) fn attach(create: impl FnOnce() -> Pthread) -> Pthread {
    if let Err(current) = TGSTAT.monitor.compare_exchange(0, BUSY, AcqRel, Relaxed) {
        return current;
    }
    let thread = create();
    TGSTAT.monitor.swap(thread, AcqRel);
    thread
}

/// Lets `end` end the monitor. Returns the thread that it was, 0 if there was none,
/// [`BUSY`] while another thread changes it.
pub(super) fn destruct(end: impl FnOnce(Pthread)) -> Pthread {
    let thread = TGSTAT.monitor.load(Relaxed);
    if thread == 0 || thread == BUSY {
        return thread;
    }
    if TGSTAT.monitor.compare_exchange(thread, BUSY, AcqRel, Relaxed).is_err() {
        return BUSY;
    }
    end(thread);
    TGSTAT.monitor.swap(0, AcqRel);
    thread
}

/// The calling thread, which `is_monitor` or not, has ended and is counted no more: if
/// only the monitor is left, `cancel` cancels it.
pub(super) fn end_with_last(is_monitor: impl Fn() -> bool, cancel: impl Fn(Pthread)) {
    loop {
        let thread = TGSTAT.monitor.load(Acquire);
        if thread == 0 || thread == BUSY || is_monitor() || is_anybody_else_there() {
            return;
        }
        if TGSTAT.monitor.compare_exchange(thread, BUSY, AcqRel, Relaxed).is_err() {
            return;
        }
        // Since the first look another thread may have made it anew, which then did not
        // end.
        let is_last = !is_anybody_else_there();
        if is_last {
            cancel(thread);
        }
        // An exchange: whoever has ended meanwhile, and found it busy, is to be seen by
        // the next look.
        TGSTAT.monitor.swap(thread, AcqRel);
        if is_last {
            return;
        }
    }
}

/// Whether more threads than the monitor are alive.
fn is_anybody_else_there() -> bool {
    TGSTAT.nr_local_thread.load(Acquire) > 1
}

/// Whether there is one.
pub(super) fn is_attached() -> bool {
    TGSTAT.monitor.load(Relaxed) != 0
}
