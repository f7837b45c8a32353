//! Words of 64 different letters, which the compiler packs into six bits each.

use crate::pack::{Place, short};

/// What words may consist of.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_?";
const BITS: usize = 6;
/// No word is longer.
const LONGEST: usize = 40;

/// Words one after another, in `N` bytes.
pub(crate) struct Words<const N: usize> {
    bytes: [u8; N],
    letters: usize,
}

/// One word, unpacked.
pub(crate) struct Word {
    letters: [u8; LONGEST],
    length: usize,
}

/// How many bytes so many letters take. Each is read as a part of two.
pub(crate) const fn size(letters: usize) -> usize {
    (letters * BITS).div_ceil(8) + 1
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
impl<const N: usize> Words<N> {
    pub(crate) const fn new() -> Words<N> {
        Words { bytes: [0; N], letters: 0 }
    }

    /// Puts a word behind the others.
    pub(crate) const fn put(&mut self, word: &[u8]) -> Place {
        assert!(word.len() <= LONGEST, "the word is too long");
        let place = Place::new(self.letters, short(word.len()));
        let mut rest = word;
        while let [letter, more @ ..] = rest {
            let bit = self.letters * BITS;
            let [low, high] = (code(*letter) << (bit % 8)).to_le_bytes();
            self.bytes[bit / 8] |= low;
            self.bytes[bit / 8 + 1] |= high;
            self.letters += 1;
            rest = more;
        }
        place
    }
}

impl<const N: usize> Words<N> {
    /// The word that is there.
    pub(crate) fn at(&self, place: Place) -> Word {
        let mut word = Word { letters: [0; LONGEST], length: 0 };
        let mut bit = place.start() * BITS;
        for to in word.letters.iter_mut().take(place.end() - place.start()) {
            let bytes = self.bytes.get(bit / 8..).and_then(|rest| rest.first_chunk());
            let code = bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes) >> (bit % 8));
            *to = LETTERS.get(usize::from(code % 64)).copied().unwrap_or(0);
            word.length += 1;
            bit += BITS;
        }
        word
    }
}

impl Word {
    pub(crate) fn as_str(&self) -> &str {
        let letters = self.letters.get(..self.length).unwrap_or(&[]);
        core::str::from_utf8(letters).unwrap_or("")
    }
}

/// What a letter is packed as.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn code(letter: u8) -> u16 {
    let mut code = 0;
    while LETTERS[code] != letter {
        code += 1;
    }
    code as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_put() {
        let (first, last) = LETTERS.split_at(LONGEST);
        let mut words = Words::<{ size(64) }>::new();
        let places = [words.put(first), words.put(b""), words.put(last)];
        let [a, b, c] = places.map(|place| words.at(place));
        assert_eq!([a.as_str().as_bytes(), b.as_str().as_bytes()], [first, b""]);
        assert_eq!(c.as_str().as_bytes(), last);
    }
}
