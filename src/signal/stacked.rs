//! Signals that come at one moment, where sites are trapped: who sees SIGILL blocked.
//!
//! The kernel lays their frames one on another, each with the mask that those beneath have
//! left, and the last one's handler runs first. Of SIGILL it knows nothing (`traps`). So
//! before the first handler runs all frames are *prepared*, from the lowest one up, as the
//! kernel would have laid them; each is marked until its handler is called (`asm/signal.S`).
//! One that is prepared has nothing done to it but by handlers above, whose return makes the mask
//! of its handler what they have left.
//!
//! All signals are blocked meanwhile, if there is anything to do.

use super::actions::{self, SigAction};
use super::alternate;
use super::context::{self, SigInfo, UContext};
use super::entry::{self, Interrupted};
use super::traps::{self, Blocked};
use super::waiting;
use crate::sys;
use crate::thread::ThreadBlock;

/// Prepares the frames of signals whose delivery a context interrupted; `delivered` as in
/// [`entry::stage`].
///
/// # Safety
///
/// As [`entry::ahead`].
pub(super) unsafe fn prepare_beneath(block: &mut ThreadBlock, context: &UContext, delivered: u64) {
    // SAFETY: the caller's.
    let lowest = |block: &ThreadBlock| unsafe { lowest(block, context, delivered) };
    if context.is_prepared() || lowest(block).is_none() {
        return;
    }
    let mask = hold();
    while let Some(handler) = lowest(block) {
        let at = handler.frame().context_at() as *mut UContext;
        // SAFETY: the caller's; nobody else looks at it now.
        lay(block, unsafe { &mut *at }, handler.action().as_ref(), handler.frame().signal());
    }
    release(mask);
}

/// Prepares the frame of the signal that is delivered.
pub(super) fn prepare(
    block: &mut ThreadBlock,
    context: &mut UContext,
    action: &SigAction,
    signal: u64,
) {
    let action = action.is_function().then_some(action);
    let change = context::returned_change(context);
    let blocks = mask_of(action, signal);
    if context.is_prepared() || traps::is_nothing_blocked(block, change.as_deref(), blocks) {
        return;
    }
    let mask = hold();
    // Unless a signal has come in between.
    if !context.is_prepared() {
        lay(block, context, action, signal);
    }
    release(mask);
}

/// Takes back what was prepared of a signal that is not delivered, or not here.
pub(super) fn take_back(block: &mut ThreadBlock, context: &mut UContext) {
    if traps::are_caught() && context.is_prepared() && traps::handler_returned(block, context, None)
    {
        waiting::send(block);
    }
}

fn lay(block: &mut ThreadBlock, context: &mut UContext, action: Option<&SigAction>, signal: u64) {
    let change = context::returned_change(context);
    traps::handler_is_called(block, context, change, mask_of(action, signal));
    context.set_prepared();
}

/// What a handler of the program's has blocked.
fn mask_of(action: Option<&SigAction>, signal: u64) -> u64 {
    action.map_or(0, |action| action.blocks(signal as i32))
}

/// The lowest frame that is not prepared.
///
/// # Safety
///
/// As [`entry::ahead`].
unsafe fn lowest(block: &ThreadBlock, context: &UContext, delivered: u64) -> Option<Interrupted> {
    // SAFETY: the caller's.
    let beneath = unsafe { entry::ahead(context, delivered) };
    let unprepared = beneath.take_while(|handler| !handler.frame().context().is_prepared());
    unprepared.filter(|handler| is_delivered(block, handler)).last()
}

/// Whether it is not a trap, nor a SIGILL that is to wait.
fn is_delivered(block: &ThreadBlock, handler: &Interrupted) -> bool {
    let (frame, context) = (handler.frame(), handler.frame().context());
    if !actions::is_trap(frame.signal()) {
        return true;
    }
    // SAFETY: the kernel's frame.
    let info = unsafe { &*(frame.info_at() as *const SigInfo) };
    let change = context::returned_change(context);
    !traps::is_trap(info, context)
        && traps::blocked(block, info, context, change.as_deref()) == Blocked::No
}

/// Blocks all signals, unless the process may not survive that. Returns what was blocked.
fn hold() -> Option<u64> {
    (!sys::is_confined()).then(|| alternate::block(u64::MAX))
}

fn release(mask: Option<u64>) {
    if let Some(mask) = mask {
        alternate::set_mask(mask);
    }
}
