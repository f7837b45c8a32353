//! Births and deaths of threads and processes.

use syscalls::{Errno, Sysno};

use super::Step;
use crate::diagnostics::say;
use crate::frame::SyscallFrame;
use crate::interest;
use crate::patch;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock};
use crate::trace;

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_THREAD: u64 = 0x1_0000;

/// `exit`: the thread's block may be used again once the kernel has ended it.
pub(super) fn exit_thread(block: &mut ThreadBlock) -> Step {
    if block.borrowed == 0 {
        crate::stat::thread_exit(block);
        thread::leave_for_reuse(block);
    }
    Step::NeverReturns
}

/// fork, vfork, clone, clone3 on their way in.
pub(super) fn birth(block: &mut ThreadBlock, frame: &SyscallFrame) -> Step {
    let flags = clone_flags(frame.rax, &frame.args);
    if flags & CLONE_VM != 0 && flags & CLONE_VFORK == 0 && !has_storage(flags, frame) {
        stand_back(block);
        return Step::Forward;
    }
    if flags & CLONE_THREAD != 0 {
        // The new thread has TLS of its own; its first call makes its block.
        return Step::Forward;
    }
    Step::ForwardAndExit
}

/// Whether a new thread gets storage in which libc has made room for our words.
fn has_storage(flags: u64, frame: &SyscallFrame) -> bool {
    flags & CLONE_SETTLS != 0 && patch::is_in_libc(frame.address_after_site())
}

/// A thread is about to be born that shares its parent's FS base, or brings one
/// that only the program knows. Our words are found through FS; there are none,
/// or somebody else's. So nobody is interested in any call any more: then no
/// stub leads to us.
#[cold]
fn stand_back(block: &mut ThreadBlock) {
    const WHY: &str =
        "the program makes threads that do not have libc's storage; interception ends here";
    if interest::is_any() {
        trace::stop(block, WHY);
        say(format_args!("{WHY}"));
    }
    interest::clear();
    sys::confine();
}

/// A process was made, and this is the parent or (`result` 0) the child.
pub(super) fn after_birth(block: &mut ThreadBlock, nr: u64, args: &[u64; 6], result: i64) {
    if result == 0 {
        let tid = sys::gettid();
        if clone_flags(nr, args) & CLONE_VM != 0 {
            block.borrowed = tid;
        } else {
            thread::after_fork();
        }
        block.tid = tid;
        crate::stat::process_begin(block);
    } else if block.borrowed != 0 {
        // The vfork child is gone; what it wrote here was the truth for it.
        block.borrowed = 0;
        block.tid = sys::gettid();
        crate::stat::process_begin(block);
    }
}

/// Whether the child of this call may run on its parent's memory and TLS.
pub(super) fn may_share_memory(call: &Call) -> bool {
    clone_flags(call.nr, &call.args) & CLONE_VM != 0
}

/// The CLONE_* flags of a call that makes a thread or process; 0 for others.
fn clone_flags(nr: u64, args: &[u64; 6]) -> u64 {
    match super::sysno(nr) {
        Some(Sysno::clone) => args[0],
        Some(Sysno::vfork) => CLONE_VM | CLONE_VFORK,
        Some(Sysno::clone3) => {
            let mut flags = [0; 8];
            if sys::read_guest(args[0], &mut flags) < flags.len() {
                // The kernel will say EFAULT.
                return 0;
            }
            u64::from_le_bytes(flags)
        }
        _ => 0,
    }
}

/// prctl: Syscall User Dispatch compares the address of the instruction, which
/// is in a stub here, with ranges of the program's text. Rather than dispatch
/// calls the program meant to allow, we are a kernel without the feature.
pub(super) fn prctl(sysno: Sysno, args: &[u64; 6]) -> Step {
    const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
    const PR_SYS_DISPATCH_ON: u64 = 1;
    if sysno == Sysno::prctl
        && args[0] == PR_SET_SYSCALL_USER_DISPATCH
        && args[1] == PR_SYS_DISPATCH_ON
    {
        return Step::Answer(-i64::from(Errno::EINVAL.into_raw()));
    }
    Step::Forward
}
