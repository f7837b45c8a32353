//! `run`: a program under hook libraries.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::launch;
use crate::outcome::Outcome;
use crate::preload;
use crate::program;

/// Arguments of `run`.
#[derive(clap::Args)]
pub struct Args {
    /// Hook library to load before the runtime; may be repeated
    #[arg(long = "hook", value_name = "LIB")]
    hooks: Vec<PathBuf>,
    /// Program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Becomes the program: nothing is left to report when it has ended.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    preload::prepare(&args.hooks)?;
    let program = program::find(&args.command)?;
    program.warn_of_obstacle();
    Err(launch::why(&program, launch::execute(&program)))
}
