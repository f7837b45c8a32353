//! What a hook library needs of the runtime, and whether that has it.
//!
//! The dynamic linker would find out as well: in the program's place, of a function that is
//! missing perhaps only when it is called, and in words about symbols.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader as _, SectionTable, Sym as _};

const ENDIAN: LittleEndian = LittleEndian;
/// Names that only the runtime may have.
const OURS: &[u8] = b"interceptor_";
/// The file of which versions of the interface are asked for.
const RUNTIME: &[u8] = b"libinterceptor.so";

/// The names that a library takes and gives.
#[derive(Default)]
pub struct Names {
    /// Of those that are ours, what others have to define.
    needed: BTreeSet<Vec<u8>>,
    /// Versions of our interface that are asked for.
    needed_versions: BTreeSet<Vec<u8>>,
    /// What it defines.
    defined: BTreeSet<Vec<u8>>,
    /// Versions that it defines.
    versions: BTreeSet<Vec<u8>>,
}

impl Names {
    /// Reads them; none at all of a file without sections, which tell where they are.
    pub fn of(library: &Path) -> Names {
        let mut names = Names::default();
        if let Ok(data) = fs::read(library) {
            // What can be read of a broken one is enough: the dynamic linker says the rest.
            let _ = names.read(&data);
        }
        names
    }

    /// What these names need that none of the others define: a function, or a version.
    pub fn missing<'a>(&'a self, others: &[&Names]) -> Option<&'a [u8]> {
        let is_there = |select: fn(&Names) -> &BTreeSet<Vec<u8>>, name: &Vec<u8>| {
            others.iter().any(|other| select(other).contains(name))
        };
        let version =
            self.needed_versions.iter().find(|name| !is_there(|names| &names.versions, name));
        let name = || self.needed.iter().find(|name| !is_there(|names| &names.defined, name));
        version.or_else(name).map(Vec::as_slice)
    }

    fn read(&mut self, data: &[u8]) -> object::read::Result<()> {
        let header = elf::FileHeader64::<LittleEndian>::parse(data)?;
        let sections = header.sections(ENDIAN, data)?;
        self.read_versions(&sections, data)?;
        let symbols = sections.symbols(ENDIAN, data, elf::SHT_DYNSYM)?;
        for symbol in symbols.iter() {
            let name = symbols.symbol_name(ENDIAN, symbol)?;
            if !name.starts_with(OURS) {
                continue;
            }
            if symbol.st_shndx(ENDIAN) != elf::SHN_UNDEF {
                self.defined.insert(name.to_owned());
            } else if symbol.st_bind() != elf::STB_WEAK {
                self.needed.insert(name.to_owned());
            }
        }
        Ok(())
    }

    fn read_versions(
        &mut self,
        sections: &SectionTable<'_, elf::FileHeader64<LittleEndian>>,
        data: &[u8],
    ) -> object::read::Result<()> {
        if let Some((mut defined, strings)) = sections.gnu_verdef(ENDIAN, data)? {
            let strings = sections.strings(ENDIAN, data, strings)?;
            while let Some((_, mut names)) = defined.next()? {
                while let Some(name) = names.next()? {
                    self.versions.insert(name.name(ENDIAN, strings)?.to_owned());
                }
            }
        }
        if let Some((mut needed, strings)) = sections.gnu_verneed(ENDIAN, data)? {
            let strings = sections.strings(ENDIAN, data, strings)?;
            while let Some((file, mut versions)) = needed.next()? {
                while let Some(version) = versions.next()? {
                    if file.file(ENDIAN, strings)? == RUNTIME {
                        self.needed_versions.insert(version.name(ENDIAN, strings)?.to_owned());
                    }
                }
            }
        }
        Ok(())
    }
}
