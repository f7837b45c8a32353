//! As `src/thread`: what a block holds that the pool and hooks need.

use core::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use interceptor_interleave::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::capi::Words;
use crate::sys::Mapping;
use crate::tls;

#[path = "../../../../src/thread/inside.rs"]
mod inside;

/// Where blocks lie is nobody's concern here.
mod place {
    use crate::sys::{Mapping, Result};

    pub(super) fn map(len: u64) -> Result<Mapping> {
        Mapping::anonymous(len)
    }
}

#[path = "../../../../src/thread/pool.rs"]
mod pool;

pub(crate) use inside::{note_entry, wait_until_left};
pub(crate) use pool::after_fork;
use pool::leave_for_reuse;

pub(crate) const CALLS_IN_FLIGHT: usize = 2;
pub(crate) const REGION: u64 = size_of::<ThreadBlock>() as u64;
const BLOCK: u64 = REGION;

pub(crate) struct ThreadBlock {
    pub(crate) tid: u32,
    hook_level: AtomicU32,
    left: Left,
    next: *mut ThreadBlock,
    storage: (u64, u64),
    large_environment: Mapping,
    given_stack: Option<Mapping>,
    listed: inside::Listed,
    pub(crate) has_words: bool,
    pub(crate) words: Words,
    /// Somebody has it.
    is_owned: AtomicBool,
    is_unmapped: AtomicBool,
}

/// The kernel's mark on a block that was left. It comes with the thread's end, which is a step
/// of its own already.
struct Left {
    is_marked: AtomicBool,
}

impl Left {
    fn is_gone(&self, _process: u32) -> bool {
        self.is_marked.load(SeqCst)
    }
}

fn region_len() -> u64 {
    REGION
}

impl ThreadBlock {
    pub(crate) fn zeroed() -> Box<ThreadBlock> {
        // SAFETY: as in the runtime, where it is a new mapping.
        Box::new(unsafe { std::mem::zeroed() })
    }

    fn clear(&mut self) {
        self.is_there();
        self.tid = 0;
        self.left.is_marked.store(false, SeqCst);
        self.hook_level.store(0, Relaxed);
        self.words.clear();
    }

    fn region(&self) -> core::ops::Range<u64> {
        let start = std::ptr::from_ref(self) as u64;
        start..start + REGION
    }

    unsafe fn is_inside_hook(block: *const Self) -> bool {
        // SAFETY: the caller's, and blocks of models stay.
        let block = unsafe { &*block };
        let is_inside = block.hook_level.load(Relaxed) != 0;
        block.is_there();
        is_inside
    }

    fn leave_hooks(&mut self) {
        self.hook_level.store(0, Relaxed);
    }

    fn is_there(&self) {
        assert!(!self.is_unmapped(), "a block is used that is unmapped");
    }

    pub(crate) fn is_unmapped(&self) -> bool {
        self.is_unmapped.load(SeqCst)
    }

    pub(crate) fn be_unmapped(&self) {
        self.is_there();
        assert!(!self.is_owned.load(SeqCst), "a block is unmapped that somebody has");
        self.is_unmapped.store(true, SeqCst);
    }
}

/// Takes a block for the calling thread, which nobody else has or uses.
pub(crate) fn take(tid: u32) -> *mut ThreadBlock {
    let block = pool::take(tid).expect("memory");
    // SAFETY: blocks of models stay, and this one is the thread's now.
    let own = unsafe { &mut *block };
    own.is_there();
    assert!(!own.is_owned.swap(true, SeqCst), "a block is given to two threads");
    assert_eq!(own.tid, 0, "what is left of the last thread is cleared");
    own.tid = tid;
    // SAFETY: the calling thread's words.
    unsafe { (*tls::current()).block = block };
    block
}

/// Begins with no blocks.
pub(crate) fn reset() {
    // SAFETY: the calling thread's words.
    unsafe { (*tls::current()).block = std::ptr::null_mut() };
    after_fork();
    crate::sys::forget_threads();
    for _ in 0..crate::sys::mapped().len() {
        take(1);
    }
    // SAFETY: as above.
    unsafe { (*tls::current()).block = std::ptr::null_mut() };
    // The list of all blocks becomes empty, too.
    after_fork();
    crate::sys::reset();
}

/// A thread's end, on the block that it leaves. The kernel knows it until the last, and marks
/// the blocks of those with odd ids.
pub(crate) fn end(block: *mut ThreadBlock) {
    // SAFETY: the calling thread's, for which this model stands.
    let tid = unsafe { (*block).tid };
    leave_for_reuse(block);
    // SAFETY: as above: it still runs on the block's stack.
    let own = unsafe { &*block };
    own.is_there();
    assert!(own.is_owned.swap(false, SeqCst), "a block is taken from a thread that runs");
    crate::sys::set_alive(tid, false);
    own.left.is_marked.store(tid % 2 == 1, SeqCst);
}

/// The calling thread is inside a hook, or not.
pub(crate) fn set_inside(is_inside: bool) {
    if let Some(block) = own_block() {
        block.hook_level.store(u32::from(is_inside), Relaxed);
    }
}

pub(crate) fn own_block<'a>() -> Option<&'a mut ThreadBlock> {
    // SAFETY: the calling thread's words and block.
    unsafe { (*tls::current()).block.as_mut() }
}

pub(crate) fn libc_errno() -> *mut c_int {
    std::ptr::null_mut()
}

pub(crate) fn keeping_errno<T>(code: impl FnOnce() -> T) -> T {
    code()
}

/// Threads that are not found through FS: there are none.
mod seats {
    pub(super) fn forget(_block: *mut super::ThreadBlock) {}
}
