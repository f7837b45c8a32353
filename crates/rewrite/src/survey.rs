//! What is known of a function: what is an instruction, what is jumped to, what is
//! dead. [`pass`] finds it out.

use core::ops::Range;

use crate::decode::Step;
use crate::indirect::Memory;
use crate::list::List;
use crate::marks::Marks;
use crate::scan::SiteKind;

/// Candidates of one function that are surveyed together.
const SITES: usize = 64;
/// How many of them may need a pass: what is near them has to be remembered.
const OPEN: usize = 16;
/// How far around a site anything matters: a hole within reach of a short jump,
/// and its five bytes.
const NEIGHBOURHOOD: u64 = 160;
/// Functions longer than this are not gone through once more to tell that
/// bytes inside an instruction are not code.
const LARGE: u64 = 1 << 12;
/// Steps that are collected before they are looked at. A power of two.
const STEPS: usize = 32;
/// Instructions before a site that are remembered.
pub(crate) const HISTORY: usize = 8;

/// A candidate, and what the pass found at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub address: u64,
    /// `None` for a jump that may be none.
    pub kind: Option<SiteKind>,
    pub status: Status,
    /// It came with this status.
    is_settled: bool,
    /// How far before it the instructions start that are executed one after
    /// the other up to it, the nearest first; 0 where there are no more.
    pub history: [u8; HISTORY],
}

/// Whether a candidate is an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The pass did not get there.
    Unreached,
    /// It is.
    Instruction,
    /// It looks like one, in bytes that nothing seen so far leads to.
    Doubtful,
    /// It is not, unless what is decoded in doubt is decoded wrongly.
    DoubtfullyInside,
    /// It is one with prefixes, which nobody writes.
    Prefixed,
    /// It lies inside another instruction.
    Inside,
}

/// What the bytes behind an instruction that does not go on are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Code only if something leads there.
    Branches,
    /// Code, if it ends where it should: several functions, of which only the
    /// first has a name.
    Linear,
    /// Not asked: what is passed over ends there.
    Proven,
}

/// What is known of a function.
pub(crate) struct Survey {
    pub sites: List<Site, SITES>,
    /// Where direct jumps and calls lead, and addresses that the function takes
    /// of itself, near sites.
    pub targets: List<u64, 256>,
    /// Padding near sites that falls to nobody: after an instruction that does
    /// not go on.
    pub dead: List<(u64, u64), 32>,
    /// Jumps through a register or a table, whose targets are not seen.
    pub has_indirect_jump: bool,
    /// Jumps through a pointer at a fixed address, which are calls of other functions as a rule.
    pub has_pointer_jump: bool,
    /// It jumps to other functions, or to parts of it that are elsewhere.
    pub jumps_out: bool,
    /// It takes the address of a place in itself, for such a jump perhaps.
    pub takes_own_address: bool,
    /// Other addresses that it takes; jump tables are among them.
    pub data: List<u64, 32>,
    /// Addresses that it adds an index to.
    pub indexed: List<u64, 16>,
    /// The stretches in doubt.
    doubts: List<(u64, u64), 256>,
    /// Candidates that came without a status.
    open: usize,
    /// Granules near sites.
    near: Near,
    /// Not written by hand, so without data in it.
    is_large: bool,
    /// Every byte of the function was decoded.
    pub complete: bool,
    /// Its end is passed.
    pub falls_out: bool,
    /// Addresses that proven code leads to, of all passes.
    proven: Marks,
    /// Steps that a pass has yet to look at, and their offsets in the function.
    steps: [(u32, Step); STEPS],
    /// What the last pass has proven too late for itself.
    news: List<u64, 64>,
}

impl Survey {
    #[inline(never)]
    pub(crate) fn new() -> Self {
        let site = Site {
            address: 0,
            kind: None,
            status: Status::Unreached,
            is_settled: false,
            history: [0; HISTORY],
        };
        Self {
            sites: List::new(site),
            targets: List::new(0),
            dead: List::new((0, 0)),
            has_indirect_jump: false,
            has_pointer_jump: false,
            jumps_out: false,
            takes_own_address: false,
            data: List::new(0),
            indexed: List::new(0),
            doubts: List::new((0, 0)),
            open: 0,
            near: Near::default(),
            is_large: false,
            complete: false,
            falls_out: true,
            proven: Marks::new(),
            steps: [(0, Step::default()); STEPS],
            news: List::new(0),
        }
    }

    /// Starts over with no candidates.
    pub(crate) fn clear(&mut self) {
        self.sites.clear();
        self.open = 0;
        self.news.clear();
    }

    /// Adds a candidate; they come in address order. Nothing is decoded for the
    /// sake of those with a status.
    pub(crate) fn add(&mut self, address: u64, kind: Option<SiteKind>, status: Status) {
        let is_settled = status != Status::Unreached;
        self.open += usize::from(!is_settled);
        self.sites.push(Site { address, kind, status, is_settled, history: [0; HISTORY] });
    }

    /// Whether it is large, so that a glance tells enough of bytes inside an
    /// instruction.
    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Whether a pass is needed.
    pub(crate) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Whether no more candidates can be added.
    pub(crate) fn is_full(&self) -> bool {
        self.sites.is_full() || self.open == OPEN
    }

    /// Notes that something leads to an address in the function.
    pub(crate) fn prove(&mut self, address: u64) {
        if self.proven.insert(address) {
            self.news.push(address);
        }
    }

    /// Whether the last pass left doubts that another may settle.
    pub(crate) fn can_learn(&self) -> bool {
        (self.news.overflowed() || !self.news.as_slice().is_empty()) && self.has_doubts()
    }

    /// Whether a candidate is in doubt.
    pub(crate) fn has_doubts(&self) -> bool {
        let is_large = self.is_large;
        self.sites.as_slice().iter().any(|site| match site.status {
            Status::Doubtful => true,
            Status::DoubtfullyInside => !is_large,
            _ => false,
        })
    }

    /// Forgets what is proven, for the function at these addresses.
    pub(crate) fn start(&mut self, function: &Range<u64>) {
        self.proven.clear(function.start);
        self.is_large = function.end - function.start > LARGE;
    }

    /// Decodes the function at `range`; `bytes` starts with it, and may go on.
    pub(crate) fn pass(
        &mut self,
        bytes: &[u8],
        range: &Range<u64>,
        memory: &Memory<'_>,
        trust: Trust,
    ) {
        self.forget_last_pass();
        self.near = Near::default();
        for site in self.sites.as_slice().iter().filter(|site| !site.is_settled) {
            self.near.add(site.address);
        }
        Pass::new(self, range, memory).run(bytes, trust);
    }

    /// Passes once more over what the last pass has proven too late. Whether that was
    /// enough to know what another pass would find.
    pub(crate) fn settle(&mut self, bytes: &[u8], range: &Range<u64>, memory: &Memory<'_>) -> bool {
        if self.doubts.overflowed() || !self.complete {
            return false;
        }
        while let Some(proven) = self.news.pop() {
            let Some((_, end)) = self.doubt_at(proven) else {
                continue;
            };
            let stretch = proven..core::mem::replace(end, proven);
            if !Pass::new(self, range, memory).settle(bytes, &stretch) {
                return false;
            }
        }
        !self.news.overflowed() && !self.targets.overflowed()
    }

    /// What was in doubt until now is so no longer from an address on, or newly.
    fn end_doubt(&mut self, address: u64) {
        if let Some((_, end)) = self.doubts.last_mut() {
            *end = address.min(*end);
        }
    }

    /// The stretch in doubt that contains an address.
    fn doubt_at(&mut self, address: u64) -> Option<&mut (u64, u64)> {
        let doubts = self.doubts.as_mut_slice();
        let next = doubts.partition_point(|(start, _)| *start <= address);
        doubts.get_mut(..next)?.last_mut().filter(|(_, end)| address < *end)
    }

    /// Whether a stretch in doubt starts at an address.
    pub(crate) fn has_doubt_at(&self, address: u64) -> bool {
        self.doubts.as_slice().binary_search_by_key(&address, |(start, _)| *start).is_ok()
    }

    fn forget_last_pass(&mut self) {
        for site in self.sites.as_mut_slice().iter_mut().filter(|site| !site.is_settled) {
            site.status = Status::Unreached;
        }
        self.targets.clear();
        self.dead.clear();
        self.has_indirect_jump = false;
        self.has_pointer_jump = false;
        self.jumps_out = false;
        self.takes_own_address = false;
        self.data.clear();
        self.indexed.clear();
        self.doubts.clear();
        self.complete = false;
        self.falls_out = true;
        self.news.clear();
    }

    #[inline(always)]
    fn is_near_a_site(&self, address: u64) -> bool {
        self.near.passes(address) && self.is_within_reach(address)
    }

    fn is_within_reach(&self, address: u64) -> bool {
        let sites = self.sites.as_slice();
        let next = sites.partition_point(|site| site.address + NEIGHBOURHOOD <= address);
        let near = sites.iter().skip(next);
        near.take_while(|site| site.address < address + NEIGHBOURHOOD).any(|site| !site.is_settled)
    }
}

/// Bits that tell of most addresses that they are far from all sites.
#[derive(Default)]
struct Near([u64; NEAR_WORDS]);

const NEAR_WORDS: usize = 8;
/// Addresses that share a bit.
const GRANULE: u64 = 64;

impl Near {
    fn add(&mut self, site: u64) {
        let first = site.saturating_sub(NEIGHBOURHOOD) / GRANULE;
        for granule in first..=site.saturating_add(NEIGHBOURHOOD) / GRANULE {
            self.0[(granule / 64) as usize % NEAR_WORDS] |= 1 << (granule % 64);
        }
    }

    #[inline(always)]
    fn passes(&self, address: u64) -> bool {
        let granule = address / GRANULE;
        self.0[(granule / 64) as usize % NEAR_WORDS] >> (granule % 64) & 1 != 0
    }
}

mod pass;
use pass::Pass;
