//! Each third `mkdir` of a process fails with ENOSPC, as if the disk were full.
#![no_std]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use interceptor::{Decision, Errno, Hook, Subscription, SyscallEntry, Sysno};

const EVERY: u32 = 3;

struct Fault {
    calls: AtomicU32,
}

impl Hook for Fault {
    fn subscription(&self) -> Subscription {
        Subscription::Calls(&[Sysno::mkdir])
    }

    fn enter(&self, _call: &mut SyscallEntry) -> Decision {
        let before = self.calls.fetch_add(1, Relaxed);
        if before % EVERY == EVERY - 1 { Decision::fail(Errno::ENOSPC) } else { Decision::Forward }
    }
}

interceptor::preload!(Fault = Fault { calls: AtomicU32::new(0) });
