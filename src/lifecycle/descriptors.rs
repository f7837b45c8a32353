//! Descriptors of ours, which the program must neither close nor use.
//!
//! To the program they behave as if they were not open: what it wants to put
//! at one of their numbers it gets there, and ours moves. A vfork child has descriptors of its
//! own and shares our memory with its parent, so its block says where it has moved them; as that
//! of a thread that shares its own no more.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use interceptor_abi::env;
use syscalls::{Errno, Sysno, syscall};

use super::Step;
use crate::group;
use crate::interest::{self, LIFECYCLE};
use crate::sys;
use crate::thread::ThreadBlock;

/// How many there may be.
const KINDS: usize = if cfg!(feature = "drop_in") { 3 } else { 2 };

/// What a descriptor of ours is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Trace lines go there.
    Trace,
    /// It is the group segment.
    Segment,
    /// The log of libsyscall_intercept's users goes there.
    #[cfg(feature = "drop_in")]
    Log,
}

impl Kept {
    const ALL: [Self; KINDS] = [
        Self::Trace,
        Self::Segment,
        #[cfg(feature = "drop_in")]
        Self::Log,
    ];

    /// The variable that tells the next image its number, if it is to have it.
    const fn variable(self) -> Option<&'static str> {
        match self {
            Self::Trace => Some(env::TRACE_FD),
            Self::Segment => Some(env::SEGMENT_FD),
            // Each image opens its own.
            #[cfg(feature = "drop_in")]
            Self::Log => None,
        }
    }

    /// Its number in the process, -1 without one.
    fn number(self) -> &'static AtomicI32 {
        static NUMBERS: [AtomicI32; KINDS] = [const { AtomicI32::new(-1) }; KINDS];
        &NUMBERS[self as usize]
    }
}

/// The numbers to which a process on its parent's memory, or a thread with descriptors of its
/// own, has moved ours; 0 for those that are where the others have them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub(crate) struct Moved([i32; KINDS]);

impl Moved {
    fn number(self, kept: Kept) -> i32 {
        match self.0[kept as usize] {
            0 => kept.number().load(Relaxed),
            moved => moved,
        }
    }
}

impl ThreadBlock {
    /// The number of a descriptor of ours, in the process that runs on this block; -1 without
    /// one.
    pub(crate) fn descriptor(&self, kept: Kept) -> i32 {
        self.moved.number(kept)
    }

    fn descriptors(&self) -> impl Iterator<Item = u32> {
        let moved = self.moved;
        Kept::ALL.into_iter().filter_map(move |kept| u32::try_from(moved.number(kept)).ok())
    }

    fn has(&self, fd: u64) -> bool {
        self.descriptors().any(|kept| kept == fd as u32)
    }

    /// The calling thread does not share its descriptors any more.
    pub(super) fn unshare_descriptors(&mut self) {
        if self.depth > 0 {
            return;
        }
        self.shares_descriptors = false;
        // Of the only thread all that come after it have them.
        self.has_own_descriptors |= group::TGSTAT.nr_local_thread.load(Relaxed) > 1;
    }

    /// In a forked child: this memory is its own, so all of it says where its descriptors are.
    pub(super) fn settle_descriptors(&mut self) {
        self.has_own_descriptors = false;
        for (kept, moved) in Kept::ALL.into_iter().zip(core::mem::take(&mut self.moved).0) {
            if moved != 0 {
                kept.number().store(moved, Relaxed);
            }
        }
    }
}

/// The number of a descriptor of ours where no block is known; -1 without one.
pub(crate) fn first_descriptor(kept: Kept) -> i32 {
    kept.number().load(Relaxed)
}

/// Takes a descriptor out of the program's reach.
pub(crate) fn keep(kept: Kept, fd: i32) {
    kept.number().store(fd, Relaxed);
    for sysno in CALLS {
        interest::add(sysno as usize, LIFECYCLE);
    }
}

/// Calls that tell whether a descriptor is open, or change that.
const CALLS: [Sysno; 9] = [
    Sysno::close,
    Sysno::close_range,
    Sysno::dup,
    Sysno::dup2,
    Sysno::dup3,
    Sysno::fcntl,
    Sysno::fstat,
    Sysno::newfstatat,
    Sysno::statx,
];

/// The variables that tell the next image of our descriptors, and their values.
pub(super) fn variables(block: &ThreadBlock) -> impl Iterator<Item = (&'static str, u32)> {
    let of_kept =
        |kept: Kept| Some((kept.variable()?, u32::try_from(block.descriptor(kept)).ok()?));
    Kept::ALL.into_iter().filter_map(of_kept)
}

/// Whether a call is of interest only for descriptors that it names, none of them ours. Asked
/// in the first stage of a call.
#[inline]
pub(super) fn are_others(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> bool {
    const CLOSE: u32 = Sysno::close as u32;
    const DUP: u32 = Sysno::dup as u32;
    const DUP2: u32 = Sysno::dup2 as u32;
    const DUP3: u32 = Sysno::dup3 as u32;
    const FCNTL: u32 = Sysno::fcntl as u32;
    const FSTAT: u32 = Sysno::fstat as u32;
    const NEWFSTATAT: u32 = Sysno::newfstatat as u32;
    const STATX: u32 = Sysno::statx as u32;
    match nr as u32 {
        CLOSE | DUP | FCNTL | FSTAT | NEWFSTATAT | STATX => !block.has(args[0]),
        DUP2 | DUP3 => !block.has(args[0]) && !block.has(args[1]),
        _ => false,
    }
}

/// A call that names descriptors.
pub(super) fn enter(block: &mut ThreadBlock, sysno: Sysno, args: &[u64; 6]) -> Step {
    match sysno {
        Sysno::close | Sysno::dup | Sysno::dup2 | Sysno::dup3 | Sysno::fcntl | Sysno::fstat
            if block.has(args[0]) =>
        {
            bad_descriptor()
        }
        Sysno::newfstatat if names_kept(block, args, args[3]) => bad_descriptor(),
        Sysno::statx if names_kept(block, args, args[2]) => bad_descriptor(),
        Sysno::dup2 | Sysno::dup3 if block.has(args[1]) => make_room(block, args),
        Sysno::close_range => close_range(block, args),
        _ => Step::Forward,
    }
}

/// The program duplicates a descriptor to the number of one of ours.
fn make_room(block: &mut ThreadBlock, args: &[u64; 6]) -> Step {
    let would_be_forgotten = block.shares_descriptors || !block.parent_is_noted();
    if sys::is_confined() || would_be_forgotten || !sys::is_open(args[0] as i32) {
        return bad_descriptor();
    }
    for kept in Kept::ALL {
        if block.descriptor(kept) as u32 == args[1] as u32 {
            let Ok(fd) = sys::duplicate_above(args[1] as i32, args[1] as i32) else {
                return bad_descriptor();
            };
            if block.depth > 0 || block.has_own_descriptors {
                block.moved.0[kept as usize] = fd;
            } else {
                kept.number().store(fd, Relaxed);
            }
        }
    }
    Step::Forward
}

/// Whether a call with a descriptor, a path and flags is about one of ours itself,
/// or what is below it.
fn names_kept(block: &ThreadBlock, args: &[u64; 6], flags: u64) -> bool {
    const AT_EMPTY_PATH: u64 = 0x1000;
    let mut first = [0];
    block.has(args[0])
        && match sys::read_guest(args[1], &mut first) {
            // Nothing can be read: newer kernels take that for an empty path.
            0 => flags & AT_EMPTY_PATH != 0 && args[1] == 0,
            _ => first[0] != b'/' && (first[0] != 0 || flags & AT_EMPTY_PATH != 0),
        }
}

/// Closes the pieces of the range between our descriptors.
fn close_range(block: &mut ThreadBlock, args: &[u64; 6]) -> Step {
    const CLOSE_RANGE_UNSHARE: u32 = 2;
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    let (mut first, last) = (args[0] as u32, args[1] as u32);
    if first <= last && args[2] as u32 & !CLOSE_RANGE_CLOEXEC == CLOSE_RANGE_UNSHARE {
        block.unshare_descriptors();
    }
    if first > last || !block.descriptors().any(|fd| (first..=last).contains(&fd)) {
        return Step::Forward;
    }
    // Begins at a number that no descriptor has: flags count also where nothing is left to close.
    let (mut piece, mut is_last) = (Some((u32::MAX, u32::MAX)), false);
    loop {
        if let Some((first, end)) = piece
            // SAFETY: the call the program made, on a part of its range.
            && let Err(error) = unsafe { syscall!(Sysno::close_range, first, end, args[2]) }
        {
            return Step::Answer(-i64::from(error.into_raw()));
        }
        if is_last {
            return Step::Answer(0);
        }
        let next = block.descriptors().filter(|fd| (first..=last).contains(fd)).min();
        let piece_end = next.map_or(Some(last), |fd| fd.checked_sub(1));
        piece = piece_end.filter(|end| *end >= first).map(|end| (first, end));
        is_last = next.is_none_or(|fd| fd >= last);
        first = next.map_or(last, |fd| fd.saturating_add(1));
    }
}

fn bad_descriptor() -> Step {
    Step::Answer(-i64::from(Errno::EBADF.into_raw()))
}
