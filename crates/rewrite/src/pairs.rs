//! Finds pairs of adjacent bytes at the speed of memory.
//!
//! The loop over a block is of a form that compiles to vector code, which plain
//! iteration over pairs is not: ten times faster, and text is megabytes.

/// Positions that are looked at together.
const BLOCK: usize = 64;

/// The offsets at which a byte and its successor satisfy `fits`, in order.
///
/// `fits` must be branchless: comparisons joined by `&` and `|`.
pub(crate) fn find<F>(text: &[u8], fits: F) -> Pairs<'_, F>
where
    F: Fn(u8, u8) -> bool + Copy,
{
    Pairs { text, fits, next_block: 0, marks: 0 }
}

/// Calls `note` with each such offset, in order; faster if there are many.
#[inline(always)]
pub(crate) fn for_each<F>(text: &[u8], fits: F, mut note: impl FnMut(usize))
where
    F: Fn(u8, u8) -> bool + Copy,
{
    let mut pairs = find(text, fits);
    let mut batch = [0_u32; BATCH + BLOCK];
    let mut len = 0;
    while pairs.next_marks() {
        let start = (pairs.next_block - BLOCK) as u32;
        // Four at a time: how often a loop goes round for few is mispredicted.
        while pairs.marks != 0 {
            for _ in 0..4 {
                if let Some(slot) = batch.get_mut(len) {
                    *slot = start.wrapping_add(pairs.marks.trailing_zeros());
                }
                len += usize::from(pairs.marks != 0);
                pairs.marks &= pairs.marks.wrapping_sub(1);
            }
        }
        if len > BATCH {
            batch.iter().take(len).for_each(|at| note(*at as usize));
            len = 0;
        }
    }
    batch.iter().take(len).for_each(|at| note(*at as usize));
}

/// Offsets that [`for_each`] collects at least.
const BATCH: usize = 256;

/// See [`find`].
pub(crate) struct Pairs<'t, F> {
    text: &'t [u8],
    fits: F,
    next_block: usize,
    /// A bit for each position of the block before `next_block` that fits and
    /// has not been returned.
    marks: u64,
}

impl<F: Fn(u8, u8) -> bool + Copy> Iterator for Pairs<'_, F> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.marks == 0 && !self.next_marks() {
            return None;
        }
        let at = self.next_block - BLOCK + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(at)
    }
}

impl<F: Fn(u8, u8) -> bool + Copy> Pairs<'_, F> {
    /// Goes to the next block with a mark; whether there is one.
    #[inline(always)]
    fn next_marks(&mut self) -> bool {
        while self.marks == 0 {
            let Some(rest) = self.text.get(self.next_block..) else {
                return false;
            };
            self.marks = match rest.first_chunk() {
                Some(block) => mark(block, self.fits),
                None => match self.mark_end(rest) {
                    Some(marks) => marks,
                    None => return false,
                },
            };
            self.next_block += BLOCK;
        }
        true
    }

    /// Marks the end of the text, which is less than a block.
    #[cold]
    fn mark_end(&self, rest: &[u8]) -> Option<u64> {
        let pairs = rest.len().checked_sub(1).filter(|pairs| *pairs > 0)?;
        let mut block = [0; BLOCK + 1];
        for (to, from) in block.iter_mut().zip(rest) {
            *to = *from;
        }
        // Pairs with a byte behind the end do not count.
        Some(mark(&block, self.fits) & (u64::MAX >> (BLOCK - pairs.min(BLOCK))))
    }
}

/// A bit for each of the first 64 positions.
#[inline(always)]
fn mark<F: Fn(u8, u8) -> bool>(block: &[u8; BLOCK + 1], fits: F) -> u64 {
    let mut bytes = [0; BLOCK];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from(fits(block[index], block[index + 1]));
    }
    let words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    // A fold, since comparing arrays compiles to a call of memcmp.
    if words.clone().fold(0, |all, word| all | word) == 0 {
        return 0;
    }
    // The multiplication moves the low bits of eight bytes to the highest byte,
    // each to its place.
    let bits = words.map(|word| word.wrapping_mul(0x0102_0408_1020_4080) >> 56);
    bits.enumerate().fold(0, |marks, (index, bits)| marks | bits << (8 * index))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::find;
    use std::vec::Vec;

    #[test]
    fn every_pair_is_found_at_every_length_and_offset() {
        for len in 0..200 {
            for at in 0..len {
                let mut text = [0u8; 200];
                text[at] = 0x0f;
                text[at + 1..].fill(0x0f);
                if let Some(next) = text.get_mut(at + 1) {
                    *next = 5;
                }
                let found: Vec<_> = find(&text[..len], |a, b| (a == 0x0f) & (b == 5)).collect();
                let expected: &[usize] = if at + 1 < len { &[at] } else { &[] };
                assert_eq!(found, expected, "pair at {at} of {len}");
            }
        }
    }

    #[test]
    fn batches_have_the_same_pairs() {
        let fits = |a: u8, b: u8| (a < 40) & (b & 1 == 0);
        let mut state = 1_u32;
        let text: Vec<u8> = core::iter::repeat_with(|| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            (state >> 16) as u8
        })
        .take(20_000)
        .collect();
        for len in [0, 1, 2, 63, 64, 65, 66, 127, 128, 129, 1000, 20_000] {
            let mut found = Vec::new();
            super::for_each(&text[..len], fits, |at| found.push(at));
            assert_eq!(found, find(&text[..len], fits).collect::<Vec<_>>(), "{len}");
        }
    }
}
