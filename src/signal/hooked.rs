//! Signals that a hook wants to see.
//!
//! The kernel then has our handler also for signals that the program leaves to their
//! default, or ignores. What the hook lets through goes the way that the kernel
//! would have taken: to the program's handler, to the default action, carried out by
//! the kernel itself, or nowhere.

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use spin::Once;
use syscalls::{Sysno, syscall};

use super::actions::{
    self, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESTART, SA_RESTORER, SA_SIGINFO,
    SIG_DFL, SIG_IGN, SIGCHLD, SIGKILL, SIGSTOP, SigAction,
};
use super::alternate::{block_all, set_mask};
use super::context::{self, SigInfo, UContext, View};
use super::defer::{bit, is_fault};
use super::table::By;
use super::{SIGNALS, crash};
use crate::hook::{Disposition, Observer, SignalDecision, SignalDelivery, Signals};
use crate::sys;
use crate::thread;

/// Signals that hooks see, as bits of [`Signals`].
static WANTED: AtomicU8 = AtomicU8::new(0);
/// Whose hook it is.
static OBSERVER: Once<&'static dyn Observer> = Once::new();
const SIGCONT: u64 = 18;
const SIGTTIN: u64 = 21;
const SIGTTOU: u64 = 22;
/// Fatal signals are reported.
const REPORTED: u8 = 1 << 7;

unsafe extern "C" {
    fn interceptor_restorer();
}

/// What the kernel does with a signal of which it is left the default action.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Default {
    End,
    Stop,
    /// Nothing, or it continues the process, whatever the action is.
    Nothing,
}

fn default_of(signal: u64) -> Default {
    const SIGTSTP: u64 = 20;
    const SIGURG: u64 = 23;
    const SIGWINCH: u64 = 28;
    match signal {
        SIGCHLD | SIGCONT | SIGURG | SIGWINCH => Default::Nothing,
        SIGTSTP | SIGTTIN | SIGTTOU => Default::Stop,
        _ => Default::End,
    }
}

/// Shows signals to a hook from now on, beside those that it sees already.
pub(crate) fn watch(observer: &'static dyn Observer, signals: Signals) {
    OBSERVER.call_once(|| observer);
    want(signals.bits());
}

/// Shows more signals to the hook that [`watch`] was told of at start-up.
#[cfg(feature = "capi")]
pub(crate) fn watch_more(signals: Signals) {
    want(signals.bits());
}

/// Reports fatal signals from now on.
pub(crate) fn report_crashes() {
    want(REPORTED);
}

fn want(bits: u8) {
    if bits == 0 || WANTED.fetch_or(bits, Relaxed) & bits == bits {
        return;
    }
    for signal in (1..=SIGNALS as u64).filter(|signal| !matches!(*signal, SIGKILL | SIGSTOP)) {
        if let Ok(installed) = actions::exchange(signal, None, By::Process)
            && !installed.is_function()
            && wants(signal, &installed)
        {
            let _ = actions::exchange(signal, Some(&installed), By::Process);
        }
    }
}

/// Whether a hook, or the report, wants to see a signal that has this action.
pub(super) fn wants(signal: u64, action: &SigAction) -> bool {
    let wanted = WANTED.load(Relaxed);
    let has = |signals: Signals| wanted & signals.bits() == signals.bits();
    if wanted == 0 || (is_internal(signal) && !has(Signals::INTERNAL)) {
        return false;
    }
    match (action.handler, default_of(signal)) {
        (SIG_IGN, _) if matters_to_terminals(signal) => false,
        (SIG_IGN, _) | (SIG_DFL, Default::Nothing) => has(Signals::IGNORED),
        (SIG_DFL, Default::End) => has(Signals::DELIVERED) || wanted & REPORTED != 0,
        _ => has(Signals::DELIVERED),
    }
}

/// Whether the kernel asks if a signal is ignored before it sends it: a process in the background
/// that ignores it may write to its terminal, or gets an error when it reads; else its call is
/// made again, as often as the signal is not acted on.
fn matters_to_terminals(signal: u64) -> bool {
    matches!(signal, SIGTTIN | SIGTTOU)
}

/// Whether the hook or the report wants to see any at all.
pub(super) fn wants_some() -> bool {
    WANTED.load(Relaxed) != 0
}

/// Whether libc keeps a signal for itself: glibc for cancellation and for changing
/// ids in all threads; musl has a third.
fn is_internal(signal: u64) -> bool {
    const FIRST: u64 = 32;
    let last = if sys::is_libc_musl() { 34 } else { 33 };
    (FIRST..=last).contains(&signal)
}

/// What the kernel has for a signal that is ignored or left to its default, and
/// wanted; `handler` stands for the program's action.
pub(super) fn action(
    signal: u64,
    programs: &SigAction,
    handler: u64,
    other_flags: u64,
) -> SigAction {
    let mut flags = other_flags | programs.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
    if signal == SIGCHLD && programs.handler == SIG_IGN {
        flags |= SA_NOCLDWAIT;
    }
    SigAction {
        handler,
        flags: flags | SA_SIGINFO | SA_RESTORER | SA_RESTART | SA_ONSTACK | SA_NODEFER,
        restorer: interceptor_restorer as *const () as u64,
        // See `stop`.
        mask: if default_of(signal) == Default::Stop { bit(SIGCONT as u32) } else { 0 },
    }
}

/// Makes ignored signals ignored by the kernel, since they stay so over exec; or
/// ours again, when exec has failed.
pub(crate) fn leave_ignored_to_kernel(is_left: bool) {
    if WANTED.load(Relaxed) & Signals::IGNORED.bits() == 0 {
        return;
    }
    let by = By::caller_alone();
    for signal in 1..=SIGNALS as u64 {
        let Ok(installed) = actions::exchange(signal, None, by) else {
            continue;
        };
        if installed.handler == SIG_IGN {
            if is_left {
                actions::install(signal, &installed);
            } else {
                let _ = actions::exchange(signal, Some(&installed), by);
            }
        }
    }
}

/// Whether exec has to be told.
pub(crate) fn sees_ignored() -> bool {
    WANTED.load(Relaxed) & Signals::IGNORED.bits() != 0
}

/// Asks the hook about a signal, if it wants to see it. Returns whether the signal
/// goes its way.
///
/// The hook runs on the program's stack, where no handler of the program's may find it:
/// no other signal comes meanwhile. If the program's handler is not called, none comes
/// before the return from ours, which brings back the mask.
///
/// # Safety
///
/// The arguments are the kernel's.
pub(super) unsafe fn ask(
    signal: i32,
    info: *mut SigInfo,
    context: *mut UContext,
    action: &SigAction,
) -> bool {
    let Some(observer) = OBSERVER.get().filter(|_| is_seen(signal as u64, action)) else {
        return true;
    };
    let disposition = match action.handler {
        SIG_DFL => Disposition::Default,
        SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled,
    };
    let delivery =
        SignalDelivery { signal, info: info.cast(), context: context.cast(), disposition };
    let mask = (!sys::is_confined()).then(block_all);
    let is_forwarded = thread::unhooked(|| observer.signal(&delivery)) == SignalDecision::Forward;
    if let Some(mask) = mask.filter(|_| is_forwarded && action.is_function()) {
        set_mask(mask);
    }
    is_forwarded
}

fn is_seen(signal: u64, action: &SigAction) -> bool {
    let is_for_report_only = WANTED.load(Relaxed) & !REPORTED == 0;
    !is_for_report_only && wants(signal, action)
}

/// Does what the kernel would have done with a signal that has no handler.
///
/// # Safety
///
/// The arguments are the kernel's, and `view` is the context's.
pub(super) unsafe fn act_as_kernel(
    signal: i32,
    info: *mut SigInfo,
    context: *mut UContext,
    action: &SigAction,
    view: &View,
) {
    // SAFETY: the caller's.
    let is_fault = is_fault(signal, unsafe { (*info).code });
    let signal = signal as u64;
    if action.handler == SIG_IGN && !is_fault {
        return;
    }
    match default_of(signal) {
        Default::Nothing => {}
        Default::Stop => stop(signal, action),
        Default::End => {
            if WANTED.load(Relaxed) & REPORTED != 0 {
                // SAFETY: the caller's.
                unsafe { crash::report(&*info, &*context) };
            }
            // SAFETY: the caller's.
            unsafe {
                view.undo(&mut *context);
                end(signal, info, context, is_fault);
            }
        }
    }
}

/// Stops the process, until it is continued.
fn stop(signal: u64, action: &SigAction) {
    const SIG_UNBLOCK: usize = 1;
    // Sent since this one came: the process would go on by now, and would not again, since one
    // that stops takes it away.
    if sys::pending_signals() & bit(SIGCONT as u32) != 0 {
        return;
    }
    actions::install(signal, &SigAction { handler: SIG_DFL, ..*action });
    let (set, mut mask) = (bit(signal as u32), 0u64);
    // SAFETY: the kernel reads and writes one word each. The process stops before
    // the first call returns.
    unsafe {
        let _ = syscall!(Sysno::tgkill, sys::getpid(), sys::gettid(), signal);
        let _ = syscall!(Sysno::rt_sigprocmask, SIG_UNBLOCK, &raw const set, &raw mut mask, 8);
    }
    set_mask(mask);
    // Unless the program has set another one meanwhile.
    if let Ok(installed) = actions::exchange(signal, None, By::Process)
        && installed.handler == SIG_DFL
    {
        let _ = actions::exchange(signal, Some(&installed), By::Process);
    }
}

/// Ends the process by a fault that happens again.
///
/// # Safety
///
/// The context is the kernel's.
pub(super) unsafe fn end_by_fault(signal: i32, context: *mut UContext) -> ! {
    const SIGSYS: i32 = 31;
    const SYSCALL: u64 = 2;
    actions::install(signal as u64, &SigAction::default());
    // SAFETY: the caller's.
    unsafe {
        if signal == SIGSYS {
            // A call that was caught, by a filter or by dispatch: rax has its number again.
            (*context).rip -= SYSCALL;
        }
        context::resume(context)
    }
}

/// Ends the process by the signal, in the context in which it came.
///
/// # Safety
///
/// The arguments are the kernel's.
unsafe fn end(signal: u64, info: *mut SigInfo, context: *mut UContext, is_fault: bool) -> ! {
    const SIGTRAP: u64 = 5;
    const SIGSYS: u64 = 31;
    const SI_KERNEL: i32 = 0x80;
    actions::install(signal, &SigAction::default());
    // A fault happens again, unless the kernel had no fault but the signal in mind;
    // anything else is sent once more.
    // SAFETY: the caller's.
    let is_forced = unsafe { (*info).code } == SI_KERNEL;
    if !is_fault || is_forced || matches!(signal, SIGTRAP | SIGSYS) {
        const SIG_BLOCK: usize = 0;
        let set = bit(signal as u32);
        // SAFETY: the kernel reads one word, and the siginfo_t that it made.
        unsafe {
            let _ = syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &raw const set, 0, 8);
            let (pid, tid) = (sys::getpid(), sys::gettid());
            let sent = syscall!(Sysno::rt_tgsigqueueinfo, pid, tid, signal, info);
            if sent.is_err() {
                let _ = syscall!(Sysno::tgkill, pid, tid, signal);
            }
        }
    }
    // SAFETY: the caller's. A call that waits with a mask of its own may have let it in.
    unsafe {
        (*context).mask &= !bit(signal as u32);
        context::resume(context)
    }
}
