//! Userlands: roots of other releases of Debian, each with another version of
//! the C library, for programs that `tests/userlands.rs` runs in them.
//!
//! They lie in `target/userlands/SUITE`, and hold a few real programs. Guests with
//! the directive `// userlands: yes` run there as they were built for this machine.
//! Where its C library is the newer one, they are built again, against the root's.

use std::env;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use anyhow::{Result, bail};

use super::guests;
use crate::archive::Root;
use crate::tool;
use crate::workspace::Workspace;

/// glibc 2.31 with its threads in a library of their own; 2.41, whose
/// cancellation compares addresses; the newest.
const SUITES: &[&str] = &["bullseye", "trixie", "sid"];

/// The release whose C library is older than that of programs linked here.
const OLDER: &str = "bullseye";

/// Real programs, and the libraries of guests. musl comes in versions, too.
const PACKAGES: &[&str] =
    &["bash", "coreutils", "dash", "libstdc++6", "musl", "perl-base", "python3-minimal"];

/// The same, with what is needed to build for it.
const PACKAGES_OLDER: &[&str] = &[
    "bash",
    "coreutils",
    "dash",
    "libc6-dev",
    "libstdc++6",
    "musl",
    "perl-base",
    "python3-minimal",
];

/// Fetches roots while other things are built.
pub struct Fetching(Option<JoinHandle<Result<()>>>);

/// Begins to provide what tests that `filter` selects need.
pub fn fetch(workspace: &Workspace, filter: Option<&str>) -> Fetching {
    let wanted: Vec<&str> =
        SUITES.iter().copied().filter(|suite| filter.is_none_or(|f| f.contains(suite))).collect();
    let directory = directory(workspace);
    let can = tool::is_installed("apt-get") && tool::is_installed("dpkg-deb");
    if wanted.is_empty() || !can {
        return Fetching(None);
    }
    Fetching(Some(std::thread::spawn(move || {
        for suite in wanted {
            let packages = if suite == OLDER { PACKAGES_OLDER } else { PACKAGES };
            Root { suite, packages }.unpack(&directory.join(suite))?;
        }
        Ok(())
    })))
}

impl Fetching {
    /// Waits for them, then builds guests where they have to be.
    pub fn finish(self, workspace: &Workspace) -> Result<()> {
        let fetched = match self.0.map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(fetched)) => fetched,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        };
        if let Err(error) = fetched {
            if env::var_os("CI").is_some() {
                bail!("cannot fetch other userlands, and CI skips nothing: {error:#}");
            }
            println!("what needs other userlands is skipped: {error:#}");
        }
        let root = directory(workspace).join(OLDER);
        if root.is_dir() {
            build_guests(workspace, &root)?;
        }
        Ok(())
    }
}

/// Where the roots lie.
pub fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target().join("userlands")
}

/// Builds guests and hooks against the C library of `root`.
fn build_guests(workspace: &Workspace, root: &Path) -> Result<()> {
    guests::build_for_root(workspace, root, &root.with_extension("guests"))
}
