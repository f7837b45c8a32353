//! Calls by which one member acts on another, which cannot see them itself.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::Sysno;

use crate::group::{self, Concerned};
use crate::hook::RemoteEffect;
use crate::sys::{self, File};
use crate::thread::{Call, ThreadBlock};

/// How a call names whom it acts on.
#[derive(Clone, Copy)]
enum Target {
    /// A thread's id in this argument; 0 is the caller.
    Thread(usize),
    /// A process's id in this argument; 0 is the caller.
    Process(usize),
    /// As kill(2): a process, a process group, or all.
    Processes(usize),
    /// A descriptor of a process.
    Descriptor(usize),
    /// What the first argument says, and the id in the second: as
    /// setpriority(2) (0 and 1) or ioprio_set(2) (1 and 2), from this number on.
    Which(u32),
}

/// The calls, and whom they act on.
const CALLS: [(Sysno, Target); 20] = [
    (Sysno::kill, Target::Processes(0)),
    (Sysno::tkill, Target::Thread(0)),
    (Sysno::tgkill, Target::Thread(1)),
    (Sysno::rt_sigqueueinfo, Target::Process(0)),
    (Sysno::rt_tgsigqueueinfo, Target::Thread(1)),
    (Sysno::pidfd_send_signal, Target::Descriptor(0)),
    (Sysno::pidfd_getfd, Target::Descriptor(0)),
    (Sysno::process_madvise, Target::Descriptor(0)),
    (Sysno::process_vm_writev, Target::Process(0)),
    (Sysno::migrate_pages, Target::Process(0)),
    (Sysno::move_pages, Target::Process(0)),
    (Sysno::prlimit64, Target::Process(0)),
    (Sysno::setpgid, Target::Process(0)),
    (Sysno::ptrace, Target::Thread(1)),
    (Sysno::sched_setaffinity, Target::Thread(0)),
    (Sysno::sched_setscheduler, Target::Thread(0)),
    (Sysno::sched_setparam, Target::Thread(0)),
    (Sysno::sched_setattr, Target::Thread(0)),
    (Sysno::setpriority, Target::Which(0)),
    (Sysno::ioprio_set, Target::Which(1)),
];

/// Whether anybody wants to be told.
static ARE_TOLD: AtomicBool = AtomicBool::new(false);

/// From now on somebody wants to be told. Returns the numbers of the calls.
pub(super) fn begin() -> impl Iterator<Item = Sysno> {
    ARE_TOLD.store(true, Relaxed);
    numbers()
}

/// Whether anybody wants to be told.
pub(super) fn are_told() -> bool {
    ARE_TOLD.load(Relaxed)
}

fn numbers() -> impl Iterator<Item = Sysno> {
    CALLS.iter().map(|(sysno, _)| *sysno)
}

/// Whether it is one of them.
pub(super) fn is_one(sysno: Sysno) -> bool {
    numbers().any(|other| other == sysno)
}

/// One of them came out: tells whom it has acted on.
pub(super) fn done(block: &mut ThreadBlock, sysno: Sysno, call: &Call, result: i64) {
    let Some((_, target)) = CALLS.iter().find(|(other, _)| *other == sysno) else {
        return;
    };
    if result < 0 || sys::is_confined() {
        return;
    }
    let effect =
        RemoteEffect { caller_tid: block.tid, target: 0, nr: call.nr, args: call.args, result };
    let id = |at: usize| call.args[at] as i32;
    match *target {
        Target::Thread(at) => tell_thread(block, id(at), &effect),
        Target::Process(at) => tell_process(block, id(at), &effect),
        Target::Processes(at) if id(at) > 0 => tell_process(block, id(at), &effect),
        Target::Processes(at) => tell_group(block, id(at).wrapping_neg(), &effect),
        Target::Descriptor(at) => {
            if let Some(tgid) = process_of_descriptor(id(at)) {
                tell_process(block, tgid, &effect);
            }
        }
        Target::Which(first) => match (call.args[0] as u32).wrapping_sub(first) {
            0 => tell_thread(block, id(1), &effect),
            1 => tell_group(block, id(1), &effect),
            _ => {}
        },
    }
}

fn tell_thread(block: &mut ThreadBlock, tid: i32, effect: &RemoteEffect) {
    if tid > 0 && tid as u32 != block.tid {
        block.membership().send(Concerned::Thread(tid as u32), effect);
    }
}

fn tell_process(block: &mut ThreadBlock, tgid: i32, effect: &RemoteEffect) {
    if tgid > 0 {
        block.membership().send(Concerned::Process(tgid as u32), effect);
    }
}

/// A process group; 0 is the caller's, 1 stands for all processes in kill(2).
fn tell_group(block: &mut ThreadBlock, process_group: i32, effect: &RemoteEffect) {
    let wanted = if process_group == 0 { sys::process_group(0) } else { process_group as u32 };
    for tgid in group::processes(block.membership()) {
        if process_group == 1 || sys::process_group(tgid) == wanted {
            block.membership().send(Concerned::Process(tgid), effect);
        }
    }
}

/// The process behind a descriptor: the line `Pid:` of its fdinfo.
fn process_of_descriptor(fd: i32) -> Option<i32> {
    let mut path = heapless::String::<64>::new();
    write!(path, "/proc/self/fdinfo/{fd}\0").ok()?;
    let path = core::ffi::CStr::from_bytes_with_nul(path.as_bytes()).ok()?;
    let mut text = [0; 512];
    let read = File::open(path).ok()?.read(&mut text).ok()?;
    let text = core::str::from_utf8(text.get(..read)?).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}
