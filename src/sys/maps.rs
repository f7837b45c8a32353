//! `/proc/self/maps`, read once and taken apart.
//!
//! It does not say where files end: what is mapped behind that raises SIGBUS. So the
//! last byte of each file is asked for.

use core::ops::Range;
use core::slice;

use super::{File, Mapping, Result, read_guest, readable};

/// The text of `/proc/self/maps`, and its lines taken apart, in memory of their own.
pub(crate) struct Maps {
    memory: Mapping,
    /// Where the lines are; as many as there are.
    lines: *const Vma<'static>,
    count: usize,
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

/// The mappings that are left.
#[derive(Clone)]
pub(crate) struct Vmas<'a> {
    rest: slice::Iter<'a, Vma<'a>>,
    has_ends: bool,
}

impl<'a> Iterator for Vmas<'a> {
    type Item = Vma<'a>;

    // Wanted in a dozen places.
    #[inline(never)]
    fn next(&mut self) -> Option<Vma<'a>> {
        let vma = self.rest.next()?.clone();
        let may_end = self.has_ends && vma.inode != 0 && vma.readable;
        Some(Vma { may_end, ..vma })
    }
}

/// Of how many times the text's memory that of the lines is: each has more than 40 bytes.
const LINES: u64 = 2;

impl Maps {
    /// Reads the file. The memory grows until all of it fits.
    pub(crate) fn read() -> Result<Self> {
        let mut capacity = 64 * 1024;
        loop {
            let memory = Mapping::anonymous(capacity * (1 + LINES))?;
            let read = read_into(Mapping { len: capacity, ..memory });
            match read {
                Ok(len) if (len as u64) < capacity => {
                    let mut maps = Self::take_apart(memory, len, capacity);
                    maps.has_ends = !maps.are_there();
                    return Ok(maps);
                }
                Ok(_) => capacity *= 4,
                Err(_) => {}
            }
            memory.unmap();
            read?;
        }
    }

    /// Takes `len` bytes of text apart, once for all who ask.
    fn take_apart(memory: Mapping, len: usize, capacity: u64) -> Self {
        const { assert!(size_of::<Vma<'_>>() as u64 <= 40 * LINES) };
        // SAFETY: as many bytes of the mapping were written, and it stays until `release`
        // consumes what is returned.
        let mut rest = unsafe { slice::from_raw_parts(memory.start as *const u8, len) };
        let lines = (memory.start + capacity) as *mut Vma<'static>;
        let room = (capacity * LINES) as usize / size_of::<Vma<'_>>();
        let mut count = 0;
        while let Some(line) = up_to(&mut rest, b'\n') {
            if let Some(vma) = parse_line(line).filter(|_| count < room) {
                // SAFETY: memory of ours behind the text, with room for so many.
                unsafe { lines.add(count).write(vma) };
                count += 1;
            }
        }
        Self { memory, lines, count, has_ends: false }
    }

    /// The mappings in address order.
    pub(crate) fn vmas(&self) -> Vmas<'_> {
        // SAFETY: so many were written, and stay until `release` consumes self.
        let lines = unsafe { slice::from_raw_parts(self.lines, self.count) };
        Vmas { rest: lines.iter(), has_ends: self.has_ends }
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
        self.memory.unmap();
    }
}

fn read_into(text: Mapping) -> Result<usize> {
    let file = File::open(c"/proc/self/maps")?;
    // SAFETY: fresh memory of ours.
    let buffer = unsafe { slice::from_raw_parts_mut(text.start as *mut u8, text.len as usize) };
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
