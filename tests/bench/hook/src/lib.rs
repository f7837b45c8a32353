//! The hook of all benchmarks, in Rust.
//!
//! `cargo xtask bench` builds it twice: declared to touch no vector register,
//! and, with the feature `sse`, as a hook that declares nothing.
#![no_std]

use interceptor::{Decision, Hook, SyscallEntry, Vectors};

/// Answers call 1000 with 42, forwards 1002 and wants its result, forwards all
/// others.
struct Answer;

impl Hook for Answer {
    const VECTORS: Vectors = if cfg!(feature = "sse") { Vectors::Sse } else { Vectors::None };

    #[inline(always)]
    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        match call.nr() {
            1000 => Decision::Answer(42),
            1002 => Decision::ForwardAndExit(0),
            _ => Decision::Forward,
        }
    }
}

interceptor::preload!(Answer = Answer);
