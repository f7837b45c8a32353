//! How the kernel says that a thread has left its block for good.
//!
//! A thread gives its block up in its last call, and still runs on it. glibc registers a
//! robust list for every thread, which the kernel walks when the thread executes nothing any
//! more: a node in the block, put on that list in the last call, is marked then. So whoever
//! wants the block looks at a word, where it would have to ask the kernel, which a confined
//! process must not. With other libraries, and on storage that libc has not made, there is no
//! such list.

use core::mem::offset_of;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};

use interceptor_abi::segment::DIED;

use super::{ThreadBlock, has_seats};
use crate::group::{self, TGSTAT};
use crate::{sys, tls};

/// What libc's lists have of every node: where its futex word lies.
const FUTEX_OFFSET: i64 = -32;

/// The node, and the word that the kernel marks. Zeroes are nobody's.
#[repr(C)]
pub(super) struct Left {
    word: AtomicU32,
    /// The thread's process.
    process: u32,
    room: [u64; 2],
    /// Whoever puts a mutex before the node writes here.
    previous: u64,
    next: u64,
}

const _: () =
    assert!(offset_of!(Left, next) as i64 == offset_of!(Left, word) as i64 - FUTEX_OFFSET);

impl Left {
    /// Whether its thread is known to be no more.
    pub(super) fn is_gone(&self, process: u32) -> bool {
        // A forked child has its parent's blocks, and none of its other threads.
        self.process != 0 && self.process != process || self.word.load(Acquire) & DIED != 0
    }
}

/// How far from the thread pointer libc's list is in each thread; 0 when it has none there.
static DISTANCE: AtomicU64 = AtomicU64::new(0);

/// Looks where libc has the list of the first thread, the caller.
pub(super) fn look_for_lists() {
    let distance = group::registered_list().wrapping_sub(tls::thread_pointer());
    if distance < sys::PAGE {
        DISTANCE.store(distance, Relaxed);
    }
}

/// The calling thread is in its last call, and will be gone from this block when the kernel
/// says so.
pub(super) fn mark(block: &mut ThreadBlock) {
    let distance = DISTANCE.load(Relaxed);
    block.left.process = TGSTAT.tgid.load(Relaxed);
    if distance == 0 || has_seats() || tls::is_unreliable() {
        return;
    }
    *block.left.word.get_mut() = block.tid;
    let node = &raw const block.left.next as u64;
    // SAFETY: the list that libc has made for the calling thread, whose storage this is; the
    // node stays until the kernel has marked it.
    unsafe { group::append_to_libcs(tls::thread_pointer() + distance, node, FUTEX_OFFSET) };
}
