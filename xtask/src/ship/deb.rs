//! `package`: Debian packages of the deliverables.
//!
//! Made by dpkg-deb from a tree, without a source package: what goes in is what
//! `dist` has laid out. Libraries are in /usr/lib itself, where the command line tool
//! looks for them from /usr/bin.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use object::read::elf::ElfFile64;

use super::{VERSION, copy, shipped, write};
use crate::dist;
use crate::tool;
use crate::workspace::{Profile, Workspace};

/// Arguments of `package`.
#[derive(clap::Args)]
pub struct Args {
    /// Pack the command line tool unoptimised
    #[arg(long)]
    dev: bool,
}

/// A package.
struct Package {
    name: &'static str,
    section: &'static str,
    /// Further fields; `@VERSION@` and `@LIBC@` are filled in.
    fields: &'static str,
    summary: &'static str,
    /// The rest of the description, each line after a space.
    description: &'static str,
    /// Files for dpkg beside `control`: names and contents.
    notes: &'static [(&'static str, &'static str)],
    /// Whether a path of `dist` goes in.
    takes: fn(&Path) -> bool,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "libinterceptor",
        section: "libs",
        fields: "Provides: libsyscall-intercept0\nConflicts: libsyscall-intercept0\n\
                 Replaces: libsyscall-intercept0\n",
        summary: "system call interception in user space - runtime",
        description: " Libraries to preload into unmodified programs. They replace each system\n \
                      call instruction by a jump, and show the calls to hook libraries.\n \
                      libsyscall_intercept.so.0 stands in for the library of that name.\n",
        notes: &[
            ("triggers", "activate-noawait ldconfig\n"),
            (
                "shlibs",
                "libsyscall_intercept 0 libinterceptor\n\
                 libsyscall_intercept_tls 0 libinterceptor\n",
            ),
            // `interceptor plan` has made them.
            ("prerm", "#!/bin/sh\nset -e\nrm -f \"$DPKG_ROOT/usr/lib/interceptor/plans\"\n"),
        ],
        takes: |path| is_library(path),
    },
    Package {
        name: "libinterceptor-dev",
        section: "libdevel",
        fields: "Depends: libinterceptor (= @VERSION@)\nProvides: libsyscall-intercept-dev\n\
                 Conflicts: libsyscall-intercept-dev\nReplaces: libsyscall-intercept-dev\n",
        summary: "system call interception in user space - for hook authors",
        description: " Headers, static libraries and manual pages for hook libraries in C and\n \
                      C++, and what pkg-config and CMake need to find them.\n",
        notes: &[],
        takes: |path| !is_library(path) && !is_tool(path),
    },
    Package {
        name: "interceptor",
        section: "utils",
        fields: "Depends: libinterceptor (= @VERSION@), libc6 (>= @LIBC@)\n",
        summary: "trace, count, change or deny system calls of programs",
        description: " Runs programs under hook libraries, prints their system calls, and counts\n \
                      and times them, at a small part of what ptrace costs.\n",
        notes: &[
            ("triggers", "interest-noawait /usr/lib/x86_64-linux-gnu/libc.so.6\n"),
            // Nearly all of what most programs start with. Nothing depends on it.
            (
                "postinst",
                "#!/bin/sh\nset -e\n\"$DPKG_ROOT/usr/bin/interceptor\" plan sh >/dev/null || true\n",
            ),
        ],
        takes: |path| is_tool(path),
    },
];

/// What programs load.
fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or("");
    path.starts_with("lib") && (name.ends_with(".so.0") || name == "libinterceptor.so")
}

/// The command line tool and its manual.
fn is_tool(path: &Path) -> bool {
    path.starts_with("bin") || path.starts_with("share/man/man1")
}

/// Makes all packages.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let profile = if args.dev { Profile::Dev } else { Profile::Release };
    dist::lay_out(workspace, profile)?;
    for package in make(workspace)? {
        println!("{}", package.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes all packages of what was laid out; returns the files.
pub fn make(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let directory = workspace.target().join("packages");
    let files = shipped(&workspace.dist())?;
    let libc = newest_libc(&workspace.dist().join("bin/interceptor"))?;
    let mut packages = Vec::new();
    for package in PACKAGES {
        let root = directory.join(package.name);
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        let mut size = 0;
        for file in files.iter().filter(|file| (package.takes)(file)) {
            size += add(workspace, &root, file)?;
        }
        for (name, text) in package.notes {
            let note = root.join("DEBIAN").join(name);
            write(&note, text)?;
            let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
            fs::set_permissions(&note, fs::Permissions::from_mode(mode))?;
        }
        let notes = root.join("usr/share/doc").join(package.name).join("copyright");
        write(&notes, COPYRIGHT)?;
        fs::set_permissions(&notes, fs::Permissions::from_mode(0o644))?;
        write(&root.join("DEBIAN/control"), &control(package, size, &libc))?;
        let file = directory.join(format!("{}_{VERSION}_amd64.deb", package.name));
        tool::run(
            Command::new("dpkg-deb")
                .args(["--root-owner-group", "-Zxz", "-z4", "--build"])
                .args([&root, &file])
                .stdout(std::process::Stdio::null()),
        )?;
        packages.push(file);
    }
    Ok(packages)
}

/// Puts a file of `dist` into a package's tree, as policy wants it. Returns its size.
fn add(workspace: &Workspace, root: &Path, file: &Path) -> Result<u64> {
    let to = root.join("usr").join(file);
    copy(&workspace.dist().join(file), &to)?;
    if to.is_symlink() {
        return Ok(0);
    }
    let is_program = file.starts_with("bin");
    if is_program {
        tool::run(Command::new("strip").arg(&to))?;
    }
    // Libraries are not executed; archives were never executable.
    let mode = if is_program { 0o755 } else { 0o644 };
    fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
    if file.starts_with("share/man") {
        tool::run(Command::new("gzip").args(["-9nf"]).arg(&to))?;
        return Ok(0);
    }
    Ok(fs::metadata(&to)?.len())
}

fn control(package: &Package, size: u64, libc: &str) -> String {
    let fields = package.fields.replace("@VERSION@", VERSION).replace("@LIBC@", libc);
    format!(
        "Package: {}\nVersion: {VERSION}\nArchitecture: amd64\nSection: {}\nPriority: optional\n\
         Maintainer: Interceptor authors <interceptor@localhost>\nInstalled-Size: {}\n{fields}\
         Description: {}\n{}",
        package.name,
        package.section,
        size.div_ceil(1024).max(1),
        package.summary,
        package.description,
    )
}

const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
    Upstream-Name: interceptor\n\nFiles: *\nCopyright: the Interceptor authors\n\
    License: Expat or Apache-2.0\n On Debian systems, /usr/share/common-licenses/Apache-2.0 has the text of \
    the latter.\n";

/// The newest version of glibc that a program asks for.
fn newest_libc(program: &Path) -> Result<String> {
    let data = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let file = ElfFile64::<object::Endianness>::parse(&*data)?;
    let endian = file.endian();
    let sections = file.elf_section_table();
    let mut newest = (2, 2, 5);
    if let Some((needs, strings)) = sections.gnu_verneed(endian, file.data())? {
        let strings = sections.strings(endian, file.data(), strings)?;
        for need in needs {
            let (_, mut versions) = need?;
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?);
                newest = newest.max(glibc(&name).unwrap_or(newest));
            }
        }
    }
    let (major, minor, patch) = newest;
    Ok(if patch == 0 { format!("{major}.{minor}") } else { format!("{major}.{minor}.{patch}") })
}

/// The numbers in `GLIBC_2.34`.
fn glibc(name: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    let major = numbers.next()?.ok()?;
    let minor = numbers.next().and_then(Result::ok).unwrap_or(0);
    Some((major, minor, numbers.next().and_then(Result::ok).unwrap_or(0)))
}
