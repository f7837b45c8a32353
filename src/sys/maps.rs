//! `/proc/self/maps`, read once and taken apart.
//!
//! It does not say where files end: what is mapped behind that raises SIGBUS. So the
//! last byte of each file is asked for.

use core::ops::Range;

use super::{File, Mapping, Result, read_guest, readable};

/// The text of `/proc/self/maps` in memory of its own.
pub(crate) struct Maps {
    text: Mapping,
    len: usize,
    /// A file is shorter than what is mapped of it.
    has_ends: bool,
}

/// One line: a mapping of the process.
#[derive(Clone, Debug)]
pub(crate) struct Vma<'a> {
    pub range: Range<u64>,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    pub offset: u64,
    pub inode: u64,
    /// Path, name in brackets, or empty.
    pub name: &'a [u8],
    /// Its file may end before it.
    may_end: bool,
}

impl Vma<'_> {
    /// As much of it as is there to be read.
    pub(crate) fn there(&self) -> Range<u64> {
        if self.may_end { readable(&self.range) } else { self.range.clone() }
    }
}

/// The mappings in lines that are left.
#[derive(Clone)]
pub(crate) struct Vmas<'a> {
    rest: &'a [u8],
    has_ends: bool,
}

impl<'a> Iterator for Vmas<'a> {
    type Item = Vma<'a>;

    // Much code, and wanted in a dozen places.
    #[inline(never)]
    fn next(&mut self) -> Option<Vma<'a>> {
        while let Some(line) = up_to(&mut self.rest, b'\n') {
            if let Some(vma) = parse_line(line) {
                let may_end = self.has_ends && vma.inode != 0 && vma.readable;
                return Some(Vma { may_end, ..vma });
            }
        }
        None
    }
}

impl Maps {
    /// Reads the file. The memory grows until all of it fits.
    pub(crate) fn read() -> Result<Self> {
        let mut capacity = 64 * 1024;
        loop {
            let text = Mapping::anonymous(capacity)?;
            let read = read_into(text);
            match read {
                Ok(len) if (len as u64) < capacity => {
                    let mut maps = Self { text, len, has_ends: false };
                    maps.has_ends = !maps.are_there();
                    return Ok(maps);
                }
                Ok(_) => capacity *= 4,
                Err(_) => {}
            }
            text.unmap();
            read?;
        }
    }

    /// The mappings in address order.
    pub(crate) fn vmas(&self) -> Vmas<'_> {
        Vmas { rest: self.bytes(), has_ends: self.has_ends }
    }

    /// Whether all files are as long as what is mapped of them: whether the byte can be read
    /// that is the furthest in each.
    fn are_there(&self) -> bool {
        let is_there = |last: u64| last == 0 || read_guest(last, &mut [0]) == 1;
        let (mut inode, mut end, mut last) = (0, 0, 0);
        for vma in self.vmas().filter(|vma| vma.inode != 0 && vma.readable) {
            let end_here = vma.offset + (vma.range.end - vma.range.start);
            if vma.inode != inode {
                if !is_there(last) {
                    return false;
                }
                (inode, end) = (vma.inode, 0);
            }
            if end_here > end {
                (end, last) = (end_here, vma.range.end - 1);
            }
        }
        is_there(last)
    }

    /// Gives the memory back.
    pub(crate) fn release(self) {
        self.text.unmap();
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes of the mapping were written, and it stays until
        // `release` consumes self.
        unsafe { core::slice::from_raw_parts(self.text.start as *const u8, self.len) }
    }
}

fn read_into(text: Mapping) -> Result<usize> {
    let file = File::open(c"/proc/self/maps")?;
    // SAFETY: fresh memory of ours.
    let buffer =
        unsafe { core::slice::from_raw_parts_mut(text.start as *mut u8, text.len as usize) };
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => len += read,
        }
    }
    Ok(len)
}

/// `start-end perms offset major:minor inode   name`, see proc(5).
fn parse_line(line: &[u8]) -> Option<Vma<'_>> {
    let mut rest = line;
    let start = hex(&mut rest, b'-')?;
    let end = hex(&mut rest, b' ')?;
    let perms = up_to(&mut rest, b' ')?;
    let offset = hex(&mut rest, b' ')?;
    up_to(&mut rest, b' ')?;
    let inode = up_to(&mut rest, b' ')?;
    let inode =
        inode.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit.wrapping_sub(b'0')));
    Some(Vma {
        range: start..end,
        readable: perms.first() == Some(&b'r'),
        writable: perms.get(1) == Some(&b'w'),
        executable: perms.get(2) == Some(&b'x'),
        offset,
        inode,
        name: rest.trim_ascii_start(),
        may_end: false,
    })
}

fn hex(rest: &mut &[u8], end: u8) -> Option<u64> {
    let mut value = 0u64;
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ if *byte == end => return Some(value),
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
}

/// What is before the next such byte, or the end; it is not left then.
fn up_to<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let len = rest.iter().position(|byte| *byte == end).unwrap_or(rest.len());
    let (before, tail) = rest.split_at_checked(len)?;
    *rest = tail.get(1..).unwrap_or(tail);
    (!before.is_empty()).then_some(before)
}
