//! What the program installed where the kernel has a handler of ours.
//!
//! The kernel is the only one that knows which action of a signal is in force:
//! it decides between threads that set it at once, resets it (`SA_RESETHAND`),
//! and copies it to processes that share our memory (vfork). So the table says
//! only what our handler stands for. Each signal has a few *versions* of it, at
//! addresses of their own (`entry`); an action that the program installs
//! gets a version first, and the kernel the version's address then. What a
//! delivered signal or an answer of the kernel names is thus never half of one
//! action and half of another.
//!
//! An action that was installed before gets the version it had. When all are
//! taken, one that is neither in force nor about to be is given away. A vfork
//! child has versions for itself: what it gives away might be in force in its
//! parent.

use core::ops::Range;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use syscalls::{Errno, Sysno, syscall};

use super::entry::{self, VERSIONS, version_of};
use super::{SIGNALS, SigAction};
use crate::sys;

/// Of the versions those that vfork children may take; no one else.
const CHILDS: Range<usize> = 6..VERSIONS;
/// Those for everybody else.
const OWN: Range<usize> = 0..CHILDS.start;

/// Nothing is stored.
const FREE: u32 = 0;
/// Somebody stores an action.
const WRITING: u32 = 1;
/// An action is stored; the rest of the word counts who needs it to stay.
const READY: u32 = 2;
const PIN: u32 = 4;

/// How often a version is looked for while others take them all.
const TRIES: usize = 100;

struct Slot {
    state: AtomicU32,
    words: [AtomicU64; 4],
}

#[unsafe(link_section = ".bss.tables")]
static TABLE: [[Slot; VERSIONS]; SIGNALS] = [const {
    [const { Slot { state: AtomicU32::new(FREE), words: [const { AtomicU64::new(0) }; 4] } };
        VERSIONS]
}; SIGNALS];

/// Where the search for a version to give away begins.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A version of a signal's action that stays while this exists.
pub(super) struct Version {
    slot: &'static Slot,
    index: usize,
}

impl Version {
    /// The handler for the kernel.
    pub(super) fn handler(&self) -> u64 {
        entry::of(self.index)
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.slot.state.fetch_sub(PIN, Release);
    }
}

/// The action that a version of a signal stands for.
pub(super) fn get(signal: u64, version: usize) -> SigAction {
    match slots(signal).and_then(|slots| slots.get(version)) {
        Some(slot) => slot.read(),
        None => SigAction::default(),
    }
}

/// Whether our handler may be installed for a signal, in this process or one
/// that shares its memory.
pub(super) fn is_used(signal: u64) -> bool {
    slots(signal).is_some_and(has_any)
}

fn has_any(slots: &[Slot; VERSIONS]) -> bool {
    [OWN.start, CHILDS.start].iter().any(|first| slots[*first].state.load(Relaxed) != FREE)
}

/// Finds a version for an action of a signal that exists. `is_vfork_child`: the
/// handlers are not those of the process that the memory belongs to.
pub(super) fn add(signal: u64, action: &SigAction, is_vfork_child: bool) -> sys::Result<Version> {
    let slots = slots(signal).ok_or(Errno::EINVAL)?;
    let range = if is_vfork_child { CHILDS } else { OWN };
    for _ in 0..TRIES {
        let found = find(slots, action)
            .or_else(|| claim_free(slots, range.clone(), action))
            .or_else(|| claim_unused(slots, range.clone(), signal, action));
        if let Some(index) = found {
            return Ok(Version { slot: &slots[index], index });
        }
    }
    Err(Errno::EAGAIN)
}

fn find(slots: &[Slot; VERSIONS], action: &SigAction) -> Option<usize> {
    slots.iter().position(|slot| {
        let state = slot.state.load(Acquire);
        if state & READY == 0 || slot.read() != *action {
            return false;
        }
        if slot.state.compare_exchange(state, state + PIN, Acquire, Relaxed).is_err() {
            return false;
        }
        // It may have been given away and have come back to the same state.
        let is_same = slot.read() == *action;
        if !is_same {
            slot.state.fetch_sub(PIN, Release);
        }
        is_same
    })
}

fn claim_free(
    slots: &[Slot; VERSIONS],
    mut range: Range<usize>,
    action: &SigAction,
) -> Option<usize> {
    range.find(|index| {
        let slot = &slots[*index];
        let is_ours = slot.state.compare_exchange(FREE, WRITING, Acquire, Relaxed).is_ok();
        if is_ours {
            slot.write(action);
        }
        is_ours
    })
}

fn claim_unused(
    slots: &[Slot; VERSIONS],
    range: Range<usize>,
    signal: u64,
    action: &SigAction,
) -> Option<usize> {
    let first = NEXT.fetch_add(1, Relaxed) as usize % range.len();
    let (before, behind) = (range.start..range.start + first, range.start + first..range.end);
    behind.chain(before).find(|index| {
        let slot = &slots[*index];
        if slot.state.compare_exchange(READY, WRITING, Acquire, Relaxed).is_err() {
            return false;
        }
        // Nobody is about to install it now; somebody may have before.
        let is_in_force = version_in_force(signal) == Some(*index);
        if is_in_force {
            slot.state.store(READY, Release);
        } else {
            slot.write(action);
        }
        !is_in_force
    })
}

fn version_in_force(signal: u64) -> Option<usize> {
    let mut action = SigAction::default();
    let none: *const SigAction = core::ptr::null();
    // SAFETY: the kernel writes one structure.
    let asked = unsafe { syscall!(Sysno::rt_sigaction, signal, none, &raw mut action, 8) };
    asked.ok().and_then(|_| version_of(action.handler))
}

/// In a forked child: threads of the parent that were about to install an
/// action do not exist here.
pub(crate) fn after_fork() {
    for slot in TABLE.iter().filter(|slots| has_any(slots)).flatten() {
        if slot.state.load(Relaxed) != FREE {
            // One that was being written holds some action, as good as any.
            slot.state.store(READY, Relaxed);
        }
    }
}

impl Slot {
    fn read(&self) -> SigAction {
        let [handler, flags, restorer, mask] = &self.words;
        SigAction {
            handler: handler.load(Relaxed),
            flags: flags.load(Relaxed),
            restorer: restorer.load(Relaxed),
            mask: mask.load(Relaxed),
        }
    }

    /// Stores an action and pins it.
    fn write(&self, action: &SigAction) {
        for (to, from) in self.words.iter().zip(action.words()) {
            to.store(from, Relaxed);
        }
        self.state.store(READY + PIN, Release);
    }
}

fn slots(signal: u64) -> Option<&'static [Slot; VERSIONS]> {
    TABLE.get(usize::try_from(signal).ok()?.checked_sub(1)?)
}
