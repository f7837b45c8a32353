//! The lines the runtime itself writes, all to standard error.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use syscalls::Errno;

use crate::sys;

const STDERR: i32 = 2;

/// Writes one line, prefixed so that its origin is clear. Cut at 1 KiB.
pub(crate) fn say(message: fmt::Arguments<'_>) {
    let mut line = Line::<1024>::new();
    let _ = writeln!(line, "interceptor: {message}");
    let _ = sys::write_all_quietly(STDERR, line.bytes());
}

/// Device and inode of the standard error of the tree's first process.
static TREE_STDERR: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Says what the tree's standard error is; without a `known` one it is this
/// process's.
pub(crate) fn begin(known: Option<(u64, u64)>) -> (u64, u64) {
    let (device, inode) = known.or_else(|| sys::file_identity(STDERR).ok()).unwrap_or((0, 0));
    TREE_STDERR[0].store(device, Relaxed);
    TREE_STDERR[1].store(inode, Relaxed);
    (device, inode)
}

/// Whether standard error is still the tree's, so that a user reads it, not a
/// program.
pub(crate) fn is_for_user() -> bool {
    let [device, inode] = TREE_STDERR.each_ref().map(|word| word.load(Relaxed));
    sys::file_identity(STDERR) == Ok((device, inode))
}

/// An error of the kernel's, as text.
pub(crate) struct Why(pub Errno);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.into_raw() as u64;
        let name = interceptor_calls::error_name(number).unwrap_or("an unknown error");
        let description = interceptor_calls::error_description(number).unwrap_or_default();
        write!(f, "{name}: {description}")
    }
}

/// Bytes of the environment or the file system, shown as text.
pub(crate) struct Lossy<'a>(pub &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}

/// A buffer that keeps what fits and ends with a newline all the same.
pub(crate) struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(b"")
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
        if len < text.len() {
            self.bytes[N - 1] = b'\n';
        }
        Ok(())
    }
}
