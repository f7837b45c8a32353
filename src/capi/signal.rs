//! Signals in the C API.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use syscalls::Errno;

use super::chain;
use super::errno::returned;
use crate::hook::{SignalDecision, SignalDelivery, Signals};
use crate::signal;
use crate::thread::keeping_errno;

type SignalHook = unsafe extern "C" fn(c_int, *mut c_void, *mut c_void, *mut c_int);

/// Called for a signal that is about to reach the program; null when there is none.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_signal_hook: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// Which signals are seen from the beginning.
pub(super) fn subscription() -> Signals {
    if crate::patch::signal_is_imported() { Signals::DELIVERED } else { Signals::empty() }
}

/// Asks the hook.
pub(super) fn ask(delivery: &SignalDelivery) -> SignalDecision {
    super::note_entry();
    if !chain::signal_goes_on(delivery) {
        return SignalDecision::Swallow;
    }
    let hook = interceptor_signal_hook.load(Relaxed);
    if hook.is_null() {
        return SignalDecision::Forward;
    }
    // SAFETY: the header says that only a function of this type may be assigned.
    let hook = unsafe { core::mem::transmute::<*mut (), SignalHook>(hook) };
    let mut forward = 0;
    // SAFETY: the hook author's contract, in the header.
    keeping_errno(|| unsafe {
        hook(delivery.signal(), delivery.info(), delivery.context(), &mut forward);
    });
    if forward == 0 { SignalDecision::Swallow } else { SignalDecision::Forward }
}

/// Shows the hook more signals: `INTERCEPTOR_SIGNALS_*` of the header, as bits.
/// Returns 0, or -1 and errno when there are bits that mean nothing, or no interception.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_signal_subscribe(signals: c_uint) -> c_int {
    let signals = u8::try_from(signals).ok().and_then(Signals::from_bits);
    let wanted = match signals {
        Some(_) if super::ALLOWED.load(Relaxed) == 0 => Err(Errno::ENOSYS),
        Some(signals) => {
            signal::watch_more(signals);
            Ok(0)
        }
        None => Err(Errno::EINVAL),
    };
    returned(wanted) as c_int
}
