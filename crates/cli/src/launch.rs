//! Starting a program: in our place, or as a child that we wait for.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::unistd::execv;

use crate::failure::Failure;
use crate::program::Program;
use crate::program::obstacle::Obstacle;

/// Becomes the program, with the environment as it is now; returns only why
/// that did not work.
pub fn replace_ourselves(program: &Program) -> Failure {
    match execute(program) {
        Ok(never) => match never {},
        Err(error) => why(program, error),
    }
}

/// execve(2) itself: without the detour over a shell that execvp(3) takes.
fn execute(program: &Program) -> Result<std::convert::Infallible, Errno> {
    let path = c_string(program.path.as_os_str().as_bytes())?;
    let arguments = program
        .arguments
        .iter()
        .map(|argument| c_string(argument.as_bytes()))
        .collect::<Result<Vec<CString>, Errno>>()?;
    execv(&path, &arguments)
}

fn c_string(bytes: &[u8]) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| Errno::EINVAL)
}

/// What to say of a program that the kernel refused.
fn why(program: &Program, error: Errno) -> Failure {
    let was_said = matches!(
        program.obstacle,
        Some(Obstacle::UnknownFormat | Obstacle::Foreign(_))
    );
    let message = format!("{}: {}", program.path.display(), error.desc());
    match error {
        Errno::ENOEXEC if was_said => Failure::not_executable_as_said(),
        Errno::ENOENT => Failure::not_found(message),
        _ => Failure::not_executable(message),
    }
}
