//! One pass over a function: what is an instruction, what is jumped to, what is
//! dead.

use core::ops::Range;

use crate::decode::{Decoded, Decoder, Flow};
use crate::list::List;
use crate::scan::SiteKind;

/// Candidates of one function that are surveyed together.
pub(crate) const SITES: usize = 16;
/// How far around a site anything matters: a hole within reach of a short jump,
/// and its five bytes.
pub(crate) const NEIGHBOURHOOD: u64 = 160;
/// Instructions before a site that are remembered.
const HISTORY: usize = 8;

/// A candidate, and what the pass found at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub address: u64,
    pub kind: SiteKind,
    pub status: Status,
    /// Starts of the instructions before it, the nearest last; 0 where there
    /// are none.
    pub history: [u64; HISTORY],
}

/// Whether a candidate is an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The pass did not get there.
    Unreached,
    /// It is.
    Instruction,
    /// It looks like one, in bytes that nothing seen so far leads to; they
    /// start at this address. A later branch may still lead there.
    Unproven(u64),
    /// It lies inside another instruction.
    Inside,
}

/// What is known of a function.
pub(crate) struct Survey {
    pub sites: List<Site, SITES>,
    /// Direct branch targets near sites.
    pub targets: List<u64, 128>,
    /// Padding near sites that falls to nobody: after an instruction that does
    /// not go on.
    pub dead: List<(u64, u64), 32>,
    /// Jumps through a register or a table: anything may be a target.
    pub has_indirect_jump: bool,
    /// Addresses outside the function that it computes relative to rip; jump
    /// tables are among them.
    pub data: List<u64, 64>,
    /// Every byte of the function was decoded.
    pub complete: bool,
    /// Targets of branches that the pass has not reached yet.
    ahead: Ahead,
}

/// Branch targets ahead of the pass.
struct Ahead {
    targets: [u64; 128],
    len: usize,
}

impl Ahead {
    fn push(&mut self, target: u64, passed: u64) {
        if self.len == self.targets.len() {
            self.forget_until(passed);
        }
        // One that finds no room costs sites behind it their proof, no more.
        if let Some(slot) = self.targets.get_mut(self.len) {
            *slot = target;
            self.len += 1;
        }
    }

    fn contains(&self, address: u64) -> bool {
        self.known().contains(&address)
    }

    fn first_in(&self, range: Range<u64>) -> Option<u64> {
        self.known()
            .iter()
            .copied()
            .filter(|target| range.contains(target))
            .min()
    }

    fn known(&self) -> &[u64] {
        self.targets.get(..self.len).unwrap_or(&[])
    }

    fn forget_until(&mut self, passed: u64) {
        let mut kept = 0;
        for index in 0..self.len {
            if let Some(target) = self.targets.get(index).copied().filter(|t| *t > passed)
                && let Some(slot) = self.targets.get_mut(kept)
            {
                *slot = target;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

impl Survey {
    pub(crate) fn new() -> Self {
        let site = Site {
            address: 0,
            kind: SiteKind::Syscall,
            status: Status::Unreached,
            history: [0; HISTORY],
        };
        Self {
            sites: List::new(site),
            targets: List::new(0),
            dead: List::new((0, 0)),
            has_indirect_jump: false,
            data: List::new(0),
            complete: false,
            ahead: Ahead {
                targets: [0; 128],
                len: 0,
            },
        }
    }

    pub(crate) fn add(&mut self, address: u64, kind: SiteKind) {
        self.sites.push(Site {
            address,
            kind,
            status: Status::Unreached,
            history: [0; HISTORY],
        });
    }

    /// Decodes `bytes`, the function at `range`.
    ///
    /// Instructions are taken one after the other. What follows an instruction
    /// that does not go on may be data; it is believed from the first address
    /// on that a branch leads to, and decoding starts afresh there.
    pub(crate) fn run(&mut self, decoder: &Decoder, bytes: &[u8], range: &Range<u64>) {
        // A ring; `passed` instructions have been written to it.
        let mut history = [0; HISTORY];
        let mut passed = 0;
        let mut next_site = 0;
        // Where the bytes start that no branch leads to, if we are in such.
        let mut unproven = None;
        let mut falls_through = true;
        let mut address = range.start;
        while address < range.end {
            let rest = bytes.get((address - range.start) as usize..).unwrap_or(&[]);
            let decoded = decoder.decode(rest, address);
            if let Some(run) = unproven {
                if self.ahead.contains(address) {
                    unproven = None;
                } else {
                    let len = decoded.map_or(1, |decoded| u64::from(decoded.len));
                    if let Some(target) = self.ahead.first_in(address + 1..address + len) {
                        // What was decoded here is data.
                        next_site = self.reject_sites(next_site, target);
                        address = target;
                        continue;
                    }
                    if decoded.is_none() {
                        next_site = self.reject_sites(next_site, address + 1);
                        address += 1;
                        unproven = Some(run);
                        continue;
                    }
                }
            }
            let Some(decoded) = decoded else {
                return;
            };
            let end = address + u64::from(decoded.len);
            while let Some(site) = self.sites.as_mut_slice().get_mut(next_site)
                && site.address < end
            {
                let is_call = matches!(decoded.flow, Flow::Syscall | Flow::OtherSystemCall);
                site.status = match unproven {
                    _ if site.address != address || !is_call => Status::Inside,
                    Some(run) => Status::Unproven(run),
                    None => Status::Instruction,
                };
                site.history = history;
                site.history.rotate_left(passed % HISTORY);
                next_site += 1;
            }
            self.note_flow(&decoded, address, unproven.is_none());
            if let Some(data) = lea_target(rest, end).filter(|data| !range.contains(data)) {
                self.data.push(data);
            }
            if decoded.flow == Flow::Padding && !falls_through {
                if unproven.is_some() {
                    self.note_dead(address, end);
                    unproven = Some(end);
                }
            } else {
                falls_through = decoded.flow.goes_on();
                if !falls_through {
                    unproven = Some(end);
                }
            }
            if let Some(oldest) = history.get_mut(passed % HISTORY) {
                *oldest = address;
            }
            passed += 1;
            address = end;
        }
        self.complete = address == range.end;
    }

    /// Candidates before `end` turned out to be data.
    fn reject_sites(&mut self, mut next: usize, end: u64) -> usize {
        while let Some(site) = self.sites.as_mut_slice().get_mut(next)
            && site.address < end
        {
            site.status = Status::Inside;
            next += 1;
        }
        next
    }

    fn note_flow(&mut self, decoded: &Decoded, address: u64, proven: bool) {
        match decoded.flow {
            Flow::Jump(target) | Flow::Branch(target) | Flow::ShortBranch(target) => {
                if self.is_near_a_site(target) {
                    self.targets.push(target);
                }
                if target > address {
                    self.ahead.push(target, address);
                } else if proven {
                    self.prove(target);
                }
            }
            Flow::IndirectJump => self.has_indirect_jump = true,
            _ => {}
        }
    }

    /// A backward branch leads to bytes that were in doubt.
    fn prove(&mut self, target: u64) {
        for site in self.sites.as_mut_slice() {
            if site.status == Status::Unproven(target) {
                site.status = Status::Instruction;
            }
        }
    }

    fn note_dead(&mut self, start: u64, end: u64) {
        if !self.is_near_a_site(start) {
            return;
        }
        match self.dead.last_mut() {
            Some(run) if run.1 == start => run.1 = end,
            _ => self.dead.push((start, end)),
        }
    }

    fn is_near_a_site(&self, address: u64) -> bool {
        self.sites
            .as_slice()
            .iter()
            .any(|site| site.address.abs_diff(address) < NEIGHBOURHOOD)
    }
}

/// The address that a `lea reg, [rip + disp32]` computes, if it is one.
fn lea_target(bytes: &[u8], end: u64) -> Option<u64> {
    match *bytes.first_chunk()? {
        [0x48 | 0x4c, 0x8d, modrm, a, b, c, d] if modrm & 0xc7 == 0x05 => {
            Some(end.wrapping_add_signed(i64::from(i32::from_le_bytes([a, b, c, d]))))
        }
        _ => None,
    }
}
