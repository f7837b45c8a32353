//! Calls that the runtime itself must know of.
//!
//! Each concern has a file; this one says which numbers they need and leads a
//! call to them. A lifecycle call is seen after the hooks had their say, so
//! what arrives here is what the kernel will get.

mod confine;
mod descriptors;
mod exec;
mod mapping;
mod process;
mod target;

use syscalls::Sysno;

use crate::frame::SyscallFrame;
use crate::interest::{self, LIFECYCLE};
use crate::signal;
use crate::thread::{Call, ThreadBlock};

pub(crate) use descriptors::keep as keep_descriptor;

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

/// Numbers that are always of interest.
const ALWAYS: [Sysno; 17] = [
    Sysno::rt_sigaction,
    Sysno::rt_sigreturn,
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
];

/// Subscribes to what must always be known.
pub(crate) fn subscribe() {
    for sysno in ALWAYS {
        interest::add(sysno as usize, LIFECYCLE);
    }
}

/// A call on its way in.
pub(crate) fn enter(block: &mut ThreadBlock, frame: &mut SyscallFrame) -> Step {
    let Some(sysno) = sysno(frame.rax) else {
        return Step::Forward;
    };
    match sysno {
        Sysno::rt_sigreturn | Sysno::exit_group => Step::NeverReturns,
        Sysno::exit => process::exit_thread(block),
        Sysno::fork | Sysno::vfork | Sysno::clone | Sysno::clone3 => process::birth(block, frame),
        Sysno::execve | Sysno::execveat => exec::enter(block, sysno, frame),
        Sysno::prctl | Sysno::seccomp => {
            confine::enter(block, sysno, &frame.args);
            process::prctl(sysno, &frame.args)
        }
        Sysno::rt_sigaction => Step::Answer(signal::rt_sigaction(block, &frame.args)),
        Sysno::rt_sigprocmask if signal::rt_sigprocmask(block, frame) => Step::ForwardAndExit,
        Sysno::mmap | Sysno::mprotect | Sysno::pkey_mprotect | Sysno::munmap | Sysno::mremap => {
            mapping::enter(block, sysno, frame)
        }
        Sysno::close | Sysno::dup2 | Sysno::dup3 | Sysno::close_range | Sysno::fcntl => {
            descriptors::enter(sysno, &frame.args)
        }
        _ => Step::Forward,
    }
}

/// A call on its way out. Returns the result that the program sees.
pub(crate) fn exit(block: &mut ThreadBlock, nr: u64, args: &[u64; 6], result: i64) -> i64 {
    match sysno(nr) {
        Some(Sysno::fork | Sysno::vfork | Sysno::clone | Sysno::clone3) => {
            process::after_birth(block, nr, args, result);
            result
        }
        Some(Sysno::rt_sigprocmask) => {
            signal::rt_sigprocmask_done(block, args, result);
            result
        }
        Some(sysno) => mapping::exit(block, sysno, args, result),
        None => result,
    }
}

/// The record of a call that came out.
pub(crate) fn take_call(block: &mut ThreadBlock, frame: &SyscallFrame) -> Option<Call> {
    let (rsp, anchor) = (frame.rsp, frame.anchor);
    if frame.rax == 0
        && let Some(call) = block.in_flight.newest_of(anchor)
        && process::may_share_memory(call)
    {
        // A vfork child, perhaps on a stack of its own. The parent will want
        // the record, too.
        return Some(*call);
    }
    block.in_flight.take(rsp, anchor).copied()
}

/// A call came out that nobody of this thread sent in: a thread that a traced
/// clone made.
pub(crate) fn exit_unknown(block: &mut ThreadBlock, frame: &SyscallFrame) {
    let _ = (block, frame);
}

fn sysno(nr: u64) -> Option<Sysno> {
    // The kernel looks at the low 32 bits only.
    Sysno::new(nr as u32 as usize)
}
