//! `trace`: a line for every system call of a program and its descendants.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::observe::{self, Report, Wish};
use crate::outcome::Outcome;
use crate::selection;

/// Arguments of `trace`.
#[derive(clap::Args)]
pub struct Args {
    /// Write to this file instead of standard error
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which calls: trace=NAME,%CLASS,... or trace=!NAME,... for all others
    #[arg(short, long = "expression", value_name = "EXPR")]
    expression: Option<String>,
    /// Show at most this many bytes of a string
    #[arg(short, long, value_name = "N")]
    string_limit: Option<u32>,
    /// Count calls and print a table at the end instead
    #[arg(short, long)]
    count: bool,
    /// Follow child processes and threads, which is always done
    #[arg(short = 'f', hide = true)]
    _follow: bool,
    /// Hook library to load before the runtime; may be repeated
    #[arg(long = "hook", value_name = "LIB")]
    hooks: Vec<PathBuf>,
    /// Program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Runs the program and closes the trace with its coverage.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let selection = args.expression.as_deref().map(selection::parse).transpose()?;
    let report =
        if args.count { Report::Table } else { Report::Lines { string_limit: args.string_limit } };
    observe::run(&Wish {
        hooks: &args.hooks,
        command: &args.command,
        output: args.output.as_deref(),
        report,
        selection: selection.as_ref(),
    })
}
