//! Says of each call that names a file and fails which it was, and why.
#![no_std]

use core::fmt::Write as _;

use interceptor::{Decision, Hook, Line, Subscription, SyscallEntry, SyscallExit};

struct Log;

impl Hook for Log {
    fn subscription(&self) -> Subscription {
        Subscription::List("%file")
    }

    fn enter(&self, _call: &mut SyscallEntry) -> Decision {
        Decision::ForwardAndExit(0)
    }

    fn exit(&self, call: &SyscallExit) -> i64 {
        if call.outcome().is_err() {
            let mut line = Line::<512>::new();
            let _ = call.format(&mut line);
            let _ = line.write_str("\n");
            line.send(2);
        }
        call.result()
    }
}

interceptor::preload!(Log = Log);
