//! Address space: mapping, protecting, unmapping.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use super::guest::probe_guest_access;
use super::{File, Result};

/// Size of a page in bytes.
pub(crate) const PAGE: u64 = 4096;

const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const PROT_EXEC: usize = 4;
const MAP_SHARED: usize = 1;
const MAP_PRIVATE: usize = 2;
const MAP_ANONYMOUS: usize = 0x20;
const MAP_NORESERVE: usize = 0x4000;
const MADV_POPULATE_WRITE: usize = 23;
const MAP_FIXED_NOREPLACE: usize = 0x10_0000;

/// Rounds an address down to a page.
pub(crate) const fn page_down(address: u64) -> u64 {
    address & !(PAGE - 1)
}

/// Rounds an address up to a page.
pub(crate) const fn page_up(address: u64) -> u64 {
    page_down(address + (PAGE - 1))
}

/// Memory that was mapped for the runtime. Dropping it keeps it mapped; what
/// is temporary is given back by [`Mapping::unmap`].
#[derive(Clone, Copy)]
pub(crate) struct Mapping {
    pub start: u64,
    pub len: u64,
}

impl Mapping {
    /// Maps zeroed private memory wherever there is room. Pages cost nothing
    /// until they are touched.
    pub(crate) fn anonymous(len: u64) -> Result<Self> {
        Self::anonymous_if_free(0, len)
    }

    /// The same at `start`, or elsewhere if there is no room.
    pub(crate) fn anonymous_if_free(start: u64, len: u64) -> Result<Self> {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        let prot = PROT_READ | PROT_WRITE;
        // SAFETY: a new mapping disturbs nothing.
        let start = unsafe { syscall!(Sysno::mmap, start, len, prot, flags, -1isize, 0) }?;
        Ok(Self { start: start as u64, len })
    }

    /// Maps zeroed private memory at exactly `start`, or fails.
    pub(crate) fn anonymous_at(start: u64, len: u64) -> Result<Self> {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
        let prot = PROT_READ | PROT_WRITE;
        // SAFETY: NOREPLACE never takes the place of an existing mapping.
        let got = unsafe { syscall!(Sysno::mmap, start, len, prot, flags, -1isize, 0) }? as u64;
        let mapping = Self { start: got, len };
        if got != start {
            // A kernel before 4.17 takes the flag for a hint.
            mapping.unmap();
            return Err(Errno::EEXIST);
        }
        Ok(mapping)
    }

    /// Maps zeroed memory that forked children share.
    pub(crate) fn shared_anonymous(len: u64) -> Result<Self> {
        let flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
        // SAFETY: a new mapping disturbs nothing.
        let start =
            unsafe { syscall!(Sysno::mmap, 0, len, PROT_READ | PROT_WRITE, flags, -1isize, 0) }?;
        Ok(Self { start: start as u64, len })
    }

    /// Maps the first `len` bytes of a file, shared and writable.
    pub(crate) fn shared(fd: i32, len: u64) -> Result<Self> {
        let prot = PROT_READ | PROT_WRITE;
        // SAFETY: a new mapping disturbs nothing.
        let start = unsafe { syscall!(Sysno::mmap, 0, len, prot, MAP_SHARED, fd, 0) }?;
        Ok(Self { start: start as u64, len })
    }

    /// Makes all of it readable and executable, and no longer writable.
    pub(crate) fn make_executable(self) -> Result<()> {
        self.protect(PROT_READ | PROT_EXEC)
    }

    /// Sets the protection (PROT_* bits) of all of it.
    pub(crate) fn protect(self, prot: usize) -> Result<()> {
        // SAFETY: callers name memory of ours, or text they are about to patch and
        // restore.
        unsafe { syscall!(Sysno::mprotect, self.start, self.len, prot) }.map(drop)
    }

    /// Moves it to `start`, in place of what is there. Whoever uses that at the moment waits,
    /// and finds one or the other.
    pub(crate) fn replace(self, start: u64) -> Result<()> {
        const MAYMOVE_FIXED: usize = 3;
        // SAFETY: the caller's memory, and the caller answers for what it holds.
        unsafe { syscall!(Sysno::mremap, self.start, self.len, self.len, MAYMOVE_FIXED, start) }
            .map(drop)
    }

    /// Makes the lowest page inaccessible: if the kernel knows how (from 6.13 on), without
    /// making it a mapping of its own. Those are limited in number, each process that ends has
    /// them counted, and a program with ten thousand threads has enough of them.
    pub(crate) fn guard_lowest_page(self) -> Result<()> {
        const MADV_GUARD_INSTALL: usize = 102;
        let lowest = Self { len: PAGE, ..self };
        // SAFETY: memory of ours that nobody has used yet.
        let guard = || unsafe { syscall!(Sysno::madvise, self.start, PAGE, MADV_GUARD_INSTALL) };
        // A filter of the program's has seen mprotect before, at the birth of each thread.
        if !super::is_confined() && guard().is_ok() { Ok(()) } else { lowest.protect(0) }
    }

    /// Gives the memory back.
    pub(crate) fn unmap(self) {
        // SAFETY: the memory is ours, and whoever calls this is done with it.
        let _ = unsafe { syscall!(Sysno::munmap, self.start, self.len) };
    }
}

/// Unmaps pages.
pub(crate) fn unmap(range: &Range<u64>) -> Result<()> {
    // SAFETY: the caller knows that nobody uses them.
    unsafe { syscall!(Sysno::munmap, range.start, range.end - range.start) }.map(drop)
}

/// A debugger may have written to pages that nobody else writes to.
static IS_TRACED: AtomicBool = AtomicBool::new(false);

/// Finds out whether somebody traces the process, whether a seccomp filter came along with
/// exec, and which signals have a handler: bits of all that may have one.
pub(crate) fn look_at_status() -> u64 {
    const NOBODY: &[u8] = b"\nTracerPid:\t0\n";
    const CAUGHT: &[u8] = b"\nSigCgt:\t";
    const UNFILTERED: &[u8] = b"\nSeccomp:\t0\n";
    let mut status = [0; 2048];
    let read = File::open(c"/proc/self/status").and_then(|file| file.read(&mut status));
    let find = |line: &[u8]| status.windows(line.len()).position(|part| part == line);
    IS_TRACED.store(read.is_ok() && find(NOBODY).is_none(), Relaxed);
    probe_guest_access(find(UNFILTERED).is_none());
    let caught = find(CAUGHT).and_then(|at| status.get(at + CAUGHT.len()..)?.first_chunk::<16>());
    let digits = caught.and_then(|digits| core::str::from_utf8(digits).ok());
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(u64::MAX)
}

/// Lets go of pages until they are read: those of a file that nobody has
/// written, or those whose contents nobody needs.
pub(crate) fn release(range: &Range<u64>) {
    const MADV_DONTNEED: usize = 4;
    if range.start < range.end && !IS_TRACED.load(Relaxed) {
        let len = range.end - range.start;
        // SAFETY: the caller knows that the pages hold what the file holds.
        let _ = unsafe { syscall!(Sysno::madvise, range.start, len, MADV_DONTNEED) };
    }
}

/// Lets go of pages of a file, whoever has written them: what the file has comes back.
pub(crate) fn drop_pages(range: &Range<u64>) {
    const MADV_DONTNEED: usize = 4;
    /// Also those that are locked in memory; from Linux 5.18 on.
    const MADV_DONTNEED_LOCKED: usize = 24;
    let len = range.end - range.start;
    // SAFETY: the caller knows what the pages hold.
    let drop = |how| unsafe { syscall!(Sysno::madvise, range.start, len, how) };
    let _ = drop(MADV_DONTNEED_LOCKED).or_else(|_| drop(MADV_DONTNEED));
}

/// Where the heap ends that grows upwards, or where it will begin.
pub(crate) fn heap_end() -> u64 {
    // SAFETY: asks only.
    unsafe { syscall!(Sysno::brk, 0) }.map_or(0, |end| end as u64)
}

/// Makes whole writable pages present and private at once, which costs less than
/// a page fault for each. Kernels before 5.14 do not know how; then the faults
/// come.
pub(crate) fn populate(start: u64, len: u64) {
    // SAFETY: no content changes.
    let _ = unsafe { syscall!(Sysno::madvise, start, len, MADV_POPULATE_WRITE) };
}
