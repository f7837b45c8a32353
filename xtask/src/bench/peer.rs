//! The library `syscall-intercept` of crates.io, built in a project of its own.
//!
//! It is compared with us and nothing of ours may depend on it. So it is no
//! dependency of the workspace, but fetched when it is measured.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tool;
use crate::workspace::Workspace;

/// Name of the peer.
pub const NAME: &str = "syscall-intercept";

const MANIFEST: &str = r#"[workspace]
[package]
name = "peer"
version = "0.0.0"
edition = "2024"
[lib]
crate-type = ["cdylib"]
[dependencies]
syscall-intercept = "=0.1.0"
[profile.release]
panic = "abort"
"#;

/// Builds a library to preload with the peer and the hook of all benchmarks.
pub fn build(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    let project = directory.join("peer");
    fs::create_dir_all(project.join("src"))?;
    write_if_new(&project.join("Cargo.toml"), MANIFEST)?;
    let hook = fs::read_to_string(workspace.root().join("tests/bench/peer.rs"))?;
    write_if_new(&project.join("src/lib.rs"), &hook)?;
    let target = project.join("target");
    tool::run(
        workspace
            .cargo()
            .args(["build", "--quiet", "--release"])
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", &target)
            // rust-lld refuses the peer's assembly, which does not say that it
            // needs no executable stack.
            .env("RUSTFLAGS", "-Clinker-features=-lld"),
    )
    .with_context(|| format!("cannot build {NAME}; is the registry reachable?"))?;
    Ok(target.join("release/libpeer.so"))
}

/// Writes only what changes: cargo goes by the time of a file.
fn write_if_new(file: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(file).is_ok_and(|current| current == text) {
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
