//! One pass over a function.
//!
//! Instructions are taken one after the other. What follows an instruction that
//! does not go on is in *doubt*, since it may be data, until an address that
//! proven code is known to lead to. Proof may come from code behind (a loop's
//! end): then the stretch that it proves is passed over once more, or, where that is
//! not enough, everything, for as long as a candidate is in doubt and there is news.

use core::ops::Range;

use super::{HISTORY, STEPS, Status, Survey, Trust};
use crate::bytes::{i32_at, u64_at};
use crate::code_map::ALIGNMENT;
use crate::decode::{Decoded, Flow, Reference, Step, begins_padding, decode, length, padding_len};
use crate::inbound;
use crate::indirect::Memory;
use crate::list::Recent;
use crate::scan::SITE_LEN;

/// Numbers of 32 bits are addresses below this.
const LOW: u64 = 1 << 33;

/// `call`.
const CALL: u8 = 0xe8;
/// Padding that no function begins with.
const INT3: u8 = 0xcc;

/// A pass on its way.
pub(super) struct Pass<'s> {
    survey: &'s mut Survey,
    range: &'s Range<u64>,
    memory: &'s Memory<'s>,
    /// Where it stops.
    stop: u64,
    next_site: usize,
    /// Its address.
    next_site_at: u64,
    /// Offsets of the instructions that lead here.
    straight: Recent<u32, HISTORY>,
    /// Which names matter.
    wanted: u32,
}

/// What an instruction does with an address that it names.
#[derive(Clone, Copy)]
enum Named {
    /// Takes it.
    Address,
    /// Adds a scaled index to it.
    Table,
    /// Moves it: it may be a number.
    Number,
}

impl<'s> Pass<'s> {
    pub(super) fn new(
        survey: &'s mut Survey,
        range: &'s Range<u64>,
        memory: &'s Memory<'s>,
    ) -> Self {
        let mut pass = Self {
            survey,
            range,
            memory,
            stop: range.end,
            next_site: 0,
            next_site_at: 0,
            straight: Recent::new(0),
            wanted: if range.start < LOW { Step::NAMES } else { Step::ADDRESSES },
        };
        pass.look_ahead();
        pass
    }
}

impl Pass<'_> {
    /// Passes over the whole function.
    pub(super) fn run(&mut self, bytes: &[u8], trust: Trust) {
        let end = self.pass(bytes, self.range.start, trust);
        let own = bytes.get(..(self.range.end - self.range.start) as usize).unwrap_or(bytes);
        for address in inbound::numbers_in(own, self.range) {
            self.note_named(address, Named::Number);
        }
        let is_sound = trust != Trust::Linear || self.targets_are_instructions(bytes);
        self.survey.complete = end == Some(self.range.end) && is_sound;
    }

    /// Whether all that is jumped to is the start of an instruction, when all is decoded as if
    /// each led to the next. If not, there is data among them. (Jumps over the prefix alone of
    /// a locked instruction are written by hand.)
    fn targets_are_instructions(&self, bytes: &[u8]) -> bool {
        const LOCK: u8 = 0xf0;
        let (mut address, mut known) = (self.range.start, self.range.start);
        while let Some(target) = self.survey.proven.next_from(known) {
            while address < target {
                let rest = bytes.get((address - self.range.start) as usize..).unwrap_or(&[]);
                let Some(len) = length(rest) else {
                    return false;
                };
                let is_unlocked = address + 1 == target && rest.first() == Some(&LOCK);
                address += if is_unlocked { 1 } else { len as u64 };
            }
            if address != target {
                return false;
            }
            known = target + 1;
        }
        true
    }

    /// Passes once more over a stretch that is proven by now. Whether its end was met.
    pub(super) fn settle(&mut self, bytes: &[u8], stretch: &Range<u64>) -> bool {
        self.stop = stretch.end;
        let sites = self.survey.sites.as_slice();
        self.next_site = sites.partition_point(|site| site.address < stretch.start);
        self.look_ahead();
        self.pass(bytes, stretch.start, Trust::Proven) == Some(stretch.end)
    }

    /// Passes from an address on. Returns where it came to, if it found out all there
    /// is to find out.
    fn pass(&mut self, bytes: &[u8], start: u64, trust: Trust) -> Option<u64> {
        let mut is_doubtful = false;
        let mut falls_through = true;
        let mut address = start;
        while address < self.stop {
            let rest = bytes.get((address - self.range.start) as usize..).unwrap_or(&[]);
            if is_doubtful && self.survey.proven.contains(address) {
                is_doubtful = false;
                self.survey.end_doubt(address);
                self.straight.clear();
            }
            // A function without a name may begin so, perhaps to be patched there.
            let is_aligned = address.is_multiple_of(ALIGNMENT) && rest.first() != Some(&INT3);
            falls_through |= trust == Trust::Linear && is_aligned;
            if !falls_through && self.pass_padding(rest, &mut address, is_doubtful) {
                continue;
            }
            if falls_through || !begins_padding(rest) {
                falls_through = true;
                let (next, has_ended) = self.run_on(bytes, address, is_doubtful);
                if has_ended {
                    (falls_through, is_doubtful) = (false, self.end(next, is_doubtful, trust));
                }
                if next != address {
                    address = next;
                    continue;
                }
            }
            let decoded = match rest {
                [0x0f, 0x05, ..] => Some(Decoded::SYSCALL),
                _ => decode(rest, address),
            };
            if is_doubtful {
                let end = address + decoded.map_or(1, |decoded| u64::from(decoded.len));
                let settled = self.survey.proven.first_in(address + 1..end);
                if settled.is_some() || decoded.is_none() {
                    // What was decoded here is not code.
                    address = settled.unwrap_or(end);
                    self.reject_sites(address);
                    self.straight.clear();
                    continue;
                }
            }
            let decoded = decoded?;
            let end = address + u64::from(decoded.len);
            if end > self.stop {
                return None;
            }
            if end > self.next_site_at {
                self.note_sites(&decoded, address, is_doubtful);
                if self.is_pointless() {
                    return None;
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
                if decoded.flow != Flow::Reserved {
                    falls_through = decoded.flow.goes_on();
                }
                self.straight.push((address - self.range.start) as u32);
                if !falls_through {
                    is_doubtful = self.end(end, is_doubtful, trust);
                }
            }
            address = end;
        }
        if trust != Trust::Proven {
            self.survey.end_doubt(address);
            self.survey.falls_out = falls_through && self.falls_out(bytes);
        }
        Some(address)
    }

    /// Whether the last of the instructions that lead here is passed. A call is one
    /// that does not return.
    fn falls_out(&self, bytes: &[u8]) -> bool {
        let mut flows = self.straight.newest_first().filter_map(|at| {
            let rest = bytes.get(at as usize..)?;
            Some(decode(rest, 0)?.flow).filter(|flow| !flow.is_padding())
        });
        !matches!(flows.next(), Some(Flow::Call(_) | Flow::IndirectCall))
    }

    /// Behind an instruction that does not go on. Returns whether what comes is in
    /// doubt.
    fn end(&mut self, address: u64, is_doubtful: bool, trust: Trust) -> bool {
        self.straight.clear();
        match trust {
            Trust::Linear => is_doubtful,
            Trust::Branches => {
                self.survey.end_doubt(address);
                self.survey.doubts.push((address, u64::MAX));
                true
            }
            // The stretch ends here.
            Trust::Proven => true,
        }
    }

    /// Passes common padding that nobody falls into; whether there was some.
    #[inline(always)]
    fn pass_padding(&mut self, bytes: &[u8], address: &mut u64, is_doubtful: bool) -> bool {
        let Some(len) = bytes.first_chunk().map(padding_len).filter(|len| *len > 0) else {
            return false;
        };
        let (start, end) = (*address, *address + len as u64);
        let is_settled = is_doubtful && self.survey.proven.first_in(start + 1..end).is_some();
        if end > self.next_site_at.min(self.stop) || is_settled {
            return false;
        }
        self.note_dead(start, end);
        self.straight.clear();
        if is_doubtful {
            self.move_doubt(start, end);
        }
        *address = end;
        true
    }

    /// Passes instructions of the kinds that nearly all code consists of, none
    /// of them a candidate, as long as they lead to one another. Returns where
    /// it stops, and whether that is behind one that does not lead there.
    ///
    /// First come as many as there are, and then those of them that matter: so
    /// the processor need not guess which these are.
    #[inline(always)]
    fn run_on(&mut self, bytes: &[u8], address: u64, is_doubtful: bool) -> (u64, bool) {
        let mut limit = self.next_site_at.min(self.stop);
        if is_doubtful && let Some(proven) = self.survey.proven.next_from(address) {
            limit = limit.min(proven);
        }
        let offset = |address: u64| (address - self.range.start) as usize;
        let (mut at, limit) = (offset(address), offset(limit));
        loop {
            let (mut count, mut has_ended) = (0, false);
            while let Some(window) = bytes.get(at..).and_then(<[u8]>::first_chunk)
                && count < STEPS
            {
                let step = Step::at(window);
                let end = at + step.len();
                self.survey.steps[count % STEPS] = (at as u32, step);
                if step.stops() || end > limit {
                    if step.ends() && end <= limit {
                        has_ended = true;
                        count += usize::from(step.names(self.wanted));
                        at = end;
                    }
                    break;
                }
                count += usize::from(step.names(self.wanted));
                self.straight.push(at as u32);
                at = end;
            }
            for index in 0..count {
                let (at, step) = self.survey.steps[index % STEPS];
                self.note(step, bytes.get(at as usize..).unwrap_or(&[]), at, is_doubtful);
            }
            if has_ended || count < STEPS {
                return (self.range.start + at as u64, has_ended);
            }
        }
    }

    /// Notes what an instruction names, which `bytes` start with.
    #[inline(always)]
    fn note(&mut self, step: Step, bytes: &[u8], at: u32, is_doubtful: bool) {
        let address = self.range.start + u64::from(at);
        let end = address + step.len() as u64;
        if let Some(distance) = step.distance(bytes) {
            let is_call = bytes.first() == Some(&CALL);
            self.note_target(end.wrapping_add_signed(distance), address, is_doubtful, is_call);
        } else if let Some(table) = step.table(bytes) {
            self.note_named(table as u64, Named::Table);
        } else if let Some(distance) = step.address(bytes) {
            self.note_named(end.wrapping_add_signed(distance), Named::Address);
        } else if let Some(number) = step.number(bytes)
            && self.memory.may_be_address(number as u64)
        {
            self.note_named(number as u64, Named::Number);
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
            let at = (site.address - self.range.start) as u32;
            for (to, start) in site.history.iter_mut().zip(self.straight.newest_first()) {
                *to = u8::try_from(at - start).unwrap_or(0);
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
        self.survey.has_indirect_jump |= flow == Flow::IndirectJump;
        self.survey.has_pointer_jump |= flow == Flow::PointerJump;
        if let Some(target) = flow.target() {
            let is_call = matches!(flow, Flow::Call(_));
            self.note_target(target, address, is_doubtful, is_call);
        }
    }

    /// Notes where the instruction at an address leads.
    ///
    /// Whether that is to this function, nobody can predict.
    #[inline(always)]
    fn note_target(&mut self, target: u64, address: u64, is_doubtful: bool, is_call: bool) {
        if self.survey.is_near_a_site(target) {
            self.survey.targets.push(target);
        }
        let is_inside = (target >= self.range.start) & (target < self.range.end);
        self.survey.jumps_out |= !is_inside & !is_call;
        let is_new = self.survey.proven.insert_if(target, is_inside & !is_doubtful);
        // What lies ahead is met with the proof; not if only a stretch is passed over.
        let is_late = (target <= address) | (self.stop < self.range.end);
        if is_new & is_late && self.survey.doubt_at(target).is_some() {
            self.survey.news.push(target);
        }
    }

    fn note_reference(&mut self, decoded: &Decoded, bytes: &[u8], end: u64) {
        let field = |at: u8| i32_at(bytes, usize::from(at)).map(i64::from);
        let (address, named) = match decoded.reference {
            Reference::Relative(at) if decoded.takes_address => {
                (field(at).map(|distance| end.wrapping_add_signed(distance)), Named::Address)
            }
            Reference::Table(at) => (field(at).map(|address| address as u64), Named::Table),
            Reference::Immediate(at) if decoded.len == at + 8 => {
                (u64_at(bytes, usize::from(at)), Named::Number)
            }
            Reference::Immediate(at) => (field(at).map(|value| value as u64), Named::Number),
            _ => return,
        };
        if let Some(address) = address {
            self.note_named(address, named);
        }
    }

    fn note_named(&mut self, address: u64, named: Named) {
        if self.range.contains(&address) {
            self.survey.takes_own_address = true;
            if self.survey.is_near_a_site(address) {
                self.survey.targets.push(address);
            }
            return;
        }
        match named {
            Named::Table => self.survey.indexed.insert_or_overflow(address),
            // Nearly all are numbers.
            Named::Number if !self.memory.is_data(address) => {}
            Named::Number | Named::Address => {
                if self.survey.data.is_full() {
                    let memory = self.memory;
                    self.survey.data.retain(|address| memory.may_be_table(*address));
                    self.survey.data.drop_copies();
                }
                self.survey.data.push(address);
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
            && doubt.0 == padding
        {
            doubt.0 = end;
        }
    }
}
