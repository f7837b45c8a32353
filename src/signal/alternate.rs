//! Calls made by handlers on the alternate stack.
//!
//! The kernel knows that a thread is on its alternate stack by rsp. A hook runs
//! on a stack of ours; a signal that comes then, and is to be handled on the
//! alternate stack, would be put at its top, over the frames of the handler whose
//! call the hook sees. So no signal may come then. Before a handler is called there,
//! all levels are *parked*: none is ready, and the thunk takes the careful way
//! (`asm/entry.S`). That blocks all signals while rsp is still where the
//! kernel expects it, and takes one level; the entry then leaves by rt_sigreturn,
//! as if signals had been put aside (`defer`), which brings back registers and
//! mask in one step. Signals that report faults are let in again when the stack has been
//! put away (`put_away`): a blocked fault ends the process. Calls that the hook makes itself take a level in the same way, and
//! give it back to be parked.
//!
//! Levels stay parked when the handler returns: its rt_sigreturn is a call, too,
//! on the frame. The first call from another stack makes them ready again,
//! however the handler was left.

use syscalls::{Sysno, syscall};

use super::actions::UNBLOCKABLE;
use super::context::UContext;
use super::defer::{SIGTRAP_BIT, SYNCHRONOUS};
use super::interrupted_hook::hooks_are_interrupted;
use crate::interest;
use crate::lifecycle;
use crate::sys;
use crate::thread::{self, sharers::GOES_IN};
use crate::thunk;
use crate::tls;

/// Signals that come from elsewhere.
#[unsafe(no_mangle)]
static interceptor_asynchronous: u64 = ASYNCHRONOUS;
/// The same. Those that cannot be blocked are in no mask of the kernel's.
pub(super) const ASYNCHRONOUS: u64 = !(SYNCHRONOUS | UNBLOCKABLE);
/// All that can be blocked.
#[unsafe(no_mangle)]
static interceptor_all: u64 = !UNBLOCKABLE;
/// The same in a program that steps through itself.
#[unsafe(no_mangle)]
static interceptor_all_but_steps: u64 = !(UNBLOCKABLE | SIGTRAP_BIT);

pub(super) const SS_DISABLE: u64 = 2;
pub(super) const SS_AUTODISARM: u64 = 1 << 31;
const SIG_SETMASK: usize = 2;

/// Whether an address is on an alternate stack, a `stack_t`.
pub(crate) fn is_on(stack: &[u64; 3], address: u64) -> bool {
    let [base, flags, size] = *stack;
    flags as u32 as u64 & SS_DISABLE == 0 && address.wrapping_sub(base) < size
}

/// Before a handler is called whose context lies at `context`.
///
/// # Safety
///
/// It is the kernel's.
pub(super) unsafe fn prepare_handler(context: *mut UContext) {
    // SAFETY: the caller's.
    let stack = unsafe { (*context).stack };
    let is_disarmed = stack[1] & SS_AUTODISARM != 0;
    if is_disarmed || !is_on(&stack, context as u64) || interest::is_closed() || sys::is_confined()
    {
        return;
    }
    // SAFETY: this thread's own words and block.
    if let Some(block) = unsafe { (&raw const (*tls::current()).block).read_volatile().as_mut() } {
        block.alternate = stack;
        // SAFETY: the caller's.
        unsafe { block.aside.take_template(context) };
        thread::park_levels();
    }
}

/// Lets a call in, with all asynchronous signals blocked, and all others, too, if `are_all` is
/// not 0: the call is made on the alternate stack. `mask` is what was
/// blocked before, `rsp` the program's stack pointer, `result` what came out of the
/// call, or [`GOES_IN`](thread::sharers::GOES_IN). While FS is unreliable all calls come
/// by here. Returns 1 for the thunk to be tried
/// again, 0 for the call to go on without us, or the frame to go on with, as
/// `ThreadBlock::puts_away` says.
#[unsafe(no_mangle)]
extern "C" fn interceptor_enter_carefully(
    mask: u64,
    rsp: u64,
    anchor: u64,
    result: u64,
    are_all: u64,
) -> u64 {
    let may_have_seat = tls::is_unreliable() || thread::is_on_seat();
    if may_have_seat && let Some(to) = thread::sharers::enter(mask, rsp, anchor, result) {
        return to;
    }
    let tls = tls::current();
    // SAFETY: this thread's own words and block.
    let Some(block) = (unsafe { (&raw const (*tls).block).read_volatile().as_mut() }) else {
        set_mask(mask);
        return 1;
    };
    let block = block.with_own_signals();
    if result != GOES_IN {
        // Before anything is put on what a child has left.
        lifecycle::comes_out_carefully(block, rsp, anchor, result);
    }
    let is_parked = thread::are_levels_parked();
    // A hook's own call is made on a stack of ours, for a call of the program's.
    let is_hooks = block.region().contains(&rsp);
    let programs = if is_hooks { block.stack_at_call() } else { None };
    let is_over = !is_parked || !is_on(&block.alternate, programs.unwrap_or(rsp));
    if is_over {
        thread::unpark_levels();
        if hooks_are_interrupted() {
            set_mask(mask);
            return 1;
        }
        if !is_parked && !thread::is_level_ready() {
            block.end_without_leaving(mask);
            return 0;
        }
        thread::leave_by_thunk();
        if are_all != 0 {
            unblock(SYNCHRONOUS & !mask);
        }
        block.aside.complete_template();
        block.aside.leave_with_stack_as_it_is(mask);
        return 1;
    }
    if is_hooks {
        // Signals have been blocked since the program's call, and are until it leaves.
        return u64::from(thread::unpark_one_level());
    }
    let let_in = block.holds_to_put_away(rsp, (are_all != 0).then_some(mask));
    let frame = match let_in {
        None => thread::unpark_one_level().then_some(1),
        Some(_) => thread::take_level_for(tls, block, anchor, rsp, thunk::leave),
    };
    let Some(frame) = frame else {
        block.end_without_leaving(mask);
        return 0;
    };
    block.aside.leave_with(mask, &block.alternate);
    block.puts_away(frame, let_in)
}

/// The mask of the calling thread.
pub(super) fn mask() -> u64 {
    let mut mask = 0u64;
    // SAFETY: the kernel writes one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, 0, &raw mut mask, 8) };
    mask
}

/// Blocks all signals from elsewhere. Returns what was blocked before.
pub(crate) fn block_all() -> u64 {
    block(ASYNCHRONOUS)
}

/// Blocks signals. Returns what was blocked before.
pub(super) fn block(signals: u64) -> u64 {
    const SIG_BLOCK: usize = 0;
    let (set, mut mask) = (&raw const signals, 0u64);
    // SAFETY: the kernel reads one word and writes one.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, set, &raw mut mask, 8) };
    mask
}

/// Takes signals out of the mask of the calling thread.
pub(super) fn unblock(signals: u64) {
    const SIG_UNBLOCK: usize = 1;
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_UNBLOCK, &raw const signals, 0, 8) };
}

/// Sets the mask of the calling thread.
pub(crate) fn set_mask(mask: u64) {
    // SAFETY: the kernel reads one word.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, &raw const mask, 0, 8) };
}
