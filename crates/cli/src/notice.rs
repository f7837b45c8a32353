//! What we say on standard error: whole lines that begin with our name.

use std::io::Write as _;

/// Writes one line, in one piece. A closed standard error is not our failure.
pub fn line(message: &str) {
    let _ = std::io::stderr().write_all(format!("interceptor: {message}\n").as_bytes());
}
