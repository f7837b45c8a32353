//! The one list of Debian packages that tests need.

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::tool;

/// A package, and which tests need it.
struct Package {
    name: &'static str,
    /// A file by which its presence is known without asking dpkg.
    proof: &'static str,
    needed_by: &'static str,
}

const PACKAGES: &[Package] = &[
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
];

/// Installs what is missing when we may, else names it.
pub fn provide() -> Result<()> {
    let missing: Vec<&Package> =
        PACKAGES.iter().filter(|package| !Path::new(package.proof).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("test: package {} is missing, needed by {}", package.name, package.needed_by);
    }
    if is_root() && tool::is_installed("apt-get") {
        println!("test: installing them with apt-get");
        return install(&missing);
    }
    if env::var_os("CI").is_some() {
        bail!("packages are missing, and CI does not skip tests");
    }
    println!("test: tests that need them are skipped");
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
