//! Running a program to its end, natively or under our command.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::dist::Dist;

/// A program, its arguments, its input.
#[derive(Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
}

impl Program {
    /// A program by its path, or by a name that is looked up.
    pub fn new(path: impl AsRef<Path>) -> Program {
        Program {
            path: path.as_ref().to_path_buf(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            input: Vec::new(),
        }
    }

    /// A command line for `sh`.
    pub fn shell(script: &str) -> Program {
        Program::new("/bin/sh").arguments(["-c", script])
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Program {
        let arguments = arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Program {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    /// Sets what the program reads from standard input.
    #[must_use]
    pub fn input(mut self, input: impl AsRef<[u8]>) -> Program {
        self.input = input.as_ref().to_vec();
        self
    }

    /// Runs it as it is.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn natively(&self) -> Ended {
        self.run(&mut Command::new(&self.path), &[])
    }

    /// Runs it under our command: `interceptor OPTIONS -- PROGRAM ARGUMENTS`.
    ///
    /// # Panics
    ///
    /// If our command cannot be started.
    pub fn under<A: AsRef<OsStr>>(&self, dist: &Dist, options: &[A]) -> Ended {
        let mut command = Command::new(dist.command());
        command.args(options).arg("--");
        self.run(&mut command, &[self.path.as_os_str()])
    }

    fn run(&self, command: &mut Command, before: &[&OsStr]) -> Ended {
        command
            .args(before)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn().expect("a program that can be started");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = self.input.clone();
        // A program need not read its input before it writes, or at all.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the program's end");
        writer.join().expect("a writer that does not panic");
        Ended {
            status: Status(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// How a program ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status or killing signal.
    pub status: Status,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Exit status or killing signal, without the note of a core dump.
#[derive(Clone, Copy)]
pub struct Status(ExitStatus);

impl Status {
    /// The status, if it exited.
    pub fn code(self) -> Option<i32> {
        self.0.code()
    }

    /// The signal, if one killed it.
    pub fn signal(self) -> Option<i32> {
        self.0.signal()
    }
}

impl PartialEq for Status {
    fn eq(&self, other: &Status) -> bool {
        (self.code(), self.signal()) == (other.code(), other.signal())
    }
}

impl Eq for Status {}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}
