//! `build`: the libraries and the command line tool.
//!
//! A library is always built in the release profile: its frames, its size
//! and its freedom from panics are properties of optimised code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::dist;
use crate::link::{self, Shared};
use crate::rustc;
use crate::symbols;
use crate::tool;
use crate::workspace::{Product, Profile, Workspace};

/// Arguments of `build`.
#[derive(clap::Args)]
pub struct Args {
    /// Build the command line tool optimised, too
    #[arg(long)]
    release: bool,
}

/// Builds all.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    libraries(workspace)?;
    command_line_tool(workspace, profile)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds all libraries. What they export is their interface: one that exports anything else
/// than its golden list is no library.
pub fn libraries(workspace: &Workspace) -> Result<()> {
    link_libraries(workspace)?;
    let changes = symbols::exports_that_differ(workspace)?;
    if changes.is_empty() {
        return Ok(());
    }
    bail!("{}; if that is meant, `cargo xtask symbols --bless`", changes.join("; "))
}

/// Builds all libraries, whatever they export.
pub fn link_libraries(workspace: &Workspace) -> Result<()> {
    let archive = static_library(workspace, "interceptor-preload")?;
    let output = workspace.unstripped(Product::Interceptor);
    link::shared(workspace, &link::INTERCEPTOR, &archive, &output)?;

    let archive = static_library(workspace, "interceptor-syscall-intercept")?;
    for (product, is_thread_local) in
        [(Product::SyscallIntercept, false), (Product::SyscallInterceptTls, true)]
    {
        let object = link::hook_point(workspace, is_thread_local)?;
        let library = Shared {
            soname: product.file(),
            version_script: "syscall_intercept.map",
            objects: std::slice::from_ref(&object),
        };
        link::shared(workspace, &library, &archive, &workspace.unstripped(product))?;
        let output = workspace.linked_archive(product);
        link::archive(&archive, &object, SYSCALL_INTERCEPT, &output)?;
    }
    Ok(())
}

/// What `libsyscall_intercept.a` exports.
const SYSCALL_INTERCEPT: &[&str] = &[
    "intercept_hook_point",
    "intercept_hook_point_clone_child",
    "intercept_hook_point_clone_parent",
    "syscall_no_intercept",
    "syscall_hook_in_process_allowed",
];

/// Builds a package as a static library; returns the file.
fn static_library(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    // Not a shared one: rustc's own version script would end up in it, and two
    // whole-program optimisations take twice as long.
    let mut cargo = workspace.cargo();
    rustc::use_for(&mut cargo)?;
    cargo.args(["rustc", "--quiet", "--release", "--package", package, "--crate-type=staticlib"]);
    tool::run(&mut cargo)?;
    let file = format!("release/lib{}.a", package.replace('-', "_"));
    Ok(workspace.target().join(file))
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

/// Builds a package that is a hook in Rust, and links and strips it as the library is.
pub fn rust_hook(
    workspace: &Workspace,
    package: &str,
    library: &Path,
    features: &[&str],
) -> Result<()> {
    let mut cargo = workspace.cargo();
    rustc::use_for(&mut cargo)?;
    cargo.args(["build", "--quiet", "--release", "--package", package]);
    tool::run(cargo.args(features))?;
    let archive = workspace.target().join(format!("release/lib{}.a", package.replace('-', "_")));
    let unstripped = library.with_extension("so.unstripped");
    if tool::is_newer(library, &archive) {
        return Ok(());
    }
    link::shared(workspace, &link::INTERCEPTOR, &archive, &unstripped)?;
    dist::strip(&unstripped, library)?;
    Ok(fs::remove_file(unstripped)?)
}

/// Builds the hook in Rust that tests load in place of the library.
pub fn hook_for_tests(workspace: &Workspace) -> Result<()> {
    let library = workspace.target().join("guests/librust_forward.so");
    rust_hook(workspace, "interceptor-forward-hook", &library, &[])
}
