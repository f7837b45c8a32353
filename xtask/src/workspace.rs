//! Where things are: the source tree and the target directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The two directories every other path is derived from.
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

/// Cargo profile of host-side programs. The library has only one: release.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// What is shipped.
    Release,
}

impl Profile {
    /// Directory of this profile below the target directory.
    pub fn directory(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        }
    }
}

impl Workspace {
    /// Finds the workspace this program was built from, by the environment
    /// `cargo run` gives it.
    pub fn locate() -> Result<Workspace> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("xtask has no parent directory")?.to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => env::current_dir()?.join(dir),
            None => root.join("target"),
        };
        Ok(Workspace { root, target })
    }

    /// Top of the source tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Deliverables, as a user would unpack them.
    pub fn dist(&self) -> PathBuf {
        self.target.join("dist")
    }

    /// The linked library with its symbol table and debug information.
    pub fn unstripped_library(&self) -> PathBuf {
        self.target.join("link/libinterceptor.so")
    }

    /// The library as it is shipped.
    pub fn dist_library(&self) -> PathBuf {
        self.dist().join("lib/libinterceptor.so")
    }

    /// The compiler of the cargo that runs us.
    pub fn rustc(&self) -> Command {
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.current_dir(&self.root);
        rustc
    }

    /// The cargo that runs us, in the source tree.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        // Set by `cargo run` for us alone; build scripts must not see them.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"] {
            cargo.env_remove(name);
        }
        cargo
    }
}
