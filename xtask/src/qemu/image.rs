//! What is in the file system of a machine: the deliverables, the guests, their
//! sources, which say how they end, a shell, the libraries of all, and a first
//! process.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::read::elf::{ElfFile64, ProgramHeader as _};

use super::cpio::Archive;
use crate::test::guests;
use crate::tool;
use crate::workspace::Workspace;

/// Programs of this machine that guests and the harness use.
const PROGRAMS: &[&str] = &["sh", "true", "false", "cat", "kill"];

/// Libraries that are opened by name while programs run.
const OPENED: &[&str] = &["libgcc_s.so.1", "libresolv.so.2"];

/// Where libraries are that are needed by name.
const LIBRARIES: &[&str] =
    &["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"];

/// Places in a machine, which `tests/src/dist.rs` is told of by the environment.
pub const DIST: &str = "/dist";
pub const GUESTS: &str = "/guests";
pub const SOURCES: &str = "/sources";

/// Builds what is out of date and writes the archive; returns its path.
pub fn write(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    let mut image = Image::default();
    image.archive.device("/dev/console", 5, 1);
    image.archive.file("/init", 0o755, &read(&init(workspace)?)?);
    for name in PROGRAMS {
        let path = Path::new("/bin").join(name);
        image.program(&path, &format!("/bin/{name}"))?;
    }
    for name in OPENED {
        image.library(name)?;
    }
    for file in ["bin/interceptor", "lib/libinterceptor.so"] {
        image.program(&workspace.dist().join(file), &format!("{DIST}/{file}"))?;
    }
    for path in files(&guests::build(workspace)?)? {
        let name = path.file_name().context("a file without a name")?.to_string_lossy();
        image.program(&path, &format!("{GUESTS}/{name}"))?;
    }
    for path in files(&workspace.root().join("tests/guests"))? {
        let name = path.file_name().context("a file without a name")?.to_string_lossy();
        image.archive.file(&format!("{SOURCES}/{name}"), 0o644, &read(&path)?);
    }
    let path = directory.join("initramfs.cpio");
    fs::write(&path, image.archive.finish())?;
    Ok(path)
}

/// The first process, which is linked statically.
fn init(workspace: &Workspace) -> Result<PathBuf> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    tool::run(
        workspace
            .cargo()
            .args(["rustc", "--quiet", "--release", "--package=interceptor-init"])
            // Else the flag below would be for build scripts, too.
            .args(["--target", TARGET])
            .args(["--", "-Ctarget-feature=+crt-static"]),
    )?;
    Ok(workspace.target().join(TARGET).join("release/init"))
}

/// An archive, and the libraries that are in it.
#[derive(Default)]
struct Image {
    archive: Archive,
    libraries: BTreeSet<String>,
}

impl Image {
    /// Adds a program or a library, and what it needs to be loaded.
    fn program(&mut self, path: &Path, at: &str) -> Result<()> {
        let content = read(path)?;
        self.archive.file(at, 0o755, &content);
        self.needs_of(&content).with_context(|| format!("libraries of {}", path.display()))
    }

    fn needs_of(&mut self, content: &[u8]) -> Result<()> {
        let needs = Needs::of(content)?;
        if let Some(interpreter) = &needs.interpreter
            && self.libraries.insert(interpreter.clone())
        {
            self.archive.file(interpreter, 0o755, &read(Path::new(interpreter))?);
        }
        // musl is its own dynamic linker.
        let is_musl = needs.interpreter.is_some_and(|path| path.contains("ld-musl"));
        if !is_musl {
            for name in needs.libraries {
                self.library(&name)?;
            }
        }
        Ok(())
    }

    fn library(&mut self, name: &str) -> Result<()> {
        if !self.libraries.insert(name.to_owned()) {
            return Ok(());
        }
        let found = LIBRARIES.iter().map(|directory| Path::new(directory).join(name));
        let Some(path) = found.into_iter().find(|path| path.is_file()) else {
            bail!("no library {name}");
        };
        self.program(&path, &format!("{}/{name}", LIBRARIES[0]))
    }
}

/// What an ELF file needs to be loaded.
struct Needs {
    interpreter: Option<String>,
    libraries: Vec<String>,
}

impl Needs {
    fn of(content: &[u8]) -> Result<Needs> {
        let file = ElfFile64::<object::Endianness>::parse(content)?;
        let mut needs = Needs { interpreter: None, libraries: Vec::new() };
        for segment in file.elf_program_headers() {
            if let Some(interpreter) = segment.interpreter(file.endian(), content)? {
                needs.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
            }
        }
        let table = file.elf_dynamic_table()?;
        for entry in table.iter() {
            if entry.tag == object::elf::DT_NEEDED {
                let name = table.string(entry)?;
                needs.libraries.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        Ok(needs)
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
