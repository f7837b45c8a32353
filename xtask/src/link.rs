//! The final link of the preload library.
//!
//! Done here and not by rustc, because rustc always passes a version script of
//! its own and this library exports versioned symbols only.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::tool;
use crate::workspace::Workspace;

/// File name by which programs find the library.
const SONAME: &str = "libinterceptor.so";

/// What the linker is told, and why.
const FLAGS: &[&str] = &[
    // Nothing of libc, libgcc or crt: no DT_NEEDED, no foreign constructor.
    "-shared",
    "-nostdlib",
    "-nostartfiles",
    // Our constructor runs before those of every other object.
    "-Wl,-z,initfirst",
    // Full RELRO: no lazily bound pointer stays writable.
    "-Wl,-z,relro",
    "-Wl,-z,now",
    "-Wl,-z,noexecstack",
    // A relocation in text is an error, not a writable text page.
    "-Wl,-z,text",
    // Constants and code in one segment: a mapping less for every fork to copy.
    "-Wl,-z,noseparate-code",
    // Only weak references may stay open: libc is optional.
    "-Wl,--no-undefined",
    "-Wl,--gc-sections",
    // Debuggers and unwinders find us and our debug file.
    "-Wl,--build-id",
    "-Wl,--eh-frame-hdr",
    // Old and new dynamic linkers alike.
    "-Wl,--hash-style=both",
    "-Wl,--fatal-warnings",
];

/// Links `archive` to the library `output`.
pub fn library(workspace: &Workspace, archive: &Path, output: &Path) -> Result<()> {
    let directory = output.parent().context("a library without a directory")?;
    fs::create_dir_all(directory)?;
    let version_script = workspace.root().join("linker/interceptor.map");
    // Written beside and renamed: a program may have the old one mapped.
    let linked = directory.join(format!("{SONAME}.{}", std::process::id()));

    let mut cc = Command::new("cc");
    cc.args(FLAGS)
        .arg(format!("-Wl,-soname,{SONAME}"))
        .arg(format!("-Wl,--version-script={}", version_script.display()))
        .arg(format!("-Wl,-T,{}", workspace.root().join("linker/tables.ld").display()))
        // Everything is offered, since constructors and exports are roots that
        // no other member refers to; sections nobody needs go again.
        .args(["-Wl,--whole-archive".as_ref(), archive.as_os_str()])
        .args(["-Wl,--no-whole-archive", "-o"])
        .arg(&linked);
    let result = tool::run(&mut cc);
    if result.is_err() {
        // The linker's own message is on stderr; a partial file is of no use.
        let _ = fs::remove_file(&linked);
    }
    result?;
    fs::rename(&linked, output).with_context(|| format!("cannot replace {}", output.display()))
}
