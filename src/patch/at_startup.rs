//! What is mapped when the program starts.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use syscalls::Errno;

use super::ahead::Ahead;
use super::apply::{
    EVERYWHERE, PROT_EXEC, PROT_READ, PlanTo, Text, patch_text, plan, protection, say_left_alone,
};
use super::image::{Image, ImageVmas};
use super::pristine::Source;
use super::round::Memory;
use super::{API, imports, near, own};
use crate::config::Config;
use crate::coverage::{self, Tally};
use crate::diagnostics::{Lossy, say};
use crate::frame::SyscallFrame;
use crate::sys::{self, Maps, PAGE, Vma, Vmas, page_down};

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

/// Patches every object mapped at start-up. Fails when the first that is patched
/// may not be executed again; it is put back then.
pub(super) fn patch_all(maps: &Maps, config: &Config<'_>) -> sys::Result<()> {
    // Emulators of user space show no page as executable.
    let shows_code = maps.vmas().any(|vma| vma.executable && vma.inode != 0);
    // SAFETY: a leaf of ours that returns an address.
    let libc_start = unsafe { interceptor_libc_start() };
    let last_of_ours = own::text().end.saturating_sub(1);
    let our_name = maps.vmas().find(|vma| vma.range.contains(&last_of_ours));
    let ahead = our_name.and_then(|vma| Ahead::open(config, vma.name));
    let (memory, last, is_first) = (Memory::default(), near::Last::default(), true);
    let ahead = ahead.as_ref();
    let has_stack = false;
    let mut patcher = Patcher { maps, config, ahead, memory, last, is_first, has_stack };
    for piece in pieces(maps).filter(|piece| !piece.vma.range.contains(&last_of_ours)) {
        let Some((range, prot)) = piece.code(shows_code) else {
            continue;
        };
        if range.contains(&libc_start) {
            LIBC_TEXT[0].store(range.start, Relaxed);
            LIBC_TEXT[1].store(range.end, Relaxed);
        }
        let name = piece.vma.name;
        let tally = if config.bypasses(name) {
            Tally::default()
        } else if piece.vma.readable {
            patcher.patch(&piece, range, prot)?
        } else {
            say(format_args!("{}: execute-only text is left alone", Lossy(name)));
            continue;
        };
        coverage::report(name, &tally, config.debug_dump);
    }
    Ok(())
}

/// A mapping of a file.
struct Piece<'m> {
    vma: Vma<'m>,
    /// All mappings from the file's first one on.
    file: Vmas<'m>,
}

/// The mappings of files.
fn pieces(maps: &Maps) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = maps.vmas();
    let mut file = rest.clone();
    let mut inode = 0;
    let pieces = core::iter::from_fn(move || {
        let here = rest.clone();
        let vma = rest.next()?;
        // What is of no file is not looked at: the first mapping of all may be our stack.
        let begins =
            |vma: &Vma<'_>| vma.inode != inode || (vma.offset == 0 && !is_of_image(&file, vma));
        if vma.inode != 0 && begins(&vma) {
            (file, inode) = (here, vma.inode);
        }
        Some(Piece { vma, file: file.clone() })
    });
    pieces.filter(|Piece { vma, .. }| vma.inode != 0 && !vma.name.starts_with(b"["))
}

/// Whether a mapping of a file's beginning belongs to the image that the file's first mapping
/// begins: what comes next of a small file may lie in the same page of it.
fn is_of_image(file: &Vmas<'_>, vma: &Vma<'_>) -> bool {
    let memory = ImageVmas::new(file.clone());
    let first = file.clone().next();
    let image = first.and_then(|first| Image::at(first.range.start, &memory));
    image.is_some_and(|image| image.has_page(vma.range.start))
}

impl Piece<'_> {
    /// Where the file's header would be.
    fn base(&self) -> u64 {
        self.file.clone().next().map_or(self.vma.range.start, |first| first.range.start)
    }

    /// The code in it, and its protection.
    fn code(&self, shows_code: bool) -> Option<(Range<u64>, usize)> {
        if self.vma.executable {
            return Some((self.vma.there(), protection(&self.vma)));
        }
        if shows_code {
            return None;
        }
        let memory = ImageVmas::new(self.file.clone());
        let code = Image::at(self.base(), &memory)?.code_in(&self.vma.there())?;
        Some((code, PROT_READ | PROT_EXEC))
    }
}

/// Makes the pages of the stack present that planning will use, which costs less than a
/// fault for each.
fn populate_stack() {
    const USED: u64 = 17 * PAGE;
    let here = 0_u8;
    sys::populate(page_down((&raw const here) as u64) - USED, USED);
}

struct Patcher<'p> {
    maps: &'p Maps,
    config: &'p Config<'p>,
    ahead: Option<&'p Ahead>,
    memory: Memory,
    /// Where stubs have got memory last.
    last: near::Last,
    /// Nothing has been patched yet.
    is_first: bool,
    /// The stack has the pages that planning uses.
    has_stack: bool,
}

impl Patcher<'_> {
    /// Patches the code of a piece. Fails when it may not be executed any more, and nothing
    /// has been patched before.
    fn patch(&mut self, piece: &Piece<'_>, range: Range<u64>, prot: usize) -> sys::Result<Tally> {
        let Piece { vma, file } = piece;
        let source = (range == vma.range).then(|| Source::of(vma));
        let mut text = Text {
            range,
            prot,
            name: vma.name,
            is_pristine: true,
            source,
            expected: None,
            is_early: true,
            is_written: false,
            limit: EVERYWHERE,
        };
        if let Some(found) = self.ahead.and_then(|ahead| ahead.find(vma, &text.range)) {
            text.expected = Some(found.replaced());
            let patched = self.apply(&text, &|sink| {
                let _ = found.for_each(&text.range, &mut |_, site| sink(site));
            });
            if patched.1 != Some(Errno::ESTALE) {
                return self.settle(&text, patched);
            }
            // Somebody has written to it since it was mapped, or the plans could not be read.
            text.expected = None;
        }
        let memory = ImageVmas::new(file.clone());
        let image = Image::at(piece.base(), &memory);
        let symbols = image.as_ref().and_then(Image::dynamic_symbols);
        symbols.into_iter().flat_map(|symbols| symbols.imports(API)).for_each(imports::note);
        if image.as_ref().is_none_or(Image::relocates_text) {
            (text.is_pristine, text.source) = (false, None);
        }
        if !text.has_candidates() {
            return Ok(Tally::default());
        }
        if !core::mem::replace(&mut self.has_stack, true) {
            populate_stack();
        }
        let patched = self.apply(&text, &|sink| {
            plan(&text, image.as_ref(), self.config.force_rung, sink);
        });
        if let Some(frames) = image.as_ref().and_then(Image::unwind_pages) {
            // Read by the planner, and by the program when it throws.
            sys::release(&frames);
        }
        self.settle(&text, patched)
    }

    fn apply(&self, text: &Text<'_>, plan: PlanTo<'_>) -> (Tally, Option<Errno>) {
        let near = near::in_gaps(self.maps, &self.last);
        patch_text(text, plan, &near, &self.memory)
    }

    /// What has become of a text, unless nothing may be patched at all.
    fn settle(
        &mut self,
        text: &Text<'_>,
        (tally, refused): (Tally, Option<Errno>),
    ) -> sys::Result<Tally> {
        match refused {
            Some(error) if self.is_first => return Err(error),
            Some(error) => say_left_alone(text, error),
            None => {}
        }
        self.is_first &= tally.is_empty();
        Ok(tally)
    }
}
