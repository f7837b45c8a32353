//! The handler that the kernel knows.
//!
//! It runs on the stack and with the mask that the program asked for, and calls
//! the program's handler. Before, it translates the addresses that the program
//! may look at: a stub's code stands for a place in the program's own text.
//! Afterwards the context goes back to where it really was, unless the handler
//! made it go elsewhere. A signal that interrupts a hook or the entry waits (`defer`).

use super::actions::{self, SA_RESETHAND, SIG_DFL, SIG_IGN, SigAction};
use super::traps;
use crate::frame::RESUME_AHEAD;
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
    pub rsp: u64,
    pub rip: u64,
    /// eflags to cr2, floating point pointer, reserved.
    more: [u64; 15],
    mask: u64,
}

impl UContext {
    /// Signals that were blocked where the signal arrived.
    fn mask(&self) -> u64 {
        self.mask
    }
}

const _: () = assert!(core::mem::offset_of!(UContext, mask) == 37 * 8);

/// The part of a `siginfo_t` that names an address: si_addr and si_call_addr
/// are both at offset 16.
#[repr(C)]
pub(super) struct SigInfo {
    pub signal: i32,
    errno: i32,
    pub code: i32,
    padding: i32,
    address: u64,
}

/// Where the program stands, if the context is in code of ours.
///
/// In a thunk nothing is on the private stack yet, or any more, and rcx or r11
/// tells the stub: the anchor on the way in, the place in the stub on the way
/// out.
fn program_address(context: &UContext) -> Option<u64> {
    let in_thunk = match patch::thunk_at(context.rip) {
        None => return patch::program_address_of(context.rip),
        Some(thunk) => thunk,
    };
    let r11 = context.general[3];
    let stub =
        [context.rcx, r11].into_iter().find(|at| patch::program_address_of(*at).is_some())?;
    match in_thunk {
        patch::Thunk::Exit => patch::program_address_of(stub + RESUME_AHEAD),
        patch::Thunk::EnterOrLeave => patch::program_address_of(stub),
    }
}

unsafe extern "C" {
    fn interceptor_on_signal();
}

/// Address of the handler, as the kernel has it.
pub(super) fn entry() -> u64 {
    interceptor_on_signal as *const () as u64
}

/// Called on delivery (`asm/signal.S`).
///
/// # Safety
///
/// The arguments are the kernel's.
#[unsafe(no_mangle)]
unsafe extern "C" fn interceptor_deliver(signal: i32, info: *mut SigInfo, context: *mut UContext) {
    if signal == SIGILL && traps::are_caught() {
        // SAFETY: the kernel's context.
        if unsafe { traps::redirect(context) } {
            return;
        }
    }
    // SAFETY: the kernel's arguments.
    unsafe { super::defer::put_aside(info, context) };
    // SAFETY: as above.
    let real = unsafe { (*context).rip };
    // SAFETY: as above.
    let shown = unsafe { program_address(&*context) }.unwrap_or(real);
    // SAFETY: as above.
    let real_rcx = unsafe { (*context).rcx };
    // After the call the kernel leaves the return address there.
    let shown_rcx = patch::program_address_of(real_rcx).unwrap_or(real_rcx);
    // SAFETY: as above.
    unsafe {
        (*context).rip = shown;
        (*context).rcx = shown_rcx;
        if matches!(signal, SIGILL | SIGTRAP | SIGFPE | SIGSYS)
            && (*info).code > 0
            && let Some(address) = patch::program_address_of((*info).address)
        {
            (*info).address = address;
        }
    }
    let action = actions::get(signal as u64);
    if action.handler == SIG_DFL || action.handler == SIG_IGN {
        // SAFETY: as above.
        let code = unsafe {
            ((*context).rip, (*context).rcx) = (real, real_rcx);
            (*info).code
        };
        if signal == SIGILL {
            traps::leave_to_kernel(code, &action);
        }
        return;
    }
    if action.flags & SA_RESETHAND != 0 {
        actions::set(signal as u64, &SigAction::default());
    }
    if signal == SIGILL && traps::are_caught() {
        // SAFETY: the kernel's context.
        traps::set_handlers_mask(unsafe { (*context).mask() }, &action);
    }
    // SAFETY: the program installed this function for the signal. It gets all
    // three arguments whatever its flags, as from the kernel.
    unsafe {
        let handler: unsafe extern "C" fn(i32, *mut SigInfo, *mut UContext) =
            core::mem::transmute::<u64, _>(action.handler);
        handler(signal, info, context);
        if (*context).rip == shown {
            (*context).rip = real;
            if (*context).rcx == shown_rcx {
                (*context).rcx = real_rcx;
            }
        }
    }
}
