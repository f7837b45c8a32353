//! Names and extents of functions, from `.symtab`.

use std::collections::BTreeMap;

use anyhow::Result;
use object::elf;
use object::read::elf::Sym as _;

use super::Library;

/// Functions and code labels by address.
pub struct SymbolMap {
    by_address: BTreeMap<u64, Function>,
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
            || source
                .strip_suffix(name)
                .is_some_and(|path| path.ends_with("::"))
    }
}

impl SymbolMap {
    /// Collects the symbols of executable sections.
    pub fn of(library: &Library) -> Result<SymbolMap> {
        let endian = library.endian();
        let symbols = library.elf_symbol_table();
        let mut by_address = BTreeMap::<u64, Function>::new();
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
            // Of several names for one address the one with an extent says more.
            let known = by_address
                .get(&function.start)
                .map_or(0, |known| known.size);
            if !function.name.is_empty() && (function.size > known || known == 0) {
                by_address.insert(function.start, function);
            }
        }
        Ok(SymbolMap { by_address })
    }

    /// The function a name means.
    pub fn find(&self, name: &str) -> Option<&Function> {
        self.by_address
            .values()
            .find(|function| function.is_named(name))
    }

    /// The function that contains an address, else the label before it.
    pub fn containing(&self, address: u64) -> Option<&Function> {
        let before = || self.by_address.range(..=address).rev();
        before()
            .map(|(_, function)| function)
            .find(|function| address - function.start < function.size)
            .or_else(|| before().map(|(_, function)| function).next())
    }
}
