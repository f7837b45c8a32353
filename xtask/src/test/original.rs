//! The original libsyscall_intercept, with its examples and its own tests: what was linked with
//! it runs with ours (`tests/tests/original.rs`).
//!
//! Its source is in a package of crates.io, of which nothing else is used.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

const MANIFEST: &str = r#"[workspace]
[package]
name = "original"
version = "0.0.0"
edition = "2024"
[dependencies]
syscall-intercept = "=0.1.0"
"#;

/// Builds it, unless that was done. Where it cannot be had, its tests say so; under `CI`
/// that is an error.
pub fn provide(workspace: &Workspace) -> Result<()> {
    match build(workspace) {
        Err(error) if env::var_os("CI").is_some() => Err(error),
        Err(error) => {
            println!("what needs the original libsyscall_intercept is skipped: {error:#}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Where it is built.
pub fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target().join("original")
}

fn build(workspace: &Workspace) -> Result<()> {
    let directory = directory(workspace);
    let build = directory.join("build");
    if build.join("complete").is_file() {
        return Ok(());
    }
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("Cargo.toml"), MANIFEST)?;
    fs::write(directory.join("src/lib.rs"), "")?;
    let source = source(workspace, &directory)?.join("syscall_intercept");
    quietly(Command::new("cmake").args(["-DCMAKE_BUILD_TYPE=Release", "-S"]).args([
        source.as_os_str(),
        OsStr::new("-B"),
        build.as_os_str(),
    ]))?;
    quietly(Command::new("cmake").args(["--build".as_ref(), build.as_os_str()]).args(["-j", "2"]))?;
    fs::write(build.join("source"), source.as_os_str().as_encoded_bytes())?;
    Ok(fs::write(build.join("complete"), "")?)
}

/// Where cargo keeps the package's source.
fn source(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    let vendor = directory.join("vendor");
    let mut cargo = workspace.cargo();
    cargo.current_dir(directory).args(["vendor", "--quiet", "vendor"]);
    quietly(&mut cargo).context("is the registry reachable?")?;
    Ok(vendor.join("syscall-intercept"))
}

/// Runs a program that says much; what it says is shown if it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
