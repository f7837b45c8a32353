//! A way to run a program: natively, under us, under somebody else.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// Who stands between a program and the kernel.
#[derive(Clone)]
pub struct Way {
    /// As tables show it.
    pub name: &'static str,
    /// The command that starts the program, if one does.
    prefix: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Way {
    /// Nobody.
    pub fn native() -> Way {
        Way { name: "native", prefix: Vec::new(), environment: Vec::new() }
    }

    /// Nobody, at the end of a round.
    pub fn guard() -> Way {
        Way::native().named("native again")
    }

    /// The same under another name.
    pub fn named(self, name: &'static str) -> Way {
        Way { name, ..self }
    }

    /// Preloaded libraries, separated by colons.
    pub fn preload(name: &'static str, libraries: &[&Path]) -> Way {
        let libraries: Vec<&OsStr> = libraries.iter().map(|library| library.as_os_str()).collect();
        Way { name, ..Way::native() }.with("LD_PRELOAD", libraries.join(OsStr::new(":")))
    }

    /// A command in front of the program.
    pub fn command<S: AsRef<OsStr>>(name: &'static str, prefix: &[S]) -> Way {
        let prefix = prefix.iter().map(|word| word.as_ref().to_owned()).collect();
        Way { name, prefix, ..Way::native() }
    }

    /// The same with one more variable in the environment.
    pub fn with(mut self, variable: &'static str, value: impl Into<OsString>) -> Way {
        self.environment.push((variable, value.into()));
        self
    }

    /// The command that runs a program this way. It reads nothing, its output
    /// goes nowhere, its messages to the terminal.
    pub fn run<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, arguments: &[S]) -> Command {
        let mut words: Vec<&OsStr> = self.prefix.iter().map(OsString::as_os_str).collect();
        words.push(program.as_ref());
        words.extend(arguments.iter().map(AsRef::as_ref));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        command.envs(self.environment.iter().map(|(variable, value)| (variable, value)));
        command
    }
}

/// What a program printed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        let last = messages.lines().last().unwrap_or("no message");
        bail!("{}: {last}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a program took.
pub struct Usage {
    /// Wall clock, in milliseconds.
    pub wall_ms: f64,
    /// CPU time of it and its children, in milliseconds.
    pub cpu_ms: f64,
}

/// Runs a program to its end.
pub fn usage(command: &mut Command) -> Result<Usage> {
    let cpu = children_cpu_ms()?;
    let began = Instant::now();
    let status =
        command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let wall_ms = began.elapsed().as_secs_f64() * 1e3;
    if !status.success() {
        bail!("{status}");
    }
    Ok(Usage { wall_ms, cpu_ms: children_cpu_ms()? - cpu })
}

/// CPU time of all children that have been waited for, in milliseconds.
pub fn children_cpu_ms() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = usage.user_time() + usage.system_time();
    Ok(microseconds.num_microseconds() as f64 / 1e3)
}
