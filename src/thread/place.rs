//! Where the blocks of further threads lie: out of the way.
//!
//! Left alone, the kernel puts a mapping into the highest hole that is large enough. A program
//! may have made that hole, and know it to be empty: below a stack that is to grow
//! (MAP_GROWSDOWN), for the thread that it makes next. So blocks lie one below the other, far
//! below what is mapped at start-up, as long as there is room.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys::{self, Mapping};

/// How far below the first block, which is near the lowest library: near enough for the
/// kernel to need few page tables more.
const DISTANCE: u64 = 256 << 20;

/// Where the last one begins, 0 before the first.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Maps memory for a block.
pub(super) fn map(len: u64) -> sys::Result<Mapping> {
    let below = |last: u64| last.checked_sub(len).filter(|start| last != 0 && *start != 0);
    match LAST.fetch_update(Relaxed, Relaxed, below) {
        Ok(last) => Mapping::anonymous_if_free(last - len, len),
        Err(_) => {
            let first = Mapping::anonymous(len)?;
            LAST.store(first.start.saturating_sub(DISTANCE), Relaxed);
            Ok(first)
        }
    }
}
