//! Finds pairs of adjacent bytes at the speed of memory.
//!
//! Text is megabytes. It is looked at in blocks, with the vector instructions
//! that every CPU has, or with AVX2 and its like where the caller knows of them.

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use crate::inbound::{Filter, JUMP_END};

/// Positions that are looked at together.
const BLOCK: usize = 64;
/// Bytes behind a block that what starts in it may have.
const BEHIND: usize = 8;

/// A block and what is behind it.
type Block = [u8; BLOCK + BEHIND];

/// How much of a text is looked at together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Width(Option<Avx2>);

#[derive(Clone, Copy, Debug)]
struct Avx2;

impl Width {
    /// What AVX2 can.
    ///
    /// # Safety
    ///
    /// The CPU has AVX2, BMI1 and BMI2, and the kernel lets AVX2 be used.
    #[allow(unsafe_code, reason = "declares a function unsafe: only its caller knows the CPU")]
    pub const unsafe fn of_avx2() -> Self {
        Self(Some(Avx2))
    }
}

/// The offsets of what looks like a system call instruction, in order.
pub(crate) fn sites(text: &[u8], width: Width) -> Sites<'_> {
    Sites { text, width, start: 0, marks: 0 }
}

/// Calls `note` with the offset before the last byte of each opcode of a long
/// jump, `e8`, `e9`, or `0f 80` to `0f 8f`, whose target passes the filter; and of
/// some others. Those that lead out of a small text may be missing. In order.
pub(crate) fn for_each_jump(
    text: &[u8],
    width: Width,
    base: u64,
    filter: &Filter,
    mut note: impl FnMut(usize),
) {
    let note: &mut dyn FnMut(usize) = &mut note;
    // SAFETY: every CPU has SSE2; who made the width has said that there is AVX2.
    #[allow(unsafe_code, reason = "the compiler does not know the CPU")]
    unsafe {
        match width {
            Width(None) => sse2::for_each_jump(text, base, filter, note),
            Width(Some(Avx2)) => avx2::for_each_jump(text, base, filter, note),
        }
    }
}

/// See [`sites`].
pub(crate) struct Sites<'t> {
    text: &'t [u8],
    width: Width,
    /// The next block.
    start: usize,
    /// A bit for each position of the block before that has not been returned.
    marks: u64,
}

impl Iterator for Sites<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.marks == 0 {
            // SAFETY: as in `for_each_jump`.
            #[allow(unsafe_code, reason = "the compiler does not know the CPU")]
            let found = unsafe {
                match self.width {
                    Width(None) => sse2::next_sites(self.text, self.start),
                    Width(Some(Avx2)) => avx2::next_sites(self.text, self.start),
                }
            };
            (self.start, self.marks) = found?;
            self.start += BLOCK;
        }
        let at = self.start - BLOCK + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(at)
    }
}

/// How far ahead memory is asked for: the processor by itself asks for nothing beyond the page
/// that it is on, and text is larger than what is near it.
const AHEAD: usize = 4096;

/// Asks for the memory behind a block, if it is there.
#[inline(always)]
#[allow(unsafe_code, reason = "an address of which nothing is known")]
fn prefetch_behind(block: &Block) {
    let ahead = block.as_ptr().wrapping_add(AHEAD);
    // SAFETY: a hint, which faults nowhere.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead.cast()) };
}

/// Texts so small that the highest byte of each distance in them is that of a
/// small number.
const SMALL: usize = (1 << 24) - 2 * BLOCK;

/// The block at the end of a text, of which less is there, and a mark for each
/// pair that is.
#[cold]
fn last_block(text: &[u8], start: usize) -> Option<(Block, u64)> {
    let rest = text.get(start..)?;
    let pairs = rest.len().checked_sub(1).filter(|pairs| *pairs > 0)?;
    let mut block = [0; BLOCK + BEHIND];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    Some((block, if pairs < BLOCK { (1 << pairs) - 1 } else { u64::MAX }))
}

/// Calls `note` with the offsets that are marked of a block at `start`.
#[cold]
fn note_marks(start: usize, mut marks: u64, note: &mut dyn FnMut(usize)) {
    while marks != 0 {
        note(start + marks.trailing_zeros() as usize);
        marks &= marks - 1;
    }
}

/// The search, once for each kind of vector.
macro_rules! search {
    ($(#[$feature:meta])*) => {
        /// Which lanes from a position on begin something like a system call.
        $(#[$feature])*
        #[inline]
        fn are_sites(block: &Block, at: usize) -> Vector {
            let (first, second) = (load(block, at), load(block, at + 1));
            let is = |bytes, byte: u8| equal(bytes, all(byte as i8));
            let (syscall, sysenter) = (is(second, 0x05), is(second, 0x34));
            or(
                and(is(first, 0x0f), or(syscall, sysenter)),
                and(is(first, 0xcd), is(second, 0x80)),
            )
        }

        /// Which lanes are those before the last byte of a jump's opcode.
        $(#[$feature])*
        #[inline]
        fn are_jumps(block: &Block, at: usize) -> Vector {
            let (first, second) = (load(block, at), load(block, at + 1));
            let jump = equal(and(second, all(0xfe_u8 as i8)), all(0xe8_u8 as i8));
            // 80 to 8f are the lowest numbers with a sign.
            let branch = and(equal(first, all(0x0f)), above(all(0x90_u8 as i8), second));
            or(jump, branch)
        }

        /// Which lanes have a distance whose highest byte is 0 or 255.
        $(#[$feature])*
        #[inline]
        fn are_near(block: &Block, at: usize) -> Vector {
            let highest = load(block, at + 5);
            equal(highest, above(all(0), highest))
        }

        $(#[$feature])*
        #[inline]
        fn have_sites(block: &Block) -> bool {
            let mut any = all(0);
            for at in (0..BLOCK).step_by(LANES) {
                any = or(any, are_sites(block, at));
            }
            bits(any) != 0
        }

        $(#[$feature])*
        #[inline]
        fn marks_of_sites(block: &Block) -> u64 {
            let parts = (0..BLOCK).step_by(LANES);
            parts.fold(0, |marks, at| marks | u64::from(bits(are_sites(block, at))) << at)
        }

        $(#[$feature])*
        #[inline]
        fn marks_of_jumps(block: &Block, is_small: bool) -> u64 {
            let parts = (0..BLOCK).step_by(LANES);
            parts.fold(0, |marks, at| {
                let are_near = if is_small { bits(are_near(block, at)) } else { u32::MAX };
                marks | u64::from(bits(are_jumps(block, at)) & are_near) << at
            })
        }

        /// The first block from `start` on with something like a system call:
        /// its offset, and a bit for each position.
        $(#[$feature])*
        pub(super) fn next_sites(text: &[u8], mut start: usize) -> Option<(usize, u64)> {
            while let Some(block) = text.get(start..).and_then(<[u8]>::first_chunk) {
                prefetch_behind(block);
                if have_sites(block) {
                    return Some((start, marks_of_sites(block)));
                }
                start += BLOCK;
            }
            let (block, pairs) = last_block(text, start)?;
            match marks_of_sites(&block) & pairs {
                0 => next_sites(text, start + BLOCK),
                marks => Some((start, marks)),
            }
        }

        $(#[$feature])*
        pub(super) fn for_each_jump(
            text: &[u8],
            base: u64,
            filter: &Filter,
            note: &mut dyn FnMut(usize),
        ) {
            let is_small = text.len() <= SMALL;
            let mut start = 0;
            let mut padded;
            loop {
                let (block, marks) = match text.get(start..).and_then(<[u8]>::first_chunk) {
                    Some(block) => (block, marks_of_jumps(block, is_small)),
                    None => match last_block(text, start) {
                        Some((block, pairs)) => {
                            padded = block;
                            (&padded, marks_of_jumps(&padded, is_small) & pairs)
                        }
                        None => break,
                    },
                };
                // Four at a time: how often a loop goes round is mispredicted, and so is
                // each branch on what is found.
                let (mut rest, mut passes) = (marks, 0);
                let end = base + start as u64 + JUMP_END;
                loop {
                    for _ in 0..4 {
                        let at = rest.trailing_zeros() as usize;
                        let distance = i64::from(i32_at(block, at + 2).unwrap_or(0));
                        passes |= filter.byte(end.wrapping_add_signed(at as i64 + distance));
                        rest &= rest.wrapping_sub(1);
                    }
                    if rest == 0 {
                        break;
                    }
                }
                if passes != 0 {
                    note_marks(start, marks, note);
                }
                start += BLOCK;
            }
        }
    };
}

/// Eight bytes of a block.
#[inline(always)]
fn word(block: &Block, at: usize) -> i64 {
    let bytes = block.get(at..).and_then(<[u8]>::first_chunk);
    i64::from_le_bytes(bytes.copied().unwrap_or([0; 8]))
}

mod sse2 {
    use core::arch::x86_64::{
        __m128i as Vector, _mm_and_si128 as and, _mm_cmpeq_epi8 as equal, _mm_cmpgt_epi8 as above,
        _mm_movemask_epi8, _mm_or_si128 as or, _mm_set_epi64x, _mm_set1_epi8 as all,
    };

    use super::{
        BLOCK, Block, Filter, JUMP_END, SMALL, last_block, note_marks, prefetch_behind, word,
    };
    use crate::bytes::i32_at;

    const LANES: usize = 16;

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load(block: &Block, at: usize) -> Vector {
        _mm_set_epi64x(word(block, at + 8), word(block, at))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn bits(lanes: Vector) -> u32 {
        _mm_movemask_epi8(lanes) as u32
    }

    search!(#[target_feature(enable = "sse2")]);
}

mod avx2 {
    use core::arch::x86_64::{
        __m256i as Vector, _mm256_and_si256 as and, _mm256_cmpeq_epi8 as equal,
        _mm256_cmpgt_epi8 as above, _mm256_movemask_epi8, _mm256_or_si256 as or, _mm256_set_epi64x,
        _mm256_set1_epi8 as all,
    };

    use super::{
        BLOCK, Block, Filter, JUMP_END, SMALL, last_block, note_marks, prefetch_behind, word,
    };
    use crate::bytes::i32_at;

    const LANES: usize = 32;

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(block: &Block, at: usize) -> Vector {
        let [a, b, c, d] = [0, 8, 16, 24].map(|offset| word(block, at + offset));
        _mm256_set_epi64x(d, c, b, a)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bits(lanes: Vector) -> u32 {
        _mm256_movemask_epi8(lanes) as u32
    }

    search!(#[target_feature(enable = "avx2,bmi1,bmi2")]);
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Width, for_each_jump, sites};
    use crate::inbound::Filter;
    use std::vec::Vec;

    fn has_avx2() -> bool {
        let has_bits =
            std::is_x86_feature_detected!("bmi1") && std::is_x86_feature_detected!("bmi2");
        std::is_x86_feature_detected!("avx2") && has_bits
    }

    /// All that this machine has.
    fn widths() -> impl Iterator<Item = Width> {
        #[allow(unsafe_code, reason = "as below")]
        // SAFETY: it is asked for.
        let avx2 = has_avx2().then(|| unsafe { Width::of_avx2() });
        [Width::default()].into_iter().chain(avx2)
    }

    #[test]
    fn every_site_is_found_at_every_length_and_offset() {
        for width in widths() {
            for pair in [[0x0f, 0x05], [0x0f, 0x34], [0xcd, 0x80]] {
                for len in 0..220 {
                    for at in 0..len {
                        // What is behind the end does not count.
                        let mut text = [0x0f; 230];
                        text[at..at + 2].copy_from_slice(&pair);
                        text[len..].fill(5);
                        let found: Vec<_> = sites(&text[..len], width).collect();
                        let expected: &[usize] = if at + 1 < len { &[at] } else { &[] };
                        assert_eq!(found, expected, "{width:?} {pair:x?} at {at} of {len}");
                    }
                }
            }
        }
    }

    /// As one would write it.
    fn is_jump(text: &[u8], at: usize) -> bool {
        matches!(text[at..], [_, 0xe8 | 0xe9, ..] | [0x0f, 0x80..=0x8f, ..])
    }

    #[test]
    fn every_jump_within_the_text_is_found() {
        let mut state = 1_u32;
        let text: Vec<u8> = core::iter::repeat_with(|| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            let byte = (state >> 16) as u8;
            match state >> 29 {
                0 => 0xe8 | byte & 1,
                1 => 0x0f,
                2 => 0x80 | byte & 0x0f,
                3 => byte & 1,
                4 => 0xff,
                _ => byte,
            }
        })
        .take(20_000)
        .collect();
        for width in widths() {
            for len in [0, 1, 2, 7, 63, 64, 65, 66, 71, 72, 73, 127, 128, 129, 136, 1000, 20_000] {
                let text = &text[..len];
                for (filter, base) in [(Filter::all(), 0), (few(), BASE)] {
                    let mut found = Vec::new();
                    for_each_jump(text, width, base, &filter, |at| found.push(at));
                    assert!(found.is_sorted() && found.iter().all(|at| is_jump(text, *at)));
                    let passes = |at: &usize| {
                        let distance = text.get(at + 2..).and_then(<[u8]>::first_chunk);
                        let next = *at as i64 + 6;
                        distance.is_some_and(|distance| {
                            let target = next + i64::from(i32::from_le_bytes(*distance));
                            let address = base.wrapping_add_signed(target);
                            (0..len as i64).contains(&target) && filter.passes(address)
                        })
                    };
                    let pairs = 0..len.saturating_sub(1);
                    for at in pairs.filter(|at| is_jump(text, *at)).filter(passes) {
                        assert!(found.binary_search(&at).is_ok(), "{width:?} {at} of {len}");
                    }
                }
            }
        }
    }

    /// Where text lies in memory.
    const BASE: u64 = 0x7fff_1234_5678;

    /// What is near a few sites.
    fn few() -> Filter {
        let mut filter = Filter::new();
        [0, 100, 777, 9000, 19_990].into_iter().for_each(|at| filter.add(BASE + at));
        filter
    }
}
