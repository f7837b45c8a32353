//! This library's own text: it is never patched, and most of it is not needed after start-up.

use core::ops::Range;

use super::image::{Image, ImageVmas};
use crate::sys;

/// Whether somebody has patched us: then the process is another interceptor's.
pub(super) fn are_patched_ourselves() -> bool {
    unsafe extern "C" {
        /// A `syscall` instruction that nobody executes (`asm/sentinel.S`).
        static interceptor_sentinel: [u8; 2];
    }
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    // SAFETY: two bytes of our code. They were written, if at all, by others.
    unsafe { (&raw const interceptor_sentinel).read_volatile() != SYSCALL }
}

/// Unmaps our own code and constants until they are needed. Start-up has read
/// nearly all, calls need little of them, and no other program may have mapped
/// them: then they count as memory of this process.
pub(super) fn release_own_pages() {
    let own = text();
    let headers = ImageVmas::piece(own.clone());
    if let Some(image) = Image::at(own.start, &headers) {
        image.constant_pages().for_each(|pages| sys::release(&pages));
    }
}

unsafe extern "C" {
    /// The start of this object and the end of its code, by the linker.
    static __ehdr_start: u8;
    static etext: u8;
}

/// Our own code.
pub(crate) fn text() -> Range<u64> {
    &raw const __ehdr_start as u64..&raw const etext as u64
}
