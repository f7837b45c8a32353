//! Threads that share thread storage.
//!
//! A program's own clone may make a thread that keeps its creator's FS base. Our
//! words are found through FS, so such threads would claim each other's levels.
//! Therefore, from before the birth of the first one, nobody on that storage has
//! levels there: the words in it say that all are parked, and every call takes
//! the careful way (`asm/entry.S`), which blocks signals first. There each of these
//! threads finds words of its own in its seat (`seats`). It leaves by rt_sigreturn,
//! which brings back its registers and its mask in one step, so that nothing has to be
//! released through FS.
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
//! Forbidden here: locks.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::seats::{EXPECTED, FREE, LEAVING, SEATS, Seat, Seats, TAKEN, known, make};
use super::{ThreadBlock, lay_out, pool, seats};
use crate::frame::SyscallFrame;
use crate::group::Expected;
use crate::lifecycle;
use crate::patch;
use crate::signal;
use crate::sys;
use crate::thunk;
use crate::tls::{self, LEVELS, PARKED_MARK, SHARED_MARK, Tls};

/// What stands for the result of a call that goes in.
pub(crate) const GOES_IN: u64 = u64::MAX;

/// Says in the words of the calling thread's storage that it is shared.
pub(super) fn mark_own_storage() {
    mark(tls::of(tls::thread_pointer()));
}

/// What is about to be born.
pub(crate) struct Newborn {
    /// Its thread pointer.
    pub storage: u64,
    /// Where it comes out.
    pub anchor: u64,
    pub rsp: u64,
    /// The program has made that storage.
    pub is_foreign: bool,
    /// It runs on its parent's words: the child of fork or vfork.
    pub is_alias: bool,
    pub is_process: bool,
    /// It has its parent's descriptors, as threads have.
    pub shares_descriptors: bool,
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
    if newborn.is_foreign && !make_unreliable() {
        return false;
    }
    let own = seats::storage_of_caller();
    let is_own = newborn.storage == own;
    let Some(child) = seats.claim() else {
        return false;
    };
    child.storage.store(newborn.storage, Relaxed);
    child.is_foreign.store(newborn.is_foreign, Relaxed);
    if newborn.is_alias {
        child.words.store(tls::current(), Relaxed);
    } else {
        let Ok(taken) = pool::take(block.tid) else {
            child.state.store(FREE, Release);
            return false;
        };
        // SAFETY: the seat and the block are ours until it is expected.
        unsafe {
            (*taken).moved = block.moved;
            (*taken).shares_descriptors = newborn.is_process && newborn.shares_descriptors;
            let own = &mut *child.own.get();
            own.words = Tls::NONE;
            lay_out(taken, &mut own.words);
            own.words.parked = PARKED_MARK | ((1 << LEVELS) - 1);
            own.words.birth = newborn.token;
            own.expected = newborn.expected;
        }
    }
    let mask = block.aside.hold_all();
    let Some(parent) = seat_of_parent(seats, block, frame, own, is_own) else {
        child.state.store(EXPECTED, Release);
        child.free_if_used();
        block.aside.leave_with_mask(mask);
        return false;
    };
    if !is_own && !newborn.is_foreign {
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
    storage: u64,
    is_own: bool,
) -> Option<&'static Seat> {
    let tid = sys::gettid();
    if let Some(seat) = seats.of_thread(tid).filter(|seat| seat.words() == tls::current()) {
        return Some(seat);
    }
    seats.forget_thread(tid);
    let seat = seats.claim()?;
    let shared = tls::of(storage);
    seat.storage.store(storage, Relaxed);
    seat.tid.store(tid, Relaxed);
    seat.is_owner.store(true, Relaxed);
    if !is_own {
        seat.words.store(shared, Relaxed);
        seat.state.store(TAKEN, Release);
        return Some(seat);
    }
    seat.parent.store(block.parent_of(tid), Relaxed);
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

/// From now on nobody believes what FS leads to. Returns false if that cannot be.
#[cold]
fn make_unreliable() -> bool {
    tls::become_unreliable() || patch::divert_all().is_ok()
}

/// Parks the levels of the calling thread, which is on one of them.
fn thread_parks(frame: &mut SyscallFrame) {
    super::park_levels();
    leave_released(frame);
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

/// The call leaves a level that is released before.
pub(crate) fn leave_released(frame: &mut SyscallFrame) {
    frame.leave = leave_address();
}

fn leave_address() -> u64 {
    &raw const interceptor_leave_shared as u64
}

/// A call of a thread with a seat, on the careful way: all signals are blocked,
/// `mask` were before, and `rsp` is the program's. `result` is 0 when a call comes
/// out with 0. Returns the frame on which the entry goes on, 1 for the thunk to be
/// tried, or 0 when the call is to go on without us; `None` if it has no seat and needs
/// none.
pub(crate) fn enter(mask: u64, rsp: u64, anchor: u64, result: u64) -> Option<u64> {
    let born = if result == 0 { adopt(rsp, anchor) } else { None };
    let mask = born.map_or(mask, |seat| seat.mask.load(Relaxed));
    let seat = born.or_else(|| known()?.of_thread(sys::gettid()));
    if tls::is_unreliable() && seat.is_none_or(Seat::is_guest) {
        return None;
    }
    let frame = seat.and_then(|seat| {
        let words = seat.words();
        // SAFETY: the calling thread's own words and block.
        let block = unsafe { (*words).block.as_mut() }?;
        let block = block.with_own_signals();
        if result != GOES_IN {
            lifecycle::comes_out_carefully(block, rsp, anchor, result);
        }
        block.note_alternate();
        block.aside.complete_template();
        if is_alone(seat) {
            make_ready(seat);
            block.aside.leave_with(mask, &block.alternate);
            return Some(1);
        }
        let (leave, let_in) = (|_| leave_address(), block.holds_to_put_away(rsp, None));
        let Some(frame) = super::take_level_for(words, block, anchor, rsp, leave) else {
            block.end_without_leaving(mask);
            return Some(0);
        };
        block.aside.leave_with(mask, &block.alternate);
        Some(block.puts_away(frame, let_in))
    });
    Some(frame.unwrap_or_else(|| {
        crate::stat::count_lost_call();
        signal::set_mask(mask);
        0
    }))
}

/// The seat of the calling thread, if it comes out of the call that has made it.
fn adopt(rsp: u64, anchor: u64) -> Option<&'static Seat> {
    let seats = known()?;
    let is_it = |seat: &&Seat| {
        seat.state.load(Acquire) == EXPECTED
            && (tls::is_unreliable() || seat.storage.load(Relaxed) == tls::thread_pointer())
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
        // A vfork child may have left its own.
        (&raw mut (*shared).identity).copy_from(&raw const (*words).identity, 1);
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
    if own.is_guest() {
        own.free();
    }
}

/// The calling thread is about to make other storage its own. Returns false if there is
/// no room.
pub(crate) fn takes(storage: u64) -> bool {
    let Some(seats) = make().filter(|_| make_unreliable()) else {
        return false;
    };
    let tid = sys::gettid();
    let seat = seats.of_thread(tid).or_else(|| {
        let seat = seats.claim()?;
        let own = tls::thread_pointer();
        seat.storage.store(own, Relaxed);
        seat.words.store(tls::of(own), Relaxed);
        seat.tid.store(tid, Relaxed);
        seat.state.store(TAKEN, Release);
        Some(seat)
    });
    // If it is that where its words are, it is on it only afterwards.
    if seat.is_some_and(|seat| seat.words() != tls::of(storage)) {
        took(storage);
    }
    seat.is_some()
}

/// The calling thread is on this storage from now on.
pub(crate) fn took(storage: u64) {
    if let Some(seat) = known().and_then(|seats| seats.of_thread(sys::gettid())) {
        seat.storage.store(storage, Relaxed);
        seat.is_foreign.store(!seat.is_guest(), Relaxed);
    }
}

/// The calling thread makes its last call.
pub(crate) fn leaves() {
    if let Some(seat) = known().and_then(|seats| seats.of_thread(sys::gettid())) {
        let _ = seat.state.compare_exchange(TAKEN, LEAVING, AcqRel, Relaxed);
    }
}
