//! The program's memory, accessed so that a bad pointer is no harm.
//!
//! The kernel copies it for us, as from another process. It is asked for by the
//! calling thread's id: the process's own is its first thread's, which may have
//! ended before the others, and has no memory then.

use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use super::{PAGE, gettid, page_down};
use crate::tls;

/// The id of the calling thread.
fn own_id() -> u32 {
    match tls::tid() {
        0 => gettid(),
        tid => tid,
    }
}

/// How the program's memory is accessed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Access {
    /// The kernel copies. Always right.
    Copied,
    /// Directly, when the kernel has said that it is there. Right, unless another
    /// thread unmaps it at this moment.
    Checked,
    /// Directly. A bad pointer faults here, where the kernel would have said EFAULT.
    Direct,
}

static ACCESS: AtomicU8 = AtomicU8::new(Access::Copied as u8);

fn access_is(access: Access) -> bool {
    ACCESS.load(Relaxed) == access as u8
}

/// From now on without system calls.
pub(super) fn access_directly() {
    ACCESS.store(Access::Direct as u8, Relaxed);
}

/// Whether the kernel copies. Where it does not, other unusual calls may be refused, too, or end
/// the process.
pub(crate) fn is_guest_copied() -> bool {
    access_is(Access::Copied)
}

/// Finds out whether the kernel copies memory of ours to us: some containers
/// forbid it, some emulators do not know it. Where a seccomp filter came along it
/// is not tried, since filters for services end a process that does.
pub(super) fn probe_guest_access(is_filtered: bool) {
    let known = 1u64;
    let mut copy = [0; 8];
    if is_filtered || read_guest((&raw const known) as u64, &mut copy) < copy.len() {
        ACCESS.store(Access::Checked as u8, Relaxed);
    }
}

/// Whether the page with an address may be read, by a call that every program
/// makes: an unknown way to change the signal mask is refused after the set for
/// it has been read.
fn is_readable(address: u64) -> bool {
    const NO_WAY: usize = 99;
    const SET: u64 = 8;
    // NULL stands for no set, so its neighbour is asked for.
    let address = (address & !(SET - 1)).max(SET);
    // SAFETY: nothing is changed.
    let result = unsafe { syscall!(Sysno::rt_sigprocmask, NO_WAY, address, 0, SET) };
    result != Err(Errno::EFAULT)
}

/// Whether the page with an address may be written, likewise: 0 is added to a word,
/// and nobody is woken.
fn is_writable(address: u64) -> bool {
    const FUTEX_WAKE_OP_PRIVATE: usize = 5 | 128;
    const ADD_0_AND_WAKE_IF_IT_WAS_2047: usize = 1 << 28 | 2047;
    let nobody = 0u32;
    let address = address & !3;
    // SAFETY: no content changes.
    let result = unsafe {
        syscall!(
            Sysno::futex,
            &raw const nobody,
            FUTEX_WAKE_OP_PRIVATE,
            0,
            0,
            address,
            ADD_0_AND_WAKE_IF_IT_WAS_2047
        )
    };
    result != Err(Errno::EFAULT)
}

/// How many of `len` bytes from an address may be accessed, by a question that is
/// answered for whole pages.
fn accessible(address: u64, len: u64, is_page: fn(u64) -> bool) -> u64 {
    let mut at = address;
    while at.wrapping_sub(address) < len && is_page(at) {
        at = page_down(at).wrapping_add(PAGE);
    }
    at.wrapping_sub(address).min(len)
}

/// Reads memory of the program without trusting its address: what cannot be
/// read ends the copy. Returns the number of bytes read.
pub(crate) fn read_guest(address: u64, buffer: &mut [u8]) -> usize {
    if buffer.is_empty() {
        return 0;
    }
    if !access_is(Access::Copied) {
        let len = buffer.len() as u64;
        let len =
            if access_is(Access::Checked) { accessible(address, len, is_readable) } else { len };
        let from = address as *const u8;
        // SAFETY: it was there a moment ago; where that cannot be asked, a bad
        // pointer faults.
        unsafe { core::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), len as usize) };
        return len as usize;
    }
    let local = [buffer.as_mut_ptr() as u64, buffer.len() as u64];
    let remote = [address, buffer.len() as u64];
    // SAFETY: the kernel writes within the slice, and reports what it could
    // not read instead of faulting.
    unsafe { syscall!(Sysno::process_vm_readv, own_id(), local.as_ptr(), 1, remote.as_ptr(), 1, 0) }
        .unwrap_or(0)
}

/// As much of mapped memory as can be read, from its start: what is mapped behind the end of
/// its file cannot (SIGBUS).
pub(crate) fn readable(range: &Range<u64>) -> Range<u64> {
    let is_page = |address: u64| read_guest(address, &mut [0]) == 1;
    if range.is_empty() || is_page(range.end - 1) {
        return range.clone();
    }
    // Pages up to the first can be read, from the last on they cannot.
    let (mut first, mut last) = (page_down(range.start), page_down(range.end - 1));
    while first < last {
        let middle = page_down(first.midpoint(last));
        if is_page(middle.max(range.start)) {
            first = middle + PAGE;
        } else {
            last = middle;
        }
    }
    range.start..first.max(range.start)
}

/// Reads whole words; `None` if one of them cannot be read.
#[inline(never)]
pub(crate) fn read_guest_words<const N: usize>(address: u64) -> Option<[u64; N]> {
    let mut words = [0; N];
    // SAFETY: the bytes of the words.
    let bytes =
        unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(&words)) };
    (read_guest(address, bytes) == bytes.len()).then_some(words)
}

/// Writes memory of the program without trusting its address. Returns the
/// number of bytes written.
pub(crate) fn write_guest(address: u64, words: &[u64]) -> usize {
    // SAFETY: the bytes of the words.
    let bytes = unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) };
    write_guest_bytes(address, bytes)
}

/// The same for bytes.
pub(crate) fn write_guest_bytes(address: u64, bytes: &[u8]) -> usize {
    let len = bytes.len() as u64;
    if bytes.is_empty() {
        return 0;
    }
    if !access_is(Access::Copied) {
        let is_checked = access_is(Access::Checked);
        let len = if is_checked { accessible(address, len, is_writable) } else { len };
        // SAFETY: as in `read_guest`.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, len as usize) };
        return len as usize;
    }
    let local = [bytes.as_ptr() as u64, len];
    let remote = [address, len];
    // SAFETY: the kernel writes to the program's memory what the program asked
    // to be written there, and reports what it could not write.
    unsafe {
        syscall!(Sysno::process_vm_writev, own_id(), local.as_ptr(), 1, remote.as_ptr(), 1, 0)
    }
    .unwrap_or(0)
}

/// As [`read_guest`], without a system call if the memory is on the page of
/// `stack`, a stack pointer that is certainly good.
pub(crate) fn read_guest_near(stack: Option<u64>, address: u64, buffer: &mut [u8]) -> usize {
    if !stack.is_some_and(|stack| is_on_page_of(stack, address, buffer.len())) {
        return read_guest(address, buffer);
    }
    // SAFETY: the whole page is mapped and is the program's stack.
    unsafe {
        core::ptr::copy_nonoverlapping(address as *const u8, buffer.as_mut_ptr(), buffer.len());
    }
    buffer.len()
}

/// The word at an address on the page of a stack that is in use, without a call and without a
/// vector register.
pub(crate) fn read_guest_word_near(stack: Option<u64>, address: u64) -> Option<u64> {
    let is_near = is_on_page_of(stack?, address, size_of::<u64>());
    // SAFETY: the whole page is mapped and is the program's stack.
    is_near.then(|| unsafe { (address as *const u64).read_unaligned() })
}

/// As [`write_guest`], in the same way.
pub(crate) fn write_guest_near(stack: Option<u64>, address: u64, words: &[u64]) -> usize {
    let len = size_of_val(words);
    if !stack.is_some_and(|stack| is_on_page_of(stack, address, len)) {
        return write_guest(address, words);
    }
    // SAFETY: as above.
    unsafe {
        core::ptr::copy_nonoverlapping(words.as_ptr().cast(), address as *mut u8, len);
    }
    len
}

fn is_on_page_of(stack: u64, address: u64, len: usize) -> bool {
    let last = address.wrapping_add(len as u64).wrapping_sub(1);
    page_down(address) == page_down(stack) && page_down(last) == page_down(stack)
}

/// A piece of memory, as the kernel's `struct iovec` describes it.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct GuestRange {
    pub start: u64,
    pub len: u64,
}

/// Copies the first `count` pieces of the program's memory, `guest`, to as many
/// of ours, `local`. Ends at the first byte that cannot be read; returns the
/// number of bytes read.
///
/// # Safety
///
/// The local pieces are memory that may be written, and each is as long as its
/// counterpart.
pub(crate) unsafe fn read_guest_ranges(
    local: &[GuestRange],
    guest: &[GuestRange],
    count: usize,
) -> u64 {
    let count = count.min(local.len()).min(guest.len());
    if !access_is(Access::Copied) {
        let mut read = 0;
        for (to, from) in local.iter().zip(guest).take(count) {
            let is_checked = access_is(Access::Checked);
            let len =
                if is_checked { accessible(from.start, from.len, is_readable) } else { from.len };
            // SAFETY: the caller's; as in `read_guest`.
            unsafe { (to.start as *mut u8).copy_from(from.start as *const u8, len as usize) };
            read += len;
            if len < from.len {
                break;
            }
        }
        return read;
    }
    if count == 0 {
        return 0;
    }
    let (local, guest) = (local.as_ptr(), guest.as_ptr());
    // SAFETY: the caller's; what cannot be read is reported.
    unsafe { syscall!(Sysno::process_vm_readv, own_id(), local, count, guest, count, 0) }
        .unwrap_or(0) as u64
}

/// Reads a string of the program, without its NUL; `None` if it does not fit or
/// cannot be read.
pub(crate) fn read_guest_string(address: u64, buffer: &mut [u8]) -> Option<&[u8]> {
    let len = copy_guest_string(address, buffer).ok()?;
    buffer.get(..len)
}

/// Copies a string of the program with its NUL. Returns its length; ENAMETOOLONG when
/// it does not fit.
pub(crate) fn copy_guest_string(address: u64, buffer: &mut [u8]) -> super::Result<usize> {
    // What comes after the string may not be readable, nor need it be copied: page by
    // page.
    let mut done = 0;
    while done < buffer.len() {
        let from = address.wrapping_add(done as u64);
        let piece = ((PAGE - from % PAGE) as usize).min(buffer.len() - done);
        let to = buffer.get_mut(done..done + piece).ok_or(Errno::EFAULT)?;
        let read = read_guest(from, to);
        let end = to.iter().take(read).position(|byte| *byte == 0);
        if let Some(end) = end {
            return Ok(done + end);
        }
        if read < piece {
            return Err(Errno::EFAULT);
        }
        done += piece;
    }
    Err(Errno::ENAMETOOLONG)
}
