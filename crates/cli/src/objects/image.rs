//! An ELF file as it will be mapped.

use std::fs;
use std::path::Path;

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _};

const PAGE: usize = 4096;

/// Where a file is mapped that may lie anywhere: like the kernel, far from the small
/// numbers that code has in it.
const ANYWHERE: u64 = 0x7f00_0000_0000;

/// The contents of a file, relocated as far as that does not depend on others.
pub struct Contents {
    /// Whole pages: what is mapped behind the end is zero.
    bytes: Vec<u8>,
    /// What is added to addresses in the file.
    bias: u64,
}

impl Contents {
    /// Reads a file; `None` if it cannot be read.
    pub fn read(path: &Path) -> Option<Contents> {
        Some(Contents::new(fs::read(path).ok()?))
    }

    fn new(mut bytes: Vec<u8>) -> Contents {
        bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
        let is_fixed = elf::FileHeader64::<LittleEndian>::parse(&*bytes)
            .is_ok_and(|header| header.e_type.get(LittleEndian) == elf::ET_EXEC);
        let bias = if is_fixed { 0 } else { ANYWHERE };
        let contents = Contents { bytes, bias };
        let words = contents.image().map(|image| image.relocations()).unwrap_or_default();
        let mut bytes = contents.bytes;
        for (at, word) in words {
            if let Some(place) = at.checked_add(8).and_then(|end| bytes.get_mut(at..end)) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        Contents { bytes, bias }
    }

    /// Their headers; `None` if they are no 64-bit file.
    pub fn image(&self) -> Option<Image<'_>> {
        let file = &*self.bytes;
        let header = elf::FileHeader64::<LittleEndian>::parse(file).ok()?;
        let segments = header.program_headers(LittleEndian, file).ok()?;
        let sections = header.section_headers(LittleEndian, file).unwrap_or_default();
        Some(Image { file, bias: self.bias, segments, sections })
    }
}

/// The segments of a file, at the addresses where they will be.
pub struct Image<'a> {
    file: &'a [u8],
    bias: u64,
    segments: &'a [elf::ProgramHeader64<LittleEndian>],
    /// None, if they were stripped.
    sections: &'a [elf::SectionHeader64<LittleEndian>],
}

/// Whole pages of an executable segment: padding up to the page's end is mapped, too.
pub struct Piece<'a> {
    /// Where it is mapped.
    pub address: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Image<'a> {
    /// What is added to addresses in the file.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// The executable segments.
    pub fn texts(&self) -> impl Iterator<Item = Piece<'a>> {
        let loaded = self.loaded().filter(|s| s.p_flags(LittleEndian).contains(elf::PF_X));
        loaded.filter_map(|segment| {
            let address = self.address(segment);
            let into_page = address % PAGE as u64;
            let offset = segment.p_offset(LittleEndian).checked_sub(into_page)?;
            let size = segment.p_filesz(LittleEndian).checked_add(into_page)?;
            let size = usize::try_from(size).ok()?.checked_next_multiple_of(PAGE)?;
            let rest = self.file.get(usize::try_from(offset).ok()?..)?;
            let bytes = &rest[..rest.len().min(size)];
            Some(Piece { address: address - into_page, offset, bytes })
        })
    }

    /// Address and bytes of the index of unwind information.
    pub fn eh_frame_hdr(&self) -> Option<(u64, &'a [u8])> {
        let segment = self.segment(elf::PT_GNU_EH_FRAME)?;
        Some((self.address(segment), segment.data(LittleEndian, self.file).ok()?))
    }

    /// `.dynsym`, which is mapped.
    pub fn dynamic_symbols(&self) -> Option<&'a [u8]> {
        let mut sections = self.sections.iter();
        let symbols = sections.find(|section| section.sh_type(LittleEndian) == elf::SHT_DYNSYM)?;
        symbols.data(LittleEndian, self.file).ok()
    }

    /// Whether it wants symbols of others whose names begin with `prefix`; `None` if that is
    /// not known.
    pub fn imports(&self, prefix: &[u8]) -> Option<bool> {
        if self.segment(elf::PT_DYNAMIC).is_none() {
            return Some(false);
        }
        let symbols = self.dynamic_symbols()?;
        let names = self.from(self.bias.wrapping_add(self.dynamic(elf::DT_STRTAB)?))?;
        let symbols = object::slice_from_all_bytes::<elf::Sym64<LittleEndian>>(symbols).ok()?;
        Some(symbols.iter().any(|symbol| {
            let name = names.get(symbol.st_name(LittleEndian) as usize..);
            name.is_some_and(|name| name.starts_with(prefix))
        }))
    }

    /// Whether the dynamic linker writes to its text.
    pub fn relocates_text(&self) -> bool {
        let flags = self.dynamic(elf::DT_FLAGS).unwrap_or_default();
        self.dynamic(elf::DT_TEXTREL).is_some() || flags & elf::DF_TEXTREL.0 != 0
    }

    /// The table of functions that a Go program has for its own runtime.
    pub fn go_table(&self) -> Option<&'a [u8]> {
        let mut notes =
            self.segments.iter().filter(|segment| segment.p_type(LittleEndian) == elf::PT_NOTE);
        let is_go = notes.any(|note| {
            let bytes = note.data(LittleEndian, self.file);
            bytes.is_ok_and(interceptor_rewrite::is_go_note)
        });
        if !is_go {
            return None;
        }
        self.loaded().find_map(|segment| {
            let bytes = segment.data(LittleEndian, self.file).ok()?;
            bytes.get(interceptor_rewrite::find_go_table(bytes)?..)
        })
    }

    /// Whether an address lies in a section without code.
    pub fn is_in_data(&self, address: u64) -> bool {
        let address = address.wrapping_sub(self.bias);
        let mut sections = self.sections.iter();
        let section = sections.find(|section| {
            let start = section.sh_addr(LittleEndian);
            let flags = section.sh_flags(LittleEndian);
            flags.contains(elf::SHF_ALLOC)
                && (start..start.saturating_add(section.sh_size(LittleEndian))).contains(&address)
        });
        section.is_some_and(|section| !section.sh_flags(LittleEndian).contains(elf::SHF_EXECINSTR))
    }

    /// The bytes from an address to the end of its segment.
    pub fn from(&self, address: u64) -> Option<&'a [u8]> {
        self.loaded().find_map(|segment| {
            let into = address.checked_sub(self.address(segment))?;
            let bytes = segment.data(LittleEndian, self.file).ok()?;
            bytes.get(usize::try_from(into).ok()?..).filter(|rest| !rest.is_empty())
        })
    }

    /// What the dynamic linker will write that depends only on where the file is mapped:
    /// places in the file, and words.
    fn relocations(&self) -> Vec<(usize, u64)> {
        let mut words = Vec::new();
        let mut add = |address: u64, word: Option<u64>| {
            let here = self.from(self.bias.wrapping_add(address));
            let word = word.or_else(|| here.and_then(|here| word_at(here, 0)));
            if let (Some(here), Some(word)) = (here, word) {
                let at = here.as_ptr() as usize - self.file.as_ptr() as usize;
                words.push((at, self.bias.wrapping_add(word)));
            }
        };
        let rela = self.table(elf::DT_RELA, elf::DT_RELASZ);
        for entry in rela.chunks_exact(24) {
            let [address, info, addend] = [0, 8, 16].map(|at| word_at(entry, at).unwrap_or(0));
            if info as u32 == elf::R_X86_64_RELATIVE.0 {
                add(address, Some(addend));
            }
        }
        // An even entry is an address; an odd one says which of the next 63 words follow.
        let mut next = 0_u64;
        for entry in self.table(elf::DT_RELR, elf::DT_RELRSZ).chunks_exact(8) {
            let entry = word_at(entry, 0).unwrap_or(0);
            if entry & 1 == 0 {
                add(entry, None);
                next = entry.wrapping_add(8);
                continue;
            }
            for bit in (1..64).filter(|bit| entry >> bit & 1 != 0) {
                add(next.wrapping_add(8 * (bit - 1)), None);
            }
            next = next.wrapping_add(8 * 63);
        }
        words
    }

    /// A table that entries of the dynamic section tell the address and the size of.
    fn table(&self, address: elf::DynamicTag, size: elf::DynamicTag) -> &'a [u8] {
        let find = || {
            let bytes = self.from(self.bias.wrapping_add(self.dynamic(address)?))?;
            bytes.get(..usize::try_from(self.dynamic(size)?).ok()?)
        };
        find().unwrap_or_default()
    }

    /// An entry of the dynamic section, as it is in the file.
    fn dynamic(&self, tag: elf::DynamicTag) -> Option<u64> {
        let section = self.segment(elf::PT_DYNAMIC)?.data(LittleEndian, self.file).ok()?;
        let mut entries = section.chunks_exact(16);
        let entry = entries.find(|entry| word_at(entry, 0) == Some(tag.0 as u64))?;
        word_at(entry, 8)
    }

    fn segment(&self, kind: elf::ProgramType) -> Option<&'a elf::ProgramHeader64<LittleEndian>> {
        self.segments.iter().find(|segment| segment.p_type(LittleEndian) == kind)
    }

    fn address(&self, segment: &elf::ProgramHeader64<LittleEndian>) -> u64 {
        self.bias.wrapping_add(segment.p_vaddr(LittleEndian))
    }

    fn loaded(&self) -> impl Iterator<Item = &'a elf::ProgramHeader64<LittleEndian>> {
        self.segments.iter().filter(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD)
    }
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_text_and_unwind_information() {
        let contents = Contents::read(Path::new("/bin/sh")).expect("a shell");
        let image = contents.image().expect("an ELF file");
        let text = image.texts().next().expect("text");
        assert!(text.address.is_multiple_of(PAGE as u64) && !text.bytes.is_empty());
        let (address, index) = image.eh_frame_hdr().expect("an index");
        assert!(image.from(address).is_some_and(|rest| rest.starts_with(index)));
        assert_eq!(image.from(u64::MAX), None);
    }

    #[test]
    fn a_pointer_in_the_data_of_a_library_leads_into_it() {
        let libraries = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        for path in libraries.map(Path::new) {
            let contents = Contents::read(path).expect("a library");
            let image = contents.image().expect("an ELF file");
            let words = image.relocations();
            assert!(!words.is_empty(), "{}", path.display());
            // What it says anew of words that are relocated already does not matter.
            let leads_into_it = |at| image.from(word_at(&contents.bytes, at)?).map(drop);
            // Some lead to memory that is not in the file.
            let leading = words.iter().filter(|(at, _)| leads_into_it(*at).is_some()).count();
            assert!(
                leading * 4 > words.len() * 3,
                "{}: {leading} of {}",
                path.display(),
                words.len()
            );
        }
    }

    #[test]
    fn a_truncated_file_does_no_harm() {
        let file = std::fs::read("/bin/sh").expect("a shell");
        for len in (0..4096).chain([file.len() / 2]) {
            let contents = Contents::new(file[..len].to_vec());
            if let Some(image) = contents.image() {
                image.texts().for_each(drop);
                image.eh_frame_hdr();
                image.imports(b"x");
            }
        }
    }
}
