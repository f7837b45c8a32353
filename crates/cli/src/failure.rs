//! Why a command could not do what was asked.

use std::io;

use nix::errno::Errno;

/// One line for the user, and the status the command ends with.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Cause and next step, without a newline; `None` if it has been said.
    pub message: Option<String>,
    /// Exit status.
    pub status: u8,
}

/// The request or the installation is wrong; nothing was started.
pub const STATUS_REFUSED: u8 = 2;
/// As shells say it: the program exists and cannot be executed.
pub const STATUS_NOT_EXECUTABLE: u8 = 126;
/// As shells say it: there is no such program.
pub const STATUS_NOT_FOUND: u8 = 127;

impl Failure {
    /// A request that is not carried out.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { message: Some(message.into()), status: STATUS_REFUSED }
    }

    /// A program that cannot be executed.
    pub fn not_executable(message: impl Into<String>) -> Failure {
        Failure { message: Some(message.into()), status: STATUS_NOT_EXECUTABLE }
    }

    /// A program that is not there.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure { message: Some(message.into()), status: STATUS_NOT_FOUND }
    }

    /// A program that cannot be executed, for a reason that was given before.
    pub fn not_executable_as_said() -> Failure {
        Failure { message: None, status: STATUS_NOT_EXECUTABLE }
    }
}

/// The text of a system error, without Rust's number in parentheses.
pub fn cause(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
