//! What a hook author writes.
//!
//! A hook is a type that implements [`Hook`]; the `preload!` macro makes a
//! preloadable library out of it, in which the entry calls it directly, without
//! a function pointer on the way.

use crate::frame::SyscallFrame;
pub use crate::vector::Vectors;

/// What becomes of a call that a hook has seen on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The kernel gets it, with what the hook changed; its result goes to the
    /// program unseen.
    Forward,
    /// The kernel gets it, and [`Hook::exit`] sees the result, together with
    /// this word.
    ForwardAndExit(u64),
    /// The kernel does not get it. The program sees this result, a negative
    /// errno for an error.
    Answer(i64),
}

/// System call numbers a hook wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Nothing, until it subscribes at run time.
    None,
    /// Every number, also those that no system call has.
    All,
    /// These numbers.
    Numbers(&'static [u32]),
}

/// A system call hook.
///
/// Its functions run on a private stack of 192 KiB, in the thread that made the
/// call. Calls that they make themselves are not hooked. They must return: a
/// panic ends the process.
pub trait Hook: Sync {
    /// Which registers the functions may touch, and so which are saved.
    const VECTORS: Vectors = Vectors::Sse;

    /// [`VECTORS`](Self::VECTORS), for hooks that learn it at run time.
    #[doc(hidden)]
    #[inline(always)]
    fn vectors(&self) -> Vectors {
        Self::VECTORS
    }

    /// The numbers it sees, asked once at start-up.
    fn subscription(&self) -> Subscription {
        Subscription::All
    }

    /// A call on its way into the kernel.
    fn enter(&self, call: &mut SyscallEntry) -> Decision;

    /// A call that came out of the kernel, after [`Decision::ForwardAndExit`].
    /// Returns the result that the program sees.
    fn exit(&self, call: &SyscallExit) -> i64 {
        call.result()
    }
}

/// A call on its way in: number and arguments, to see and to change.
#[repr(transparent)]
pub struct SyscallEntry(SyscallFrame);

impl SyscallEntry {
    #[inline(always)]
    pub(crate) fn of(frame: &mut SyscallFrame) -> &mut Self {
        // SAFETY: a transparent wrapper around the same type.
        unsafe { &mut *(frame as *mut SyscallFrame).cast() }
    }

    /// The number, as rax holds it; the kernel looks at its low 32 bits.
    #[inline(always)]
    pub fn nr(&self) -> u64 {
        self.0.rax
    }

    /// Makes the kernel execute another call. The program does not notice.
    #[inline(always)]
    pub fn set_nr(&mut self, nr: u64) {
        self.0.keep_original();
        self.0.rax = nr;
    }

    /// The six arguments. A call with fewer leaves the rest undefined.
    #[inline(always)]
    pub fn args(&self) -> &[u64; 6] {
        &self.0.args
    }

    /// The arguments that the kernel gets. The program's registers have their
    /// own values again when the call has returned.
    #[inline(always)]
    pub fn args_mut(&mut self) -> &mut [u64; 6] {
        self.0.keep_original();
        &mut self.0.args
    }

    /// libc's errno of the thread that makes the call.
    #[cfg(feature = "capi")]
    #[inline(always)]
    pub(crate) fn errno(&self) -> *mut core::ffi::c_int {
        // SAFETY: the block outlives the thread's frames.
        unsafe { (*self.0.block).errno }
    }

    /// The address after the program's `syscall` instruction.
    pub fn return_address(&self) -> u64 {
        self.0.address_after_site()
    }

    /// The program's stack pointer.
    #[inline(always)]
    pub fn stack_pointer(&self) -> u64 {
        self.0.rsp
    }
}

/// A call on its way out.
pub struct SyscallExit<'a> {
    pub(crate) nr: u64,
    pub(crate) args: &'a [u64; 6],
    pub(crate) result: i64,
    pub(crate) word: u64,
}

impl SyscallExit<'_> {
    /// The number that the program asked for.
    #[inline(always)]
    pub fn nr(&self) -> u64 {
        self.nr
    }

    /// The arguments that the program gave.
    #[inline(always)]
    pub fn args(&self) -> &[u64; 6] {
        self.args
    }

    /// The kernel's result, a negative errno for an error.
    #[inline(always)]
    pub fn result(&self) -> i64 {
        self.result
    }

    /// The word of [`Decision::ForwardAndExit`].
    #[inline(always)]
    pub fn word(&self) -> u64 {
        self.word
    }
}
