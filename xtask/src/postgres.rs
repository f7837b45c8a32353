//! PostgreSQL, which does not run as root and lies where no `PATH` leads.

use std::fs;
use std::path::PathBuf;

/// Arguments of setpriv(1): who its server is.
pub const NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// Where the programs of the newest one that is installed are.
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    programs.filter(|programs| programs.join("initdb").exists()).max()
}
