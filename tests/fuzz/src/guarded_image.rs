//! An image as the loader maps it, between pages that nobody may touch.

use interceptor_rewrite::{CodeMap, eh_frame_address};

use crate::guarded::Guarded;
use crate::image::{Image, ImageVmas};

/// Looks at everything that start-up looks at.
pub(crate) fn run(input: &[u8]) {
    const LONGEST: usize = 1 << 20;
    let input = &input[..input.len().min(LONGEST)];
    let mut memory = Guarded::new(input.len().max(1));
    memory.bytes()[..input.len()].copy_from_slice(input);
    let range = memory.start()..memory.end();
    let piece = ImageVmas::piece(range.clone());
    let Some(image) = Image::at(range.start, &piece) else {
        return;
    };
    if let Some(symbols) = image.dynamic_symbols() {
        assert!(symbols.bytes().len() <= input.len() + 4096);
        let _ = symbols.imports(b"__").map(<[u8]>::len).sum::<usize>();
    }
    if let Some((address, header)) = image.eh_frame_hdr()
        && let Some(frames) = eh_frame_address(address, header)
        && let Some(bytes) = image.from(frames)
    {
        let _ = CodeMap::new((address, header), (frames, bytes));
    }
    let _ = (image.go_table(), image.unwind_pages(), image.relocates_text());
    let _ = image.constant_pages().count();
    let _ = image.code_in(&range);
    for address in [range.start, range.start.midpoint(range.end), range.end, 0, u64::MAX] {
        let _ = (image.symbol_at(address), image.from(address).map(<[u8]>::len));
    }
}
