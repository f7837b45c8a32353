//! A call as a hook sees it, on its way in and on its way out.

use core::fmt;
#[cfg(feature = "capi")]
use core::sync::atomic::{Ordering::SeqCst, compiler_fence};

use syscalls::{Errno, Sysno};

use crate::calls::TypedCall;
use crate::frame::{SyscallFrame, address_after_site};
#[cfg(feature = "capi")]
use crate::interest;
use crate::sys;
#[cfg(feature = "capi")]
use crate::thread::ThreadBlock;

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

    /// The call, if the number is that of one.
    #[inline(always)]
    pub fn sysno(&self) -> Option<Sysno> {
        Sysno::new(self.0.rax as u32 as usize)
    }

    /// The call with typed arguments, if it is this one.
    #[inline(always)]
    pub fn view<C: TypedCall>(&self) -> Option<C> {
        (self.0.rax as u32 == C::NR as u32).then(|| C::of(&self.0.args))
    }

    /// Makes the kernel execute this call.
    #[inline(always)]
    pub fn put<C: TypedCall>(&mut self, call: C) {
        self.0.keep_original();
        self.0.rax = C::NR;
        call.put(&mut self.0.args);
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

    /// The call's frame.
    #[cfg(feature = "own_calls")]
    #[inline(always)]
    pub(crate) fn frame(&mut self) -> *mut SyscallFrame {
        &raw mut self.0
    }

    /// Which of the words of hooks are to be the call's. From here on no handler interrupts
    /// the hook.
    #[cfg(feature = "capi")]
    pub(crate) fn record(&mut self) -> usize {
        // SAFETY: the block outlives the thread's frames.
        let block = unsafe { &mut *self.0.block };
        block.hook_level |= ThreadBlock::OBSERVES;
        compiler_fence(SeqCst);
        block.in_flight.free_words(u32::from(interest::HOOK))
    }

    /// libc's errno of the thread that makes the call.
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
    pub(crate) anchor: u64,
    pub(crate) stack_pointer: u64,
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

    /// The kernel's result.
    #[inline(always)]
    pub fn outcome(&self) -> Result<usize, Errno> {
        Errno::from_ret(self.result as usize)
    }

    /// The call with typed arguments, if it is this one.
    #[inline(always)]
    pub fn view<C: TypedCall>(&self) -> Option<C> {
        (self.nr as u32 == C::NR as u32).then(|| C::of(self.args))
    }

    /// Writes the call as `interceptor trace` does, without a newline.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn format(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let outcome = interceptor_calls::Outcome::Returned(self.result);
        let options = interceptor_calls::Options::default();
        interceptor_calls::format_call(to, self.nr, self.args, outcome, &Guest, &options)
    }

    /// The word of [`Decision::ForwardAndExit`](super::Decision::ForwardAndExit).
    #[inline(always)]
    pub fn word(&self) -> u64 {
        self.word
    }

    /// The address after the program's `syscall` instruction.
    pub fn return_address(&self) -> u64 {
        address_after_site(self.anchor)
    }

    /// The program's stack pointer.
    #[inline(always)]
    pub fn stack_pointer(&self) -> u64 {
        self.stack_pointer
    }
}

/// The program's memory, for whoever formats a call.
pub(crate) struct Guest;

impl interceptor_calls::Memory for Guest {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        sys::read_guest(address, buffer)
    }
}
