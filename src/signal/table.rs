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
//!
//! A vfork child may be killed at any instruction, and its parent goes on. So what it
//! holds has its id on it, and is anybody's again when the kernel no longer knows that.

use core::ops::Range;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

use syscalls::{Errno, Sysno, syscall};

use super::defer::bit;
use super::entry::{self, VERSIONS, version_of};
use super::{SIGNALS, SigAction};
use crate::{sys, tls};

/// Of the versions those that vfork children may take; no one else.
const CHILDS: Range<usize> = 6..VERSIONS;
/// Those for everybody else.
const OWN: Range<usize> = 0..CHILDS.start;

/// Nothing is stored.
const FREE: u32 = 0;
/// Somebody stores an action; of a vfork child the rest of the word is the id.
const WRITING: u32 = 1;
/// An action is stored; the rest of the word counts who needs it to stay.
const READY: u32 = 2;
const PIN: u32 = 4;
/// What the rest of the word is to be multiplied by.
const REST: u32 = 4;

/// How often a version is looked for while others take them all.
const TRIES: usize = 100;

struct Slot {
    state: AtomicU32,
    /// The vfork child that needs it to stay, too; 0 for none.
    child: AtomicU32,
    words: [AtomicU64; 4],
}

/// Who installs an action.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The process that the memory belongs to.
    Process,
    /// A vfork child with this id, whose handlers are not that one's.
    VforkChild(u32),
}

impl By {
    /// The caller, be it a vfork child or not, with versions for such.
    pub(super) fn caller_alone() -> Self {
        Self::VforkChild(tls::tid())
    }
}

#[unsafe(link_section = ".bss.tables")]
static TABLE: [[Slot; VERSIONS]; SIGNALS] = [const {
    [const {
        Slot {
            state: AtomicU32::new(FREE),
            child: AtomicU32::new(0),
            words: [const { AtomicU64::new(0) }; 4],
        }
    }; VERSIONS]
}; SIGNALS];

/// Bits of the signals that have had a version. A forked child looks here, so that it
/// need not touch the pages of the table.
static HAVE_VERSIONS: AtomicU64 = AtomicU64::new(0);

/// Where the search for a version to give away begins.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A version of a signal's action that stays while this exists.
pub(super) struct Version {
    slot: &'static Slot,
    index: usize,
    by: By,
}

impl Version {
    /// The handler for the kernel.
    pub(super) fn handler(&self) -> u64 {
        entry::of(self.index)
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.slot.unpin(self.by);
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
    slots(signal).is_some() && HAVE_VERSIONS.load(Relaxed) & bit(signal as u32) != 0
}

/// Finds a version for an action of a signal that exists.
pub(super) fn add(signal: u64, action: &SigAction, by: By) -> sys::Result<Version> {
    let slots = slots(signal).ok_or(Errno::EINVAL)?;
    if !is_used(signal) {
        HAVE_VERSIONS.fetch_or(bit(signal as u32), Relaxed);
    }
    let range = if by == By::Process { OWN } else { CHILDS };
    for _ in 0..TRIES {
        let found = find(slots, action, by)
            .or_else(|| claim_free(slots, range.clone(), action, by))
            .or_else(|| claim_unused(slots, range.clone(), signal, action, by));
        if let Some(index) = found {
            return Ok(Version { slot: &slots[index], index, by });
        }
    }
    Err(Errno::EAGAIN)
}

fn find(slots: &[Slot; VERSIONS], action: &SigAction, by: By) -> Option<usize> {
    slots.iter().position(|slot| {
        let state = slot.state.load(Acquire);
        if state & READY == 0 || slot.read() != *action || !slot.pin(state, by) {
            return false;
        }
        // It may have been given away and have come back to the same state.
        let is_same = slot.state.load(SeqCst) & READY != 0 && slot.read() == *action;
        if !is_same {
            slot.unpin(by);
        }
        is_same
    })
}

fn claim_free(
    slots: &[Slot; VERSIONS],
    mut range: Range<usize>,
    action: &SigAction,
    by: By,
) -> Option<usize> {
    range.find(|index| {
        let slot = &slots[*index];
        slot.claim(FREE, by) && slot.write(action, by, FREE)
    })
}

fn claim_unused(
    slots: &[Slot; VERSIONS],
    range: Range<usize>,
    signal: u64,
    action: &SigAction,
    by: By,
) -> Option<usize> {
    let first = NEXT.fetch_add(1, Relaxed) as usize % range.len();
    let (before, behind) = (range.start..range.start + first, range.start + first..range.end);
    behind.chain(before).find(|index| {
        let slot = &slots[*index];
        let state = slot.state.load(Relaxed);
        let may_claim = state == READY || is_of_dead_writer(state);
        if !may_claim || !slot.claim(state, by) {
            return false;
        }
        // Nobody is about to install it now; somebody may have before.
        let child = slot.child.load(SeqCst);
        if child != 0 && is_alive(child) || version_in_force(signal) == Some(*index) {
            slot.state.store(READY, Release);
            return false;
        }
        slot.write(action, by, READY)
    })
}

/// Whether this is the state of a slot that a vfork child was about to write when it was
/// killed.
fn is_of_dead_writer(state: u32) -> bool {
    let writer = state / REST;
    state & WRITING != 0 && writer != 0 && !is_alive(writer)
}

fn is_alive(tid: u32) -> bool {
    !sys::process_is_gone(tid)
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
    let used = (1..=SIGNALS as u64).filter(|signal| is_used(*signal));
    for slot in used.filter_map(slots).flatten() {
        if slot.state.load(Relaxed) != FREE {
            // One that was being written holds some action, as good as any.
            slot.state.store(READY, Relaxed);
            slot.child.store(0, Relaxed);
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

    /// Becomes its writer.
    fn claim(&self, from: u32, by: By) -> bool {
        let writer = match by {
            By::Process => 0,
            By::VforkChild(tid) => tid,
        };
        // Pairs with the pin of a vfork child: one of both sees the other.
        self.state.compare_exchange(from, WRITING | (writer * REST), SeqCst, Relaxed).is_ok()
    }

    /// Lets it stay as it is, if it was in this state.
    fn pin(&self, state: u32, by: By) -> bool {
        match by {
            By::Process => self.state.compare_exchange(state, state + PIN, SeqCst, Relaxed).is_ok(),
            By::VforkChild(tid) => {
                let other = self.child.load(Relaxed);
                let is_free = other == 0 || other == tid || !is_alive(other);
                is_free && self.child.compare_exchange(other, tid, SeqCst, Relaxed).is_ok()
            }
        }
    }

    fn unpin(&self, by: By) {
        match by {
            By::Process => {
                self.state.fetch_sub(PIN, Release);
            }
            By::VforkChild(tid) => {
                let _ = self.child.compare_exchange(tid, 0, Release, Relaxed);
            }
        }
    }

    /// As its writer stores an action and pins it. Else it is `otherwise` again.
    fn write(&self, action: &SigAction, by: By, otherwise: u32) -> bool {
        let is_childs = by != By::Process;
        if is_childs && !self.pin(WRITING, by) {
            self.state.store(otherwise, Release);
            return false;
        }
        for (to, from) in self.words.iter().zip(action.words()) {
            to.store(from, Relaxed);
        }
        self.state.store(if is_childs { READY } else { READY + PIN }, Release);
        true
    }
}

fn slots(signal: u64) -> Option<&'static [Slot; VERSIONS]> {
    TABLE.get(usize::try_from(signal).ok()?.checked_sub(1)?)
}
