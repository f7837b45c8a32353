//! `stat`: how often a program made each system call, and how long they took.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::observe::{self, Report, Wish};
use crate::outcome::Outcome;

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
    /// Program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Runs the program and prints the table.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    observe::run(&Wish {
        hooks: &args.hooks,
        command: &args.command,
        output: args.output.as_deref(),
        report: Report::Table,
        selection: None,
    })
}
