//! Signals that do not block themselves (SA_NODEFER), and others of the same moment.
//!
//! The kernel has each blocked until our handler calls the program's (`actions::given`). A
//! signal whose frame lies above one that is not called yet has its handler run before: that
//! is neither to see nor to have it blocked.
//!
//! In a process that has confined itself our handler unblocks nothing. There the kernel does as
//! the program has asked where the signal is a fault's: a fault that is blocked ends the process,
//! and a handler of SIGSYS makes calls that are trapped, too.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::actions::{self, SA_NODEFER};
use super::context::UContext;
use super::defer::{SYNCHRONOUS, bit};
use super::table::{self, By};
use super::{SIGNALS, entry};
use crate::sys;

/// The program has installed such an action.
static ARE_THERE: AtomicBool = AtomicBool::new(false);

/// An action with these flags is installed.
pub(super) fn note(flags: u64) {
    if flags & SA_NODEFER != 0 {
        ARE_THERE.store(true, Relaxed);
    }
}

/// The kernel leaves faults unblocked.
static ARE_FAULTS_LEFT: AtomicBool = AtomicBool::new(false);

pub(super) fn are_faults_left() -> bool {
    ARE_FAULTS_LEFT.load(Relaxed)
}

/// The process is about to be confined.
pub(crate) fn leave_faults_unblocked() {
    if ARE_FAULTS_LEFT.swap(true, Relaxed) {
        return;
    }
    let is_fault = |signal: &u64| SYNCHRONOUS & bit(*signal as u32) != 0;
    for signal in (1..=SIGNALS as u64).filter(is_fault).filter(|signal| table::is_used(*signal)) {
        if let Ok(programs) = actions::exchange(signal, None, By::Process)
            && (actions::is_trap(signal) || programs.flags & SA_NODEFER != 0)
        {
            let _ = actions::exchange(signal, Some(&programs), By::Process);
        }
    }
}

/// [`SA_NODEFER`] if the kernel is not given it for a signal: one that comes again and again
/// before our handler has looked would fill the stack that was interrupted, be it one of ours.
pub(super) fn flag_held_back(signal: u64) -> u64 {
    let is_left = are_faults_left() && SYNCHRONOUS & bit(signal as u32) != 0;
    if is_left { 0 } else { SA_NODEFER }
}

/// Signals that the mask of a context has had only since their handlers have yet to be called.
#[derive(Default)]
pub(super) struct Taken {
    signals: u64,
    /// Those that are to stay blocked: a handler above has it so.
    staying: u64,
    /// Context of the delivery that the context is in.
    beneath: Option<u64>,
}

impl Taken {
    /// Takes them from the mask. `delivered` as in [`entry::stage`].
    ///
    /// # Safety
    ///
    /// As [`entry::ahead`].
    pub(super) unsafe fn from(context: &mut UContext, delivered: u64) -> Self {
        if !ARE_THERE.load(Relaxed) || sys::is_confined() {
            return Self::default();
        }
        let staying = context.staying();
        let (mut not_deferred, mut blocked, mut mask, mut beneath) = (0, 0, u64::MAX, None);
        // SAFETY: the caller's.
        for handler in unsafe { entry::ahead(context, delivered) } {
            let (frame, Some(action)) = (handler.frame(), handler.action()) else {
                break;
            };
            if action.flags & SA_NODEFER != 0 {
                not_deferred |= 1 << (frame.signal() - 1);
            }
            blocked |= action.blocks(frame.signal() as i32);
            mask = frame.context().mask;
            beneath = beneath.or(Some(frame.context_at()));
        }
        let signals = not_deferred & !(blocked | mask);
        context.mask &= !signals;
        Self { signals, staying, beneath }
    }

    /// What is to be unblocked for the handler of a signal, whose action blocks `blocks`.
    pub(super) fn unblocked(&self, own: u64, blocks: u64) -> u64 {
        (own | self.signals) & !(blocks | self.staying)
    }

    /// The handler has returned, and may have put some back.
    ///
    /// # Safety
    ///
    /// As [`Self::from`], and it was for this context.
    pub(super) unsafe fn put_back(&self, context: &UContext) {
        if let Some(beneath) = self.beneath {
            // SAFETY: the caller's: the kernel's context of a delivery beneath.
            unsafe { (*(beneath as *mut UContext)).have_stay(self.signals & context.mask) };
        }
    }
}
