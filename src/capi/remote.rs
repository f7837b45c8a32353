//! What others did to this process, in the C API.

use core::ffi::c_int;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use core::time::Duration;

use super::chain;
use crate::hook::RemoteEffect;
use crate::members;
use crate::thread::keeping_errno;

type RemoteHook = unsafe extern "C" fn(*const RemoteEffect);

/// Called in the target; null when there is none.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_remote_hook: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// Tells the hooks.
pub(super) fn effect(effect: &RemoteEffect) {
    keeping_errno(|| {
        chain::tell_effect(effect);
        let hook = interceptor_remote_hook.load(Relaxed);
        if !hook.is_null() {
            // SAFETY: the header says that only a function of this type may be assigned.
            let hook = unsafe { core::mem::transmute::<*mut (), RemoteHook>(hook) };
            // SAFETY: the hook author's contract, in the header.
            unsafe { hook(effect) };
        }
    });
}

/// Waits until somebody does something to a thread of this process, and takes
/// that. Returns 1, or 0 when the time is over or a signal has come.
///
/// # Safety
///
/// `effect` points to memory for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_remote_wait(
    effect: *mut RemoteEffect,
    timeout_ms: c_int,
) -> c_int {
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    match members::wait_for_remote_effect(timeout) {
        Some(taken) => {
            // SAFETY: the caller's.
            unsafe { effect.write(taken) };
            1
        }
        None => 0,
    }
}
