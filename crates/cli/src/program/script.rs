//! Scripts: which ELF file the kernel will run for a `#!` line.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::program::search;

/// The part of a file in which the kernel looks for the line, BINPRM_BUF_SIZE.
const LINE_LIMIT: u64 = 256;

/// How deep the kernel follows interpreters that are scripts themselves.
const DEPTH_LIMIT: usize = 5;

/// The program, its interpreter, that one's interpreter, and so on.
///
/// `#!/usr/bin/env NAME` is followed to NAME, because env becomes it.
pub fn chain(program: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut chain = vec![program.to_path_buf()];
    while let Some(line) = chain.last().and_then(|file| first_line(file)) {
        let Some((interpreter, argument)) = parse(&line) else {
            break;
        };
        let script = chain.last().map_or(program, PathBuf::as_path).display().to_string();
        if chain.len() > DEPTH_LIMIT {
            return Err(Failure::not_executable(format!(
                "{script}: too many interpreters in a row; correct its first line"
            )));
        }
        if !interpreter.exists() {
            return Err(Failure::not_executable(format!(
                "{script}: its interpreter {} is missing; install it or correct the first line",
                interpreter.display()
            )));
        }
        let is_env = interpreter.file_name() == Some(OsStr::new("env"));
        let started = argument
            .filter(|name| is_env && !name.as_bytes().starts_with(b"-"))
            .and_then(|name| search::find(&name).ok());
        chain.push(interpreter);
        chain.extend(started);
    }
    Ok(chain)
}

/// The first line without `#!`, if the file begins so. A file that cannot be
/// read may still be executable.
fn first_line(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(LINE_LIMIT).read_to_end(&mut bytes).ok()?;
    let line = bytes.strip_prefix(b"#!")?;
    let end = line.iter().position(|byte| *byte == b'\n');
    Some(line[..end.unwrap_or(line.len())].to_vec())
}

/// Interpreter and its one argument, execve(2).
fn parse(line: &[u8]) -> Option<(PathBuf, Option<std::ffi::OsString>)> {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(end);
    let argument = rest.trim_ascii();
    (!interpreter.is_empty()).then(|| {
        (
            PathBuf::from(OsStr::from_bytes(interpreter)),
            (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_line_is_one_argument() {
        let (interpreter, argument) = parse(b" /usr/bin/awk -f  -v ").expect("an interpreter");
        assert_eq!(interpreter, Path::new("/usr/bin/awk"));
        assert_eq!(argument.as_deref(), Some(OsStr::new("-f  -v")));
    }

    #[test]
    fn a_line_without_an_interpreter_is_none() {
        assert_eq!(parse(b"   "), None);
    }
}
