//! The dynamic section of a file: what it needs and where that is looked for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use object::LittleEndian;
use object::elf;
use object::read::ReadCache;
use object::read::elf::ElfFile64;

/// What the dynamic linker reads of an object before it loads others.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Linking {
    /// DT_SONAME.
    pub soname: Option<OsString>,
    /// DT_NEEDED, in order.
    pub needed: Vec<OsString>,
    /// DT_RPATH, split at colons.
    pub rpath: Vec<OsString>,
    /// DT_RUNPATH, split at colons. Where there is one, DT_RPATH is ignored.
    pub runpath: Vec<OsString>,
}

impl Linking {
    /// Reads a 64-bit file; what is broken in it is taken as absent.
    pub fn read(path: &Path) -> Linking {
        File::open(path).ok().and_then(|file| parse(&ReadCache::new(file))).unwrap_or_default()
    }
}

fn parse(data: &ReadCache<File>) -> Option<Linking> {
    let file = ElfFile64::<LittleEndian, _>::parse(data).ok()?;
    let dynamic = file.elf_dynamic_table().ok()?;
    let mut linking = Linking::default();
    for entry in dynamic.iter() {
        let text = || Some(OsStr::from_bytes(dynamic.string(entry).ok()?));
        match entry.tag {
            elf::DT_SONAME => linking.soname = text().map(OsStr::to_owned),
            elf::DT_NEEDED => linking.needed.extend(text().map(OsStr::to_owned)),
            elf::DT_RPATH => linking.rpath = split(text()?),
            elf::DT_RUNPATH => linking.runpath = split(text()?),
            _ => {}
        }
    }
    Some(linking)
}

/// The parts of a colon-separated list.
pub fn split(list: &OsStr) -> Vec<OsString> {
    list.as_bytes()
        .split(|byte| *byte == b':')
        .filter(|part| !part.is_empty())
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}
