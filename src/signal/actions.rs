//! The virtual table of signal actions.
//!
//! Written by rt_sigaction, read by the handler at delivery, each word an
//! atomic. Two threads that set the same signal at once may leave a mixture of
//! words, where the kernel would leave one or the other; no program does.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use syscalls::{Errno, Sysno, syscall};

use super::{SIGNALS, deliver, traps};
use crate::frame::SyscallFrame;
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;

pub(super) const SIGILL: u64 = 4;
pub(super) const SIG_DFL: u64 = 0;
pub(super) const SIG_IGN: u64 = 1;
pub(super) const SA_SIGINFO: u64 = 4;
pub(super) const SA_RESTORER: u64 = 0x0400_0000;
pub(super) const SA_ONSTACK: u64 = 0x0800_0000;
pub(super) const SA_NODEFER: u64 = 0x4000_0000;
pub(super) const SA_RESETHAND: u64 = 0x8000_0000;

/// The kernel's `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct SigAction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

const BYTES: usize = size_of::<SigAction>();

/// What the program believes is installed, as far as the kernel has something
/// else: entries whose handler is a function.
static TABLE: [[AtomicU64; 4]; SIGNALS] = [const { [const { AtomicU64::new(0) }; 4] }; SIGNALS];

/// The action of a signal, as the program installed it.
pub(super) fn get(signal: u64) -> SigAction {
    let Some(words) = slot(signal) else {
        return SigAction::default();
    };
    let [handler, flags, restorer, mask] = words;
    SigAction {
        handler: handler.load(Relaxed),
        flags: flags.load(Relaxed),
        restorer: restorer.load(Relaxed),
        mask: mask.load(Relaxed),
    }
}

pub(super) fn set(signal: u64, action: &SigAction) {
    if let Some(words) = slot(signal) {
        for (to, from) in words.iter().zip(action.words()) {
            to.store(from, Relaxed);
        }
    }
}

/// Whether the kernel's answer to an rt_sigaction is also ours, and the call
/// leaves the table as it is: queries for signals without a handler, and
/// whatever a vfork child sets, for itself (posix_spawn does both for each
/// signal).
pub(crate) fn is_native(block: &ThreadBlock, args: &[u64; 6]) -> bool {
    let [signal, new, old, ..] = *args;
    let has_function = !matches!(get(signal).handler, SIG_DFL | SIG_IGN);
    let asks_for_ours = old != 0 && has_function;
    (new == 0 || block.depth > 0) && !asks_for_ours && !traps::are_caught()
}

/// Executes rt_sigaction for the program. Returns its raw result.
pub(crate) fn rt_sigaction(block: &ThreadBlock, frame: &SyscallFrame) -> i64 {
    match try_sigaction(block, &frame.args, patch::stack_of_libc(frame)) {
        Ok(()) => 0,
        Err(error) => -i64::from(error.into_raw()),
    }
}

fn try_sigaction(block: &ThreadBlock, args: &[u64; 6], stack: Option<u64>) -> sys::Result<()> {
    let [signal, new, old, size, ..] = *args;
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let new = if new == 0 { None } else { Some(SigAction::read(new, stack)?) };
    let has_own_memory = has_own_memory(block);
    let given = new.map(|action| action.for_kernel(signal, has_own_memory));
    let mut kernels = SigAction::default();
    let given_pointer = given.as_ref().map_or(core::ptr::null(), |action| action);
    // SAFETY: the program's call, with structures of ours.
    unsafe { syscall!(Sysno::rt_sigaction, signal, given_pointer, &raw mut kernels, 8) }?;
    let previous = if kernels.handler == deliver::entry() { get(signal) } else { kernels };
    if let Some(action) = new.filter(|_| has_own_memory) {
        set(signal, &action);
    }
    if old != 0 && sys::write_guest_near(stack, old, &previous.words()) < BYTES {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

/// The calling process was born without its parent's handlers. `has_own_memory`:
/// the table is its own.
pub(crate) fn handlers_cleared(has_own_memory: bool) {
    if has_own_memory {
        for signal in 1..=SIGNALS as u64 {
            if !matches!(get(signal).handler, SIG_DFL | SIG_IGN) {
                set(signal, &SigAction::default());
            }
        }
    }
    if traps::are_caught() {
        traps::catch_again();
    }
}

/// Whether the table belongs to the calling process. A vfork child has handlers
/// of its own, but writes to its parent's memory; the call that made it may
/// have gone unseen.
fn has_own_memory(block: &ThreadBlock) -> bool {
    block.depth == 0 && (sys::is_confined() || block.tid == sys::gettid())
}

impl SigAction {
    fn read(address: u64, stack: Option<u64>) -> sys::Result<Self> {
        let mut bytes = [0; BYTES];
        if sys::read_guest_near(stack, address, &mut bytes) < BYTES {
            return Err(Errno::EFAULT);
        }
        let words = bytes.as_chunks::<8>().0;
        let word = |n: usize| words.get(n).map_or(0, |word| u64::from_le_bytes(*word));
        Ok(Self { handler: word(0), flags: word(1), restorer: word(2), mask: word(3) })
    }

    fn words(&self) -> [u64; 4] {
        [self.handler, self.flags, self.restorer, self.mask]
    }

    /// What the kernel gets in place of the program's action.
    fn for_kernel(&self, signal: u64, has_own_memory: bool) -> Self {
        let mut action = *self;
        action.mask = traps::without_trap_signal(action.mask);
        let is_function = self.handler != SIG_DFL && self.handler != SIG_IGN;
        if signal == SIGILL && traps::are_caught() {
            return traps::action();
        }
        if is_function && has_own_memory && self.flags & SA_RESTORER != 0 {
            action.handler = deliver::entry();
            action.flags |= SA_SIGINFO;
        }
        action
    }
}

fn slot(signal: u64) -> Option<&'static [AtomicU64; 4]> {
    TABLE.get(usize::try_from(signal).ok()?.checked_sub(1)?)
}
