//! Births and deaths of threads and processes.

use syscalls::{Errno, Sysno};

use super::Step;
use crate::frame::SyscallFrame;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock};

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
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
pub(super) fn birth(frame: &SyscallFrame) -> Step {
    if clone_flags(frame.rax, &frame.args) & CLONE_THREAD != 0 {
        // The new thread has TLS of its own; its first call makes its block.
        return Step::Forward;
    }
    Step::ForwardAndExit
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
