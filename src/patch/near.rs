//! Memory within reach of a `jmp rel32`.
//!
//! Stubs must lie within 2 GiB of the sites that jump to them, and of whatever
//! their moved instructions refer to. Room is taken from gaps that
//! `/proc/self/maps` shows, or, where that file is not read, from where the
//! kernel itself puts a mapping when asked politely. Nothing is ever replaced.

use core::cell::Cell;
use core::ops::Range;

use crate::sys::{self, Mapping, Maps, PAGE, Vma, page_down, page_up};

/// Farthest distance between the ends of text and stubs: 2 GiB, less what the
/// text itself and rip-relative operands near it need.
const REACH: u64 = (1 << 31) - (1 << 28);
/// Pages kept free on either side of a gap's neighbours, so that a heap or a
/// stack beside it has room to grow a little.
const MARGIN: u64 = 16 * PAGE;
/// Nothing is mapped below: the pages that catch NULL pointers.
const LOWEST: u64 = 0x1_0000;

/// Maps `len` bytes near `text`, below what was mapped for the text before, or in the nearest
/// gap of the address space.
fn map_in_gap<'a>(
    text: &Range<u64>,
    len: u64,
    last: &Last,
    vmas: impl Iterator<Item = Vma<'a>>,
) -> sys::Result<Mapping> {
    let len = page_up(len);
    let mapped = match last.map_below(text, len) {
        Some(mapping) => Ok(mapping),
        None => map_in_nearest(text, len, vmas),
    };
    mapped.inspect(|mapping| last.0.set(if mapping.start < text.start { mapping.start } else { 0 }))
}

/// [`map_in_gap`] with these mappings.
pub(super) fn in_gaps(
    maps: &Maps,
    last: &Last,
) -> impl Fn(&Range<u64>, u64) -> sys::Result<Mapping> {
    move |text, len| map_in_gap(text, len, last, maps.vmas())
}

/// Where the last area starts that lies below its text, 0 for none. Those of objects that lie
/// together are put one below the other, which the kernel then has as one mapping: fewer for
/// every fork to copy.
#[derive(Default)]
pub(super) struct Last(Cell<u64>);

impl Last {
    fn map_below(&self, text: &Range<u64>, len: u64) -> Option<Mapping> {
        let start = self.0.get().checked_sub(len).filter(|start| *start >= LOWEST)?;
        if !is_in_reach(text, start, len) {
            return None;
        }
        Mapping::anonymous_at(start, len).ok()
    }
}

fn map_in_nearest<'a>(
    text: &Range<u64>,
    len: u64,
    vmas: impl Iterator<Item = Vma<'a>>,
) -> sys::Result<Mapping> {
    let heap_end = page_up(sys::heap_end());
    let mut best: Option<(u64, u64)> = None;
    let mut previous_end = LOWEST;
    for vma in vmas {
        let gap = previous_end..vma.range.start;
        let grows_into_gap = vma.name == b"[stack]";
        previous_end = vma.range.end;
        if grows_into_gap || gap.end < gap.start {
            continue;
        }
        let heap = heap_end.clamp(gap.start, gap.end);
        for (piece, is_heaps) in [(gap.start..heap, false), (heap..gap.end, heap == heap_end)] {
            if let Some(start) = place(text, len, &piece, is_heaps) {
                let distance = start.abs_diff(text.start);
                if best.is_none_or(|(_, best)| distance < best) {
                    best = Some((start, distance));
                }
            }
        }
    }
    match best {
        Some((start, _)) => Mapping::anonymous_at(start, len).or_else(|_| map_by_asking(text, len)),
        None => map_by_asking(text, len),
    }
}

/// The place in a gap that is nearest to the text, if the gap has one in reach. Where the heap
/// grows from below, it is the farthest: a program may have all that is behind its heap.
#[inline(never)]
fn place(text: &Range<u64>, len: u64, gap: &Range<u64>, is_heaps: bool) -> Option<u64> {
    let low = page_up(gap.start + MARGIN);
    let high = page_down(gap.end.checked_sub(MARGIN)?).checked_sub(len)?;
    if low > high {
        return None;
    }
    let start = match () {
        () if gap.end <= text.start => high,
        () if is_heaps => high.min(page_down(text.start + REACH - len - PAGE)).max(low),
        () => low,
    };
    is_in_reach(text, start, len).then_some(start)
}

/// Maps `len` bytes where the kernel finds room, starting at hints around the
/// text. For objects that appear later.
pub(super) fn map_by_asking(text: &Range<u64>, len: u64) -> sys::Result<Mapping> {
    let len = page_up(len);
    let below = page_down(text.start).saturating_sub(len + MARGIN);
    let above = page_up(text.end) + MARGIN;
    let mut distance = 0;
    while distance < REACH / 2 {
        for hint in [below.saturating_sub(distance), above + distance] {
            if hint < LOWEST || !is_in_reach(text, hint, len) {
                continue;
            }
            if let Ok(mapping) = Mapping::anonymous_at(hint, len) {
                return Ok(mapping);
            }
        }
        distance = if distance == 0 { 1 << 20 } else { distance * 2 };
    }
    // Wherever the kernel likes: beside the other libraries, as a rule.
    let mapping = Mapping::anonymous(len)?;
    if is_in_reach(text, mapping.start, len) {
        return Ok(mapping);
    }
    mapping.unmap();
    Err(syscalls::Errno::ENOMEM)
}

fn is_in_reach(text: &Range<u64>, start: u64, len: u64) -> bool {
    let low = text.start.min(start);
    let high = text.end.max(start + len);
    high - low < REACH
}
