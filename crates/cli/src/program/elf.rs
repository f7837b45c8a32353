//! The head of an ELF file: as much as decides whether we can get into it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf;
use object::read::ReadCache;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

/// Bytes up to and including `e_machine`, the same in both classes.
const IDENTITY_BYTES: usize = 20;

/// What the kernel and the dynamic linker look at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `EI_CLASS`: 64-bit, not 32-bit.
    pub is_64_bit: bool,
    /// Architecture, `EM_…`.
    pub machine: u16,
    /// `e_type`, `ET_…`.
    pub kind: u16,
    /// The dynamic linker it asks for. Only read of 64-bit x86-64 files.
    pub interpreter: Option<PathBuf>,
    /// Whether it was linked as a program. Only read of such files, too.
    pub is_program: bool,
}

/// Why there is no head.
#[derive(Debug)]
pub enum Unreadable {
    /// The file cannot be read.
    Io(io::Error),
    /// It is something else.
    NotElf,
}

impl Head {
    /// Reads the head of a file. What its headers say further on is believed
    /// as far as it can be read: a broken one has no interpreter.
    pub fn read(path: &Path) -> Result<Head, Unreadable> {
        let mut file = File::open(path).map_err(Unreadable::Io)?;
        let mut identity = [0; IDENTITY_BYTES];
        match file.read_exact(&mut identity) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Unreadable::NotElf);
            }
            Err(error) => return Err(Unreadable::Io(error)),
        }
        file.rewind().map_err(Unreadable::Io)?;
        let mut head = Head::from_identity(&identity).ok_or(Unreadable::NotElf)?;
        if head.is_ours() {
            head.read_segments(file);
        }
        Ok(head)
    }

    /// Whether the processor and the runtime are made for it.
    pub fn is_ours(&self) -> bool {
        self.is_64_bit && self.machine == elf::EM_X86_64.0
    }

    /// Whether the dynamic linker could preload it.
    pub fn is_loadable_library(&self) -> bool {
        self.is_ours() && self.kind == elf::ET_DYN.0
    }

    /// Whether it is a dynamic linker: a library that is executed. musl's has no
    /// name, and nor has a program that is static and position-independent.
    pub fn is_dynamic_linker(&self) -> bool {
        self.is_loadable_library() && self.interpreter.is_none() && !self.is_program
    }

    fn from_identity(identity: &[u8; IDENTITY_BYTES]) -> Option<Head> {
        let is_little_endian = match identity[5] {
            1 => true,
            2 => false,
            _ => return None,
        };
        let half = |offset: usize| {
            let bytes = [identity[offset], identity[offset + 1]];
            if is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
        };
        identity.starts_with(b"\x7fELF").then(|| Head {
            is_64_bit: identity[4] == 2,
            kind: half(16),
            machine: half(18),
            interpreter: None,
            is_program: true,
        })
    }

    fn read_segments(&mut self, file: File) {
        // Programs may be huge; only what is asked for is read.
        let data = &ReadCache::new(file);
        let endian = LittleEndian;
        let Ok(header) = elf::FileHeader64::<LittleEndian>::parse(data) else {
            return;
        };
        let Ok(segments) = header.program_headers(endian, data) else {
            return;
        };
        for segment in segments {
            if let Ok(Some(path)) = segment.interpreter(endian, data) {
                self.interpreter = Some(PathBuf::from(OsStr::from_bytes(path)));
            }
            if let Ok(Some(entries)) = segment.dynamic(endian, data) {
                self.is_program = entries.iter().any(|entry| {
                    entry.d_tag(endian) == elf::DT_FLAGS_1
                        && entry.d_val(endian) & elf::DF_1_PIE.0 != 0
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_endian_header_is_read_in_its_own_byte_order() {
        let mut identity = *b"\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\x00\x02\x00\x08";
        let head = Head::from_identity(&identity).expect("an ELF file");
        assert_eq!((head.is_64_bit, head.kind, head.machine), (false, 2, 8));
        identity[5] = 7;
        assert_eq!(Head::from_identity(&identity), None);
    }

    #[test]
    fn a_program_names_its_dynamic_linker_and_a_library_itself() {
        let shell = Head::read(Path::new("/bin/sh")).expect("an ELF file");
        assert!(shell.interpreter.is_some() && !shell.is_dynamic_linker());
        let linker = shell.interpreter.expect("checked above");
        let linker = Head::read(&linker).expect("an ELF file");
        assert!(linker.is_dynamic_linker() && linker.is_loadable_library());
    }

    #[test]
    fn text_and_nothing_are_not_elf() {
        for path in ["/etc/passwd", "/dev/null"] {
            assert!(matches!(Head::read(Path::new(path)), Err(Unreadable::NotElf)));
        }
    }
}
