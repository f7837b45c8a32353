//! The file of plans: what becomes of the sites of files, found out before they are
//! executed.
//!
//! `interceptor plan` writes it; the runtime reads it at start-up and does not search
//! the text of files that it knows. The file is read, never mapped: it may be cut short at any
//! time. All numbers are little-endian words.
//!
//! A [`Header`], then [`Header::slots`] [`Entry`]s, then the plans, a word for each
//! site. An entry lies in one of the [`PROBES`] slots from [`slot_of`] its inode on, so that
//! one read finds it; a slot without an inode is empty.
//!
//! What is kept is a plan for bytes that are known to be the same: an entry names the inode
//! of the file, its size, and when it was changed last. A sum tells whether an entry and its
//! plans are whole, another one whether the text that is to be replaced is as it was.

use core::mem::size_of;

/// First word of the file: "INTRPLAN" in ASCII.
pub const MAGIC: u64 = u64::from_le_bytes(*b"INTRPLAN");

/// Grows with every change to a type in this module.
pub const VERSION: u64 = 1;

/// Slots in which an entry may be.
pub const PROBES: usize = 8;

/// Sites that an entry may have. A text with more is not kept.
pub const SITES: usize = 2048;

/// Where the file is, beside the directory that holds the runtime.
pub const FILE: &str = "interceptor/plans";

/// The beginning of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of what has planned; others' plans are not used.
    pub planner: u64,
    /// Number of slots, a power of two and at least [`PROBES`].
    pub slots: u64,
}

/// What is known of one executable segment of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Entry {
    /// Inode of the file, as `/proc/self/maps` shows it.
    pub inode: u64,
    /// Where the segment begins in the file, in bytes.
    pub offset: u64,
    /// Its length, in bytes: whole pages.
    pub len: u64,
    /// What stat(2) tells of the file.
    pub state: State,
    /// Where its plans begin in this file, in bytes.
    pub plans: u64,
    /// How many there are.
    pub count: u64,
    /// Sum of the bytes that are to be replaced.
    pub text: u64,
    /// Sum of all that and the plans.
    pub sum: u64,
}

/// By what a file is known to be as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// Its inode, which need not be the one that a mapping shows.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When it was modified last, seconds and nanoseconds.
    pub modified: [u64; 2],
    /// When anything of it was changed last, which no program can set.
    pub changed: [u64; 2],
}

/// Words of a header.
const HEADER_WORDS: usize = 4;
/// Words of an entry.
const ENTRY_WORDS: usize = size_of::<Entry>() / size_of::<u64>();

impl Header {
    /// Size of a header in bytes.
    pub const SIZE: usize = HEADER_WORDS * size_of::<u64>();

    /// The header as it is in the file.
    pub fn to_words(self) -> [u64; HEADER_WORDS] {
        [MAGIC, VERSION, self.planner, self.slots]
    }

    /// What the first words of a file say; `None` if it is no such file, or one of another version.
    pub fn from_words(words: [u64; HEADER_WORDS]) -> Option<Self> {
        let [magic, version, planner, slots] = words;
        let is_usable = slots.is_power_of_two() && slots >= PROBES as u64 && slots < 1 << 32;
        (magic == MAGIC && version == VERSION && is_usable).then_some(Self { planner, slots })
    }

    /// Where in the file the entry of an inode may be: the first of its slots.
    pub fn place_of(&self, inode: u64) -> u64 {
        Self::SIZE as u64 + slot_of(inode, self.slots) * size_of::<Entry>() as u64
    }
}

/// The first slot of the entry of an inode. The last ones have others behind them that
/// nobody begins at.
pub fn slot_of(inode: u64, slots: u64) -> u64 {
    let mut sum = Sum::default();
    sum.add(inode);
    (sum.0 >> 32) % (slots - PROBES as u64 + 1)
}

impl Entry {
    /// The entry as it is in the file.
    pub fn to_words(self) -> [u64; ENTRY_WORDS] {
        let State { inode, size, modified, changed } = self.state;
        let ([m, m_ns], [c, c_ns]) = (modified, changed);
        let place = [self.inode, self.offset, self.len];
        let [a, b, l] = place;
        [a, b, l, inode, size, m, m_ns, c, c_ns, self.plans, self.count, self.text, self.sum]
    }

    /// The entry that words of the file are.
    pub fn from_words(words: [u64; ENTRY_WORDS]) -> Self {
        let [inode, offset, len, i, size, m, m_ns, c, c_ns, plans, count, text, sum] = words;
        let state = State { inode: i, size, modified: [m, m_ns], changed: [c, c_ns] };
        Self { inode, offset, len, state, plans, count, text, sum }
    }

    /// The sum that it should have, but for its plans, which are to be added.
    pub fn sum_without_plans(&self) -> Sum {
        let mut sum = Sum::default();
        let [words @ .., _] = self.to_words();
        for word in words {
            sum.add(word);
        }
        sum
    }
}

/// A sum of words, which tells damage, not malice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub u64);

impl Sum {
    /// Adds a word.
    pub fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Adds bytes, and how many there are.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, byte) in last.iter_mut().zip(rest) {
            *to = *byte;
        }
        self.add(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 57);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_again_in_its_words() {
        let words = core::array::from_fn(|n| n as u64 + 1);
        let entry = Entry::from_words(words);
        assert_eq!(entry.to_words(), words);
        assert_eq!(size_of::<Entry>(), size_of_val(&words));
    }

    #[test]
    fn a_header_of_another_kind_is_none() {
        let words = Header { planner: 7, slots: 16 }.to_words();
        assert_eq!(Header::from_words(words), Some(Header { planner: 7, slots: 16 }));
        for (at, word) in [(0, MAGIC + 1), (1, VERSION + 1), (3, 0), (3, 4), (3, 24), (3, 1 << 40)]
        {
            let mut words = words;
            words[at] = word;
            assert_eq!(Header::from_words(words), None, "word {at} is {word}");
        }
    }

    #[test]
    fn all_slots_of_an_inode_are_there() {
        for inode in 0..10_000 {
            assert!(slot_of(inode, 16) as usize + PROBES <= 16);
        }
    }

    #[test]
    fn each_changed_byte_changes_the_sum() {
        let sum_of = |bytes: &[u8]| {
            let mut sum = Sum::default();
            sum.add_bytes(bytes);
            sum
        };
        let bytes = *b"instructions";
        for at in 0..bytes.len() {
            let mut changed = bytes;
            changed[at] ^= 0x40;
            assert_ne!(sum_of(&bytes), sum_of(&changed));
        }
        assert_ne!(sum_of(b""), sum_of(b"\0"));
    }
}
