//! Blocks of threads, hooks that are replaced while they run, and the monitor, in every
//! order of their steps.
//!
//! What must hold:
//!
//! - No block is lost, given to two threads, or given away or unmapped while somebody
//!   uses it; also in a child that is forked at any step of another thread.
//! - When a hook was replaced and everybody has left the old one, nobody is inside of it
//!   or enters it any more.
//! - One monitor is attached at a time, nobody touches one that was joined, and it does
//!   not outlive the last other thread.
#![cfg(test)]
#![allow(dead_code, unused_imports, reason = "the runtime uses all of it")]

// What the sources below take for these is the model's.
extern crate interceptor_interleave as core;
extern crate interceptor_interleave as spin;

use std::sync::{Mutex, MutexGuard, PoisonError};

use interceptor_interleave::Bounds;

#[path = "../../../../src/lock.rs"]
mod lock;

mod capi;
mod runtime;
mod thread;

pub(crate) use runtime::{
    diagnostics, group, hook, interest, lifecycle, own_calls, patch, signal, startup, sys, tls,
};

mod blocks;
mod hooks;
mod monitor;

/// What models have in common: no thread takes more steps.
const BOUNDS: Bounds = Bounds { preemptions: 2, delays: 0, kills: false, steps: 4000 };

/// The runtime's variables are one for all tests.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
