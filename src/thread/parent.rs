//! What a parent has to find again when its vfork child is gone.
//!
//! The child runs on its parent's block, with its levels and its signals, and may be
//! killed at any instruction: inside a hook, with signals put aside, with levels parked.
//! So the parent notes how it goes into the call, and takes that back when it comes out;
//! what was the child's then is nobody's. A signal may come before, while the parent is on
//! its way out: what has to do with signals is taken back by whoever looks first, and all of
//! it before a handler of the program runs, which may make calls and children.

use super::{DEPTHS, ThreadBlock, park_levels, release_level};
use crate::lifecycle::Moved;
use crate::signal::{Waiting, WaitingIll};
use crate::sys;
use crate::tls::{self, LEVELS};

/// How a parent has left its block to its child. Zeroes are nobody.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Parent {
    /// 0 when it has taken all of it back.
    tid: u32,
    hook_level: u32,
    hooks_outside: u32,
    interrupted_at: u64,
    /// Bits of levels that were free, the one that the call went in by included.
    free: u8,
    /// It runs on the alternate stack, and its free levels are parked.
    is_parked: bool,
    sigill: WaitingIll,
    /// It has its signals back, and perhaps new ones.
    has_signals: bool,
    waiting: Waiting,
    moved: Moved,
    shares_descriptors: bool,
}

/// Whoever makes a child at this depth. For deeper ones nothing is noted.
pub(super) type Parents = [Parent; DEPTHS];

impl ThreadBlock {
    /// The calling thread is about to make a child that runs on its block, by a call that
    /// came in by `level`.
    pub(crate) fn leave_to_child(&mut self, level: u64) {
        let Some(noted) = self.parents.get_mut(self.depth as usize) else {
            return;
        };
        let tls = tls::current();
        // SAFETY: this thread's own words.
        let (free, parked) = unsafe {
            let is_free = |level: &usize| (&raw const (*tls).ready[*level]).read_volatile() != 0;
            let free = (0..LEVELS).filter(is_free).fold(0, |free, level| free | 1 << level);
            (free, (&raw const (*tls).parked).read_volatile())
        };
        let is_hooks = level != 0 && self.hook_level != 0;
        *noted = Parent {
            tid: self.tid,
            hook_level: self.hook_level,
            hooks_outside: self.hooks_outside,
            interrupted_at: self.interrupted_at,
            // Parked ones are not ready.
            free: free | parked as u8 | 1 << level,
            is_parked: parked != 0,
            sigill: self.sigill,
            has_signals: false,
            waiting: self.aside.waiting(is_hooks),
            moved: self.moved,
            shares_descriptors: self.shares_descriptors,
        };
    }

    /// The calling thread, which has made its child at this depth, has its block to itself
    /// again, and comes out of the call by `level`.
    pub(crate) fn take_back(&mut self, depth: u32, level: u64) {
        // The child was on another stack.
        if self.take_back_outside(depth, level) && !sys::is_confined() {
            self.aside.leave_on_alternate_stack();
        }
    }

    /// The same where the entry does not run. Returns whether levels had to be parked.
    pub(crate) fn take_back_outside(&mut self, depth: u32, level: u64) -> bool {
        let index = depth as usize;
        let Some(noted) = self.parents.get(index).copied().filter(|noted| noted.tid != 0) else {
            return false;
        };
        let Parent { free, is_parked, .. } = noted;
        self.moved = noted.moved;
        self.shares_descriptors = noted.shares_descriptors;
        self.take_back_signals(depth);
        // SAFETY: this thread's own words.
        let are_parked = unsafe { (&raw const (*tls::current()).parked).read_volatile() } != 0;
        let parks = is_parked && !are_parked;
        if parks {
            park_levels();
        }
        let is_free = |other: &u64| *other != level && free & 1 << *other != 0;
        (0..LEVELS as u64).filter(is_free).for_each(release_level);
        self.parents[index].tid = 0;
        parks
    }

    /// Whether levels below the one in use are those of a process that waits for this one: a
    /// handler of that has interrupted a hook, and made a child on its memory.
    pub(crate) fn has_levels_of_parent(&self) -> bool {
        let above = (self.depth as usize).min(DEPTHS).checked_sub(1);
        let parent = above.and_then(|above| self.parents.get(above));
        parent.is_some_and(|parent| parent.tid != 0 && parent.free & 1 == 0)
    }

    /// Whether the process that runs on this block has a parent elsewhere, or one that will
    /// take back what it changes.
    pub(crate) fn parent_is_noted(&self) -> bool {
        self.depth as usize <= DEPTHS
    }

    /// Who waits for a process that runs on this block, and has this id; 0 for nobody.
    pub(super) fn parent_of(&self, tid: u32) -> u32 {
        let is_it = |parent: &Parent| parent.tid == tid;
        let depth = self.parents.iter().position(is_it).unwrap_or(self.depth as usize);
        self.parents.get(depth.wrapping_sub(1)).map_or(0, |parent| parent.tid)
    }

    /// Its signals are the caller's, who may be a parent that has not come out of its call
    /// yet, while the block still says that its child is there.
    pub(crate) fn with_own_signals(&mut self) -> &mut Self {
        if self.depth == 0 || sys::is_confined() {
            return self;
        }
        let own = sys::gettid();
        let is_own = |index: &usize| self.parents[*index].tid == own;
        if own != self.tid
            && let Some(index) = (0..DEPTHS.min(self.depth as usize)).find(is_own)
        {
            self.take_back_signals(index as u32);
        }
        self
    }

    /// The block has a new owner, which has made none.
    pub(super) fn forget_children(&mut self) {
        self.parents.iter_mut().for_each(|parent| parent.tid = 0);
    }

    /// The same of what has to do with signals alone.
    pub(crate) fn take_back_signals(&mut self, depth: u32) {
        let Some(parent) = self.parents.get_mut(depth as usize) else {
            return;
        };
        if core::mem::replace(&mut parent.has_signals, true) {
            return;
        }
        self.hook_level = parent.hook_level;
        self.hooks_outside = parent.hooks_outside;
        self.interrupted_at = parent.interrupted_at;
        let (waiting, tid) = (parent.waiting, parent.tid);
        if !self.sigill.is_of(tid) {
            self.sigill = parent.sigill;
        }
        self.wait_again(waiting, tid);
    }
}
