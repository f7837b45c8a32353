//! SIGILL, which the trap rung needs, shared with the program.
//!
//! Only a process with trapped sites comes here. The kernel has our handler;
//! what the program installs is kept and answered from here, and called for
//! every SIGILL that is not a trap of ours. Masks that the program sets are
//! given to the kernel without SIGILL: a trap while it is blocked would end the
//! process.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use super::Step;
use crate::frame::SyscallFrame;
use crate::interest::{self, LIFECYCLE};
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;

const SIGILL: u64 = 4;
const SIGILL_BIT: u64 = 1 << (SIGILL - 1);
const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;
const SA_SIGINFO: u64 = 4;
const SA_RESTORER: u64 = 0x0400_0000;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_NODEFER: u64 = 0x4000_0000;
const SA_RESETHAND: u64 = 0x8000_0000;
/// Index of RIP among the registers of a `ucontext_t`, in 8-byte words from
/// its start: uc_flags, uc_link, uc_stack (3), then gregs (REG_RIP is 16).
const UCONTEXT_RIP: usize = 5 + 16;

/// The kernel's `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct SigAction {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

const SIGACTION_BYTES: usize = size_of::<SigAction>();

/// What the program believes is installed for SIGILL.
static PROGRAM: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static CATCHING: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn interceptor_restorer();
}

/// Installs our handler. Returns whether the kernel took it.
pub(crate) fn catch_traps() -> bool {
    let mut old = SigAction::default();
    let ours = SigAction {
        handler: on_sigill as *const () as u64,
        flags: SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER,
        restorer: interceptor_restorer as *const () as u64,
        mask: 0,
    };
    // SAFETY: both structures are the kernel's; the handler returns through
    // the restorer.
    let installed =
        unsafe { syscall!(Sysno::rt_sigaction, SIGILL, &raw const ours, &raw mut old, 8) };
    if installed.is_err() {
        return false;
    }
    remember(&old);
    CATCHING.store(true, Relaxed);
    for sysno in [Sysno::rt_sigaction, Sysno::rt_sigprocmask] {
        interest::add(sysno as usize, LIFECYCLE);
    }
    unblock();
    true
}

fn unblock() {
    const SIG_UNBLOCK: usize = 1;
    let set = SIGILL_BIT;
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_UNBLOCK, &raw const set, 0, 8) };
}

/// Our handler: signal, siginfo, ucontext.
extern "C" fn on_sigill(signal: i32, info: *const u8, context: *mut u64) {
    // SAFETY: the kernel passes a ucontext_t.
    let rip = unsafe { context.add(UCONTEXT_RIP) };
    // SAFETY: as above.
    if let Some(stub) = patch::trap_stub_of(unsafe { rip.read() }) {
        // SAFETY: as above; the context continues at the stub.
        unsafe { rip.write(stub) };
        return;
    }
    let program = remembered();
    if program.handler == SIG_DFL || program.handler == SIG_IGN {
        // The instruction faults again and the kernel does what it does.
        let default = SigAction { handler: SIG_DFL, ..SigAction::default() };
        // SAFETY: the kernel reads one structure.
        let _ =
            unsafe { syscall!(Sysno::rt_sigaction, SIGILL, &raw const default, 0usize, 8) };
        return;
    }
    if program.flags & SA_RESETHAND != 0 {
        remember(&SigAction::default());
    }
    // SAFETY: the program installed this function for the signal. It gets all
    // three arguments whatever its flags, as from the kernel.
    unsafe {
        let handler: extern "C" fn(i32, *const u8, *mut u64) =
            core::mem::transmute::<u64, _>(program.handler);
        handler(signal, info, context);
    }
}

/// rt_sigaction and rt_sigprocmask on their way in.
pub(super) fn enter(block: &mut ThreadBlock, sysno: Sysno, frame: &mut SyscallFrame) -> Step {
    if !CATCHING.load(Relaxed) {
        return Step::Forward;
    }
    match sysno {
        Sysno::rt_sigaction if frame.args[0] == SIGILL => virtual_sigaction(&frame.args),
        Sysno::rt_sigaction => {
            let mut action = [0; SIGACTION_BYTES];
            if frame.args[3] == 8 && read_exactly(frame.args[1], &mut action) {
                let mut action = to_action(&action);
                if action.mask & SIGILL_BIT != 0 {
                    action.mask &= !SIGILL_BIT;
                    block.scratch = from_action(&action);
                    frame.keep_original();
                    frame.args[1] = (&raw const block.scratch) as u64;
                    return Step::ForwardAndExit;
                }
            }
            Step::Forward
        }
        _ => {
            let mut set = [0; 8];
            if frame.args[3] == 8 && read_exactly(frame.args[1], &mut set) {
                let wanted = u64::from_le_bytes(set);
                if wanted & SIGILL_BIT != 0 && frame.args[0] != 1 {
                    block.scratch[0] = wanted & !SIGILL_BIT;
                    frame.keep_original();
                    frame.args[1] = (&raw const block.scratch) as u64;
                    return Step::ForwardAndExit;
                }
            }
            Step::Forward
        }
    }
}

/// rt_sigaction for SIGILL, answered as the kernel would.
fn virtual_sigaction(args: &[u64; 6]) -> Step {
    let error = |errno: Errno| Step::Answer(-i64::from(errno.into_raw()));
    if args[3] != 8 {
        return error(Errno::EINVAL);
    }
    let old = from_action(&remembered());
    let mut action = [0; SIGACTION_BYTES];
    if args[1] != 0 {
        if !read_exactly(args[1], &mut action) {
            return error(Errno::EFAULT);
        }
        remember(&to_action(&action));
    }
    if args[2] != 0 && sys::write_guest(args[2], &old) < SIGACTION_BYTES {
        return error(Errno::EFAULT);
    }
    Step::Answer(0)
}

fn read_exactly(address: u64, buffer: &mut [u8]) -> bool {
    address != 0 && sys::read_guest(address, buffer) == buffer.len()
}

fn to_action(bytes: &[u8; SIGACTION_BYTES]) -> SigAction {
    let word = |n: usize| {
        bytes.as_chunks::<8>().0.get(n).map_or(0, |word| u64::from_le_bytes(*word))
    };
    SigAction { handler: word(0), flags: word(1), restorer: word(2), mask: word(3) }
}

fn from_action(action: &SigAction) -> [u64; 4] {
    [action.handler, action.flags, action.restorer, action.mask]
}

fn remember(action: &SigAction) {
    for (to, from) in PROGRAM.iter().zip(from_action(action)) {
        to.store(from, Relaxed);
    }
}

fn remembered() -> SigAction {
    let [handler, flags, restorer, mask] = &PROGRAM;
    SigAction {
        handler: handler.load(Relaxed),
        flags: flags.load(Relaxed),
        restorer: restorer.load(Relaxed),
        mask: mask.load(Relaxed),
    }
}
