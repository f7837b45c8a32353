//! Descriptors of ours, which the program must neither close nor use.
//!
//! To the program they behave as if they were not open.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use super::Step;
use crate::interest::{self, LIFECYCLE};

/// Descriptors that can be kept: the trace's and the segment's.
static KEPT: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];

/// Takes a descriptor out of the program's reach.
pub(crate) fn keep(fd: i32) {
    let Some(slot) = KEPT.iter().find(|slot| slot.load(Relaxed) < 0) else {
        return;
    };
    slot.store(fd, Relaxed);
    for sysno in [Sysno::close, Sysno::dup2, Sysno::dup3, Sysno::close_range, Sysno::fcntl] {
        interest::add(sysno as usize, LIFECYCLE);
    }
}

/// A call that names descriptors.
pub(super) fn enter(sysno: Sysno, args: &[u64; 6]) -> Step {
    match sysno {
        Sysno::close | Sysno::fcntl if is_kept(args[0]) => bad_descriptor(),
        Sysno::dup2 | Sysno::dup3 if is_kept(args[0]) || is_kept(args[1]) => bad_descriptor(),
        Sysno::close_range => close_range(args),
        _ => Step::Forward,
    }
}

/// Closes the pieces of the range between our descriptors.
fn close_range(args: &[u64; 6]) -> Step {
    let (mut first, last) = (args[0] as u32, args[1] as u32);
    if first > last || !kept().any(|fd| (first..=last).contains(&fd)) {
        return Step::Forward;
    }
    loop {
        let next = kept().filter(|fd| (first..=last).contains(fd)).min();
        let piece_end = next.map_or(Some(last), |fd| fd.checked_sub(1));
        if let Some(end) = piece_end.filter(|end| *end >= first) {
            // SAFETY: the call the program made, on a part of its range.
            if let Err(error) = unsafe { syscall!(Sysno::close_range, first, end, args[2]) } {
                return Step::Answer(-i64::from(error.into_raw()));
            }
        }
        match next {
            Some(fd) if fd < last => first = fd + 1,
            _ => return Step::Answer(0),
        }
    }
}

fn is_kept(fd: u64) -> bool {
    kept().any(|kept| kept == fd as u32)
}

fn kept() -> impl Iterator<Item = u32> {
    KEPT.iter().filter_map(|slot| u32::try_from(slot.load(Relaxed)).ok())
}

fn bad_descriptor() -> Step {
    Step::Answer(-i64::from(Errno::EBADF.into_raw()))
}
