//! Who uses which interface, for a copy of the runtime that does nothing itself.

use super::image::{Image, ImageVmas};
use crate::sys::Maps;

/// Whether all hook libraries of the process are for libsyscall_intercept, and none
/// for `libinterceptor.so`.
pub(crate) fn are_for_drop_in(maps: &Maps) -> bool {
    refer_to(maps, b"intercept_hook_point") && !refer_to(maps, super::API)
}

/// Whether an object refers to a name with this prefix.
fn refer_to(maps: &Maps, prefix: &'static [u8]) -> bool {
    let mut rest = maps.vmas();
    while let (file, Some(vma)) = (rest.clone(), rest.next()) {
        if vma.inode == 0 || vma.offset != 0 || !vma.readable {
            continue;
        }
        let memory = ImageVmas::new(file);
        let image = Image::at(vma.range.start, &memory);
        let symbols = image.as_ref().and_then(Image::dynamic_symbols);
        if symbols.is_some_and(|symbols| symbols.imports(prefix).next().is_some()) {
            return true;
        }
    }
    false
}
