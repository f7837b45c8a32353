//! A program sees a clock of its own: it begins with the year 2000, and each question for the
//! time finds it a millisecond later.
#![no_std]

use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

use interceptor::guest::{Timespec, Timeval};
use interceptor::{Decision, GuestPtr, Hook, Subscription, SyscallEntry, Sysno};

const START_MS: i64 = 946_684_800_000;

struct Clock {
    questions: AtomicI64,
}

impl Hook for Clock {
    // The kernel answers without a system call otherwise.
    const TIME: bool = true;

    fn subscription(&self) -> Subscription {
        Subscription::Calls(&[Sysno::clock_gettime, Sysno::gettimeofday, Sysno::time])
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        let ms = START_MS + self.questions.fetch_add(1, Relaxed);
        let (seconds, rest) = (ms / 1000, ms % 1000);
        let [first, second, ..] = *call.args();
        let written = match call.sysno() {
            Some(Sysno::clock_gettime) => {
                let time = Timespec { seconds, nanoseconds: rest * 1_000_000 };
                GuestPtr::new(second).write(&time)
            }
            Some(Sysno::gettimeofday) if first != 0 => {
                let time = Timeval { seconds, microseconds: rest * 1000 };
                GuestPtr::new(first).write(&time)
            }
            Some(Sysno::time) if first == 0 => return Decision::Answer(seconds),
            _ => return Decision::Forward,
        };
        Decision::from(written.map(|()| 0))
    }
}

interceptor::preload!(Clock = Clock { questions: AtomicI64::new(0) });
