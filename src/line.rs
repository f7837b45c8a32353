//! A line of text, composed without memory that could be missing and sent in one call.

use core::fmt::{self, Write};

use crate::sys;

/// Text of at most `N` bytes. What does not fit is cut; the newline of the last line is
/// there all the same.
pub struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it is large")]
    pub const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// What has been written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(b"")
    }

    /// Writes it to a descriptor, by calls that no hook sees. Errors are nobody's
    /// business, and no signal comes of a pipe that nobody reads.
    pub fn send(&self, fd: i32) {
        let _ = sys::write_all_quietly(fd, self.bytes());
    }
}

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N - self.len;
        let len = text.len().min(room);
        if let (Some(to), Some(from)) =
            (self.bytes.get_mut(self.len..self.len + len), text.as_bytes().get(..len))
        {
            to.copy_from_slice(from);
        }
        self.len += len;
        if len < text.len()
            && let Some(last) = self.bytes.last_mut()
        {
            *last = b'\n';
        }
        Ok(())
    }
}
