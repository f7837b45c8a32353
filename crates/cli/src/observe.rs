//! Running a program while its runtime reports to us: what `trace` and `stat`
//! have in common.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use interceptor_abi::env as variable;
use interceptor_calls::CallSet;

use crate::clock::{Moment, Rate};
use crate::coverage;
use crate::descriptor;
use crate::failure::{Failure, cause};
use crate::outcome::Outcome;
use crate::preload;
use crate::program;
use crate::selection;
use crate::stat::row::Row;
use crate::stat::table;
use crate::supervise;
use crate::tree_segment::{CallCount, TreeSegment};

/// What a user asked for.
pub struct Wish<'a> {
    /// Hook libraries.
    pub hooks: &'a [PathBuf],
    /// Program and arguments.
    pub command: &'a [OsString],
    /// Where the report goes; `None` is standard error.
    pub output: Option<&'a Path>,
    /// What is reported.
    pub report: Report,
    /// Of which calls; `None` is all.
    pub selection: Option<&'a CallSet>,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A line per call, written by the runtime as it happens.
    Lines {
        /// Bytes of a string that are shown; `None` is the runtime's default.
        string_limit: Option<u32>,
    },
    /// A table at the end, from the segment.
    Table,
}

/// Runs the program, then completes the report.
pub fn run(wish: &Wish) -> Result<Outcome, Failure> {
    preload::prepare(wish.hooks)?;
    let program = program::find(wish.command)?;
    let mut output = Output::open(wish.output)?;
    // The descriptors are kept until the program has inherited them.
    let (segment, shared) = TreeSegment::create().map_err(|error| {
        Failure::refused(format!("cannot make shared memory: {}", cause(&error)))
    })?;
    let inherited = set_environment(wish, &shared, &output)?;
    program.warn_of_obstacle();

    let start = Moment::now();
    let outcome = supervise::run(&program)?;
    let rate = start.rate_until(&Moment::now());
    drop((shared, inherited));

    let mut text = String::new();
    if wish.report == Report::Table {
        text.push_str(&table::format(rows(&segment.calls(), wish.selection, rate)));
    }
    // The reason why nothing was seen has been given already.
    if segment.armed() > 0 || program.obstacle.is_none() {
        for line in coverage::lines(&segment) {
            text.push_str(&format!("interceptor: {line}\n"));
        }
    }
    output.write(&text);
    Ok(outcome)
}

fn set_environment(
    wish: &Wish,
    segment: &OwnedFd,
    output: &Output,
) -> Result<Option<OwnedFd>, Failure> {
    set(variable::SEGMENT_FD, &descriptor::number(segment));
    if let Some(selection) = wish.selection {
        set(variable::TRACE_CALLS, &selection.to_string());
    }
    match wish.report {
        Report::Table => {
            set(variable::STAT, "1");
            Ok(None)
        }
        Report::Lines { string_limit } => {
            let inherited = output.inheritable()?;
            set(variable::TRACE_FD, &descriptor::number(&inherited));
            if let Some(limit) = string_limit {
                set(variable::TRACE_STRING_LIMIT, &limit.to_string());
            }
            Ok(Some(inherited))
        }
    }
}

fn set(name: &str, value: &str) {
    // SAFETY: this process has one thread, and it is here.
    unsafe { env::set_var(name, value) };
}

/// Makes sense of counts of selected calls.
pub fn rows(counts: &[CallCount], selection: Option<&CallSet>, rate: Rate) -> Vec<Row> {
    counts
        .iter()
        .filter(|count| selection.is_none_or(|selection| selection.contains(count.nr as u64)))
        .map(|count| Row::new(selection::name(count.nr), count, rate))
        .collect()
}

/// Where a report goes.
pub enum Output {
    /// Standard error.
    Stderr,
    /// A file.
    File(std::fs::File, PathBuf),
}

impl Output {
    /// Standard error, or an empty file.
    pub fn open(path: Option<&Path>) -> Result<Output, Failure> {
        let Some(path) = path else {
            return Ok(Output::Stderr);
        };
        match descriptor::create_report(path) {
            Ok(file) => Ok(Output::File(file, path.to_path_buf())),
            Err(error) => Err(Failure::refused(format!(
                "cannot write to {}: {}",
                path.display(),
                cause(&error)
            ))),
        }
    }

    fn inheritable(&self) -> Result<OwnedFd, Failure> {
        let inheritable = match self {
            Output::Stderr => descriptor::inheritable(io::stderr().as_fd()),
            Output::File(file, _) => descriptor::inheritable(file.as_fd()),
        };
        inheritable.map_err(|error| {
            Failure::refused(format!("cannot pass on the output: {}", cause(&error)))
        })
    }

    /// In one piece. The program has ended and its status must pass, whatever
    /// becomes of the report; why it is lost is said, if anybody reads that.
    pub fn write(&mut self, text: &str) {
        let (written, path) = match self {
            Output::Stderr => return drop(io::stderr().write_all(text.as_bytes())),
            Output::File(file, path) => (file.write_all(text.as_bytes()), path.display()),
        };
        if let Err(error) = written {
            let cause = cause(&error);
            let _ = writeln!(
                io::stderr(),
                "interceptor: the report is incomplete: cannot write to {path}: {cause}"
            );
        }
    }
}
