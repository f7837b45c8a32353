//! What the runtime tells a hook of whatever type: the functions of a [`Hook`] that are not
//! on the path of every call.

use super::{Hook, RemoteEffect, SignalDecision, SignalDelivery, Thread};
use crate::thread;

/// The functions of a [`Hook`] about threads and processes.
pub(crate) trait Observer: Sync {
    fn observes(&self) -> bool;
    fn thread_start(&self, thread: &Thread, parent_tgid: u32);
    fn thread_exit(&self, thread: &Thread);
    fn process_start(&self, thread: &Thread, parent_tgid: u32);
    fn child_born(&self, child_tid: u32);
    fn process_exec(&self, thread: &Thread);
    fn process_exit(&self, thread: &Thread, status: i32);
    fn thread_gone(&self, status: u64) -> u64;
    fn waited(&self);
    fn remote_effect(&self, effect: &RemoteEffect);
    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision;
}

/// Runs a function of a hook, which may change errno, if it uses libc; not where that cannot
/// be used. Then the result is `otherwise`.
fn run<H: Hook, T>(otherwise: T, function: impl FnOnce() -> T) -> T {
    if H::NEEDS_LIBC_STORAGE && thread::lacks_libc_storage() {
        return otherwise;
    }
    if H::USES_LIBC { thread::keeping_errno(function) } else { function() }
}

impl<H: Hook> Observer for H {
    fn observes(&self) -> bool {
        self.observes_lifecycle() || self.observes_remote()
    }

    fn thread_start(&self, thread: &Thread, parent_tgid: u32) {
        run::<H, _>((), || Hook::thread_start(self, thread, parent_tgid));
    }

    fn thread_exit(&self, thread: &Thread) {
        run::<H, _>((), || Hook::thread_exit(self, thread));
    }

    fn process_start(&self, thread: &Thread, parent_tgid: u32) {
        run::<H, _>((), || Hook::process_start(self, thread, parent_tgid));
    }

    fn child_born(&self, child_tid: u32) {
        run::<H, _>((), || Hook::child_born(self, child_tid));
    }

    fn process_exec(&self, thread: &Thread) {
        run::<H, _>((), || Hook::process_exec(self, thread));
    }

    fn process_exit(&self, thread: &Thread, status: i32) {
        run::<H, _>((), || Hook::process_exit(self, thread, status));
    }

    fn thread_gone(&self, status: u64) -> u64 {
        Hook::thread_gone(self, status)
    }

    fn waited(&self) {
        Hook::waited(self);
    }

    fn remote_effect(&self, effect: &RemoteEffect) {
        run::<H, _>((), || Hook::remote_effect(self, effect));
    }

    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision {
        run::<H, _>(SignalDecision::Forward, || Hook::signal(self, delivery))
    }
}
