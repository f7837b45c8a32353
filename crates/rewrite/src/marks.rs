//! A set of addresses of one function.

use core::ops::Range;

const WORDS: usize = 1025;
const WORD: u64 = u64::BITS as u64;

/// The function's addresses up to 64 KiB behind its start, a bit for each; it
/// does not remember others.
pub(crate) struct Marks {
    start: u64,
    words: [u64; WORDS],
    /// Words that may not be 0.
    used: usize,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self { start: 0, words: [0; WORDS], used: 0 }
    }

    /// Empties the set, for the function at this address.
    pub(crate) fn clear(&mut self, start: u64) {
        for word in self.words.iter_mut().take(self.used) {
            *word = 0;
        }
        self.start = start;
        self.used = 0;
    }

    /// Adds an address; whether it was added.
    pub(crate) fn insert(&mut self, address: u64) -> bool {
        self.insert_if(address, address >= self.start)
    }

    /// The same, if the address is wanted, without a branch; it is none before the start.
    #[inline(always)]
    pub(crate) fn insert_if(&mut self, address: u64, is_wanted: bool) -> bool {
        let offset = address.wrapping_sub(self.start);
        // The last word is never used, so that two can be read.
        let index = (offset / WORD).min(WORDS as u64 - 1) as usize;
        let is_wanted = is_wanted & (index < WORDS - 1);
        let bit = u64::from(is_wanted) << (offset % WORD);
        let word = &mut self.words[index.min(WORDS - 1)];
        let is_new = is_wanted & (*word & bit == 0);
        *word |= bit;
        self.used = self.used.max((index + 1) * usize::from(is_wanted));
        is_new
    }

    pub(crate) fn contains(&self, address: u64) -> bool {
        let word = self.place(address).and_then(|(index, bit)| Some(self.words.get(index)? & bit));
        word.is_some_and(|bit| bit != 0)
    }

    /// The first address in the set of a range shorter than a word.
    pub(crate) fn first_in(&self, range: Range<u64>) -> Option<u64> {
        let len = range.end.checked_sub(range.start).filter(|len| (1..WORD).contains(len))?;
        let offset = range.start.checked_sub(self.start)?;
        let index = usize::try_from(offset / WORD).ok()?;
        let [low, high] = *self.words.get(index..)?.first_chunk()?;
        let both = u128::from(low) | u128::from(high) << WORD;
        let bits = (both >> (offset % WORD)) as u64 & ((1 << len) - 1);
        (bits != 0).then(|| range.start + u64::from(bits.trailing_zeros()))
    }

    /// The first address in the set from this one on.
    pub(crate) fn next_from(&self, address: u64) -> Option<u64> {
        let (index, bit) = self.place(address)?;
        let used = self.words.get(..self.used)?;
        let (first, rest) = used.get(index..)?.split_first()?;
        let first = (first & bit.wrapping_neg(), index);
        let rest = rest.iter().copied().zip(index + 1..);
        let (word, index) = core::iter::once(first).chain(rest).find(|(word, _)| *word != 0)?;
        Some(self.start + index as u64 * WORD + u64::from(word.trailing_zeros()))
    }

    fn place(&self, address: u64) -> Option<(usize, u64)> {
        let offset = address.checked_sub(self.start)?;
        let index = usize::try_from(offset / WORD).ok()?;
        (index < WORDS - 1).then_some((index, 1 << (offset % WORD)))
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;

    #[test]
    fn the_first_of_a_range_is_found_across_words() {
        let mut marks = Marks::new();
        for at in [0, 1, 62, 63, 64, 65, 127, 128, 65_535] {
            marks.clear(1000);
            assert!(marks.insert(1000 + at) && !marks.insert(1000 + at));
            assert!(marks.contains(1000 + at) && !marks.contains(1001 + at));
            for before in 0..15_u64 {
                let start = (1000 + at).saturating_sub(before);
                let expected = (start >= 1000).then_some(1000 + at);
                assert_eq!(marks.first_in(start..start + 15), expected, "{at} {before}");
                assert_eq!(marks.next_from(start), expected, "{at} {before}");
            }
            assert_eq!(marks.first_in(1001 + at..1016 + at), None);
            assert_eq!(marks.next_from(1001 + at), None);
            assert_eq!(marks.next_from(1000), Some(1000 + at));
        }
        assert!(!marks.insert(999) && !marks.insert(1000 + 65_536) && !marks.insert(u64::MAX));
    }
}
