//! What is built to be measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::peer;
use super::way::{Way, output};
use crate::build;
use crate::test::guests;
use crate::tool;
use crate::workspace::{Product, Workspace};

/// Name of the way in which nobody is subscribed to anything.
pub const NOBODY: &str = "interceptor";

/// The same, where programs have been planned before.
pub const PLANNED: &str = "interceptor, planned before";

/// Programs, hook libraries and the peer.
pub struct Products {
    directory: PathBuf,
    interceptor: PathBuf,
    runtime: PathBuf,
    /// The library that is compared with us, or why there is none.
    peer: Result<PathBuf, String>,
}

impl Products {
    /// Builds what is out of date. Only the peer may be missing.
    pub fn build(workspace: &Workspace) -> Result<Products> {
        let directory = workspace.target().join("bench");
        guests::build_directory(workspace, &workspace.root().join("tests/bench"), &directory)?;
        let hook = "interceptor-bench-hook";
        build::rust_hook(workspace, hook, &directory.join("librust.so"), &[])?;
        build::rust_hook(workspace, hook, &directory.join("librust_sse.so"), &["--features=sse"])?;
        let peer = peer::build(workspace, &directory).map_err(|error| format!("{error:#}"));
        if let Err(why) = &peer {
            println!("{}: {why}", peer::NAME);
        }
        Ok(Products {
            interceptor: workspace.dist().join("bin/interceptor"),
            runtime: workspace.dist_library(Product::Interceptor),
            directory,
            peer,
        })
    }

    /// A measuring program or library of `tests/bench`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The library that is measured.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// A library that does nothing.
    pub fn empty(&self) -> Way {
        Way::preload("empty library", &[&self.file("libempty.so")])
    }

    /// Us, with nobody subscribed.
    pub fn nobody(&self) -> Way {
        Way::preload(NOBODY, &[&self.runtime])
    }

    /// The same, where a program has been planned before.
    pub fn planned(&self, program: &str) -> Result<Way> {
        let plans = self.file("plans");
        let mut command = Command::new(&self.interceptor);
        output(command.args(["plan", "--file"]).arg(&plans).arg(program))?;
        Ok(Way::preload(PLANNED, &[&self.runtime]).with("INTERCEPTOR_PLANS", plans))
    }

    /// Us, with a hook library in C.
    pub fn c_hook(&self, name: &'static str, library: &str) -> Way {
        Way::preload(name, &[&self.file(library), &self.runtime])
    }

    /// Us, with a hook in Rust: a library that contains the runtime.
    pub fn rust_hook(&self, name: &'static str, library: &str) -> Way {
        Way::preload(name, &[&self.file(library)])
    }

    /// Us, counting.
    pub fn stat(&self) -> Way {
        self.tool("interceptor stat", "stat")
    }

    /// Us, printing to where nobody reads.
    pub fn trace(&self) -> Way {
        self.tool("interceptor trace", "trace")
    }

    fn tool(&self, name: &'static str, command: &str) -> Way {
        let interceptor = self.interceptor.as_os_str();
        let rest = [command, "-o", "/dev/null", "--"].map(AsRef::as_ref);
        Way::command(name, &[[interceptor].as_slice(), &rest].concat())
    }

    /// The peer, in every object, not in libc only.
    pub fn peer(&self) -> Result<Way, &str> {
        let library = self.peer.as_ref().map_err(String::as_str)?;
        Ok(Way::preload(peer::NAME, &[library]).with("INTERCEPT_ALL_OBJS", "1"))
    }
}

/// strace, counting.
pub fn strace_count() -> Result<Way, &'static str> {
    if !tool::is_installed("strace") {
        return Err("it is not installed");
    }
    Ok(Way::command("strace -c", &["strace", "-f", "-c", "-o", "/dev/null"]))
}

/// strace, printing to where nobody reads.
pub fn strace() -> Result<Way, &'static str> {
    strace_count().map(|_| Way::command("strace", &["strace", "-f", "-o", "/dev/null"]))
}

/// strace with its own seccomp filter, which stops a program only where it is
/// asked for something: here at openat.
pub fn strace_filtering() -> Result<Way, &'static str> {
    let words = ["strace", "-f", "-c", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=openat"];
    strace_count().map(|_| Way::command("strace -c --seccomp-bpf, openat", &words))
}

/// perf, counting by the kernel's trace points.
pub fn perf_trace() -> Result<Way, &'static str> {
    if !tool::is_installed("perf") {
        return Err("it is not installed");
    }
    let way = Way::command("perf trace -s", &["perf", "trace", "-s", "-o", "/dev/null", "--"]);
    match output(&mut way.run("true", &[""; 0])) {
        Ok(_) => Ok(way),
        Err(_) => Err("the kernel does not let it"),
    }
}

/// bpftrace, counting in the kernel, whoever makes the calls: it could tell one process from
/// others, but not a tree of them.
pub fn bpftrace() -> Result<Way, &'static str> {
    const SCRIPT: &str = "program=$(command -v \"$1\"); shift; \
         exec bpftrace -q -o /dev/null -c \"$program $*\" \
         -e 'tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }'";
    if !tool::is_installed("bpftrace") {
        return Err("it is not installed");
    }
    let way = Way::command("bpftrace", &["sh", "-c", SCRIPT, "sh"]);
    match output(&mut way.run("/bin/true", &[""; 0])) {
        Ok(_) => Ok(way),
        Err(_) => Err("the kernel does not let it"),
    }
}

/// All tools that others would use to count calls, by name.
pub fn tools() -> [(&'static str, Result<Way, &'static str>); 4] {
    [
        ("strace -c", strace_count()),
        ("strace -c --seccomp-bpf", strace_filtering()),
        ("perf trace -s", perf_trace()),
        ("bpftrace", bpftrace()),
    ]
}
