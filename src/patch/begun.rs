//! An image that is being mapped, piece by piece.
//!
//! ld.so maps all of a file first, and then each segment to its place. Where segments leave
//! gaps it takes access away from what is behind the first, until it maps that
//! (`_dl_map_segments`): from the unwind tables, too, which as a rule come after the text.
//! What is closed is opened while the text is planned.

use core::ops::Range;

use super::image::{Image, ImageVmas};
use crate::sys::{self, Mapping, PAGE, page_down};

const PROT_NONE: usize = 0;
const PROT_READ: usize = 1;

/// What can be read of such an image, as long as this exists.
pub(super) struct Begun {
    memory: ImageVmas,
    opened: heapless::Vec<Mapping, 8>,
}

impl Begun {
    /// The image whose file was mapped at `whole`, and now its segment at `text`.
    pub(super) fn new(whole: &Range<u64>, text: &Range<u64>) -> Self {
        let mut begun = Self { memory: ImageVmas::none(), opened: heapless::Vec::new() };
        let first = whole.start..whole.end.min(whole.start + PAGE);
        if first.is_empty() || !is_readable(&first) {
            return begun;
        }
        let first = ImageVmas::piece(first);
        let Some(image) = Image::at(whole.start, &first) else {
            return begun;
        };
        for segment in image.segments_in_memory() {
            let there = segment.range.start.max(whole.start)..segment.range.end.min(whole.end);
            if there.is_empty() {
                continue;
            }
            // They are mapped in the order of their addresses. Those behind may have to move.
            let is_behind = there.start >= text.end;
            let is_at_its_place = !is_behind || there.start - whole.start == segment.offset;
            let may_open = is_behind && !segment.is_writable;
            if is_at_its_place && (is_readable(&there) || may_open && begun.open(&there)) {
                begun.memory.add(page_down(there.start)..there.end);
            }
        }
        begun
    }

    pub(super) fn memory(&self) -> &ImageVmas {
        &self.memory
    }

    /// Lets memory without access be read. Returns whether it can be.
    fn open(&mut self, range: &Range<u64>) -> bool {
        let start = page_down(range.start);
        let closed = Mapping { start, len: sys::page_up(range.end) - start };
        self.opened.push(closed).is_ok() && closed.protect(PROT_READ).is_ok() && is_readable(range)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for closed in &self.opened {
            // It is mapped anew next.
            let _ = closed.protect(PROT_NONE);
        }
    }
}

/// Whether a segment can be read: then all of it can, or none.
fn is_readable(range: &Range<u64>) -> bool {
    let is_page = |address: u64| sys::read_guest(address, &mut [0]) == 1;
    is_page(range.start) && is_page(range.end - 1)
}
