//! Descriptors and files.

use core::ffi::CStr;
use core::fmt::Write as _;
use core::ops::Range;

use interceptor_abi::env::FIRST_DESCRIPTOR;
use interceptor_abi::plans::State;
use syscalls::{Errno, Sysno, syscall};

use super::Result;

/// Stands for the working directory.
const AT_FDCWD: i32 = -100;

/// Whether a descriptor is open.
pub(crate) fn is_open(fd: i32) -> bool {
    const F_GETFD: usize = 1;
    // SAFETY: takes numbers only.
    unsafe { syscall!(Sysno::fcntl, fd, F_GETFD) }.is_ok()
}

/// Writes all of `bytes`, in as few calls as the descriptor takes.
pub(super) fn write_all(fd: i32, mut bytes: &[u8]) -> Result<()> {
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
    /// Opens a file for reading.
    pub(crate) fn open(path: &CStr) -> Result<Self> {
        Self::open_at(AT_FDCWD, path)
    }

    /// Opens a file for reading, by a path that may be relative to a directory.
    /// Does not wait for whoever is at the other end.
    pub(crate) fn open_at(directory: i32, path: &CStr) -> Result<Self> {
        const O_NONBLOCK: usize = 0o4000;
        const O_NOCTTY: usize = 0o400;
        const O_CLOEXEC: usize = 0o2000000;
        let flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        // SAFETY: the path is NUL-terminated.
        let fd = unsafe { syscall!(Sysno::openat, directory, path.as_ptr(), flags, 0) }?;
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

    /// Reads some bytes at an offset.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        read_at(self.0, buffer, offset)
    }

    /// Fills `words` from an offset on. Fails if there are fewer.
    pub(crate) fn read_words(&self, words: &mut [u64], offset: u64) -> Result<()> {
        let len = size_of_val(words);
        // SAFETY: any bytes are words.
        let bytes = unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) };
        if self.read_at(bytes, offset)? == len { Ok(()) } else { Err(Errno::EIO) }
    }

    /// Whether it is an ordinary file of the superuser's or the caller's, and no other
    /// user may write to it.
    pub(crate) fn is_trusted(&self) -> Result<bool> {
        const S_IFMT: u32 = 0o170_000;
        const S_IFREG: u32 = 0o100_000;
        const OTHERS_WRITE: u32 = 0o022;
        let Status { mode, uid, .. } = status_of(&stat(self.0)?);
        // SAFETY: takes no arguments and cannot fail.
        let is_ours = || unsafe { syscall!(Sysno::geteuid) } == Ok(uid as usize);
        Ok(mode & S_IFMT == S_IFREG && mode & OTHERS_WRITE == 0 && (uid == 0 || is_ours()))
    }

    /// Its inode.
    pub(crate) fn inode(&self) -> Result<u64> {
        Ok(stat(self.0)?[1])
    }

    /// Maps pages of it, private, in place of what is mapped at `range`.
    pub(crate) fn map_over(&self, range: &Range<u64>, offset: u64, prot: usize) -> Result<()> {
        const MAP_PRIVATE: usize = 2;
        const MAP_FIXED: usize = 0x10;
        let (start, len) = (range.start, range.end - range.start);
        // SAFETY: the caller knows that the range held the same before.
        unsafe { syscall!(Sysno::mmap, start, len, prot, MAP_PRIVATE | MAP_FIXED, self.0, offset) }
            .map(drop)
    }

    /// Whether executing it gives capabilities.
    pub(crate) fn has_capabilities(&self) -> bool {
        let name = c"security.capability".as_ptr();
        // SAFETY: asks for the size only.
        unsafe { syscall!(Sysno::fgetxattr, self.0, name, 0, 0) }.is_ok()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        close(self.0);
    }
}

/// Reads some bytes of an open file at an offset; 0 means that it has ended.
pub(crate) fn read_at(fd: i32, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let (to, len) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: the kernel writes within the slice.
    unsafe { syscall!(Sysno::pread64, fd, to, len, offset) }
}

/// Type, permissions and owners of a file by its path; with `flags` AT_EMPTY_PATH
/// and no path, of an open one.
pub(crate) fn status_at(directory: i32, path: &CStr, flags: u64) -> Result<Status> {
    status_at_guests(directory, path.as_ptr() as u64, flags)
}

/// The same by the address of a path of the program's, which need not be readable.
pub(crate) fn status_at_guests(directory: i32, path: u64, flags: u64) -> Result<Status> {
    stat_at(directory, path, flags).map(|stat| status_of(&stat))
}

/// Calls `call` with the path that the parts make. Fails if it is too long.
pub(crate) fn with_path<R>(parts: &[&[u8]], call: impl FnOnce(&CStr) -> Result<R>) -> Result<R> {
    /// The longest, with its NUL.
    const PATH: usize = 1024;
    let mut path = heapless::Vec::<u8, PATH>::new();
    for part in parts.iter().chain([&&b"\0"[..]]) {
        path.extend_from_slice(part).map_err(|_| Errno::ENAMETOOLONG)?;
    }
    call(CStr::from_bytes_with_nul(&path).map_err(|_| Errno::EINVAL)?)
}

/// By what a file is known to be as it was.
pub(crate) fn state_of(path: &CStr) -> Result<State> {
    let stat = stat_at(AT_FDCWD, path.as_ptr() as u64, 0)?;
    let (modified, changed) = ([stat[11], stat[12]], [stat[13], stat[14]]);
    Ok(State { inode: stat[1], size: stat[6], modified, changed })
}

fn stat_at(directory: i32, path: u64, flags: u64) -> Result<Stat> {
    let mut stat = Stat::default();
    // SAFETY: the kernel reads a path, if there is one, and writes one struct stat.
    unsafe { syscall!(Sysno::newfstatat, directory, path, stat.as_mut_ptr(), flags)? };
    Ok(stat)
}

fn status_of(stat: &Stat) -> Status {
    Status { mode: stat[3] as u32, uid: (stat[3] >> 32) as u32, gid: stat[4] as u32 }
}

/// Closes a descriptor of ours.
pub(crate) fn close(fd: i32) {
    // SAFETY: the caller does not use it again.
    let _ = unsafe { syscall!(Sysno::close, fd) };
}

/// What stat tells of a file's type, permissions and owners.
pub(crate) struct Status {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Makes a file in memory whose size cannot change. Its descriptor is high, out
/// of the way of those a program gets, and survives exec.
pub(crate) fn memory_file(name: &CStr, size: u64) -> Result<i32> {
    const MFD_CLOEXEC: usize = 1;
    const MFD_ALLOW_SEALING: usize = 2;
    const F_ADD_SEALS: usize = 1033;
    const SEAL_SHRINK_GROW_SEAL: usize = 1 | 2 | 4;
    if file_size_limit() < size {
        // The kernel would send SIGXFSZ.
        return Err(Errno::EFBIG);
    }
    let flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    // SAFETY: the name is NUL-terminated.
    let file = File(unsafe { syscall!(Sysno::memfd_create, name.as_ptr(), flags) }? as i32);
    // SAFETY: numbers only.
    unsafe {
        syscall!(Sysno::ftruncate, file.0, size)?;
        syscall!(Sysno::fcntl, file.0, F_ADD_SEALS, SEAL_SHRINK_GROW_SEAL)?;
    }
    duplicate_above(file.0, FIRST_DESCRIPTOR)
}

/// Bytes that a file may grow to (RLIMIT_FSIZE).
pub(super) fn file_size_limit() -> u64 {
    const RLIMIT_FSIZE: usize = 1;
    let mut limits = [u64::MAX; 2];
    // SAFETY: the kernel writes one struct rlimit64.
    let _ = unsafe { syscall!(Sysno::prlimit64, 0, RLIMIT_FSIZE, 0, limits.as_mut_ptr()) };
    limits[0]
}

/// Duplicates a descriptor to a number from `lowest` on.
pub(crate) fn duplicate_above(fd: i32, lowest: i32) -> Result<i32> {
    const F_DUPFD: usize = 0;
    // SAFETY: numbers only.
    unsafe {
        let high = syscall!(Sysno::fcntl, fd, F_DUPFD, lowest);
        // Where so high a number is not allowed, any will do.
        high.or_else(|_| syscall!(Sysno::fcntl, fd, F_DUPFD, 3)).map(|fd| fd as i32)
    }
}

/// Opens the file behind a descriptor once more.
pub(crate) fn reopen(fd: i32) -> Result<File> {
    let mut path = heapless::String::<64>::new();
    write!(path, "/proc/self/fd/{fd}\0").map_err(|_| Errno::ENAMETOOLONG)?;
    File::open(CStr::from_bytes_with_nul(path.as_bytes()).map_err(|_| Errno::EINVAL)?)
}

/// Size in bytes of the file behind a descriptor.
pub(crate) fn file_size(fd: i32) -> Result<u64> {
    Ok(stat(fd)?[6])
}

/// Device and inode of the file behind a descriptor.
pub(crate) fn file_identity(fd: i32) -> Result<(u64, u64)> {
    let stat = stat(fd)?;
    Ok((stat[0], stat[1]))
}

/// struct stat, 144 bytes, as words.
pub(super) type Stat = [u64; 18];

/// As libc and the dynamic linker ask, which filters of system calls allow for.
pub(super) fn stat(fd: i32) -> Result<Stat> {
    const AT_EMPTY_PATH: u64 = 0x1000;
    stat_at(fd, c"".as_ptr() as u64, AT_EMPTY_PATH)
}
