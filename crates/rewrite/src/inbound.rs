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

/// Bits of a filter that tells of most addresses that they are far from all
/// sites.
pub(crate) struct Filter([u64; FILTER_WORDS]);

const FILTER_WORDS: usize = 512;

impl Filter {
    pub(crate) fn new() -> Self {
        Self([0; FILTER_WORDS])
    }

    /// Lets addresses near a site pass.
    pub(crate) fn add(&mut self, site: u64) {
        let first = site.saturating_sub(Entries::REACH);
        for granule in [first, first + GRANULE] {
            let (word, bit) = Self::place(granule);
            if let Some(word) = self.0.get_mut(word) {
                *word |= bit;
            }
        }
    }

    #[inline(always)]
    pub(crate) fn passes(&self, address: u64) -> bool {
        let (word, bit) = Self::place(address);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    #[inline(always)]
    fn place(address: u64) -> (usize, u64) {
        let granule = address / GRANULE;
        ((granule >> 6) as usize % FILTER_WORDS, 1 << (granule & 63))
    }
}

/// Addresses that share a bit; as many as there are entries of a site.
const GRANULE: u64 = 2 * Entries::REACH;

/// Calls `note` with the source and the target of each jump in `text` whose
/// target passes the filter, and is in the text.
pub(crate) fn search(text: &Text<'_>, filter: &Filter, mut note: impl FnMut(u64, u64)) {
    let (bytes, base) = (text.bytes, text.base);
    // What has no byte before it.
    if let Some([0xe8 | 0xe9, distance @ ..]) = bytes.first_chunk::<5>() {
        note(base, base.wrapping_add(5).wrapping_add_signed(i32::from_le_bytes(*distance).into()));
    }
    pairs::for_each_jump(
        bytes,
        text.width,
        #[inline(always)]
        |at| {
            let field = at + 2;
            let Some(distance) = bytes.get(field..field + 4).and_then(<[u8]>::first_chunk) else {
                return;
            };
            let end = field as u64 + 4 + base;
            let target = end.wrapping_add_signed(i32::from_le_bytes(*distance).into());
            if filter.passes(target) {
                // The opcode of a long jcc has a byte more.
                let is_branch = bytes.get(at + 1).is_some_and(|opcode| opcode & 0xf0 == 0x80);
                note(end - if is_branch { 6 } else { 5 }, target);
            }
        },
    );
}

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
