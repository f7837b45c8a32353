//! Jumps from anywhere in the text that may lead near a site.
//!
//! A function may be entered in the middle by another one: compilers put
//! unlikely code apart, and it jumps back. Decoding the whole text to find
//! such jumps is too slow, so every byte that may begin a `jmp rel32` or a long
//! `jcc` is taken for one. What is found too much costs a rung, no more.

use crate::list::List;
use crate::pairs;

/// Targets that are remembered before the search is given up.
const TARGETS: usize = 1024;
/// Bits of the filter of interesting 16-byte granules.
const FILTER_WORDS: usize = 256;
/// Sites that are remembered exactly.
const SITES: usize = 2048;
/// A moved window lies within this distance of its site.
const NEAR: u64 = 20;

/// Addresses near candidates that something may jump to.
pub(crate) struct Inbound {
    targets: List<u64, TARGETS>,
}

impl Inbound {
    /// Searches `text` for jumps to the surroundings of `sites`.
    pub(crate) fn search(text: &[u8], base: u64, sites: impl Iterator<Item = u64>) -> Self {
        let sites = Surroundings::of(sites);
        let mut inbound = Self {
            targets: List::new(0),
        };
        let may_jump =
            |first: u8, second: u8| (first == 0xe9) | ((first == 0x0f) & (second & 0xf0 == 0x80));
        for at in pairs::find(text, may_jump) {
            if let Some(target) = text
                .get(at..)
                .and_then(|b| jump_target(b, base + at as u64))
                && sites.contains(target)
            {
                inbound.targets.push(target);
            }
        }
        inbound
    }

    /// Whether something may jump into the addresses.
    pub(crate) fn may_enter(&self, from: u64, to: u64) -> bool {
        self.targets.overflowed()
            || self
                .targets
                .as_slice()
                .iter()
                .any(|target| (from..to).contains(target))
    }
}

/// Where the jump leads that begins `bytes`, if it is one.
fn jump_target(bytes: &[u8], address: u64) -> Option<u64> {
    let (distance, len) = match *bytes.first_chunk::<5>()? {
        [0xe9, a, b, c, d] => ([a, b, c, d], 5),
        [0x0f, 0x80..=0x8f, a, b, c] => ([a, b, c, *bytes.get(5)?], 6),
        _ => return None,
    };
    Some((address + len).wrapping_add_signed(i64::from(i32::from_le_bytes(distance))))
}

/// The surroundings of sites: a filter that tells quickly of most addresses
/// that they are not in them, and the exact, sorted list.
struct Surroundings {
    filter: [u64; FILTER_WORDS],
    sites: List<u64, SITES>,
}

impl Surroundings {
    fn of(sites: impl Iterator<Item = u64>) -> Self {
        let mut surroundings = Self {
            filter: [0; FILTER_WORDS],
            sites: List::new(0),
        };
        for site in sites {
            surroundings.sites.push(site);
            for granule in site.saturating_sub(NEAR) >> 4..=site.saturating_add(NEAR) >> 4 {
                let (word, bit) = Self::place(granule);
                if let Some(word) = surroundings.filter.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        surroundings
    }

    fn contains(&self, address: u64) -> bool {
        let (word, bit) = Self::place(address >> 4);
        if self.filter.get(word).is_none_or(|word| word & bit == 0) {
            return false;
        }
        let sites = self.sites.as_slice();
        let next = sites.partition_point(|site| *site + NEAR < address);
        self.sites.overflowed() || sites.get(next).is_some_and(|site| *site <= address + NEAR)
    }

    fn place(granule: u64) -> (usize, u64) {
        ((granule >> 6) as usize % FILTER_WORDS, 1 << (granule & 63))
    }
}
