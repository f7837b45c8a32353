//! A directory of a test's own.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new directory, removed in the end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[expect(clippy::new_without_default, reason = "creates a directory")]
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("interceptor-test-{}-{number}", process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                // Left by a process that had this id before, and was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
                made => {
                    made.expect("a directory for a test");
                    return Scratch(path);
                }
            }
        }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file with the given permissions; returns its path.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn file(&self, name: &str, mode: u32, content: impl AsRef<[u8]>) -> PathBuf {
        const EXECUTE: u32 = 0o111;
        let path = self.path(name);
        if mode & EXECUTE == 0 {
            fs::write(&path, content).expect("a file for a test");
        } else {
            let written = self.path(&format!("{name}.written"));
            fs::write(&written, content).expect("a file for a test");
            self.copy(&written, name);
            fs::remove_file(written).expect("a file to be removed");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
        path
    }

    /// Copies a file, which may be executed at once: another process writes it. If this one
    /// did, what another thread's fork makes here would have it open for writing up to its
    /// exec, and nobody could execute it until then (ETXTBSY).
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn copy(&self, from: impl AsRef<Path>, name: &str) -> PathBuf {
        let path = self.path(name);
        let copied = Command::new("cp").arg(from.as_ref()).arg(&path).status().expect("cp");
        assert!(copied.success(), "a copy of {}", from.as_ref().display());
        path
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
