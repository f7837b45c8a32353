//! The kernel, as the runtime itself calls it.
//!
//! The only module that executes system calls for the runtime's own purposes,
//! through the `syscalls` crate; the program's calls are executed in the stubs.
//! Our own code is never patched, so nothing here comes back to us.
//!
//! Errors are the kernel's [`Errno`]; pointers and lengths are in bytes.

mod file;
mod guest;
mod maps;
mod memory;
mod quiet;

use core::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Relaxed, Release, SeqCst},
};
use core::time::Duration;

use syscalls::{Errno, Sysno, syscall};

pub(crate) use file::{
    File, Status, close, duplicate_above, file_identity, file_size, is_open, memory_file, read_at,
    reopen, state_of, status_at, status_at_guests, with_path,
};
pub(crate) use guest::{
    GuestRange, copy_guest_string, is_guest_copied, read_guest, read_guest_near, read_guest_ranges,
    read_guest_string, read_guest_word_near, read_guest_words, readable, write_guest,
    write_guest_bytes, write_guest_near,
};
pub(crate) use maps::{Maps, Vma, Vmas};
pub(crate) use memory::{
    Mapping, PAGE, drop_pages, heap_end, look_at_status, page_down, page_up, populate, release,
    unmap,
};
pub(crate) use quiet::{MayBreak, pending_signals, write_all_quietly};

/// A result of the kernel: a value, or the error it returned.
pub(crate) type Result<T> = core::result::Result<T, Errno>;

/// The thread id of the caller.
pub(crate) fn gettid() -> u32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { syscall!(Sysno::gettid) }.unwrap_or(0) as u32
}

/// The process id of the caller.
pub(crate) fn getpid() -> u32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { syscall!(Sysno::getpid) }.unwrap_or(0) as u32
}

/// The caller's thread pointer, wherever it leads to.
pub(crate) fn thread_pointer() -> u64 {
    const ARCH_GET_FS: usize = 0x1003;
    let mut thread_pointer = 0u64;
    // SAFETY: the kernel writes one word.
    let _ = unsafe { syscall!(Sysno::arch_prctl, ARCH_GET_FS, &raw mut thread_pointer) };
    thread_pointer
}

/// Whether the thread `tid` of the process `tgid` is known to be no more. In a confined
/// process nothing becomes known.
pub(crate) fn thread_is_gone(tgid: u32, tid: u32) -> bool {
    // SAFETY: signal 0 only checks for existence.
    ask_for_others(|| unsafe { syscall!(Sysno::tgkill, tgid, tid, 0) })
}

/// Whether it is known that no process has a thread with this id. In a confined process
/// nothing becomes known.
pub(crate) fn process_is_gone(tid: u32) -> bool {
    // SAFETY: signal 0 only checks for existence.
    ask_for_others(|| unsafe { syscall!(Sysno::kill, tid, 0) })
}

/// Threads that ask for others.
static ASKERS: AtomicU32 = AtomicU32::new(0);

/// The only place where the kernel is asked for other threads: filters of system calls may
/// kill who does, so it is not asked in a confined process, nor while one is being confined.
fn ask_for_others(ask: impl FnOnce() -> Result<usize>) -> bool {
    // Pairs with `confine`: either this is seen there, or that here.
    ASKERS.fetch_add(1, SeqCst);
    let is_gone = !interceptor_is_confined.load(SeqCst) && ask() == Err(Errno::ESRCH);
    ASKERS.fetch_sub(1, Release);
    is_gone
}

/// Whether the runtime may no longer make calls of its own; also read by
/// `asm/signal.S`.
#[unsafe(no_mangle)]
static interceptor_is_confined: AtomicBool = AtomicBool::new(false);

/// From now on the runtime's calls may end the process.
pub(crate) fn confine() {
    if interceptor_is_confined.swap(true, SeqCst) {
        return;
    }
    guest::access_directly();
    // A filter may be about to come over threads that ask right now. Who was killed there,
    // a process on this memory, asks for ever.
    for _ in 0..100 {
        if ASKERS.load(SeqCst) == 0 {
            break;
        }
        // SAFETY: takes no arguments.
        let _ = unsafe { syscall!(Sysno::sched_yield) };
    }
}

pub(crate) fn is_confined() -> bool {
    interceptor_is_confined.load(Relaxed)
}

unsafe extern "C" {
    /// Not 0 with glibc (`asm/weak.S`).
    fn interceptor_libc_is_gnu() -> u64;
}

/// Whether libc is not glibc, so musl if there is one.
pub(crate) fn is_libc_musl() -> bool {
    // SAFETY: a leaf of ours that returns an address.
    unsafe { interceptor_libc_is_gnu() == 0 }
}

/// The thread's alternate signal stack, a `stack_t`: base, flags, size.
pub(crate) fn alternate_stack() -> [u64; 3] {
    let mut stack = [0u64; 3];
    // SAFETY: the kernel writes one stack_t, 24 bytes.
    let _ = unsafe { syscall!(Sysno::sigaltstack, 0, stack.as_mut_ptr()) };
    stack
}

/// The selectors in cs and ss.
pub(crate) fn segments() -> (u16, u16) {
    let (code, stack): (u16, u16);
    // SAFETY: reads registers.
    unsafe {
        core::arch::asm!("mov {:x}, cs", "mov {:x}, ss", out(reg) code, out(reg) stack,
            options(nostack, nomem, preserves_flags));
    }
    (code, stack)
}

/// The real user id of the caller.
pub(crate) fn user() -> u32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { syscall!(Sysno::getuid) }.unwrap_or(0) as u32
}

/// The real group id of the caller.
pub(crate) fn group() -> u32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { syscall!(Sysno::getgid) }.unwrap_or(0) as u32
}

/// The process group of a process, 0 for the caller's; 0 when there is none.
pub(crate) fn process_group(tgid: u32) -> u32 {
    // SAFETY: takes a number only.
    unsafe { syscall!(Sysno::getpgid, tgid) }.unwrap_or(0) as u32
}

/// The time of CLOCK_MONOTONIC.
pub(crate) fn monotonic_time() -> Duration {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes one struct timespec.
    let _ = unsafe { syscall!(Sysno::clock_gettime, CLOCK_MONOTONIC, time.as_mut_ptr()) };
    Duration::new(time[0], time[1] as u32)
}

/// Sleeps, or until a signal comes.
#[cfg(feature = "capi")]
pub(crate) fn sleep(time: Duration) {
    let time = [time.as_secs(), u64::from(time.subsec_nanos())];
    // SAFETY: the kernel reads one struct timespec.
    let _ = unsafe { syscall!(Sysno::nanosleep, time.as_ptr(), 0) };
}

/// Ends the process.
#[cfg(feature = "capi")]
pub(crate) fn exit_group(status: u64) {
    // SAFETY: takes a number only.
    let _ = unsafe { syscall!(Sysno::exit_group, status) };
}

/// Lets every running thread of the process pass a full barrier: what it has read
/// before, it has said before.
#[cfg(feature = "capi")]
pub(crate) fn barrier_everywhere() -> Result<()> {
    const REGISTER_PRIVATE_EXPEDITED: usize = 1 << 4;
    const PRIVATE_EXPEDITED: usize = 1 << 3;
    // SAFETY: takes numbers only.
    let ask = |command: usize| unsafe { syscall!(Sysno::membarrier, command, 0) };
    match ask(PRIVATE_EXPEDITED) {
        Err(Errno::EPERM) => ask(REGISTER_PRIVATE_EXPEDITED).and_then(|_| ask(PRIVATE_EXPEDITED)),
        asked => asked,
    }
    .map(|_| ())
}
