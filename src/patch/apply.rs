//! From plans to patched text.
//!
//! For each executable range: plan, write the stubs, make them executable, and
//! only then let the text jump to them. Text is made writable in one piece,
//! which gives pages without a site no private copy, and is never writable and
//! executable at once.

use core::ops::Range;
use core::slice;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use interceptor_abi::segment::Outcome;
use interceptor_rewrite::{self as rewrite, CodeMap, Ladder, Patch, SitePlan, Verdict, Width};
use syscalls::Errno;

use super::begun::Begun;
use super::image::{Image, ImageVmas};
use super::pristine::Source;
use super::stub::{self, Area};
use super::{API, imports, near, own, registry, trap};
use crate::config::{Config, ForcedRung};
use crate::coverage::{self, Tally};
use crate::diagnostics::{Lossy, Why, say};
use crate::frame::SyscallFrame;
use crate::sys::{self, Mapping, Maps, PAGE, Vma, page_down, page_up};
use crate::vector;

/// Sites that are planned before they are applied; more go in further rounds,
/// each with an area of its own.
const ROUND: usize = 2048;
/// Generated code is scanned only up to this many bytes at a time: garbage
/// collectors of JIT compilers change the protection of large heaps often.
const GENERATED_LIMIT: u64 = 256 * 1024;

const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const PROT_EXEC: usize = 4;

/// Patches every object mapped at start-up. Fails when the first that is patched
/// may not be executed again; it is put back then.
pub(super) fn at_startup(maps: &Maps, config: &Config<'_>) -> sys::Result<()> {
    let own = own::text();
    let mut rest = maps.vmas();
    // Emulators of user space show no page as executable.
    let shows_code = rest.clone().any(|vma| vma.executable && vma.inode != 0);
    // SAFETY: a leaf of ours that returns an address.
    let libc_start = unsafe { interceptor_libc_start() };
    // The first mapping of the file that is passed at the moment.
    let mut file = rest.clone();
    let mut file_inode = 0;
    let mut is_first = true;
    let mut plans = Plans::default();
    let last = near::Last::default();
    loop {
        let here = rest.clone();
        let Some(vma) = rest.next() else {
            break;
        };
        if vma.inode != 0 && (vma.offset == 0 || vma.inode != file_inode) {
            (file, file_inode) = (here, vma.inode);
        }
        let is_object = vma.inode != 0 && !vma.name.starts_with(b"[");
        if !is_object || vma.range.contains(&own.end.saturating_sub(1)) {
            continue;
        }
        let base = file.clone().next().map_or(vma.range.start, |first| first.range.start);
        let (range, prot) = if vma.executable {
            (vma.there(), protection(&vma))
        } else if shows_code {
            continue;
        } else {
            let memory = ImageVmas::new(file.clone());
            let code = Image::at(base, &memory).and_then(|image| image.code_in(&vma.there()));
            let Some(code) = code else {
                continue;
            };
            (code, PROT_READ | PROT_EXEC)
        };
        if range.contains(&libc_start) {
            LIBC_TEXT[0].store(range.start, Relaxed);
            LIBC_TEXT[1].store(range.end, Relaxed);
        }
        if config.bypasses(vma.name) {
            coverage::report(vma.name, &Tally::default(), config.debug_dump);
            continue;
        }
        if !vma.readable {
            say(format_args!("{}: execute-only text is left alone", Lossy(vma.name)));
            continue;
        }
        let memory = ImageVmas::new(file.clone());
        let image = Image::at(base, &memory);
        for name in image
            .as_ref()
            .and_then(Image::dynamic_symbols)
            .into_iter()
            .flat_map(|symbols| symbols.imports(API))
        {
            imports::note(name);
        }
        let is_pristine = image.as_ref().is_some_and(|image| !image.relocates_text());
        let source = (is_pristine && range == vma.range).then(|| Source::of(&vma));
        let name = vma.name;
        let text = Text { range, prot, name, is_file: true, is_pristine, source, is_early: true };
        let near = |range: &Range<u64>, len| near::map_in_gap(range, len, &last, maps.vmas());
        let mut refused = None;
        let tally =
            patch_text(&text, image.as_ref(), config.force_rung, &near, &mut plans, &mut refused);
        match refused {
            Some(error) if is_first => return Err(error),
            Some(error) => say_left_alone(&text, error),
            None => {}
        }
        is_first &= tally.is_empty();
        coverage::report(vma.name, &tally, config.debug_dump);
        if let Some(frames) = image.as_ref().and_then(Image::unwind_pages) {
            // Read by the planner, and by the program when it throws.
            sys::release(&frames);
        }
    }
    Ok(())
}

/// Memory for the plans of a round, which several texts may use one after the other.
#[derive(Default)]
struct Plans(Option<Mapping>);

impl Plans {
    fn memory(&mut self) -> sys::Result<Mapping> {
        match self.0 {
            Some(memory) => Ok(memory),
            None => {
                let memory = Mapping::anonymous((ROUND * size_of::<Planned>()) as u64)?;
                Ok(*self.0.insert(memory))
            }
        }
    }
}

impl Drop for Plans {
    fn drop(&mut self) {
        if let Some(memory) = self.0 {
            memory.unmap();
        }
    }
}

unsafe extern "C" {
    /// Address of libc's `__libc_start_main`, 0 without one (`asm/weak.S`).
    fn interceptor_libc_start() -> u64;
}

/// Start and end of libc's code.
static LIBC_TEXT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Whether an address is in libc's code.
pub(crate) fn is_in_libc(address: u64) -> bool {
    let [start, end] = &LIBC_TEXT;
    (start.load(Relaxed)..end.load(Relaxed)).contains(&address)
}

/// The program's stack pointer, if it is in use: the call is made by a function of
/// libc, to which its caller has jumped by pushing an address.
pub(crate) fn stack_of_libc(frame: &SyscallFrame) -> Option<u64> {
    is_in_libc(frame.address_after_site()).then_some(frame.rsp)
}

/// Patches one executable piece of an image that was just mapped.
pub(crate) fn patch_image(image: Range<u64>, piece: Range<u64>, prot: u64) {
    if prot as usize & PROT_READ == 0 {
        // A key may keep reads from text that is only executable (pkeys(7)).
        return;
    }
    let text = Text {
        range: piece,
        prot: prot as usize,
        name: b"[dlopen]",
        is_file: true,
        is_pristine: false,
        source: None,
        is_early: false,
    };
    if !text.has_candidates() {
        return;
    }
    let begun = Begun::new(&image, &text.range);
    let image = Image::at(image.start, begun.memory());
    let tally = patch_text(
        &text,
        image.as_ref(),
        None,
        &near::map_by_asking,
        &mut Plans::default(),
        &mut None,
    );
    coverage::report(text.name, &tally, false);
}

/// Patches memory that the program wrote and made executable.
pub(crate) fn patch_generated(range: Range<u64>, prot: u64) {
    let is_small = range.end.saturating_sub(range.start) <= GENERATED_LIMIT;
    if !is_small || prot as usize & PROT_READ == 0 || prot as usize & PROT_WRITE != 0 {
        return;
    }
    let text = Text {
        range: sys::readable(&range),
        prot: prot as usize,
        name: b"[generated]",
        is_file: false,
        is_pristine: false,
        source: None,
        is_early: false,
    };
    let tally =
        patch_text(&text, None, None, &near::map_by_asking, &mut Plans::default(), &mut None);
    coverage::report(text.name, &tally, false);
}

/// One executable range.
struct Text<'a> {
    range: Range<u64>,
    /// PROT_* bits that it has and keeps.
    prot: usize,
    name: &'a [u8],
    /// It is all of what is mapped executable there, from a file.
    is_file: bool,
    /// Nobody has written to it since it was mapped.
    is_pristine: bool,
    /// Where all of it can be had again.
    source: Option<Source<'a>>,
    /// The program does not run yet. Later it may have forbidden system calls
    /// that are not needed.
    is_early: bool,
}

impl Text<'_> {
    /// Makes the pages writable that are to be written, and as many beside them as
    /// keep the mapping in one piece. Returns them.
    fn make_writable(&self, pages: &Range<u64>) -> sys::Result<Mapping> {
        let of = |pages: Range<u64>| Mapping { start: pages.start, len: pages.end - pages.start };
        let prot = PROT_READ | PROT_WRITE;
        if self.is_file {
            // The kernel charges memory for private pages of a file that become writable,
            // and remembers that it did (VM_ACCOUNT, mm/mprotect.c). So a part of a
            // mapping would stay a mapping of its own, which profilers take for another object.
            let whole = of(self.range.clone());
            if whole.protect(prot).is_ok() {
                return Ok(whole);
            }
        }
        let pages = of(pages.clone());
        pages.protect(prot).map(|()| pages)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the range is mapped readable. Nobody writes it meanwhile: at
        // start-up there is one thread, and later it is new to the program.
        unsafe {
            let len = (self.range.end - self.range.start) as usize;
            slice::from_raw_parts(self.range.start as *const u8, len)
        }
    }

    /// Whether there may be a site.
    fn has_candidates(&self) -> bool {
        rewrite::has_candidates(self.bytes(), self.width())
    }

    /// How it is searched. Later the program's vector state is live.
    fn width(&self) -> Width {
        if self.is_early { vector::search_width() } else { Width::default() }
    }
}

/// How stubs get memory near a range.
type Near<'n> = &'n dyn Fn(&Range<u64>, u64) -> sys::Result<Mapping>;

/// One planned site, and its stub once it has one.
#[derive(Clone, Copy)]
struct Planned {
    patch: Patch,
    outcome: Outcome,
    stub: u64,
}

/// Plans and patches one range. Returns what became of its sites. `refused` becomes
/// why patched text could not be made executable again.
fn patch_text(
    text: &Text<'_>,
    image: Option<&Image<'_>>,
    force: Option<ForcedRung>,
    near: Near<'_>,
    plans: &mut Plans,
    refused: &mut Option<Errno>,
) -> Tally {
    let mut tally = Tally::default();
    if !text.has_candidates() {
        return tally;
    }
    let bytes = text.bytes();
    let Ok(memory) = plans.memory() else {
        say(format_args!("{}: no memory to plan; it is left alone", Lossy(text.name)));
        plan(bytes, text, image, force, &mut |site| tally.count(outcome_unpatched(&site)));
        return tally;
    };
    let is_pristine = text.is_pristine;
    let mut round = Round { memory, len: 0, text, is_pristine, near, refused, tally: &mut tally };
    plan(bytes, text, image, force, &mut |site| round.add(site));
    round.apply();
    tally
}

/// What becomes of a site that is not patched whatever its plan says.
fn outcome_unpatched(site: &SitePlan) -> Outcome {
    match &site.verdict {
        Verdict::Jump(_) | Verdict::Trap => Outcome::Missed,
        other => coverage::outcome_of_report(site.kind, other),
    }
}

/// Plans one range with what its image tells of functions.
fn plan(
    bytes: &[u8],
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
    let code = image.map(code_map).unwrap_or_default();
    let text = rewrite::Text { base: text.range.start, bytes, width: text.width() };
    let data = image.map(|image| image as &dyn rewrite::Data);
    rewrite::plan(&text, &code, data, ladder, sink);
}

fn code_map<'r>(image: &Image<'r>) -> CodeMap<'r> {
    let frames = image.eh_frame_hdr().and_then(|header| {
        let frames = rewrite::eh_frame_address(header.0, header.1)?;
        CodeMap::new(header, (frames, image.from(frames)?))
    });
    let mut code = frames.unwrap_or_default();
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
    /// Why text could not be made executable again; it has been put back then.
    refused: &'r mut Option<Errno>,
    tally: &'r mut Tally,
}

impl Round<'_> {
    fn add(&mut self, site: SitePlan) {
        let (patch, outcome) = match site.verdict {
            Verdict::Jump(patch) => (patch, coverage::outcome_of(patch.rung())),
            Verdict::Trap => (Patch::trap(site.address), Outcome::Trap),
            other => {
                return self.tally.count(coverage::outcome_of_report(site.kind, &other));
            }
        };
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
            return;
        }
        let pages = pages_of(planned);
        let result = match self.refused {
            None => self.try_apply(planned, &pages),
            Some(error) => Err(*error),
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
        if self.text.is_early {
            sys::populate(mapping.start, page_up(stub::likely_len(planned.len())));
        }
        let mut area = Area::new(mapping, planned.len());
        for planned in planned.iter_mut() {
            planned.write_stub(&mut area);
        }
        let mapping = area.seal()?;
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
            populate(planned);
        }
        for planned in planned.iter_mut() {
            planned.write_patch();
        }
        place.add(pages, mapping);
        if let Err(error) = writable.protect(self.text.prot) {
            self.put_back(error);
            return Err(error);
        }
        Ok(())
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
        registry::forget(range);
        self.tally.miss_all();
        *self.refused = Some(error);
    }
}

fn say_left_alone(text: &Text<'_>, error: Errno) {
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

impl Planned {
    fn write_stub(&mut self, area: &mut Area) {
        let window = self.patch.window();
        // SAFETY: the window lies in the text that was planned.
        let text = unsafe {
            slice::from_raw_parts(window.start as *const u8, (window.end - window.start) as usize)
        };
        match area.add(&self.patch, text) {
            Ok(stub) => self.stub = stub,
            Err(_) => self.outcome = Outcome::Missed,
        }
    }

    fn write_patch(&mut self) {
        if self.outcome == Outcome::Missed {
            return;
        }
        if self.outcome == Outcome::Trap && !trap::add(self.patch.site(), self.stub) {
            self.outcome = Outcome::Missed;
            return;
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
    if run.end - run.start > PAGE {
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

fn protection(vma: &Vma<'_>) -> usize {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(vma.readable, PROT_READ) | bit(vma.writable, PROT_WRITE) | bit(vma.executable, PROT_EXEC)
}
