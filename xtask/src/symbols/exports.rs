//! The exported symbols against the golden list.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::elf;
use object::read::elf::Sym as _;

use super::Library;

/// Compares what is exported with the list in `golden`, or rewrites the list.
pub fn check(library: &Library, golden: &Path, bless: bool) -> Result<Vec<String>> {
    let exported = exported(library)?;
    if bless {
        let text: String = exported.iter().map(|name| format!("{name}\n")).collect();
        fs::write(golden, text).with_context(|| format!("cannot write {}", golden.display()))?;
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(golden)
        .with_context(|| format!("cannot read {}; `--bless` writes it", golden.display()))?;
    let list = golden.file_name().unwrap_or_default().display();
    let expected: BTreeSet<String> = text.lines().map(str::to_owned).collect();

    let added = exported
        .difference(&expected)
        .map(|name| format!("`{name}` is exported and not in {list}"));
    let removed = expected
        .difference(&exported)
        .map(|name| format!("`{name}` of {list} is no longer exported"));
    Ok(added.chain(removed).collect())
}

/// Defined dynamic symbols with their versions, such as `f@@INTERCEPTOR_0`, and
/// whether each thread has its own.
fn exported(library: &Library) -> Result<BTreeSet<String>> {
    let endian = library.endian();
    let symbols = library.elf_dynamic_symbol_table();
    let versions = library.elf_section_table().versions(endian, library.data())?;
    let mut names = BTreeSet::new();
    for (index, symbol) in symbols.enumerate() {
        // The linker also defines each version's name, as an absolute symbol.
        if symbol.is_undefined(endian) || symbol.is_absolute(endian) {
            continue;
        }
        let mut name = String::from_utf8_lossy(symbols.symbol_name(endian, symbol)?).into_owned();
        if let Some(versions) = &versions {
            let version = versions.version_index(endian, index);
            if let Some(found) = versions.version(version.index())? {
                name.push_str(if version.is_hidden() { "@" } else { "@@" });
                name.push_str(&String::from_utf8_lossy(found.name()));
            }
        }
        if symbol.st_type() == elf::STT_TLS {
            name.push_str(" thread-local");
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
    Ok(names)
}
