//! `interceptor`: the command line tool. See the crate [`interceptor_cli`].
//!
//! Entered from C, not through the start of Rust's standard library: that one
//! ignores SIGPIPE and opens closed standard descriptors, which programs that
//! we start would inherit and could notice.
#![no_main]

use std::ffi::{c_char, c_int};

/// What the C library's start-up code calls.
///
/// # Safety
///
/// Called by that code alone, once. The arguments are not used: the standard
/// library takes them from a constructor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    interceptor_cli::main()
}
