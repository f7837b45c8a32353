//! `run`: lays out the deliverables and becomes their command.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::dist;
use crate::workspace::{Profile, Workspace};

/// Arguments of `run`.
#[derive(clap::Args)]
pub struct Args {
    /// Arguments of `interceptor`, such as `trace -- git --version`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Replaces this process, so that status and killing signal pass through.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    dist::lay_out(workspace, Profile::Dev)?;
    let error = Command::new(workspace.dist().join("bin/interceptor")).args(&args.arguments).exec();
    Err(error).context("cannot execute bin/interceptor")
}
