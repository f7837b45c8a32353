//! Processes that end, wait, enter namespaces, or want features that we take
//! away.

use syscalls::Sysno;

use super::{Observing, Step};
use crate::net;
use crate::thread::ThreadBlock;

/// `exit_group` on its way in.
pub(super) fn exit_group(block: &mut ThreadBlock, status: u64, observing: &Observing<'_>) -> Step {
    let thread = block.thread();
    observing.call(block, |hook| hook.process_exit(&thread, status as i32));
    crate::stat::thread_exit(block);
    Step::NeverReturns
}

/// unshare and setns came out: what the calling thread has of its own now, or its children.
pub(super) fn unshared(block: &mut ThreadBlock, sysno: Sysno, args: &[u64; 6], result: i64) {
    const CLONE_NEWPID: u64 = 0x2000_0000;
    const CLONE_FILES: u64 = 0x400;
    if result == 0 && sysno == Sysno::unshare && args[0] & CLONE_FILES != 0 {
        block.unshare_descriptors();
    }
    let flags = if sysno == Sysno::unshare { args[0] } else { u64::from(args[1] as u32) };
    // setns with 0 takes any namespace; a PID namespace more is no harm.
    if result == 0 && (flags & CLONE_NEWPID != 0 || flags == 0) {
        block.membership().children_leave_namespace(sysno == Sysno::unshare);
    }
}

/// prctl: Syscall User Dispatch compares the address of the instruction, which
/// is in a stub here, with ranges of the program's text, and a thread has one: it is the net's.
pub(super) fn prctl(block: &mut ThreadBlock, sysno: Sysno, args: &[u64; 6]) -> Step {
    const PR_SET_SYSCALL_USER_DISPATCH: u32 = 59;
    let [operation, mode, start, len, selector, _] = *args;
    if sysno == Sysno::prctl && operation as u32 == PR_SET_SYSCALL_USER_DISPATCH {
        return Step::Answer(net::set_dispatch(block, [mode, start, len, selector]));
    }
    Step::Forward
}
