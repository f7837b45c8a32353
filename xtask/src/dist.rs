//! `dist`: the deliverables, laid out as a user would unpack them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::build;
use crate::ship;
use crate::tool;
use crate::workspace::{Product, Profile, Workspace};

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
///
/// - `bin/interceptor`
/// - `lib/libinterceptor.so`
/// - `lib/libsyscall_intercept.so.0`, `….so`, `….a`: in place of that library
/// - `lib/libsyscall_intercept_tls.…`: the same with a hook point for each thread;
///   by the name that programs ask for in `lib/interceptor/thread-local`
/// - `lib/….debug`: what debuggers read
/// - `include`: all headers
/// - `lib/pkgconfig`, `lib/cmake`, `share/man`
pub fn lay_out(workspace: &Workspace, profile: Profile) -> Result<()> {
    build::libraries(workspace)?;
    build::command_line_tool(workspace, profile)?;

    for product in Product::ALL {
        strip(&workspace.unstripped(product), &workspace.dist_library(product))?;
    }
    drop_ins(workspace)?;
    // What was planned before is no part of what is laid out.
    tool::remove(&workspace.dist().join(ship::PLANS))?;
    let tool = workspace.target().join(profile.directory());
    tool::place(&tool.join("interceptor"), &workspace.dist().join("bin/interceptor"))?;
    for header in workspace.headers()? {
        let from = workspace.root().join("include").join(&header);
        tool::place(&from, &workspace.dist().join("include").join(&header))?;
    }
    ship::lay_out(workspace)
}

/// The names by which linkers and programs look for libsyscall_intercept.
fn drop_ins(workspace: &Workspace) -> Result<()> {
    let lib = workspace.dist().join("lib");
    for product in [Product::SyscallIntercept, Product::SyscallInterceptTls] {
        let archive = workspace.linked_archive(product);
        let name = archive.file_name().context("an archive without a name")?;
        tool::place(&archive, &lib.join(name))?;
        let soname = product.file();
        tool::link(soname, &lib.join(soname.trim_end_matches(".0")))?;
    }
    let target = format!("../../{}", Product::SyscallInterceptTls.file());
    let name = Product::SyscallIntercept.file();
    tool::link(&target, &lib.join("interceptor/thread-local").join(name))
}

/// By these names a debugger finds what it must know of stubs.
const KEPT: [&str; 2] =
    ["--keep-symbol=__jit_debug_descriptor", "--keep-symbol=__jit_debug_register_code"];

/// Splits a library into what is loaded and what debuggers read; the first
/// names the second.
pub fn strip(unstripped: &Path, stripped: &Path) -> Result<()> {
    let scratch = with_suffix(unstripped, ".stripped");
    let debug = with_suffix(unstripped, ".debug");
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
    tool::place(&debug, &with_suffix(stripped, ".debug"))?;
    tool::place(&scratch, stripped)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
