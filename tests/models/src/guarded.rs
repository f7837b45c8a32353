//! Memory between two pages that nobody may touch: a read out of bounds is a crash.

use std::ptr;

use crate::sys::{PAGE, page_up};

/// Readable and writable memory that ends where nothing may be read.
pub(crate) struct Guarded {
    mapping: *mut u8,
    len: usize,
    mapped: usize,
}

impl Guarded {
    /// Zeroed memory of whole pages.
    pub(crate) fn new(len: usize) -> Guarded {
        let len = page_up(len as u64) as usize;
        let mapped = len + 2 * PAGE as usize;
        // SAFETY: a new mapping, the inner pages of which are made accessible.
        let mapping = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let mapping = libc::mmap(ptr::null_mut(), mapped, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(mapping, libc::MAP_FAILED);
            let inner = mapping.cast::<u8>().add(PAGE as usize);
            let result = libc::mprotect(inner.cast(), len, libc::PROT_READ | libc::PROT_WRITE);
            assert_eq!(result, 0);
            mapping.cast::<u8>()
        };
        Guarded { mapping, len, mapped }
    }

    /// Its address.
    pub(crate) fn start(&self) -> u64 {
        self.mapping as u64 + PAGE
    }

    /// Its end.
    pub(crate) fn end(&self) -> u64 {
        self.start() + self.len as u64
    }

    /// All of it.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the inner pages of the mapping, lent as long as `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.start() as *mut u8, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody holds any of it.
        unsafe { libc::munmap(self.mapping.cast(), self.mapped) };
    }
}
