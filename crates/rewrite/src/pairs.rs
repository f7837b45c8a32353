//! Finds pairs of adjacent bytes, a block at a time.
//!
//! The loop over a block is of a form that compiles to vector code, which plain
//! iteration over pairs is not: ten times faster, and text is megabytes.

/// Positions in a block.
const BLOCK: usize = 64;

/// The offsets at which a byte and its successor fulfil `fits`, in order.
///
/// `fits` must be branchless: comparisons joined by `&` and `|`.
pub(crate) fn find<F>(text: &[u8], fits: F) -> Pairs<'_, F>
where
    F: Fn(u8, u8) -> bool + Copy,
{
    Pairs {
        text,
        fits,
        block: 0,
        word: WORDS,
        marks: [0; WORDS],
    }
}

const WORDS: usize = BLOCK / 8;

/// See [`find`].
pub(crate) struct Pairs<'t, F> {
    text: &'t [u8],
    fits: F,
    /// Offset behind the block that `marks` is of.
    block: usize,
    /// Index of the first word of marks that may not be empty.
    word: usize,
    /// A byte of 1 for each position that fits, eight to a word.
    marks: [u64; WORDS],
}

impl<F: Fn(u8, u8) -> bool + Copy> Iterator for Pairs<'_, F> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            while let Some(word) = self.marks.get_mut(self.word) {
                if *word != 0 {
                    let position = word.trailing_zeros() as usize / 8;
                    *word &= *word - 1;
                    return Some(self.block - BLOCK + self.word * 8 + position);
                }
                self.word += 1;
            }
            self.next_block()?;
        }
    }
}

impl<F: Fn(u8, u8) -> bool + Copy> Pairs<'_, F> {
    /// Marks the next block that has a pair.
    #[inline]
    fn next_block(&mut self) -> Option<()> {
        loop {
            let rest = self.text.get(self.block..)?;
            let marks = match rest.first_chunk::<{ BLOCK + 1 }>() {
                Some(block) => mark(block, self.fits),
                None if rest.len() < 2 => return None,
                None => {
                    // The end of the text.
                    let mut marks = [0; BLOCK];
                    for (pair, mark) in rest.windows(2).zip(&mut marks) {
                        *mark = u8::from((self.fits)(pair[0], pair[1]));
                    }
                    marks
                }
            };
            self.block += BLOCK;
            let words = marks.as_chunks::<8>().0;
            // A fold, since comparing arrays compiles to a call of memcmp.
            if words
                .iter()
                .fold(0, |all, word| all | u64::from_le_bytes(*word))
                != 0
            {
                for (word, eight) in self.marks.iter_mut().zip(words) {
                    *word = u64::from_le_bytes(*eight);
                }
                self.word = 0;
                return Some(());
            }
        }
    }
}

#[inline(always)]
fn mark<F: Fn(u8, u8) -> bool>(block: &[u8; BLOCK + 1], fits: F) -> [u8; BLOCK] {
    let mut marks = [0; BLOCK];
    for (index, mark) in marks.iter_mut().enumerate() {
        *mark = u8::from(fits(block[index], block[index + 1]));
    }
    marks
}
