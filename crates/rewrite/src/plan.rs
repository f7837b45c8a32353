//! Decides what to do at each candidate.

use core::ops::Range;

use crate::decode::{Decoder, Flow};
use crate::inbound::Inbound;
use crate::list::Recent;
use crate::patch::{JUMP, MAX_WINDOW, Patch, Rung};
use crate::scan::{SITE_LEN, SiteKind, candidates};
use crate::survey::{SITES, Site, Status, Survey};
use crate::tables::{self, Data};
use crate::unwind::{CodeMap, Function};

/// The plan for one candidate.
#[derive(Clone, Copy, Debug)]
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
    /// Its function does not decode up to it.
    Undecodable,
    /// It looks like an instruction, but nothing that was decoded leads there:
    /// it may be data.
    Unproven,
    /// `int 0x80` or `sysenter`: another system call table.
    OtherAbi,
}

/// Executable bytes at their address.
#[derive(Clone, Copy)]
pub struct Text<'t> {
    /// Address of the first byte.
    pub base: u64,
    /// The bytes.
    pub bytes: &'t [u8],
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

/// Plans every candidate of a text, in address order.
///
/// `data` gives the object's data, for jump tables; without it, nothing is moved
/// in functions that have one.
pub fn plan(
    text: &Text<'_>,
    code: &CodeMap<'_>,
    data: Option<&dyn Data>,
    ladder: Ladder,
    sink: &mut dyn FnMut(SitePlan),
) {
    let mut planner = Planner {
        text,
        code,
        data,
        ladder,
        decoder: Decoder::new(),
        inbound: None,
        taken: Recent::new((0, 0)),
    };
    let mut survey = Survey::new();
    let mut function: Option<Function> = None;
    for (at, kind) in candidates(text.bytes) {
        let address = text.base + at as u64;
        let is_same = function
            .as_ref()
            .is_some_and(|f| f.range.contains(&address));
        if !is_same || survey.sites.as_slice().len() == SITES {
            planner.finish(&mut survey, function.as_ref(), sink);
            function = code.function_at(address);
        }
        match &function {
            Some(_) => survey.add(address, kind),
            None => {
                sink(SitePlan {
                    address,
                    kind,
                    verdict: Verdict::Missed(Reason::NoFunction),
                });
            }
        }
    }
    planner.finish(&mut survey, function.as_ref(), sink);
}

struct Planner<'p> {
    text: &'p Text<'p>,
    code: &'p CodeMap<'p>,
    data: Option<&'p dyn Data>,
    ladder: Ladder,
    decoder: Decoder,
    /// Made when the first window is wanted.
    inbound: Option<Inbound>,
    /// Padding and windows that recent sites use. Sites come in address order
    /// and take nothing that is far from them, so older ones do not matter.
    taken: Recent<(u64, u64), 128>,
}

impl Planner<'_> {
    /// Surveys the function and plans the sites collected so far.
    fn finish(
        &mut self,
        survey: &mut Survey,
        function: Option<&Function>,
        sink: &mut dyn FnMut(SitePlan),
    ) {
        if survey.sites.as_slice().is_empty() {
            return;
        }
        if let Some(function) = function
            && let Some(bytes) = self.bytes(&function.range)
        {
            survey.run(&self.decoder, bytes, &function.range);
            for index in 0..survey.sites.as_slice().len() {
                if let Some(site) = survey.sites.as_slice().get(index).copied() {
                    let verdict = self.verdict(survey, function, &site);
                    sink(SitePlan {
                        address: site.address,
                        kind: site.kind,
                        verdict,
                    });
                }
            }
        }
        *survey = Survey::new();
    }

    fn verdict(&mut self, survey: &Survey, function: &Function, site: &Site) -> Verdict {
        match (site.status, site.kind) {
            (Status::Unreached, _) => return Verdict::Missed(Reason::Undecodable),
            (Status::Inside, _) => return Verdict::NotCode,
            // Only a jump table can lead there. Compilers keep tables out of the
            // text, so in a function that has one these bytes are code.
            (Status::Unproven(_), _) if !survey.has_indirect_jump => {
                return Verdict::Missed(Reason::Unproven);
            }
            (Status::Instruction | Status::Unproven(_), SiteKind::Syscall) => {}
            (Status::Instruction | Status::Unproven(_), _) => {
                return Verdict::Missed(Reason::OtherAbi);
            }
        }
        let rungs: &[Rung] = match &self.ladder {
            Ladder::Full => &[Rung::Hole, Rung::After, Rung::Before],
            Ladder::Only(rung) => &[*rung],
            Ladder::Trap => &[],
        };
        // Only a function that is known to its end has known branch targets.
        if survey.complete && !survey.targets.overflowed() {
            for rung in rungs {
                let patch = match rung {
                    Rung::Hole => self.hole(survey, function, site),
                    Rung::After => self.after(survey, function, site),
                    Rung::Before => self.before(survey, function, site),
                };
                if let Some(patch) = patch {
                    return Verdict::Jump(patch);
                }
            }
        }
        Verdict::Trap
    }

    /// Five bytes of dead padding within reach of a short jump.
    fn hole(&mut self, survey: &Survey, function: &Function, site: &Site) -> Option<Patch> {
        let after = self.gap(function.range.end, self.code.start_after(function));
        let before = self
            .code
            .end_before(function)
            .and_then(|end| self.gap(end, Some(function.range.start)));
        let gaps = [after, before];
        let inside = survey
            .dead
            .as_slice()
            .iter()
            .copied()
            .filter(|(start, end)| {
                !survey
                    .targets
                    .as_slice()
                    .iter()
                    .any(|target| (start..end).contains(&target))
            });
        let mut runs = inside.chain(gaps.into_iter().flatten());
        let hole = runs.find_map(|(start, end)| self.free_hole(site.address, start, end))?;
        self.taken.push((hole, hole + JUMP));
        Some(Patch::hole(site.address, hole))
    }

    /// Free bytes for a jump in a run of padding, in reach of the site.
    fn free_hole(&self, site: u64, start: u64, end: u64) -> Option<u64> {
        let mut hole = start.max((site + SITE_LEN).saturating_sub(128));
        while hole + JUMP <= end && hole <= site + SITE_LEN + 127 {
            let clash = self
                .taken
                .iter()
                .find(|(from, to)| *from < hole + JUMP && hole < *to);
            match clash {
                None => return Some(hole),
                Some((_, to)) => hole = *to,
            }
        }
        None
    }

    /// The bytes between two functions, if all are padding.
    fn gap(&self, start: u64, end: Option<u64>) -> Option<(u64, u64)> {
        let end = end
            .unwrap_or(start)
            .min(self.text.base + self.text.bytes.len() as u64);
        if end <= start || end - start > 64 {
            return None;
        }
        let mut at = start;
        while at < end {
            let bytes = self.bytes(&(at..end))?;
            let decoded = self.decoder.decode(bytes, at)?;
            if decoded.flow != Flow::Padding {
                return None;
            }
            at += u64::from(decoded.len);
        }
        Some((start, end))
    }

    fn after(&mut self, survey: &Survey, function: &Function, site: &Site) -> Option<Patch> {
        let end = self.window_end(function, site.address, site.address + JUMP)?;
        self.window(survey, function, site, site.address..end, Rung::After)
    }

    fn before(&mut self, survey: &Survey, function: &Function, site: &Site) -> Option<Patch> {
        let starts = site
            .history
            .iter()
            .rev()
            .copied()
            .take_while(|start| *start != 0);
        for start in starts {
            if site.address - start > JUMP + 15 {
                break;
            }
            let Some(end) = self.window_end(function, site.address, start + JUMP) else {
                continue;
            };
            if self.is_movable(start..site.address).is_some()
                && let Some(patch) = self.window(survey, function, site, start..end, Rung::Before)
            {
                return Some(patch);
            }
        }
        None
    }

    /// The end of the instruction that makes a window from the site reach
    /// `least`, if all instructions from the site on may be moved.
    fn window_end(&self, function: &Function, site: u64, least: u64) -> Option<u64> {
        let mut end = site + SITE_LEN;
        while end < least {
            let bytes = self.bytes(&(end..function.range.end))?;
            let decoded = self.decoder.decode(bytes, end)?;
            let len = u64::from(decoded.len);
            self.is_movable(end..end + len)?;
            end += len;
            let goes_on = matches!(decoded.flow, Flow::Next | Flow::Branch(_) | Flow::Padding);
            if !goes_on && end < least {
                return None;
            }
        }
        Some(end)
    }

    /// Whether instructions may be executed elsewhere.
    fn is_movable(&self, range: Range<u64>) -> Option<()> {
        let mut at = range.start;
        while at < range.end {
            let decoded = self.decoder.decode(self.bytes(&(at..range.end))?, at)?;
            match decoded.flow {
                Flow::Next | Flow::Padding | Flow::Jump(_) | Flow::Branch(_) | Flow::End => {}
                Flow::PointerJump | Flow::IndirectJump => {}
                Flow::Call | Flow::ShortBranch(_) | Flow::Syscall | Flow::OtherSystemCall => {
                    return None;
                }
            }
            at += u64::from(decoded.len);
        }
        Some(())
    }

    /// A window that nobody can enter but at its start.
    fn window(
        &mut self,
        survey: &Survey,
        function: &Function,
        site: &Site,
        window: Range<u64>,
        rung: Rung,
    ) -> Option<Patch> {
        if window.end - window.start > MAX_WINDOW as u64 {
            return None;
        }
        let (from, to) = (window.start + 1, window.end);
        if survey.has_indirect_jump && self.tables_may_enter(survey, function, from..to) {
            return None;
        }
        if survey
            .targets
            .as_slice()
            .iter()
            .any(|target| (from..to).contains(target))
        {
            return None;
        }
        // Nor may two windows overlap, or a window another site's hole.
        let overlaps = |(start, end): &(u64, u64)| *start < window.end && window.start < *end;
        if self.taken.iter().any(overlaps) {
            return None;
        }
        if self.inbound().may_enter(from, to) {
            return None;
        }
        self.taken.push((window.start, window.end));
        Some(Patch::window_of(site.address, &window, rung))
    }

    /// Whether an indirect jump of the function may lead into the addresses.
    fn tables_may_enter(&self, survey: &Survey, function: &Function, targets: Range<u64>) -> bool {
        let Some(data) = self.data else {
            return true;
        };
        let tables = survey.data.as_slice();
        // A jump without a table takes its target from where we cannot see.
        survey.data.overflowed()
            || tables.is_empty()
            || tables
                .iter()
                .any(|table| tables::may_lead_into(data, *table, &function.range, &targets))
    }

    fn inbound(&mut self) -> &Inbound {
        let text = self.text;
        self.inbound.get_or_insert_with(|| {
            let sites = candidates(text.bytes).map(|(at, _)| text.base + at as u64);
            Inbound::search(text.bytes, text.base, sites)
        })
    }

    fn bytes(&self, range: &Range<u64>) -> Option<&[u8]> {
        let from = usize::try_from(range.start.checked_sub(self.text.base)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.text.base)?).ok()?;
        self.text.bytes.get(from..to.min(self.text.bytes.len()))
    }
}
