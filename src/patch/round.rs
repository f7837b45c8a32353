//! Planned sites become patched ones, a round at a time.

use core::cell::Cell;
use core::ops::Range;
use core::slice;

use interceptor_abi::plans::SITES;
use interceptor_abi::segment::Outcome;
use interceptor_rewrite::{Patch, SitePlan};
use syscalls::Errno;

use super::apply::{Near, Text, bytes_at, say_left_alone};
use super::stub::{self, Area};
use super::written::Copies;
use super::{registry, symfile, trap};
use crate::coverage::{self, Tally};
use crate::diagnostics::{Lossy, Why, say};
use crate::net;
use crate::sys::{self, Mapping, page_down, page_up};

/// Sites that are planned before they are applied; more go in further rounds,
/// each with an area of its own.
const ROUND: usize = 2048;
// Plans of before are for one round: all or none of them fit.
const _: () = assert!(SITES <= ROUND);

/// Memory for the plans of a round, which several texts may use one after the other.
#[derive(Default)]
pub(super) struct Memory(Cell<Option<Mapping>>);

impl Memory {
    pub(super) fn get(&self) -> sys::Result<Mapping> {
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

/// One planned site, and its stub once it has one.
#[derive(Clone, Copy)]
pub(super) struct Planned {
    pub patch: Patch,
    outcome: Outcome,
    stub: u64,
}

/// Sites planned and not yet applied.
pub(super) struct Round<'r> {
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

impl<'r> Round<'r> {
    pub(super) fn new(text: &'r Text<'r>, near: Near<'r>, memory: Mapping) -> Self {
        let (is_pristine, tally) = (text.is_pristine, Tally::default());
        Self { memory, len: 0, text, is_pristine, near, refused: None, tally }
    }

    /// What has become of all sites, and why not more, as [`Self::refused`].
    pub(super) fn end(mut self) -> (Tally, Option<Errno>) {
        self.apply();
        (self.tally, self.refused)
    }

    pub(super) fn add(&mut self, site: SitePlan) {
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
