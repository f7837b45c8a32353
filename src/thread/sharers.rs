//! Threads that share thread storage.
//!
//! A program's own clone may make a thread that keeps its creator's FS base. Our
//! words are found through FS, so such threads would claim each other's levels.
//! Therefore, from before the birth of the first one, nobody on that storage has
//! levels there: the words in it say that all are parked, and every call takes
//! the careful way (`asm/entry.S`), which blocks signals first. There each of these
//! threads is told apart by its id, or by the private stack it is on, and finds
//! words of its own in a *seat*. It leaves by rt_sigreturn, which brings back its
//! registers and its mask in one step, so that nothing has to be released through FS.
//! Threads with other storage notice nothing.
//!
//! All signals are blocked across the birth itself, and the child's seat is taken
//! before; so a child is known before any handler of the program can run in it. It is
//! recognised by where it comes out: stub and stack pointer.
//!
//! The storage is its owner's, the thread that libc has made it for. When all others
//! are gone the owner's levels are made ready again. Sharers may outlive it; then
//! the pages with the words stay mapped, and a thread that libc makes on the same
//! storage again becomes a sharer.
//!
//! Forbidden here: locks. A seat changes hands by one compare-and-exchange.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::{ThreadBlock, lay_out, pool};
use crate::frame::SyscallFrame;
use crate::group::Expected;
use crate::lifecycle;
use crate::signal;
use crate::sys::{self, Mapping};
use crate::thunk;
use crate::tls::{self, LEVELS, PARKED_MARK, SHARED_MARK, Tls};

/// Threads that share storage at the same time, in a process.
const SEATS: usize = 512;

/// One of them.
#[repr(C, align(64))]
struct Seat {
    /// [`FREE`] and so on.
    state: AtomicU32,
    /// Its id; 0 while nobody knows it.
    tid: AtomicU32,
    /// Its thread pointer, which others have, too.
    storage: AtomicU64,
    /// Its words: `own`, or for the child of vfork and fork its parent's.
    words: AtomicPtr<Tls>,
    /// Who makes it, until that one has come out of the call.
    parent: AtomicU32,
    /// The child that it makes itself: its seat's index, plus one.
    expects: AtomicU32,
    /// Where it comes out of the call that makes it.
    anchor: AtomicU64,
    rsp: AtomicU64,
    /// What its parent has blocked, or, while it makes a child, itself.
    mask: AtomicU64,
    /// libc has made the storage for it.
    is_owner: AtomicBool,
    /// It is a process that runs on the memory of another.
    is_process: AtomicBool,
    own: UnsafeCell<Own>,
}

/// What only the thread on the seat uses, and its parent before its birth.
#[repr(C)]
struct Own {
    words: Tls,
    expected: Expected,
}

/// Nobody's.
const FREE: u32 = 0;
/// Somebody is filling it in.
const CLAIMED: u32 = 1;
/// For a thread that is about to be born.
const EXPECTED: u32 = 2;
/// A thread's.
const TAKEN: u32 = 3;
/// Of a thread that makes its last call.
const LEAVING: u32 = 4;

/// What stands for the result of a call that goes in.
pub(crate) const GOES_IN: u64 = u64::MAX;

/// All of a process; zeroes at first.
#[repr(C)]
struct Seats {
    /// Seats before this one have been used.
    used: AtomicU32,
    /// Calls, for what is not done at each.
    calls: AtomicU32,
    seats: [Seat; SEATS],
}

/// Null in a process in which storage has never been shared.
static SEATS_MAPPED: AtomicPtr<Seats> = AtomicPtr::new(core::ptr::null_mut());

fn known() -> Option<&'static Seats> {
    // SAFETY: set once, to a mapping that is never removed, of zeroes at first,
    // which are valid.
    unsafe { SEATS_MAPPED.load(Acquire).as_ref() }
}

fn make() -> Option<&'static Seats> {
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
    fn used(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().take(self.used.load(Acquire) as usize)
    }

    /// Takes a free seat.
    fn claim(&self) -> Option<&Seat> {
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
        seat.is_process.store(false, Relaxed);
        seat.words.store(seat.own_words(), Relaxed);
        Some(seat)
    }

    /// Frees the seats of whoever had the id before its owner of now.
    fn forget_thread(&self, tid: u32) {
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

    fn of_thread(&self, tid: u32) -> Option<&Seat> {
        self.used().find(|seat| seat.is_there() && seat.tid.load(Relaxed) == tid)
    }
}

impl Seat {
    fn own_words(&self) -> *mut Tls {
        // SAFETY: a field of a live object; nothing is read.
        unsafe { &raw mut (*self.own.get()).words }
    }

    fn words(&self) -> *mut Tls {
        self.words.load(Relaxed)
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

    /// Frees the seat of a thread that the kernel no longer knows.
    fn free_if_gone(&self) {
        let state = self.state.load(Acquire);
        let tid = self.tid.load(Relaxed);
        if matches!(state, FREE | CLAIMED) || tid == 0 || sys::process_exists(tid) {
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
    fn free(&self) {
        self.tid.store(0, Relaxed);
        self.parent.store(0, Relaxed);
        self.state.store(FREE, Release);
    }

    /// Frees the seat of somebody who was not born, or has left it to its parent.
    fn free_if_used(&self) {
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

/// The words of the calling thread, whose storage is shared. Without a seat they are
/// nobody's: there is no block.
#[cold]
pub(crate) fn words() -> *mut Tls {
    static mut NOBODY: Tls = Tls::NONE;
    let seat = known().and_then(|seats| {
        let here = stack_pointer();
        let on_stack = seats.used().find(|seat| seat.is_there() && seat.has_stack(here));
        on_stack.or_else(|| seats.of_thread(sys::gettid()))
    });
    seat.map_or(&raw mut NOBODY, Seat::words)
}

/// Whether there are sharers on the calling thread's storage, though the words there
/// need not say so.
#[inline]
pub(crate) fn are_known_on(thread_pointer: u64) -> bool {
    !SEATS_MAPPED.load(Relaxed).is_null() && are_found_on(thread_pointer)
}

#[cold]
fn are_found_on(thread_pointer: u64) -> bool {
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

/// Says in the words of the calling thread's storage that it is shared.
pub(super) fn mark_own_storage() {
    mark(tls::of(tls::thread_pointer()));
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

/// Whether there is any such thread.
pub(crate) fn are_there() -> bool {
    known().is_some_and(|seats| seats.used().any(|seat| seat.state.load(Relaxed) != FREE))
}

/// The pages with shared words that a range has some of, clipped to it.
pub(crate) fn pages_in(range: &Range<u64>) -> Option<Range<u64>> {
    known()?.used().filter(|seat| seat.state.load(Acquire) != FREE).find_map(|seat| {
        let pages = tls::pages_of(seat.storage.load(Relaxed));
        let pages = pages.start.max(range.start)..pages.end.min(range.end);
        (!pages.is_empty()).then_some(pages)
    })
}

/// What is about to be born.
pub(crate) struct Newborn {
    /// Its thread pointer.
    pub storage: u64,
    /// Where it comes out.
    pub anchor: u64,
    pub rsp: u64,
    /// It runs on its parent's words: the child of fork or vfork.
    pub is_alias: bool,
    pub is_process: bool,
    pub expected: Expected,
    /// What a thread is told of its place.
    pub token: u64,
}

/// Prepares the storage of the calling thread, and the one that it makes. Returns
/// false if there is no room.
pub(crate) fn expect(block: &mut ThreadBlock, frame: &mut SyscallFrame, newborn: &Newborn) -> bool {
    let Some(seats) = make() else {
        return false;
    };
    let shared = tls::of(tls::thread_pointer());
    let is_own = newborn.storage == tls::thread_pointer();
    let Some(child) = seats.claim() else {
        return false;
    };
    child.storage.store(newborn.storage, Relaxed);
    if newborn.is_alias {
        child.words.store(tls::current(), Relaxed);
    } else {
        let Ok(block) = pool::take() else {
            child.state.store(FREE, Release);
            return false;
        };
        // SAFETY: the seat is ours until it is expected.
        unsafe {
            let own = &mut *child.own.get();
            own.words = Tls::NONE;
            lay_out(block, &mut own.words);
            own.words.parked = PARKED_MARK | ((1 << LEVELS) - 1);
            own.words.birth = newborn.token;
            own.expected = newborn.expected;
        }
    }
    let mask = block.aside.hold_all();
    let Some(parent) = seat_of_parent(seats, block, frame, is_own, shared) else {
        child.state.store(EXPECTED, Release);
        child.free_if_used();
        block.aside.leave_with_mask(mask);
        return false;
    };
    if !is_own {
        // Whoever comes to this storage first must not find levels there.
        mark(tls::of(newborn.storage));
    }
    let index = seats.seats.iter().position(|seat| core::ptr::eq(seat, child));
    parent.mask.store(mask, Relaxed);
    parent.expects.store(index.map_or(0, |index| index as u32 + 1), Relaxed);
    child.parent.store(parent.tid.load(Relaxed), Relaxed);
    child.mask.store(mask, Relaxed);
    child.anchor.store(newborn.anchor, Relaxed);
    child.rsp.store(newborn.rsp, Relaxed);
    child.is_process.store(newborn.is_process, Relaxed);
    child.state.store(EXPECTED, Release);
    true
}

/// The calling thread's seat. If it has none, it gets one, and its storage is
/// shared from now on, unless only its child shares other storage.
fn seat_of_parent(
    seats: &'static Seats,
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    is_own: bool,
    shared: *mut Tls,
) -> Option<&'static Seat> {
    let tid = sys::gettid();
    if let Some(seat) = seats.of_thread(tid).filter(|seat| seat.words() == tls::current()) {
        return Some(seat);
    }
    seats.forget_thread(tid);
    let seat = seats.claim()?;
    seat.storage.store(tls::thread_pointer(), Relaxed);
    seat.tid.store(tid, Relaxed);
    seat.is_owner.store(true, Relaxed);
    if !is_own {
        seat.words.store(shared, Relaxed);
        seat.state.store(TAKEN, Release);
        return Some(seat);
    }
    thread_parks(frame);
    // SAFETY: this thread's own words, and signals are blocked; the seat is ours.
    unsafe {
        let own = &mut *seat.own.get();
        own.words = shared.read_volatile();
        own.words.block = block;
        seat.state.store(TAKEN, Release);
        mark(shared);
    }
    Some(seat)
}

/// Parks the levels of the calling thread, which is on one of them.
fn thread_parks(frame: &mut SyscallFrame) {
    super::park_levels();
    frame.leave = leave_address();
}

/// Says in the words of a storage that they are not those of one thread.
fn mark(words: *mut Tls) {
    // SAFETY: storage that libc has made room in. The block is not followed; it
    // only has to be there.
    unsafe {
        for level in 0..LEVELS {
            (&raw mut (*words).ready[level]).write_volatile(0);
        }
        // In this order: others look at the block in between (`asm/thunk.S`).
        (&raw mut (*words).parked).write_volatile(PARKED_MARK | SHARED_MARK);
        (&raw mut (*words).block).write_volatile(core::ptr::dangling_mut());
    }
}

unsafe extern "C" {
    /// `asm/entry.S`.
    static interceptor_leave_shared: u8;
}

fn leave_address() -> u64 {
    &raw const interceptor_leave_shared as u64
}

/// A call of a thread on shared storage, on the careful way: all signals are blocked,
/// `mask` were before, and `rsp` is the program's. `result` is 0 when a call comes
/// out with 0. Returns the frame on which the entry goes on, 1 for the thunk to be
/// tried, or 0 when the call is to go on without us.
pub(crate) fn enter(mask: u64, rsp: u64, anchor: u64, result: u64) -> u64 {
    let born = if result == 0 { adopt(rsp, anchor) } else { None };
    let mask = born.map_or(mask, |seat| seat.mask.load(Relaxed));
    let seat = born.or_else(|| known()?.of_thread(sys::gettid()));
    let frame = seat.and_then(|seat| {
        let words = seat.words();
        // SAFETY: the calling thread's own words and block.
        let block = unsafe { (*words).block.as_mut() }?;
        block.alternate = sys::alternate_stack();
        block.aside.complete_template();
        if is_alone(seat) {
            make_ready(seat);
            block.aside.leave_with(mask, &block.alternate);
            return Some(1);
        }
        let Some(level) = super::take_parked_level(words) else {
            block.end_without_leaving(mask);
            return Some(0);
        };
        block.aside.leave_with(mask, &block.alternate);
        // SAFETY: the level was free and is this thread's.
        unsafe {
            let frame = (*words).base[level] as *mut SyscallFrame;
            (*frame).anchor = anchor;
            (*frame).rsp = rsp;
            (*frame).block = block;
            (*frame).level = level as u64;
            (*frame).leave = leave_address();
            Some(frame as u64)
        }
    });
    frame.unwrap_or_else(|| {
        crate::stat::count_lost_call();
        signal::set_mask(mask);
        0
    })
}

/// The seat of the calling thread, if it comes out of the call that has made it.
fn adopt(rsp: u64, anchor: u64) -> Option<&'static Seat> {
    let seats = known()?;
    let is_it = |seat: &&Seat| {
        seat.state.load(Acquire) == EXPECTED
            && seat.storage.load(Relaxed) == tls::thread_pointer()
            && (seat.rsp.load(Relaxed), seat.anchor.load(Relaxed)) == (rsp, anchor)
    };
    let seat = seats.used().find(is_it)?;
    let tid = sys::gettid();
    seats.forget_thread(tid);
    seat.tid.store(tid, Relaxed);
    seat.state.compare_exchange(EXPECTED, TAKEN, AcqRel, Relaxed).ok()?;
    if seat.words() == seat.own_words() {
        // SAFETY: the calling thread's own, from here on.
        let (block, expected) =
            unsafe { (&mut *(*seat.own_words()).block, &(*seat.own.get()).expected) };
        block.tid = tid;
        // errno is its creator's, who uses it meanwhile: it is not to be put back.
        block.errno = core::ptr::null_mut();
        crate::stat::process_begin(block);
        let process = seat.is_process.load(Relaxed).then_some(expected);
        lifecycle::sharer_begins(block, process);
    }
    Some(seat)
}

/// Whether a thread owns its storage and nobody else uses it.
fn is_alone(own: &Seat) -> bool {
    /// Between two questions to the kernel.
    const CALLS: u32 = 8;
    // SAFETY: the calling thread's own words.
    let is_outside = unsafe { (*own.words()).parked } & ((1 << LEVELS) - 1) == (1 << LEVELS) - 1;
    let Some(seats) = known().filter(|_| is_outside && own.is_owner.load(Relaxed)) else {
        return false;
    };
    if seats.calls.fetch_add(1, Relaxed).is_multiple_of(CALLS) {
        seats.used().filter(|seat| !core::ptr::eq(*seat, own)).for_each(Seat::free_if_gone);
    }
    let storage = own.storage.load(Relaxed);
    // A birth under way needs the seat until it has come out.
    own.words() == own.own_words()
        && own.expects.load(Relaxed) == 0
        && seats.used().all(|seat| {
            let is_other = !core::ptr::eq(seat, own)
                && seat.state.load(Acquire) != FREE
                && seat.storage.load(Relaxed) == storage;
            !is_other
        })
}

/// The words of the calling thread go back to where they belong.
fn make_ready(own: &Seat) {
    let shared = tls::of(own.storage.load(Relaxed));
    // SAFETY: signals are blocked, and nobody else is on this storage.
    unsafe {
        let words = own.own_words();
        let frame = (*words).base[0] as *mut SyscallFrame;
        ((*frame).leave, (*frame).level) = (thunk::leave(0), 0);
        (&raw mut (*shared).base).write_volatile((*words).base);
        (&raw mut (*shared).block).write_volatile((*words).block);
        (&raw mut (*shared).lost).write_volatile((*words).lost);
        (&raw mut (*shared).birth).write_volatile((*words).birth);
        (&raw mut (*shared).parked).write_volatile(0);
        for level in 0..LEVELS {
            (&raw mut (*shared).ready[level]).write_volatile(1);
        }
    }
    own.free();
}

/// A birth came out in the parent: with the child's id, or an error.
pub(crate) fn came_out(block: &mut ThreadBlock, result: i64, is_alias: bool) {
    let tid = sys::gettid();
    let Some((seats, own)) = known().and_then(|seats| Some((seats, seats.of_thread(tid)?))) else {
        return;
    };
    let Some(index) = own.expects.swap(0, Relaxed).checked_sub(1) else {
        return;
    };
    block.aside.leave_with_mask(own.mask.load(Relaxed));
    let child = &seats.seats[index as usize % SEATS];
    // Unless it is somebody else's by now.
    if child.parent.compare_exchange(tid, 0, AcqRel, Relaxed).is_ok() {
        if result < 0 || is_alias {
            child.free_if_used();
        } else {
            let _ = child.tid.compare_exchange(0, result as u32, Relaxed, Relaxed);
        }
    }
    if own.words() == tls::of(own.storage.load(Relaxed)) {
        // It was here for the child's sake only.
        own.free();
    }
}

/// The calling thread makes its last call.
pub(crate) fn leaves() {
    if let Some(seat) = known().and_then(|seats| seats.of_thread(sys::gettid())) {
        let _ = seat.state.compare_exchange(TAKEN, LEAVING, AcqRel, Relaxed);
    }
}

/// In a forked child: it is the only one on its storage.
pub(super) fn after_fork() {
    let Some((seats, tid)) = known().map(|seats| (seats, sys::gettid())) else {
        return;
    };
    let words = seats.of_thread(tid).map(Seat::words);
    for seat in seats.used() {
        if Some(seat.own_words()) == words {
            seat.tid.store(tid, Relaxed);
            seat.parent.store(0, Relaxed);
            seat.expects.store(0, Relaxed);
        } else {
            seat.state.store(FREE, Relaxed);
        }
    }
}
