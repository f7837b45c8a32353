//! Guest programs: small C and assembly programs that tests run intercepted.
//!
//! Each `tests/guests/NAME.c` or `.S` becomes one program `NAME`. Its first
//! lines may hold `// flags: …` with further compiler flags, and
//! `// compiler: musl-gcc` for another compiler; a guest whose compiler is not
//! installed is not built, and its tests say that they are skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::tool;
use crate::workspace::Workspace;

/// Lines at the top of a source in which directives are looked for.
const DIRECTIVE_LINES: usize = 10;

/// Builds every guest that is out of date; returns their directory.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let sources = workspace.root().join("tests/guests");
    let programs = workspace.target().join("guests");
    fs::create_dir_all(&programs)?;
    for source in files(&sources)? {
        let is_source = source
            .extension()
            .is_some_and(|extension| extension == "c" || extension == "S");
        if is_source && let Some(name) = source.file_stem() {
            compile(&source, &programs.join(name), workspace)?;
        }
    }
    Ok(programs)
}

fn compile(source: &Path, program: &Path, workspace: &Workspace) -> Result<()> {
    let text =
        fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let compiler = directive(&text, "compiler").unwrap_or("cc");
    if !tool::is_installed(compiler) {
        println!("test: {} needs {compiler}, not built", source.display());
        return Ok(());
    }
    if is_newer(program, source) {
        return Ok(());
    }
    let flags = directive(&text, "flags").unwrap_or_default();
    tool::run(
        Command::new(compiler)
            .args(["-O2", "-g", "-pthread"])
            .arg("-I")
            .arg(workspace.root().join("include"))
            .arg(source)
            .arg("-o")
            .arg(program)
            // Last, where libraries belong.
            .args(flags.split_whitespace()),
    )
}

/// The value of `// NAME: VALUE` among the first lines.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take(DIRECTIVE_LINES).find_map(|line| {
        let (key, value) = line.trim_start().strip_prefix("//")?.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Whether `product` exists and was made after `source` was changed.
fn is_newer(product: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    matches!((time(product), time(source)), (Some(made), Some(changed)) if made > changed)
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
