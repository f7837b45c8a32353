//! The lines the runtime itself writes, all to standard error.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use syscalls::Errno;

use crate::line::Line;
use crate::sys;

const STDERR: i32 = 2;

/// Writes one line, prefixed so that its origin is clear. Cut at 1 KiB.
pub(crate) fn say(message: fmt::Arguments<'_>) {
    let mut line = Line::<1024>::new();
    let _ = writeln!(line, "interceptor: {message}");
    line.send(STDERR);
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
