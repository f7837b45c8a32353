//! Functions of Go programs, from the table that Go's own runtime unwinds with.
//!
//! Go has no `.eh_frame`. Its `pclntab` (src/debug/gosym/pclntab.go in Go's
//! source) names the start of every function, hand-written ones included, in
//! order; a function ends where the next starts, padding included.

use core::ops::Range;

use crate::bytes::{u32_at, u64_at};

/// The table of functions in a `pclntab` of Go 1.18 and later.
#[derive(Clone, Copy, Default)]
pub(crate) struct GoFunctions<'a> {
    /// Address that the starts are relative to.
    text: u64,
    /// Pairs of a start and something else; a last start that is the end.
    entries: &'a [u8],
    count: usize,
}

/// The first eight bytes but for the lowest bit: the magic numbers fffffff0 of
/// Go 1.18 and fffffff1 of Go 1.20, and the sizes of an instruction and of a
/// pointer.
const START: u64 = 0x0801_0000_ffff_fff0;
/// What follows the start, in words: two counts, the text, and five offsets, of
/// which the last is that of the functions.
const COUNT: usize = 8;
const TEXT: usize = 24;
const FUNCTIONS: usize = 64;
const ENTRY: usize = 8;

/// The offset in an object's data of the table that [`CodeMap::with_go`] takes.
///
/// [`CodeMap::with_go`]: crate::CodeMap::with_go
pub fn find_go_table(data: &[u8]) -> Option<usize> {
    let words = data.as_chunks::<8>().0;
    let mut from = 0;
    loop {
        let rest = words.get(from..)?;
        let at = rest.iter().position(|word| u64::from_le_bytes(*word) & !1 == START)?;
        let offset = 8 * (from + at);
        if GoFunctions::parse(data.get(offset..)?).is_some() {
            return Some(offset);
        }
        from += at + 1;
    }
}

/// Whether the notes of an object (PT_NOTE) are those of a Go program.
pub fn is_go_note(notes: &[u8]) -> bool {
    let mut at = 0;
    let mut next = || {
        let (name, description) = (u32_at(notes, at)?, u32_at(notes, at + 4)?);
        let is_go = name == 4 && notes.get(at + 12..at + 16) == Some(b"Go\0\0");
        let len =
            12 + u64::from(name).next_multiple_of(4) + u64::from(description).next_multiple_of(4);
        at = at.checked_add(usize::try_from(len).ok()?)?;
        Some(is_go)
    };
    core::iter::from_fn(&mut next).any(|is_go| is_go)
}

impl<'a> GoFunctions<'a> {
    pub(crate) fn parse(table: &'a [u8]) -> Option<Self> {
        if u64_at(table, 0)? & !1 != START {
            return None;
        }
        let count = usize::try_from(u64_at(table, COUNT)?).ok()?;
        let start = usize::try_from(u64_at(table, FUNCTIONS)?).ok()?;
        let len = count.checked_mul(ENTRY)?.checked_add(4)?;
        let entries = table.get(start..start.checked_add(len)?)?;
        Some(Self { text: u64_at(table, TEXT)?, entries, count })
    }

    /// The function that contains an address.
    pub(crate) fn function_at(&self, address: u64) -> Option<Range<u64>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.start(middle)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let range = self.start(low.checked_sub(1)?)?..self.start(low)?;
        range.contains(&address).then_some(range)
    }

    /// The start of a function, or the end of the last.
    fn start(&self, index: usize) -> Option<u64> {
        let offset = u32_at(self.entries, index.checked_mul(ENTRY)?)?;
        self.text.checked_add(u64::from(offset))
    }
}
