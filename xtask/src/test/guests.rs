//! Guests: small programs that tests run intercepted, and hooks for them.
//!
//! Each `tests/guests/NAME.c`, `.cc` or `.S` becomes one program `NAME`, and
//! each `libNAME.c` a shared library `libNAME.so`. Each `tests/hooks/NAME.c`, `.cc`
//! or `.rs` becomes a hook library `libNAME.so`; each `tests/adversity/NAME.c` a
//! program that one test runs in its own way. Directives among the first lines:
//!
//! - `// flags: …`: further flags for the compiler, after its arguments;
//! - `// musl: yes`: also built by `musl-gcc`, as `NAME.musl`. Where that is not
//!   installed the program is missing, and its tests say that they are skipped;
//! - `// userlands: yes`: also run with other versions of libc, and built for those
//!   that are older than this machine's; `// userlands: newer`: only with others.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::tool;
use crate::workspace::Workspace;

/// Lines at the top of a source in which directives are looked for.
const DIRECTIVE_LINES: usize = 12;

/// Compiler of the second build of guests that ask for it.
const MUSL: &str = "musl-gcc";

/// Builds every guest and hook that is out of date; returns their directory.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let products = workspace.target().join("guests");
    let tests = workspace.root().join("tests");
    let include = workspace.root().join("include");
    build_directory(workspace, &tests.join("guests"), &products)?;
    build_directory(workspace, &tests.join("adversity"), &products)?;

    let hooks = files(&tests.join("hooks"))?;
    let interface = include.join("interceptor.h");
    let headers = with_own(&interface, &hooks);
    for source in &hooks {
        let Some(name) = stem(source) else {
            continue;
        };
        let product = products.join(format!("lib{name}.so"));
        if has_extension(source, "rs") {
            compile_rust(workspace, source, &product)?;
            continue;
        }
        let Some(compiler) = compiler(source) else {
            continue;
        };
        let text = read(source)?;
        let hook = Guest {
            source,
            headers: &headers,
            include: &include,
            is_library: true,
            flags: directive(&text, "flags").unwrap_or_default(),
            root: None,
        };
        hook.compile(compiler, &product)?;
    }
    Ok(products)
}

/// Compiles a hook library that is one file in Rust.
fn compile_rust(workspace: &Workspace, source: &Path, product: &Path) -> Result<()> {
    if tool::is_newer(product, source) {
        return Ok(());
    }
    let mut rustc = workspace.rustc();
    rustc.args(["--edition=2024", "--crate-type=cdylib", "-Cpanic=abort", "-Dwarnings", "-o"]);
    tool::run(rustc.args([product, source]))
}

/// Builds each program and library of one directory that is out of date.
pub fn build_directory(workspace: &Workspace, sources: &Path, products: &Path) -> Result<()> {
    fs::create_dir_all(products)?;
    let include = workspace.root().join("include");
    let files = files(sources)?;
    let interface = include.join("interceptor.h");
    let headers = with_own(&interface, &files);
    let has_musl = tool::is_installed(MUSL);

    for source in &files {
        let (Some(name), Some(compiler)) = (stem(source), compiler(source)) else {
            continue;
        };
        let text = read(source)?;
        let guest = Guest {
            source,
            headers: &headers,
            include: &include,
            is_library: name.starts_with("lib"),
            flags: directive(&text, "flags").unwrap_or_default(),
            root: None,
        };
        let suffix = if guest.is_library { ".so" } else { "" };
        guest.compile(compiler, &products.join(format!("{name}{suffix}")))?;
        if has_musl && directive(&text, "musl") == Some("yes") {
            guest.compile(MUSL, &products.join(format!("{name}.musl")))?;
        }
    }
    Ok(())
}

/// Builds the guests that ask for it against the C library below `root`.
pub fn build_for_root(workspace: &Workspace, root: &Path, products: &Path) -> Result<()> {
    fs::create_dir_all(products)?;
    let include = workspace.root().join("include");
    let files = files(&workspace.root().join("tests/guests"))?;
    let interface = include.join("interceptor.h");
    let headers = with_own(&interface, &files);
    for source in &files {
        let (Some(name), Some(compiler)) = (stem(source), compiler(source)) else {
            continue;
        };
        let text = read(source)?;
        if directive(&text, "userlands") != Some("yes") {
            continue;
        }
        let guest = Guest {
            source,
            headers: &headers,
            include: &include,
            is_library: false,
            flags: directive(&text, "flags").unwrap_or_default(),
            root: Some(root),
        };
        guest.compile(compiler, &products.join(name))?;
    }
    Ok(())
}

/// The headers that sources may include: ours, and those among them.
fn with_own<'a>(interface: &'a PathBuf, files: &'a [PathBuf]) -> Vec<&'a PathBuf> {
    let own = files.iter().filter(|file| has_extension(file, "h"));
    own.chain([interface]).collect()
}

fn read(source: &Path) -> Result<String> {
    fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))
}

fn stem(source: &Path) -> Option<&str> {
    source.file_stem().and_then(OsStr::to_str)
}

/// What compiles a file; `None` for one that is not compiled by itself.
fn compiler(source: &Path) -> Option<&'static str> {
    match source.extension()?.to_str()? {
        "c" | "S" => Some("cc"),
        "cc" => Some("c++"),
        _ => None,
    }
}

/// One source, and how it is compiled.
struct Guest<'a> {
    source: &'a Path,
    headers: &'a [&'a PathBuf],
    include: &'a Path,
    is_library: bool,
    flags: &'a str,
    /// Where the C library lies that it is built against; else the machine's.
    root: Option<&'a Path>,
}

impl Guest<'_> {
    fn compile(&self, compiler: &str, product: &Path) -> Result<()> {
        let is_current = tool::is_newer(product, self.source)
            && self.headers.iter().all(|header| tool::is_newer(product, header));
        if is_current {
            return Ok(());
        }
        let mut command = Command::new(compiler);
        command.args(["-O2", "-g", "-pthread"]);
        if self.is_library {
            command.args(["-shared", "-fPIC"]);
        }
        if compiler == MUSL {
            // As the compilers of musl's distributions do by themselves.
            command.arg("-Wl,--eh-frame-hdr");
        }
        if let Some(root) = self.root {
            command.args(below(root, compiler)?);
        }
        tool::run(
            command
                .arg("-I")
                .arg(self.include)
                .arg(self.source)
                .arg("-o")
                .arg(product)
                // Last, where libraries belong.
                .args(self.flags.split_whitespace())
                // Part of libc only since 2.34.
                .args(self.root.map(|_| "-ldl")),
        )
    }
}

/// What makes the machine's compiler take everything of libc from `root`.
fn below(root: &Path, compiler: &str) -> Result<Vec<OsString>> {
    let with = |option: &str, path: &Path| {
        let mut argument = OsString::from(option);
        argument.push(path);
        argument
    };
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let mut arguments = vec![with("--sysroot=", root)];
    // Before the machine's own, which the compiler finds by its own place.
    arguments.extend([with("-B", &libraries), with("-L", &libraries)]);
    if compiler == "c++" {
        // The compiler's own headers.
        let output = Command::new(compiler).arg("-dumpversion").output()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        for directory in ["/usr/include/c++", "/usr/include/x86_64-linux-gnu/c++"] {
            arguments.push(with("-isystem", &Path::new(directory).join(&version)));
        }
    }
    // The compiler's own libraries have been linked against the machine's libc.
    // Programs need little of them, and bring no copy along.
    arguments.push("-Wl,--allow-shlib-undefined".into());
    Ok(arguments)
}

/// The value of `// NAME: VALUE` among the first lines.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take(DIRECTIVE_LINES).find_map(|line| {
        let (key, value) = line.trim_start().strip_prefix("//")?.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension() == Some(OsStr::new(extension))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_found_in_the_first_lines_only() {
        let text = "// Says hello.\n// flags: -static -lm\nint main() {}\n";
        assert_eq!(directive(text, "flags"), Some("-static -lm"));
        assert_eq!(directive(text, "compiler"), None);
        let late = format!("{}// flags: -static\n", "\n".repeat(DIRECTIVE_LINES));
        assert_eq!(directive(&late, "flags"), None);
    }
}
