//! Skipping a test that cannot run here.

use std::env;
use std::io::Write as _;
use std::thread;

/// What a test needs and did not find.
#[derive(Debug)]
pub struct Missing(pub String);

/// Takes what a test needs, or ends the test as skipped.
#[macro_export]
macro_rules! need {
    ($needed:expr) => {
        match $needed {
            Ok(found) => found,
            Err(missing) => return $crate::skip(&missing),
        }
    };
}

/// Says that a test is skipped and why. `cargo xtask test` counts these lines.
///
/// # Panics
///
/// When `CI` is set: there every test must run.
pub fn skip(missing: &Missing) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(env::var_os("CI").is_none(), "{test} needs {}, and CI does not skip tests", missing.0);
    // Not by println!, which is captured when a test passes.
    let _ = writeln!(std::io::stdout(), "SKIPPED: {test}: needs {}", missing.0);
}
