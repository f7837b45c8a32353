//! The final links of what is preloaded.
//!
//! Done here and not by rustc, because rustc always passes a version script of
//! its own. `libinterceptor.so` exports versioned symbols only;
//! `libsyscall_intercept` has those of the library it stands for, without
//! versions as there, so that programs linked with either run with either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::tool;
use crate::workspace::{Product, Workspace};

/// A shared library to be linked.
pub struct Shared<'a> {
    /// File name by which programs find it.
    pub soname: &'a str,
    /// Which symbols it exports, a file in `linker/`.
    pub version_script: &'a str,
    /// What is linked beside the archive.
    pub objects: &'a [PathBuf],
}

/// `libinterceptor.so`, or another one in its place.
pub const INTERCEPTOR: Shared =
    Shared { soname: Product::Interceptor.file(), version_script: "interceptor.map", objects: &[] };

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
    // Every dynamic linker of the last decade reads it.
    "-Wl,--hash-style=gnu",
    // Strings that end others are there once.
    "-Wl,-O2",
    "-Wl,--fatal-warnings",
];

/// Links `archive` to the library `output`.
pub fn shared(
    workspace: &Workspace,
    library: &Shared,
    archive: &Path,
    output: &Path,
) -> Result<()> {
    let linker = workspace.root().join("linker");
    // Written beside and renamed: a program may have the old one mapped.
    let linked = beside(output)?;

    let mut cc = Command::new("cc");
    cc.args(FLAGS)
        .arg(format!("-Wl,-soname,{}", library.soname))
        .arg(format!("-Wl,--version-script={}", linker.join(library.version_script).display()))
        .arg(format!("-Wl,-T,{}", linker.join("layout.ld").display()))
        .args(library.objects)
        // Everything is offered, since constructors and exports are roots that
        // no other member refers to; sections nobody needs go again.
        .args(["-Wl,--whole-archive".as_ref(), archive.as_os_str()])
        .args(["-Wl,--no-whole-archive", "-o"])
        .arg(&linked);
    finish(tool::run(&mut cc), &linked, output)
}

/// Assembles `asm/hook_point.S`. Returns the object file.
pub fn hook_point(workspace: &Workspace, is_thread_local: bool) -> Result<PathBuf> {
    let name = if is_thread_local { "hook_point_tls.o" } else { "hook_point.o" };
    let object = workspace.target().join("link").join(name);
    let assembled = beside(&object)?;
    let mut cc = Command::new("cc");
    cc.args(["-c", "-x", "assembler-with-cpp"]);
    if is_thread_local {
        cc.arg("-DTHREAD_LOCAL");
    }
    cc.arg(workspace.root().join("asm/hook_point.S")).arg("-o").arg(&assembled);
    finish(tool::run(&mut cc), &assembled, &object)?;
    Ok(object)
}

/// What becomes of the static library, and why.
const ARCHIVE_FLAGS: &[&str] = &[
    "--strip-debug",
    // Bitcode of several objects in one section is none, and ar's plugin says so.
    "--remove-section=.llvmbc",
    "--remove-section=.llvmcmd",
    // Named in unwind entries of functions that nothing unwinds through.
    "--weaken-symbol=rust_eh_personality",
    // Before constructors without a priority, and those of hook libraries.
    "--rename-section=.init_array=.init_array.00101",
];

/// Makes the static library `output` of `archive` and `object`: one relocatable
/// file, in which only `exports` are seen from outside.
pub fn archive(archive: &Path, object: &Path, exports: &[&str], output: &Path) -> Result<()> {
    let relocatable = beside(&output.with_extension("o"))?;
    let linked = beside(output)?;
    let mut ld = Command::new("ld");
    ld.args(["-r", "--gc-sections", "-o"]).arg(&relocatable);
    // Their sections, and what those need, are kept.
    ld.args(exports.iter().flat_map(|name| ["-u", name]));
    ld.arg("--whole-archive").args([object, archive]);
    let mut objcopy = Command::new("objcopy");
    objcopy.args(ARCHIVE_FLAGS);
    objcopy.args(exports.iter().map(|name| format!("--keep-global-symbol={name}")));
    objcopy.arg(&relocatable);
    let mut ar = Command::new("ar");
    ar.arg("rcsD").args([&linked, &relocatable]);
    let result =
        tool::run(&mut ld).and_then(|()| tool::run(&mut objcopy)).and_then(|()| tool::run(&mut ar));
    let _ = fs::remove_file(&relocatable);
    finish(result, &linked, output)
}

/// Where a file is written before it takes its place.
fn beside(output: &Path) -> Result<PathBuf> {
    let directory = output.parent().context("a file without a directory")?;
    fs::create_dir_all(directory)?;
    let mut name = output.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    Ok(name.into())
}

/// Puts what was made in its place, if it was made.
fn finish(result: Result<()>, made: &Path, output: &Path) -> Result<()> {
    if result.is_err() {
        // The tool's own message is on stderr; a partial file is of no use.
        let _ = fs::remove_file(made);
    }
    result?;
    fs::rename(made, output).with_context(|| format!("cannot replace {}", output.display()))
}
