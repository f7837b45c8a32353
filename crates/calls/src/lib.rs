//! The x86-64 system calls of Linux: their names, arguments, classes and errors,
//! and the one line that a trace shows of each.
//!
//! Used inside the intercepted process and by the command line tool alike. So
//! nothing here allocates, panics, recurses, or touches memory other than through
//! [`Memory`]; stack use stays below 2 KiB. No table holds a reference (`pack` says
//! why).
//!
//! - [`lookup`], [`by_name`], [`Call`]: the table, declared in `table/`
//! - [`Classes`], [`CallSet`], [`parse_filter`]: sets of calls, as users write them
//! - [`error_name`], [`signal_name`]: what numbers are called
//! - [`format_enter`], [`format_exit`]: one line, in two parts, as `strace` has it

#![no_std]
#![deny(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable
)]

#[cfg(test)]
extern crate std;

mod call;
mod class;
mod errors;
mod filter;
mod format;
mod kind;
mod letters;
mod line;
mod memory;
mod names;
mod pack;
mod set;
mod signals;
mod table;

pub use call::{Call, all, by_name, leaves_process, lookup, never_returns};
pub use class::Classes;
pub use errors::{c_error, error_description, error_name, error_number};
pub use filter::{FilterError, parse_filter, suggest};
pub use format::{Options, Outcome, format_call, format_enter, format_exit};
pub use kind::Kind;
pub use line::{Escaped, LINE_LIMIT};
pub use memory::Memory;
pub use set::{CallSet, NumbersError};
pub use signals::{c_signal_name, signal_name};
