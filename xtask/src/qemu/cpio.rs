//! The kernel's archive format for its first file system: cpio, "newc".
//!
//! See the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeSet;

/// File types, as in `st_mode`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Name of the entry that ends an archive.
const END: &str = "TRAILER!!!";

/// An archive that is being written.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<String>,
}

impl Archive {
    /// Adds a directory, and those above it, once.
    pub fn directory(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.directories.insert(path.to_owned()) {
            return;
        }
        self.parent(path);
        self.entry(path, DIRECTORY | 0o755, 0, b"");
    }

    /// Adds a file with these permissions.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        let path = path.trim_matches('/');
        self.parent(path);
        self.entry(path, REGULAR | permissions, 0, content);
    }

    /// Adds a character device with numbers below 256.
    pub fn device(&mut self, path: &str, major: u8, minor: u8) {
        let path = path.trim_matches('/');
        self.parent(path);
        let device = u64::from(major) << 32 | u64::from(minor);
        self.entry(path, CHARACTER_DEVICE | 0o600, device, b"");
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(END, 0, 0, b"");
        self.bytes
    }

    fn parent(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    /// `device` has the major number in its upper half.
    fn entry(&mut self, name: &str, mode: u32, device: u64, content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("files below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("short names");
        let [major, minor] = [device >> 32, device & 0xffff_ffff].map(|half| half as u32);
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor
        // rdevminor namesize check
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_of_110_characters_a_name_and_content_each_aligned_to_4() {
        let mut archive = Archive::default();
        archive.file("a", 0o644, b"xyz");
        let bytes = archive.finish();
        assert_eq!(&bytes[..22], b"07070100000001000081a4");
        // Mode and size are the second and the seventh field.
        assert_eq!(&bytes[6 + 6 * 8..6 + 7 * 8], b"00000003");
        assert_eq!(&bytes[110..116], b"a\0xyz\0");
        assert_eq!(&bytes[116..122], b"070701");
        assert!(bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }

    #[test]
    fn directories_come_before_what_is_in_them_and_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", 0o644, b"");
        archive.file("/a/b/d", 0o644, b"");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = |name: &str| text.find(&format!("{name}\0")).expect(name);
        assert!(at("a") < at("a/b") && at("a/b") < at("a/b/c") && at("a/b/c") < at("a/b/d"));
        assert_eq!(text.matches("070701").count(), 5);
    }
}
