//! Blocks of threads that are gone, for threads to come.
//!
//! A thread gives its block up while it still runs on the block's stack, in
//! its last call, `exit`. So a block waits in the pool, with the thread's id,
//! until the kernel no longer knows that thread.
//!
//! Lock order: the pool's lock is innermost. It is held for a few instructions
//! and never across a system call. A signal handler that interrupts the holder
//! and needs a new block itself does not wait: it maps one.

use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;

use spin::Mutex;

use super::{REGION, ThreadBlock};
use crate::group::TGSTAT;
use crate::sys::{self, Mapping};

struct Pool {
    oldest: *mut ThreadBlock,
    newest: *mut ThreadBlock,
}

// SAFETY: the pointers are only followed under the lock.
unsafe impl Send for Pool {}

static POOL: Mutex<Pool> = Mutex::new(Pool { oldest: null_mut(), newest: null_mut() });

/// A zeroed block that nobody uses.
pub(super) fn take() -> sys::Result<*mut ThreadBlock> {
    if let Some(block) = take_used() {
        return Ok(block);
    }
    let mapping = Mapping::anonymous(REGION)?;
    if let Err(error) = mapping.guard_lowest_page() {
        mapping.unmap();
        return Err(error);
    }
    Ok((mapping.start + REGION - super::BLOCK) as *mut ThreadBlock)
}

/// Puts back a block that was taken and not used.
pub(super) fn give_back(block: *mut ThreadBlock) {
    // SAFETY: the caller got it from `take` and nobody else knows it.
    unsafe { (*block).tid = 0 };
    append(block);
}

/// Leaves the calling thread's block for reuse. The thread may go on using it
/// until it has exited.
pub(crate) fn leave_for_reuse(block: *mut ThreadBlock) {
    append(block);
}

/// In a forked child: no other thread exists that could hold the lock.
pub(crate) fn after_fork() {
    if POOL.is_locked() {
        // SAFETY: the holder was a thread of the parent. What it was about to
        // change is a list of blocks of threads that do not exist here; the
        // worst it can have left is a list that misses some.
        unsafe { POOL.force_unlock() };
    }
}

fn append(block: *mut ThreadBlock) {
    let Some(mut pool) = POOL.try_lock() else {
        // Held by a thread in another core's few instructions, or by the one
        // this handler interrupted. A block less in the pool is no loss.
        return;
    };
    // SAFETY: blocks in the pool are reached only under the lock.
    unsafe {
        (*block).next = null_mut();
        if pool.newest.is_null() {
            pool.oldest = block;
        } else {
            (*pool.newest).next = block;
        }
    }
    pool.newest = block;
}

fn take_used() -> Option<*mut ThreadBlock> {
    let block = {
        let mut pool = POOL.try_lock()?;
        let block = pool.oldest;
        if block.is_null() {
            return None;
        }
        // SAFETY: as above.
        pool.oldest = unsafe { (*block).next };
        if pool.oldest.is_null() {
            pool.newest = null_mut();
        }
        block
    };
    // SAFETY: taken out of the pool, so it is ours once its thread is gone.
    unsafe {
        if (*block).tid != 0 && sys::thread_is_alive(TGSTAT.tgid.load(Relaxed), (*block).tid) {
            append(block);
            return None;
        }
        let (start, end) = (*block).storage;
        if start != 0 {
            // Nobody can have mapped anything there.
            let _ = sys::unmap(&(start..end));
        }
        if let Some(environment) = (*block).large_environment {
            environment.unmap();
        }
        (*block).clear();
    }
    Some(block)
}
