//! A hook that uses what the examples leave out of calls with types, guarded pointers, and
//! words of calls and threads. `tests/tests/examples.rs` makes the calls.
#![no_std]

mod common;

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use interceptor::calls::{self, TypedCall};

use interceptor::syscalls::syscall;
use interceptor::{
    Decision, Errno, Hook, RemoteEffect, SignalDecision, SignalDelivery, Signals, Subscription,
    SyscallEntry, SyscallExit, Sysno, members, thread_word,
};

/// No system call's number: asks for the begins (1) and ends (2) of the hook for signals.
const ASK_FOR_SIGNALS: u64 = 501;
/// Nor this: asks for the number of common calls whose views are right.
const ASK_FOR_VIEWS: u64 = 502;
/// Asks for the number of the last call by which another process acted on this one.
const ASK_FOR_EFFECT: u64 = 503;
/// Asks for threads and groups alive, a hundred times those.
const ASK_FOR_MEMBERS: u64 = 504;
/// Sends SIGALRM, whose handler writes to the socket whose other end is the argument; asks
/// for what is read from there while the hook runs.
const ASK_FOR_INTERRUPTION: u64 = 505;
/// Asks for the number of signals that libc sent to itself.
const ASK_FOR_INTERNAL: u64 = 506;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGALRM: i32 = 14;
/// glibc's, for changes of ids in all threads.
const SIGSETXID: i32 = 33;

struct Typed {
    signals: AtomicU64,
    internal: AtomicU64,
    effect: AtomicU64,
}

impl Typed {
    /// The answer to a call that no system has.
    fn asked(&self, call: &SyscallEntry) -> Option<Decision> {
        let answer = match call.nr() {
            ASK_FOR_SIGNALS => self.signals.swap(0, Relaxed),
            ASK_FOR_VIEWS => common::count() as u64,
            ASK_FOR_EFFECT => self.effect.swap(0, Relaxed),
            ASK_FOR_MEMBERS => {
                members::sync();
                let population = members::population();
                100 * population.live_groups + population.live_threads
            }
            ASK_FOR_INTERNAL => self.internal.load(Relaxed),
            ASK_FOR_INTERRUPTION => return Some(interrupted(call.args()[0]).into()),
            _ => return None,
        };
        Some(Decision::Answer(answer as i64))
    }

    fn note(&self, digit: u64) {
        self.signals.store(self.signals.load(Relaxed) * 10 + digit, Relaxed);
    }
}

impl Hook for Typed {
    fn subscription(&self) -> Subscription {
        Subscription::List("getppid,umask,pipe2,nanosleep,dup,writev,500-506")
    }

    const INTERRUPTIBLE: bool = true;

    const REMOTE: bool = true;

    fn remote_effect(&self, effect: &RemoteEffect) {
        self.effect.store(effect.nr, Relaxed);
    }

    const SIGNALS: Signals = Signals::DELIVERED.union(Signals::INTERNAL);

    /// While the first is seen a second is sent, which comes after it. Neither goes on.
    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision {
        if delivery.signal() == SIGSETXID {
            self.internal.fetch_add(1, Relaxed);
        }
        if !matches!(delivery.signal(), SIGUSR1 | SIGUSR2) {
            return SignalDecision::Forward;
        }
        self.note(1);
        if delivery.signal() == SIGUSR1 {
            // SAFETY: numbers only.
            let sent = unsafe {
                syscall!(Sysno::getpid).and_then(|pid| syscall!(Sysno::kill, pid, SIGUSR2))
            };
            self.note(if sent.is_ok() { 3 } else { 4 });
        }
        self.note(2);
        SignalDecision::Swallow
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        if let Some(answer) = self.asked(call) {
            return answer;
        }
        match call.sysno() {
            // How many of these the thread has made, ten times, by way of both words.
            Some(Sysno::getppid) => {
                let before = thread_word(|count| count + 1).unwrap_or(1000);
                return Decision::ForwardAndExit(10 * (before + 1));
            }
            Some(Sysno::dup) => call.put(calls::getpid {}),
            _ => {}
        }
        if let Some(mut umask) = call.view::<calls::umask>() {
            umask.mask |= 0o20;
            call.put(umask);
        }
        if let Some(pipe) = call.view::<calls::pipe2>() {
            return pipe.fds.write(&[100, 101]).map(|()| 0).into();
        }
        if let Some(sleep) = call.view::<calls::nanosleep>() {
            let asked = sleep.duration.read();
            return asked.map(|time| (time.seconds * 1000 + time.nanoseconds) as usize).into();
        }
        if let Some(write) = call.view::<calls::writev>() {
            return total(&write).into();
        }
        Decision::Forward
    }

    fn exit(&self, call: &SyscallExit) -> i64 {
        let is_getppid = call.view::<calls::getppid>().is_some() && call.nr() == calls::getppid::NR;
        if is_getppid && call.outcome().is_ok() { call.word() as i64 } else { -1 }
    }
}

/// Sends a signal to the process; what its handler has written by then.
fn interrupted(socket: u64) -> Result<usize, Errno> {
    let mut bytes = [0u8; 4];
    // SAFETY: numbers, and room for what is read.
    unsafe {
        let pid = syscall!(Sysno::getpid)?;
        syscall!(Sysno::kill, pid, SIGALRM)?;
        syscall!(Sysno::read, socket, bytes.as_mut_ptr(), bytes.len())
    }
}

/// The sum of all bytes that are to be written.
fn total(write: &calls::writev) -> Result<usize, Errno> {
    let mut total = 0;
    for index in 0..write.count as usize {
        let piece = write.vectors.add(index).read()?;
        let mut bytes = [0u8; 16];
        let bytes = bytes.get_mut(..piece.len as usize).ok_or(Errno::EMSGSIZE)?;
        piece.base.read_all(bytes)?;
        total += bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
    }
    Ok(total)
}

interceptor::preload!(
    Typed = Typed {
        signals: AtomicU64::new(0),
        internal: AtomicU64::new(0),
        effect: AtomicU64::new(0)
    }
);
