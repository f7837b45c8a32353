//! Decides what to do at each candidate.

use core::cell::Cell;
use core::ops::Range;

use crate::code_map::{CodeMap, Extent, Function};
use crate::glance;
use crate::holes::{FAR, Gaps, Holes};
use crate::inbound;
use crate::indirect::Memory;
use crate::pairs::Width;
use crate::patch::{Patch, Rung};
use crate::proof::{Witness, examine};
use crate::queue::Queue;
use crate::scan::{SITE_LEN, SiteKind, candidates};
use crate::survey::{Site, Status, Survey};
use crate::tables::Data;
use crate::window::{Choices, Entries, Surroundings};

/// The plan for one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SitePlan {
    /// Address of the two bytes.
    pub address: u64,
    /// What they look like.
    pub kind: SiteKind,
    /// What becomes of them.
    pub verdict: Verdict,
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A `syscall`, made to jump.
    Jump(Patch),
    /// A `syscall` that no jump fits.
    Trap,
    /// An instruction that is left alone, or bytes of which nothing is known.
    Missed(Reason),
    /// Bytes inside another instruction, or data.
    NotCode,
}

/// Why a candidate is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No function is known to contain it.
    NoFunction,
    /// It lies before the first function that is known or behind the last,
    /// where linkers put the tables and the constants of an object that has one
    /// segment for both.
    Outside,
    /// Its function does not decode up to it; or, where only the starts of
    /// functions are known, not exactly up to the next start.
    Undecodable,
    /// It looks like an instruction, but nothing that was decoded leads there:
    /// it may be data.
    Unproven,
    /// A `syscall` with prefixes.
    Prefixed,
    /// `int 0x80` or `sysenter`: another system call table.
    OtherAbi,
    /// A signal restorer without unwind information: unwinders and debuggers
    /// know it by its bytes.
    Restorer,
}

/// Executable bytes at their address.
#[derive(Clone, Copy)]
pub struct Text<'t> {
    /// Address of the first byte.
    pub base: u64,
    /// The bytes.
    pub bytes: &'t [u8],
    /// How they are searched.
    pub width: Width,
}

impl<'t> Text<'t> {
    /// The bytes at addresses, if all are there.
    pub(crate) fn slice(&self, range: &Range<u64>) -> Option<&'t [u8]> {
        let from = usize::try_from(range.start.checked_sub(self.base)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.base)?).ok()?;
        self.bytes.get(from..to)
    }

    /// The bytes from the start of a range to the end of the text, if the text
    /// has all of the range.
    pub(crate) fn from(&self, range: &Range<u64>) -> Option<&'t [u8]> {
        self.slice(range)?;
        self.bytes.get(usize::try_from(range.start.checked_sub(self.base)?).ok()?..)
    }

    fn range(&self) -> Range<u64> {
        self.base..self.base.saturating_add(self.bytes.len() as u64)
    }
}

/// Which rungs are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ladder {
    /// All, best first.
    #[default]
    Full,
    /// This one, then the trap.
    Only(Rung),
    /// The trap.
    Trap,
}

impl Ladder {
    fn has(self, rung: Rung) -> bool {
        self == Self::Full || self == Self::Only(rung)
    }
}

/// Plans every candidate of a text, in address order.
///
/// `data` gives the object's data, where jump tables and tables of landing pads
/// are. Without it, sites that only a jump table leads to are not believed, and
/// nothing is moved in functions that have such tables.
///
/// Needs about 50 KiB of stack. Addresses near the end of the address space are
/// not planned.
pub fn plan(
    text: &Text<'_>,
    code: &CodeMap<'_>,
    data: Option<&dyn Data>,
    ladder: Ladder,
    sink: &mut dyn FnMut(SitePlan),
) {
    let range = text.range();
    let is_huge = range.end - range.start > i32::MAX as u64;
    if range.end > u64::MAX - MARGIN || is_huge {
        return plan_nothing(text, sink);
    }
    let memory = Memory { data, text: range };
    let witness = Witness::new(text, code, &memory);
    let (holes, queue) = (Holes::new(), Queue::new());
    let mut planner = Planner { text, code, memory: &memory, witness, ladder, holes, queue, sink };
    let mut survey = Survey::new();
    let mut function: Option<Function> = None;
    let mut unknown = 0..0;
    for (at, kind) in candidates(text.bytes, text.width) {
        let address = text.base + at as u64;
        let is_same = function.as_ref().is_some_and(|f| f.range.contains(&address));
        if !is_same || survey.is_full() {
            planner.finish(&mut survey, function.as_ref());
        }
        if !is_same && !unknown.contains(&address) {
            function = match code.look_up(address, function.as_ref()) {
                Ok(known) if text.slice(&known.range).is_some() => Some(start_exactly(text, known)),
                // Bounds that lead out of the text are not those of a function.
                Ok(known) => {
                    unknown = address..known.range.end.min(code.next_entry(address));
                    None
                }
                Err(range) => {
                    unknown = range;
                    None
                }
            };
            if let Some(function) = &function {
                survey.start(&function.range);
            }
        }
        match function.as_ref().filter(|function| function.range.contains(&address)) {
            Some(function) => {
                let is_inside = survey.is_large() && planner.is_inside(function, address);
                let status = if is_inside { Status::Inside } else { Status::Unreached };
                survey.add(address, Some(kind), status);
            }
            None => {
                let is_outside = code.is_outside(address);
                let reason = if is_outside { Reason::Outside } else { Reason::NoFunction };
                let verdict = Verdict::Missed(reason);
                planner.push(SitePlan { address, kind, verdict }, None);
            }
        }
    }
    planner.finish(&mut survey, function.as_ref());
    planner.flush();
}

/// Other functions' short jumps this near may lead into a window.
const NEAR: u64 = Entries::REACH + 130;

/// Addresses closer than this to the end of the address space could
/// overflow. No jump reaches through a text of 2 GiB.
const MARGIN: u64 = 1 << 12;

fn plan_nothing(text: &Text<'_>, sink: &mut dyn FnMut(SitePlan)) {
    for (at, kind) in candidates(text.bytes, text.width) {
        let address = text.base.wrapping_add(at as u64);
        sink(SitePlan { address, kind, verdict: Verdict::Missed(Reason::NoFunction) });
    }
}

/// Signal restorers, as C libraries write them: `mov $15, %rax` or `%eax`, and
/// `syscall`.
const RESTORERS: [&[u8]; 2] =
    [&[0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05], &[0xb8, 15, 0, 0, 0, 0x0f, 0x05]];

/// Whether a site is the `syscall` of a signal restorer.
fn is_in_restorer(text: &Text<'_>, site: u64) -> bool {
    RESTORERS.iter().any(|code| {
        let start = (site + SITE_LEN).saturating_sub(code.len() as u64);
        text.slice(&(start..site + SITE_LEN)) == Some(*code)
    })
}

/// Unwind entries of signal restorers start one byte before the code, with
/// whatever lies there: the return address that an unwinder looks up is the
/// first byte of the code, and it takes one off.
fn start_exactly(text: &Text<'_>, mut function: Function) -> Function {
    let code = function.range.start.saturating_add(1)..function.range.end;
    let is_restorer = |bytes: &[u8]| RESTORERS.iter().any(|code| bytes.starts_with(code));
    if function.is_signal_frame && text.slice(&code).is_some_and(is_restorer) {
        function.range = code;
    }
    function
}

struct Planner<'p> {
    text: &'p Text<'p>,
    code: &'p CodeMap<'p>,
    memory: &'p Memory<'p>,
    witness: Witness<'p>,
    ladder: Ladder,
    holes: Holes,
    queue: Queue,
    sink: &'p mut dyn FnMut(SitePlan),
}

impl Planner<'_> {
    fn is_inside(&self, function: &Function, address: u64) -> bool {
        let bytes = self.text.from(&function.range);
        bytes.is_some_and(|bytes| glance::is_inside(bytes, function.range.start, address))
    }

    /// Surveys the function and plans the sites collected so far.
    fn finish(&mut self, survey: &mut Survey, function: Option<&Function>) {
        if let Some(function) = function
            && !survey.sites.as_slice().is_empty()
            && let Some(bytes) = self.text.from(&function.range)
        {
            examine(survey, function, bytes, self.memory);
            let mut gaps = None;
            let may_be_data =
                function.extent == Extent::Span && self.code.has_object_in(&function.range);
            for site in survey.sites.as_slice() {
                let Some(kind) = site.kind else { continue };
                let address = site.address;
                if may_be_data && self.code.has_object_in(&(address..address + SITE_LEN)) {
                    self.push(SitePlan { address, kind, verdict: Verdict::NotCode }, None);
                } else {
                    self.decide(survey, function, &mut gaps, site, kind);
                }
            }
        }
        survey.clear();
    }

    fn decide(
        &mut self,
        survey: &Survey,
        function: &Function,
        gaps: &mut Option<Gaps>,
        site: &Site,
        kind: SiteKind,
    ) {
        let address = site.address;
        let verdict = match (site.status, kind) {
            (Status::Inside | Status::DoubtfullyInside, _) => Verdict::NotCode,
            (Status::Unreached, _) => Verdict::Missed(Reason::Undecodable),
            (Status::Doubtful, _) => Verdict::Missed(Reason::Unproven),
            (Status::Prefixed, SiteKind::Syscall) => Verdict::Missed(Reason::Prefixed),
            (_, SiteKind::Int80 | SiteKind::Sysenter) => Verdict::Missed(Reason::OtherAbi),
            // Decoding that has gone astray would hardly find a function's
            // start again; only this is known of a span.
            _ if function.extent == Extent::Span && !survey.complete => {
                Verdict::Missed(Reason::Undecodable)
            }
            (Status::Instruction, SiteKind::Syscall) => {
                return self.decide_site(survey, function, gaps, site);
            }
        };
        self.push(SitePlan { address, kind, verdict }, None);
    }

    fn decide_site(
        &mut self,
        survey: &Survey,
        function: &Function,
        gaps: &mut Option<Gaps>,
        site: &Site,
    ) {
        let address = site.address;
        let trap = SitePlan { address, kind: SiteKind::Syscall, verdict: Verdict::Trap };
        if !matches!(function.extent, Extent::Frame(..)) && is_in_restorer(self.text, address) {
            return self
                .push(SitePlan { verdict: Verdict::Missed(Reason::Restorer), ..trap }, None);
        }
        // Only a function that is known to its end has known branch targets.
        if !survey.complete || survey.targets.overflowed() || self.ladder == Ladder::Trap {
            return self.push(trap, None);
        }
        let (text, code) = (self.text, self.code);
        let gaps = gaps.get_or_insert_with(|| self.holes.gaps(text, code, function, survey));
        if self.ladder.has(Rung::Hole)
            && let Some(hole) = self.hole(survey, function, gaps, address)
        {
            let verdict = Verdict::Jump(Patch::hole_at(address, hole));
            return self.push(SitePlan { verdict, ..trap }, None);
        }
        let choices = self.windows(survey, function, gaps, site);
        let entries = self.entries(survey, function, address, &choices);
        self.push(trap, Some((choices, entries)));
    }

    fn hole(
        &mut self,
        survey: &Survey,
        function: &Function,
        gaps: &mut Gaps,
        site: u64,
    ) -> Option<u64> {
        if let Some(hole) = self.holes.take(survey, gaps, site) {
            return Some(hole);
        }
        // A hole farther away is out of reach.
        if site - function.range.start > FAR {
            return None;
        }
        let (text, code) = (self.text, self.code);
        let before =
            gaps.before.get_or_insert_with(|| self.holes.look_before(text, code, function));
        self.holes.take_before(survey, before.as_ref()?, site)
    }

    /// The windows that a site could take.
    fn windows(
        &mut self,
        survey: &Survey,
        function: &Function,
        gaps: &Gaps,
        site: &Site,
    ) -> Choices {
        let range =
            function.range.start..gaps.after.as_ref().map_or(function.range.end, |gap| gap.end);
        let Some(bytes) = self.text.from(&range) else {
            return Choices::default();
        };
        let padding = Cell::new(u64::MAX);
        let free = |address| {
            padding.set(address);
            self.holes.free_behind(survey, gaps, address)
        };
        let surroundings = Surroundings {
            bytes,
            base: range.start,
            end: function.range.end,
            padding_behind: &free,
        };
        let choices =
            surroundings.windows(site.address, &site.history, |rung| self.ladder.has(rung));
        for window in choices {
            let padding = padding.get()..window.range(site.address).end;
            if !padding.is_empty() {
                self.holes.reserve(padding);
            }
        }
        choices
    }

    /// What leads to addresses around a site, as far as the function and its
    /// neighbours tell.
    fn entries(
        &mut self,
        survey: &Survey,
        function: &Function,
        site: u64,
        choices: &Choices,
    ) -> Entries {
        let mut entries = Entries::default();
        for target in survey.targets.as_slice() {
            entries.note(site, *target);
        }
        let mut note = |target| entries.note(site, target);
        let all_known = self.memory.for_each_target(function, survey, &mut note);
        // A `switch` of the other part may lead anywhere into a part.
        if all_known.is_none() || function.is_part {
            return Entries::ALL;
        }
        if choices.iter().any(|window| window.exists())
            && self.witness.for_each_target_of_parts(function, survey, &mut note).is_none()
        {
            return Entries::ALL;
        }
        let near = site.saturating_sub(NEAR)..site + NEAR;
        let before = near.start..near.end.min(function.range.start);
        let behind = near.start.max(function.range.end)..near.end;
        for range in [before, behind] {
            inbound::search_short(self.text.bytes, self.text.base, range, |source, target| {
                if entries.matter(site, target, choices) && !self.witness.is_no_jump(source) {
                    entries.note(site, target);
                }
            });
        }
        entries
    }

    #[inline(never)]
    fn push(&mut self, plan: SitePlan, open: Option<(Choices, Entries)>) {
        if self.queue.is_full() {
            self.flush();
        }
        match open {
            Some((choices, entries)) => self.queue.push_with_choices(plan, choices, entries),
            None => self.queue.push(plan),
        }
    }

    fn flush(&mut self) {
        self.queue.flush(self.text, self.code, &mut self.witness, self.sink);
    }
}
