//! What is known of files, and how they are opened.

use crate::format::Scene;
use crate::line::Line;
use crate::memory::Record;
use crate::names::files;

impl Scene<'_> {
    /// `{st_mode=S_IFREG|0644, st_size=1234, ...}`.
    pub(super) fn status(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<56>(line, address) else {
            return;
        };
        let mode = u64::from(record.u32(24));
        line.text("{st_mode=");
        self.file_mode(line, mode);
        match mode & 0o170000 {
            0o020000 | 0o060000 => {
                line.text(", st_rdev=");
                self.device(line, record.u64(40));
            }
            _ => {
                line.text(", st_size=").dec(record.i64(48));
            }
        }
        line.text(", ...}");
    }

    pub(super) fn extended_status(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<48>(line, address) else {
            return;
        };
        line.text("{stx_mask=").flags(files::STATX, record.u32(0).into());
        line.text(", stx_attributes=").flags(files::STATX_ATTRIBUTES, record.u64(8));
        line.text(", stx_mode=");
        self.file_mode(line, record.u16(28).into());
        line.text(", stx_size=").udec(record.u64(40)).text(", ...}");
    }

    pub(super) fn file_system_status(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<88>(line, address) else {
            return;
        };
        line.text("{f_type=").choice(files::FILE_SYSTEM, record.u64(0));
        let numbers = [
            (", f_bsize=", 8),
            (", f_blocks=", 16),
            (", f_bfree=", 24),
            (", f_bavail=", 32),
            (", f_files=", 40),
            (", f_ffree=", 48),
        ];
        for (name, at) in numbers {
            line.text(name).udec(record.u64(at));
        }
        line.text(", f_fsid={val=[").hex(record.u32(56).into());
        line.text(", ").hex(record.u32(60).into());
        line.text("]}, f_namelen=").udec(record.u64(64));
        line.text(", f_frsize=").udec(record.u64(72));
        line.text(", f_flags=").flags(files::STATFS, record.u64(80)).text("}");
    }

    pub(super) fn file_attributes(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<24>(line, address) {
            line.text("{fa_xflags=").hex(record.u64(0));
            line.text(", fa_extsize=").udec(record.u32(8).into());
            line.text(", fa_nextents=").udec(record.u32(12).into());
            line.text(", fa_projid=").udec(record.u32(16).into());
            line.text(", fa_cowextsize=").udec(record.u32(20).into()).text("}");
        }
    }

    /// `struct open_how`.
    pub(super) fn open_how(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<24>(line, address) else {
            return;
        };
        line.text("{flags=");
        line.mixed(files::ACCESS_MODE_OF_OPEN, 3, files::OPEN, record.u64(0));
        if record.u64(0) & 0o20000100 != 0 || record.u64(8) != 0 {
            line.text(", mode=").mode(record.u64(8));
        }
        line.text(", resolve=").flags(files::RESOLVE, record.u64(16)).text("}");
    }

    /// `struct mount_attr`.
    pub(super) fn mount_attributes(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<32>(line, address) {
            line.text("{attr_set=").flags(files::MOUNT_ATTRIBUTES, record.u64(0));
            line.text(", attr_clr=").flags(files::MOUNT_ATTRIBUTES, record.u64(8));
            line.text(", propagation=").flags(files::PROPAGATION, record.u64(16));
            line.text(", userns_fd=").udec(record.u64(24)).text("}");
        }
    }

    /// `struct xattr_args`, whose value is in the program's memory.
    pub(super) fn attribute_value(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<16>(line, address) {
            line.text("{value=");
            self.data(line, record.u64(0), record.u32(8).into());
            line.text(", size=").udec(record.u32(8).into());
            line.text(", flags=").flags(files::XATTR, record.u32(12).into()).text("}");
        }
    }

    /// How many entries a directory read returned.
    pub(super) fn entries(&self, line: &mut Line<'_>, address: u64) {
        /// `d_reclen` is behind inode and offset, in the old layout and the new.
        const LENGTH_AT: u64 = 16;
        const SMALLEST: u64 = 20;
        const MOST: u64 = 4096;
        line.address(address);
        let size = self.count();
        let (mut at, mut count) = (0, 0_u64);
        // The buffer is looked at in pieces, so that there is no read per entry.
        let mut piece = [0; 256];
        let (mut from, mut have) = (0, 0);
        while at < size && count < MOST {
            let length_at = at + LENGTH_AT;
            if count == 0 || length_at < from || length_at + 2 > from + have {
                from = length_at;
                have = self.memory.read(address.wrapping_add(from), &mut piece).min(256) as u64;
            }
            let offset = (length_at - from) as usize;
            let Some(&[low, high]) =
                piece.get(offset..offset + 2).filter(|_| offset as u64 + 2 <= have)
            else {
                break;
            };
            let length = u64::from(u16::from_le_bytes([low, high]));
            if length < SMALLEST {
                break;
            }
            at += length;
            count += 1;
        }
        line.text(" /* ").udec(count);
        line.text(if count == 1 { " entry" } else { " entries" });
        if at < size {
            line.text(", more");
        }
        line.text(" */");
    }

    /// A POSIX lock, of `fcntl`.
    pub(super) fn lock(&self, line: &mut Line<'_>, address: u64, with_owner: Owner) {
        let Some(record) = self.record::<28>(line, address) else {
            return;
        };
        line.text("{l_type=").choice(files::LOCK_TYPE, record.u16(0).into());
        line.text(", l_whence=").choice(files::WHENCE, record.u16(2).into());
        line.text(", l_start=").dec(record.i64(8));
        line.text(", l_len=").dec(record.i64(16));
        if let Owner::Shown = with_owner {
            line.text(", l_pid=").dec(record.i32(24).into());
        }
        line.text("}");
    }

    /// Numbers at an address, `[3, 4]`.
    pub(super) fn numbers_at<const N: usize>(&self, line: &mut Line<'_>, address: u64) {
        // A record of N bytes holds N / 4 numbers.
        let Some(record) = self.record::<N>(line, address) else {
            return;
        };
        let mut before = "[";
        for at in (0..N).step_by(4) {
            line.text(before).dec(record.i32(at).into());
            before = ", ";
        }
        line.text("]");
    }

    /// A file position at an address, `[0]`.
    pub(super) fn position_at(&self, line: &mut Line<'_>, address: u64) {
        match Record::<8>::read(self.memory, address) {
            Some(record) if address != 0 => {
                line.text("[").dec(record.i64(0)).text("]");
            }
            _ => {
                line.address(address);
            }
        }
    }
}

/// Whether a lock's owner is part of what is shown.
pub(super) enum Owner {
    Shown,
    Hidden,
}
