//! `stat`: how often a program made each system call, and how long they took.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::observe::{self, Report, Wish};
use crate::outcome::Outcome;

mod attached;
pub mod row;
pub mod table;

/// Arguments of `stat`.
#[derive(clap::Args)]
pub struct Args {
    /// Write the table to this file instead of standard error
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hook library to load before the runtime; may be repeated
    #[arg(long = "hook", value_name = "LIB")]
    hooks: Vec<PathBuf>,
    /// Count what the tree of this process does, which runs under `stat` already,
    /// until it ends or a signal (Ctrl-C) stops this command
    #[arg(short, long, value_name = "PID", conflicts_with_all = ["hooks", "command"])]
    pid: Option<u32>,
    /// Program and its arguments
    #[arg(required_unless_present = "pid", trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Runs the program, or looks at one that runs, and prints the table.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    if let Some(pid) = args.pid {
        return attached::execute(pid, args.output.as_deref());
    }
    observe::run(&Wish {
        hooks: &args.hooks,
        command: &args.command,
        output: args.output.as_deref(),
        report: Report::Table,
        selection: None,
    })
}
