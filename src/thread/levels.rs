//! The levels of a thread: which of its private stacks may be entered.
//!
//! A level is *ready*, so that the next call comes in by it; *in use*, by a call or a hook;
//! or *parked*: free, and not ready, so that the next call takes the careful way
//! (`signal::alternate`). The words are in the thread's storage, where thunks find them.
//!
//! A signal handler may come in between at any point and do the same: each step leaves every
//! level in one of these states.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{STACK_0, ThreadBlock, own_block};
use crate::frame::SyscallFrame;
use crate::sys::{self, page_down, page_up};
use crate::thunk;
use crate::tls::{self, LEVELS, PARKED_MARK, Tls};

unsafe extern "C" {
    /// Calls `function` with `argument`, on the stack that ends at `end`
    /// (`asm/own_stack.S`).
    fn interceptor_call_on_stack(
        end: u64,
        function: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
    );
}

/// Does `work` on the stack of level 0 of the calling thread, and gives back what it has
/// used of that. The thread has a block, and no call of it comes in meanwhile.
pub(crate) fn on_private_stack<F: FnMut()>(mut work: F) {
    unsafe extern "C" fn call<F: FnMut()>(work: *mut c_void) {
        // SAFETY: what is passed below.
        unsafe { (*work.cast::<F>())() }
    }
    // SAFETY: this thread's own words; nobody uses the stack below the frame.
    let (end, block) = unsafe {
        let tls = tls::current();
        let end = (*tls).base[0];
        interceptor_call_on_stack(end, call::<F>, (&raw mut work).cast());
        (end, (*tls).block as u64)
    };
    sys::release(&(page_up(block - STACK_0)..page_down(end)));
}

/// Makes every level of the calling thread ready, but the one in use.
///
/// For when the frames of the others are known to be dead, because a signal
/// handler left them by siglongjmp.
#[inline(never)]
pub(crate) fn forget_other_levels(block: &mut ThreadBlock, in_use: u64) {
    block.hook_level = 0;
    block.hooks_are_left();
    for level in (0..LEVELS as u64).filter(|level| *level != in_use) {
        release_level(level);
    }
}

/// Makes a level of the calling thread free again.
pub(crate) fn release_level(level: u64) {
    let tls = tls::current();
    // SAFETY: the TLS block is this thread's own.
    unsafe {
        let parked = (&raw const (*tls).parked).read_volatile();
        if parked != 0 {
            (&raw mut (*tls).parked).write_volatile(parked | 1 << level);
        } else if level < LEVELS as u64 {
            (&raw mut (*tls).ready[level as usize]).write_volatile(1);
        }
    }
}

/// Runs a hook outside of any call, on the stack of whoever calls. Calls that it
/// makes are a hook's.
#[inline]
pub(crate) fn unhooked<T>(hook: impl FnOnce() -> T) -> T {
    let level = enter_unhooked();
    let result = hook();
    if let Some(level) = level {
        leave_unhooked(level);
    }
    result
}

/// Returns the level that is out of use meanwhile, [`LEVELS`] for none; `None` if there is
/// no block.
#[inline(never)]
fn enter_unhooked() -> Option<usize> {
    let block = own_block()?;
    let level = take_level(tls::current());
    block.hooks_outside += 1;
    Some(level.unwrap_or(LEVELS))
}

#[inline(never)]
fn leave_unhooked(level: usize) {
    if let Some(block) = own_block() {
        block.hooks_outside -= 1;
    }
    if level < LEVELS {
        release_level(level as u64);
    }
}

/// Whether the calling thread executes a hook.
#[cfg(feature = "capi")]
pub(crate) fn is_in_hook() -> bool {
    let Some(block) = own_block() else {
        return false;
    };
    // A hook that was left by longjmp has said nothing.
    let here = (&raw const block) as u64;
    block.hooks_outside != 0 || (block.hook_level != 0 && block.region().contains(&here))
}

/// Runs code of the program's, which may have interrupted such a hook.
pub(crate) fn hooked(program: impl FnOnce()) {
    // SAFETY: this thread's own words and block.
    let block = unsafe { (&raw const (*tls::current()).block).read_volatile().as_mut() };
    let Some(block) = block.filter(|block| block.hooks_outside > 0) else {
        program();
        return;
    };
    let interrupted = core::mem::take(&mut block.hooks_outside);
    program();
    block.hooks_outside = interrupted;
}

/// Takes a free level for a call of the calling thread, of which `tls` are the words. Returns
/// its frame, which is left by `leave`; `None` if there is none.
pub(crate) fn take_level_for(
    tls: *mut Tls,
    block: &mut ThreadBlock,
    anchor: u64,
    rsp: u64,
    leave: fn(usize) -> u64,
) -> Option<u64> {
    let level = take_level(tls)?;
    // SAFETY: the level was free and is this thread's.
    unsafe {
        let frame = (*tls).base[level] as *mut SyscallFrame;
        ((*frame).anchor, (*frame).rsp) = (anchor, rsp);
        ((*frame).block, (*frame).level) = (block, level as u64);
        (*frame).leave = leave(level);
        Some(frame as u64)
    }
}

/// Takes a free level out of use, be it ready or parked. `None` if there is none.
fn take_level(tls: *mut Tls) -> Option<usize> {
    // SAFETY: the calling thread's words.
    unsafe {
        let parked = (&raw const (*tls).parked).read_volatile();
        let is_free = |level: &usize| parked & 1 << level != 0 || (*tls).ready[*level] != 0;
        let level = (0..LEVELS).find(is_free)?;
        if parked != 0 {
            (&raw mut (*tls).parked).write_volatile(parked & !(1 << level));
        } else {
            (&raw mut (*tls).ready[level]).write_volatile(0);
        }
        Some(level)
    }
}

/// Makes the free levels of the calling thread unready, so that its next call
/// comes by the careful way (`signal::alternate`).
///
/// A handler that comes in between may do the same, or undo it: each step leaves every
/// level what it is, but for one, which nobody can take.
pub(crate) fn park_levels() {
    let tls = tls::current();
    // SAFETY: the TLS block is this thread's own.
    unsafe {
        let parked = AtomicU64::from_ptr(&raw mut (*tls).parked);
        parked.fetch_or(PARKED_MARK, Relaxed);
        let ready = |level: usize| &raw mut (*tls).ready[level];
        while let Some(level) = (0..LEVELS).find(|level| ready(*level).read_volatile() != 0) {
            ready(level).write_volatile(0);
            parked.fetch_or(PARKED_MARK | 1 << level, Relaxed);
        }
    }
}

/// Whether levels that are free are parked.
pub(crate) fn are_levels_parked() -> bool {
    // SAFETY: this thread's own words.
    unsafe { (&raw const (*tls::current()).parked).read_volatile() != 0 }
}

/// Makes all parked levels ready.
pub(crate) fn unpark_levels() {
    let tls = tls::current();
    // SAFETY: the TLS block is this thread's own.
    unsafe {
        let parked = (&raw const (*tls).parked).read_volatile();
        (&raw mut (*tls).parked).write_volatile(0);
        for level in (0..LEVELS as u64).filter(|level| parked & 1 << level != 0) {
            release_level(level);
        }
    }
}

/// The frame of level 0 is one that the calling thread leaves through its thunk, also if
/// another has left its frames otherwise, on the same block (`sharers`).
pub(crate) fn leave_by_thunk() {
    // SAFETY: this thread's own words and frames.
    unsafe { (*((*tls::current()).base[0] as *mut SyscallFrame)).leave = thunk::leave(0) }
}

/// Whether a level of the calling thread may be entered.
pub(crate) fn is_level_ready() -> bool {
    // SAFETY: the TLS block is this thread's own.
    unsafe { (*tls::current()).ready.iter().any(|ready| *ready != 0) }
}

/// Whether a level of the calling thread is free, be it ready or parked.
pub(crate) fn is_level_free() -> bool {
    // SAFETY: the TLS block is this thread's own.
    is_level_ready() || unsafe { (&raw const (*tls::current()).parked).read_volatile() } & ALL != 0
}

/// In `parked`, all levels.
const ALL: u64 = (1 << LEVELS) - 1;

/// Makes one parked level ready; the others stay parked. Returns false if there
/// is none.
pub(crate) fn unpark_one_level() -> bool {
    let tls = tls::current();
    // SAFETY: the TLS block is this thread's own.
    unsafe {
        let parked = (&raw const (*tls).parked).read_volatile();
        let Some(level) = (0..LEVELS).find(|level| parked & 1 << level != 0) else {
            return false;
        };
        (&raw mut (*tls).parked).write_volatile(parked & !(1 << level));
        (&raw mut (*tls).ready[level]).write_volatile(1);
        true
    }
}
