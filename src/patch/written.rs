//! Code that the program has written, and may write again.
//!
//! It is patched right before it becomes executable, while nobody executes it, and put back
//! when it becomes writable: the program finds what it has written. Until then nobody writes
//! to it, so two copies tell which bytes are ours: what was there, and that with its patches.

use core::ops::Range;

use crate::sys::{self, Mapping};

/// The copies of a text, by the address of the first; the other follows.
#[derive(Clone, Copy)]
pub(super) struct Copies(u64);

impl Copies {
    /// Bytes of memory that they need.
    pub(super) fn len(text: &Range<u64>) -> u64 {
        2 * text_len(text)
    }

    /// Takes the first copy.
    pub(super) fn of(text: &Range<u64>, memory: Mapping) -> Self {
        let copies = Self(memory.start);
        copies.take(text, 0);
        copies
    }

    /// Takes the second one.
    pub(super) fn take_patched(self, text: &Range<u64>) {
        self.take(text, text_len(text));
    }

    fn take(self, text: &Range<u64>, offset: u64) {
        let (from, to) = (text.start as *const u8, (self.0 + offset) as *mut u8);
        // SAFETY: the caller's text is mapped, and nobody else knows the copies.
        unsafe { from.copy_to_nonoverlapping(to, text_len(text) as usize) }
    }

    /// The copies at an address, if it is one.
    pub(super) fn at(address: u64) -> Option<Self> {
        (address != 0).then_some(Self(address))
    }

    pub(super) fn address(self) -> u64 {
        self.0
    }

    /// Writes what was there where the patches are, in a text that is `distance` bytes from where
    /// it was. Returns whether it is writable.
    pub(super) fn put_back(self, text: &Range<u64>, distance: u64) -> bool {
        for (at, address) in text.clone().enumerate() {
            let original = (self.0 + at as u64) as *const u8;
            // SAFETY: the copies are as long as the text.
            let (original, patched) =
                unsafe { (original.read(), original.add(text_len(text) as usize).read()) };
            if original == patched {
                continue;
            }
            let now = address.wrapping_add(distance);
            let mut there = [0];
            sys::read_guest(now, &mut there);
            // The program may have written something else already.
            if there == [patched] && sys::write_guest_bytes(now, &[original]) == 0 {
                return false;
            }
        }
        true
    }

    pub(super) fn unmap(self, text: &Range<u64>) {
        Mapping { start: self.0, len: Self::len(text) }.unmap();
    }
}

fn text_len(text: &Range<u64>) -> u64 {
    text.end - text.start
}
