//! How the entry leaves while signals wait.
//!
//! By rt_sigreturn, with a context that holds the program's registers and its mask,
//! or, on top of that, the beginning of a handler (`handler_frame`). Registers and
//! mask change in one step, so the kernel delivers what else is pending just there:
//! at the program's own place, on the stack it asked for. So a signal that comes when those that
//! wait have been seen to, one that was sent though it is a fault's, is sent to the thread again
//! (`defer`).

use core::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    compiler_fence,
};

use super::actions::{self, SIG_DFL, SIG_IGN};
use super::context::UContext;
use super::defer::{LEAVES, send_to_self};
use super::handler_frame::Continuation;
use super::words::*;
use super::{traps, waiting};
use crate::frame::SyscallFrame;
use crate::thread::{self, ThreadBlock};
use crate::{thunk, tls, vector};

unsafe extern "C" {
    static interceptor_check: u8;
    static interceptor_check_end: u8;
}

/// If a context interrupted the entry after it had looked for waiting signals, and
/// before it released its level, makes it look again.
pub(super) fn go_back_to_check(context: &mut UContext) {
    let check = &raw const interceptor_check as u64..&raw const interceptor_check_end as u64;
    let frame = if check.contains(&context.rip) {
        // rsp is the frame, or a word below it; frames are aligned to 64.
        Some(context.rsp.next_multiple_of(64))
    } else {
        // SAFETY: this thread's own words.
        let frames = unsafe { &(*tls::current()).base };
        thunk::leave_level(context.rip).and_then(|level| frames.get(level).copied())
    };
    if let Some(frame) = frame {
        (context.rip, context.rsp) = (check.start, frame);
    }
}

/// Makes the context with which the entry leaves to the program. Returns null when
/// this is no place to leave from.
///
/// `callee_saved` are rbx, rbp and r12 to r15; `area` is an XSAVE area with the
/// program's floating point and vector state.
#[unsafe(no_mangle)]
unsafe extern "C" fn interceptor_leave_context(
    frame: &mut SyscallFrame,
    callee_saved: &[u64; 6],
    area: *mut u8,
) -> *const u64 {
    // SAFETY: the frame's own block, used by this thread only.
    let block: &mut ThreadBlock = unsafe { &mut *frame.block };
    let is_made_by_hook = frame.level != 0 && block.hook_level != 0;
    if is_made_by_hook && !(block.hook_is_interruptible() && block.has_kept()) {
        // The hook is not done.
        if thread::is_on_seat() || thread::are_levels_parked() {
            // Signals are blocked, so nobody takes the level before we are off it.
            thread::release_level(frame.level);
            thread::sharers::leave_released(frame);
        }
        return core::ptr::null();
    }
    traps::block_until_left();
    // Whatever comes from here on is sent again.
    block.aside.waits.store(LEAVES, Relaxed);
    compiler_fence(SeqCst);
    let mut context = block.aside.context;
    let (target, [rax, rdi, rsi, rdx, r10, r8, r9]) = waiting::way_of(block, frame);
    let [rbx, rbp, r12, r13, r14, r15] = *callee_saved;
    context[R8..R12].copy_from_slice(&[r8, r9, r10, frame.rflags]);
    context[R12..RDI].copy_from_slice(&[r12, r13, r14, r15]);
    (context[RDI], context[RSI], context[RBP], context[RBX]) = (rdi, rsi, rbp, rbx);
    (context[RDX], context[RAX], context[RCX]) = (rdx, rax, target);
    // TF of a debugger who steps would become the program's.
    let kept_flags = if block.last_step.is_programs() { u64::MAX } else { !TF };
    (context[RSP], context[RIP]) = (frame.rsp, target);
    context[EFLAGS] = frame.rflags & kept_flags;
    let mut description = block.aside.description;
    add_tiles(&mut description);
    if context[FPSTATE] != 0 {
        context[FPSTATE] = area as u64;
        // SAFETY: the area is as large as the CPU's whole state and 64 bytes
        // more; the kernel's description names a size that is not larger.
        unsafe { Area(&description).describe(area) };
        if block.has_kept() {
            block.aside.complete_stack(&mut context);
        }
        let stack = block.programs_stack(frame.rsp);
        let mut continuation =
            Continuation { context: &mut context, area, description: &description, stack };
        deliver_kept(block, &mut continuation);
    } else {
        block.take_kept().iter().for_each(|signal| send_to_self(&signal.info));
    }
    block.aside.context = context;
    block.aside.is_stack_away = false;
    traps::send_pending(block);
    // From here on nothing of the frame is needed, and no handler runs before rt_sigreturn.
    thread::release_level(frame.level);
    block.aside.context.as_ptr()
}

/// What describes the thread's state may be older than its first tile.
fn add_tiles(description: &mut Description) {
    if !Area(description).is_extended() {
        return;
    }
    let (features, size) = (description[1], description[2] as u32);
    let (with, larger) = vector::with_tiles((features, size));
    if with != features {
        describe_state(description, with, larger);
    }
}

/// Signals that were put aside interrupt the program now.
pub(super) fn deliver_kept(block: &mut ThreadBlock, continuation: &mut Continuation<'_>) {
    for kept in block.take_kept() {
        let signal = kept.info[0] as u32 as u64;
        let is_blocked = continuation.context[MASK] & 1 << (signal - 1) != 0;
        let action = actions::in_force(signal, kept.version as usize);
        match action.handler {
            // The program has changed its mind meanwhile.
            SIG_IGN => {}
            SIG_DFL => send_to_self(&kept.info),
            _ if is_blocked => send_to_self(&kept.info),
            _ => continuation.interrupt(&kept.info, &action),
        }
    }
}
