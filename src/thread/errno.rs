//! libc's errno of a thread, which code of ours and of hooks leaves as it was.

use core::ffi::c_int;

use super::is_caller_foreign;
use crate::tls;

unsafe extern "C" {
    /// Address of libc's `__errno_location`, null without one (`asm/weak.S`).
    fn interceptor_libc_errno_location() -> Option<unsafe extern "C" fn() -> *mut c_int>;
}

/// libc's errno of the calling thread; null without a libc, and on storage that is not
/// libc's.
#[inline(always)]
pub(crate) fn libc_errno() -> *mut c_int {
    if is_caller_foreign() {
        return core::ptr::null_mut();
    }
    // SAFETY: the weak symbol, if there is one, is libc's function, which
    // returns the address of this thread's errno.
    unsafe { interceptor_libc_errno_location().map_or(core::ptr::null_mut(), |locate| locate()) }
}

/// Puts errno back after code that may set it.
pub(crate) fn keeping_errno<T>(code: impl FnOnce() -> T) -> T {
    let at = errno_of_block();
    // SAFETY: null, or this thread's errno.
    let before = unsafe { at.as_ref() }.copied();
    let result = code();
    if let Some(before) = before {
        // SAFETY: as above.
        unsafe { *at = before };
    }
    result
}

/// The errno that the calling thread's block knows.
#[inline(never)]
fn errno_of_block() -> *mut c_int {
    // SAFETY: this thread's own words and block.
    let block = unsafe { (&raw const (*tls::current()).block).read_volatile().as_ref() };
    block.map_or_else(libc_errno, |block| block.errno)
}
