//! Nobody removes files here: `unlink` and `unlinkat` say EPERM.
#![no_std]

use interceptor::{Decision, Hook, Subscription, SyscallEntry};

struct Deny;

impl Hook for Deny {
    fn subscription(&self) -> Subscription {
        Subscription::Numbers(&[87, 263])
    }

    fn enter(&self, _call: &mut SyscallEntry) -> Decision {
        Decision::Answer(-1)
    }
}

interceptor::preload!(Deny = Deny);
