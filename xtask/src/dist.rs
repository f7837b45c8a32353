//! `dist`: the deliverables, laid out as a user would unpack them.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::build;
use crate::tool;
use crate::workspace::{Profile, Workspace};

/// Arguments of `dist`.
#[derive(clap::Args)]
pub struct Args {
    /// Build the command line tool unoptimised, as `run` and `test` do
    #[arg(long)]
    dev: bool,
}

/// Lays out everything.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let profile = if args.dev { Profile::Dev } else { Profile::Release };
    lay_out(workspace, profile)?;
    println!("{}", workspace.dist().display());
    Ok(ExitCode::SUCCESS)
}

/// Builds what is out of date and places it:
/// `bin/interceptor`, `lib/libinterceptor.so`, `lib/libinterceptor.so.debug`,
/// `include/interceptor.h`.
pub fn lay_out(workspace: &Workspace, profile: Profile) -> Result<()> {
    build::library(workspace)?;
    build::command_line_tool(workspace, profile)?;

    strip(&workspace.unstripped_library(), &workspace.dist_library())?;
    let tool = workspace.target().join(profile.directory());
    tool::place(&tool.join("interceptor"), &workspace.dist().join("bin/interceptor"))?;
    let header = workspace.root().join("include/interceptor.h");
    if header.is_file() {
        tool::place(&header, &workspace.dist().join("include/interceptor.h"))?;
    }
    Ok(())
}

/// By these names a debugger finds what it must know of stubs.
const KEPT: [&str; 2] =
    ["--keep-symbol=__jit_debug_descriptor", "--keep-symbol=__jit_debug_register_code"];

/// Splits a library into what is loaded and what debuggers read; the first
/// names the second.
pub fn strip(unstripped: &Path, stripped: &Path) -> Result<()> {
    let scratch = unstripped.with_extension("so.stripped");
    let debug = unstripped.with_extension("so.debug");
    tool::run(Command::new("objcopy").arg("--only-keep-debug").args([unstripped, &debug]))?;
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(&debug);
    tool::run(
        Command::new("objcopy")
            .arg("--strip-all")
            .args(KEPT)
            .arg(link)
            .args([unstripped, &scratch]),
    )?;
    tool::place(&debug, &stripped.with_extension("so.debug"))?;
    tool::place(&scratch, stripped)
}
