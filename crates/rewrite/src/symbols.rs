//! Functions of a symbol table.

use core::ops::Range;

use crate::bytes::{u16_at, u64_at};

/// An ELF symbol table: `Elf64_Sym` entries, in no order.
#[derive(Clone, Copy, Default)]
pub(crate) struct Symbols<'a> {
    entries: &'a [u8],
    /// What is added to a symbol's value to get an address.
    bias: u64,
}

/// The functions around an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours {
    /// The nearest that starts at or before it. Of several at one address, the
    /// largest.
    pub before: Option<Range<u64>>,
    /// Start of the nearest function or label behind it.
    pub after: Option<u64>,
}

const ENTRY: usize = 24;
const STT_NOTYPE: u8 = 0;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
const SHN_UNDEF: u16 = 0;
const SHN_LORESERVE: u16 = 0xff00;

/// A symbol table for [`CodeMap::with_symbols`](crate::CodeMap::with_symbols), of one function,
/// which covers `range`.
pub fn table_of_one(range: &Range<u64>) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    // Defined in some section.
    (entry[4], entry[6]) = (STT_FUNC, 1);
    entry[8..16].copy_from_slice(&range.start.to_le_bytes());
    entry[16..].copy_from_slice(&(range.end - range.start).to_le_bytes());
    entry
}

impl<'a> Symbols<'a> {
    pub(crate) fn new(entries: &'a [u8], bias: u64) -> Self {
        Self { entries, bias }
    }

    /// Starts of functions, and labels, which may be entered too.
    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> + 'a {
        self.all().map(|(_, range)| range.start)
    }

    pub(crate) fn neighbours(&self, address: u64) -> Neighbours {
        let mut found = Neighbours::default();
        // Most are farther away than what was found before.
        let mut nearer = 0..u64::MAX;
        for entry in self.entries.as_chunks::<ENTRY>().0 {
            let start = u64_at(entry, 8).unwrap_or(0).wrapping_add(self.bias);
            // In one comparison, since there are many.
            if start.wrapping_sub(nearer.start) >= nearer.end - nearer.start {
                continue;
            }
            let Some((kind, range)) = function(entry, self.bias) else {
                continue;
            };
            if range.start > address {
                nearer.end = range.start;
                found.after = Some(range.start);
            } else if kind != STT_NOTYPE
                && found
                    .before
                    .as_ref()
                    .is_none_or(|nearest| (range.start, range.end) > (nearest.start, nearest.end))
            {
                nearer.start = range.start;
                found.before = Some(range);
            }
        }
        found
    }

    /// Functions and labels of the object.
    fn all(&self) -> impl Iterator<Item = (u8, Range<u64>)> + 'a {
        let bias = self.bias;
        let symbols = self.entries.as_chunks::<ENTRY>().0.iter();
        symbols.filter_map(move |entry| function(entry, bias))
    }

    /// Whether a part of the addresses is an object, which is data.
    pub(crate) fn has_object_in(&self, addresses: &Range<u64>) -> bool {
        let mut symbols = self.entries.as_chunks::<ENTRY>().0.iter();
        symbols.any(|entry| {
            entry[4] & 0x0f == STT_OBJECT
                && range(entry, self.bias)
                    .is_some_and(|range| range.start < addresses.end && addresses.start < range.end)
        })
    }
}

/// The kind of a function or a label, and what it covers.
#[inline(never)]
fn function(entry: &[u8; ENTRY], bias: u64) -> Option<(u8, Range<u64>)> {
    let kind = entry[4] & 0x0f;
    let is_code = matches!(kind, STT_NOTYPE | STT_FUNC | STT_GNU_IFUNC);
    Some((kind, is_code.then(|| range(entry, bias))??))
}

/// What a symbol covers, if the object defines it.
fn range(entry: &[u8; ENTRY], bias: u64) -> Option<Range<u64>> {
    let section = u16_at(entry, 6)?;
    if section == SHN_UNDEF || section >= SHN_LORESERVE {
        return None;
    }
    let start = u64_at(entry, 8)?.wrapping_add(bias);
    Some(start..start.saturating_add(u64_at(entry, 16)?))
}
