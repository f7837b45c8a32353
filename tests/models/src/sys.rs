//! What modules of the runtime take from its face to the kernel.

use core::ops::Range;

/// Size of a page in bytes.
pub(crate) const PAGE: u64 = 4096;

pub(crate) const fn page_down(address: u64) -> u64 {
    address & !(PAGE - 1)
}

pub(crate) const fn page_up(address: u64) -> u64 {
    page_down(address + (PAGE - 1))
}

/// As `sys::maps` has it.
#[derive(Clone, Debug)]
pub(crate) struct Vma<'a> {
    pub range: Range<u64>,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    pub offset: u64,
    pub inode: u64,
    pub name: &'a [u8],
}

impl Vma<'_> {
    pub(crate) fn there(&self) -> Range<u64> {
        self.range.clone()
    }
}
