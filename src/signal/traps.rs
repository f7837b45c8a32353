//! SIGILL, which the trap rung needs, shared with the program.
//!
//! Where there is a net (`net`) nothing is trapped, and all of this is done for SIGSYS: what is
//! said of SIGILL here, and where others deal with it, is said of the one of both that is
//! needed.
//!
//! Only a process with trapped sites comes here. Our handler is then installed
//! for SIGILL whatever the program's action is, and masks that the program sets
//! are given to the kernel without SIGILL: a trap while it is blocked would end
//! the process. One that is sent while the program has it blocked waits here
//! (`waiting`).

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use syscalls::{Sysno, syscall};

use super::actions::{
    self, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SA_SIGINFO, SIG_DFL,
    SigAction,
};
use super::context::{self, SigInfo, UContext};
use super::table::By;
use super::{alternate, entry, nodefer, signalfd, waiting};
use crate::frame::SyscallFrame;
use crate::interest::{self, LIFECYCLE};
use crate::lifecycle::Step;
use crate::net;
use crate::patch;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock};

pub(super) const SIG_BLOCK: u64 = 0;
const SIG_UNBLOCK: u64 = 1;
const SIG_SETMASK: u64 = 2;
pub(super) const EFAULT: i64 = -14;

const SIGILL: u64 = 4;
const SIGSYS: u64 = 31;

/// The signal that traps raise.
static SIGNAL: AtomicU64 = AtomicU64::new(SIGILL);
static CAUGHT: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn interceptor_restorer();
}

/// The signal that traps raise.
pub(super) fn signal() -> u64 {
    SIGNAL.load(Relaxed)
}

/// Its bit in a set.
pub(super) fn bit() -> u64 {
    1 << (signal() - 1)
}

/// There is a net: what is not patched raises SIGSYS.
pub(crate) fn trap_by_dispatch() {
    SIGNAL.store(SIGSYS, Relaxed);
}

/// Whether SIGILL is ours first.
pub(super) fn are_caught() -> bool {
    CAUGHT.load(Relaxed)
}

/// Installs our handler. Returns whether the kernel took it.
pub(crate) fn catch_traps() -> bool {
    let Ok(programs) = actions::exchange(signal(), None, By::Process) else {
        return false;
    };
    CAUGHT.store(true, Relaxed);
    if actions::exchange(signal(), Some(&programs), By::Process).is_err() {
        CAUGHT.store(false, Relaxed);
        return false;
    }
    for sysno in KNOWN.into_iter().chain(WITH_MASK) {
        interest::add(sysno as usize, LIFECYCLE);
    }
    set_blocked(SIG_UNBLOCK);
    true
}

/// Other calls that set, ask for or wait for what is blocked.
const KNOWN: [Sysno; 5] = [
    Sysno::rt_sigprocmask,
    Sysno::rt_sigpending,
    Sysno::rt_sigtimedwait,
    Sysno::signalfd,
    Sysno::signalfd4,
];

/// Installs our handler once more, in a process that was born without its
/// parent's handlers (CLONE_CLEAR_SIGHAND).
pub(crate) fn handlers_cleared() {
    if are_caught() {
        let _ = actions::exchange(signal(), Some(&SigAction::default()), By::caller_alone());
    }
}

/// The signal that is handled is no trap: a hook, or the program's handler, may come to some.
pub(super) fn may_come() {
    if !sys::is_confined() {
        alternate::unblock(bit());
    }
}

/// What the kernel has for SIGILL; `handler` stands for the program's action. One that
/// the program does not handle, or has blocked, interrupts no call if that can be had.
///
/// One that is sent while a trap is handled comes afterwards, in the context of what was
/// trapped.
pub(super) fn action(programs: &SigAction, handler: u64, other_flags: u64) -> SigAction {
    let not_deferred = if nodefer::are_faults_left() { SA_NODEFER } else { 0 };
    let interrupts = programs.is_function() && programs.flags & SA_RESTART == 0;
    let restarts = if interrupts { 0 } else { SA_RESTART };
    SigAction {
        handler,
        flags: other_flags | SA_SIGINFO | SA_RESTORER | SA_ONSTACK | not_deferred | restarts,
        restorer: interceptor_restorer as *const () as u64,
        // No handler of the program's runs on top of ours.
        mask: !bit(),
    }
}

/// Does for the program's handler of SIGILL what the kernel would: resets the
/// action if that was asked for, and sets the mask; ours runs with everything
/// blocked. `change` as in [`handler_is_called`].
pub(super) fn prepare_handler(context: &UContext, change: Option<&MaskChange>, action: &SigAction) {
    if sys::is_confined() {
        return;
    }
    if action.flags & SA_RESETHAND != 0 {
        let reset = SigAction { handler: SIG_DFL, ..*action };
        let _ = actions::exchange(signal(), Some(&reset), By::Process);
    }
    let interrupted = mask_of_interrupted(change, context).unwrap_or(context.mask);
    // SIGILL itself stays unblocked: the handler may run into a trap.
    let mask = (interrupted | action.mask) & !bit();
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, &raw const mask, 0, 8) };
}

/// A mask without the trap's signal, if there are traps.
pub(super) fn without_trap_signal(mask: u64) -> u64 {
    mask & !signal_mask()
}

/// The trap's signal, if there are traps.
pub(super) fn signal_mask() -> u64 {
    if are_caught() { bit() } else { 0 }
}

/// Whether the signal is that of a trap that the context stands at. One that was sent to a
/// thread which stands at a trap is not; it may have taken its place in the kernel's queue,
/// then the trap comes again.
pub(super) fn is_trap(info: &SigInfo, context: &UContext) -> bool {
    match signal() {
        SIGSYS => {
            const SYSCALL: u64 = 2;
            let site = context.rip.wrapping_sub(SYSCALL);
            info.is_of_dispatch()
                && info.address == context.rip
                && !net::is_of_dispatch(site, context.rsp)
        }
        _ => info.code > 0 && patch::trap_stub_of(context.rip).is_some(),
    }
}

/// If the context stands at a trap, makes it continue at the site's stub. It may be that of a
/// signal which the kernel has sent itself at the same moment, and whose handler has yet to
/// begin: then the trap is beneath.
///
/// # Safety
///
/// Both are the kernel's.
pub(super) unsafe fn redirect(info: &SigInfo, mut context: *mut UContext) -> bool {
    loop {
        // SAFETY: the caller's, and the frames of handlers that have done nothing yet.
        let interrupted = unsafe { &mut *context };
        if is_trap(info, interrupted) {
            interrupted.rip = match signal() {
                SIGSYS => way_of_caught(info, interrupted),
                _ => patch::trap_stub_of(interrupted.rip).unwrap_or(interrupted.rip),
            };
            return true;
        }
        let Some(handler) = entry::interrupted(interrupted) else {
            return false;
        };
        context = handler.frame().context_at() as *mut UContext;
    }
}

/// Where a call goes on that the net has caught.
fn way_of_caught(info: &SigInfo, context: &UContext) -> u64 {
    const SYSCALL: u64 = 2;
    let site = context.rip - SYSCALL;
    if info.is_of_64_bits()
        && let Some(stub) = patch::stub_of_caught(site)
    {
        return stub;
    }
    // A stub's own, or one that cannot have a stub.
    if context::is_return(context.rax) {
        return sigreturn();
    }
    match thread::known_block() {
        Some(block) => block.selector = net::PASS,
        None => net::end(),
    }
    site
}

/// The `syscall` that the net does not catch, for rt_sigreturn.
pub(crate) fn sigreturn() -> u64 {
    /// `mov rax, 15`, which the program has done.
    const MOV: u64 = 7;
    interceptor_restorer as *const () as u64 + MOV
}

/// What a call that is in the kernel does to the program's belief that SIGILL is
/// blocked.
#[derive(Clone, Copy, Default)]
pub(crate) enum MaskChange {
    #[default]
    None,
    /// rt_sigprocmask; `is_noted` once the program's belief has changed.
    Set { before: bool, after: bool, is_noted: bool },
    /// It waits with another mask.
    Wait(u64),
    /// So it does, and the mask lets the SIGILL in that has waited for that; the kernel has
    /// it now. Everything is blocked but in the call; `before`, these signals were.
    Held { before: u64, mask: u64 },
    /// A signalfd may be told while it waits, with SIGILL in the mask: it is blocked at the
    /// kernel's, too. `before`, these signals were.
    Told { before: u64, mask: u64 },
}

impl MaskChange {
    /// What is blocked while the call waits.
    fn mask_of_wait(self) -> Option<u64> {
        match self {
            MaskChange::Wait(mask)
            | MaskChange::Held { mask, .. }
            | MaskChange::Told { mask, .. } => Some(mask),
            _ => None,
        }
    }
}

/// rt_sigprocmask on its way in. The kernel gets the mask without SIGILL; what
/// the program believes of it is kept in the block.
pub(crate) fn rt_sigprocmask(block: &mut ThreadBlock, frame: &mut SyscallFrame) -> Step {
    let [how, set, old, size, ..] = frame.args;
    let how = u64::from(how as u32);
    let before = block.is_sigill_blocked;
    if !are_caught() || size != 8 {
        return Step::Forward;
    }
    let mut after = before;
    if set != 0
        && let Some([wanted]) = sys::read_guest_words(set)
    {
        let names_it = wanted & bit() != 0;
        after = match how {
            SIG_BLOCK => before || names_it,
            SIG_UNBLOCK => before && !names_it,
            _ => names_it,
        };
        if before
            && !after
            && how <= SIG_SETMASK
            && let Some(held) = waiting::hold_for_mask(block)
        {
            let is_told = old == 0 || sys::write_guest(old, &[held | bit()]) == 8;
            let mask = if how == SIG_UNBLOCK { held & !wanted } else { wanted };
            block.aside.leave_with_mask(mask);
            return Step::Answer(if is_told { 0 } else { EFAULT });
        }
        if names_it && how != SIG_UNBLOCK {
            frame.keep_original();
            frame.args[1] = block.scratch_for([wanted & !bit(), 0, 0]);
        }
    }
    block.mask_change = MaskChange::Set { before, after, is_noted: false };
    if before || after { Step::ForwardAndExit } else { Step::Forward }
}

/// The same call on its way out.
pub(crate) fn rt_sigprocmask_done(block: &mut ThreadBlock, call: &Call, result: i64) {
    let MaskChange::Set { before, after, is_noted } = call.mask_change else {
        return;
    };
    if result != 0 {
        return;
    }
    let old = call.args[2];
    if before
        && old != 0
        && let Some([mask]) = sys::read_guest_words(old)
    {
        sys::write_guest(old, &[mask | bit()]);
    }
    if !is_noted {
        block_sigill(block, after);
    }
}

/// Notes whether the program has SIGILL blocked; one that waited comes when it
/// has not any more.
fn block_sigill(block: &mut ThreadBlock, is_blocked: bool) {
    block.is_sigill_blocked = is_blocked;
    if !is_blocked {
        waiting::send(block);
    }
}

/// The entry is about to leave by rt_sigreturn: SIGILL comes when it has, like all others.
pub(super) fn block_until_left() {
    if are_caught() {
        set_blocked(SIG_BLOCK);
    }
}

/// Sends the SIGILL that waits, if the program has it not blocked, as the last step before.
pub(super) fn send_pending(block: &mut ThreadBlock) {
    if are_caught() && block.sigill.waits && !block.is_sigill_blocked {
        waiting::send(block);
    }
}

/// Blocks SIGILL at the kernel's, or not.
pub(super) fn set_blocked(how: u64) {
    let set = bit();
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, how, &raw const set, 0, 8) };
}

/// Whether a call looks for a SIGILL that waits when it goes in.
pub(super) fn looks_for_one(nr: u64) -> bool {
    let is_it = |sysno: Sysno| sysno as usize as u64 == u64::from(nr as u32);
    is_it(Sysno::rt_sigtimedwait) || WITH_MASK.into_iter().any(is_it)
}

/// Calls that wait with a mask of their own, given by a pointer.
const WITH_MASK: [Sysno; 7] = [
    Sysno::rt_sigsuspend,
    Sysno::ppoll,
    Sysno::pselect6,
    Sysno::epoll_pwait,
    Sysno::epoll_pwait2,
    Sysno::io_pgetevents,
    Sysno::io_uring_enter,
];

/// One of them on its way in. A handler that interrupts it would run with SIGILL
/// blocked: the kernel gets the mask without. Returns whether it was changed.
pub(crate) fn call_with_mask(
    block: &mut ThreadBlock,
    sysno: Sysno,
    frame: &mut SyscallFrame,
) -> bool {
    let (argument, words_behind) = match place_of_mask(sysno, &frame.args) {
        Some(place) if are_caught() => place,
        _ => return false,
    };
    let mut at = frame.args[argument];
    // What stands beside the pointer to the mask where both are behind a pointer.
    let mut beside = [0; 2];
    if words_behind != 0 {
        let read = || match words_behind {
            2 => sys::read_guest_words(at).map(|[mask, second]| [mask, second, 0]),
            _ => sys::read_guest_words(at),
        };
        let Some([mask, second, third]) = (at != 0).then(read).flatten() else {
            return false;
        };
        (at, beside) = (mask, [second, third]);
    }
    let Some([mask]) = (at != 0).then(|| sys::read_guest_words(at)).flatten() else {
        return false;
    };
    let names_it = mask & bit() != 0;
    block.sigill.is_new = false;
    if !names_it && !block.is_sigill_blocked {
        return false;
    }
    if names_it && let Some(before) = signalfd::hold_with_mask(block, sysno) {
        block.mask_change = MaskChange::Told { before, mask };
        return true;
    }
    let held = if names_it { None } else { waiting::hold(block) };
    block.mask_change =
        held.map_or(MaskChange::Wait(mask), |before| MaskChange::Held { before, mask });
    let mask_at = block.scratch_for([mask & !bit(), 0, 0]);
    frame.keep_original();
    frame.args[argument] = match words_behind {
        0 => mask_at,
        _ => block.scratch_for([mask_at, beside[0], beside[1]]),
    };
    true
}

/// Which argument leads to the mask of such a call, and how many words it leads to, of which
/// the first is the pointer to the mask; none where it is that pointer.
fn place_of_mask(sysno: Sysno, args: &[u64; 6]) -> Option<(usize, usize)> {
    /// The argument leads to a `struct io_uring_getevents_arg`.
    const EXT_ARG: u64 = 1 << 3;
    /// It is a place in memory that the kernel knows.
    const EXT_ARG_REG: u64 = 1 << 6;
    Some(match sysno {
        Sysno::rt_sigsuspend => (0, 0),
        Sysno::ppoll => (3, 0),
        Sysno::epoll_pwait | Sysno::epoll_pwait2 => (4, 0),
        // Pointer and size.
        Sysno::pselect6 | Sysno::io_pgetevents => (5, 2),
        Sysno::io_uring_enter if args[3] & EXT_ARG_REG != 0 => return None,
        // Pointer, size and another number, and a pointer to a time.
        Sysno::io_uring_enter if args[3] & EXT_ARG != 0 => (4, 3),
        Sysno::io_uring_enter => (4, 0),
        _ => return None,
    })
}

/// Shows a handler whether the program has SIGILL blocked, and blocks it while
/// the handler runs if its action does, of which `mask` is; for [`handler_returned`].
/// `change` is that of a call that has come out of the kernel, and the signal before it was seen.
pub(super) fn handler_is_called(
    block: &mut ThreadBlock,
    context: &mut UContext,
    change: Option<&mut MaskChange>,
    mask: u64,
) {
    let is_blocked_by_action = mask & bit() != 0;
    let mask_of_call = mask_of_interrupted(change.as_deref(), context);
    match change {
        Some(MaskChange::Set { after, is_noted, .. }) if context.rax == 0 && !*is_noted => {
            *is_noted = true;
            block.is_sigill_blocked = *after;
        }
        Some(change) if context.rax == INTERRUPTED => {
            if let MaskChange::Held { before, mask } = *change {
                context.mask = before;
                *change = MaskChange::Wait(mask);
            }
        }
        _ => {}
    }
    if block.is_sigill_blocked {
        context.mask |= bit();
    }
    let is_blocked = mask_of_call.map_or(block.is_sigill_blocked, |mask| mask & bit() != 0);
    block.is_sigill_blocked = is_blocked || is_blocked_by_action;
}

/// What was blocked in a call that waited with a mask of its own, if it was interrupted.
fn mask_of_interrupted(change: Option<&MaskChange>, context: &UContext) -> Option<u64> {
    change.filter(|_| context.rax == INTERRUPTED)?.mask_of_wait()
}

/// In rax: EINTR.
const INTERRUPTED: u64 = -4i64 as u64;

/// Whether there is nothing for [`handler_is_called`] to do.
pub(super) fn is_nothing_blocked(
    block: &ThreadBlock,
    change: Option<&MaskChange>,
    mask: u64,
) -> bool {
    !block.is_sigill_blocked && mask & bit() == 0 && matches!(change, None | Some(MaskChange::None))
}

/// Makes what the handler has left in its context the program's mask. `change` as in
/// [`handler_is_called`]: the mask that a call has waited with was the handler's. Returns whether
/// a SIGILL that waits is to come when the context continues.
pub(super) fn handler_returned(
    block: &mut ThreadBlock,
    context: &mut UContext,
    change: Option<&mut MaskChange>,
) -> bool {
    if !are_caught() {
        return false;
    }
    if let Some(change @ MaskChange::Wait(_)) = change {
        *change = MaskChange::None;
    }
    block.is_sigill_blocked = context.mask & bit() != 0;
    context.mask &= !bit();
    context.set_unprepared();
    block.sigill.waits && !block.is_sigill_blocked
}

/// What becomes of a SIGILL that the program has blocked.
#[derive(PartialEq, Eq)]
pub(super) enum Blocked {
    No,
    /// It was sent, and is to wait.
    Waits,
    /// The CPU raised it. The kernel then ends the process.
    IsFatal,
}

/// `change` as in [`handler_is_called`].
pub(super) fn blocked(
    block: &ThreadBlock,
    info: &SigInfo,
    context: &UContext,
    change: Option<&MaskChange>,
) -> Blocked {
    let mask = mask_of_interrupted(change, context);
    let lets_it_in = mask.is_some_and(|mask| mask & bit() == 0);
    match block.is_sigill_blocked {
        _ if info.is_of_dispatch() && net::is_fatal(block) => Blocked::IsFatal,
        false => Blocked::No,
        true if info.code > 0 => Blocked::IsFatal,
        true if lets_it_in => Blocked::No,
        true => Blocked::Waits,
    }
}
