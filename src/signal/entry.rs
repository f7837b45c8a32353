//! Our handlers (`asm/signal.S`), as the interrupted code of other signals.
//!
//! At their first instructions the kernel's frame is whole and nothing has been done
//! yet. A signal that arrives there has come right after the one whose handler it
//! interrupts, most often because the kernel had both to deliver.

use core::ops::Range;

use super::actions::{SA_RESTORER, SigAction};
use super::context::{SigInfo, UContext};
use super::table;
use crate::{patch, sys, tls};

/// Bytes of the kernel's `struct ucontext`, less than the C library's.
const UCONTEXT: usize = 304;
/// Offset of the context in the kernel's frame, behind the restorer's address.
pub(super) const CONTEXT_IN_FRAME: usize = 8;
/// Offset of the siginfo_t.
pub(crate) const INFO_IN_FRAME: usize = CONTEXT_IN_FRAME + UCONTEXT;
/// Bytes of the whole.
pub(super) const FRAME_LEN: usize = INFO_IN_FRAME + 128;
/// Bytes from one handler to the next.
const ENTRY_LEN: u64 = 8;
/// Handlers.
pub(super) const VERSIONS: usize = 8;

unsafe extern "C" {
    /// [`VERSIONS`] handlers.
    static interceptor_signal_entries: u8;
    static interceptor_signal_entry_end: u8;
    static interceptor_signal_tail: u8;
    static interceptor_signal_return: u8;
    static interceptor_signal_end: u8;
    static interceptor_call_handler_end: u8;
    /// Calls the program's handler.
    pub(super) fn interceptor_call_handler(
        handler: u64,
        signal: i32,
        info: *mut SigInfo,
        context: *mut UContext,
    );
}

/// The handler that stands for a version of an action.
pub(super) fn of(version: usize) -> u64 {
    &raw const interceptor_signal_entries as u64 + version as u64 * ENTRY_LEN
}

/// The version that a handler stands for, if it is ours.
pub(super) fn version_of(handler: u64) -> Option<usize> {
    let offset = handler.checked_sub(of(0))?;
    let version = (offset / ENTRY_LEN) as usize;
    (version < VERSIONS && offset.is_multiple_of(ENTRY_LEN)).then_some(version)
}

/// A handler of ours that was interrupted before it did anything.
pub(super) struct Interrupted {
    frame: Frame,
    version: usize,
}

/// Whether an address is where a handler of ours has done nothing yet.
pub(super) fn is_beginning(address: u64) -> bool {
    let code: Range<u64> = of(0)..&raw const interceptor_signal_entry_end as u64;
    code.contains(&address)
}

/// Which handler a context interrupted at its beginning, if any.
pub(super) fn interrupted(context: &UContext) -> Option<Interrupted> {
    if !is_beginning(context.rip) {
        return None;
    }
    let version = version_of(context.rip).unwrap_or(context.r8 as usize & (VERSIONS - 1));
    (version < VERSIONS).then_some(Interrupted { frame: Frame(context.rsp), version })
}

impl Interrupted {
    pub(super) fn frame(&self) -> Frame {
        self.frame
    }

    /// Whether the program's handler has been called, and has executed nothing yet.
    fn is_at_beginning(&self, context: &UContext) -> bool {
        // SAFETY: the call has left its return address there, if it has just been made.
        let is_called = || patch::is_own_text(unsafe { *(context.rsp as *const u64) });
        self.of_program() == Some(context.rip) && is_called()
    }

    /// The program's handler, for which it stands; none if the program has none, or one
    /// that cannot be called.
    pub(super) fn of_program(&self) -> Option<u64> {
        self.action().map(|action| action.handler)
    }

    /// The same with all that belongs to it.
    pub(super) fn action(&self) -> Option<SigAction> {
        let action = table::get(self.frame.signal(), self.version);
        (action.is_function() && action.flags & SA_RESTORER != 0).then_some(action)
    }
}

/// A frame of the kernel's: the restorer's address, context, siginfo_t.
#[derive(Clone, Copy)]
pub(super) struct Frame(u64);

/// How far the delivery of a signal has come that was interrupted by another one.
pub(super) enum Stage {
    /// The program's handler has yet to be called.
    Ahead(Interrupted),
    /// It has returned.
    Returned(Frame),
}

/// In `Tls::delivered`, beside the address of the frame less 8, which is a multiple of
/// 16, and the version: the handler has returned.
const RETURNED: u64 = 8;
/// The same: it has been called, or is by the next few instructions.
const CALLED: u64 = 1 << CALLED_BIT;
/// No address of a program's has it.
pub(crate) const CALLED_BIT: u32 = 63;

/// The delivery that a context interrupted, in code of ours on a stack of the
/// program's; `delivered` is what `Tls::delivered` was there.
pub(super) fn stage(context: &UContext, delivered: u64) -> Option<Stage> {
    if let Some(handler) = interrupted(context) {
        return Some(Stage::Ahead(handler));
    }
    let tail = &raw const interceptor_signal_tail as u64..&raw const interceptor_signal_end as u64;
    if tail.contains(&context.rip) {
        let is_last = context.rip == &raw const interceptor_signal_return as u64;
        let frame = if is_last { context.rsp } else { context.rbp + 8 };
        return Some(Stage::Returned(Frame(frame)));
    }
    let frame = (delivered & !(CALLED | 15)) + 8;
    // Others were left by siglongjmp.
    let is_above = frame.wrapping_sub(context.rsp) < MOST_STACK;
    if !is_above {
        return None;
    }
    let handler = Interrupted { frame: Frame(frame), version: (delivered & 7) as usize };
    let has_returned = delivered & RETURNED != 0;
    if !patch::is_own_text(context.rip) {
        let is_begun = !has_returned && handler.is_at_beginning(context);
        return is_begun.then_some(Stage::Ahead(handler));
    }
    Some(if has_returned { Stage::Returned(handler.frame) } else { Stage::Ahead(handler) })
}

/// Signals that there are: as many deliveries lie one above the other at most.
const DEEPEST: usize = 64;

/// The signals whose deliveries a context interrupted and whose handlers have yet to be called,
/// from the last one down. `delivered` is what `Tls::delivered` was at the context.
///
/// # Safety
///
/// The context is the kernel's, of the calling thread, and no handler beneath has ended
/// while what is returned is used.
pub(super) unsafe fn ahead(
    context: &UContext,
    delivered: u64,
) -> impl Iterator<Item = Interrupted> {
    let (mut at, mut was) = (core::ptr::from_ref(context), delivered);
    let beneath = core::iter::from_fn(move || {
        // SAFETY: the caller's.
        let handler = unsafe { next_ahead(&*at, &mut was) }?;
        at = handler.frame().context_at() as *const UContext;
        Some(handler)
    });
    beneath.take(DEEPEST)
}

/// The last one. `delivered` becomes what `Tls::delivered` was at that signal.
///
/// # Safety
///
/// As [`ahead`].
unsafe fn next_ahead(context: &UContext, delivered: &mut u64) -> Option<Interrupted> {
    let Stage::Ahead(handler) = stage(context, *delivered)? else {
        return None;
    };
    let call = interceptor_call_handler as *const () as u64
        ..&raw const interceptor_call_handler_end as u64;
    let is_beginning = is_beginning(context.rip);
    let is_called = !is_beginning && *delivered & CALLED != 0
        || !patch::is_own_text(context.rip)
        || call.contains(&context.rip);
    if is_called {
        return None;
    }
    if !is_beginning {
        let code = &raw const interceptor_signal_entry_end as u64
            ..&raw const interceptor_signal_tail as u64;
        *delivered = if code.contains(&context.rip) {
            context.r11
        } else {
            // SAFETY: where `asm/signal.S` keeps it behind these instructions.
            unsafe { *((handler.frame().address() - DELIVERED_BELOW) as *const u64) }
        };
    }
    Some(handler)
}

/// How far below the frame `asm/signal.S` keeps what `Tls::delivered` was: behind rbp and rax.
const DELIVERED_BELOW: u64 = 24;

/// More than our handlers need.
const MOST_STACK: u64 = 32 * 1024;

/// Notes that the program's handler has returned. The version is not needed any more.
pub(super) fn note_return(context: *const UContext) {
    let frame = context as u64 - CONTEXT_IN_FRAME as u64;
    end((frame - 8) | RETURNED);
}

/// Notes what is delivered once a delivery ends: what was before it.
pub(super) fn end(delivered: u64) {
    if sys::is_confined() || tls::is_unreliable() {
        return;
    }
    let words = tls::of(tls::thread_pointer());
    // SAFETY: where `asm/signal.S` keeps it, too.
    unsafe { (&raw mut (*words).delivered).write_volatile(delivered) }
}

impl Frame {
    pub(super) fn address(self) -> u64 {
        self.0
    }

    pub(super) fn info_at(self) -> u64 {
        self.0 + INFO_IN_FRAME as u64
    }

    pub(super) fn context_at(self) -> u64 {
        self.0 + CONTEXT_IN_FRAME as u64
    }

    pub(super) fn restorer(self) -> u64 {
        // SAFETY: the kernel's frame, which the handler has not left.
        unsafe { *(self.0 as *const u64) }
    }

    pub(super) fn signal(self) -> u64 {
        // SAFETY: as above.
        unsafe { (*(self.info_at() as *const SigInfo)).signal as u64 }
    }

    /// What the signal interrupted.
    pub(super) fn context<'a>(self) -> &'a UContext {
        // SAFETY: as above.
        unsafe { &*(self.context_at() as *const UContext) }
    }
}
