//! Calls that are in the kernel, remembered until they come out.
//!
//! A forwarded call runs on the program's stack with the program's registers,
//! so nothing of ours is on any stack meanwhile, and a signal handler may
//! leave it by siglongjmp at any time. Records therefore are not a stack that
//! must be unwound: a call that comes out looks for the newest record with its
//! stub and its stack pointer, or that of the child it makes, and takes that one alone.
//! A newer one may be dead, or a coroutine's that goes on later. When the ring is full,
//! the oldest record goes.
//!
//! A vfork child runs on its parent's block. It finds the parent's record when
//! `vfork` returns 0 and leaves it there for the parent; the child's own records
//! come after it and die when the parent comes out. The child may be killed at any
//! instruction: so a record is filled in before it counts, and each single store leaves
//! records that are whole.

use core::sync::atomic::{Ordering::SeqCst, compiler_fence};

use crate::group::Expected;
use crate::interest::LIFECYCLE;
use crate::lifecycle::Birth;
use crate::signal::MaskChange;

/// Records a thread can have. Each nested signal handler that makes a blocking
/// call needs one.
pub(crate) const CAPACITY: usize = 16;

/// A word of a record, which may be padding.
type Word = core::mem::MaybeUninit<u64>;

/// One call on its way through the kernel.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Call {
    /// The program's stack pointer at the site; with `anchor`, the key.
    pub(crate) rsp: u64,
    /// The stub's anchor.
    pub(crate) anchor: u64,
    /// Number that the program asked for.
    pub(crate) nr: u64,
    /// Arguments that the program gave. They are put back when it comes out.
    pub(crate) args: [u64; 6],
    /// TSC when a sampled call began, else 0.
    pub(crate) began: u64,
    /// Word that the hook's `enter` hands to its `exit`.
    pub(crate) word: u64,
    /// Who wants to see the result: `dispatch::watch` bits.
    pub(crate) watchers: u32,
    /// `ThreadBlock::depth` when it went in, and what it expects to be born;
    /// for lifecycle calls.
    pub(crate) depth: u32,
    pub(crate) birth: Birth,
    pub(crate) expected: Expected,
    pub(crate) mask_change: MaskChange,
}

const _: () = assert!(size_of::<Call>().is_multiple_of(size_of::<Word>()));

/// The calls of one thread that are in the kernel.
#[repr(C)]
pub struct InFlight {
    /// Records ever pushed, minus those taken: the number of the next. A number's
    /// record is at its rest by `CAPACITY`.
    pushed: u32,
    /// The number of the oldest.
    oldest: u32,
    /// The number of one that does not count yet, though its call has gone in.
    uncounted: u32,
    calls: [Call; CAPACITY],
}

impl Call {
    /// In `watchers`: the hook changed number or arguments; the registers are
    /// to be put back.
    pub(crate) const CHANGED: u32 = 1 << 8;
    /// In `watchers`: what was prepared for it is gone, so it begins again, if it has not been
    /// executed.
    pub(crate) const AGAIN: u32 = 1 << 10;

    pub(crate) fn is_changed(&self) -> bool {
        self.watchers & Self::CHANGED != 0
    }

    /// See [`AGAIN`](Self::AGAIN).
    pub(crate) fn begins_again(&self) -> bool {
        self.watchers & Self::AGAIN != 0
    }

    /// What it does to the mask. In the record of a call that the runtime does not wait for,
    /// `mask_change` is what an earlier one has left.
    pub(crate) fn mask_change(&mut self) -> Option<&mut MaskChange> {
        (self.watchers & u32::from(LIFECYCLE) != 0).then_some(&mut self.mask_change)
    }
}

impl InFlight {
    /// Forgets all calls.
    pub(crate) fn clear(&mut self) {
        (self.pushed, self.oldest) = (0, 0);
    }

    /// The record of a call that is about to enter the kernel, to be filled in and then
    /// [counted](Self::count).
    #[inline(always)]
    pub(crate) fn vacant(&mut self) -> &mut Call {
        if self.pushed.wrapping_sub(self.oldest) == CAPACITY as u32 {
            self.oldest = self.oldest.wrapping_add(1);
        }
        compiler_fence(SeqCst);
        &mut self.calls[self.pushed as usize % CAPACITY]
    }

    /// The record that was vacant is there.
    #[inline(always)]
    pub(crate) fn count(&mut self) {
        compiler_fence(SeqCst);
        self.pushed = self.pushed.wrapping_add(1);
    }

    /// The record that was vacant is filled in, and may come to count.
    #[inline(always)]
    pub(crate) fn keep_uncounted(&mut self) {
        self.uncounted = self.pushed;
        compiler_fence(SeqCst);
    }

    /// The number of the last such record.
    #[inline(always)]
    pub(crate) fn uncounted(&self) -> u32 {
        let number = self.uncounted;
        compiler_fence(SeqCst);
        number
    }

    /// That record counts, and is the newest.
    #[inline(always)]
    pub(crate) fn count_to(&mut self, number: u32) {
        self.pushed = number.wrapping_add(1);
        compiler_fence(SeqCst);
    }

    /// Of words that hooks keep beside records, and which the records lead to in the lowest
    /// bits of their own, the first that none needs which stays when there is one more.
    #[cfg(feature = "capi")]
    pub(crate) fn free_words(&self, watcher: u32) -> usize {
        let (mut used, mut number) = (0u32, self.pushed);
        let end = number.wrapping_sub(CAPACITY as u32 - 1);
        while number != self.oldest && number != end {
            number = number.wrapping_sub(1);
            let call = self.get(number);
            if call.watchers & watcher != 0 {
                used |= 1 << (call.word as u32 % CAPACITY as u32);
            }
        }
        used.trailing_ones() as usize
    }

    /// Adds the record of a call that has come out and goes in again.
    pub(crate) fn push(&mut self, call: &Call) {
        *self.vacant() = *call;
        self.count();
    }

    /// Removes a record, if it is still there.
    #[inline(always)]
    pub(crate) fn remove(&mut self, number: u32) {
        if number.wrapping_add(1) == self.pushed && number != self.oldest.wrapping_sub(1) {
            self.pushed = number;
        } else {
            self.remove_from_between(number);
        }
    }

    /// The same of one that may not be the newest.
    #[cold]
    #[inline(never)]
    pub(crate) fn remove_from_between(&mut self, number: u32) {
        if !self.has(number) {
            return;
        }
        let mut to = number;
        while to.wrapping_add(1) != self.pushed {
            let next = to.wrapping_add(1);
            let from: *const Call = self.get(next);
            let place: *mut Call = &raw mut self.calls[to as usize % CAPACITY];
            for word in 0..size_of::<Call>() / size_of::<Word>() {
                // SAFETY: two records. Volatile keeps the moves scalar: they are made in
                // the first stage of the entry, too, as in `frame::copy_words`.
                unsafe {
                    let value = from.cast::<Word>().add(word).read_volatile();
                    place.cast::<Word>().add(word).write_volatile(value);
                }
            }
            to = next;
        }
        self.pushed = to;
    }

    /// Removes a record, if it is still there, and all newer ones.
    pub(crate) fn remove_from(&mut self, number: u32) {
        if self.has(number) {
            self.pushed = number;
        }
    }

    fn has(&self, number: u32) -> bool {
        number.wrapping_sub(self.oldest) < self.pushed.wrapping_sub(self.oldest)
    }

    /// The record of a call that is about to go in, or came out; it stays.
    pub(crate) fn peek_mut(&mut self, rsp: u64, anchor: u64) -> Option<&mut Call> {
        let number = self.find(rsp, anchor)?;
        Some(&mut self.calls[number as usize % CAPACITY])
    }

    /// Removes the record of a call that does not come out: it begins again.
    pub(crate) fn forget(&mut self, rsp: u64, anchor: u64) {
        if let Some(number) = self.find(rsp, anchor) {
            self.remove_from_between(number);
        }
    }

    /// Has all calls [begin again](Call::AGAIN) of which something holds.
    pub(crate) fn have_begin_again(&mut self, holds: impl Fn(&Call) -> bool) {
        let mut number = self.oldest;
        while number != self.pushed {
            let call = &mut self.calls[number as usize % CAPACITY];
            if holds(call) {
                call.watchers |= Call::AGAIN;
            }
            number = number.wrapping_add(1);
        }
    }

    /// The record with a number that [`find`](Self::find) has said, until it is removed.
    #[inline(always)]
    pub(crate) fn get(&self, number: u32) -> &Call {
        &self.calls[number as usize % CAPACITY]
    }

    /// The number of the newest record of a call.
    #[inline(always)]
    pub(crate) fn find(&self, rsp: u64, anchor: u64) -> Option<u32> {
        self.newest(|call| call.rsp == rsp && call.anchor == anchor)
    }

    /// The number of the newest record of which something holds.
    #[inline(always)]
    pub(crate) fn newest(&self, holds: impl Fn(&Call) -> bool) -> Option<u32> {
        let mut number = self.pushed;
        while number != self.oldest {
            number = number.wrapping_sub(1);
            if holds(self.get(number)) {
                return Some(number);
            }
        }
        None
    }
}
