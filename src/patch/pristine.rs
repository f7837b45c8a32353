//! The way back from patched text: the file's own pages in its place.
//!
//! A security policy may let text become writable, and refuse that it becomes
//! executable again once it was written. Then only pages that nobody has written
//! will do, and those come from the file.

use core::ffi::CStr;

use syscalls::Errno;

use crate::sys::{self, File, Vma};

/// Longest path that is opened, with its NUL.
const PATH: usize = 1024;

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
        let mut path = heapless::Vec::<u8, PATH>::new();
        path.extend_from_slice(self.path).map_err(|_| Errno::ENAMETOOLONG)?;
        path.push(0).map_err(|_| Errno::ENAMETOOLONG)?;
        let file = File::open(CStr::from_bytes_with_nul(&path).map_err(|_| Errno::EINVAL)?)?;
        if file.inode()? != self.inode {
            return Err(Errno::ESTALE);
        }
        file.map_over(text, self.offset, prot)
    }
}
