//! Holes: five bytes of padding that nobody executes, within reach of a short
//! jump.
//!
//! Padding is dead when it follows an instruction that does not go on, and no
//! branch of the function leads into it. Branches of *other* functions are not
//! looked for: compilers align what is jumped to, so they lead behind padding,
//! never into it; and the same holds of the entries of jump tables.

use core::ops::Range;

use crate::code_map::{CodeMap, Function};
use crate::decode::{Flow, begins_padding, decode, length, padding_len};
use crate::list::Recent;
use crate::patch::JUMP;
use crate::plan::Text;
use crate::scan::SITE_LEN;
use crate::survey::Survey;

/// Padding between functions is at most this long; more may be something else.
const LONGEST_GAP: u64 = 64;
/// The function before is only decoded up to this length.
const LONGEST_LOOK: u64 = 1 << 16;
/// A hole lies within this distance of its site.
pub(crate) const FAR: u64 = 140;

/// Gives padding away, five bytes at a time.
pub(crate) struct Holes {
    /// What is given away. Sites come in address order and take only what is
    /// near, so what is older than these does not matter.
    taken: Recent<(u64, u64), 64>,
    /// Start of the last function that was looked at from the next one, and
    /// whether it ends for good.
    looked_at: Option<(u64, bool)>,
}

/// Padding around a function, as far as it is known to be dead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// `None` until it is asked for.
    pub before: Option<Option<Range<u64>>>,
    pub after: Option<Range<u64>>,
}

impl Holes {
    pub(crate) fn new() -> Self {
        Self { taken: Recent::new((0, 0)), looked_at: None }
    }

    /// The padding behind a surveyed function.
    pub(crate) fn gaps(
        &mut self,
        text: &Text<'_>,
        code: &CodeMap<'_>,
        function: &Function,
        survey: &Survey,
    ) -> Gaps {
        let next = code.start_after(function);
        let after =
            next.filter(|_| ends(survey)).and_then(|next| gap(text, function.range.end..next));
        Gaps { after, ..Gaps::default() }
    }

    /// The padding before a function; this takes decoding another one.
    pub(crate) fn look_before(
        &mut self,
        text: &Text<'_>,
        code: &CodeMap<'_>,
        function: &Function,
    ) -> Option<Range<u64>> {
        let before = code.before(function)?;
        let gap = gap(text, before.range.end..function.range.start)?;
        self.function_ends(text, &before).then_some(gap)
    }

    /// Takes a hole for a site, in the function or behind it.
    pub(crate) fn take(&mut self, survey: &Survey, gaps: &Gaps, site: u64) -> Option<u64> {
        let dead = survey.dead.as_slice().iter().map(|(start, end)| *start..*end);
        let mut runs = dead.chain(gaps.after.clone());
        let hole = runs.find_map(|run| self.free_in(&run, survey, site))?;
        self.reserve(hole..hole + JUMP);
        Some(hole)
    }

    /// The same, in padding before the function.
    pub(crate) fn take_before(
        &mut self,
        survey: &Survey,
        gap: &Range<u64>,
        site: u64,
    ) -> Option<u64> {
        let hole = self.free_in(gap, survey, site)?;
        self.reserve(hole..hole + JUMP);
        Some(hole)
    }

    /// Marks padding as given away.
    pub(crate) fn reserve(&mut self, range: Range<u64>) {
        self.taken.push((range.start, range.end));
    }

    /// Padding that follows `address` directly and that nobody has, without
    /// anything that a branch leads to.
    pub(crate) fn free_behind(
        &self,
        survey: &Survey,
        gaps: &Gaps,
        address: u64,
    ) -> Option<Range<u64>> {
        let dead = survey.dead.as_slice().iter().map(|(start, end)| *start..*end);
        let run = dead.chain(gaps.after.clone()).find(|run| run.start == address)?;
        let is_taken = self.clash(address, &run).is_some();
        let is_entered = survey.targets.as_slice().iter().any(|target| run.contains(target));
        (!is_taken && !is_entered).then_some(run)
    }

    fn free_in(&self, run: &Range<u64>, survey: &Survey, site: u64) -> Option<u64> {
        let is_entered = || survey.targets.as_slice().iter().any(|target| run.contains(target));
        if run.end - run.start < JUMP || is_entered() {
            return None;
        }
        let next = site + SITE_LEN;
        let mut hole = run.start.max(next.saturating_sub(128));
        while hole + JUMP <= run.end && hole <= next + 127 {
            match self.clash(site, &(hole..hole + JUMP)) {
                None => return Some(hole),
                Some(end) => hole = end,
            }
        }
        None
    }

    /// The end of what is taken in a range near a site.
    fn clash(&self, site: u64, range: &Range<u64>) -> Option<u64> {
        self.taken
            .newest_first()
            .take_while(|(start, _)| start + 4 * FAR >= site)
            .find(|(start, end)| *start < range.end && range.start < *end)
            .map(|(_, end)| end)
    }

    /// Whether a function's end is not passed.
    fn function_ends(&mut self, text: &Text<'_>, function: &Function) -> bool {
        match self.looked_at {
            Some((start, ends)) if start == function.range.start => ends,
            _ => {
                let ends = decodes_to_an_end(text, &function.range);
                self.looked_at = Some((function.range.start, ends));
                ends
            }
        }
    }
}

/// Whether the end of a surveyed function is not passed.
fn ends(survey: &Survey) -> bool {
    survey.complete && !survey.falls_out
}

/// A call at the end is one that does not return.
fn falls_out(last: Flow) -> bool {
    last.goes_on() && !matches!(last, Flow::Call(_) | Flow::IndirectCall)
}

fn decodes_to_an_end(text: &Text<'_>, range: &Range<u64>) -> bool {
    let Some(bytes) = text.from(range).filter(|_| range.end - range.start < LONGEST_LOOK) else {
        return false;
    };
    let mut address = range.start;
    let mut last = address;
    let rest = |address| bytes.get((address - range.start) as usize..).unwrap_or(&[]);
    while address < range.end {
        let is_padding = || decode(rest(address), address).is_some_and(|it| it.flow.is_padding());
        if !begins_padding(rest(address)) || !is_padding() {
            last = address;
        }
        let Some(len) = length(rest(address)) else {
            return false;
        };
        address += len as u64;
    }
    let does_end = || decode(rest(last), last).is_some_and(|it| !falls_out(it.flow));
    address == range.end && does_end()
}

/// The bytes between two functions, if all are padding.
fn gap(text: &Text<'_>, range: Range<u64>) -> Option<Range<u64>> {
    if range.end <= range.start || range.end - range.start > LONGEST_GAP {
        return None;
    }
    let bytes = text.from(&range)?;
    let mut address = range.start;
    while address < range.end {
        let rest = bytes.get((address - range.start) as usize..)?;
        address += match rest.first_chunk().map_or(0, padding_len) {
            0 => decode(rest, address).filter(|it| it.flow.is_padding())?.len.into(),
            len => len as u64,
        };
    }
    (address == range.end).then_some(range)
}
