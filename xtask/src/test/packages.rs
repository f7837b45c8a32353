//! The one list of Debian packages that tests and benchmarks need.

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::tool;

/// A package, and which tests need it.
pub struct Package {
    name: &'static str,
    /// A file, or a program in `PATH`, by which its presence is known without
    /// asking dpkg; a program may also come from elsewhere.
    proof: &'static str,
    needed_by: &'static str,
}

impl Package {
    fn is_there(&self) -> bool {
        let is_program = !self.proof.contains('/');
        if is_program { tool::is_installed(self.proof) } else { Path::new(self.proof).exists() }
    }
}

/// A real program that `tests/programs` runs.
const fn program(name: &'static str, program: &'static str) -> Package {
    Package { name, proof: program, needed_by: "tests/programs" }
}

/// What tests need.
pub const FOR_TESTS: &[Package] = &[
    Package {
        name: "gcc",
        proof: "/usr/bin/cc",
        needed_by: "the final link and every guest program",
    },
    Package { name: "g++", proof: "/usr/bin/c++", needed_by: "the headers as C++" },
    Package { name: "binutils", proof: "/usr/bin/objcopy", needed_by: "the stripped library" },
    Package {
        name: "strace",
        proof: "/usr/bin/strace",
        needed_by: "comparisons with the kernel's view of a program",
    },
    Package { name: "musl-tools", proof: "/usr/bin/musl-gcc", needed_by: "programs without glibc" },
    Package {
        name: "python3",
        proof: "/usr/bin/python3",
        needed_by: "an interpreter with threads and child processes",
    },
    Package {
        name: "sqlite3",
        proof: "/usr/bin/sqlite3",
        needed_by: "a program that locks and syncs files",
    },
    Package { name: "cmake", proof: "cmake", needed_by: "the package for CMake" },
    Package { name: "pkg-config", proof: "pkg-config", needed_by: "the files for pkg-config" },
    Package { name: "man-db", proof: "man", needed_by: "the manual pages" },
    program("bc", "bc"),
    program("bison", "bison"),
    program("bsdutils", "script"),
    program("busybox", "busybox"),
    program("bzip2", "bzip2"),
    program("curl", "curl"),
    program("dbus", "dbus-run-session"),
    program("default-jdk-headless", "javac"),
    program("ed", "ed"),
    program("expect", "expect"),
    program("fakeroot", "fakeroot"),
    program("file", "file"),
    program("flex", "flex"),
    program("gawk", "gawk"),
    program("gdb", "gdb"),
    program("git", "git"),
    program("golang-go", "go"),
    program("imagemagick", "convert"),
    program("jq", "jq"),
    program("ksh", "ksh"),
    program("less", "less"),
    Package {
        name: "libpython3.11-testsuite",
        proof: "/usr/lib/python3.11/test/test_signal.py",
        needed_by: "tests/suites",
    },
    program("lua5.4", "lua5.4"),
    Package {
        name: "libcapstone-dev",
        proof: "/usr/include/capstone/capstone.h",
        needed_by: "the original libsyscall_intercept",
    },
    Package {
        name: "libeatmydata1",
        proof: "/usr/lib/x86_64-linux-gnu/libeatmydata.so",
        needed_by: "libraries that are preloaded beside ours",
    },
    Package {
        name: "libfaketime",
        proof: "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        needed_by: "libraries that are preloaded beside ours",
    },
    Package {
        name: "libjemalloc2",
        proof: "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
        needed_by: "libraries that are preloaded beside ours",
    },
    Package {
        name: "libtcmalloc-minimal4",
        proof: "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4",
        needed_by: "libraries that are preloaded beside ours",
    },
    program("m4", "m4"),
    program("make", "make"),
    program("memcached", "memcached"),
    program("nginx-light", "nginx"),
    program("nodejs", "node"),
    program("openssh-client", "ssh-keygen"),
    program("openssl", "openssl"),
    program("patch", "patch"),
    program("perl", "perl"),
    program("php-cli", "php"),
    program("postgresql", "pg_ctlcluster"),
    Package {
        name: "qemu-system-x86",
        proof: "qemu-system-x86_64",
        needed_by: "kernels that this one is not",
    },
    Package {
        name: "qemu-user",
        proof: "qemu-x86_64",
        needed_by: "processors that this one is not",
    },
    program("redis-server", "redis-server"),
    program("redis-tools", "redis-benchmark"),
    program("rsync", "rsync"),
    program("ruby", "ruby"),
    program("screen", "screen"),
    program("socat", "socat"),
    program("stress-ng", "stress-ng"),
    program("tcl", "tclsh"),
    program("tmux", "tmux"),
    program("unzip", "unzip"),
    Package {
        name: "valgrind",
        proof: "valgrind",
        needed_by: "a tool that executes programs itself",
    },
    program("vim", "vim"),
    program("xz-utils", "xz"),
    program("zip", "zip"),
    program("zsh", "zsh"),
    program("zstd", "zstd"),
];

/// What heavy programs need, which run only on demand.
pub const FOR_EVERYTHING: &[Package] = &[
    program("apache2", "/usr/sbin/apache2"),
    Package { name: "autoconf", proof: "autoconf", needed_by: "the Linux Test Project" },
    Package { name: "automake", proof: "automake", needed_by: "the Linux Test Project" },
    program("bind9", "/usr/sbin/named"),
    program("bind9-dnsutils", "dig"),
    program("borgbackup", "borg"),
    program("chromium", "chromium"),
    Package { name: "clang", proof: "clang", needed_by: "tests/programs, and the headers in lint" },
    program("emacs-nox", "emacs"),
    program("erlang-base", "erl"),
    program("ffmpeg", "ffmpeg"),
    program("fio", "fio"),
    program("firefox-esr", "firefox-esr"),
    program("gcc-mingw-w64-x86-64-win32", "x86_64-w64-mingw32-gcc"),
    program("ghc", "ghc"),
    program("ghostscript", "gs"),
    program("guile-3.0", "guile"),
    program("haproxy", "haproxy"),
    program("libreoffice-calc-nogui", "soffice"),
    program("llvm", "llvm-symbolizer"),
    program("luajit", "luajit"),
    program("mariadb-server", "/usr/sbin/mariadbd"),
    program("mono-mcs", "mcs"),
    program("mono-runtime", "mono"),
    program("ocaml-nox", "ocaml"),
    program("openssh-server", "/usr/sbin/sshd"),
    program("pypy3", "pypy3"),
    program("r-base-core", "Rscript"),
    program("sbcl", "sbcl"),
    program("swi-prolog-nox", "swipl"),
    program("texlive-latex-base", "pdflatex"),
    program("wine64", "/usr/lib/wine/wineserver64"),
];

/// What `soak` needs beside that.
pub const FOR_SOAK: &[Package] =
    &[Package { name: "wrk", proof: "wrk", needed_by: "requests to a web server" }];

/// What benchmarks need to show others beside us.
pub const FOR_BENCHMARKS: &[Package] = &[
    Package { name: "gcc", proof: "/usr/bin/cc", needed_by: "every measuring program" },
    Package { name: "g++", proof: "/usr/bin/c++", needed_by: "the peer syscall-intercept" },
    Package { name: "binutils", proof: "/usr/bin/objcopy", needed_by: "the stripped library" },
    Package { name: "cmake", proof: "/usr/bin/cmake", needed_by: "the peer syscall-intercept" },
    Package {
        name: "libcapstone-dev",
        proof: "/usr/include/capstone/capstone.h",
        needed_by: "the peer syscall-intercept",
    },
    Package { name: "strace", proof: "/usr/bin/strace", needed_by: "the peer strace" },
    Package { name: "bpftrace", proof: "bpftrace", needed_by: "the peer bpftrace" },
    Package { name: "python3", proof: "/usr/bin/python3", needed_by: "start-up" },
];

/// Installs what is missing when we may, else names it.
pub fn provide(packages: &[Package]) -> Result<()> {
    let missing: Vec<&Package> = packages.iter().filter(|package| !package.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("package {} is missing, needed by {}", package.name, package.needed_by);
    }
    if is_root() && tool::is_installed("apt-get") {
        println!("installing them with apt-get");
        return install(&missing);
    }
    if env::var_os("CI").is_some() {
        bail!("packages are missing, and CI skips nothing");
    }
    println!("what needs them is skipped");
    Ok(())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn install(missing: &[&Package]) -> Result<()> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    tool::run(apt().arg("update"))?;
    tool::run(
        apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(missing.iter().map(|package| package.name)),
    )
}
