//! Proves what is an instruction: passes over a function until no pass can
//! learn more.

use core::ops::Range;

use crate::code_map::{ALIGNMENT, CodeMap, Extent, Function};
use crate::inbound;
use crate::indirect::Memory;
use crate::list::List;
use crate::plan::Text;
use crate::survey::{Status, Survey, Trust};

/// Passes over one function at most, after the first.
const PASSES: usize = 8;
/// Longer stretches without names take too long to decode.
const LONGEST_SPAN: u64 = 1 << 18;
/// Functions longer than this are not decoded for the sake of one jump.
const LONGEST: u64 = 1 << 16;

/// Passes over the function, which `bytes` starts with.
pub(crate) fn examine(survey: &mut Survey, function: &Function, bytes: &[u8], memory: &Memory<'_>) {
    let trust = match function.extent {
        Extent::Span => Trust::Linear,
        _ => Trust::Branches,
    };
    let len = function.range.end.saturating_sub(function.range.start);
    let is_too_long = function.extent == Extent::Span && len > LONGEST_SPAN;
    if !survey.is_open() || is_too_long {
        return;
    }
    survey.pass(bytes, &function.range, memory, trust);
    for _ in 0..PASSES {
        if !survey.has_doubts() {
            break;
        }
        if !survey.can_learn() {
            prove_by_tables(survey, function, memory);
        }
        if !survey.can_learn() {
            break;
        }
        if !survey.settle(bytes, &function.range, memory) {
            survey.pass(bytes, &function.range, memory, trust);
        }
    }
}

/// Proves what jump tables and landing pads lead to, where it is the start of
/// bytes in doubt.
fn prove_by_tables(survey: &mut Survey, function: &Function, memory: &Memory<'_>) {
    let mut proven = List::<_, 64>::new(0);
    // What is found is found, even if there may be more.
    let _ = memory.for_each_target(function, survey, &mut |target| {
        if survey.has_doubt_at(target) {
            proven.insert(target);
        }
    });
    for target in proven.as_slice() {
        survey.prove(*target);
    }
}

/// Tells bytes that look like a jump from jumps. Remembers the last answer,
/// since several sites may ask.
pub(crate) struct Witness<'w> {
    text: &'w Text<'w>,
    code: &'w CodeMap<'w>,
    memory: &'w Memory<'w>,
    last: Option<(u64, bool)>,
}

impl<'w> Witness<'w> {
    pub(crate) fn new(text: &'w Text<'w>, code: &'w CodeMap<'w>, memory: &'w Memory<'w>) -> Self {
        Self { text, code, memory, last: None }
    }

    /// Calls `note` with where other parts of a function lead by tables, if it has some: compilers
    /// put unlikely code apart, and a `switch` there leads back. `None` if there may be others.
    #[inline(never)]
    pub(crate) fn for_each_target_of_parts(
        &mut self,
        function: &Function,
        survey: &Survey,
        note: &mut dyn FnMut(u64),
    ) -> Option<()> {
        if !survey.jumps_out {
            return Some(());
        }
        let range = &function.range;
        let bytes = self.text.slice(range)?;
        let mut last = 0..0;
        for (source, target) in inbound::outbound(bytes, range) {
            if last.contains(&target) {
                continue;
            }
            let Some(other) = self.code.framed_at(target) else {
                continue;
            };
            // Others are functions that are called last, which no condition does. Unlikely parts
            // are not aligned, and may go back to the middle.
            let at = (source - range.start) as usize;
            let is_branch = bytes.get(at) == Some(&0x0f);
            let is_unlikely = |start: u64| !start.is_multiple_of(ALIGNMENT);
            let is_entered = match target == other.range.start {
                true => is_unlikely(target) || is_branch,
                false => is_unlikely(range.start),
            };
            if other.is_part || (is_entered && !self.is_no_jump(source)) {
                self.for_each_target_of(&other, range, survey, note)?;
                last = other.range;
            }
        }
        Some(())
    }

    #[cold]
    #[inline(never)]
    fn for_each_target_of(
        &self,
        part: &Function,
        function: &Range<u64>,
        survey: &Survey,
        note: &mut dyn FnMut(u64),
    ) -> Option<()> {
        let mut other = Survey::new();
        self.survey(&mut other, part, part.range.end)?;
        if !other.complete {
            return None;
        }
        other.data.as_slice().iter().for_each(|address| note(*address));
        inbound::numbers_in(self.text.slice(&part.range)?, function).for_each(&mut *note);
        if !other.has_indirect_jump && !survey.has_indirect_jump {
            return Some(());
        }
        // Each may jump by what the other one knows.
        let mut has_tables = false;
        for known in [survey, &other] {
            if !known.data.as_slice().is_empty() || !known.indexed.as_slice().is_empty() {
                self.memory.for_each_entry(known, note)?;
                has_tables = true;
            }
        }
        has_tables.then_some(())
    }

    /// Whether the bytes at an address lie within another instruction that is
    /// proven, and so are no jump.
    pub(crate) fn is_no_jump(&mut self, address: u64) -> bool {
        match self.last {
            Some((last, answer)) if last == address => answer,
            _ => {
                let answer = self.look(address).unwrap_or(false);
                self.last = Some((address, answer));
                answer
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn look(&self, address: u64) -> Option<bool> {
        let function = self.code.function_at(address)?;
        let mut survey = Survey::new();
        self.survey(&mut survey, &function, address)?;
        let site = survey.sites.as_slice().first()?;
        Some(site.status == Status::Inside)
    }

    /// Finds out what is known of a function, and of a candidate in it.
    #[inline(never)]
    fn survey(&self, survey: &mut Survey, function: &Function, candidate: u64) -> Option<()> {
        let range = &function.range;
        if function.extent == Extent::Span || range.end - range.start > LONGEST {
            return None;
        }
        let bytes = self.text.from(range)?;
        survey.start(range);
        survey.add(candidate, None, Status::Unreached);
        examine(survey, function, bytes, self.memory);
        Some(())
    }
}
