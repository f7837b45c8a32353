//! Blocks of threads that are gone, for threads to come.
//!
//! A thread gives its block up while it still runs on the block's stack, in
//! its last call, `exit`. So a block waits in the pool, with the thread's id,
//! until the kernel says that the thread has left it ([`left`](super::left)), or no longer
//! knows that thread. In a confined process nobody asks: there blocks of threads without a
//! list that would say so are not used again.
//!
//! Blocks come in by a lock-free list, so that none is ever lost. They go out
//! under a lock, oldest first. Lock order: the pool's lock is innermost. It is
//! held for a few instructions and never across a system call. Who cannot have
//! it soon (a signal handler may have interrupted the holder, or the holder may
//! not be running) maps a new block; too many are given back to the kernel one by
//! one. Of a holder that was killed alone, a process on this memory, the lock is
//! inherited; the blocks that were in the pool then are lost.

use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};

#[cfg(feature = "capi")]
use super::inside;
use super::{ThreadBlock, place, region_len};
use crate::group::TGSTAT;
use crate::lock::{Held, Lock};
use crate::sys::{self, Mapping};

struct Pool {
    oldest: *mut ThreadBlock,
    newest: *mut ThreadBlock,
    len: usize,
}

// SAFETY: the pointers are only followed under the lock.
unsafe impl Send for Pool {}

static POOL: Lock<Pool> = Lock::new(Pool::EMPTY);

/// Blocks that have come in, newest first.
static INCOMING: AtomicPtr<ThreadBlock> = AtomicPtr::new(null_mut());

/// How often the lock is tried.
const TRIES: usize = 1000;
/// Blocks that are looked at, for one whose thread is gone.
const LOOKS: usize = 8;
/// Blocks that are kept when nobody needs them.
const KEPT: usize = 32;

/// A zeroed block that nobody uses. `tid` is the caller's.
pub(super) fn take(tid: u32) -> sys::Result<*mut ThreadBlock> {
    if let Some(block) = take_used(tid) {
        #[cfg(feature = "capi")]
        inside::enlist(block);
        return Ok(block);
    }
    let mapping = place::map(region_len())?;
    if let Err(error) = mapping.guard_lowest_page() {
        mapping.unmap();
        return Err(error);
    }
    let block = (mapping.start + mapping.len - super::BLOCK) as *mut ThreadBlock;
    #[cfg(feature = "capi")]
    inside::enlist(block);
    Ok(block)
}

/// Puts back a block that was taken and not used.
pub(super) fn give_back(block: *mut ThreadBlock) {
    // SAFETY: the caller got it from `take` and nobody else knows it.
    unsafe { (*block).tid = 0 };
    append(block);
}

/// Leaves the block of the calling thread, or of one that is gone, for reuse. The thread may
/// go on using it until it has exited.
pub(super) fn leave_for_reuse(block: *mut ThreadBlock) {
    // A hook that was left by longjmp, or that ends its thread, is inside of nothing.
    // SAFETY: the calling thread's.
    unsafe { (*block).leave_hooks() };
    append(block);
}

/// In a forked child: no other thread exists that could hold the lock.
pub(crate) fn after_fork() {
    // What a thread of the parent was about to change is a list of blocks of threads that
    // do not exist here; the worst it can have left is a list that misses some.
    POOL.free_after_fork();
    #[cfg(feature = "capi")]
    inside::after_fork();
}

fn append(block: *mut ThreadBlock) {
    let mut newest = INCOMING.load(Relaxed);
    loop {
        // SAFETY: nobody else uses the link of a block that is not in a list.
        unsafe { (*block).next = newest };
        match INCOMING.compare_exchange_weak(newest, block, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => newest = now,
        }
    }
}

fn take_used(tid: u32) -> Option<*mut ThreadBlock> {
    for _ in 0..LOOKS {
        let (block, len) = oldest(tid)?;
        // SAFETY: taken out of the pool, so it is ours once its thread is gone.
        unsafe {
            if is_in_use(block) {
                append(block);
                continue;
            }
            if len > KEPT {
                give_one_to_kernel(tid);
            }
            release_storage(block);
            super::seats::forget(block);
            (*block).clear();
        }
        return Some(block);
    }
    None
}

/// Takes the oldest block out. Returns also how many are left.
fn oldest(tid: u32) -> Option<(*mut ThreadBlock, usize)> {
    let mut pool = lock(tid)?;
    if pool.oldest.is_null() {
        pool.take_in();
    }
    let block = pool.oldest;
    if block.is_null() {
        return None;
    }
    // SAFETY: blocks in the pool are reached only under the lock.
    pool.oldest = unsafe { (*block).next };
    if pool.oldest.is_null() {
        pool.newest = null_mut();
    }
    pool.len -= 1;
    Some((block, pool.len))
}

fn lock(tid: u32) -> Option<Held<'static, Pool>> {
    let free = (0..TRIES).find_map(|_| {
        let pool = POOL.try_lock(tid);
        if pool.is_none() {
            core::hint::spin_loop();
        }
        pool
    });
    free.or_else(|| {
        let mut pool = POOL.inherit(tid)?;
        *pool = Pool::EMPTY;
        Some(pool)
    })
}

impl Pool {
    const EMPTY: Self = Self { oldest: null_mut(), newest: null_mut(), len: 0 };

    /// Appends what has come in, oldest first.
    fn take_in(&mut self) {
        let mut block = INCOMING.swap(null_mut(), Acquire);
        let mut reversed: *mut ThreadBlock = null_mut();
        if self.newest.is_null() {
            self.newest = block;
        }
        while !block.is_null() {
            self.len += 1;
            // SAFETY: taken off the list, so it is ours.
            let next = unsafe { (*block).next };
            // SAFETY: as above.
            unsafe { (*block).next = reversed };
            reversed = block;
            block = next;
        }
        // Only called when there is none.
        self.oldest = reversed;
    }
}

/// Whether the thread that has left a block may still run on it.
///
/// # Safety
///
/// The block is out of the pool.
unsafe fn is_in_use(block: *mut ThreadBlock) -> bool {
    let process = TGSTAT.tgid.load(Relaxed);
    // SAFETY: the caller's.
    let (tid, is_gone) = unsafe { ((*block).tid, (*block).left.is_gone(process)) };
    tid != 0 && !is_gone && !sys::thread_is_gone(process, tid)
}

/// Unmaps what a block's thread wanted unmapped and still needed.
///
/// # Safety
///
/// The thread is gone.
unsafe fn release_storage(block: *mut ThreadBlock) {
    // SAFETY: the caller's.
    let ((start, end), environment) = unsafe {
        let environment =
            core::mem::replace(&mut (*block).large_environment, Mapping { start: 0, len: 0 });
        (core::mem::take(&mut (*block).storage), environment)
    };
    if start != 0 {
        // Nobody can have mapped anything there.
        let _ = sys::unmap(&(start..end));
    }
    if environment.len != 0 {
        environment.unmap();
    }
}

/// Unmaps a block that nobody needs.
fn give_one_to_kernel(tid: u32) {
    let Some((block, _)) = oldest(tid) else {
        return;
    };
    // SAFETY: as in `take_used`.
    unsafe {
        if is_in_use(block) || !forget(block) {
            append(block);
        } else {
            release_storage(block);
            super::seats::forget(block);
            if let Some(stack) = (*block).given_stack.take() {
                stack.unmap();
            }
            // Between others, and with as many mappings as there may be, it has to stay.
            if sys::unmap(&(*block).region()).is_err() {
                append(block);
            }
        }
    }
}

/// Lets nobody know a block that is about to be unmapped. Returns false when that cannot
/// be now.
fn forget(block: *mut ThreadBlock) -> bool {
    #[cfg(feature = "capi")]
    return inside::delist(block);
    #[cfg(not(feature = "capi"))]
    {
        let _ = block;
        true
    }
}
