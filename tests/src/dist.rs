//! Where the deliverables, the guest programs and other people's programs are.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

    /// Plans programs into a file, by `interceptor plan`.
    ///
    /// # Panics
    ///
    /// If it cannot be executed.
    pub fn plan<P: AsRef<OsStr>>(
        &self,
        file: &Path,
        programs: impl IntoIterator<Item = P>,
    ) -> Output {
        let mut command = Command::new(self.command());
        command.arg("plan").arg("--file").arg(file).args(programs);
        command.output().expect("the command")
    }

    /// `lib/libinterceptor.so`.
    pub fn runtime(&self) -> PathBuf {
        self.0.join("lib/libinterceptor.so")
    }

    /// Where all of it lies.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// The directory of libraries.
    pub fn lib(&self) -> PathBuf {
        self.0.join("lib")
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
    let path = guests().join(name);
    if path.is_file() { Ok(path) } else { Err(Missing(format!("guest {name}: cargo xtask test"))) }
}

/// The directory of guest programs.
pub fn guests() -> PathBuf {
    directory("INTERCEPTOR_GUESTS", "guests")
}

/// The root of another release of Debian.
///
/// # Errors
///
/// It was not unpacked.
pub fn userland(suite: &str) -> Result<PathBuf, Missing> {
    let path = directory("INTERCEPTOR_USERLANDS", "userlands").join(suite);
    if path.is_dir() {
        Ok(path)
    } else {
        Err(Missing(format!("the userland {suite}: cargo xtask test {suite}")))
    }
}

/// Where other people's test suites are built.
pub(crate) fn built_suites() -> PathBuf {
    directory("INTERCEPTOR_SUITES", "suites")
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
    let path = env::var_os(variable).map_or_else(|| target().join(below_target), PathBuf::from);
    // Without `..`, so that it also leads there below another root.
    path.canonicalize().unwrap_or(path)
}

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target))
}
