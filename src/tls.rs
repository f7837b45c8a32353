//! The words that every thread has at a fixed offset from `fs`.
//!
//! Shared with `asm/tls.S` (which reserves them) and `asm/thunk.S` (which
//! reads and writes them with an immediate displacement). A new thread finds
//! them zero: no level is ready and there is no block.
//!
//! Threads that share storage have their words elsewhere (`thread::seats`): those at
//! the offset only say so.
//!
//! Forbidden here: everything but access to these words.

use core::mem::offset_of;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::frame::SyscallFrame;
use crate::sys::{page_down, page_up};
use crate::thread::{self, InFlight, ThreadBlock};

/// How often a thread can be inside the runtime at the same time: the program,
/// a hook of ours or a signal handler that interrupted us, and two more.
pub(crate) const LEVELS: usize = 4;

/// The runtime's thread-local block.
#[repr(C, align(64))]
pub(crate) struct Tls {
    /// 1: the level may be entered; 0: it is in use, or there is no block.
    pub ready: [u64; LEVELS],
    /// Each level's frame.
    pub base: [u64; LEVELS],
    /// This thread's block, null until its first call.
    pub block: *mut ThreadBlock,
    /// Set by a thunk that found no level; the next call reports the loss.
    pub lost: u32,
    /// The last birth that this thread asked for was on a stack of the child's own;
    /// for `drop_in`.
    pub birth_on_stack: u32,
    /// Not 0 while a handler runs on the alternate stack: [`PARKED_MARK`] and a
    /// bit for each level that is free, but not ready.
    pub parked: u64,
    /// In a thread that is about to be born: what its parent expects, as a
    /// token. Read and cleared by the thread.
    pub birth: u64,
    /// There, too: where the kernel has written the thread's id before it runs; 0 for nowhere.
    pub tid_at: u64,
    /// The signal that is delivered, see `signal::entry`. Of threads that share storage,
    /// one of theirs.
    pub delivered: u64,
    /// The anchor of the call that went in last, negated, if it need not be seen when it
    /// succeeds and is in the kernel; else 0. See [`expect_success`].
    pub expected: u64,
    /// The program's flags, with which it went in.
    pub flags: u64,
    /// `interceptor_tstat` of the C API.
    pub identity: Identity,
}

/// Distinguishes parked levels, be they none, from ready ones.
pub(crate) const PARKED_MARK: u64 = 1 << 63;
/// In `parked`, beside that: these words are not those of one thread.
pub(crate) const SHARED_MARK: u64 = 1 << 62;

impl Tls {
    /// A thread that has made no call.
    pub(crate) const NONE: Self = Self {
        ready: [0; LEVELS],
        base: [0; LEVELS],
        block: core::ptr::null_mut(),
        lost: 0,
        birth_on_stack: 0,
        parked: 0,
        birth: 0,
        tid_at: 0,
        delivered: 0,
        expected: 0,
        flags: 0,
        identity: Identity { tid: 0, reserved: 0, number: 0 },
    };
}

/// The calling thread's id, if it has a block; 0 otherwise.
pub(crate) fn tid() -> u32 {
    // SAFETY: this thread's own words.
    unsafe { (&raw const (*current()).identity.tid).read_volatile() }
}

/// Which thread this is.
#[repr(C)]
pub(crate) struct Identity {
    pub tid: u32,
    reserved: u32,
    /// Its number in the group; 0 when it is not counted.
    pub number: u64,
}

pub(crate) const READY: usize = offset_of!(Tls, ready);
pub(crate) const BASE: usize = offset_of!(Tls, base);
pub(crate) const BLOCK: usize = offset_of!(Tls, block);
pub(crate) const LOST: usize = offset_of!(Tls, lost);
pub(crate) const PARKED: usize = offset_of!(Tls, parked);
pub(crate) const DELIVERED: usize = offset_of!(Tls, delivered);
pub(crate) const EXPECTED: usize = offset_of!(Tls, expected);
pub(crate) const FLAGS: usize = offset_of!(Tls, flags);
pub(crate) const IDENTITY: usize = offset_of!(Tls, identity);

/// Distance of the block from the thread pointer, as a signed number.
#[inline]
pub(crate) fn offset() -> i64 {
    let offset: i64;
    // SAFETY: reads a word of the global offset table, which ld.so has filled in.
    unsafe {
        core::arch::asm!("mov {}, qword ptr [rip + interceptor_tls@GOTTPOFF]", out(reg) offset,
            options(pure, nomem, nostack, preserves_flags));
    }
    offset
}

/// The pages that hold the words and the pointer of the thread with this pointer.
pub(crate) fn pages_of(thread_pointer: u64) -> Range<u64> {
    let start = of(thread_pointer) as u64;
    page_down(start)..page_up(thread_pointer + 8)
}

/// The words of the thread with this pointer.
pub(crate) fn of(thread_pointer: u64) -> *mut Tls {
    thread_pointer.wrapping_add_signed(offset()) as *mut Tls
}

/// Whether there are threads whose FS does not lead to storage that libc has laid out
/// (`thread::seats`); also read by `asm/signal.S`.
#[unsafe(no_mangle)]
static interceptor_is_unreliable: AtomicBool = AtomicBool::new(false);

/// Whether FS need not lead to our words.
#[inline]
pub(crate) fn is_unreliable() -> bool {
    interceptor_is_unreliable.load(Relaxed)
}

/// From now on it need not. Returns whether it was so already.
pub(crate) fn become_unreliable() -> bool {
    interceptor_is_unreliable.swap(true, Relaxed)
}

/// The calling thread's words.
#[inline]
pub(crate) fn current() -> *mut Tls {
    if thread::has_seats() { thread::words_of_caller() } else { of(thread_pointer()) }
}

/// The words at the calling thread's pointer, where FS is known to lead to them: those that
/// thunks know of. On a way that touches no vector register.
#[inline(always)]
pub(crate) fn at_pointer() -> Option<*mut Tls> {
    (!is_unreliable()).then(|| of(thread_pointer()))
}

/// The call that goes in next need not be seen if it succeeds: the exit thunk then goes back
/// to the program at once. Its record in `calls` is complete, and counts only when
/// [`expect_no_more`] says so: as soon as anything else happens in this thread than that.
/// Returns whether it is so.
///
/// Before that, no handler has run since the record was begun.
#[inline(always)]
pub(crate) fn expect_success(calls: &mut InFlight, frame: &SyscallFrame) -> bool {
    let Some(tls) = at_pointer() else {
        return false;
    };
    // SAFETY: this thread's own words.
    unsafe {
        // On the alternate stack, all calls have to be seen.
        if (&raw const (*tls).parked).read_volatile() != 0 {
            return false;
        }
        calls.keep_uncounted();
        (&raw mut (*tls).flags).write_volatile(frame.rflags);
        (&raw mut (*tls).expected).write_volatile(frame.anchor.wrapping_neg());
    }
    true
}

/// The call that was expected to succeed comes out, or a handler is about to run: its record
/// counts from now on. A handler that comes in between has it count, too, and whatever goes in
/// then is over when it returns: so which record it is must be known before.
#[inline(always)]
pub(crate) fn expect_no_more(calls: &mut InFlight) {
    if let Some(tls) = at_pointer() {
        // SAFETY: this thread's own words.
        unsafe {
            let number = calls.uncounted();
            if (&raw const (*tls).expected).read_volatile() != 0 {
                calls.count_to(number);
                (&raw mut (*tls).expected).write_volatile(0);
            }
        }
    }
}

/// Takes a word: it is 0 from now on. Returns whether it was not.
///
/// # Safety
///
/// It is the calling thread's own.
#[inline(always)]
pub(crate) unsafe fn take<W: Copy + Default + PartialEq>(word: *mut W) -> bool {
    // SAFETY: the caller's; volatile, since thunks and handlers of the same thread use it, too.
    unsafe {
        let is_set = word.read_volatile() != W::default();
        if is_set {
            word.write_volatile(W::default());
        }
        is_set
    }
}

/// The calling thread's pointer, if it is on storage of libc's.
#[inline]
pub(crate) fn thread_pointer() -> u64 {
    let thread_pointer: u64;
    // SAFETY: the x86-64 TLS ABI keeps the thread pointer at fs:0, and both
    // glibc and musl set it before a thread runs.
    unsafe {
        core::arch::asm!("mov {}, fs:[0]", out(reg) thread_pointer,
            options(nostack, preserves_flags, readonly));
    }
    thread_pointer
}
