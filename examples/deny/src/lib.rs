//! Nobody removes files here: `unlink` and `unlinkat` say EPERM.
#![no_std]

use interceptor::{Decision, Errno, Hook, Subscription, SyscallEntry, Sysno};

struct Deny;

impl Hook for Deny {
    fn subscription(&self) -> Subscription {
        Subscription::Calls(&[Sysno::unlink, Sysno::unlinkat])
    }

    fn enter(&self, _call: &mut SyscallEntry) -> Decision {
        Decision::fail(Errno::EPERM)
    }
}

interceptor::preload!(Deny = Deny);
