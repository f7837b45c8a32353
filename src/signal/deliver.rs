//! The handlers that the kernel knows.
//!
//! They run on the stack and with the mask that the program asked for, and call
//! the program's handler. Before, they translate what the program may look at: a
//! stub's code stands for a place in the program's own text (`context`).
//! Afterwards the context goes back to where it really was, unless the handler
//! made it go elsewhere. A signal that interrupts a hook or the entry waits (`defer`).

use core::mem::replace;

use super::actions::{self, SA_RESTORER, SIG_DFL, SIG_IGN, SigAction};
use super::context::{self, SigInfo, UContext, View};
use super::defer::{self, Arrival};
use super::interrupted_hook::Mark;
use super::nodefer::Taken;
use super::traps::Blocked;
use super::{
    alternate, entry, given_stack, handler_frame, hooked, interrupted_hook, signalfd, stacked,
    stepping, table, traps, waiting,
};
use crate::net;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock};
use crate::tls;

/// Called on delivery (`asm/signal.S`), with the version of the signal's action
/// that was in force. `mask` is what was blocked before, if `is_held`: all signals
/// are, since. `delivered` is the signal that was delivered when
/// this one came, see `entry`.
///
/// # Safety
///
/// The arguments are the kernel's.
#[unsafe(no_mangle)]
unsafe extern "C" fn interceptor_deliver(
    signal: i32,
    info: *mut SigInfo,
    context: *mut UContext,
    version: u32,
    is_held: u32,
    mask: u64,
    delivered: u64,
) {
    let is_trap_signal = actions::is_trap(signal as u64);
    // SAFETY: the kernel's arguments. One that was sent to a thread that stands at a trap is
    // none; it may have taken its place in the kernel's queue, then the trap comes again.
    if is_trap_signal && unsafe { traps::redirect(&*info, context) } {
        return;
    }
    let arrival = Arrival { version, held: (is_held != 0).then_some(mask), delivered };
    // SAFETY: the kernel's arguments.
    unsafe { defer::put_aside(info, context, arrival) };
    // SAFETY: this thread's own block.
    if let Some(block) = unsafe { own_block() } {
        tls::expect_no_more(&mut block.in_flight);
    }
    if is_trap_signal {
        traps::may_come();
    }
    // SAFETY: the kernel's arguments; nobody else uses this thread's block now.
    let is_our_step =
        unsafe { own_block().is_some_and(|block| stepping::is_ours(block, &*info, &*context)) };
    if is_our_step {
        // SAFETY: the kernel's context.
        unsafe { context::resume(context) }
    }
    // SAFETY: as above.
    unsafe { signalfd::let_go(own_block(), info, context, delivered) };
    // SAFETY: as above.
    let with_traps = || unsafe { own_block() }.filter(|_| traps::are_caught());
    if let Some(block) = with_traps() {
        // SAFETY: as above.
        unsafe { stacked::prepare_beneath(block, &*context, delivered) };
    }
    let action = table::get(signal as u64, version as usize);
    if is_trap_signal && let Some(block) = with_traps() {
        // SAFETY: the kernel's arguments.
        let blocked = unsafe {
            let change = context::returned_change(&*context);
            traps::blocked(block, &*info, &*context, change.as_deref())
        };
        match blocked {
            Blocked::No => {}
            // SAFETY: as above.
            Blocked::Waits => unsafe {
                block.sigill.wait(info);
                return context::look_again(&mut *info, &mut *context);
            },
            // SAFETY: as above.
            Blocked::IsFatal => unsafe { hooked::end_by_fault(signal, context) },
        }
    }
    if action.is_function() && action.flags & SA_RESTORER == 0 {
        // SAFETY: the kernel's context, which begins with these words.
        unsafe {
            if let Some(block) = own_block() {
                stacked::take_back(block, &mut *context);
            }
            handler_frame::force_segv(&mut *context.cast(), signal as u64);
            context::resume(context)
        }
    }
    // SAFETY: the kernel's arguments.
    unsafe {
        if let Some(block) = own_block().filter(|_| action.is_function()) {
            interrupted_hook::leave_our_stack(block, info, context, &arrival);
        }
    }
    if let Some(block) = with_traps() {
        // SAFETY: the kernel's, and nobody else looks at it now.
        stacked::prepare(block, unsafe { &mut *context }, &action, signal as u64);
    }
    // SAFETY: as above.
    let taken = unsafe { Taken::from(&mut *context, delivered) };
    // SAFETY: the kernel's, and nobody else looks at them now.
    let view = unsafe { View::show(&mut *info, &mut *context, delivered) };
    // SAFETY: as above.
    unsafe { alternate::prepare_handler(context) };
    // SAFETY: as above.
    let hidden = unsafe { given_stack::hide(own_block(), &mut *context) };
    let mut mark = Mark::new();
    // SAFETY: as above.
    unsafe {
        let hook_level = own_block().map_or(0, |block| block.suspend_hook(&mut mark));
        let is_another_due = forward(signal, info, context, &action, &view, &taken);
        given_stack::show_again(own_block(), &mut *context, hidden);
        if is_another_due && let Some(block) = own_block() {
            waiting::send_to_come(block);
        }
        if let Some(block) = own_block().filter(|_| hook_level != 0) {
            interrupted_hook::go_on(block, hook_level, &mut mark, context, delivered);
        }
        if is_another_due && !sys::is_confined() {
            // All signals are blocked, and the program's restorer may be a trap.
            entry::end(delivered);
            context::resume(context);
        }
    }
}

/// Lets the signal go its way, and returns when it has gone it. `taken` was from the context's
/// mask. Returns whether a SIGILL that waits is to come then.
///
/// # Safety
///
/// The arguments are the kernel's, and `view` is the context's.
unsafe fn forward(
    signal: i32,
    info: *mut SigInfo,
    context: *mut UContext,
    action: &SigAction,
    view: &View,
    taken: &Taken,
) -> bool {
    // SAFETY: as above.
    unsafe {
        if hooked::ask(signal, info, context, action) {
            match action.handler {
                SIG_DFL | SIG_IGN => hooked::act_as_kernel(signal, info, context, action, view),
                _ => handle(signal, info, context, action, view, taken),
            }
        }
        taken.put_back(&*context);
        entry::note_return(context);
        let change = view.returned_change(&*context);
        let is_another_due =
            own_block().is_some_and(|block| traps::handler_returned(block, &mut *context, change));
        view.leave(&mut *context);
        let is_to_look = |block: &mut ThreadBlock| {
            block.sigill.waits || block.in_flight.newest(Call::begins_again).is_some()
        };
        if own_block().is_some_and(is_to_look) {
            context::look_again(&mut *info, &mut *context);
        }
        is_another_due
    }
}

/// Has the program's handler called.
///
/// # Safety
///
/// As [`forward`].
unsafe fn handle(
    signal: i32,
    info: *mut SigInfo,
    context: *mut UContext,
    action: &SigAction,
    view: &View,
    taken: &Taken,
) {
    let is_trap_signal = actions::is_trap(signal as u64);
    if is_trap_signal {
        // SAFETY: the kernel's context.
        unsafe {
            let change = view.returned_change(&*context);
            traps::prepare_handler(&*context, change.as_deref(), action);
        }
    }
    let own = if is_trap_signal { 0 } else { 1 << (signal - 1) };
    // The kernel has blocked them until here (`actions::given`).
    let unblocked = taken.unblocked(own, action.blocks(signal));
    if unblocked != 0 && !sys::is_confined() {
        alternate::unblock(unblocked);
    }
    // SAFETY: the program installed this function for the signal. It gets all
    // three arguments whatever its flags, as from the kernel.
    unsafe {
        let mut block = own_block();
        // Whoever was interrupted may be about to make a call that is not to be caught.
        let selector = block.as_mut().map(|block| replace(&mut block.selector, net::CATCH));
        thread::hooked(|| call(action, signal, info, context));
        if let (Some(block), Some(selector)) = (own_block(), selector) {
            block.selector = selector;
        }
    }
}

/// The calling thread's block, if it has one.
#[inline(never)] // asked for in many places
unsafe fn own_block<'a>() -> Option<&'a mut ThreadBlock> {
    // SAFETY: this thread's own words and block.
    unsafe { (&raw const (*tls::current()).block).read_volatile().as_mut() }
}

/// Calls the program's handler.
///
/// # Safety
///
/// The action's handler is a function, and the arguments are the kernel's.
unsafe fn call(action: &SigAction, signal: i32, info: *mut SigInfo, context: *mut UContext) {
    // SAFETY: the caller's.
    unsafe { entry::interceptor_call_handler(action.handler, signal, info, context) }
}
