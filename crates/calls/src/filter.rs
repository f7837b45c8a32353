//! Sets of calls as users write them: `open,read,%file,!close`.

use core::fmt;

use crate::call::{all, by_name};
use crate::class::Classes;
use crate::set::CallSet;

/// The word of a filter that names no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterError<'a> {
    /// The word, without `!`.
    pub word: &'a str,
    /// A word that may have been meant.
    pub suggestion: Option<&'static str>,
}

/// Reads a list of words separated by commas.
///
/// A word is the name of a call, its number, a range of numbers, a class after
/// `%`, `all` or `none`; `!` before it takes calls out. A list that begins with
/// `!` starts from all calls, any other from none; words take effect in order.
/// `trace=` before the list is ignored, and so is `!` before all of it in the
/// sense that `trace=!a,b` means all but `a` and `b`, as with `strace`. `?` before
/// a name lets it be unknown.
pub fn parse_filter(text: &str) -> Result<CallSet, FilterError<'_>> {
    let list = text.strip_prefix("trace=").or_else(|| text.strip_prefix("t=")).unwrap_or(text);
    // Only a list whose later words carry no `!` of their own is negated whole.
    if let Some(rest) = list.strip_prefix('!')
        && !rest.contains('!')
    {
        let mut set = CallSet::ALL;
        for word in rest.split(',') {
            set.subtract(&word_set(word)?);
        }
        return Ok(set);
    }
    let mut set = match list.starts_with('!') {
        true => CallSet::ALL,
        false => CallSet::EMPTY,
    };
    for word in list.split(',') {
        match word.strip_prefix('!') {
            Some(word) => set.subtract(&word_set(word)?),
            None => set.add(&word_set(word)?),
        }
    }
    Ok(set)
}

/// A call or class with a name close to `word`.
pub fn suggest(word: &str) -> Option<&'static str> {
    let limit = match word.len() {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    let wanted = word.trim_start_matches('%');
    let calls = all().map(|call| call.name());
    let classes = CLASSES.split(' ').map(|word| (word, word.trim_start_matches('%')));
    let candidates = calls.map(|name| (name, name)).chain(classes);
    candidates
        .map(|(shown, name)| (distance(wanted, name), shown))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, shown)| shown)
}

/// One text, and not references (`pack` says why).
const CLASSES: &str = "%file %desc %network %process %signal %ipc %memory %creds %clock %pure";

fn word_set(word: &str) -> Result<CallSet, FilterError<'_>> {
    let (name, may_be_unknown) = match word.strip_prefix('?') {
        Some(name) => (name, true),
        None => (word, false),
    };
    let mut set = CallSet::EMPTY;
    if let Some(call) = by_name(name) {
        set.insert(call.nr.into());
    } else if let Some(classes) = name.strip_prefix('%').and_then(Classes::named) {
        for call in all().filter(|call| call.classes.intersects(classes)) {
            set.insert(call.nr.into());
        }
    } else if name == "all" {
        set = CallSet::ALL;
    } else if !name.is_empty()
        && let Ok(numbers) = CallSet::parse_numbers(name)
    {
        set = numbers;
    } else if let Some(classes) = Classes::named(name) {
        // `file` for `%file`, as older notation has it.
        for call in all().filter(|call| call.classes.intersects(classes)) {
            set.insert(call.nr.into());
        }
    } else if name != "none" && !may_be_unknown {
        return Err(FilterError { word, suggestion: suggest(name) });
    }
    Ok(set)
}

/// Edit distance with swaps of neighbours; names longer than any call's are far.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 32;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() >= LONGEST || b.len() >= LONGEST {
        return usize::MAX;
    }
    let at = |row: &[u8; LONGEST], index: usize| row.get(index).copied().unwrap_or(u8::MAX);
    let mut before = [0_u8; LONGEST];
    let mut above = [0_u8; LONGEST];
    for (index, cell) in above.iter_mut().enumerate() {
        *cell = index as u8;
    }
    for (i, x) in a.iter().enumerate() {
        let mut row = [0_u8; LONGEST];
        row[0] = i as u8 + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = at(&above, j).saturating_add(u8::from(x != y));
            let mut best =
                changed.min(at(&above, j + 1).saturating_add(1)).min(at(&row, j).saturating_add(1));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1).saturating_add(1));
            }
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
        before = above;
        above = row;
    }
    at(&above, b.len()).into()
}

impl fmt::Display for FilterError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no system call or class of calls", self.word)?;
        match self.suggestion {
            Some(suggestion) => write!(f, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for FilterError<'_> {}
