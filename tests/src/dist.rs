//! Where the deliverables, the guest programs and other people's programs are.

use std::env;
use std::path::{Path, PathBuf};

use crate::missing::Missing;

/// The deliverables.
pub struct Dist(PathBuf);

impl Dist {
    /// Those that `INTERCEPTOR_DIST` names, else those built last.
    ///
    /// # Errors
    ///
    /// They were not built.
    pub fn find() -> Result<Dist, Missing> {
        let dist = Dist(directory("INTERCEPTOR_DIST", "dist"));
        for file in [dist.command(), dist.runtime()] {
            if !file.is_file() {
                return Err(Missing(format!("{}: cargo xtask dist", file.display())));
            }
        }
        Ok(dist)
    }

    /// `bin/interceptor`.
    pub fn command(&self) -> PathBuf {
        self.0.join("bin/interceptor")
    }

    /// `lib/libinterceptor.so`.
    pub fn runtime(&self) -> PathBuf {
        self.0.join("lib/libinterceptor.so")
    }

    /// The directory of C headers.
    pub fn include(&self) -> PathBuf {
        self.0.join("include")
    }
}

/// A guest program, built from `tests/guests`.
///
/// # Errors
///
/// It was not built.
pub fn guest(name: &str) -> Result<PathBuf, Missing> {
    let path = directory("INTERCEPTOR_GUESTS", "guests").join(name);
    if path.is_file() { Ok(path) } else { Err(Missing(format!("guest {name}: cargo xtask test"))) }
}

/// A program of the system.
///
/// # Errors
///
/// It is not in `PATH`.
pub fn installed(program: &str) -> Result<PathBuf, Missing> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| Missing(format!("the program {program}")))
}

fn directory(variable: &str, below_target: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| target().join(below_target), PathBuf::from)
}

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target))
}
