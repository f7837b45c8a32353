//! The runtime: a preloaded library without libc that sees every system call of
//! the program it is loaded into.
//!
//! A hook author implements [`Hook`] and makes a library of it with
//! [`preload!`]. What the modules do and who may call whom is in
//! `ARCHITECTURE.md`.
#![no_std]

mod asm;
mod backtrace;
pub mod calls;
#[cfg(feature = "capi")]
pub mod capi;
mod config;
mod coverage;
mod diagnostics;
mod dispatch;
#[cfg(feature = "drop_in")]
pub mod drop_in;
mod environment;
mod frame;
mod group;
pub mod guest;
mod hook;
mod interest;
mod lifecycle;
mod line;
mod lock;
pub mod members;
mod net;
#[cfg(feature = "own_calls")]
mod own_calls;
mod patch;
mod preload;
mod signal;
mod startup;
mod stat;
mod surroundings;
mod sys;
mod thread;
mod thunk;
mod tls;
mod trace;
mod vector;

pub use coverage::{OBJECT_NAME, ObjectCoverage, coverage};
pub use guest::{GuestPtr, GuestStr};
pub use hook::{
    Decision, Disposition, Hook, RemoteEffect, SignalDecision, SignalDelivery, Signals,
    Subscription, SyscallEntry, SyscallExit, Thread, Vectors,
};
pub use interceptor_abi::segment::Outcome;
pub use line::Line;
pub use signal::without_signals;
pub use syscalls::{self, Errno, Sysno};
pub use thread::thread_word;

#[doc(hidden)]
pub mod private {
    pub use crate::dispatch::{route_enter, route_exit, run_enter, run_exit};
    pub use crate::frame::SyscallFrame;
    pub use crate::startup::start;
}
