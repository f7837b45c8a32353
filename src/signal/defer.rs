//! Signals that arrive while a hook or the entry runs.
//!
//! The program's handler must not run there: the program's registers and stack
//! are ours at the moment. So the signal is put aside: it is queued to this
//! thread again, and all asynchronous signals are blocked in the context that
//! was interrupted, which our handler returns to at once. When the entry is
//! about to leave (`asm/entry.S`), it executes rt_sigreturn instead of jumping
//! to the program, with a context that holds the program's registers and its
//! mask. Registers and mask change in one step, so the kernel delivers the
//! signal just there: at the program's own place, on the stack it asked for.
//!
//! What remains: a real-time signal that was put aside comes after those of its
//! number that were queued meanwhile.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use syscalls::{Sysno, syscall};

use super::context::{self, SigInfo, UContext};
use super::{alternate, traps};
use crate::frame::SyscallFrame;
use crate::interest;
use crate::stat;
use crate::sys;
use crate::thread::{self, ThreadBlock};
use crate::{patch, thunk, tls, vector};

/// Signals that are kept here, since the kernel would not queue them again
/// (RLIMIT_SIGPENDING).
const KEPT: usize = 4;
/// 8-byte words of a `siginfo_t`.
const INFO_WORDS: usize = 16;
/// 8-byte words of a `ucontext_t` up to the end of its mask.
const CONTEXT_WORDS: usize = 38;
/// Words of the kernel's own description at the end of the legacy region of an
/// XSAVE area: `struct _fpx_sw_bytes`.
const DESCRIPTION_WORDS: usize = 6;
const SIGILL: i32 = 4;
/// Its offset in the area.
const DESCRIPTION_AT: usize = 464;
/// The context has more than FXSAVE writes.
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;

/// Signals that report what the interrupted instruction did.
pub(super) const SYNCHRONOUS: u64 = bit(4) | bit(5) | bit(7) | bit(8) | bit(11) | bit(31);

const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// What a thread has put aside.
#[repr(C)]
pub struct Aside {
    /// Not 0 if signals wait; the entry's last step looks at it.
    pub(crate) waits: AtomicU32,
    /// Signals in `kept`.
    kept_count: u32,
    kept: [[u64; INFO_WORDS]; KEPT],
    /// The context that was interrupted: a template with what only the kernel
    /// knows, such as the format of the floating point state, and with the
    /// program's mask.
    context: [u64; CONTEXT_WORDS],
    description: [u64; DESCRIPTION_WORDS],
}

/// Puts a signal aside, if it must not be delivered now, and then returns to
/// what was interrupted, not to the caller.
///
/// # Safety
///
/// The arguments are the kernel's.
pub(super) unsafe fn put_aside(info: *mut SigInfo, context: *mut UContext) {
    // SAFETY: the caller's.
    let (signal, code, rip, rsp) =
        unsafe { ((*info).signal, (*info).code, (*context).rip, (*context).rsp) };
    if code > 0 && SYNCHRONOUS & bit(signal as u32) != 0 {
        return;
    }
    if interest::is_closed() {
        // This may be a thread without our words, and nobody is inside.
        return;
    }
    let tls = tls::current();
    // SAFETY: this thread's TLS block; zero in a thread that has made no call.
    let (block, is_ready) = unsafe {
        ((&raw const (*tls).block).read_volatile(), (&raw const (*tls).ready[0]).read_volatile())
    };
    // SAFETY: the block lives as long as the thread.
    let Some(block) = (unsafe { block.as_mut() }) else {
        return;
    };
    // SAFETY: as above.
    let is_parked = unsafe { (&raw const (*tls).parked).read_volatile() } != 0;
    let is_own_code = || match is_parked {
        true => is_careful_way(rip),
        false => patch::is_own_text(rip),
    };
    let is_inside =
        is_ready == 0 && (block.region().contains(&rsp) || patch::is_thunk(rip) || is_own_code());
    if !is_inside {
        return;
    }
    // From here to rt_sigreturn no other handler runs. One that came before
    // interrupted this one, and what it noted is overwritten: the first signal
    // interrupted the program.
    let is_trap_signal = signal == SIGILL && traps::are_caught();
    // A fault's signal that was sent waits like others, but for the traps'.
    let all = if is_trap_signal { !SYNCHRONOUS } else { !SYNCHRONOUS | bit(signal as u32) };
    const SIG_BLOCK: usize = 0;
    // SAFETY: reads the set.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &raw const all, 0, 8) };
    block.is_sigill_pending |= is_trap_signal;
    let aside = &mut block.aside;
    if !is_trap_signal {
        aside.requeue(info.cast());
    }
    // SAFETY: the caller's.
    unsafe {
        aside.copy(context);
        let words = context.cast::<[u64; CONTEXT_WORDS]>();
        (*words)[MASK] |= all;
        if let Some(frame) = frame_past_check(&*tls, rip, rsp) {
            (*words)[RIP] = &raw const interceptor_check as u64;
            (*words)[RSP] = frame;
        }
    }
    #[cfg(feature = "drop_in")]
    if let Some(off) = way_off(rip) {
        // SAFETY: the caller's.
        unsafe { (*context.cast::<[u64; CONTEXT_WORDS]>())[RIP] = off };
    }
    aside.waits.store(1, Relaxed);
    // SAFETY: the caller's.
    unsafe { context::resume(context) }
}

/// Result of a call in the program's place that was not made; no result of the
/// kernel's.
#[cfg(feature = "drop_in")]
pub(crate) const WAIT_OFF: i64 = i64::MIN;

/// Makes a call in the program's place (`asm/wait_call.S`). Returns [`WAIT_OFF`] when a
/// signal that waits for the thread to leave the runtime has come before, or
/// would have restarted it.
#[cfg(feature = "drop_in")]
pub(crate) fn wait_call(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> i64 {
    // SAFETY: whoever makes the call answers for it; the rest is readable.
    unsafe { interceptor_wait_call(nr, args, &block.aside.waits) }
}

#[cfg(feature = "drop_in")]
unsafe extern "C" {
    fn interceptor_wait_call(nr: u64, args: &[u64; 6], waits: &AtomicU32) -> i64;
    static interceptor_wait_begin: u8;
    static interceptor_wait_end: u8;
    static interceptor_wait_off: u8;
}

/// Where a call in the program's place goes on that is not to be made.
#[cfg(feature = "drop_in")]
fn way_off(rip: u64) -> Option<u64> {
    let call = &raw const interceptor_wait_begin as u64..&raw const interceptor_wait_end as u64;
    call.contains(&rip).then_some(&raw const interceptor_wait_off as u64)
}

/// Whether an address is in the assembly that leads to the careful way in, up to
/// where signals are blocked.
fn is_careful_way(address: u64) -> bool {
    let code = &raw const interceptor_careful as u64..&raw const interceptor_careful_end as u64;
    code.contains(&address)
}

impl Aside {
    /// Copies the context that was interrupted.
    ///
    /// # Safety
    ///
    /// It is the kernel's.
    unsafe fn copy(&mut self, context: *const UContext) {
        // SAFETY: a ucontext_t is longer; its floating point pointer leads to an
        // XSAVE area or is null.
        unsafe {
            self.context = context.cast::<[u64; CONTEXT_WORDS]>().read();
            let area = self.context[FPSTATE] as *const u8;
            if !area.is_null() {
                let description = area.add(DESCRIPTION_AT);
                self.description = description.cast::<[u64; DESCRIPTION_WORDS]>().read();
            }
        }
    }

    /// Copies a context for [`leave_with`](Self::leave_with).
    ///
    /// # Safety
    ///
    /// It is the kernel's.
    pub(super) unsafe fn take_template(&mut self, context: *const UContext) {
        if self.waits.load(Relaxed) == 0 {
            // SAFETY: the caller's.
            unsafe { self.copy(context) };
        }
    }

    /// Makes the entry leave by rt_sigreturn, with this mask, unless it does so
    /// anyway; and with this alternate stack.
    pub(crate) fn leave_with(&mut self, mask: u64, alternate: &[u64; 3]) {
        if self.waits.load(Relaxed) == 0 {
            self.context[MASK] = mask;
        }
        self.context[STACK..STACK + 3].copy_from_slice(alternate);
        self.waits.store(1, Relaxed);
    }

    /// Blocks all signals from here on, also when the entry has left. Returns what
    /// was blocked before.
    pub(crate) fn hold_all(&mut self) -> u64 {
        let mask = alternate::block_all();
        self.complete_template();
        self.leave_with(mask, &sys::alternate_stack());
        let mask = self.context[MASK];
        self.context[MASK] |= alternate::ASYNCHRONOUS;
        mask
    }

    /// Makes the entry leave by rt_sigreturn, with this mask in any case.
    pub(crate) fn leave_with_mask(&mut self, mask: u64) {
        self.context[MASK] = mask;
        self.waits.store(1, Relaxed);
    }

    /// Fills in what only the kernel knows, as it does (`setup_sigcontext` and
    /// `save_xstate_epilog`), where no signal has brought it.
    pub(crate) fn complete_template(&mut self) {
        const UC_FP_XSTATE: u64 = 1;
        const UC_SIGCONTEXT_SS: u64 = 2;
        const UC_STRICT_RESTORE_SS: u64 = 4;
        if self.context[FPSTATE] != 0 {
            return;
        }
        let (code, stack) = sys::segments();
        let state = vector::kept_state();
        self.context[FLAGS] = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
        self.context[SEGMENTS] = u64::from(code) | u64::from(stack) << 48;
        self.context[FPSTATE] = 1;
        self.description = [0; DESCRIPTION_WORDS];
        if let Some((features, size)) = state {
            self.context[FLAGS] |= UC_FP_XSTATE;
            // magic1 and extended_size, xfeatures, xstate_size.
            self.description[0] = u64::from(MAGIC1) | u64::from(size + 4) << 32;
            self.description[1] = features;
            self.description[2] = u64::from(size);
        }
    }

    /// The entry has no level left: what was put aside comes now.
    pub(crate) fn end_without_leaving(&mut self, mask: u64) {
        let mask = if self.waits.load(Relaxed) == 0 { mask } else { self.context[MASK] };
        self.send_kept();
        self.waits.store(0, Relaxed);
        alternate::set_mask(mask);
    }

    /// Queues a signal to this thread, which has blocked it.
    fn requeue(&mut self, info: *const [u64; INFO_WORDS]) {
        if send_to_self(info).is_ok() {
            return;
        }
        match self.kept.get_mut(self.kept_count as usize) {
            Some(slot) => {
                // SAFETY: a siginfo_t is as long.
                *slot = unsafe { info.read() };
                self.kept_count += 1;
            }
            None => stat::count_lost_call(),
        }
    }

    fn send_kept(&mut self) {
        for info in self.kept.iter().take(self.kept_count as usize) {
            if send_to_self(info).is_err() {
                stat::count_lost_call();
            }
        }
        self.kept_count = 0;
    }
}

fn send_to_self(info: *const [u64; INFO_WORDS]) -> sys::Result<usize> {
    // SAFETY: a siginfo_t that the kernel made; its first word holds the
    // signal.
    unsafe {
        let signal = (*info)[0] as u32;
        syscall!(Sysno::rt_tgsigqueueinfo, sys::getpid(), sys::gettid(), signal, info)
    }
}

unsafe extern "C" {
    static interceptor_check: u8;
    static interceptor_check_end: u8;
    static interceptor_careful: u8;
    static interceptor_careful_end: u8;
}

/// The frame of the entry that was interrupted after it had looked for waiting
/// signals, and before it released its level.
fn frame_past_check(tls: &tls::Tls, rip: u64, rsp: u64) -> Option<u64> {
    let check = &raw const interceptor_check as u64..&raw const interceptor_check_end as u64;
    if check.contains(&rip) {
        // rsp is the frame, or a word below it; frames are aligned to 64.
        return Some(rsp.next_multiple_of(64));
    }
    let level = thunk::leave_level(rip)?;
    tls.base.get(level).copied()
}

const FLAGS: usize = 0;
const STACK: usize = 2;
const R8: usize = 5;
const R12: usize = 9;
const RDI: usize = 13;
const RSI: usize = 14;
const RBP: usize = 15;
const RBX: usize = 16;
const RDX: usize = 17;
const RAX: usize = 18;
const RCX: usize = 19;
const RSP: usize = 20;
const RIP: usize = 21;
const EFLAGS: usize = 22;
const SEGMENTS: usize = 23;
const TF: u64 = 1 << 8;
const FPSTATE: usize = 28;
const MASK: usize = 37;

/// Makes the context with which the entry leaves to the program, and queues
/// what was put aside. Returns null when this is no place to leave from.
///
/// `callee_saved` are rbx, rbp and r12 to r15; `area` is an XSAVE area with the
/// program's floating point and vector state.
#[unsafe(no_mangle)]
unsafe extern "C" fn interceptor_leave_context(
    frame: &SyscallFrame,
    callee_saved: &[u64; 6],
    area: *mut u8,
) -> *const u64 {
    // SAFETY: the frame's own block, used by this thread only.
    let block: &mut ThreadBlock = unsafe { &mut *frame.block };
    if frame.level != 0 && !thread::is_only_level(frame.level) {
        // A hook's own call: the hook is not done.
        if tls::is_shared() {
            // Signals are blocked, so nobody takes the level before we are off it.
            thread::release_level(frame.level);
        }
        return core::ptr::null();
    }
    let aside = &mut block.aside;
    let context = &mut aside.context;
    let [rdi, rsi, rdx, r10, r8, r9] = frame.args;
    let [rbx, rbp, r12, r13, r14, r15] = *callee_saved;
    context[R8..R12].copy_from_slice(&[r8, r9, r10, frame.rflags]);
    context[R12..RDI].copy_from_slice(&[r12, r13, r14, r15]);
    (context[RDI], context[RSI], context[RBP], context[RBX]) = (rdi, rsi, rbp, rbx);
    (context[RDX], context[RAX], context[RCX]) = (rdx, frame.rax, frame.target);
    // TF of a debugger who steps would become the program's.
    let kept_flags = if block.last_step.is_programs() { u64::MAX } else { !TF };
    (context[RSP], context[RIP]) = (frame.rsp, frame.target);
    context[EFLAGS] = frame.rflags & kept_flags;
    if context[FPSTATE] != 0 {
        context[FPSTATE] = area as u64;
        // SAFETY: the area is as large as the CPU's whole state and 64 bytes
        // more; the kernel's description names a size that is not larger.
        unsafe {
            area.add(DESCRIPTION_AT).cast::<[u64; DESCRIPTION_WORDS]>().write(aside.description);
            if aside.description[0] as u32 == MAGIC1 {
                let extended_size = (aside.description[0] >> 32) as usize;
                area.add(extended_size - 4).cast::<u32>().write_unaligned(MAGIC2);
            }
        }
    }
    aside.send_kept();
    aside.waits.store(0, Relaxed);
    traps::send_pending(block);
    // From here on nothing of the frame is needed, and no signal comes before
    // rt_sigreturn: all are blocked.
    thread::release_level(frame.level);
    block.aside.context.as_ptr()
}
