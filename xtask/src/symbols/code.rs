//! Instructions of the library by address.

use anyhow::Result;
use iced_x86::{Decoder, DecoderOptions, Instruction};
use object::elf;
use object::read::elf::ProgramHeader as _;

use super::Library;

/// The executable segments.
pub struct Code<'data> {
    segments: Vec<(u64, &'data [u8])>,
}

impl<'data> Code<'data> {
    /// Collects the executable segments.
    pub fn of(library: &Library<'data>) -> Result<Code<'data>> {
        let endian = library.endian();
        let mut segments = Vec::new();
        for segment in library.elf_program_headers() {
            if segment.p_type(endian) == elf::PT_LOAD
                && segment.p_flags(endian).contains(elf::PF_X)
                && let Ok(bytes) = segment.data(endian, library.data())
            {
                segments.push((segment.p_vaddr(endian), bytes));
            }
        }
        Ok(Code { segments })
    }

    /// The valid instructions from an address on, to the end of its segment or
    /// the first invalid one.
    pub fn from(&self, address: u64) -> impl Iterator<Item = Instruction> {
        let (start, bytes) = self
            .segments
            .iter()
            .find_map(|(base, bytes)| {
                let offset = usize::try_from(address.checked_sub(*base)?).ok()?;
                Some((address, bytes.get(offset..)?))
            })
            .unwrap_or((address, &[]));
        let mut decoder = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
        std::iter::from_fn(move || decoder.can_decode().then(|| decoder.decode()))
            .take_while(|instruction| !instruction.is_invalid())
    }
}
