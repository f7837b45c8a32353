//! ELF files for the tests and the example.

#![allow(dead_code, reason = "each user needs a part")]

use std::fs;
use std::path::{Path, PathBuf};

use interceptor_rewrite::{
    CodeMap, Data, Ladder, SitePlan, Text, Width, find_go_table, is_go_note, plan,
};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSegment, SegmentFlags, elf};

/// A range of a file that is mapped.
pub struct Mapped<'f> {
    pub address: u64,
    pub bytes: &'f [u8],
    pub is_executable: bool,
}

/// A file as it is mapped.
pub struct Image<'f> {
    pub file: ElfFile64<'f, LittleEndian>,
    pub segments: Vec<Mapped<'f>>,
}

/// What this machine has.
pub fn width() -> Width {
    let has_bits = std::is_x86_feature_detected!("bmi1") && std::is_x86_feature_detected!("bmi2");
    if has_bits && std::is_x86_feature_detected!("avx2") {
        // SAFETY: all three were asked for.
        unsafe { Width::of_avx2() }
    } else {
        Width::default()
    }
}

impl<'f> Image<'f> {
    /// `None` if it is no ELF file for x86-64.
    pub fn parse(bytes: &'f [u8]) -> Option<Self> {
        let file = ElfFile64::parse(bytes).ok()?;
        if file.architecture() != object::Architecture::X86_64
            || file.kind() == object::ObjectKind::Relocatable
        {
            return None;
        }
        let segments = file.segments().filter_map(|segment| {
            let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
                return None;
            };
            Some(Mapped {
                address: segment.address(),
                bytes: segment.data().ok()?,
                is_executable: p_flags.0 & 1 != 0,
            })
        });
        let segments = segments.collect();
        Some(Self { file, segments })
    }

    pub fn section(&self, name: &str) -> Option<(u64, &'f [u8])> {
        let section = self.file.section_by_name(name)?;
        Some((section.address(), section.data().ok()?))
    }

    pub fn texts(&self) -> impl Iterator<Item = Text<'f>> {
        let executable = self.segments.iter().filter(|segment| segment.is_executable);
        let width = width();
        executable.map(move |segment| Text { base: segment.address, bytes: segment.bytes, width })
    }

    /// What is known without the sections that are not mapped.
    pub fn code_map(&self) -> CodeMap<'f> {
        let frames =
            CodeMap::of_object(self.section(".eh_frame_hdr"), |address| self.from(address));
        let symbols = self.section(".dynsym").map_or(&[][..], |(_, bytes)| bytes);
        let code = frames.with_symbols(symbols, 0);
        match self.go_table() {
            Some(table) => code.with_go(table),
            None => code,
        }
    }

    fn go_table(&self) -> Option<&'f [u8]> {
        let notes = self.file.elf_program_headers().iter();
        let mut notes = notes.filter_map(|header| {
            (header.p_type(LittleEndian) == elf::PT_NOTE)
                .then(|| header.data(LittleEndian, self.file.data()).ok())?
        });
        if !notes.any(is_go_note) {
            return None;
        }
        let tables = self
            .segments
            .iter()
            .filter_map(|segment| segment.bytes.get(find_go_table(segment.bytes)?..));
        tables.into_iter().next()
    }

    pub fn plan(&self, text: &Text<'_>, ladder: Ladder) -> Vec<SitePlan> {
        let mut plans = Vec::new();
        plan(text, &self.code_map(), Some(self), ladder, &mut |site| plans.push(site));
        plans
    }

    /// The bytes of a segment from an address on.
    pub fn from(&self, address: u64) -> Option<&'f [u8]> {
        self.segments.iter().find_map(|segment| {
            let offset = address.checked_sub(segment.address)? as usize;
            segment.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
        })
    }
}

impl Data for Image<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        self.from(address)
    }
}

/// All programs and libraries that are installed.
pub fn installed() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for directory in ["/usr/lib", "/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local", "/opt"] {
        collect(Path::new(directory), &mut paths);
    }
    paths.sort();
    paths
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_dir() {
            collect(&path, paths);
        } else if kind.is_file() && is_elf(&path) {
            paths.push(path);
        }
    }
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    let Ok(mut file) = fs::File::open(path) else {
        return false;
    };
    file.read_exact(&mut magic).is_ok() && magic == *b"\x7fELF"
}

/// `INTERCEPTOR_EVERYTHING=1` checks all programs, not a sample.
pub fn is_everything_asked() -> bool {
    std::env::var_os("INTERCEPTOR_EVERYTHING").is_some()
}

/// xorshift64: the same sequence in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
