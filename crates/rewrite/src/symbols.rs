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
    /// Start of the nearest behind it.
    pub after: Option<u64>,
}

const ENTRY: usize = 24;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
const SHN_UNDEF: u16 = 0;
const SHN_LORESERVE: u16 = 0xff00;

impl<'a> Symbols<'a> {
    pub(crate) fn new(entries: &'a [u8], bias: u64) -> Self {
        Self { entries, bias }
    }

    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> + 'a {
        self.functions().map(|function| function.start)
    }

    pub(crate) fn neighbours(&self, address: u64) -> Neighbours {
        let mut found = Neighbours::default();
        for function in self.functions() {
            if function.start > address {
                let nearest = found.after.unwrap_or(u64::MAX);
                found.after = Some(nearest.min(function.start));
            } else if found
                .before
                .as_ref()
                .is_none_or(|nearest| (function.start, function.end) > (nearest.start, nearest.end))
            {
                found.before = Some(function);
            }
        }
        found
    }

    fn functions(&self) -> impl Iterator<Item = Range<u64>> + 'a {
        let bias = self.bias;
        self.entries.chunks_exact(ENTRY).filter_map(move |entry| {
            let kind = entry.get(4)? & 0x0f;
            let section = u16_at(entry, 6)?;
            let is_function = matches!(kind, STT_FUNC | STT_GNU_IFUNC);
            if !is_function || section == SHN_UNDEF || section >= SHN_LORESERVE {
                return None;
            }
            let start = u64_at(entry, 8)?.wrapping_add(bias);
            Some(start..start.saturating_add(u64_at(entry, 16)?))
        })
    }
}
