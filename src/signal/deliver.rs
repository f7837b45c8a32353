//! The handler that the kernel knows.
//!
//! It runs on the stack and with the mask that the program asked for, and calls
//! the program's handler. Before, it translates the addresses that the program
//! may look at: a stub's code stands for a place in the program's own text.
//! Afterwards the context goes back to where it really was, unless the handler
//! made it go elsewhere.
//!
//! What remains: a signal that interrupts a hook, or the entry itself, is
//! delivered at once, with the address it has.

use super::actions::{self, SA_RESETHAND, SIG_DFL, SIG_IGN, SigAction};
use super::traps;
use crate::patch;

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGFPE: i32 = 8;
const SIGSYS: i32 = 31;

/// The parts of a `ucontext_t` that matter here: see ucontext(3) and the
/// kernel's `struct sigcontext`.
#[repr(C)]
pub(super) struct UContext {
    /// uc_flags, uc_link, uc_stack.
    head: [u64; 5],
    /// r8 to r15, rdi, rsi, rbp, rbx, rdx, rax.
    general: [u64; 14],
    rcx: u64,
    rsp: u64,
    pub rip: u64,
}

/// The part of a `siginfo_t` that names an address: si_addr and si_call_addr
/// are both at offset 16.
#[repr(C)]
pub(super) struct SigInfo {
    signal: i32,
    errno: i32,
    code: i32,
    padding: i32,
    address: u64,
}

/// Address of the handler, as the kernel has it.
pub(super) fn entry() -> u64 {
    on_signal as *const () as u64
}

/// Called by the kernel on delivery.
///
/// # Safety
///
/// The arguments are the kernel's.
pub(super) unsafe extern "C" fn on_signal(
    signal: i32,
    info: *mut SigInfo,
    context: *mut UContext,
) {
    if signal == SIGILL && traps::are_caught() {
        // SAFETY: the kernel's context.
        if unsafe { traps::redirect(context) } {
            return;
        }
    }
    // SAFETY: as above.
    let real = unsafe { (*context).rip };
    let shown = patch::program_address_of(real).unwrap_or(real);
    // SAFETY: as above.
    unsafe {
        (*context).rip = shown;
        // After the call the kernel leaves the return address there.
        if let Some(address) = patch::program_address_of((*context).rcx) {
            (*context).rcx = address;
        }
        if matches!(signal, SIGILL | SIGTRAP | SIGFPE | SIGSYS)
            && (*info).code > 0
            && let Some(address) = patch::program_address_of((*info).address)
        {
            (*info).address = address;
        }
    }
    let action = actions::get(signal as u64);
    if action.handler == SIG_DFL || action.handler == SIG_IGN {
        // SIGILL, which the program left to the kernel: the instruction faults
        // again and the kernel does what it does.
        // SAFETY: as above.
        unsafe { (*context).rip = real };
        traps::restore_default();
        return;
    }
    if action.flags & SA_RESETHAND != 0 {
        actions::set(signal as u64, &SigAction::default());
    }
    // SAFETY: the program installed this function for the signal. It gets all
    // three arguments whatever its flags, as from the kernel.
    unsafe {
        let handler: unsafe extern "C" fn(i32, *mut SigInfo, *mut UContext) =
            core::mem::transmute::<u64, _>(action.handler);
        handler(signal, info, context);
        if (*context).rip == shown {
            (*context).rip = real;
        }
    }
}
