//! rt_sigaction, for the program.

use syscalls::{Errno, Sysno, syscall};

use super::table::By;
use super::{SIGNALS, entry, hooked, nodefer, table, traps};
use crate::frame::SyscallFrame;
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;

pub(super) const SIGKILL: u64 = 9;
pub(super) const SIGSEGV: u64 = 11;
pub(super) const SIGCHLD: u64 = 17;
pub(super) const SIGSTOP: u64 = 19;
/// Signals that no mask holds.
pub(super) const UNBLOCKABLE: u64 = 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1);
pub(super) const SIG_DFL: u64 = 0;
pub(super) const SIG_IGN: u64 = 1;
pub(super) const SA_SIGINFO: u64 = 4;
pub(super) const SA_RESTORER: u64 = 0x0400_0000;
pub(super) const SA_RESTART: u64 = 0x1000_0000;
pub(super) const SA_ONSTACK: u64 = 0x0800_0000;
pub(super) const SA_NODEFER: u64 = 0x4000_0000;
pub(super) const SA_RESETHAND: u64 = 0x8000_0000;

pub(super) const SA_NOCLDSTOP: u64 = 1;
pub(super) const SA_NOCLDWAIT: u64 = 2;
/// Flags that decide what happens. Which of the others exist the kernel knows.
const ALL_FLAGS: u64 = SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_SIGINFO
    | SA_RESTORER
    | SA_RESTART
    | SA_ONSTACK
    | SA_NODEFER
    | SA_RESETHAND;

/// The kernel's `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SigAction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

const BYTES: usize = size_of::<SigAction>();

/// Executes rt_sigaction for the program. Returns its raw result, or nothing if
/// the kernel's answer to the call itself is also ours.
pub(crate) fn rt_sigaction(block: &ThreadBlock, frame: &SyscallFrame) -> Option<i64> {
    let by = if block.depth > 0 { By::VforkChild(block.tid) } else { By::Process };
    match try_sigaction(&frame.args, patch::stack_of_libc(frame), by) {
        Ok(None) => None,
        Ok(Some(())) => Some(0),
        Err(error) => Some(-i64::from(error.into_raw())),
    }
}

fn try_sigaction(args: &[u64; 6], stack: Option<u64>, by: By) -> sys::Result<Option<()>> {
    let [_, new, old, size, ..] = *args;
    let signal = number(args);
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let new = if new == 0 { None } else { Some(SigAction::read(new, stack)?) };
    let is_for_us = new.is_some_and(|action| is_ours(signal, &action) || traps::are_caught());
    if !is_for_us && !table::is_used(signal) {
        return Ok(None);
    }
    let previous = exchange(signal, new.as_ref(), by)?;
    if old != 0 && sys::write_guest_near(stack, old, &previous.words()) < BYTES {
        return Err(Errno::EFAULT);
    }
    Ok(Some(()))
}

/// Whether rt_sigaction is the kernel's matter: the signal has no handler of ours and gets
/// none. Asked in the first stage of a call.
pub(crate) fn is_left_to_kernel(frame: &SyscallFrame) -> bool {
    let [_, new, _, size, ..] = frame.args;
    let signal = number(&frame.args);
    let is_no_handler = || {
        let handler = sys::read_guest_word_near(patch::stack_of_libc(frame), new);
        matches!(handler, Some(SIG_DFL | SIG_IGN))
    };
    let is_ours = || traps::are_caught() || hooked::wants_some() || !is_no_handler();
    size == 8 && !table::is_used(signal) && (new == 0 || !is_ours())
}

/// The signal that a call names; the kernel looks at an int only.
fn number(args: &[u64; 6]) -> u64 {
    u64::from(args[0] as u32)
}

/// Takes over what was installed before we were there, by constructors that ran
/// before ours: that of glibc's libpthread does, up to glibc 2.33, and its handler
/// unwinds from the context that it is shown. `caught` has the bits of all signals that may
/// have a handler.
pub(crate) fn adopt(caught: u64) {
    let may_have_one =
        |signal: &u64| caught >> (signal - 1) & 1 != 0 && !matches!(*signal, SIGKILL | SIGSTOP);
    for signal in (1..=SIGNALS as u64).filter(may_have_one) {
        if let Ok(installed) = exchange(signal, None, By::Process)
            && installed.is_function()
        {
            let _ = exchange(signal, Some(&installed), By::Process);
        }
    }
}

/// Makes an action the signal's, if there is one. Returns the one that it had.
pub(super) fn exchange(signal: u64, new: Option<&SigAction>, by: By) -> sys::Result<SigAction> {
    let is_refused = matches!(signal, SIGKILL | SIGSTOP);
    let ours = match new {
        Some(action) if is_ours(signal, action) && !is_refused => {
            Some(table::add(signal, action, by)?)
        }
        _ => None,
    };
    let given = new.map(|action| match &ours {
        Some(version) => given(signal, action, version.handler()),
        None => SigAction { mask: traps::without_trap_signal(action.mask), ..*action },
    });
    let mut kernels = SigAction::default();
    let given = given.as_ref().map_or(core::ptr::null(), |action| &raw const *action);
    // SAFETY: the program's call, with structures of ours.
    unsafe { syscall!(Sysno::rt_sigaction, signal, given, &raw mut kernels, 8) }?;
    Ok(as_installed(signal, &kernels))
}

/// What the kernel has for a signal; `handler` stands for the program's action.
fn given(signal: u64, action: &SigAction, handler: u64) -> SigAction {
    let other_flags = action.flags & !ALL_FLAGS;
    if is_trap(signal) {
        return traps::action(action, handler, other_flags);
    }
    if !action.is_function() {
        return hooked::action(signal, action, handler, other_flags);
    }
    nodefer::note(action.flags);
    // Without a restorer the kernel delivers another signal instead, at once, be it
    // in a hook: that we do ourselves.
    let restorer = if action.flags & SA_RESTORER != 0 { action.restorer } else { 0 };
    SigAction {
        handler,
        flags: (action.flags | SA_SIGINFO | SA_RESTORER) & !nodefer::flag_held_back(signal),
        restorer,
        mask: traps::without_trap_signal(action.mask),
    }
}

/// What the kernel has for a signal of which a version was delivered before: what is
/// in force now, unless that is only because the delivery has reset it.
pub(super) fn in_force(signal: u64, version: usize) -> SigAction {
    let delivered = table::get(signal, version);
    let given = given(signal, &delivered, entry::of(version));
    if sys::is_confined() {
        return given;
    }
    let mut kernels = SigAction::default();
    let none: *const SigAction = core::ptr::null();
    // SAFETY: the kernel writes one structure.
    let asked = unsafe { syscall!(Sysno::rt_sigaction, signal, none, &raw mut kernels, 8) };
    let is_reset = kernels.handler == SIG_DFL && delivered.flags & SA_RESETHAND != 0;
    if asked.is_err() || is_reset { given } else { kernels }
}

/// Gives an action to the kernel as it is.
pub(super) fn install(signal: u64, action: &SigAction) {
    let old: *mut SigAction = core::ptr::null_mut();
    // SAFETY: the kernel reads one structure.
    let _ = unsafe { syscall!(Sysno::rt_sigaction, signal, &raw const *action, old, 8) };
}

/// Whether the kernel gets a handler of ours for an action.
fn is_ours(signal: u64, action: &SigAction) -> bool {
    action.is_function() || is_trap(signal) || hooked::wants(signal, action)
}

pub(super) fn is_trap(signal: u64) -> bool {
    signal == traps::signal() && traps::are_caught()
}

/// What the program installed, when the kernel says what it has. The kernel
/// knows which flags exist and which signals cannot be blocked.
fn as_installed(signal: u64, kernels: &SigAction) -> SigAction {
    let version = entry::version_of(kernels.handler);
    let Some(version) = version.or_else(|| reset_version(signal, kernels)) else {
        return *kernels;
    };
    let installed = table::get(signal, version);
    let handler = if kernels.handler == SIG_DFL { SIG_DFL } else { installed.handler };
    let (changed_flags, changed_mask) = match is_trap(signal) || !installed.is_function() {
        true => (ALL_FLAGS, u64::MAX),
        false => (SA_SIGINFO | SA_RESTORER | SA_NODEFER, traps::signal_mask()),
    };
    SigAction {
        flags: kernels.flags & !changed_flags | installed.flags & changed_flags,
        mask: kernels.mask & !changed_mask | installed.mask & changed_mask & !UNBLOCKABLE,
        handler,
        ..installed
    }
}

/// The version whose handler was called and reset, when that is what the kernel has: the
/// rest of it stays.
fn reset_version(signal: u64, kernels: &SigAction) -> Option<usize> {
    let was_reset = kernels.handler == SIG_DFL && kernels.flags & SA_RESETHAND != 0;
    (0..entry::VERSIONS).filter(|_| was_reset && !is_trap(signal)).find(|version| {
        let installed = table::get(signal, *version);
        let had = given(signal, &installed, SIG_DFL);
        installed.is_function()
            && (had.flags ^ kernels.flags) & ALL_FLAGS & !SA_NODEFER == 0
            && (had.restorer, had.mask & !UNBLOCKABLE) == (kernels.restorer, kernels.mask)
    })
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

    pub(super) fn words(&self) -> [u64; 4] {
        [self.handler, self.flags, self.restorer, self.mask]
    }

    /// Signals that are blocked while its handler runs.
    pub(super) fn blocks(&self, signal: i32) -> u64 {
        let own = if self.flags & SA_NODEFER != 0 { 0 } else { 1 << (signal - 1) };
        self.mask | own
    }

    pub(super) fn is_function(&self) -> bool {
        !matches!(self.handler, SIG_DFL | SIG_IGN)
    }
}
