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

/// Calls `note` with each such offset, in no order; faster if there are many.
#[inline(always)]
pub(crate) fn for_each<F>(text: &[u8], fits: F, mut note: impl FnMut(usize))
where
    F: Fn(u8, u8) -> bool + Copy,
{
    let mut batch = [0_u32; BATCH];
    let mut len = 0;
    let mut start = 0;
    while let Some(mut marks) = marks_at(text, start, fits) {
        // Four at a time: how often a loop goes round for few is mispredicted.
        while marks != 0 {
            for _ in 0..4 {
                batch[len % BATCH] = (start + position(marks.trailing_zeros())) as u32;
                len += usize::from(marks != 0);
                marks &= marks.wrapping_sub(1);
            }
        }
        if len >= BATCH - BLOCK {
            batch.iter().take(len).for_each(|at| note(*at as usize));
            len = 0;
        }
        start += BLOCK;
    }
    batch.iter().take(len).for_each(|at| note(*at as usize));
}

/// Offsets that [`for_each`] collects at most. A power of two.
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
            let block = self.text.get(self.next_block..).and_then(|rest| rest.first_chunk());
            if block.is_none_or(|block| has_mark(block, self.fits)) {
                let Some(marks) = marks_at(self.text, self.next_block, self.fits) else {
                    return false;
                };
                self.marks = in_order(marks);
            }
            self.next_block += BLOCK;
        }
        true
    }
}

/// Whether one of the first 64 positions fits.
#[inline(always)]
fn has_mark<F: Fn(u8, u8) -> bool>(block: &[u8; BLOCK + 1], fits: F) -> bool {
    let mut bytes = [0_u8; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        for part in 0..4 {
            let (first, second) = (block[index + 16 * part], block[index + 16 * part + 1]);
            *byte |= u8::from(fits(first, second)).wrapping_neg();
        }
    }
    u128::from_le_bytes(bytes) != 0
}

/// The marks of the block at an offset, or `None` behind the last pair.
#[inline(always)]
fn marks_at<F: Fn(u8, u8) -> bool>(text: &[u8], start: usize, fits: F) -> Option<u64> {
    let rest = text.get(start..)?;
    match rest.first_chunk() {
        Some(block) => Some(mark(block, fits)),
        None => mark_end(rest, fits),
    }
}

/// Marks the end of the text, which is less than a block.
#[cold]
fn mark_end<F: Fn(u8, u8) -> bool>(rest: &[u8], fits: F) -> Option<u64> {
    let pairs = rest.len().checked_sub(1).filter(|pairs| *pairs > 0)?;
    let mut block = [0; BLOCK + 1];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    // Pairs with a byte behind the end do not count.
    let marks = mark(&block, fits);
    Some(
        (0..64).filter(|bit| position(*bit) < pairs).fold(0, |kept, bit| kept | marks & (1 << bit)),
    )
}

/// A bit for each of the first 64 positions, which [`position`] tells.
///
/// In a form that compiles to vector code without a move of bits for each byte.
#[inline(always)]
fn mark<F: Fn(u8, u8) -> bool>(block: &[u8; BLOCK + 1], fits: F) -> u64 {
    let mut bytes = [0_u8; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        for part in 0..4 {
            let (first, second) = (block[index + 16 * part], block[index + 16 * part + 1]);
            *byte |= u8::from(fits(first, second)).wrapping_neg() & (1 << (2 * part));
        }
    }
    let both = u128::from_le_bytes(bytes);
    both as u64 | ((both >> 64) as u64) << 1
}

/// The position that a bit of a block's marks stands for.
#[inline(always)]
fn position(bit: u32) -> usize {
    // Bytes and bits have changed places: the halves of a number of six bits.
    (bit * 65 / 8 % BLOCK as u32) as usize
}

/// Marks with a bit for each position at its place.
#[cold]
fn in_order(mut marks: u64) -> u64 {
    let mut ordered = 0;
    while marks != 0 {
        ordered |= 1 << position(marks.trailing_zeros());
        marks &= marks - 1;
    }
    ordered
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
            found.sort_unstable();
            assert_eq!(found, find(&text[..len], fits).collect::<Vec<_>>(), "{len}");
        }
    }
}
