//! Threads beside the program's: its signals are none of their business.

use syscalls::{Sysno, syscall};

use super::alternate::set_mask;
use super::defer::SYNCHRONOUS;
use crate::sys;

/// Makes a thread that none of the program's handlers runs in: a thread begins with the
/// signals blocked that its maker has blocked. Those of faults, and libc's own, are not.
///
/// A signal that is sent to a process comes to any of its threads. A handler that finds
/// itself in a thread which the program does not know may do what nobody expects.
pub fn without_signals<T>(make: impl FnOnce() -> T) -> T {
    const SIG_BLOCK: usize = 0;
    // From 32 on; glibc's first real-time signal is musl's third own.
    let internal = if sys::is_libc_musl() { 0b111 << 31 } else { 0b11 << 31 };
    let (blocked, mut before) = (!SYNCHRONOUS & !internal, 0u64);
    // SAFETY: the kernel reads and writes one word each.
    let masked = unsafe {
        syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &raw const blocked, &raw mut before, 8)
    };
    let made = make();
    if masked.is_ok() {
        set_mask(before);
    }
    made
}
