//! Signals that arrive while a hook or the entry runs.
//!
//! The program's handler must not run there: the program's registers and stack
//! are ours at the moment. So the signal is put aside: it is kept in the thread's
//! block, and all asynchronous signals are blocked in the context that was
//! interrupted, which our handler returns to at once. When the entry is about to
//! leave (`leave`), it executes rt_sigreturn instead of jumping to the program.
//!
//! The kernel has taken such a signal off its queue for this thread, so this thread
//! handles it, and before all that came later: it is as if it had arrived where
//! the entry leaves to. Several are kept in the order in which their frames
//! would lie on the stack: one that interrupts the beginning of another's handler
//! lies on top of it.

use core::mem::offset_of;
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
    compiler_fence,
};

use syscalls::{Sysno, syscall};

use super::context::{self, SigInfo, UContext};
use super::words::*;
use super::{SIGNALS, actions, alternate, entry, interrupted_hook as hook, leave};
use crate::lifecycle;
use crate::stat;
use crate::sys;
use crate::thread::ThreadBlock;
use crate::{interest, patch, tls, vector};

const SIGTRAP: i32 = 5;
const SIGBUS: i32 = 7;

/// Signals that report what the interrupted instruction did.
pub(super) const SYNCHRONOUS: u64 = bit(4) | bit(5) | bit(7) | bit(8) | bit(11) | bit(31);

pub(super) const SIGTRAP_BIT: u64 = bit(5);

pub(super) const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// Whether a signal is what the interrupted instruction has done: not sent, nor one of those that
/// the kernel sends at any moment, because a counter has run over or memory is broken.
pub(super) fn is_fault(signal: i32, code: i32) -> bool {
    const BUS_MCEERR_AO: i32 = 5;
    const TRAP_PERF: i32 = 6;
    let is_sent_by_kernel =
        matches!((signal, code), (SIGTRAP, TRAP_PERF) | (SIGBUS, BUS_MCEERR_AO));
    code > 0 && SYNCHRONOUS & bit(signal as u32) != 0 && !is_sent_by_kernel
}

/// What a thread has put aside.
#[repr(C)]
pub struct Aside {
    /// [`WAITS`] if the entry is to leave by rt_sigreturn, which its last step looks at;
    /// [`LEAVES`] while it does; else 0.
    pub(crate) waits: AtomicU32,
    /// The end of those in `ThreadBlock::kept`, and the beginning: what comes before
    /// is for a hook that was interrupted.
    pub(super) kept: u32,
    pub(super) kept_from: u32,
    /// Who has put something aside last, since a child was made on this block.
    by: u32,
    /// The kernel has been told that there is no alternate stack, and is told of the one in
    /// `context` when the entry leaves (`put_away`).
    pub(super) is_stack_away: bool,
    /// The context that was interrupted: a template with what only the kernel
    /// knows, such as the format of the floating point state, and with the
    /// program's mask.
    pub(super) context: Context,
    pub(super) description: Description,
}

/// In [`Aside::waits`].
const WAITS: u32 = 1;
pub(super) const LEAVES: u32 = 2;

/// Offset of the context behind `waits`.
pub(crate) const CONTEXT_BEHIND_WAITS: usize = offset_of!(Aside, context);
const _: () = assert!(offset_of!(Aside, waits) == 0);

/// A signal that was put aside.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Kept {
    pub(super) info: Info,
    /// Of its action.
    pub(super) version: u32,
    /// The id of the thread that it came to.
    to: u32,
    /// It interrupted the beginning of a handler whose signal is not kept yet.
    is_inner: bool,
}

/// Signals of one thread that are kept. Each is blocked then.
pub(crate) const KEPT: usize = SIGNALS;

/// How our handler was called.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub version: u32,
    /// What was blocked, if all signals have been blocked since.
    pub held: Option<u64>,
    /// The signal that was delivered when this one came, see `entry`.
    pub delivered: u64,
}

/// Puts a signal aside, if it must not be delivered now, and then returns to
/// what was interrupted, not to the caller.
///
/// # Safety
///
/// The arguments are the kernel's.
pub(super) unsafe fn put_aside(info: *mut SigInfo, context: *mut UContext, arrival: Arrival) {
    // SAFETY: the caller's.
    let (signal, code) = unsafe { ((*info).signal, (*info).code) };
    let is_fault = is_fault(signal, code);
    // A thread without our words may be one that nobody is interested in any more.
    if !is_fault && !interest::is_closed() {
        // SAFETY: the caller's; this thread's own words and block.
        unsafe {
            let block = (&raw const (*tls::current()).block).read_volatile().as_mut();
            let mut block = block.map(ThreadBlock::with_own_signals);
            if let Some(block) = &mut block {
                let is_in_hook = hook::is_interrupted(block, signal, &*context);
                if is_in_hook || is_inside(block, &*context) {
                    if arrival.held.is_none() && !sys::is_confined() {
                        // From here to rt_sigreturn no other handler runs.
                        alternate::block(u64::MAX);
                    }
                    keep(block, info, context, arrival.version);
                    if is_in_hook {
                        hook::interrupt(block, &mut *context);
                    }
                    entry::end(arrival.delivered);
                    context::resume(context)
                }
            }
            context::begin_anew(&mut *context);
            if let Some(block) = block {
                lifecycle::handler_runs(block);
            }
        }
    }
    if let Some(mask) = arrival.held {
        alternate::set_mask(mask);
    }
}

/// Whether a context interrupted the entry or a hook.
unsafe fn is_inside(block: &ThreadBlock, context: &UContext) -> bool {
    let tls = tls::current();
    // SAFETY: this thread's own words.
    let (is_ready, is_parked) = unsafe {
        ((&raw const (*tls).ready[0]).read_volatile(), (&raw const (*tls).parked).read_volatile())
    };
    if is_careful_way(context.rip) && (is_parked != 0 || tls::is_unreliable()) {
        return true;
    }
    // Level 0 may be ready though another one is in use, if what was on it has been left.
    if is_ready != 0 && !block.region().contains(&context.rsp) {
        return false;
    }
    // What came right before this one and has not been seen to yet.
    if let Some(earlier) = entry::interrupted(context) {
        // SAFETY: the same, with a context that lies above.
        return unsafe { is_inside(block, earlier.frame().context()) };
    }
    let (rip, rsp) = (context.rip, context.rsp);
    // A call of the hook's own has taken a level there, perhaps.
    if patch::is_thunk(rip) {
        return true;
    }
    if block.hook_is_interruptible() && !block.is_on_further_stack(rsp) {
        return false;
    }
    block.region().contains(&rsp) || block.is_beginning
}

/// Result of a call in the program's place that was not made; no result of the
/// kernel's.
#[cfg(feature = "own_calls")]
pub(crate) const WAIT_OFF: i64 = i64::MIN;

/// Makes a call in the program's place (`asm/wait_call.S`). Returns [`WAIT_OFF`] when a
/// signal that waits for the thread to leave the runtime has come before, or
/// would have restarted it.
#[cfg(feature = "own_calls")]
pub(crate) fn wait_call(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> i64 {
    // SAFETY: whoever makes the call answers for it; the rest is readable.
    unsafe { interceptor_wait_call(nr, args, &block.aside.waits) }
}

#[cfg(feature = "own_calls")]
unsafe extern "C" {
    fn interceptor_wait_call(nr: u64, args: &[u64; 6], waits: &AtomicU32) -> i64;
    static interceptor_wait_begin: u8;
    static interceptor_wait_end: u8;
    static interceptor_wait_off: u8;
}

/// Where a call in the program's place goes on that is not to be made.
#[cfg(feature = "own_calls")]
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

/// Keeps a signal, and makes what it interrupted go on without any until it leaves.
unsafe fn keep(
    block: &mut ThreadBlock,
    info: *const SigInfo,
    context: *mut UContext,
    version: u32,
) {
    // SAFETY: the caller's.
    let (signal, interrupted) = unsafe { ((*info).signal, &mut *context) };
    let is_trap_signal = actions::is_trap(signal as u64);
    // A fault's signal that was sent waits like others, but for the traps'.
    let all = if is_trap_signal { !SYNCHRONOUS } else { !SYNCHRONOUS | bit(signal as u32) };
    if is_trap_signal {
        block.sigill.wait(info);
    }
    if is_leaving(&block.aside, interrupted.rip) {
        // SAFETY: a siginfo_t is as long.
        send_to_self(unsafe { &*info.cast::<Info>() });
        interrupted.mask |= all;
        return;
    }
    let is_first = block.aside.waits.swap(WAITS, Relaxed) == 0;
    // Where nothing may be blocked, one that comes now comes on top of this one, and sees that it
    // is not first.
    compiler_fence(SeqCst);
    if is_first || !are_all_blocked(interrupted.mask) || block.aside.is_of_handler() {
        // Nothing came before, or only what came on top of this one. What was noted
        // then is overwritten: the first signal interrupted the program.
        // SAFETY: the caller's.
        unsafe { block.aside.copy(context) };
    }
    // A confined process may not survive the question.
    let own = if sys::is_confined() { block.tid } else { sys::gettid() };
    if !is_trap_signal {
        // SAFETY: a siginfo_t is as long.
        let info = unsafe { info.cast::<Info>().read() };
        let is_inner = entry::interrupted(interrupted).is_some();
        block.keep(Kept { info, version, to: own, is_inner });
    }
    interrupted.mask |= all;
    leave::go_back_to_check(interrupted);
    #[cfg(feature = "own_calls")]
    if let Some(off) = way_off(interrupted.rip) {
        interrupted.rip = off;
    }
    block.aside.by = own;
}

/// Whether the entry is on its way out by rt_sigreturn, and has seen to all that was put aside.
/// That of traps is blocked then.
fn is_leaving(aside: &Aside, rip: u64) -> bool {
    let last = &raw const interceptor_sigreturn as u64;
    !sys::is_confined() && (aside.waits.load(Relaxed) == LEAVES || rip == last)
}

/// Whether a mask has all signals from elsewhere.
fn are_all_blocked(mask: u64) -> bool {
    mask & alternate::ASYNCHRONOUS == alternate::ASYNCHRONOUS
}

impl ThreadBlock {
    /// Those that came on top of it, but were seen to before, come after it.
    fn keep(&mut self, signal: Kept) {
        let count = self.aside.kept as usize;
        let Some(kept) = self.kept.get_mut(..=count) else {
            stat::count_lost_call();
            return;
        };
        let (from, mut at) = (self.aside.kept_from as usize, count);
        while let Some(inner) =
            at.checked_sub(1).filter(|before| *before >= from && kept[*before].is_inner)
        {
            kept[at] = Kept { is_inner: false, ..kept[inner] };
            at = inner;
        }
        kept[at] = signal;
        self.aside.kept += 1;
    }

    /// Whether any are kept.
    pub(super) fn has_kept(&self) -> bool {
        self.aside.kept > self.aside.kept_from
    }

    /// Those that are kept, which are not any more.
    pub(super) fn take_kept(&mut self) -> &[Kept] {
        let from = self.aside.kept_from as usize;
        let end = core::mem::replace(&mut self.aside.kept, from as u32) as usize;
        self.kept.get(from..end).unwrap_or(&[])
    }

    /// It waits again, and what has come since for the thread `tid`; nothing else.
    pub(crate) fn wait_again(&mut self, waiting: Waiting, tid: u32) {
        let since = waiting.kept as usize..(self.aside.kept as usize).min(KEPT);
        let mut end = since.start;
        for at in since {
            if self.kept[at].to == tid {
                self.kept[end] = self.kept[at];
                end += 1;
            }
        }
        let aside = &mut self.aside;
        (aside.kept, aside.kept_from) = (end as u32, waiting.kept_from);
        aside.is_stack_away = waiting.is_stack_away;
        if aside.by != tid {
            aside.waits.store(waiting.waits, Relaxed);
        }
    }

    /// The entry has no level left: what was put aside comes now.
    pub(crate) fn end_without_leaving(&mut self, mask: u64) {
        let mask =
            if self.aside.waits.load(Relaxed) == 0 { mask } else { self.aside.context[MASK] };
        for signal in self.take_kept() {
            send_to_self(&signal.info);
        }
        self.aside.waits.store(0, Relaxed);
        alternate::set_mask(mask);
    }
}

/// Signals that a hook has to see to that makes a process on its own block: none for the
/// program's own calls.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    waits: u32,
    kept: u32,
    kept_from: u32,
    is_stack_away: bool,
}

impl Aside {
    /// What waits while a call is in the kernel: a hook's, or the program's, which goes in
    /// when all have been delivered.
    pub(crate) fn waiting(&mut self, is_hooks: bool) -> Waiting {
        self.by = 0;
        let Self { kept, kept_from, is_stack_away, .. } = *self;
        match is_hooks {
            true => Waiting { waits: self.waits.load(Relaxed), kept, kept_from, is_stack_away },
            false => Waiting { waits: 0, kept: kept_from, kept_from, is_stack_away: false },
        }
    }

    /// Whether the context is that of a handler of ours that had not begun.
    fn is_of_handler(&self) -> bool {
        entry::is_beginning(self.context[RIP])
    }

    /// Copies the context that was interrupted.
    ///
    /// # Safety
    ///
    /// It is the kernel's.
    unsafe fn copy(&mut self, context: *const UContext) {
        // SAFETY: a ucontext_t is longer; its floating point pointer leads to an
        // XSAVE area or is null.
        unsafe {
            self.context = context.cast::<Context>().read();
            let area = self.context[FPSTATE] as *const u8;
            if !area.is_null() {
                self.description = area.add(DESCRIPTION_AT).cast::<Description>().read();
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
    /// anyway; and with this alternate stack. `mask` is what was blocked just before all
    /// asynchronous signals were: not all of them, if none had been put aside by then.
    /// A fault's signal may have been since, from which nothing is learned.
    pub(crate) fn leave_with(&mut self, mask: u64, alternate: &[u64; 3]) {
        if !are_all_blocked(mask) || self.waits.load(Relaxed) == 0 {
            self.context[MASK] = mask;
        }
        self.context[STACK..STACK + 3].copy_from_slice(alternate);
        self.leave_later();
    }

    /// Makes the entry leave by rt_sigreturn to the alternate stack, where levels are
    /// parked.
    pub(crate) fn leave_on_alternate_stack(&mut self) {
        self.complete_template();
        self.leave_with(alternate::mask(), &self.alternate_stack());
        self.put_away();
    }

    /// Blocks all signals from here on, also when the entry has left. Returns what
    /// was blocked before.
    pub(crate) fn hold_all(&mut self) -> u64 {
        let mask = alternate::block_all();
        self.complete_template();
        self.leave_with(mask, &self.alternate_stack());
        let mask = self.context[MASK];
        self.context[MASK] |= alternate::ASYNCHRONOUS;
        mask
    }

    /// Makes the entry leave by rt_sigreturn, with what is in the context: no signal that comes
    /// from here on has come before one of which that is.
    fn leave_later(&mut self) {
        self.context[RIP] = 0;
        self.waits.store(WAITS, Relaxed);
    }

    /// Makes the entry leave by rt_sigreturn, with this mask in any case.
    pub(crate) fn leave_with_mask(&mut self, mask: u64) {
        self.context[MASK] = mask;
        self.leave_later();
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
            describe_state(&mut self.description, features, size);
        }
    }
}

/// Queues a signal to this thread, which has blocked it.
pub(super) fn send_to_self(info: &Info) {
    // SAFETY: a siginfo_t that the kernel made; its first word begins with the
    // signal.
    let sent = unsafe {
        let signal = info[0] as u32;
        let info: *const Info = info;
        syscall!(Sysno::rt_tgsigqueueinfo, sys::getpid(), sys::gettid(), signal, info)
    };
    if sent.is_err() {
        stat::count_lost_call();
    }
}

unsafe extern "C" {
    static interceptor_careful: u8;
    static interceptor_careful_end: u8;
    static interceptor_sigreturn: u8;
}
