//! Finds every patch site of the process and applies the rewriter's plans.
//!
//! The rewriter (`crates/rewrite`) says what can be done where; this module owns
//! the memory: it maps areas for stubs near each object, writes stubs and
//! patches, and leaves every page protected as it was.

mod apply;
mod image;
mod near;
mod registry;
mod stub;
mod trap;

use core::ops::Range;

use crate::config::Config;
use crate::sys::{Maps, page_up};

pub(crate) use apply::{hook_is_imported, patch_generated, patch_image};
pub(crate) use stub::template_is_sound;
pub(crate) use trap::stub_of as trap_stub_of;

/// Patches all objects that are mapped at start-up.
pub(crate) fn patch_everything(maps: &Maps, config: &Config<'_>) {
    apply::at_startup(maps, config);
}

/// Whether patched text may lie in `len` bytes from `start`.
pub(crate) fn is_patched(start: u64, len: u64) -> bool {
    registry::may_contain(&range(start, len))
}

/// Text in `len` bytes from `start` is gone.
pub(crate) fn forget(start: u64, len: u64) {
    let range = range(start, len);
    if registry::may_contain(&range) {
        registry::forget(&range);
    }
}

/// Where the program stands when the processor stands at `address`, an address
/// in a stub; `None` for any other.
pub(crate) fn program_address_of(address: u64) -> Option<u64> {
    stub::program_address_of(registry::area_at(address)?, address)
}

fn range(start: u64, len: u64) -> Range<u64> {
    start..start.saturating_add(page_up(len))
}
