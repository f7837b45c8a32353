//! `build`: the preload library and the command line tool.
//!
//! The library is always built in the release profile: its frames, its size
//! and its freedom from panics are properties of optimised code.

use std::process::ExitCode;

use anyhow::Result;

use crate::link;
use crate::tool;
use crate::workspace::{Profile, Workspace};

/// Arguments of `build`.
#[derive(clap::Args)]
pub struct Args {
    /// Build the command line tool optimised, too
    #[arg(long)]
    release: bool,
}

/// Builds both.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    library(workspace)?;
    command_line_tool(workspace, profile)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the static library and links the preload library from it.
pub fn library(workspace: &Workspace) -> Result<()> {
    // Only the static library: rustc's own version script would end up in a
    // cdylib, and two whole-program optimisations take twice as long.
    tool::run(workspace.cargo().args([
        "rustc",
        "--quiet",
        "--release",
        "--package=interceptor-preload",
        "--crate-type=staticlib",
    ]))?;
    let archive = workspace.target().join("release/libinterceptor_preload.a");
    link::library(workspace, &archive, &workspace.unstripped_library())
}

/// Builds `interceptor`.
pub fn command_line_tool(workspace: &Workspace, profile: Profile) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--package=interceptor-cli"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    tool::run(&mut cargo)
}
