//! One pass over a function.
//!
//! Instructions are taken one after the other. What follows an instruction that
//! does not go on is in *doubt*, since it may be data, until an address that
//! proven code is known to lead to. Proof may come from code behind (a loop's
//! end), so the pass is repeated with what it found, for as long as a candidate
//! is in doubt and there is news.

use core::hint::select_unpredictable;
use core::ops::Range;

use super::{HISTORY, Status, Survey, Trust};
use crate::bytes::{i32_at, u64_at};
use crate::decode::{Decoded, Flow, Reference, Step, decode_here};
use crate::indirect::Memory;
use crate::list::Recent;
use crate::scan::SITE_LEN;

/// Steps that are passed before those that matter are looked at.
const STEPS: usize = 32;

/// Whether bytes may be the start of what fills space.
fn begins_padding(bytes: &[u8]) -> bool {
    let first = match bytes {
        [0x40..=0x4f, second, ..] => *second,
        [first, ..] => *first,
        [] => return true,
    };
    // Prefixes that a nop may have, `0f 1f`, `nop`, `int3`.
    matches!(
        first,
        0x0f | 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0x90 | 0xcc | 0xf0..=0xf3
    )
}

/// A pass on its way.
pub(super) struct Pass<'s> {
    survey: &'s mut Survey,
    range: &'s Range<u64>,
    memory: &'s Memory<'s>,
    next_site: usize,
    /// Its address.
    next_site_at: u64,
    /// Offsets of the instructions that lead here.
    straight: Recent<u32, HISTORY>,
    /// Offsets of steps that have yet to be looked at.
    matter: [u32; STEPS],
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
            next_site: 0,
            next_site_at: 0,
            straight: Recent::new(0),
            matter: [0; STEPS],
        };
        pass.look_ahead();
        pass
    }
}

impl Pass<'_> {
    pub(super) fn run(&mut self, bytes: &[u8], trust: Trust) {
        let mut is_doubtful = false;
        let mut falls_through = true;
        let mut address = self.range.start;
        while address < self.range.end {
            let rest = bytes.get((address - self.range.start) as usize..).unwrap_or(&[]);
            if is_doubtful && self.survey.proven.contains(address) {
                is_doubtful = false;
                self.straight.clear();
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
            let decoded = decode_here(rest, address);
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
                self.straight.push((address - self.range.start) as u32);
                if !falls_through {
                    is_doubtful = self.end(end, is_doubtful, trust);
                }
            }
            if !decoded.flow.is_padding() {
                self.survey.last = decoded.flow;
            }
            address = end;
        }
        self.survey.complete = address == self.range.end;
    }

    /// Behind an instruction that does not go on. Returns whether what comes is in
    /// doubt.
    fn end(&mut self, address: u64, is_doubtful: bool, trust: Trust) -> bool {
        self.straight.clear();
        match trust {
            Trust::Linear => is_doubtful,
            Trust::Branches => {
                self.survey.doubts.push(address);
                true
            }
        }
    }

    /// Passes instructions of the kinds that nearly all code consists of, none
    /// of them a candidate, as long as they lead to one another. Returns where
    /// it stops, and whether that is behind one that does not lead there.
    ///
    /// First come as many as there are, and then those of them that matter: so
    /// the processor need not guess which these are.
    #[inline(always)]
    fn run_on(&mut self, bytes: &[u8], address: u64, is_doubtful: bool) -> (u64, bool) {
        let mut limit = self.next_site_at.min(self.range.end);
        if is_doubtful && let Some(proven) = self.survey.proven.next_from(address) {
            limit = limit.min(proven);
        }
        let offset = |address: u64| (address - self.range.start) as usize;
        let (mut at, limit) = (offset(address), offset(limit));
        loop {
            let (mut count, mut last, mut ending) = (0, 0, None);
            while let Some(window) = bytes.get(at..).and_then(<[u8]>::first_chunk)
                && count < STEPS
            {
                let step = Step::at(window);
                let end = at + step.len();
                if step.stops() || end > limit {
                    ending = (step.ends() && end <= limit).then_some(at);
                    break;
                }
                self.straight.push(at as u32);
                self.matter[count % STEPS] = at as u32;
                count += usize::from(step.matters());
                last = select_unpredictable(step.is_nop(), last, step.facts());
                at = end;
            }
            if last != 0 {
                // Where a branch leads is of no interest at a function's end.
                let is_call = Step::is_call(last);
                self.survey.last = if is_call { Flow::Call(0) } else { Flow::Next };
            }
            if ending.is_some() {
                self.survey.last = Flow::End;
            }
            for index in 0..count {
                let at = self.matter[index % STEPS];
                self.note_step(bytes.get(at as usize..).unwrap_or(&[]), at, is_doubtful);
            }
            if let Some(at) = ending {
                return (
                    self.note_step(bytes.get(at..).unwrap_or(&[]), at as u32, is_doubtful),
                    true,
                );
            }
            if count < STEPS {
                return (self.range.start + at as u64, false);
            }
        }
    }

    /// Notes what an instruction names, which `bytes` start with. Returns its end.
    #[inline(always)]
    fn note_step(&mut self, bytes: &[u8], at: u32, is_doubtful: bool) -> u64 {
        let address = self.range.start + u64::from(at);
        let Some(window) = bytes.first_chunk() else {
            return address;
        };
        let step = Step::at(window);
        let end = address + step.len() as u64;
        if step.leads() {
            self.note_target(end.wrapping_add_signed(step.distance()), address, is_doubtful);
        } else if let Some(table) = step.table(window) {
            self.note_named(table as u64, Named::Table);
        } else if step.takes_address() {
            self.note_named(end.wrapping_add_signed(step.number(window)), Named::Address);
        } else if step.keeps_number() && !step.ends() {
            let number = step.number(window) as u64;
            if self.memory.may_be_address(number) {
                self.note_named(number, Named::Number);
            }
        }
        end
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
        if flow == Flow::IndirectJump {
            self.survey.has_indirect_jump = true;
        }
        if let Some(target) = flow.target() {
            self.note_target(target, address, is_doubtful);
        }
    }

    /// Notes where the instruction at an address leads.
    #[inline(always)]
    fn note_target(&mut self, target: u64, address: u64, is_doubtful: bool) {
        if self.survey.is_near_a_site(target) {
            self.survey.targets.push(target);
        }
        if is_doubtful || !self.range.contains(&target) {
            return;
        }
        let is_new = self.survey.proven.insert(target);
        let doubt = self.survey.doubts.as_slice().first();
        let is_behind_doubt = doubt.is_some_and(|doubt| *doubt <= target);
        self.survey.has_news |= is_new & (target <= address) & is_behind_doubt;
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
