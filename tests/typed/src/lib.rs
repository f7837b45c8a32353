//! A hook that uses what the examples leave out of calls with types, guarded pointers, and
//! words of calls and threads. `tests/tests/examples.rs` makes the calls.
#![no_std]

mod common;

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use interceptor::calls::{self, TypedCall};

use interceptor::syscalls::syscall;
use interceptor::{
    Decision, Errno, Hook, SignalDecision, SignalDelivery, Signals, Subscription, SyscallEntry,
    SyscallExit, Sysno, thread_word,
};

/// No system call's number: asks for the begins (1) and ends (2) of the hook for signals.
const ASK_FOR_SIGNALS: u64 = 501;
/// Nor this: asks for the number of common calls whose views are right.
const ASK_FOR_VIEWS: u64 = 502;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;

struct Typed {
    signals: AtomicU64,
}

impl Typed {
    fn note(&self, digit: u64) {
        self.signals.store(self.signals.load(Relaxed) * 10 + digit, Relaxed);
    }
}

impl Hook for Typed {
    fn subscription(&self) -> Subscription {
        Subscription::List("getppid,umask,pipe2,nanosleep,dup,writev,500,501,502")
    }

    const SIGNALS: Signals = Signals::DELIVERED;

    /// While the first is seen a second is sent, which comes after it. Neither goes on.
    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision {
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
        if call.nr() == ASK_FOR_SIGNALS {
            return Decision::Answer(self.signals.swap(0, Relaxed) as i64);
        }
        if call.nr() == ASK_FOR_VIEWS {
            return Decision::Answer(common::count() as i64);
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

interceptor::preload!(Typed = Typed { signals: AtomicU64::new(0) });
