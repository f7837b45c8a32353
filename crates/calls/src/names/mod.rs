//! Names of constants: sets of flags that are or-ed, and choices of one.

pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod processes;
pub(crate) mod system;

use crate::line::Line;

/// Named values of one kind.
///
/// The names stand in one string, in the order of the values, and not in a slice
/// of references: then a shared library that contains them has nothing to
/// relocate when it is loaded.
pub(crate) struct Names {
    /// Stands for what has no name, such as `O_???`.
    pub(crate) unknown: &'static str,
    pub(crate) text: &'static str,
    /// Each value with the length of its name.
    pub(crate) values: &'static [(u64, u8)],
}

/// Declares [`Names`]: `NAME "unknown": ONE = 1, TWO = 2;`. Among flags, those of
/// several bits come before their parts.
macro_rules! names {
    ($($table:ident $unknown:literal: $($name:ident = $value:literal),* $(,)?;)*) => {
        $(pub(crate) static $table: $crate::names::Names = $crate::names::Names {
            unknown: $unknown,
            text: concat!($(stringify!($name)),*),
            values: &[$(($value, stringify!($name).len() as u8)),*],
        };)*
    };
}

use names;

impl Names {
    fn iter(&self) -> impl Iterator<Item = (u64, &'static str)> + '_ {
        let mut rest = self.text;
        self.values.iter().map(move |&(value, length)| {
            let (name, after) = rest.split_at_checked(length.into()).unwrap_or((rest, ""));
            rest = after;
            (value, name)
        })
    }

    /// The name of exactly this value.
    pub(crate) fn name(&self, value: u64) -> Option<&'static str> {
        self.iter().find(|&(candidate, _)| candidate == value).map(|(_, name)| name)
    }
}

impl Line<'_> {
    /// One of several values: its name, or the number.
    pub(crate) fn choice(&mut self, names: &Names, value: u64) -> &mut Self {
        match names.name(value) {
            Some(name) => self.text(name),
            None => self.hex(value).text(" /* ").text(names.unknown).text(" */"),
        }
    }

    /// Or-ed flags: names, then what has none.
    pub(crate) fn flags(&mut self, names: &Names, value: u64) -> &mut Self {
        if value == 0 {
            return match names.name(0) {
                Some(name) => self.text(name),
                None => self.text("0"),
            };
        }
        let left = self.known_flags(names, value, "");
        match left {
            0 => self,
            _ if left == value => self.hex(left).text(" /* ").text(names.unknown).text(" */"),
            _ => self.text("|").hex(left),
        }
    }

    /// A choice among the values of some bits, or-ed with flags in the others.
    pub(crate) fn mixed(
        &mut self,
        choices: &Names,
        mask: u64,
        names: &Names,
        value: u64,
    ) -> &mut Self {
        self.choice(choices, value & mask);
        let left = self.known_flags(names, value & !mask, "|");
        match left {
            0 => self,
            _ => self.text("|").hex(left),
        }
    }

    /// Writes the names of flags, with `before` before the first, and returns the
    /// bits that have none.
    pub(crate) fn known_flags(&mut self, names: &Names, value: u64, before: &'static str) -> u64 {
        let mut left = value;
        let mut separator = before;
        for (flag, name) in names.iter() {
            if flag != 0 && left & flag == flag {
                self.text(separator).text(name);
                separator = "|";
                left &= !flag;
            }
        }
        left
    }
}
