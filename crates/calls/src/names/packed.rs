//! All sets of names, so packed that a shared library that contains them has
//! nothing to relocate.

use super::{MODULES, Module, Names};
use crate::letters::{self, Word, Words};
use crate::pack::{Place, short};

/// Where a set is.
#[derive(Clone, Copy)]
struct Set {
    unknown: Place,
    /// What all its names begin with. Behind it comes what they go on with.
    prefix: Place,
    /// Index of its first value.
    first: u16,
    count: u8,
    /// Some of its values are in [`WIDE`], too.
    is_wide: bool,
}

/// The bits from the 16th on of the value at an index, of which the last one goes on for ever.
#[derive(Clone, Copy)]
#[repr(C, packed)] // six bytes: there are many
struct Wide {
    index: u16,
    high: i32,
}

struct Packed {
    sets: [Set; SIZES.sets],
    values: [u16; SIZES.names],
    wide: [Wide; SIZES.wide],
    /// Of the values' names, without what all of a set begin with.
    lengths: [u8; SIZES.names],
    words: Words<{ letters::size(SIZES.letters) }>,
}

struct Sizes {
    sets: usize,
    names: usize,
    /// Of the values, those that need more than 16 bits.
    wide: usize,
    letters: usize,
}

const SIZES: Sizes = sizes(MODULES);
const PACKED: Packed = packed(MODULES);

static SETS: [Set; SIZES.sets] = PACKED.sets;
/// The lowest 16 bits of the values: most have no others.
static VALUES: [u16; SIZES.names] = PACKED.values;
/// The others of those that have, in the order of the indices.
static WIDE: [Wide; SIZES.wide] = PACKED.wide;
static LENGTHS: [u8; SIZES.names] = PACKED.lengths;
static WORDS: Words<{ letters::size(SIZES.letters) }> = PACKED.words;

const fn sizes(mut modules: &[Module]) -> Sizes {
    let mut sizes = Sizes { sets: 0, names: 0, wide: 0, letters: 0 };
    while let [module, more_modules @ ..] = modules {
        let mut sets = module.sets;
        while let [set, more_sets @ ..] = sets {
            sizes.sets += 1;
            sizes.letters += set.unknown.len();
            let mut names = set.names;
            let prefix = common_prefix(names).len();
            sizes.letters += prefix;
            while let [(name, value), more_names @ ..] = names {
                sizes.names += 1;
                sizes.wide += (*value >> 16 != 0) as usize;
                sizes.letters += name.len() - prefix;
                names = more_names;
            }
            sets = more_sets;
        }
        modules = more_modules;
    }
    sizes
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn packed(mut modules: &[Module]) -> Packed {
    let mut words = Words::new();
    let none = Place::NONE;
    let mut sets =
        [Set { unknown: none, prefix: none, first: 0, count: 0, is_wide: false }; SIZES.sets];
    let mut values = [0; SIZES.names];
    let mut wide = [Wide { index: 0, high: 0 }; SIZES.wide];
    let mut lengths = [0; SIZES.names];
    let (mut set, mut value, mut wides) = (0, 0, 0);
    while let [module, more_modules @ ..] = modules {
        let mut declared_sets = module.sets;
        while let [declared, more_sets @ ..] = declared_sets {
            let unknown = words.put(declared.unknown.as_bytes());
            let prefix = common_prefix(declared.names);
            sets[set] = Set {
                unknown,
                prefix: words.put(prefix),
                first: value as u16,
                count: short(declared.names.len()),
                is_wide: false,
            };
            let mut names = declared.names;
            while let [(name, named), more_names @ ..] = names {
                let (_, rest) = name.as_bytes().split_at(prefix.len());
                words.put(rest);
                values[value] = *named as u16;
                if *named >> 16 != 0 {
                    wide[wides] = Wide { index: value as u16, high: (*named >> 16) as i32 };
                    assert!(wide[wides].high as i64 == *named as i64 >> 16, "a value of 49 bits");
                    wides += 1;
                    sets[set].is_wide = true;
                }
                lengths[value] = short(rest.len());
                value += 1;
                names = more_names;
            }
            set += 1;
            declared_sets = more_sets;
        }
        modules = more_modules;
    }
    Packed { sets, values, wide, lengths, words }
}

/// A name, in two pieces: sets have names that begin alike.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    prefix: Place,
    rest: Place,
}

impl Name {
    pub(super) fn prefix(self) -> Word {
        WORDS.at(self.prefix)
    }

    pub(super) fn rest(self) -> Word {
        WORDS.at(self.rest)
    }
}

impl Names {
    /// The set with this index among those of the module with this path.
    pub(super) const fn declared(path: &str, mut index: usize) -> Names {
        let mut modules = MODULES;
        while let [module, more @ ..] = modules
            && !is_same(module.path, path)
        {
            index += module.sets.len();
            modules = more;
        }
        assert!(!modules.is_empty(), "a module that is not among all");
        Names(short(index))
    }

    /// What stands for a value without a name, such as `O_???`.
    pub(super) fn unknown(self) -> Word {
        WORDS.at(self.set().map_or(Place::NONE, |set| set.unknown))
    }

    /// The name of exactly this value.
    pub(crate) fn name(self, value: u64) -> Option<Name> {
        self.iter().find(|(candidate, _)| *candidate == value).map(|(_, name)| name)
    }

    /// All values with their names.
    pub(super) fn iter(self) -> impl Iterator<Item = (u64, Name)> {
        let set = self.set();
        let prefix = set.map_or(Place::NONE, |set| set.prefix);
        let mut end = prefix.end();
        set.into_iter().flat_map(Set::entries).map(move |(value, length)| {
            let rest = Place::new(end, length);
            end = rest.end();
            (value, Name { prefix, rest })
        })
    }

    fn set(self) -> Option<&'static Set> {
        SETS.get(usize::from(self.0))
    }
}

impl Set {
    /// Its values, and the lengths of what their names go on with.
    fn entries(&self) -> impl Iterator<Item = (u64, u8)> + use<> {
        let (first, is_wide) = (usize::from(self.first), self.is_wide);
        (first..first + usize::from(self.count)).filter_map(move |index| {
            let low = u64::from(*VALUES.get(index)?);
            let high = if is_wide { high_bits(index) } else { 0 };
            Some((high << 16 | low, *LENGTHS.get(index)?))
        })
    }
}

/// The value at an index, from the 16th bit on.
fn high_bits(index: usize) -> u64 {
    let found = WIDE.binary_search_by_key(&index, |wide| usize::from(wide.index));
    found.ok().and_then(|at| WIDE.get(at)).map_or(0, |wide| i64::from(wide.high) as u64)
}

/// What all names begin with.
const fn common_prefix(names: &'static [(&'static str, u64)]) -> &'static [u8] {
    let [(first, _), rest @ ..] = names else {
        return b"";
    };
    let mut prefix = first.as_bytes();
    let mut names = rest;
    while let [(name, _), more @ ..] = names {
        let length = length_in_common(prefix, name.as_bytes());
        prefix = prefix.split_at(length).0;
        names = more;
    }
    prefix
}

const fn length_in_common(mut a: &[u8], mut b: &[u8]) -> usize {
    let mut length = 0;
    while let ([x, more_a @ ..], [y, more_b @ ..]) = (a, b)
        && *x == *y
    {
        length += 1;
        (a, b) = (more_a, more_b);
    }
    length
}

const fn is_same(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let ([x, more_a @ ..], [y, more_b @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (more_a, more_b);
    }
    a.is_empty() && b.is_empty()
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn whole(name: Name) -> String {
        format!("{}{}", name.prefix().as_str(), name.rest().as_str())
    }

    #[test]
    fn a_set_has_the_names_that_its_module_declares() {
        for module in MODULES {
            for (index, declared) in module.sets.iter().enumerate() {
                let set = Names::declared(module.path, index);
                let names: Vec<_> = set.iter().map(|(value, name)| (whole(name), value)).collect();
                let declared_names: Vec<_> =
                    declared.names.iter().map(|(name, value)| ((*name).into(), *value)).collect();
                assert_eq!(names, declared_names);
                assert_eq!(set.unknown().as_str(), declared.unknown);
            }
        }
    }

    #[test]
    fn a_value_has_the_first_name_that_is_declared_for_it() {
        for module in MODULES {
            for (index, declared) in module.sets.iter().enumerate() {
                let set = Names::declared(module.path, index);
                for &(_, value) in declared.names {
                    let first = declared.names.iter().find(|(_, named)| *named == value);
                    assert_eq!(set.name(value).map(whole), first.map(|&(name, _)| name.into()));
                }
            }
        }
    }
}
