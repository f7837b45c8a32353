//! The kernel, as the runtime itself calls it.
//!
//! The only module that executes system calls for the runtime's own purposes,
//! through the `syscalls` crate; the program's calls are executed in the stubs.
//! Our own code is never patched, so nothing here comes back to us.
//!
//! Errors are the kernel's [`Errno`]; pointers and lengths are in bytes.

mod maps;
mod memory;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

pub(crate) use maps::{Maps, Vma};
pub(crate) use memory::{Mapping, PAGE, page_down, page_up, populate, protect, release, unmap};

/// A result of the kernel: a value, or the error it returned.
pub(crate) type Result<T> = core::result::Result<T, Errno>;

/// Whether a descriptor is open.
pub(crate) fn is_open(fd: i32) -> bool {
    const F_GETFD: usize = 1;
    // SAFETY: takes numbers only.
    unsafe { syscall!(Sysno::fcntl, fd, F_GETFD) }.is_ok()
}

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

/// Whether a thread of the process `tgid` is alive.
pub(crate) fn thread_is_alive(tgid: u32, tid: u32) -> bool {
    // SAFETY: signal 0 only checks for existence.
    let probed = unsafe { syscall!(Sysno::tgkill, tgid, tid, 0) };
    probed != Err(Errno::ESRCH)
}

/// Whether any process has a thread with this id.
pub(crate) fn process_exists(tid: u32) -> bool {
    // SAFETY: signal 0 only checks for existence.
    let probed = unsafe { syscall!(Sysno::kill, tid, 0) };
    probed != Err(Errno::ESRCH)
}

/// Writes all of `bytes`, in as few calls as the descriptor takes.
pub(crate) fn write_all(fd: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads within the slice.
        match unsafe { syscall!(Sysno::write, fd, bytes.as_ptr(), bytes.len()) } {
            Ok(written) => bytes = bytes.get(written..).unwrap_or(&[]),
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An open file that is closed when it goes out of scope.
pub(crate) struct File(i32);

impl File {
    /// Opens a file for reading. `path` ends with a NUL.
    pub(crate) fn open(path: &core::ffi::CStr) -> Result<Self> {
        const O_CLOEXEC: usize = 0o2000000;
        const AT_FDCWD: usize = -100isize as usize;
        // SAFETY: the path is NUL-terminated.
        let fd = unsafe { syscall!(Sysno::openat, AT_FDCWD, path.as_ptr(), O_CLOEXEC, 0) }?;
        Ok(Self(fd as i32))
    }

    /// Reads some bytes; 0 means the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            // SAFETY: the kernel writes within the slice.
            let read = unsafe { syscall!(Sysno::read, self.0, buffer.as_mut_ptr(), buffer.len()) };
            if read != Err(Errno::EINTR) {
                return read;
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and not used again.
        let _ = unsafe { syscall!(Sysno::close, self.0) };
    }
}

/// Whether the runtime may no longer make calls of its own.
static IS_CONFINED: AtomicBool = AtomicBool::new(false);

/// From now on the runtime's calls may end the process.
pub(crate) fn confine() {
    IS_CONFINED.store(true, Relaxed);
    IS_DIRECT.store(true, Relaxed);
}

pub(crate) fn is_confined() -> bool {
    IS_CONFINED.load(Relaxed)
}

/// Whether the program's memory is accessed directly.
static IS_DIRECT: AtomicBool = AtomicBool::new(false);

/// Finds out whether the kernel copies memory of ours to us: some containers
/// forbid it, some emulators do not know it. Without it a bad pointer of the
/// program faults in the runtime.
pub(crate) fn probe_guest_access() {
    let known = 1u64;
    let mut copy = [0; 8];
    if read_guest((&raw const known) as u64, &mut copy) < copy.len() {
        IS_DIRECT.store(true, Relaxed);
    }
}

/// Reads memory of the program without trusting its address: what cannot be
/// read ends the copy. Returns the number of bytes read.
pub(crate) fn read_guest(address: u64, buffer: &mut [u8]) -> usize {
    if IS_DIRECT.load(Relaxed) {
        let from = address as *const u8;
        // SAFETY: none can be had: a bad pointer faults here, where the kernel
        // would have said EFAULT.
        unsafe { core::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), buffer.len()) };
        return buffer.len();
    }
    let local = [buffer.as_mut_ptr() as u64, buffer.len() as u64];
    let remote = [address, buffer.len() as u64];
    // SAFETY: the kernel writes within the slice, and reports what it could
    // not read instead of faulting.
    unsafe { syscall!(Sysno::process_vm_readv, getpid(), local.as_ptr(), 1, remote.as_ptr(), 1, 0) }
        .unwrap_or(0)
}

/// Writes memory of the program without trusting its address. Returns the
/// number of bytes written.
pub(crate) fn write_guest(address: u64, words: &[u64]) -> usize {
    let len = size_of_val(words) as u64;
    if IS_DIRECT.load(Relaxed) {
        // SAFETY: as in `read_guest`.
        unsafe { core::ptr::copy_nonoverlapping(words.as_ptr(), address as *mut u64, words.len()) };
        return len as usize;
    }
    let local = [words.as_ptr() as u64, len];
    let remote = [address, len];
    // SAFETY: the kernel writes to the program's memory what the program asked
    // to be written there, and reports what it could not write.
    unsafe {
        syscall!(Sysno::process_vm_writev, getpid(), local.as_ptr(), 1, remote.as_ptr(), 1, 0)
    }
    .unwrap_or(0)
}

/// The alternate signal stack's flags as the kernel sees them now.
pub(crate) fn is_on_alternate_stack() -> bool {
    const SS_ONSTACK: i32 = 1;
    let mut stack = [0u64; 3];
    // SAFETY: the kernel writes one stack_t, 24 bytes.
    let _ = unsafe { syscall!(Sysno::sigaltstack, 0, stack.as_mut_ptr()) };
    stack[1] as i32 & SS_ONSTACK != 0
}

/// Size in bytes of the file behind a descriptor.
pub(crate) fn file_size(fd: i32) -> Result<u64> {
    let mut stat = [0u64; 18];
    // SAFETY: the kernel writes one struct stat, 144 bytes.
    unsafe { syscall!(Sysno::fstat, fd, stat.as_mut_ptr()) }?;
    Ok(stat[6])
}
