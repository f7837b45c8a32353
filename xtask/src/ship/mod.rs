//! What is shipped beside binaries, and the ways it reaches a machine.
//!
//! `dist` lays everything out as below an installation's prefix; `install` copies
//! that, `package` makes Debian packages of it. Nothing in it names the prefix: files
//! for pkg-config and CMake find their way from where they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tool;
use crate::workspace::Workspace;

pub mod deb;
pub mod install;
mod man;

/// Version of what is shipped.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Files in `packaging/`, and where they go.
const FILES: &[(&str, &str)] = &[
    ("interceptor.pc", "lib/pkgconfig"),
    ("libsyscall_intercept.pc", "lib/pkgconfig"),
    ("libsyscall_intercept_tls.pc", "lib/pkgconfig"),
    ("InterceptorConfig.cmake", "lib/cmake/Interceptor"),
    ("InterceptorConfigVersion.cmake", "lib/cmake/Interceptor"),
    ("interceptor.1", "share/man/man1"),
];

/// Lays out files for other tools and the manual pages.
pub fn lay_out(workspace: &Workspace) -> Result<()> {
    let (packaging, dist) = (workspace.root().join("packaging"), workspace.dist());
    for (name, directory) in FILES {
        let text = read(&packaging.join(name))?.replace("@VERSION@", VERSION);
        write(&dist.join(directory).join(name), &text)?;
    }
    for header in workspace.headers()? {
        let text = read(&workspace.root().join("include").join(&header))?;
        let page = man::page(&header.to_string_lossy(), &text);
        // A page of x86linux/log.h is asked for by `man x86linux_log.h`.
        let name = header.to_string_lossy().replace('/', "_");
        write(&dist.join("share/man/man3").join(format!("{name}.3")), &page)?;
    }
    Ok(())
}

/// Plans that `interceptor plan` has made of programs of this machine, below a prefix.
pub const PLANS: &str = "lib/interceptor/plans";

/// All that was laid out in `dist`, but what only debuggers read, and plans: paths in it, in order.
fn shipped(dist: &Path) -> Result<Vec<PathBuf>> {
    tool::files_below(dist, |name| {
        name.extension().is_none_or(|extension| extension != "debug") && !name.ends_with(PLANS)
    })
}

/// Copies a file of `dist`, or a link, below `root`.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let directory = to.parent().context("a file without a directory")?;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    match fs::read_link(from) {
        Ok(target) => tool::link(&target.to_string_lossy(), to),
        Err(_) => tool::place(from, to),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file whose directory need not exist.
fn write(path: &Path, text: &str) -> Result<()> {
    let directory = path.parent().context("a file without a directory")?;
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}
