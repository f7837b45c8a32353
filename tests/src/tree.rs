//! Trees of processes that a test looks at while they run.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::dist::Dist;

/// A tree under one of our commands, ended by the end of the test.
pub struct Tree {
    command: Child,
    output: BufReader<ChildStdout>,
}

impl Tree {
    /// Starts a script under our command.
    ///
    /// # Panics
    ///
    /// If our command cannot be started.
    pub fn start(dist: &Dist, options: &[&str], script: &str) -> Tree {
        let mut command = Command::new(dist.command())
            .args(options)
            .args(["--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // So that all of it can be killed.
            .process_group(0)
            .spawn()
            .expect("our command");
        let output = BufReader::new(command.stdout.take().expect("a pipe"));
        Tree { command, output }
    }

    /// The next line that the script prints, without its end.
    ///
    /// # Panics
    ///
    /// If there is none to be read.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Waits until our command has ended by itself.
    ///
    /// # Panics
    ///
    /// If it cannot be waited for.
    pub fn wait(&mut self) {
        self.command.wait().expect("its end");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let group = format!("-{}", self.command.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.command.wait();
    }
}

/// Sends a signal, named as `kill` wants it.
///
/// # Panics
///
/// If there is no such process.
pub fn kill(pid: &str, signal: &str) {
    let status = Command::new("kill").args([signal, pid]).status().expect("kill");
    assert!(status.success(), "kill {signal} {pid}");
}

/// Waits until a process executes a program and is in a state, as `/proc` calls both.
///
/// # Panics
///
/// If it does not come into that state.
pub fn wait_for(pid: &str, program: &str, state: char) {
    let is_there = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.split_once(' ')
            .is_some_and(|(_, stat)| stat.starts_with(&format!("({program}) {state}")))
    };
    for _ in 0..10_000 {
        if is_there() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{pid} did not become {program} in state {state}");
}
