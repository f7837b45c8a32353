//! `/etc/ld.so.cache`, glibc's index of installed libraries.
//!
//! The layout is that of `cache_file_new` in glibc's `dl-cache.h`, which any
//! glibc since 2.2 writes, behind an older table in some releases.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Magic, count, length of strings, flags, extension offset, padding.
const HEADER_BYTES: usize = 48;
/// Flags, key, value, OS version, hwcap.
const ENTRY_BYTES: usize = 24;
/// FLAG_ELF_LIBC6 | FLAG_X8664_LIB64.
const FLAGS_X86_64: u32 = 0x0303;

/// Reads the cache file; empty if there is none.
pub fn read() -> HashMap<OsString, PathBuf> {
    let bytes = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
    parse(&bytes).unwrap_or_default()
}

/// Paths by name, of 64-bit libraries for any processor.
fn parse(bytes: &[u8]) -> Option<HashMap<OsString, PathBuf>> {
    let start = bytes.windows(MAGIC.len()).position(|at| at == MAGIC)?;
    // Offsets of strings count from here.
    let table = bytes.get(start..)?;
    let count = word(table, MAGIC.len())? as usize;
    let entries = table.get(HEADER_BYTES..)?.chunks_exact(ENTRY_BYTES).take(count);
    let mut paths = HashMap::new();
    for entry in entries {
        let is_generic = entry[16..] == [0; 8];
        if word(entry, 0)? == FLAGS_X86_64 && is_generic {
            let name = string(table, word(entry, 4)?)?;
            let path = string(table, word(entry, 8)?)?;
            paths.entry(name.to_owned()).or_insert_with(|| path.into());
        }
    }
    Some(paths)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn string(table: &[u8], at: u32) -> Option<&OsStr> {
    let bytes = table.get(at as usize..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(OsStr::from_bytes(&bytes[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_name_behind_an_older_table() {
        let strings = b"libx.so.1\0/lib/libx.so.1\0";
        let base = (HEADER_BYTES + ENTRY_BYTES) as u32;
        let mut cache = b"ld.so-1.7.0\0....".to_vec();
        cache.extend_from_slice(MAGIC);
        cache.extend_from_slice(&1u32.to_le_bytes());
        cache.resize(16 + HEADER_BYTES, 0);
        for field in [FLAGS_X86_64, base, base + 10, 0, 0, 0] {
            cache.extend_from_slice(&field.to_le_bytes());
        }
        cache.extend_from_slice(strings);
        let paths = parse(&cache).expect("a cache");
        assert_eq!(paths.get(OsStr::new("libx.so.1")), Some(&PathBuf::from("/lib/libx.so.1")));

        for len in 0..cache.len() {
            // Cut anywhere, it must not do harm.
            let _ = parse(&cache[..len]);
        }
    }

    #[test]
    fn the_cache_of_this_system_knows_libc() {
        let paths = read();
        if std::path::Path::new("/etc/ld.so.cache").exists() {
            assert!(paths.contains_key(OsStr::new("libc.so.6")));
        }
    }
}
