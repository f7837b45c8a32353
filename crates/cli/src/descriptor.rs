//! Descriptors that intercepted programs inherit from us.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use interceptor_abi::env::FIRST_DESCRIPTOR;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit};

/// How many numbers below a lower limit are tried.
const ROOM: u64 = 16;

/// Duplicates a descriptor to a high number that survives execve(2).
pub fn inheritable(descriptor: BorrowedFd) -> io::Result<OwnedFd> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let lowest = (FIRST_DESCRIPTOR as u64).min(limit.saturating_sub(ROOM)) as i32;
    let number = fcntl(descriptor, FcntlArg::F_DUPFD(lowest))?;
    // SAFETY: the kernel has just made this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The number of a descriptor, as the environment carries it.
pub fn number(descriptor: &impl AsFd) -> String {
    descriptor.as_fd().as_raw_fd().to_string()
}

/// Opens a report that several processes append whole lines to.
pub fn create_report(path: &Path) -> io::Result<File> {
    // Truncated and appended to, which the builder does not combine itself.
    let file =
        OpenOptions::new().append(true).create(true).custom_flags(libc::O_CLOEXEC).open(path)?;
    // A pipe or a terminal has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}
