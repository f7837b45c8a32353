//! Things that are linked with libsyscall_intercept, built as its users build them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dist::{Dist, installed};
use crate::missing::Missing;
use crate::program::{Ended, Program};
use crate::scratch::Scratch;

/// How a hook or a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// With the shared library.
    Shared,
    /// With the static one.
    Static,
    /// With the shared one that has a hook point for each thread.
    ThreadLocal,
    /// With the static one of these.
    ThreadLocalStatic,
    /// With something that has the original's names.
    Original,
    /// The same, patched to have a hook point for each thread.
    OriginalThreadLocal,
}

impl Link {
    /// All ways.
    pub const ALL: [Link; 6] = [
        Link::Shared,
        Link::Static,
        Link::ThreadLocal,
        Link::ThreadLocalStatic,
        Link::Original,
        Link::OriginalThreadLocal,
    ];

    fn is_thread_local(self) -> bool {
        matches!(self, Link::ThreadLocal | Link::ThreadLocalStatic | Link::OriginalThreadLocal)
    }
}

/// Compiles and links things against the deliverables.
pub struct Workshop {
    /// What is linked with.
    pub dist: Dist,
    /// Where products are.
    pub scratch: Scratch,
    /// For C.
    pub compiler: PathBuf,
}

impl Workshop {
    /// Finds what is needed.
    ///
    /// # Errors
    ///
    /// There are no deliverables, or there is no compiler.
    pub fn open() -> Result<Workshop, Missing> {
        Ok(Workshop { dist: Dist::find()?, scratch: Scratch::new(), compiler: installed("cc")? })
    }

    /// A source in `tests/drop_in`.
    pub fn source(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("drop_in").join(name)
    }

    /// Runs a compiler. Returns what it makes.
    ///
    /// # Panics
    ///
    /// If it makes nothing.
    pub fn run(&self, compiler: &Path, arguments: &[&str], output: &str) -> PathBuf {
        let product = self.scratch.path(output);
        let built = Command::new(compiler)
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .arg(&product)
            .args(arguments)
            .status()
            .expect("a compiler");
        assert!(built.success(), "{arguments:?}");
        product
    }

    /// Builds a source; `flags` say as what.
    pub fn build_by(&self, compiler: &Path, source: &str, link: Link, flags: &[&str]) -> PathBuf {
        let (lib, original) = (self.dist.lib(), self.scratch.path("original"));
        let include = format!("-I{}", self.dist.include().display());
        let directory = format!("-L{}", lib.display());
        let original_directory = format!("-L{}", original.display());
        let file = |name: &str| lib.join(name).to_str().expect("a path in UTF-8").to_owned();
        let (archive, archive_tls) =
            (file("libsyscall_intercept.a"), file("libsyscall_intercept_tls.a"));
        let libraries: &[&str] = match link {
            Link::Shared => &[&directory, "-lsyscall_intercept"],
            Link::ThreadLocal => &[&directory, "-lsyscall_intercept_tls"],
            Link::Static => &[&archive],
            Link::ThreadLocalStatic => &[&archive_tls],
            Link::Original | Link::OriginalThreadLocal => {
                self.make_original(link);
                &[&original_directory, "-lsyscall_intercept"]
            }
        };
        let source = Workshop::source(source);
        let mut arguments = vec![include.as_str(), source.to_str().expect("a path in UTF-8")];
        if link.is_thread_local() {
            arguments.push("-DINTERCEPT_HOOK_POINT_THREAD_LOCAL");
        }
        arguments.extend(libraries.iter().chain(flags));
        self.run(compiler, &arguments, "product")
    }

    /// Builds a hook library.
    pub fn hook(&self, source: &str, link: Link) -> PathBuf {
        self.build_by(&self.compiler, source, link, &["-shared", "-fPIC"])
    }

    /// Builds a program.
    pub fn program(&self, source: &str, link: Link, flags: &[&str]) -> PathBuf {
        self.build_by(&self.compiler, source, link, flags)
    }

    fn make_original(&self, link: Link) {
        fs::create_dir_all(self.scratch.path("original")).expect("a directory");
        let source = Workshop::source("published.c");
        let mut arguments = vec![
            "-shared",
            "-fPIC",
            "-Wl,-soname,libsyscall_intercept.so.0",
            source.to_str().expect("a path in UTF-8"),
        ];
        if link.is_thread_local() {
            arguments.push("-DTHREAD_LOCAL");
        }
        self.run(&self.compiler, &arguments, "original/libsyscall_intercept.so");
    }

    /// Where the loader finds the libraries.
    pub fn search_path(&self, link: Link) -> PathBuf {
        match link {
            Link::OriginalThreadLocal => self.dist.lib().join("interceptor/thread-local"),
            _ => self.dist.lib(),
        }
    }

    /// Runs a program under a hook.
    pub fn under(&self, hook: &Path, link: Link, program: &Program) -> Ended {
        program
            .clone()
            .environment("LD_PRELOAD", hook)
            .environment("LD_LIBRARY_PATH", self.search_path(link))
            .natively()
    }
}
