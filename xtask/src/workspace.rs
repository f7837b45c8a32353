//! Where things are: the source tree and the target directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::tool;

/// The two directories every other path is derived from.
#[derive(Clone)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

/// A shared library that is shipped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// What is preloaded.
    Interceptor,
    /// The drop-in for libsyscall_intercept.
    SyscallIntercept,
    /// The same with a hook point for each thread.
    SyscallInterceptTls,
}

impl Product {
    /// All.
    pub const ALL: [Product; 3] =
        [Product::Interceptor, Product::SyscallIntercept, Product::SyscallInterceptTls];

    /// File name, which is its SONAME.
    pub const fn file(self) -> &'static str {
        match self {
            Product::Interceptor => "libinterceptor.so",
            Product::SyscallIntercept => "libsyscall_intercept.so.0",
            Product::SyscallInterceptTls => "libsyscall_intercept_tls.so.0",
        }
    }

    /// List of what it exports, in `xtask/`.
    pub fn symbols(self) -> &'static str {
        match self {
            Product::Interceptor => "symbols.txt",
            Product::SyscallIntercept => "symbols-syscall_intercept.txt",
            Product::SyscallInterceptTls => "symbols-syscall_intercept_tls.txt",
        }
    }
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

    /// A linked library with its symbol table and debug information.
    pub fn unstripped(&self, product: Product) -> PathBuf {
        self.target.join("link").join(product.file())
    }

    /// The library `libX.a` of a `libX.so.0`.
    pub fn linked_archive(&self, product: Product) -> PathBuf {
        let stem = product.file().split('.').next().unwrap_or_default();
        self.target.join("link").join(format!("{stem}.a"))
    }

    /// A library as it is shipped.
    pub fn dist_library(&self, product: Product) -> PathBuf {
        self.dist().join("lib").join(product.file())
    }

    /// The compiler of the cargo that runs us.
    pub fn rustc(&self) -> Command {
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.current_dir(&self.root);
        rustc
    }

    /// What a hook author includes: paths below `include`, in order.
    pub fn headers(&self) -> Result<Vec<PathBuf>> {
        tool::files_below(&self.root.join("include"), |name| {
            name.extension().is_some_and(|extension| extension == "h")
        })
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
