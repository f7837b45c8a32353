//! The trap rung: `ud2` in place of a `syscall` that no jump fits.
//!
//! The trap raises SIGILL; our handler finds the site in a table, makes
//! the interrupted context continue at the site's stub, and returns. From there
//! on a trapped call is like any other. The program's own SIGILL handler, if it
//! has one, gets every other SIGILL (see `signal::traps`).
//!
//! The table is added to under a lock that nobody waits for; readers use
//! a published length, so the handler takes no lock. Sites that are gone leave
//! places for others.

use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::lock::Lock;
use crate::signal;
use crate::sys;

/// Trapped sites a process can have.
const CAPACITY: usize = 4096;

/// The site of a place that is free again.
const GONE: u64 = 0;

struct Trap {
    site: AtomicU64,
    stub: AtomicU64,
}

#[unsafe(link_section = ".bss.tables")]
static TRAPS: [Trap; CAPACITY] =
    [const { Trap { site: AtomicU64::new(0), stub: AtomicU64::new(0) } }; CAPACITY];
static USED: AtomicUsize = AtomicUsize::new(0);
static ADDING: Lock<()> = Lock::new(());
static ARMED: AtomicBool = AtomicBool::new(false);

/// Prepares a trap. Returns false when it cannot be caught; then the site must
/// be left alone.
pub(super) fn add(site: u64, stub: u64) -> bool {
    let tid = sys::gettid();
    // An entry counts only when all of it is there.
    let Some(_adding) = ADDING.try_lock(tid).or_else(|| ADDING.inherit(tid)) else {
        return false;
    };
    let used = USED.load(Relaxed);
    let is_free = |trap: &Trap| [site, GONE].contains(&trap.site.load(Relaxed));
    let slot = TRAPS.iter().take(used).position(is_free);
    let Some(trap) = TRAPS.get(slot.unwrap_or(used)) else {
        return false;
    };
    if !ARMED.load(Relaxed) {
        if !signal::catch_traps() {
            return false;
        }
        ARMED.store(true, Relaxed);
    }
    trap.stub.store(stub, Relaxed);
    trap.site.store(site, Release);
    if slot.is_none() {
        // Pairs with the load in `stub_of`.
        USED.store(used + 1, Release);
    }
    true
}

/// Forgets the traps in text that is gone: what is illegal there from now on is the program's.
pub(super) fn forget(text: &Range<u64>) {
    for trap in TRAPS.iter().take(USED.load(Acquire)) {
        let site = trap.site.load(Relaxed);
        if text.contains(&site) {
            let _ = trap.site.compare_exchange(site, GONE, Relaxed, Relaxed);
        }
    }
}

/// The stub of a trapped site.
pub(crate) fn stub_of(site: u64) -> Option<u64> {
    let used = USED.load(Acquire);
    let trap = TRAPS.iter().take(used).find(|trap| trap.site.load(Acquire) == site)?;
    Some(trap.stub.load(Relaxed))
}
