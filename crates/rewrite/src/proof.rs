//! Proves what is an instruction: passes over a function until no pass can
//! learn more.

use crate::code_map::{CodeMap, Extent, Function};
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
        let range = &function.range;
        if function.extent == Extent::Span || range.end - range.start > LONGEST {
            return None;
        }
        let bytes = self.text.from(range)?;
        let mut survey = Survey::new();
        survey.start(range);
        survey.add(address, None, Status::Unreached);
        examine(&mut survey, &function, bytes, self.memory);
        let site = survey.sites.as_slice().first()?;
        Some(site.status == Status::Inside)
    }
}
