//! The way back from patched text: the file's own pages in its place.
//!
//! A security policy may let text become writable, and refuse that it becomes
//! executable again once it was written. Then only pages that nobody has written
//! will do, and those come from the file.

use syscalls::Errno;

use crate::sys::{self, File, Vma};

/// The file that text was mapped from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    path: &'a [u8],
    inode: u64,
    /// Of the text in the file.
    offset: u64,
}

impl<'a> Source<'a> {
    /// The file of a mapping.
    pub(super) fn of(vma: &Vma<'a>) -> Self {
        Self { path: vma.name, inode: vma.inode, offset: vma.offset }
    }

    /// Maps the file's pages in place of those at `text`, all of which came from it.
    pub(super) fn put_back(&self, text: &core::ops::Range<u64>, prot: usize) -> sys::Result<()> {
        let file = sys::with_path(&[self.path], File::open)?;
        if file.inode()? != self.inode {
            return Err(Errno::ESTALE);
        }
        file.map_over(text, self.offset, prot)
    }
}
