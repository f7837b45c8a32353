//! Jumps from anywhere in the text that may lead near a site.
//!
//! A function may be entered in the middle by another one: compilers put
//! unlikely code apart, and it jumps back. Decoding the whole text to find
//! such jumps is too slow, so every byte that may begin a `jmp rel32` or a long
//! `jcc` is taken for one. What is found too much costs a rung, no more.

use crate::list::List;

/// Targets that are remembered before the search is given up.
const TARGETS: usize = 512;
const BUCKETS: usize = 256;

/// Addresses near candidates that something may jump to.
pub(crate) struct Inbound {
    targets: List<u64, TARGETS>,
}

impl Inbound {
    /// Searches `text` for jumps to the surroundings of `sites`.
    pub(crate) fn search(text: &[u8], base: u64, sites: impl Iterator<Item = u64>) -> Self {
        let mut near = [0u64; BUCKETS];
        for site in sites {
            for granule in (site - 48) >> 4..=(site + 48) >> 4 {
                if let Some(word) = near.get_mut((granule >> 6) as usize % BUCKETS) {
                    *word |= 1 << (granule & 63);
                }
            }
        }
        let mut inbound = Self { targets: List::new(0) };
        for (at, window) in text.windows(6).enumerate() {
            let [a, b, c, d, e, f] = *window else { continue };
            let (distance, len) = match (a, b) {
                (0xe9, _) => ([b, c, d, e], 5),
                (0x0f, 0x80..=0x8f) => ([c, d, e, f], 6),
                _ => continue,
            };
            let from = base + at as u64 + len;
            let target = from.wrapping_add_signed(i64::from(i32::from_le_bytes(distance)));
            let word = near.get((target >> 10) as usize % BUCKETS).copied().unwrap_or(0);
            if word >> ((target >> 4) & 63) & 1 != 0 {
                inbound.targets.push(target);
            }
        }
        inbound
    }

    /// Whether something may jump into the addresses.
    pub(crate) fn may_enter(&self, from: u64, to: u64) -> bool {
        self.targets.overflowed()
            || self.targets.as_slice().iter().any(|target| (from..to).contains(target))
    }
}
