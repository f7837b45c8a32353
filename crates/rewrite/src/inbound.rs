//! Jumps and calls from anywhere in the text that may lead near a site.
//!
//! A function may be entered in the middle by another one: compilers put
//! unlikely code apart, and it jumps back. Decoding the whole text to find
//! such jumps is too slow, so every byte that may begin a `jmp rel32`, a long
//! `jcc` or a `call rel32` is taken for one. What is found too much costs a
//! rung, no more.

use core::ops::Range;

use crate::pairs;
use crate::plan::Text;
use crate::window::Entries;

/// Tells of most addresses that they are far from all sites: a byte for each
/// granule, many granules apart for the same byte.
pub(crate) struct Filter([u8; GRANULES]);

const GRANULES: usize = 8192;

impl Filter {
    pub(crate) fn new() -> Self {
        Self([0; GRANULES])
    }

    /// Lets all pass.
    #[cfg(test)]
    pub(crate) fn all() -> Self {
        Self([1; GRANULES])
    }

    /// Lets addresses near a site pass.
    pub(crate) fn add(&mut self, site: u64) {
        let first = site.saturating_sub(Entries::REACH);
        for address in [first, first + GRANULE] {
            if let Some(byte) = self.0.get_mut(Self::place(address)) {
                *byte = 1;
            }
        }
    }

    pub(crate) fn passes(&self, address: u64) -> bool {
        self.byte(address) != 0
    }

    /// Not 0 if the address passes.
    #[inline(always)]
    pub(crate) fn byte(&self, address: u64) -> u8 {
        self.0[Self::place(address)]
    }

    #[inline(always)]
    fn place(address: u64) -> usize {
        (address / GRANULE) as usize % GRANULES
    }
}

/// Addresses that share a byte; as many as there are entries of a site.
const GRANULE: u64 = 2 * Entries::REACH;

/// Calls `note` with the source and the target of each jump in `text` whose
/// target passes the filter, and is in the text.
pub(crate) fn search(text: &Text<'_>, filter: &Filter, mut note: impl FnMut(u64, u64)) {
    let (bytes, base) = (text.bytes, text.base);
    // What has no byte before it.
    if let Some([0xe8 | 0xe9, distance @ ..]) = bytes.first_chunk::<5>() {
        note(base, base.wrapping_add(5).wrapping_add_signed(i32::from_le_bytes(*distance).into()));
    }
    pairs::for_each_jump(bytes, text.width, base, filter, |at| {
        let Some(distance) = bytes.get(at + 2..).and_then(<[u8]>::first_chunk) else {
            return;
        };
        let end = base + at as u64 + JUMP_END;
        let target = end.wrapping_add_signed(i32::from_le_bytes(*distance).into());
        if filter.passes(target) {
            // The opcode of a long jcc has a byte more.
            let is_branch = bytes.get(at + 1).is_some_and(|opcode| opcode & 0xf0 == 0x80);
            note(end - if is_branch { 6 } else { 5 }, target);
        }
    });
}

/// From the byte before the last of a long jump's opcode to the end of the jump.
pub(crate) const JUMP_END: u64 = 6;

/// Calls `note` with each address of `range`, and where it would lead if a short
/// jump began there; `range` lies around a function, whose own jumps are known.
pub(crate) fn search_short(
    text: &[u8],
    base: u64,
    range: Range<u64>,
    mut note: impl FnMut(u64, u64),
) {
    for address in range {
        let Some(at) = address.checked_sub(base).and_then(|at| usize::try_from(at).ok()) else {
            continue;
        };
        let Some([0x70..=0x7f | 0xe0..=0xe3 | 0xeb, distance]) =
            text.get(at..).and_then(|rest| rest.first_chunk())
        else {
            continue;
        };
        note(address, address.wrapping_add(2).wrapping_add_signed(i64::from(*distance as i8)));
    }
}

/// The source and the target of each long jump of a function that leads out of it, and of other
/// bytes that look like one. `bytes` are those at `range`.
pub(crate) fn outbound(bytes: &[u8], range: &Range<u64>) -> impl Iterator<Item = (u64, u64)> {
    let jumps = bytes.array_windows::<6>().zip(range.start..).filter_map(|(jump, start)| {
        let (source, distance) = match jump {
            [_, 0xe9, distance @ ..] => (start + 1, distance),
            [0x0f, 0x80..=0x8f, distance @ ..] => (start, distance),
            _ => return None,
        };
        let end = start + JUMP_END;
        Some((source, end.wrapping_add_signed(i32::from_le_bytes(*distance).into())))
    });
    jumps.filter(|(_, target)| !range.contains(target))
}

/// Addresses of a range that four of the bytes are, wherever they stand: those of labels, in code
/// that may lie where its addresses have no more bytes.
pub(crate) fn numbers_in(bytes: &[u8], range: &Range<u64>) -> impl Iterator<Item = u64> {
    let is_low = range.end <= u64::from(u32::MAX);
    let windows = if is_low { bytes.array_windows::<4>() } else { [].array_windows() };
    windows.map(|number| u64::from(u32::from_le_bytes(*number))).filter(|it| range.contains(it))
}
