//! A set of system call numbers, and its numeric notation.

use core::fmt;

use crate::call::NUMBERS;

const WORDS: usize = NUMBERS / 64;

/// A set of system call numbers below 512.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSet([u64; WORDS]);

/// What is wrong with a list of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumbersError<'a> {
    /// The item that is neither a number nor a range below 512.
    pub item: &'a str,
}

#[allow(
    clippy::indexing_slicing,
    reason = "the number is checked before, and iterators are not const"
)]
impl CallSet {
    /// No number.
    pub const EMPTY: CallSet = CallSet([0; WORDS]);
    /// Every number.
    pub const ALL: CallSet = CallSet([u64::MAX; WORDS]);

    /// Whether the number is a member. Numbers from 512 are members of no set.
    #[inline]
    pub const fn contains(&self, nr: u64) -> bool {
        nr < NUMBERS as u64 && self.0[nr as usize / 64] >> (nr % 64) & 1 != 0
    }

    /// Adds a number; one from 512 changes nothing.
    pub const fn insert(&mut self, nr: u64) {
        if nr < NUMBERS as u64 {
            self.0[nr as usize / 64] |= 1 << (nr % 64);
        }
    }

    /// Takes a number out.
    pub const fn remove(&mut self, nr: u64) {
        if nr < NUMBERS as u64 {
            self.0[nr as usize / 64] &= !(1 << (nr % 64));
        }
    }

    /// Adds all members of another set.
    pub fn add(&mut self, other: &CallSet) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// Takes out all members of another set.
    pub fn subtract(&mut self, other: &CallSet) {
        for (word, less) in self.0.iter_mut().zip(other.0) {
            *word &= !less;
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// All members, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..NUMBERS as u64).filter(|&nr| self.contains(nr))
    }

    /// Reads the numeric notation: numbers and inclusive ranges, decimal,
    /// separated by commas, such as `0-2,59`. Nothing at all is the empty set.
    pub fn parse_numbers(text: &str) -> Result<CallSet, NumbersError<'_>> {
        let mut set = CallSet::EMPTY;
        if text.is_empty() {
            return Ok(set);
        }
        for item in text.split(',') {
            let wrong = NumbersError { item };
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let first = number(first).ok_or(wrong)?;
            let last = number(last).ok_or(wrong)?;
            if first > last {
                return Err(wrong);
            }
            for nr in first..=last {
                set.insert(nr);
            }
        }
        Ok(set)
    }

    /// Writes what [`CallSet::parse_numbers`] reads.
    pub fn write_numbers(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let mut separator = "";
        let mut nr = 0;
        while nr < NUMBERS as u64 {
            if !self.contains(nr) {
                nr += 1;
                continue;
            }
            let first = nr;
            while self.contains(nr + 1) {
                nr += 1;
            }
            if first == nr {
                write!(out, "{separator}{first}")?;
            } else {
                write!(out, "{separator}{first}-{nr}")?;
            }
            separator = ",";
            nr += 1;
        }
        Ok(())
    }
}

/// The numeric notation.
impl fmt::Display for CallSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_numbers(f)
    }
}

impl fmt::Display for NumbersError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no number or range of numbers below {NUMBERS}", self.item)
    }
}

impl core::error::Error for NumbersError<'_> {}

fn number(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&nr| nr < NUMBERS as u64)
}
