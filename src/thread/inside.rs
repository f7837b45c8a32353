//! Which threads are inside a hook, and waiting until they have left it.
//!
//! All blocks of the process, in use or in the pool, are in one list. Blocks come in
//! without a lock, as they are made. Whoever walks the list, or takes a block out to
//! unmap it, holds [`WALKERS`]; nobody waits for that lock without a limit. It leads to
//! both sides, so that ten thousand threads that end do not make ten thousand walks.
//!
//! A hook's call begins by saying so in its thread's block (`hook_level`), and only
//! then looks for the hook. So when a hook was replaced, and every processor has
//! passed a barrier, the threads that may still run the old one are those that say so
//! now. Each is waited for until it says so no more, or has entered a hook again,
//! which it then notes with the number of the wait ([`note_entry`]).

use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use core::time::Duration;

use syscalls::Errno;

use super::{ThreadBlock, own_block};
use crate::sys;
use crate::tls;

/// A block's place among all.
#[repr(C)]
pub(super) struct Listed {
    /// The next older block.
    older: AtomicPtr<ThreadBlock>,
    /// The next newer block; null for the newest, and until that one's maker has said so.
    newer: AtomicPtr<ThreadBlock>,
    /// [`PROCESS`] when it came into the list.
    process: AtomicU32,
    /// The wait during which its thread entered a hook.
    entered: AtomicU32,
}

/// The newest block of the list.
static NEWEST: AtomicPtr<ThreadBlock> = AtomicPtr::new(null_mut());
/// Grows with each fork, so that the child knows what belongs to its parent.
static PROCESS: AtomicU32 = AtomicU32::new(1);
/// [`PROCESS`] while a thread walks the list, 0 when none does. A forked child takes no
/// notice of its parent's.
static WALKERS: AtomicU32 = AtomicU32::new(0);
/// The number of the wait.
static WAIT: AtomicU32 = AtomicU32::new(0);

/// Puts a block into the list, if it is not in that of this process.
pub(super) fn enlist(block: *mut ThreadBlock) {
    let process = PROCESS.load(Relaxed);
    // SAFETY: the caller's own block.
    let listed = unsafe { &(*block).listed };
    if listed.process.load(Relaxed) == process {
        return;
    }
    listed.process.store(process, Relaxed);
    listed.newer.store(null_mut(), Relaxed);
    let mut newest = NEWEST.load(Relaxed);
    loop {
        listed.older.store(newest, Relaxed);
        match NEWEST.compare_exchange_weak(newest, block, Release, Relaxed) {
            Ok(_) => break,
            Err(now) => newest = now,
        }
    }
    if !newest.is_null() {
        // SAFETY: nobody takes that one out (`delist`) before this is said, since the caller's
        // block is newer and stays.
        unsafe { (*newest).listed.newer.store(block, Release) };
    }
}

/// Takes a block out that is to be unmapped. Returns false when that cannot be now.
pub(super) fn delist(block: *mut ThreadBlock) -> bool {
    // SAFETY: the caller's own block.
    let listed = unsafe { &(*block).listed };
    if listed.process.load(Relaxed) != PROCESS.load(Relaxed) {
        return true;
    }
    let Some(_walker) = Walker::begin() else {
        return false;
    };
    // Nobody else takes blocks out.
    let older = listed.older.load(Relaxed);
    let mut newer = null_mut();
    if NEWEST.compare_exchange(block, older, Acquire, Relaxed).is_err() {
        // Pairs with the release in `enlist`.
        newer = listed.newer.load(Acquire);
        if newer.is_null() {
            return false;
        }
        // SAFETY: blocks in the list are mapped while there is a walker.
        unsafe { (*newer).listed.older.store(older, Relaxed) };
    }
    if !older.is_null() {
        // SAFETY: as above.
        let link = unsafe { &(*older).listed.newer };
        // One that has come in just now may have said that it is the next.
        let _ = link.compare_exchange(block, newer, Release, Relaxed);
    }
    // Should it be used again nevertheless.
    listed.process.store(0, Relaxed);
    true
}

/// In a forked child: there is only the calling thread.
pub(super) fn after_fork() {
    // SAFETY: this thread's own words and block.
    let own = unsafe { (&raw const (*tls::current()).block).read_volatile() };
    PROCESS.store(PROCESS.load(Relaxed).wrapping_add(1).max(1), Relaxed);
    NEWEST.store(null_mut(), Relaxed);
    if !own.is_null() {
        enlist(own);
    }
}

/// Notes in a hook's thread that it began after a wait was begun.
#[cold]
pub(crate) fn note_entry() {
    if let Some(block) = own_block() {
        block.listed.entered.store(WAIT.load(Relaxed), Relaxed);
    }
}

/// Waits until every other thread has left the hook that it is inside of. `begin` makes
/// hooks note their entries from now on, `end` ends that.
pub(crate) fn wait_until_left(
    timeout: Option<Duration>,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) -> sys::Result<()> {
    let deadline = timeout.map(|timeout| sys::monotonic_time() + timeout);
    let mut pause = Pause(Duration::from_micros(20));
    let _walker = loop {
        match Walker::begin() {
            Some(walker) => break walker,
            None => pause.before(deadline)?,
        }
    };
    let number = WAIT.load(Relaxed).wrapping_add(1);
    WAIT.store(number, Relaxed);
    begin();
    let waited = sys::barrier_everywhere().and_then(|()| {
        while is_anybody_inside(number) {
            pause.before(deadline)?;
        }
        Ok(())
    });
    end();
    waited
}

/// Whether a thread but the caller's is inside a hook that it entered before the wait.
fn is_anybody_inside(number: u32) -> bool {
    // SAFETY: this thread's own words.
    let own = unsafe { (&raw const (*tls::current()).block).read_volatile() };
    // Pairs with the release in `enlist`.
    let mut block = NEWEST.load(Acquire);
    while !block.is_null() {
        // SAFETY: blocks in the list are mapped while there is a walker, and these
        // words are whole at any time.
        unsafe {
            let entered = || (*block).listed.entered.load(Relaxed);
            if block != own && ThreadBlock::is_inside_hook(block) && entered() != number {
                return true;
            }
            block = (*block).listed.older.load(Relaxed);
        }
    }
    false
}

/// The right to walk the list.
struct Walker;

impl Walker {
    fn begin() -> Option<Walker> {
        let process = PROCESS.load(Relaxed);
        let holder = WALKERS.load(Relaxed);
        let is_free = holder != process;
        let took = is_free && WALKERS.compare_exchange(holder, process, Acquire, Relaxed).is_ok();
        // Not `then_some`, which would make one, and drop it, in any case.
        took.then(|| Walker)
    }
}

impl Drop for Walker {
    fn drop(&mut self) {
        WALKERS.store(0, Release);
    }
}

/// Longer and longer sleeps.
struct Pause(Duration);

impl Pause {
    fn before(&mut self, deadline: Option<Duration>) -> sys::Result<()> {
        const LONGEST: Duration = Duration::from_millis(2);
        if deadline.is_some_and(|deadline| sys::monotonic_time() >= deadline) {
            return Err(Errno::ETIMEDOUT);
        }
        sys::sleep(self.0);
        self.0 = (self.0 * 2).min(LONGEST);
        Ok(())
    }
}
