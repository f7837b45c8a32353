//! execve(2) of a program, and what its errors mean.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::unistd::execv;

use crate::failure::Failure;
use crate::program::Program;
use crate::program::obstacle::Obstacle;

/// Becomes the program, with the environment as it is now; returns only if
/// that does not work. Without the detour over a shell that execvp(3) takes.
pub fn execute(program: &Program) -> Errno {
    let path = c_string(program.path.as_os_str().as_bytes());
    let arguments: Result<Vec<CString>, Errno> =
        program.arguments.iter().map(|argument| c_string(argument.as_bytes())).collect();
    match (path, arguments) {
        (Ok(path), Ok(arguments)) => match execv(&path, &arguments) {
            Ok(never) => match never {},
            Err(error) => error,
        },
        (Err(error), _) | (_, Err(error)) => error,
    }
}

/// What to say of a program that the kernel refused.
pub fn why(program: &Program, error: Errno) -> Failure {
    let was_said = matches!(
        program.obstacle,
        Some(Obstacle::UnknownFormat | Obstacle::Foreign(_) | Obstacle::Bits32)
    );
    let message = format!("{}: {}", program.path.display(), error.desc());
    match error {
        Errno::ENOEXEC if was_said => Failure::not_executable_as_said(),
        Errno::ENOENT => Failure::not_found(message),
        _ => Failure::not_executable(message),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| Errno::EINVAL)
}
