//! Names and extents of functions, from `.symtab`.

use std::collections::BTreeMap;

use anyhow::Result;
use object::elf;
use object::read::elf::Sym as _;

use super::Library;

/// Functions and code labels.
pub struct SymbolMap {
    /// Every symbol; several may share an address.
    all: Vec<Function>,
    /// For each address the index in `all` of the one with the largest extent.
    by_address: BTreeMap<u64, usize>,
}

/// One function, or a label without a size.
pub struct Function {
    /// First address.
    pub start: u64,
    /// Bytes; 0 for a label.
    pub size: u64,
    /// Symbol as the linker knows it.
    pub name: String,
}

impl Function {
    /// Name as the source spells it, without rustc's hash.
    pub fn source_name(&self) -> String {
        format!("{:#}", rustc_demangle::demangle(&self.name))
    }

    /// Whether `name` means this function: the symbol, the whole source name,
    /// or its last path components.
    pub fn is_named(&self, name: &str) -> bool {
        let source = self.source_name();
        self.name == name
            || source == name
            || source.strip_suffix(name).is_some_and(|path| path.ends_with("::"))
    }
}

impl SymbolMap {
    /// Collects the symbols of executable sections.
    pub fn of(library: &Library) -> Result<SymbolMap> {
        let endian = library.endian();
        let symbols = library.elf_symbol_table();
        let mut all = Vec::new();
        let mut by_address = BTreeMap::<u64, usize>::new();
        for (_, symbol) in symbols.enumerate() {
            let kind = symbol.st_type();
            if symbol.is_undefined(endian) || (kind != elf::STT_FUNC && kind != elf::STT_NOTYPE) {
                continue;
            }
            let function = Function {
                start: symbol.st_value(endian),
                size: symbol.st_size(endian),
                name: String::from_utf8_lossy(symbols.symbol_name(endian, symbol)?).into_owned(),
            };
            if function.name.is_empty() {
                continue;
            }
            let index = all.len();
            let best = by_address.entry(function.start).or_insert(index);
            if all.get(*best).is_some_and(|best: &Function| best.size < function.size) {
                *best = index;
            }
            all.push(function);
        }
        Ok(SymbolMap { all, by_address })
    }

    /// The function a name means.
    pub fn find(&self, name: &str) -> Option<&Function> {
        self.all.iter().find(|function| function.is_named(name))
    }

    /// The function that contains an address, else the label before it.
    pub fn containing(&self, address: u64) -> Option<&Function> {
        let before = || {
            let indices = self.by_address.range(..=address).rev();
            indices.filter_map(|(_, index)| self.all.get(*index))
        };
        before()
            .find(|function| address - function.start < function.size)
            .or_else(|| before().next())
    }
}
