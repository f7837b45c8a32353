//! SIGILL, which the trap rung needs, shared with the program.
//!
//! Only a process with trapped sites comes here. Our handler is then installed
//! for SIGILL whatever the program's action is, and masks that the program sets
//! are given to the kernel without SIGILL: a trap while it is blocked would end
//! the process.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::{Sysno, syscall};

use super::actions::{
    self, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTORER, SA_SIGINFO, SIG_DFL, SIGILL, SigAction,
};
use super::context::UContext;
use crate::frame::SyscallFrame;
use crate::interest::{self, LIFECYCLE};
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;

const SIGILL_BIT: u64 = 1 << (SIGILL - 1);
const SIG_BLOCK: u64 = 0;
const SIG_UNBLOCK: u64 = 1;

static CAUGHT: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn interceptor_restorer();
}

/// Whether SIGILL is ours first.
pub(super) fn are_caught() -> bool {
    CAUGHT.load(Relaxed)
}

/// Installs our handler. Returns whether the kernel took it.
pub(crate) fn catch_traps() -> bool {
    let Ok(programs) = actions::exchange(SIGILL, None, false) else {
        return false;
    };
    CAUGHT.store(true, Relaxed);
    if actions::exchange(SIGILL, Some(&programs), false).is_err() {
        CAUGHT.store(false, Relaxed);
        return false;
    }
    interest::add(Sysno::rt_sigprocmask as usize, LIFECYCLE);
    let set = SIGILL_BIT;
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_UNBLOCK, &raw const set, 0, 8) };
    true
}

/// Installs our handler once more, in a process that was born without its
/// parent's handlers (CLONE_CLEAR_SIGHAND).
pub(crate) fn handlers_cleared() {
    if are_caught() {
        let _ = actions::exchange(SIGILL, Some(&SigAction::default()), true);
    }
}

/// What the kernel has for SIGILL; `handler` stands for the program's action.
pub(super) fn action(handler: u64) -> SigAction {
    SigAction {
        handler,
        flags: SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER,
        restorer: interceptor_restorer as *const () as u64,
        // No handler of the program's runs on top of ours.
        mask: !SIGILL_BIT,
    }
}

/// Does for the program's handler of SIGILL what the kernel would: resets the
/// action if that was asked for, and sets the mask; ours runs with everything
/// blocked.
pub(super) fn prepare_handler(interrupted: u64, action: &SigAction) {
    const SIG_SETMASK: u64 = 2;
    if sys::is_confined() {
        return;
    }
    if action.flags & SA_RESETHAND != 0 {
        let reset = SigAction { handler: SIG_DFL, ..*action };
        let _ = actions::exchange(SIGILL, Some(&reset), false);
    }
    // SIGILL itself stays unblocked: the handler may run into a trap.
    let mask = (interrupted | action.mask) & !SIGILL_BIT;
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, &raw const mask, 0, 8) };
}

/// A mask without the trap's signal, if there are traps.
pub(super) fn without_trap_signal(mask: u64) -> u64 {
    mask & !signal_mask()
}

/// The trap's signal, if there are traps.
pub(super) fn signal_mask() -> u64 {
    if are_caught() { SIGILL_BIT } else { 0 }
}

/// If the context stands at a trap, makes it continue at the site's stub.
///
/// # Safety
///
/// `context` is the kernel's.
pub(super) unsafe fn redirect(context: *mut UContext) -> bool {
    // SAFETY: the caller's.
    unsafe {
        match patch::trap_stub_of((*context).rip) {
            Some(stub) => {
                (*context).rip = stub;
                true
            }
            None => false,
        }
    }
}

/// rt_sigprocmask on its way in. The kernel gets the mask without SIGILL; what
/// the program believes of it is kept in the block. Returns whether the call
/// must be seen on its way out, too.
pub(crate) fn rt_sigprocmask(block: &mut ThreadBlock, frame: &mut SyscallFrame) -> bool {
    let [how, set, _, size, ..] = frame.args;
    let mut bytes = [0; 8];
    block.wants_sigill_blocked = block.is_sigill_blocked;
    if !are_caught() || size != 8 {
        return false;
    }
    if set == 0 || sys::read_guest(set, &mut bytes) < 8 {
        return block.is_sigill_blocked;
    }
    let wanted = u64::from_le_bytes(bytes);
    let names_it = wanted & SIGILL_BIT != 0;
    block.wants_sigill_blocked = match how {
        SIG_BLOCK => block.is_sigill_blocked || names_it,
        SIG_UNBLOCK => block.is_sigill_blocked && !names_it,
        _ => names_it,
    };
    if names_it && how != SIG_UNBLOCK {
        block.scratch = wanted & !SIGILL_BIT;
        frame.keep_original();
        frame.args[1] = (&raw const block.scratch) as u64;
    }
    block.wants_sigill_blocked || block.is_sigill_blocked
}

/// The same call on its way out.
pub(crate) fn rt_sigprocmask_done(block: &mut ThreadBlock, args: &[u64; 6], result: i64) {
    if result != 0 {
        return;
    }
    let old = args[2];
    let mut bytes = [0; 8];
    if block.is_sigill_blocked && old != 0 && sys::read_guest(old, &mut bytes) == 8 {
        sys::write_guest(old, &[u64::from_le_bytes(bytes) | SIGILL_BIT]);
    }
    block.is_sigill_blocked = block.wants_sigill_blocked;
}
