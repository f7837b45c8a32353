//! Suites: what `tests/suites.rs` runs of other people's tests.
//!
//! Most of it is packages, or built by the scripts in `tests/suites`. Perl's tests are in
//! no package but the one of its source.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::archive;
use crate::workspace::Workspace;

/// What selects them all, as a filter of tests.
pub const FILTER: &str = "suites";

/// Fetches what no package has.
pub fn fetch(workspace: &Workspace) -> Result<()> {
    let fetched = archive::source("perl", &directory(workspace).join("perl"));
    if let Err(error) = fetched {
        if env::var_os("CI").is_some() {
            bail!("cannot fetch the source of perl, and CI skips nothing: {error:#}");
        }
        println!("perl's tests are skipped: {error:#}");
    }
    Ok(())
}

/// Where suites are built.
pub fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target().join("suites")
}
