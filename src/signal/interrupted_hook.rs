//! Handlers of the program's that interrupt a hook: one that lets itself be interrupted, or
//! has faulted.
//!
//! The kernel has put the signal's frame on the hook's stack, which is ours, and small: a
//! handler may need what the program's stack has. So the frame is moved there, below what
//! the program has in use, and our handler begins anew. Until the last one of those that came
//! at one moment is seen to, none begins (`defer`), so frames of the kernel's that lie
//! one on another leave no stack of ours before calls of the program's need the next.
//!
//! Signals that arrive while a call of the hook's own is in the entry come when the entry
//! leaves (`leave`): its stack is smaller still.
//!
//! Where FS does not lead to our words, handlers run on the hook's stack.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::actions::SigAction;
use super::context::{self, SigInfo, UContext};
use super::defer::Arrival;
use super::handler_frame::Continuation;
use super::words::*;
use super::{actions, alternate, entry, leave, stacked};
use crate::frame::SyscallFrame;
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;
use crate::{tls, vector};

/// What is known of a hook that the program's handler has interrupted.
#[repr(C)]
pub struct Suspended {
    waits: u32,
    kept_from: u32,
    is_stack_away: bool,
    context: Context,
    description: Description,
    /// `ThreadBlock::interrupted_at` before.
    at: u64,
}

/// `ThreadBlock::hook_level` of a hook that runs for the program proper. A hook for a call
/// of a handler's is not interrupted.
const LOWEST: u32 = 1;

/// Whether signals do not wait for hooks that run for the program proper.
static HOOKS_ARE_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets signals interrupt hooks, or not.
pub(crate) fn interrupt_hooks(are_interrupted: bool) {
    HOOKS_ARE_INTERRUPTED.store(are_interrupted, Relaxed);
}

pub(super) fn hooks_are_interrupted() -> bool {
    HOOKS_ARE_INTERRUPTED.load(Relaxed)
}

/// On the stack of a handler that has interrupted a hook, above it, as long as it has not
/// returned and nothing else is there.
pub(super) struct Mark(u64);

impl Mark {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    fn word(at: u64) -> u64 {
        at ^ 0x6e65_6b6f_7262_0000
    }

    /// Returns where it is.
    fn set(&mut self) -> u64 {
        let at = &raw mut self.0;
        // SAFETY: ours; the handler's calls read it.
        unsafe { at.write_volatile(Self::word(at as u64)) };
        at as u64
    }

    fn clear(&mut self) {
        // SAFETY: ours.
        unsafe { (&raw mut self.0).write_volatile(0) };
    }
}

/// What our handler needs of the stack, with room to spare.
const ROOM: u64 = 64 * 1024;

/// The index of a hook's level; out of range when none runs.
fn level_index(hook_level: u32) -> usize {
    (hook_level & !ThreadBlock::OBSERVES).wrapping_sub(1) as usize
}

/// Whether a signal interrupts a hook that allows it. The trap rung's is delivered at once.
/// One whose handler has an alternate stack, too.
pub(super) fn is_interrupted(block: &ThreadBlock, signal: i32, context: &UContext) -> bool {
    let frame = context as *const UContext as u64;
    let outermost = outermost(context);
    let is_trap_signal = actions::is_trap(signal as u64);
    block.hook_is_interruptible()
        && !is_trap_signal
        && !tls::is_unreliable()
        && block.aside.waits.load(Relaxed) == u32::from(block.has_kept())
        && block.region().contains(&frame)
        && block.region().contains(&outermost.rsp)
        && !block.is_on_further_stack(outermost.rsp)
        && !patch::is_thunk(outermost.rip)
}

/// Of signals that came at one moment, the context that the first one has interrupted.
fn outermost(mut context: &UContext) -> &UContext {
    while let Some(earlier) = entry::interrupted(context) {
        context = earlier.frame().context();
    }
    context
}

/// Lets all that has been kept interrupt the hook, unless more is to be kept.
pub(super) fn interrupt(block: &mut ThreadBlock, context: &mut UContext) {
    if entry::interrupted(context).is_some() {
        return;
    }
    let mask = block.aside.context[MASK];
    move_frames(block, context, mask, |block, continuation| {
        leave::deliver_kept(block, continuation);
    });
    block.aside.waits.store(0, Relaxed);
}

/// Goes back to a hook that a handler has interrupted. The program's restorer would make a
/// call on the way, of which nobody could tell whether it is the hook's.
///
/// # Safety
///
/// The context is the kernel's, of the innermost handler that runs.
pub(super) unsafe fn go_on(
    block: &mut ThreadBlock,
    hook_level: u32,
    mark: &mut Mark,
    context: *mut UContext,
    delivered: u64,
) -> ! {
    // What comes from here on finds no delivery of ours any more.
    hold_off();
    mark.clear();
    block.resume_hook(hook_level);
    entry::end(delivered);
    // SAFETY: the caller's.
    unsafe {
        block.aside.hide_stack(&mut *context);
        context::resume(context)
    }
}

/// Blocks all signals, unless the process may not survive that. Returns what was blocked
/// before.
fn hold_off() -> Option<u64> {
    (!sys::is_confined()).then(alternate::block_all)
}

/// Moves the frame of a signal from a stack of ours to the program's, if that can be had, and
/// then does not return to the caller.
///
/// # Safety
///
/// The arguments are the kernel's, of the innermost handler that runs.
pub(super) unsafe fn leave_our_stack(
    block: &mut ThreadBlock,
    info: *const SigInfo,
    context: *mut UContext,
    arrival: &Arrival,
) {
    let is_here = block.region().contains(&(context as u64));
    // SAFETY: the caller's.
    let (rsp, info) = unsafe { ((*context).rsp, info.cast::<Info>().read()) };
    let is_possible = !tls::is_unreliable() && !sys::is_confined();
    if !is_here || !is_possible || block.programs_stack(rsp).is_none() {
        return;
    }
    // SAFETY: the caller's.
    let context = unsafe { &mut *context };
    stacked::take_back(block, context);
    block.aside.show_stack(context);
    let mask = alternate::block_all();
    let action: SigAction = actions::in_force(info[0] as u32 as u64, arrival.version as usize);
    let before = context.mask;
    move_frames(block, context, before, |_, continuation| {
        continuation.interrupt(&info, &action);
        // What is blocked now is what the kernel has made of the action.
        continuation.context[MASK] = mask;
    });
    entry::end(arrival.delivered);
    // SAFETY: as above.
    unsafe { context::resume(context) }
}

/// Makes a context, of a frame on a stack of ours, one that continues with handlers on the
/// program's, which interrupt it.
fn move_frames(
    block: &mut ThreadBlock,
    context: &mut UContext,
    mask: u64,
    interrupt: impl FnOnce(&mut ThreadBlock, &mut Continuation<'_>),
) {
    let kernels: *mut Context = (&raw mut *context).cast();
    let stack = block.programs_stack(context.rsp);
    // SAFETY: the kernel's context, which leads to an XSAVE area.
    unsafe {
        let mut words = kernels.read();
        words[MASK] = mask;
        let area = words[FPSTATE] as *const u8;
        let description = area.add(DESCRIPTION_AT).cast::<Description>().read_unaligned();
        let mut continuation =
            Continuation { context: &mut words, area, description: &description, stack };
        interrupt(block, &mut continuation);
        kernels.write(words);
    }
}

impl ThreadBlock {
    /// Whether a hook runs that lets itself be interrupted.
    pub(super) fn hook_is_interruptible(&self) -> bool {
        self.hook_level == LOWEST
            && hooks_are_interrupted()
            && self.stack_at_call().is_some_and(|stack| !alternate::is_on(&self.alternate, stack))
    }

    /// The program's stack pointer, if `rsp` is on a stack of ours that a hook runs on.
    pub(super) fn programs_stack(&self, rsp: u64) -> Option<u64> {
        let region = self.region();
        let stack = self.stack_at_call().filter(|stack| !region.contains(stack));
        if region.contains(&rsp) { stack } else { None }
    }

    /// The stack pointer of the call that a hook runs for.
    pub(super) fn stack_at_call(&self) -> Option<u64> {
        // SAFETY: this thread's own words, and a frame that the hook's entry has filled in.
        unsafe {
            let base = (*tls::current()).base.get(level_index(self.hook_level))?;
            Some((*(*base as *const SyscallFrame)).rsp)
        }
    }

    /// Before the program's handler runs: what a hook that was interrupted has to wait
    /// for. Calls that the program makes in its handler are not the hook's. On an alternate
    /// stack they are known by that.
    pub(super) fn suspend_hook(&mut self, mark: &mut Mark) -> u32 {
        let hook_level = self.hook_level;
        if hook_level == 0 {
            return 0;
        }
        // A handler that came in between would find half of it.
        let mask = hold_off();
        let at = mark.set();
        let most = vector::all_frames() + ROOM;
        let is_below = |stack: u64| stack.wrapping_sub(at) < most;
        let at = if self.stack_at_call().is_some_and(is_below) { at } else { 0 };
        let aside = &mut self.aside;
        if let Some(suspended) = self.suspended.get_mut(level_index(hook_level)) {
            suspended.waits = aside.waits.load(Relaxed);
            suspended.kept_from = aside.kept_from;
            suspended.is_stack_away = core::mem::take(&mut aside.is_stack_away);
            (suspended.context, suspended.description) = (aside.context, aside.description);
            suspended.at = core::mem::replace(&mut self.interrupted_at, at);
            self.hook_level = 0;
            aside.waits.store(0, Relaxed);
            aside.kept_from = aside.kept;
        }
        if let Some(mask) = mask {
            alternate::set_mask(mask);
        }
        hook_level
    }

    /// The handler has returned to it.
    fn resume_hook(&mut self, hook_level: u32) {
        let aside = &mut self.aside;
        if let Some(suspended) = self.suspended.get(level_index(hook_level)) {
            self.hook_level = hook_level;
            self.interrupted_at = suspended.at;
            (aside.kept, aside.kept_from) = (aside.kept_from, suspended.kept_from);
            (aside.context, aside.description) = (suspended.context, suspended.description);
            aside.is_stack_away = suspended.is_stack_away;
            aside.waits.store(suspended.waits, Relaxed);
        }
    }

    /// Whether a call is made by a handler that has interrupted a hook, as far as can be
    /// seen: it has not been left if its mark is still there, above.
    pub(crate) fn may_be_in_interrupting_handler(&self, frame: &SyscallFrame) -> bool {
        let at = self.interrupted_at;
        let is_above = at != 0 && frame.rsp < at;
        is_above && sys::read_guest_words(at) == Some([Mark::word(at)])
    }

    /// Handlers have left all hooks that they interrupted; what had to wait for those
    /// waits for the call that goes on.
    pub(crate) fn hooks_are_left(&mut self) {
        self.interrupted_at = 0;
        let aside = &mut self.aside;
        if core::mem::take(&mut aside.kept_from) != 0 && aside.waits.swap(1, Relaxed) == 0 {
            aside.context[MASK] = alternate::mask();
        }
    }
}
