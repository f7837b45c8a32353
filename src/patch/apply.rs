//! From plans to patched text.
//!
//! For each executable range: plan, write the stubs, make them executable, and
//! only then let the text jump to them. Text is made writable in one piece,
//! which gives pages without a site no private copy, and is never writable and
//! executable at once.

use core::ops::Range;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use interceptor_abi::plans::Sum;
use interceptor_abi::segment::Outcome;
use interceptor_rewrite::{self as rewrite, CodeMap, Ladder, Reason, SitePlan, Verdict, Width};
use syscalls::Errno;

use super::begun::Begun;
use super::image::Image;
use super::pristine::Source;
use super::round::{Memory, Planned, Round};
use super::{near, registry};
use crate::config::ForcedRung;
use crate::coverage::{self, Tally};
use crate::diagnostics::{Lossy, Why, say};
use crate::sys::{self, Mapping, Maps, PAGE, Vma, page_down};
use crate::vector;

/// What is not patched is scanned only up to this many bytes at a time: garbage
/// collectors of JIT compilers change the protection of large heaps often.
const COUNTED_LIMIT: u64 = 256 * 1024;

pub(super) const PROT_READ: usize = 1;
pub(super) const PROT_WRITE: usize = 2;
pub(super) const PROT_EXEC: usize = 4;

/// [`Text::limit`] of what is patched as a whole.
pub(super) const EVERYWHERE: Range<u64> = 0..u64::MAX;

/// Patches one executable piece of an image that was just mapped from a file.
pub(crate) fn patch_image(fd: i32, image: Range<u64>, piece: Range<u64>, prot: u64) {
    if prot as usize & PROT_READ == 0 {
        // A key may keep reads from text that is only executable (pkeys(7)).
        return;
    }
    let text = Text {
        range: piece,
        prot: prot as usize,
        name: b"[dlopen]",
        is_pristine: false,
        source: None,
        expected: None,
        is_early: false,
        is_written: false,
        limit: EVERYWHERE,
    };
    if !text.has_candidates() {
        return;
    }
    let begun = Begun::new(&image, &text.range);
    let mut image = Image::at(image.start, begun.memory());
    if let Some(image) = &mut image {
        let read = |bytes: &mut [u8], offset| sys::read_at(fd, bytes, offset).unwrap_or(0);
        if image.will_relocate_text(read) {
            // It is made writable for that, and counted when it is so no more.
            return;
        }
        image.is_to_be_relocated();
    }
    text.patch_later(image.as_ref(), &near::map_by_asking, &Memory::default());
}

/// Patches code that the program has written and makes executable by a call that is about to be
/// made: what can be reached from its start, if nobody executes any of it yet. Returns whether
/// there is anything like a site; what is left is counted when the call has been made.
pub(crate) fn patch_written(range: Range<u64>, prot: u64) -> bool {
    let Some(range) = to_search(range, prot) else {
        return false;
    };
    let mut text = Text {
        limit: range.clone(),
        range,
        prot: PROT_READ | PROT_WRITE,
        name: b"[written]",
        is_pristine: false,
        source: None,
        expected: None,
        is_early: false,
        is_written: true,
    };
    if !text.has_candidates() {
        return false;
    }
    if registry::may_retire()
        && let Ok(maps) = Maps::read()
    {
        if text.is_not_executed_yet(&maps) {
            text.patch_pages(&maps);
        }
        maps.release();
    }
    true
}

/// As much of a range as is to be searched when it gets a protection.
fn to_search(range: Range<u64>, prot: u64) -> Option<Range<u64>> {
    let is_small = range.end.saturating_sub(range.start) <= COUNTED_LIMIT;
    let is_text = prot as usize & (PROT_READ | PROT_WRITE | PROT_EXEC) == PROT_READ | PROT_EXEC;
    let is_whole = range.start == page_down(range.start);
    let range = (is_small && is_text && is_whole).then(|| sys::readable(&range))?;
    (!range.is_empty()).then_some(range)
}

/// Counts what looks like sites in memory that is executable now and is left alone: nothing
/// tells where its functions are, or others may have it mapped, too.
pub(crate) fn count_missed(range: Range<u64>, prot: u64) {
    let Some(range) = to_search(range, prot) else {
        return;
    };
    // SAFETY: it is mapped readable. Nobody has executed it yet, so it has been written.
    let bytes = unsafe { bytes_at(&range) };
    let mut tally = Tally::default();
    for (_, kind) in rewrite::candidates(bytes, Width::default()) {
        tally.count(coverage::outcome_of_report(kind, &Verdict::Missed(Reason::NoFunction)));
    }
    if !tally.is_empty() {
        coverage::report(b"[not patched]", &tally, false);
    }
}

/// One executable range of a file, all of it that is mapped there.
pub(super) struct Text<'a> {
    pub range: Range<u64>,
    /// PROT_* bits that it has and keeps.
    pub prot: usize,
    pub name: &'a [u8],
    /// Nobody has written to it since it was mapped.
    pub is_pristine: bool,
    /// Where all of it can be had again.
    pub source: Option<Source<'a>>,
    /// Sum of the bytes that are to be replaced, if they were planned without a look at them.
    pub expected: Option<u64>,
    /// The program does not run yet. Later it may have forbidden system calls
    /// that are not needed.
    pub is_early: bool,
    /// The program has written it, can write to it now, and may do so again.
    pub is_written: bool,
    /// Where patches may be; sites elsewhere are left to others.
    pub limit: Range<u64>,
}

impl Text<'_> {
    /// Makes the pages writable that are to be written, and as many beside them as
    /// keep the mapping in one piece. Returns them.
    pub(super) fn make_writable(&self, pages: &Range<u64>) -> sys::Result<Mapping> {
        let of = |pages: Range<u64>| Mapping { start: pages.start, len: pages.end - pages.start };
        let prot = PROT_READ | PROT_WRITE;
        // The kernel charges memory for private pages of a file that become writable,
        // and remembers that it did (VM_ACCOUNT, mm/mprotect.c). So a part of a
        // mapping would stay a mapping of its own, which profilers take for another object.
        let whole = of(self.range.clone());
        if whole.protect(prot).is_ok() {
            return Ok(whole);
        }
        let pages = of(pages.clone());
        pages.protect(prot).map(|()| pages)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the range is mapped readable. Nobody writes it meanwhile: at
        // start-up there is one thread, and later it is new to the program.
        unsafe { bytes_at(&self.range) }
    }

    /// Whether there may be a site.
    pub(super) fn has_candidates(&self) -> bool {
        rewrite::has_candidates(self.bytes(), self.width())
    }

    /// Fails unless what is to be replaced is what was planned for.
    pub(super) fn is_as_planned(&self, planned: &[Planned]) -> sys::Result<()> {
        let Some(expected) = self.expected else {
            return Ok(());
        };
        let mut sum = Sum::default();
        for replaced in planned.iter().flat_map(|planned| planned.patch.replaces()).flatten() {
            // SAFETY: it lies in the text.
            sum.add_bytes(unsafe { bytes_at(&replaced) });
        }
        if sum.0 == expected { Ok(()) } else { Err(Errno::ESTALE) }
    }

    /// Patches each page by itself: it may become writable, or something else, without the others.
    fn patch_pages(&mut self, maps: &Maps) {
        let (memory, last) = (Memory::default(), near::Last::default());
        // Not where the kernel likes, which is where the program has unmapped something.
        let near = near::in_gaps(maps, &last);
        while self.limit.start < self.range.end {
            self.limit.end = self.limit.start + PAGE;
            // SAFETY: it is a part of the text.
            if rewrite::has_candidates(unsafe { bytes_at(&self.limit) }, self.width()) {
                self.patch_later(None, &near, &memory);
            }
            self.limit.start = self.limit.end;
        }
    }

    /// Patches text that has come when the program ran already.
    pub(super) fn patch_later(&self, image: Option<&Image<'_>>, near: Near<'_>, memory: &Memory) {
        let plan = |sink: &mut dyn FnMut(SitePlan)| plan(self, image, None, sink);
        let (tally, _) = patch_text(self, &plan, near, memory);
        coverage::report(self.name, &tally, false);
    }

    /// Whether all of it is memory of the program's that is writable and not executable.
    fn is_not_executed_yet(&self, maps: &Maps) -> bool {
        maps.vmas().all(|vma| {
            let is_elsewhere =
                vma.range.end <= self.range.start || self.range.end <= vma.range.start;
            is_elsewhere || (vma.inode == 0 && vma.writable && !vma.executable)
        })
    }

    /// How it is searched. Later the program's vector state is live.
    fn width(&self) -> Width {
        if self.is_early { vector::search_width() } else { Width::default() }
    }
}

/// Hands the plan of each site to a sink.
pub(super) type PlanTo<'p> = &'p dyn Fn(&mut dyn FnMut(SitePlan));

/// How stubs get memory near a range.
pub(super) type Near<'n> = &'n dyn Fn(&Range<u64>, u64) -> sys::Result<Mapping>;

/// Patches a text as `plan` says. Returns what became of the sites, and why patched text could
/// not be made executable again; ESTALE if it is not as expected, and nothing has been done.
pub(super) fn patch_text(
    text: &Text<'_>,
    plan: PlanTo<'_>,
    near: Near<'_>,
    memory: &Memory,
) -> (Tally, Option<Errno>) {
    let mut tally = Tally::default();
    let Ok(memory) = memory.get() else {
        say(format_args!("{}: no memory to plan; it is left alone", Lossy(text.name)));
        plan(&mut |site| tally.count(outcome_unpatched(&site)));
        return (tally, None);
    };
    let mut round = Round::new(text, near, memory);
    plan(&mut |site| round.add(site));
    round.end()
}

/// What becomes of a site that is not patched whatever its plan says.
fn outcome_unpatched(site: &SitePlan) -> Outcome {
    match site.patch() {
        Some(_) => Outcome::Missed,
        None => coverage::outcome_of_report(site.kind, &site.verdict),
    }
}

/// Plans one range with what its image tells of functions.
pub(super) fn plan(
    text: &Text<'_>,
    image: Option<&Image<'_>>,
    force: Option<ForcedRung>,
    sink: &mut dyn FnMut(SitePlan),
) {
    let ladder = match force {
        None => Ladder::Full,
        Some(ForcedRung::Jump(rung)) => Ladder::Only(rung),
        Some(ForcedRung::Trap) => Ladder::Trap,
    };
    let symbol = rewrite::table_of_one(&text.range);
    let code = match image {
        Some(image) => code_map(image),
        // Only its start is that of a function, as far as anybody knows.
        None if text.is_written => CodeMap::default().with_symbols(&symbol, 0),
        None => CodeMap::default(),
    };
    let text = rewrite::Text { base: text.range.start, bytes: text.bytes(), width: text.width() };
    let data = image.map(|image| image as &dyn rewrite::Data);
    rewrite::plan(&text, &code, data, ladder, sink);
}

fn code_map<'r>(image: &Image<'r>) -> CodeMap<'r> {
    let mut code = CodeMap::of_object(image.eh_frame_hdr(), |address| image.from(address));
    if let Some(symbols) = image.dynamic_symbols() {
        code = code.with_symbols(symbols.bytes(), image.bias());
    }
    if let Some(table) = image.go_table() {
        code = code.with_go(table);
    }
    code
}

pub(super) fn say_left_alone(text: &Text<'_>, error: Errno) {
    if error == Errno::ENOSPC {
        // Whoever maps so many objects maps more. Each is counted.
        static IS_SAID: AtomicBool = AtomicBool::new(false);
        if !IS_SAID.swap(true, Relaxed) {
            say(format_args!("too many objects are patched; further ones are left alone"));
        }
        return;
    }
    say(format_args!("{}: it is left alone ({})", Lossy(text.name), Why(error)));
}

/// # Safety
///
/// The range is mapped readable, and nobody writes to it while what is returned is used.
pub(super) unsafe fn bytes_at<'a>(range: &Range<u64>) -> &'a [u8] {
    // SAFETY: the caller's.
    unsafe { slice::from_raw_parts(range.start as *const u8, (range.end - range.start) as usize) }
}

pub(super) fn protection(vma: &Vma<'_>) -> usize {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(vma.readable, PROT_READ) | bit(vma.writable, PROT_WRITE) | bit(vma.executable, PROT_EXEC)
}
