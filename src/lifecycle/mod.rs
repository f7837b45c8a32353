//! Calls that the runtime itself must know of.
//!
//! Each concern has a file; this one says which numbers they need and leads a
//! call to them. A lifecycle call is seen after the hooks had their say, so
//! what arrives here is what the kernel will get.

mod birth;
mod confine;
mod descriptors;
mod exec;
mod mapping;
mod process;
mod remote;
mod robust_list;
mod storage;
mod target;

use syscalls::Sysno;

use crate::frame::SyscallFrame;
use crate::group;
use crate::hook::Observer;
use crate::interest::{self, LIFECYCLE};
use crate::signal::{self, MaskChange};
use crate::sys;
use crate::thread::{self, Call, ThreadBlock};
use crate::trace;

pub(crate) use birth::{
    Birth, handler_runs, is_unobserved_start, joins_late, sharer_begins, thread_begins,
};
pub(crate) use descriptors::{Kept, Moved, first_descriptor, keep as keep_descriptor};

/// What becomes of a lifecycle call.
pub(crate) enum Step {
    /// The kernel gets it and nothing remains to be done.
    Forward,
    /// The kernel gets it, then [`exit`] is called.
    ForwardAndExit,
    /// The kernel gets it and does not come back to the site.
    NeverReturns,
    /// The kernel does not get it.
    Answer(i64),
}

/// A hook that may want to know of threads and processes, and the level that
/// it would run on.
pub(crate) struct Observing<'a> {
    hook: Option<&'a dyn Observer>,
    level: u64,
}

impl<'a> Observing<'a> {
    pub(crate) fn new(hook: &'a dyn Observer, level: u64) -> Self {
        Self { hook: hook.observes().then_some(hook), level }
    }

    /// For what a hook does itself.
    pub(crate) fn nothing() -> Self {
        Self { hook: None, level: 0 }
    }

    fn is_wanted(&self) -> bool {
        self.hook.is_some()
    }

    /// Tells the hook. Calls that it makes are not hooked.
    fn call(&self, block: &mut ThreadBlock, tell: impl FnOnce(&dyn Observer)) {
        if let Some(hook) = self.hook {
            // A hook that has made the call goes on afterwards.
            let before = block.hook_level;
            block.hook_level = ThreadBlock::OBSERVES | (self.level as u32 + 1);
            tell(hook);
            block.hook_level = before;
        }
    }
}

/// Numbers that are always of interest.
const ALWAYS: [Sysno; 17] = [
    Sysno::rt_sigaction,
    Sysno::exit,
    Sysno::exit_group,
    Sysno::fork,
    Sysno::vfork,
    Sysno::clone,
    Sysno::clone3,
    Sysno::execve,
    Sysno::execveat,
    Sysno::mmap,
    Sysno::mprotect,
    Sysno::pkey_mprotect,
    Sysno::munmap,
    Sysno::mremap,
    Sysno::prctl,
    Sysno::seccomp,
    Sysno::arch_prctl,
];

/// Numbers of interest to a member of a group.
const GROUP: [Sysno; 6] = [
    Sysno::wait4,
    Sysno::waitid,
    Sysno::set_robust_list,
    Sysno::get_robust_list,
    Sysno::unshare,
    Sysno::setns,
];

/// Subscribes to what must always be known.
pub(crate) fn subscribe() {
    for sysno in ALWAYS {
        interest::add(sysno as usize, LIFECYCLE);
    }
    if group::segment().is_some() {
        for sysno in GROUP {
            interest::add(sysno as usize, LIFECYCLE);
        }
    }
}

/// Subscribes to calls that act on others.
pub(crate) fn subscribe_remote() {
    for sysno in remote::begin() {
        interest::add(sysno as usize, LIFECYCLE);
    }
}

/// Subscribes to what must be known where a trace is written.
pub(crate) fn subscribe_limits() {
    for sysno in trace::LIMITING {
        interest::add(sysno as usize, LIFECYCLE);
    }
}

/// Tells the hook what others did to the calling thread.
#[cold]
pub(crate) fn read_mail(block: &mut ThreadBlock, observing: &Observing<'_>) {
    while let Some(effect) = block.membership().take_effect() {
        observing.call(block, |hook| hook.remote_effect(&effect));
    }
}

/// Whether nothing is to be done for a call, as for most of those with numbers that must be
/// known. Asked in the first stage of a call, which touches no vector register.
#[inline]
pub(crate) fn is_indifferent(frame: &SyscallFrame) -> bool {
    const RT_SIGACTION: u32 = Sysno::rt_sigaction as u32;
    let (nr, args) = (frame.rax, &frame.args);
    match nr as u32 {
        RT_SIGACTION => signal::is_left_to_kernel(frame),
        mapping::MMAP
        | mapping::MPROTECT
        | mapping::PKEY_MPROTECT
        | mapping::MUNMAP
        | mapping::MREMAP => mapping::is_indifferent(nr, args),
        // SAFETY: the block outlives the thread's frames.
        _ => descriptors::are_others(unsafe { &*frame.block }, nr, args),
    }
}

/// A call on its way in.
pub(crate) fn enter(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    observing: &Observing<'_>,
) -> Step {
    let Some(sysno) = sysno(frame.rax) else {
        return Step::Forward;
    };
    match sysno {
        Sysno::rt_sigreturn => Step::NeverReturns,
        Sysno::exit_group => process::exit_group(block, frame.args[0], observing),
        Sysno::exit => birth::exit_thread(block, frame, observing),
        Sysno::fork | Sysno::vfork | Sysno::clone | Sysno::clone3 => {
            birth::enter(block, frame, observing)
        }
        Sysno::execve | Sysno::execveat => exec::enter(block, sysno, frame, observing),
        Sysno::prctl | Sysno::seccomp => {
            confine::enter(block, sysno, &frame.args);
            process::prctl(block, sysno, &frame.args)
        }
        Sysno::rt_sigaction => {
            signal::rt_sigaction(block, frame).map_or(Step::Forward, Step::Answer)
        }
        Sysno::rt_sigprocmask => signal::rt_sigprocmask(block, frame),
        _ if signal::call_with_mask(block, sysno, frame) => Step::ForwardAndExit,
        Sysno::signalfd | Sysno::signalfd4 => {
            signal::signalfd(&frame.args);
            Step::Forward
        }
        _ if signal::call_is_told(block, sysno, &frame.args) => Step::ForwardAndExit,
        Sysno::rt_sigpending => Step::ForwardAndExit,
        Sysno::rt_sigtimedwait => {
            signal::rt_sigtimedwait(block, &frame.args).map_or(Step::Forward, Step::Answer)
        }
        Sysno::sigaltstack => Step::ForwardAndExit,
        Sysno::mmap | Sysno::mprotect | Sysno::pkey_mprotect | Sysno::munmap | Sysno::mremap => {
            mapping::enter(block, sysno, frame)
        }
        Sysno::close
        | Sysno::close_range
        | Sysno::dup
        | Sysno::dup2
        | Sysno::dup3
        | Sysno::fcntl
        | Sysno::fstat
        | Sysno::newfstatat
        | Sysno::statx => descriptors::enter(block, sysno, &frame.args),
        Sysno::get_robust_list => robust_list::get(block, &frame.args),
        Sysno::set_robust_list => robust_list::set(block),
        Sysno::wait4 | Sysno::waitid | Sysno::unshare | Sysno::setns => Step::ForwardAndExit,
        Sysno::arch_prctl => storage::enter(block, &frame.args),
        Sysno::setrlimit | Sysno::prlimit64 => {
            trace::limit_is_set(sysno, &frame.args);
            if remote::are_told() { Step::ForwardAndExit } else { Step::Forward }
        }
        // A monitor's waits, which it subscribed to.
        _ if observing.is_wanted() => Step::ForwardAndExit,
        _ => Step::Forward,
    }
}

/// Where a call goes on that has come out and goes in again.
pub(crate) fn goes_in_again(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    call: &Call,
) -> Option<u64> {
    exec::goes_in_again(block, frame, call)
}

/// A call on its way out. Returns the result that the program sees.
pub(crate) fn exit(
    block: &mut ThreadBlock,
    frame: &SyscallFrame,
    call: &Call,
    observing: &Observing<'_>,
) -> i64 {
    let result = frame.rax as i64;
    let Some(sysno) = sysno(call.nr) else {
        return result;
    };
    if let MaskChange::Held { before, .. } | MaskChange::Told { before, .. } = call.mask_change {
        signal::held_call_is_done(block, before);
    }
    match sysno {
        Sysno::fork | Sysno::vfork | Sysno::clone | Sysno::clone3 => {
            birth::exit(block, call, result, observing);
            result
        }
        _ => exit_of_others(block, frame, call, sysno, observing),
    }
}

/// The same of a call that makes nobody. By itself, since a forked child, and its parent
/// after it, has to copy each page of the stack that a birth comes out by.
#[inline(never)]
fn exit_of_others(
    block: &mut ThreadBlock,
    frame: &SyscallFrame,
    call: &Call,
    sysno: Sysno,
    observing: &Observing<'_>,
) -> i64 {
    let (args, result) = (&call.args, frame.rax as i64);
    match sysno {
        Sysno::execve | Sysno::execveat => {
            block.membership().leave_exec();
            signal::leave_ignored_to_kernel(false);
        }
        Sysno::rt_sigprocmask => signal::rt_sigprocmask_done(block, call, result),
        Sysno::rt_sigpending => signal::rt_sigpending_done(block, args, result),
        Sysno::sigaltstack => signal::sigaltstack_done(block, call, result),
        // Whoever was waited for is no longer counted.
        Sysno::wait4 | Sysno::waitid => group::sync(),
        Sysno::set_robust_list => robust_list::was_set(block, frame, args, result),
        Sysno::arch_prctl => storage::exit(),
        Sysno::unshare | Sysno::setns => process::unshared(block, sysno, args, result),
        Sysno::mmap | Sysno::mprotect | Sysno::pkey_mprotect | Sysno::munmap | Sysno::mremap => {
            return mapping::exit(block, sysno, args, result);
        }
        _ if remote::is_one(sysno) => remote::done(block, sysno, call, result),
        _ => observing.call(block, |hook| hook.waited()),
    }
    result
}

/// The number of the record of a call that comes out.
fn find_call(block: &ThreadBlock, rsp: u64, anchor: u64, result: u64) -> Option<u32> {
    // A child process perhaps on a stack of its own.
    let is_it = |call: &Call| {
        let is_childs = result == 0 && birth::child_comes_out_with(call, rsp);
        call.anchor == anchor && (call.rsp == rsp || is_childs)
    };
    let calls = &block.in_flight;
    // A child may have been killed in a call that it made where its parent made it.
    let is_vfork = |call: &Call| is_it(call) && birth::is_vfork(call);
    if result != 0 && block.depth != 0 && calls.newest(is_vfork).is_some() && !sys::is_confined() {
        let own = sys::gettid();
        let is_own = |call: &Call| is_it(call) && birth::is_vfork_of(call, own);
        return calls.newest(is_own).or_else(|| calls.newest(is_it));
    }
    calls.newest(is_it)
}

/// The record of a call that came out.
pub(crate) fn take_call(block: &mut ThreadBlock, frame: &SyscallFrame) -> Option<Call> {
    let number = find_call(block, frame.rsp, frame.anchor, frame.rax)?;
    let call = *block.in_flight.get(number);
    // A child on its parent's memory leaves the record to that one.
    if !birth::may_share_memory(&call) {
        block.in_flight.remove(number);
    } else if frame.rax != 0 {
        // What is newer is the child's.
        block.in_flight.remove_from(number);
    }
    Some(call)
}

/// A call is about to come out on the careful way, with all signals blocked.
pub(crate) fn comes_out_carefully(block: &mut ThreadBlock, rsp: u64, anchor: u64, result: u64) {
    if !thread::is_level_free() {
        comes_out_without_level(block, rsp, anchor, result);
    } else if let Some(depth) = depth_of_vfork(block, rsp, anchor, result) {
        block.take_back_signals(depth);
    }
}

/// A call comes out, and all levels are in use. If it is the birth of a vfork child, that has
/// left them so, and its parent takes back what was its own. Returns whether it is.
#[cold]
pub(crate) fn comes_out_without_level(
    block: &mut ThreadBlock,
    rsp: u64,
    anchor: u64,
    result: u64,
) -> bool {
    /// It comes out by none yet.
    const NO_LEVEL: u64 = u64::MAX;
    let depth = depth_of_vfork(block, rsp, anchor, result);
    if let Some(depth) = depth {
        block.take_back(depth, NO_LEVEL);
    }
    depth.is_some()
}

/// The depth of the parent whose vfork comes out, if it does.
fn depth_of_vfork(block: &mut ThreadBlock, rsp: u64, anchor: u64, result: u64) -> Option<u32> {
    let call = block.in_flight.get(find_call(block, rsp, anchor, result)?);
    (result != 0 && birth::is_vfork(call)).then_some(call.depth)
}

/// A call came out that nobody of this thread sent in: a new thread, or a
/// record that had to make room.
pub(crate) fn exit_unknown(
    block: &mut ThreadBlock,
    frame: &SyscallFrame,
    observing: &Observing<'_>,
) {
    if frame.rax == 0 {
        birth::thread_starts(block, observing);
    }
}

/// Births and ends, which a forked child comes out of and goes into, and what libc does first
/// in one, need not touch the pages of the table of all calls.
fn sysno(nr: u64) -> Option<Sysno> {
    // The kernel looks at the low 32 bits only.
    let nr = nr as u32 as usize;
    let is = |sysno: Sysno| (sysno as usize == nr).then_some(sysno);
    is(Sysno::fork)
        .or_else(|| is(Sysno::vfork))
        .or_else(|| is(Sysno::clone))
        .or_else(|| is(Sysno::clone3))
        .or_else(|| is(Sysno::exit))
        .or_else(|| is(Sysno::exit_group))
        .or_else(|| is(Sysno::set_robust_list))
        .or_else(|| Sysno::new(nr))
}
