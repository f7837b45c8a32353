//! An ELF file as it will be mapped.

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};

const PAGE: u64 = 4096;

/// The segments of a file, at the addresses it was linked for.
pub struct Image<'a> {
    file: &'a [u8],
    segments: &'a [elf::ProgramHeader64<LittleEndian>],
    /// None, if they were stripped.
    sections: &'a [elf::SectionHeader64<LittleEndian>],
}

impl<'a> Image<'a> {
    /// Reads the program headers; `None` if it is no 64-bit file.
    pub fn parse(file: &'a [u8]) -> Option<Image<'a>> {
        let header = elf::FileHeader64::<LittleEndian>::parse(file).ok()?;
        let segments = header.program_headers(LittleEndian, file).ok()?;
        let sections = header.section_headers(LittleEndian, file).unwrap_or_default();
        Some(Image { file, segments, sections })
    }

    /// Address and bytes of each executable segment, whole pages: padding up to
    /// the page's end is mapped, too.
    pub fn texts(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        self.loaded()
            .filter(|segment| segment.p_flags(LittleEndian).contains(elf::PF_X))
            .filter_map(|segment| {
                let address = segment.p_vaddr(LittleEndian);
                let into_page = address % PAGE;
                let offset = segment.p_offset(LittleEndian).checked_sub(into_page)?;
                let size = segment
                    .p_filesz(LittleEndian)
                    .checked_add(into_page)?
                    .checked_next_multiple_of(PAGE)?;
                let rest = self.file.get(usize::try_from(offset).ok()?..)?;
                let len = rest.len().min(usize::try_from(size).ok()?);
                Some((address - into_page, &rest[..len]))
            })
    }

    /// Address and bytes of the index of unwind information.
    pub fn eh_frame_hdr(&self) -> Option<(u64, &'a [u8])> {
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.p_type(LittleEndian) == elf::PT_GNU_EH_FRAME)?;
        let bytes = segment.data(LittleEndian, self.file).ok()?;
        Some((segment.p_vaddr(LittleEndian), bytes))
    }

    /// `.dynsym`, which is mapped.
    pub fn dynamic_symbols(&self) -> Option<&'a [u8]> {
        let mut sections = self.sections.iter();
        let symbols = sections.find(|section| section.sh_type(LittleEndian) == elf::SHT_DYNSYM)?;
        symbols.data(LittleEndian, self.file).ok()
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
            let into = address.checked_sub(segment.p_vaddr(LittleEndian))?;
            let bytes = segment.data(LittleEndian, self.file).ok()?;
            bytes.get(usize::try_from(into).ok()?..).filter(|rest| !rest.is_empty())
        })
    }

    fn loaded(&self) -> impl Iterator<Item = &'a elf::ProgramHeader64<LittleEndian>> {
        self.segments.iter().filter(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_text_and_unwind_information() {
        let file = std::fs::read("/bin/sh").expect("a shell");
        let image = Image::parse(&file).expect("an ELF file");
        let (base, text) = image.texts().next().expect("text");
        assert!(base.is_multiple_of(PAGE) && !text.is_empty());
        let (address, index) = image.eh_frame_hdr().expect("an index");
        assert!(image.from(address).is_some_and(|rest| rest.starts_with(index)));
        assert_eq!(image.from(u64::MAX), None);
    }

    #[test]
    fn a_truncated_file_does_no_harm() {
        let file = std::fs::read("/bin/sh").expect("a shell");
        for len in (0..4096).chain([file.len() / 2]) {
            if let Some(image) = Image::parse(&file[..len]) {
                image.texts().for_each(drop);
                image.eh_frame_hdr();
            }
        }
    }
}
