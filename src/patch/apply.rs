//! From plans to patched text.
//!
//! For each executable range: plan, write the stubs, make them executable, and
//! only then let the text jump to them. Text is made writable in one piece,
//! which gives pages without a site no private copy, and is never writable and
//! executable at once.

use core::cell::Cell;
use core::ops::Range;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use interceptor_abi::plans::{SITES, Sum};
use interceptor_abi::segment::Outcome;
use interceptor_rewrite::{
    self as rewrite, CodeMap, Ladder, Patch, Reason, SitePlan, Verdict, Width,
};
use syscalls::Errno;

use super::begun::Begun;
use super::image::Image;
use super::pristine::Source;
use super::stub::{self, Area};
use super::written::Copies;
use super::{near, registry, symfile, trap};
use crate::config::ForcedRung;
use crate::coverage::{self, Tally};
use crate::diagnostics::{Lossy, Why, say};
use crate::net;
use crate::sys::{self, Mapping, Maps, PAGE, Vma, page_down, page_up};
use crate::vector;

/// Sites that are planned before they are applied; more go in further rounds,
/// each with an area of its own.
const ROUND: usize = 2048;
// Plans of before are for one round: all or none of them fit.
const _: () = assert!(SITES <= ROUND);
/// What is not patched is scanned only up to this many bytes at a time: garbage
/// collectors of JIT compilers change the protection of large heaps often.
const COUNTED_LIMIT: u64 = 256 * 1024;

pub(super) const PROT_READ: usize = 1;
pub(super) const PROT_WRITE: usize = 2;
pub(super) const PROT_EXEC: usize = 4;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// [`Text::limit`] of what is patched as a whole.
pub(super) const EVERYWHERE: Range<u64> = 0..u64::MAX;

/// Memory for the plans of a round, which several texts may use one after the other.
#[derive(Default)]
pub(super) struct Memory(Cell<Option<Mapping>>);

impl Memory {
    fn get(&self) -> sys::Result<Mapping> {
        match self.0.get() {
            Some(memory) => Ok(memory),
            None => {
                let memory = Mapping::anonymous((ROUND * size_of::<Planned>()) as u64)?;
                self.0.set(Some(memory));
                Ok(memory)
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(memory) = self.0.get() {
            memory.unmap();
        }
    }
}

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
    fn make_writable(&self, pages: &Range<u64>) -> sys::Result<Mapping> {
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
    fn is_as_planned(&self, planned: &[Planned]) -> sys::Result<()> {
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

/// One planned site, and its stub once it has one.
#[derive(Clone, Copy)]
struct Planned {
    patch: Patch,
    outcome: Outcome,
    stub: u64,
}

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
    let is_pristine = text.is_pristine;
    let mut round = Round { memory, len: 0, text, is_pristine, near, refused: None, tally };
    plan(&mut |site| round.add(site));
    round.apply();
    (round.tally, round.refused)
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

/// Sites planned and not yet applied.
struct Round<'r> {
    memory: Mapping,
    len: usize,
    text: &'r Text<'r>,
    /// Nothing of the text has been patched yet, or written by anybody else.
    is_pristine: bool,
    near: Near<'r>,
    /// Why text could not be made executable again; it has been put back then. Or ESTALE,
    /// if it is not the text that was planned for; then nothing has been done.
    refused: Option<Errno>,
    tally: Tally,
}

impl Round<'_> {
    fn add(&mut self, site: SitePlan) {
        let patch = site.patch();
        let touched = patch.map_or(site.address..site.address, |patch| patch.touches());
        let Range { start, end } = self.text.limit;
        if touched.start < start || touched.end > end {
            return;
        }
        let Some(patch) = patch else {
            return self.tally.count(coverage::outcome_of_report(site.kind, &site.verdict));
        };
        let outcome = coverage::outcome_of(patch.rung());
        if self.len == ROUND {
            self.apply();
        }
        if let Some(planned) = self.planned(self.len + 1).last_mut() {
            *planned = Planned { patch, outcome, stub: 0 };
            self.len += 1;
        }
    }

    /// The first `len` entries.
    fn planned<'a>(&self, len: usize) -> &'a mut [Planned] {
        // SAFETY: memory of ours for ROUND entries, which any zeroed or written
        // bytes make valid up to `len`; one reference lives at a time.
        unsafe { slice::from_raw_parts_mut(self.memory.start as *mut Planned, len) }
    }

    /// Writes stubs, then patches, and starts over.
    fn apply(&mut self) {
        let planned = self.planned(self.len);
        self.len = 0;
        if planned.is_empty() {
            // Plans of before may not have been there to be read.
            self.refused = self.refused.or(self.text.is_as_planned(planned).err());
            return;
        }
        let pages = pages_of(planned);
        let result = match self.refused {
            None => self.try_apply(planned, &pages),
            Some(error) => Err(error),
        };
        self.is_pristine = false;
        if let Err(error) = result {
            // What is refused is said once, and by whom it concerns.
            if self.refused.is_none() {
                say_left_alone(self.text, error);
            }
            for _ in planned {
                self.tally.count(Outcome::Missed);
            }
            return;
        }
        for planned in planned {
            self.tally.count(planned.outcome);
        }
    }

    fn try_apply(&mut self, planned: &mut [Planned], pages: &Range<u64>) -> sys::Result<()> {
        let place = registry::reserve().ok_or(Errno::ENOSPC)?;
        let mapping = (self.near)(&self.text.range, stub::area_len(planned.len()))?;
        let copies = match self.text.is_written {
            true => {
                let memory = (self.near)(&self.text.range, Copies::len(pages));
                Some(Copies::of(pages, memory.inspect_err(|_| mapping.unmap())?))
            }
            false => None,
        };
        if self.is_pristine {
            // Planning has read all of the text, the program will not. Present, its pages
            // cost memory, time in the changes of protection that come now, and in every fork,
            // which copies the page table of a mapping with private pages.
            sys::release(&self.text.range);
        }
        let writable = match self.text.make_writable(pages) {
            Ok(writable) => writable,
            Err(error) => {
                mapping.unmap();
                return Err(error);
            }
        };
        if self.text.is_early {
            // From here on only pages are touched that become private anyway. First they become
            // so: with a page that is read from the file come its neighbours.
            sys::populate(mapping.start, page_up(stub::likely_len(planned.len())));
            populate(planned);
        }
        let written = match self.text.is_as_planned(planned) {
            Ok(()) => write_stubs(mapping, planned),
            Err(stale) => {
                mapping.unmap();
                self.refused = Some(stale);
                Err(stale)
            }
        };
        if written.is_ok() {
            planned.iter_mut().for_each(Planned::write_patch);
            place.add(pages, mapping, copies.inspect(|copies| copies.take_patched(pages)));
        }
        if let Err(error) = writable.protect(self.text.prot) {
            self.put_back(error);
            return Err(error);
        }
        // A debugger that is told of it executes instructions where it likes to.
        written.map(symfile::publish)
    }

    /// Undoes all rounds: patched text must not be executed.
    fn put_back(&mut self, error: Errno) {
        let Text { range, prot, .. } = self.text;
        let source = self.text.source.ok_or(error);
        if let Err(why) = source.and_then(|source| source.put_back(range, *prot)) {
            say(format_args!(
                "{}: cannot be made executable again, nor mapped again ({}): \
                 set INTERCEPTOR=off for this program",
                Lossy(self.text.name),
                Why(why)
            ));
        }
        registry::forget(range, false);
        self.tally.miss_all();
        self.refused = Some(error);
    }
}

/// Makes the stub of a site that the net has caught, and that is known to nobody. Nothing is
/// written to its text, which may be written by the program at any moment.
pub(super) fn make_stub_for_caught(site: u64) -> sys::Result<u64> {
    if sys::is_confined() {
        return Err(Errno::EPERM);
    }
    let patch = Patch::trap(site);
    let mut place = registry::reserve().ok_or(Errno::ENOSPC)?;
    let mapping = near::map_by_asking(&patch.window(), stub::area_len(1))?;
    let mut area = Area::new(mapping, 1);
    // The text need not be readable.
    let stub = area.add(&patch, &SYSCALL);
    let file = area.seal()?;
    // Whoever looks at a thread in the stub finds what it is: other threads may come there at once.
    place.fill_caught(&patch.window(), mapping);
    match stub.ok().filter(|stub| trap::add(site, *stub)) {
        Some(stub) => {
            place.keep();
            symfile::publish(file);
            coverage::report_caught();
            Ok(stub)
        }
        None => {
            drop(place);
            mapping.unmap();
            Err(Errno::ENOSPC)
        }
    }
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

/// Writes the stubs of planned sites, and makes them executable. Returns as [`Area::seal`].
fn write_stubs(mapping: Mapping, planned: &mut [Planned]) -> sys::Result<u64> {
    let mut area = Area::new(mapping, planned.len());
    for planned in planned {
        planned.write_stub(&mut area);
    }
    area.seal()
}

impl Planned {
    fn write_stub(&mut self, area: &mut Area) {
        // SAFETY: the window lies in the text that was planned.
        let text = unsafe { bytes_at(&self.patch.window()) };
        match area.add(&self.patch, text) {
            Ok(stub) => self.stub = stub,
            Err(_) => self.outcome = Outcome::Missed,
        }
    }

    fn write_patch(&mut self) {
        if self.outcome == Outcome::Missed {
            return;
        }
        if self.outcome == Outcome::Trap {
            if !trap::add(self.patch.site(), self.stub) {
                self.outcome = Outcome::Missed;
                return;
            }
            if net::is_wanted() {
                return;
            }
        }
        let Ok(writes) = self.patch.writes(self.stub) else {
            self.outcome = Outcome::Missed;
            return;
        };
        for write in writes {
            let bytes = write.bytes();
            // SAFETY: the pages are writable now, nobody executes them, and
            // the plan names only bytes of the window and of dead padding.
            unsafe {
                let to = write.address as *mut u8;
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            }
        }
    }
}

/// # Safety
///
/// The range is mapped readable, and nobody writes to it while what is returned is used.
unsafe fn bytes_at<'a>(range: &Range<u64>) -> &'a [u8] {
    // SAFETY: the caller's.
    unsafe { slice::from_raw_parts(range.start as *const u8, (range.end - range.start) as usize) }
}

/// Makes runs of neighbouring pages that patches write to private.
fn populate(planned: &[Planned]) {
    let mut run = 0..0;
    for planned in planned {
        let touched = planned.patch.touches();
        let pages = page_down(touched.start)..page_up(touched.end);
        if (run.start..=run.end).contains(&pages.start) {
            run.end = pages.end.max(run.end);
        } else {
            populate_run(&run);
            run = pages;
        }
    }
    populate_run(&run);
}

fn populate_run(run: &Range<u64>) {
    if run.start < run.end {
        sys::populate(run.start, run.end - run.start);
    }
}

/// The pages that the patches write to.
fn pages_of(planned: &[Planned]) -> Range<u64> {
    let (mut low, mut high) = (u64::MAX, 0);
    for planned in planned {
        let touched = planned.patch.touches();
        low = low.min(touched.start);
        high = high.max(touched.end);
    }
    page_down(low)..page_up(high)
}

pub(super) fn protection(vma: &Vma<'_>) -> usize {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(vma.readable, PROT_READ) | bit(vma.writable, PROT_WRITE) | bit(vma.executable, PROT_EXEC)
}
