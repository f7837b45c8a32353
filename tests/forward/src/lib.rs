//! A hook in Rust that forwards every call, sees every result, thread and process, and
//! changes nothing: under it a program is to be as it is natively.
#![no_std]

use interceptor::{Decision, Hook, SyscallEntry, SyscallExit};

struct Forward;

impl Hook for Forward {
    const LIFECYCLE: bool = true;

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        Decision::ForwardAndExit(word_of(call.nr()))
    }

    fn exit(&self, call: &SyscallExit) -> i64 {
        // A word that is not the call's own would be a result that is not, either.
        if call.word() == word_of(call.nr()) { call.result() } else { -1 }
    }
}

fn word_of(nr: u64) -> u64 {
    !nr
}

interceptor::preload!(Forward = Forward);
