//! Running a program to its end, natively or under our command.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::dist::Dist;

/// How long a program may run when nothing else is said. What hangs does so for ever;
/// what works has to have this much, too, where many others do: trapping each call takes
/// seconds of a processor alone.
const LIMIT: Duration = Duration::from_secs(180);

/// How long a killed program may take to disappear.
const GRACE: Duration = Duration::from_secs(5);

/// A program, its arguments, its input.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    limit: Duration,
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
            limit: LIMIT,
        }
    }

    /// Its path, or the name that is looked up.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command line for `sh`.
    pub fn shell(script: &str) -> Program {
        Program::new("/bin/sh").arguments(["-c", script])
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Program {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.environment.push((name.into(), value.as_ref().to_owned()));
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

    /// Sets after how much time a run has failed.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Program {
        self.limit = limit;
        self
    }

    /// Runs it as it is.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or does not end in time.
    pub fn natively(&self) -> Ended {
        self.run(&mut Command::new(&self.path), &[])
    }

    /// Runs it with a hook that tests itself, by the best rungs and by each rung alone.
    ///
    /// # Panics
    ///
    /// It says another thing than "ok".
    pub fn says_ok_by_each_rung(&self, dist: &Dist, hook: &Path) {
        for rung in [None, Some("hole"), Some("after"), Some("before"), Some("trap")] {
            let mut program = self.clone();
            if let Some(rung) = rung {
                program = program.environment("INTERCEPTOR_FORCE_RUNG", rung);
            }
            let ended = program.under(dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
            assert_eq!(
                (ended.stdout.as_str(), ended.status.code()),
                ("ok\n", Some(0)),
                "{rung:?}: {ended:?}"
            );
        }
    }

    /// Runs it under our command: `interceptor OPTIONS -- PROGRAM ARGUMENTS`.
    ///
    /// # Panics
    ///
    /// If our command cannot be started, or the program does not end in time.
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
            .stderr(Stdio::piped())
            // So that all of it can be killed.
            .process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let deadline = Instant::now() + self.limit;
        let mut child = command.spawn().expect("a program that can be started");
        let group = child.id();
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = self.input.clone();
        // A program need not read its input before it writes, or at all.
        thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = Output::of(child.stdout.take().expect("a pipe"));
        let stderr = Output::of(child.stderr.take().expect("a pipe"));
        let (send, ended) = mpsc::channel();
        thread::spawn(move || send.send(child.wait()));

        // In this order a program is waited for as a shell does: its output may
        // stay open in a descendant that it left behind.
        let status = receive(&ended, deadline);
        let is_over = stdout.is_over(deadline) && stderr.is_over(deadline);
        if is_over && let Some(status) = status {
            let left = self.directory.as_deref().map(left_in).unwrap_or_default();
            return Ended {
                left,
                status: Status(status.expect("a status")),
                stdout: stdout.so_far(),
                stderr: stderr.so_far(),
            };
        }
        kill_group(group);
        let grace = Instant::now() + GRACE;
        let _ = receive(&ended, grace);
        // What it printed may say where it hangs.
        let said = [stdout, stderr].map(|output| {
            output.is_over(grace);
            end_of(&output.so_far())
        });
        let what = match status {
            Some(status) => format!("ended ({status:?}), but its output was open still"),
            None => "not ended".to_owned(),
        };
        panic!("{what} after {} s: {command:?}\n{}", self.limit.as_secs(), said.concat());
    }
}

/// The last lines of what a program printed.
fn end_of(said: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = said.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(LINES))
        .map(|line| format!("    {line}\n"))
        .collect()
}

/// Every file below a directory: its kind, its permissions and its path.
fn left_in(directory: &Path) -> Vec<String> {
    let mut left = Vec::new();
    let mut rest = vec![directory.to_path_buf()];
    while let Some(here) = rest.pop() {
        for entry in fs::read_dir(&here).into_iter().flatten().flatten() {
            // Others may still be at work: what is gone was not left.
            let Ok(metadata) = entry.metadata() else { continue };
            let path = entry.path();
            let name = path.strip_prefix(directory).unwrap_or(&path).display();
            left.push(format!("{:o} {name}", metadata.mode()));
            if metadata.is_dir() {
                rest.push(path);
            }
        }
    }
    left.sort();
    left
}

/// What a program prints, read by another thread.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Output {
    fn of(mut from: impl Read + Send + 'static) -> Output {
        let (send, end) = mpsc::channel();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let output = Output { bytes: Arc::clone(&bytes), end };
        thread::spawn(move || {
            let mut part = [0; 1 << 16];
            loop {
                match from.read(&mut part) {
                    Ok(0) => break,
                    Ok(count) => bytes.lock().expect("no panic").extend_from_slice(&part[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => (),
                    Err(_) => break,
                }
            }
            send.send(())
        });
        output
    }

    /// Waits for its end.
    fn is_over(&self, deadline: Instant) -> bool {
        receive(&self.end, deadline).is_some()
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no panic")).into_owned()
    }
}

fn receive<T>(receiver: &Receiver<T>, deadline: Instant) -> Option<T> {
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

fn kill_group(group: u32) {
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{group}")])
        .stderr(Stdio::null())
        .status();
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
    /// What lies in its directory, if that was set: permissions and paths.
    pub left: Vec<String>,
}

impl Ended {
    /// What differs in `ours`, and nothing else.
    pub fn difference(&self, ours: &Ended) -> String {
        let mut text = String::new();
        if self.status != ours.status {
            text += &format!("natively {:?}, intercepted {:?}\n", self.status, ours.status);
        }
        for (name, native, ours) in
            [("output", &self.stdout, &ours.stdout), ("error", &self.stderr, &ours.stderr)]
        {
            let [mut left, mut right] = [native, ours].map(|text| text.lines());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => break,
                    (left, right) if left == right => (),
                    (left, right) => {
                        let [left, right] = [left, right].map(|line| line.unwrap_or("(its end)"));
                        text += &format!("standard {name}, natively: {left}\n");
                        text += &format!("standard {name}, intercepted: {right}\n");
                        break;
                    }
                }
            }
        }
        for (who, file) in only_in(&self.left, &ours.left, "natively").chain(only_in(
            &ours.left,
            &self.left,
            "intercepted",
        )) {
            text += &format!("left behind {who} only: {file}\n");
        }
        text
    }
}

/// What is in one list and not in the other.
fn only_in<'a>(
    one: &'a [String],
    other: &'a [String],
    who: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    one.iter().filter(|file| !other.contains(file)).map(move |file| (who, file.as_str()))
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

    /// The status, or the signal's name.
    pub fn named(self) -> String {
        match self.signal() {
            Some(11) => "SIGSEGV".to_owned(),
            Some(9) => "SIGKILL".to_owned(),
            Some(other) => format!("signal {other}"),
            None => self.code().unwrap_or(-1).to_string(),
        }
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
