//! Where threads are found whose thread pointer does not lead to them.
//!
//! Our words lie at an offset from FS. Threads that share storage (`sharers`) would
//! find each other's there, and those on storage that the program has made, *foreign*
//! ones, none at all. Each of them has words of its own in a *seat*. It is told apart by
//! its id, or, while it runs there, by its private stack.
//!
//! From the first foreign thread on, FS is *unreliable* (`tls`): nobody looks there any
//! more without having looked for a seat. All thunks are replaced by some that lead to
//! the careful way, and our signal handlers go without what is kept there. So ordinary
//! programs pay nothing for it, and those with such threads some microseconds for each
//! call that somebody is interested in.
//!
//! A seat changes hands by one compare-and-exchange: it is claimed by whoever makes a
//! thread, expected until the thread comes out of the call that makes it, taken while
//! it lives, left with its last call, and free again when the kernel no longer knows
//! it.
//!
//! Forbidden here: locks.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::{ThreadBlock, pool};
use crate::diagnostics::say;
use crate::group::Expected;
use crate::stat;
use crate::sys::{self, Mapping};
use crate::tls::{self, SHARED_MARK, Tls};

/// Threads that share storage at the same time, in a process.
pub(super) const SEATS: usize = 512;

/// One of them.
#[repr(C, align(64))]
pub(super) struct Seat {
    /// [`FREE`] and so on.
    pub state: AtomicU32,
    /// Its id; 0 while nobody knows it.
    pub tid: AtomicU32,
    /// Its thread pointer, which others may have, too.
    pub storage: AtomicU64,
    /// The program has made that storage: there are no words of ours in it.
    pub is_foreign: AtomicBool,
    /// Its words: `own`, or for the child of vfork and fork its parent's.
    pub words: AtomicPtr<Tls>,
    /// Who makes it, until that one has come out of the call. Of an owner, whose vfork child
    /// that is: whom the storage belongs to.
    pub parent: AtomicU32,
    /// The child that it makes itself: its seat's index, plus one.
    pub expects: AtomicU32,
    /// Where it comes out of the call that makes it.
    pub anchor: AtomicU64,
    pub rsp: AtomicU64,
    /// What its parent has blocked, or, while it makes a child, itself.
    pub mask: AtomicU64,
    /// libc has made the storage for it.
    pub is_owner: AtomicBool,
    /// It is a process that runs on the memory of another.
    pub is_process: AtomicBool,
    pub own: UnsafeCell<Own>,
}

/// What only the thread on the seat uses, and its parent before its birth.
#[repr(C)]
pub(super) struct Own {
    pub words: Tls,
    pub expected: Expected,
}

/// Nobody's.
pub(super) const FREE: u32 = 0;
/// Somebody is filling it in.
pub(super) const CLAIMED: u32 = 1;
/// For a thread that is about to be born.
pub(super) const EXPECTED: u32 = 2;
/// A thread's.
pub(super) const TAKEN: u32 = 3;
/// Of a thread that makes its last call.
pub(super) const LEAVING: u32 = 4;

/// All of a process; zeroes at first.
#[repr(C)]
pub(super) struct Seats {
    /// Seats before this one have been used.
    used: AtomicU32,
    /// Calls, for what is not done at each.
    pub calls: AtomicU32,
    pub seats: [Seat; SEATS],
}

/// Null in a process in which storage has never been shared.
static SEATS_MAPPED: AtomicPtr<Seats> = AtomicPtr::new(core::ptr::null_mut());

pub(super) fn known() -> Option<&'static Seats> {
    // SAFETY: set once, to a mapping that is never removed, of zeroes at first,
    // which are valid.
    unsafe { SEATS_MAPPED.load(Acquire).as_ref() }
}

pub(super) fn make() -> Option<&'static Seats> {
    if let Some(seats) = known() {
        return Some(seats);
    }
    let mapping = Mapping::anonymous(sys::page_up(size_of::<Seats>() as u64)).ok()?;
    let new = mapping.start as *mut Seats;
    let old = core::ptr::null_mut();
    if SEATS_MAPPED.compare_exchange(old, new, Release, Relaxed).is_err() {
        mapping.unmap();
    }
    known()
}

impl Seats {
    pub(super) fn used(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().take(self.used.load(Acquire) as usize)
    }

    /// Takes a free seat.
    pub(super) fn claim(&self) -> Option<&Seat> {
        self.claim_free().or_else(|| {
            self.used().for_each(Seat::free_if_gone);
            self.claim_free()
        })
    }

    fn claim_free(&self) -> Option<&Seat> {
        let take =
            |seat: &Seat| seat.state.compare_exchange(FREE, CLAIMED, AcqRel, Relaxed).is_ok();
        let index = self.seats.iter().position(take)?;
        self.used.fetch_max(index as u32 + 1, Release);
        let seat = &self.seats[index];
        seat.tid.store(0, Relaxed);
        seat.parent.store(0, Relaxed);
        seat.expects.store(0, Relaxed);
        seat.is_owner.store(false, Relaxed);
        seat.is_foreign.store(false, Relaxed);
        seat.is_process.store(false, Relaxed);
        seat.words.store(seat.own_words(), Relaxed);
        Some(seat)
    }

    /// Frees the seats of whoever had the id before its owner of now.
    pub(super) fn forget_thread(&self, tid: u32) {
        for old in self.used().filter(|old| old.tid.load(Relaxed) == tid) {
            let state = old.state.load(Acquire);
            if matches!(state, TAKEN | LEAVING)
                && old.state.compare_exchange(state, CLAIMED, AcqRel, Relaxed).is_ok()
            {
                old.give_up_block(state);
                old.free();
            }
        }
    }

    /// That of the calling thread, which has this id.
    #[inline(never)]
    pub(super) fn of_thread(&self, tid: u32) -> Option<&Seat> {
        let is_its = |seat: &&Seat| seat.is_there() && seat.tid.load(Relaxed) == tid;
        self.used().find(is_its).or_else(|| {
            // A vfork child's, which has made others on its parent's storage, is that one's now.
            let is_left = |seat: &&Seat| seat.is_lent() && seat.parent.load(Relaxed) == tid;
            let seat = self.used().find(is_left)?;
            // SAFETY: the calling thread's block.
            let block = unsafe { (*seat.own_words()).block.as_ref() }?;
            seat.parent.store(block.parent_of(tid), Relaxed);
            seat.tid.store(tid, Relaxed);
            Some(seat)
        })
    }
}

impl Seat {
    pub(super) fn own_words(&self) -> *mut Tls {
        // SAFETY: a field of a live object; nothing is read.
        unsafe { &raw mut (*self.own.get()).words }
    }

    pub(super) fn words(&self) -> *mut Tls {
        self.words.load(Relaxed)
    }

    /// Whether it is here for its child's sake only: its words are where FS leads to.
    pub(super) fn is_guest(&self) -> bool {
        self.words() == tls::of(self.storage.load(Relaxed))
    }

    /// Whether a thread sits here.
    fn is_there(&self) -> bool {
        matches!(self.state.load(Acquire), TAKEN | LEAVING)
    }

    /// Whether an address is on the stacks of whoever sits here.
    fn has_stack(&self, address: u64) -> bool {
        // SAFETY: the words of a seat with somebody on it. The block is not followed.
        let block = unsafe { (&raw const (*self.words()).block).read_volatile() };
        ThreadBlock::region_of(block).contains(&address)
    }

    /// Whether somebody sits here, or is about to, and will make calls.
    fn is_used_on(&self, storage: u64) -> bool {
        matches!(self.state.load(Acquire), EXPECTED | TAKEN)
            && self.storage.load(Relaxed) == storage
    }

    /// Whether it is a vfork child's, whose parent will need it.
    fn is_lent(&self) -> bool {
        self.state.load(Acquire) == TAKEN
            && self.is_owner.load(Relaxed)
            && self.parent.load(Relaxed) != 0
    }

    /// Frees the seat of a thread that the kernel no longer knows.
    pub(super) fn free_if_gone(&self) {
        let state = self.state.load(Acquire);
        let tid = self.tid.load(Relaxed);
        if matches!(state, FREE | CLAIMED)
            || tid == 0
            || self.is_lent()
            || !sys::process_is_gone(tid)
        {
            return;
        }
        if self.state.compare_exchange(state, CLAIMED, AcqRel, Relaxed).is_err() {
            return;
        }
        self.give_up_block(state);
        self.free();
    }

    /// Leaves the block of a thread that is gone for reuse. `state` is what the seat was.
    fn give_up_block(&self, state: u32) {
        // A last call has left the block already; an alias has none.
        if state != LEAVING && self.words() == self.own_words() {
            // SAFETY: its thread is gone, and the seat is ours.
            pool::leave_for_reuse(unsafe { (*self.own_words()).block });
        }
    }

    /// Nobody sits here any more.
    pub(super) fn free(&self) {
        self.tid.store(0, Relaxed);
        self.parent.store(0, Relaxed);
        self.state.store(FREE, Release);
    }

    /// Frees the seat of somebody who was not born, or has left it to its parent.
    pub(super) fn free_if_used(&self) {
        let state = self.state.load(Acquire);
        if matches!(state, EXPECTED | TAKEN)
            && self.state.compare_exchange(state, CLAIMED, AcqRel, Relaxed).is_ok()
        {
            if self.words() == self.own_words() {
                // SAFETY: nobody was born; the seat is ours.
                pool::give_back(unsafe { (*self.own_words()).block });
            }
            self.free();
        }
    }
}

/// Whether this process has ever had seats.
#[inline]
pub(crate) fn are_there() -> bool {
    !SEATS_MAPPED.load(Relaxed).is_null()
}

/// The words of the calling thread. Without a seat those on shared storage are nobody's:
/// there is no block.
#[cold]
#[inline(never)]
pub(crate) fn words_of_caller() -> *mut Tls {
    static mut NOBODY: Tls = Tls::NONE;
    let is_unreliable = tls::is_unreliable();
    let is_shared = !is_unreliable && is_storage_shared();
    match (is_unreliable || is_shared).then(of_caller).flatten() {
        Some(seat) => seat.words(),
        None if is_shared => &raw mut NOBODY,
        None => tls::of(tls::thread_pointer()),
    }
}

/// Whether the calling thread's words are in a seat.
pub(crate) fn is_caller_on_one() -> bool {
    are_there()
        && match tls::is_unreliable() {
            true => of_caller().is_some_and(|seat| !seat.is_guest()),
            false => is_storage_shared(),
        }
}

/// Whether the calling thread is on storage that the program has made.
#[inline(never)]
pub(crate) fn is_caller_foreign() -> bool {
    tls::is_unreliable() && of_caller().is_some_and(|seat| seat.is_foreign.load(Relaxed))
}

/// Hooks use nothing that a thread's storage has of libc's.
static HOOKS_ARE_LIBC_FREE: AtomicBool = AtomicBool::new(false);

/// Lets hooks run on storage that the program has made, or not.
#[cfg(feature = "capi")]
pub(crate) fn let_hooks_run_anywhere(may_run: bool) {
    HOOKS_ARE_LIBC_FREE.store(may_run, Relaxed);
}

/// Whether the calling thread is on storage on which a hook that may use libc must not
/// run. That is said once, and each time counted.
#[inline(always)]
pub(crate) fn lacks_libc_storage() -> bool {
    tls::is_unreliable() && !HOOKS_ARE_LIBC_FREE.load(Relaxed) && passes_hook_by()
}

#[cold]
#[inline(never)]
fn passes_hook_by() -> bool {
    static IS_SAID: AtomicBool = AtomicBool::new(false);
    if !is_caller_foreign() {
        return false;
    }
    if !IS_SAID.swap(true, Relaxed) && !sys::is_confined() {
        say(format_args!(
            "the program has threads on storage of its own; hooks that may use libc do not see them"
        ));
    }
    stat::count_lost_call();
    true
}

/// The calling thread's pointer.
pub(crate) fn storage_of_caller() -> u64 {
    let seat = if tls::is_unreliable() { of_caller() } else { None };
    seat.map_or_else(tls::thread_pointer, |seat| seat.storage.load(Relaxed))
}

/// Whether the calling thread, which is on storage of libc's, shares it.
fn is_storage_shared() -> bool {
    let own = tls::thread_pointer();
    // The mark goes when libc gives the storage to a new thread.
    // SAFETY: the calling thread's storage.
    let parked = unsafe { (&raw const (*tls::of(own)).parked).read_volatile() };
    parked & SHARED_MARK != 0 || are_known_on(own)
}

/// The calling thread's seat, if it has one.
fn of_caller() -> Option<&'static Seat> {
    let seats = known()?;
    let here = stack_pointer();
    let on_stack = seats.used().find(|seat| seat.is_there() && seat.has_stack(here));
    on_stack.or_else(|| seats.of_thread(sys::gettid()))
}

/// Whether there are others on the storage with this thread pointer, though the words
/// there need not say so.
fn are_known_on(thread_pointer: u64) -> bool {
    let here = stack_pointer();
    known().is_some_and(|seats| {
        seats.used().any(|seat| {
            let is_on = || {
                seat.storage.load(Relaxed) == thread_pointer
                    && seat.words() != tls::of(thread_pointer)
            };
            match seat.state.load(Acquire) {
                EXPECTED | TAKEN => is_on(),
                // Its storage may be another's by now.
                LEAVING => is_on() && seat.has_stack(here),
                _ => false,
            }
        })
    })
}

/// An address on the stack of the caller.
#[inline(always)]
fn stack_pointer() -> u64 {
    let rsp: u64;
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rsp", out(reg) rsp, options(nomem, nostack, preserves_flags))
    };
    rsp
}

/// A thread that is gone has left this block, which another will use.
pub(super) fn forget(block: *mut ThreadBlock) {
    for seat in known().into_iter().flat_map(Seats::used) {
        // SAFETY: the words of a seat that has been used.
        let is_its = unsafe { (&raw const (*seat.own_words()).block).read_volatile() } == block;
        if is_its && seat.state.compare_exchange(LEAVING, CLAIMED, AcqRel, Relaxed).is_ok() {
            seat.free();
        }
    }
}

/// Whether others use the storage with this thread pointer, which libc takes to be
/// free.
pub(crate) fn are_on(thread_pointer: u64) -> bool {
    known().is_some_and(|seats| {
        let mut used = seats.used().filter(|seat| seat.is_used_on(thread_pointer));
        used.any(|seat| {
            seat.free_if_gone();
            seat.is_used_on(thread_pointer)
        })
    })
}

/// A thread is about to be born. Where threads are told apart by their ids, frees the seats
/// of the dead, whose ids it may be given: those that made their last call, and processes, which others
/// can kill.
pub(crate) fn sweep() {
    if tls::is_unreliable() {
        let may_be_gone =
            |seat: &&Seat| seat.is_process.load(Relaxed) || seat.state.load(Relaxed) == LEAVING;
        known().into_iter().flat_map(Seats::used).filter(may_be_gone).for_each(Seat::free_if_gone);
    }
}

/// Whether somebody sits on one.
pub(crate) fn are_taken() -> bool {
    known().is_some_and(|seats| seats.used().any(|seat| seat.state.load(Relaxed) != FREE))
}

/// The pages with shared words that a range has some of, clipped to it.
pub(crate) fn pages_in(range: &Range<u64>) -> Option<Range<u64>> {
    let has_words =
        |seat: &&Seat| seat.state.load(Acquire) != FREE && !seat.is_foreign.load(Relaxed);
    known()?.used().filter(has_words).find_map(|seat| {
        let pages = tls::pages_of(seat.storage.load(Relaxed));
        let pages = pages.start.max(range.start)..pages.end.min(range.end);
        (!pages.is_empty()).then_some(pages)
    })
}

/// In a forked child: it is the only one.
pub(super) fn after_fork() {
    let Some((seats, tid)) = known().map(|seats| (seats, sys::gettid())) else {
        return;
    };
    let own = seats.of_thread(tid);
    // That of its parent, if its words are there: in the child they are its own.
    let parents =
        || seats.used().find(|seat| own.is_some_and(|own| seat.own_words() == own.words()));
    let stays = parents().or(own);
    if let (Some(stays), Some(own)) = (stays, own) {
        stays.tid.store(tid, Relaxed);
        stays.parent.store(0, Relaxed);
        stays.expects.store(0, Relaxed);
        stays.storage.store(own.storage.load(Relaxed), Relaxed);
        stays.is_foreign.store(own.is_foreign.load(Relaxed), Relaxed);
    }
    for seat in seats.used().filter(|seat| stays.is_none_or(|stays| !core::ptr::eq(*seat, stays))) {
        seat.state.store(FREE, Relaxed);
    }
}
