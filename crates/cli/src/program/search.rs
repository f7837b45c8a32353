//! Finding a program as execvp(3) does.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::failure::Failure;

/// What execvp(3) searches when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The file that a name means.
pub fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return match state(&path) {
            State::Executable => Ok(path),
            State::Missing => {
                Err(Failure::not_found(format!("{}: no such file; check the path", path.display())))
            }
            State::Unusable(cause) => Err(unusable(&path, cause)),
        };
    }
    let variable = env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH));
    in_directories(name, env::split_paths(&variable))
}

fn in_directories(
    name: &OsStr,
    directories: impl Iterator<Item = PathBuf>,
) -> Result<PathBuf, Failure> {
    let mut refused = None;
    for directory in directories.filter(|_| !name.is_empty()) {
        // An empty entry is the current directory.
        let path = if directory.as_os_str().is_empty() {
            Path::new(".").join(name)
        } else {
            directory.join(name)
        };
        match state(&path) {
            State::Executable => return Ok(path),
            State::Missing => {}
            State::Unusable(cause) => {
                refused.get_or_insert_with(|| unusable(&path, cause));
            }
        }
    }
    Err(refused.unwrap_or_else(|| {
        Failure::not_found(format!(
            "{}: not found in PATH; check the name, or give a path",
            name.display()
        ))
    }))
}

fn unusable(path: &Path, cause: &str) -> Failure {
    Failure::not_executable(format!("{}: {cause}", path.display()))
}

/// What a path is to execve(2).
enum State {
    Executable,
    Missing,
    Unusable(&'static str),
}

fn state(path: &Path) -> State {
    match fs::metadata(path) {
        Ok(file) if file.is_dir() => State::Unusable("is a directory; name a program in it"),
        Ok(file) if !file.is_file() => State::Unusable("is not a regular file"),
        Ok(_) if access(path, AccessFlags::X_OK).is_ok() => State::Executable,
        Ok(_) => State::Unusable("is not executable; chmod +x it, or start it by its interpreter"),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            State::Unusable("permission denied; a directory on the way may not be entered")
        }
        Err(_) => State::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, directories: &[&str]) -> Result<PathBuf, u8> {
        in_directories(OsStr::new(name), directories.iter().map(PathBuf::from))
            .map_err(|failure| failure.status)
    }

    #[test]
    fn the_first_executable_in_the_path_is_taken() {
        assert_eq!(
            found("sh", &["/nonexistent", "/etc", "/bin", "/usr/bin"]),
            Ok("/bin/sh".into())
        );
    }

    #[test]
    fn a_name_that_is_nowhere_is_not_found() {
        assert_eq!(found("no-such-program", &["/bin"]), Err(127));
        assert_eq!(found("", &["/bin"]), Err(127));
    }

    #[test]
    fn a_file_that_may_not_be_executed_is_reported_if_nothing_better_follows() {
        assert_eq!(found("passwd", &["/etc"]), Err(126));
        assert_eq!(found("passwd", &["/etc", "/usr/bin"]), Ok("/usr/bin/passwd".into()));
    }
}
