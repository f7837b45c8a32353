//! The frames of signals that were put aside, as the kernel would have laid them out.
//!
//! The kernel has given such a signal to this thread already; were it queued again,
//! it would come after those of its number that were queued meanwhile, to whom it
//! may concern. So its frame is built here, on the stack that the program asked for
//! (the kernel's `arch/x86/kernel/signal.c`), and the entry leaves to the handler.

use syscalls::{Sysno, syscall};

use super::actions::{self, SA_ONSTACK, SIG_IGN, SIGSEGV, SigAction};
use super::alternate::{SS_AUTODISARM, SS_DISABLE};
use super::entry::{FRAME_LEN, INFO_IN_FRAME};
use super::table::By;
use super::words::*;
use crate::sys::{self, PAGE};

const RED_ZONE: u64 = 128;

/// A context that a thread is going to continue with, and its floating point state.
pub(super) struct Continuation<'a> {
    pub context: &'a mut Context,
    /// An XSAVE area; null for the state that handlers begin with.
    pub area: *const u8,
    pub description: &'a Description,
    /// The stack pointer that frames go below, where the context's is on a stack of ours.
    pub stack: Option<u64>,
}

impl Continuation<'_> {
    /// Makes it continue with a signal's handler, whose frame leads back to what it
    /// would have continued with. All signals are blocked.
    pub(super) fn interrupt(&mut self, info: &Info, action: &SigAction) {
        let signal = info[0] as u32 as u64;
        if self.push(info, signal, action).is_none() {
            force_segv(self.context, signal);
        }
    }

    /// Returns nothing if there is no room for the frame.
    fn push(&mut self, info: &Info, signal: u64, action: &SigAction) -> Option<()> {
        let area = Area(self.description);
        let area_len = area.len();
        let (frame, area_at) = self.place(action, area_len as u64)?;
        prepare(frame, area_at + area_len as u64)?;
        let mut saved = *self.context;
        saved[FPSTATE] = area_at;
        saved[OLD_MASK] = saved[MASK];
        // SAFETY: the memory is the program's stack, below what is in use, and was
        // written before.
        unsafe {
            let to = area_at as *mut u8;
            match self.area.as_ref() {
                Some(from) => to.copy_from_nonoverlapping(from, area_len),
                None => write_initial(to, area_len),
            }
            area.describe(to);
            mark_in_use(to, area_len);
            let frame = frame as *mut u8;
            frame.cast::<u64>().write_unaligned(action.restorer);
            frame.add(8).cast::<Context>().write_unaligned(saved);
            frame.add(INFO_IN_FRAME).cast::<Info>().write_unaligned(*info);
        }
        let context = &mut *self.context;
        (context[RDI], context[RAX]) = (signal, 0);
        (context[RSI], context[RDX]) = (frame + INFO_IN_FRAME as u64, frame + 8);
        (context[RSP], context[RIP]) = (frame, action.handler);
        context[EFLAGS] &= !(TF | DF | RF);
        context[MASK] |= action.blocks(signal as i32);
        context[FPSTATE] = 0;
        self.stack = None;
        if context[STACK + 1] & SS_AUTODISARM != 0 {
            context[STACK..STACK + 3].copy_from_slice(&[0, SS_DISABLE, 0]);
        }
        self.area = core::ptr::null();
        Some(())
    }

    /// Addresses of the frame and of the floating point state above it.
    fn place(&self, action: &SigAction, area_len: u64) -> Option<(u64, u64)> {
        let [base, flags, size] = [0, 1, 2].map(|n| self.context[STACK + n]);
        let holds = |address: u64| address > base && address - base <= size;
        let is_on = |address| flags & SS_AUTODISARM == 0 && holds(address);
        let mut top = self.stack.unwrap_or(self.context[RSP]);
        let mut must_fit = size != 0 && is_on(top);
        top = top.wrapping_sub(RED_ZONE);
        if action.flags & SA_ONSTACK != 0 && size != 0 && !is_on(top) {
            (top, must_fit) = (base.wrapping_add(size), true);
        }
        let area = top.wrapping_sub(area_len) & !63;
        let frame = (area.wrapping_sub(FRAME_LEN as u64) & !15).wrapping_sub(8);
        (!must_fit || holds(frame)).then_some((frame, area))
    }
}

/// Sees to it that memory can be written, and that the stack has grown so far.
/// The kernel writes there as it would write a frame: elsewhere it reports an error.
fn prepare(start: u64, end: u64) -> Option<()> {
    if sys::is_confined() {
        return Some(());
    }
    let mut at = start;
    while at < end {
        const SIG_BLOCK: usize = 0;
        // SAFETY: changes no mask; the kernel writes one word, within the range.
        let probed = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, 0, at as usize, 8) };
        probed.ok()?;
        at = (at & !(PAGE - 1)) + PAGE;
    }
    Some(())
}

/// The floating point state that handlers begin with.
///
/// # Safety
///
/// `len` bytes at `area` are writable.
unsafe fn write_initial(area: *mut u8, len: usize) {
    const CONTROL_WORD: u16 = 0x37f;
    const MXCSR: u32 = 0x1f80;
    const MXCSR_AT: usize = 24;
    const MXCSR_MASK: u32 = 0xffff;
    // SAFETY: the caller's; an area has at least the 512 bytes of its legacy region.
    unsafe {
        area.write_bytes(0, len);
        area.cast::<u16>().write(CONTROL_WORD);
        area.add(MXCSR_AT).cast::<[u32; 2]>().write_unaligned([MXCSR, MXCSR_MASK]);
    }
}

/// Makes what a handler writes to the x87 and SSE registers of its context take
/// effect, whether or not they were in use.
///
/// # Safety
///
/// `len` bytes at `area` are writable.
unsafe fn mark_in_use(area: *mut u8, len: usize) {
    const HEADER_AT: usize = 512;
    if len > HEADER_AT + 8 {
        // SAFETY: the caller's.
        unsafe { *area.add(HEADER_AT).cast::<u64>() |= 3 };
    }
}

/// What the kernel does when it cannot call a handler: the context continues with a
/// SIGSEGV, that of a fault.
pub(super) fn force_segv(context: &mut Context, signal: u64) {
    const SI_KERNEL: u64 = 0x80;
    const SIG_BLOCK: usize = 0;
    let set = 1u64 << (SIGSEGV - 1);
    let installed = actions::exchange(SIGSEGV, None, By::Process);
    let is_ignored = installed.is_ok_and(|action| action.handler == SIG_IGN);
    if signal == SIGSEGV || is_ignored || context[MASK] & set != 0 {
        let _ = actions::exchange(SIGSEGV, Some(&SigAction::default()), By::caller_alone());
    }
    context[MASK] &= !set;
    let mut info: Info = [0; INFO_WORDS];
    (info[0], info[1]) = (SIGSEGV, SI_KERNEL);
    // It comes when the context continues.
    // SAFETY: the kernel reads a word and a siginfo_t.
    unsafe {
        let _ = syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &raw const set, 0, 8);
        let (pid, tid) = (sys::getpid(), sys::gettid());
        let _ = syscall!(Sysno::rt_tgsigqueueinfo, pid, tid, SIGSEGV, &raw const info);
    }
}
