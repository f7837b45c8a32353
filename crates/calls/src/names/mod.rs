//! Names of constants: sets of flags that are or-ed, and choices of one.

pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod network;
mod packed;
pub(crate) mod processes;
pub(crate) mod system;

use crate::letters::Word;
use crate::line::Line;
use packed::Name;

/// A set of named values of one kind: its index among all sets (`packed`).
#[derive(Clone, Copy)]
pub(crate) struct Names(u8);

/// Declares [`Names`]: `NAME "unknown": ONE = 1, TWO = 2;`. What has no name is
/// shown as unknown, such as `O_???`. Among flags, those of several bits come
/// before their parts.
macro_rules! names {
    ($($set:ident $unknown:literal: $($name:ident = $value:literal),* $(,)?;)*) => {
        pub(super) const DECLARED: $crate::names::Module = $crate::names::Module {
            path: module_path!(),
            sets: &[$($crate::names::Declared {
                unknown: $unknown,
                names: &[$((stringify!($name), $value)),*],
            }),*],
        };

        #[allow(
            non_camel_case_types,
            clippy::upper_case_acronyms,
            reason = "they are called like the constants that they number"
        )]
        enum Index {
            $($set),*
        }

        $(pub(crate) const $set: $crate::names::Names =
            $crate::names::Names::declared(module_path!(), Index::$set as usize);)*
    };
}

use names;

/// All that is declared.
const MODULES: &[Module] = &[
    devices::DECLARED,
    files::DECLARED,
    memory::DECLARED,
    network::DECLARED,
    processes::DECLARED,
    system::DECLARED,
];

/// What a module declares.
struct Module {
    path: &'static str,
    sets: &'static [Declared],
}

/// One set of names, as it is declared.
struct Declared {
    unknown: &'static str,
    names: &'static [(&'static str, u64)],
}

impl Line<'_> {
    /// A name.
    pub(crate) fn name(&mut self, name: Name) -> &mut Self {
        self.word(name.prefix()).word(name.rest())
    }

    fn word(&mut self, word: Word) -> &mut Self {
        self.text(word.as_str())
    }

    /// One of several values: its name, or the number.
    pub(crate) fn choice(&mut self, names: Names, value: u64) -> &mut Self {
        match names.name(value) {
            Some(name) => self.name(name),
            None => self.hex(value).text(" /* ").word(names.unknown()).text(" */"),
        }
    }

    /// Or-ed flags: names, then what has none.
    pub(crate) fn flags(&mut self, names: Names, value: u64) -> &mut Self {
        if value == 0 {
            return match names.name(0) {
                Some(name) => self.name(name),
                None => self.text("0"),
            };
        }
        let left = self.known_flags(names, value, "");
        match left {
            0 => self,
            _ if left == value => self.hex(left).text(" /* ").word(names.unknown()).text(" */"),
            _ => self.text("|").hex(left),
        }
    }

    /// A choice among the values of some bits, or-ed with flags in the others.
    pub(crate) fn mixed(
        &mut self,
        choices: Names,
        mask: u64,
        names: Names,
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
    pub(crate) fn known_flags(&mut self, names: Names, value: u64, before: &'static str) -> u64 {
        let mut left = value;
        let mut separator = before;
        for (flag, name) in names.iter() {
            if flag != 0 && left & flag == flag {
                self.text(separator).name(name);
                separator = "|";
                left &= !flag;
            }
        }
        left
    }
}
