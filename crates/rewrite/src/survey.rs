//! One pass over a function: what is an instruction, what is jumped to, what is
//! dead.
//!
//! Instructions are taken one after the other. What follows an instruction that
//! does not go on is in *doubt*, since it may be data, until an address that
//! proven code is known to lead to. Proof may come from code behind (a loop's
//! end), so the pass is repeated with what it found, for as long as a candidate
//! is in doubt and there is news.

use core::ops::Range;

use crate::bytes::{i32_at, u64_at};
use crate::decode::{Decoded, Flow, Glimpse, Reference, decode_here};
use crate::indirect::Memory;
use crate::list::{List, Recent};
use crate::marks::Marks;
use crate::scan::{SITE_LEN, SiteKind};

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
    /// It takes the address of a place in itself, for such a jump perhaps.
    pub takes_own_address: bool,
    /// Other addresses that it takes; jump tables are among them.
    pub data: List<u64, 32>,
    /// Addresses that it adds an index to.
    pub indexed: List<u64, 16>,
    /// Starts of the stretches in doubt.
    pub doubts: List<u64, 256>,
    /// Candidates that came without a status.
    open: usize,
    /// From the first to the last address that is near a site.
    surroundings: Range<u64>,
    /// Not written by hand, so without data in it.
    is_large: bool,
    /// Every byte of the function was decoded.
    pub complete: bool,
    /// What the last instruction does that is not padding.
    pub last: Flow,
    /// Addresses that proven code leads to, of all passes.
    proven: Marks,
    /// Whether the last pass has proven something too late for itself.
    has_news: bool,
}

impl Survey {
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
            takes_own_address: false,
            data: List::new(0),
            indexed: List::new(0),
            doubts: List::new(0),
            open: 0,
            surroundings: 0..0,
            is_large: false,
            complete: false,
            last: Flow::Next,
            proven: Marks::new(),
            has_news: false,
        }
    }

    /// Starts over with no candidates.
    pub(crate) fn clear(&mut self) {
        self.sites.clear();
        self.open = 0;
        self.has_news = false;
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
        self.has_news |= self.proven.insert(address);
    }

    /// Whether the last pass left doubts that another may settle.
    pub(crate) fn can_learn(&self) -> bool {
        self.has_news && self.has_doubts()
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
        if let (Some(first), Some(last)) =
            (self.sites.as_slice().first(), self.sites.as_slice().last())
        {
            let start = first.address.saturating_sub(NEIGHBOURHOOD);
            self.surroundings = start..last.address.saturating_add(NEIGHBOURHOOD);
        }
        let mut pass = Pass {
            survey: self,
            range,
            memory,
            next_site: 0,
            next_site_at: 0,
            straight: Recent::new(0),
        };
        pass.look_ahead();
        pass.run(bytes, trust);
    }

    fn forget_last_pass(&mut self) {
        for site in self.sites.as_mut_slice().iter_mut().filter(|site| !site.is_settled) {
            site.status = Status::Unreached;
        }
        self.targets.clear();
        self.dead.clear();
        self.has_indirect_jump = false;
        self.takes_own_address = false;
        self.data.clear();
        self.indexed.clear();
        self.doubts.clear();
        self.complete = false;
        self.last = Flow::Next;
        self.has_news = false;
    }

    fn is_near_a_site(&self, address: u64) -> bool {
        if !self.surroundings.contains(&address) {
            return false;
        }
        let sites = self.sites.as_slice();
        let next = sites.partition_point(|site| site.address + NEIGHBOURHOOD <= address);
        let near = sites.iter().skip(next);
        near.take_while(|site| site.address < address + NEIGHBOURHOOD).any(|site| !site.is_settled)
    }
}

/// A pass on its way.
struct Pass<'s> {
    survey: &'s mut Survey,
    range: &'s Range<u64>,
    memory: &'s Memory<'s>,
    next_site: usize,
    /// Its address.
    next_site_at: u64,
    /// Starts of the instructions that lead here.
    straight: Recent<u64, HISTORY>,
}

impl Pass<'_> {
    fn run(&mut self, bytes: &[u8], trust: Trust) {
        let mut is_doubtful = false;
        let mut falls_through = true;
        let mut address = self.range.start;
        while address < self.range.end {
            let mut decoded = None;
            if falls_through {
                (address, decoded) = self.run_on(bytes, address, is_doubtful);
            }
            let rest = bytes.get((address - self.range.start) as usize..).unwrap_or(&[]);
            let decoded = decoded.or_else(|| decode_here(rest, address));
            if is_doubtful {
                is_doubtful = !self.survey.proven.contains(address);
                if !is_doubtful {
                    self.straight.clear();
                }
                let end = address + decoded.map_or(1, |decoded| u64::from(decoded.len));
                let settled = self.survey.proven.first_in(address + 1..end);
                if is_doubtful && (settled.is_some() || decoded.is_none()) {
                    // What was decoded here is not code.
                    address = settled.unwrap_or(end);
                    self.reject_sites(address);
                    self.straight.clear();
                    continue;
                }
            }
            let Some(decoded) = decoded else {
                return;
            };
            let end = address + u64::from(decoded.len);
            if end > self.range.end {
                return;
            }
            if end > self.next_site_at {
                self.note_sites(&decoded, address, is_doubtful);
                if self.is_pointless() {
                    return;
                }
            }
            self.note_flow(decoded.flow, address, is_doubtful);
            self.note_reference(&decoded, rest, end);
            if decoded.flow.is_padding() && !falls_through {
                self.note_dead(address, end);
                self.straight.clear();
                if is_doubtful {
                    self.move_doubt(address, end);
                }
            } else {
                falls_through = decoded.flow.goes_on();
                self.straight.push(address);
                if !falls_through {
                    self.straight.clear();
                    if trust == Trust::Branches {
                        is_doubtful = true;
                        self.survey.doubts.push(end);
                    }
                }
            }
            if !decoded.flow.is_padding() {
                self.survey.last = decoded.flow;
            }
            address = end;
        }
        self.survey.complete = address == self.range.end;
    }

    /// Passes instructions of the kinds that nearly all code consists of, none
    /// of them a candidate, as long as they lead to one another. Returns where
    /// it stops, which is before the function's end, and what is there.
    #[inline(always)]
    fn run_on(
        &mut self,
        bytes: &[u8],
        mut address: u64,
        is_doubtful: bool,
    ) -> (u64, Option<Decoded>) {
        let mut limit = self.next_site_at.min(self.range.end - 1);
        if is_doubtful && let Some(proven) = self.survey.proven.next_from(address) {
            limit = limit.min(proven);
        }
        loop {
            let rest = bytes.get((address - self.range.start) as usize..);
            let Some(window) = rest.and_then(|rest| rest.first_chunk()) else {
                return (address, None);
            };
            let glimpse = Glimpse::at(window);
            let end = address + glimpse.len();
            if end > limit {
                return (address, glimpse.decode(address));
            }
            if glimpse.is_plain() {
                self.survey.last = Flow::Next;
            } else if let Some(flow) = glimpse.leads_to(address) {
                self.note_flow(flow, address, is_doubtful);
                self.survey.last = flow;
            } else if glimpse.is_quiet(window, |number| self.memory.may_be_address(number)) {
                self.survey.last = Flow::Next;
            } else if !glimpse.is_nop() {
                return (address, glimpse.decode(address));
            }
            self.straight.push(address);
            address = end;
        }
    }

    /// Settles the candidates in one instruction.
    fn note_sites(&mut self, decoded: &Decoded, address: u64, is_doubtful: bool) {
        let end = address + u64::from(decoded.len);
        while let Some(site) = self.survey.sites.as_mut_slice().get_mut(self.next_site)
            && site.address < end
        {
            if site.is_settled {
                self.next_site += 1;
                continue;
            }
            let is_sought = match site.kind {
                Some(_) => matches!(decoded.flow, Flow::Syscall | Flow::OtherSystemCall),
                None => decoded.flow.target().is_some(),
            };
            let is_prefixed = is_sought
                && !is_doubtful
                && (site.kind.is_none() || end == site.address + SITE_LEN);
            let is_it = is_sought && site.address == address;
            site.status = match (is_it, is_doubtful) {
                (false, _) if is_prefixed => Status::Prefixed,
                (true, false) => Status::Instruction,
                (true, true) => Status::Doubtful,
                (false, true) => Status::DoubtfullyInside,
                (false, false) => Status::Inside,
            };
            site.history = [0; HISTORY];
            for (to, start) in site.history.iter_mut().zip(self.straight.newest_first()) {
                *to = u8::try_from(site.address - start).unwrap_or(0);
            }
            self.next_site += 1;
        }
        self.look_ahead();
    }

    fn look_ahead(&mut self) {
        let next = self.survey.sites.as_slice().get(self.next_site);
        self.next_site_at = next.map_or(u64::MAX, |site| site.address);
    }

    /// Candidates before `end` are not code.
    fn reject_sites(&mut self, end: u64) {
        while let Some(site) = self.survey.sites.as_mut_slice().get_mut(self.next_site)
            && site.address < end
        {
            site.status = Status::DoubtfullyInside;
            self.next_site += 1;
        }
        self.look_ahead();
    }

    /// Whether all candidates are known not to be sites.
    fn is_pointless(&self) -> bool {
        let sites = self.survey.sites.as_slice();
        self.next_site == sites.len()
            && sites.iter().all(|site| match site.status {
                Status::Inside => true,
                Status::DoubtfullyInside => self.survey.is_large,
                _ => false,
            })
    }

    fn note_flow(&mut self, flow: Flow, address: u64, is_doubtful: bool) {
        if flow == Flow::IndirectJump {
            self.survey.has_indirect_jump = true;
        }
        let Some(target) = flow.target() else {
            return;
        };
        if self.survey.is_near_a_site(target) {
            self.survey.targets.push(target);
        }
        if is_doubtful || !self.range.contains(&target) {
            return;
        }
        let is_new = self.survey.proven.insert(target);
        let first_doubt = self.survey.doubts.as_slice().first();
        if is_new && target <= address && first_doubt.is_some_and(|doubt| *doubt <= target) {
            self.survey.has_news = true;
        }
    }

    fn note_reference(&mut self, decoded: &Decoded, bytes: &[u8], end: u64) {
        let field = |at: u8| i32_at(bytes, usize::from(at)).map(i64::from);
        let address = match decoded.reference {
            Reference::Relative(at) if decoded.takes_address => {
                field(at).map(|distance| end.wrapping_add_signed(distance))
            }
            Reference::Table(at) => field(at).map(|address| address as u64),
            Reference::Immediate(at) if decoded.len == at + 8 => u64_at(bytes, usize::from(at)),
            Reference::Immediate(at) => field(at).map(|value| value as u64),
            _ => None,
        };
        let Some(address) = address else {
            return;
        };
        if self.range.contains(&address) {
            self.survey.takes_own_address = true;
            if self.survey.is_near_a_site(address) {
                self.survey.targets.push(address);
            }
            return;
        }
        match decoded.reference {
            Reference::Table(_) => self.survey.indexed.insert_or_overflow(address),
            // Nearly all are numbers.
            Reference::Immediate(_) if !self.memory.is_data(address) => {}
            _ => {
                if self.survey.data.is_full() {
                    let memory = self.memory;
                    self.survey.data.retain(|address| memory.may_be_table(*address));
                }
                self.survey.data.insert_or_overflow(address);
            }
        }
    }

    fn note_dead(&mut self, start: u64, end: u64) {
        match self.survey.dead.last_mut() {
            Some(run) if run.1 == start => run.1 = end,
            _ => {
                if self.survey.is_near_a_site(start) {
                    self.survey.dead.push((start, end));
                }
            }
        }
    }

    /// What is in doubt starts behind the padding.
    fn move_doubt(&mut self, padding: u64, end: u64) {
        if let Some(doubt) = self.survey.doubts.last_mut()
            && *doubt == padding
        {
            *doubt = end;
        }
    }
}
