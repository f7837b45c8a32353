//! Writing for the program without a signal to it: nobody may read the pipe any
//! more, or the file may have grown to the limit. The kernel tells a writer so by
//! a signal that ends it, but it is not the program that writes.

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use super::Result;
use super::file::{file_size_limit, stat, write_all};

const SIGPIPE: u64 = 13;
const SIGXFSZ: u64 = 25;
/// Both, as a kernel's signal set.
const SIGNALS: u64 = 1 << (SIGPIPE - 1) | 1 << (SIGXFSZ - 1);

/// Writes all of `bytes`; a failure is no signal.
pub(crate) fn write_all_quietly(fd: i32, bytes: &[u8]) -> Result<()> {
    const SIG_BLOCK: usize = 0;
    const SIG_SETMASK: usize = 2;
    let (set, mut mask) = (SIGNALS, 0u64);
    // SAFETY: the kernel reads one set and writes one.
    let blocked =
        unsafe { syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &raw const set, &raw mut mask, 8) };
    // What is blocked by the program may be pending, too, and is to stay so.
    let pending = if mask & SIGNALS == 0 { 0 } else { pending_signals() };
    let written = write_all(fd, bytes);
    let signal = match written {
        Err(Errno::EPIPE) => 1 << (SIGPIPE - 1),
        Err(Errno::EFBIG) => 1 << (SIGXFSZ - 1),
        _ => 0,
    };
    if signal & !pending != 0 {
        take(signal);
    }
    if blocked.is_ok() {
        // SAFETY: the kernel reads one set.
        let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, &raw const mask, 0, 8) };
    }
    written
}

/// Signals that wait for the thread or the process.
pub(crate) fn pending_signals() -> u64 {
    let mut set = 0u64;
    // SAFETY: the kernel writes one set.
    let _ = unsafe { syscall!(Sysno::rt_sigpending, &raw mut set, 8) };
    set
}

/// Takes a pending signal away.
fn take(signal: u64) {
    let now = [0u64; 2];
    // SAFETY: the kernel reads one set and one timespec.
    let _ = unsafe { syscall!(Sysno::rt_sigtimedwait, &raw const signal, 0, now.as_ptr(), 8) };
}

/// Whether writes to a descriptor may bring a signal.
pub(crate) struct MayBreak(AtomicU8);

/// They may not.
const NEVER: u8 = 0;
/// They may once files have a limit.
const WHEN_LIMITED: u8 = 1;
const NOW: u8 = 2;

impl MayBreak {
    /// Nothing is known yet.
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(NEVER))
    }

    /// Looks at the descriptor, and at the limit of files.
    pub(crate) fn look(&self, fd: i32) {
        const S_IFMT: u64 = 0o170_000;
        const S_IFIFO: u64 = 0o010_000;
        const S_IFREG: u64 = 0o100_000;
        const S_IFSOCK: u64 = 0o140_000;
        // In the lower half of its fourth word.
        let kind = stat(fd).map_or(S_IFIFO, |stat| stat[3] & S_IFMT);
        let may_break = match kind {
            S_IFIFO | S_IFSOCK => NOW,
            S_IFREG if file_size_limit() == u64::MAX => WHEN_LIMITED,
            S_IFREG => NOW,
            _ => NEVER,
        };
        self.0.store(may_break, Relaxed);
    }

    /// Files are about to have a limit.
    pub(crate) fn will_be_limited(&self) {
        let _ = self.0.compare_exchange(WHEN_LIMITED, NOW, Relaxed, Relaxed);
    }

    /// Writes all of `bytes` to the descriptor.
    pub(crate) fn write_all(&self, fd: i32, bytes: &[u8]) -> Result<()> {
        if self.0.load(Relaxed) == NOW {
            write_all_quietly(fd, bytes)
        } else {
            write_all(fd, bytes)
        }
    }
}
