//! libc's errno, which belongs to the program: it is put back around everything.

use core::ffi::{c_int, c_long};

use crate::thread;

/// The errno of a thread, as it was.
pub(super) struct Errno {
    at: *mut c_int,
    value: c_int,
}

impl Errno {
    #[inline(always)]
    pub(super) fn save(at: *mut c_int) -> Self {
        // SAFETY: null, or this thread's errno.
        let value = unsafe { at.as_ref() }.copied().unwrap_or(0);
        Self { at, value }
    }

    /// What it is now; EPERM where nobody could set it.
    #[inline(always)]
    pub(super) fn current(&self) -> c_int {
        // SAFETY: as above.
        unsafe { self.at.as_ref() }.copied().unwrap_or_else(of_another)
    }

    #[inline(always)]
    pub(super) fn restore(self) {
        // SAFETY: as above.
        if let Some(errno) = unsafe { self.at.as_mut() } {
            *errno = self.value;
        }
    }
}

/// The errno of a thread that has none of its own, but its creator's; EPERM without one.
#[inline(always)]
fn of_another() -> c_int {
    // SAFETY: null, or libc's errno.
    unsafe { thread::libc_errno().as_ref() }.copied().unwrap_or(1)
}

/// What a function of the C API returns: a value, or -1 and errno.
pub(super) fn returned(result: Result<usize, syscalls::Errno>) -> c_long {
    match result {
        Ok(value) => value as c_long,
        Err(error) => {
            // SAFETY: null, or this thread's errno.
            if let Some(errno) = unsafe { thread::libc_errno().as_mut() } {
                *errno = error.into_raw();
            }
            -1
        }
    }
}
