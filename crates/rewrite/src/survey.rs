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
    /// Every byte of the function was decoded.
    pub complete: bool,
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
            complete: false,
        }
    }

    pub(crate) fn add(&mut self, address: u64, kind: SiteKind) {
        self.sites.push(Site { address, kind, status: Status::Unreached, history: [0; HISTORY] });
    }

    /// Decodes `bytes`, the function at `range`.
    pub(crate) fn run(&mut self, decoder: &Decoder, bytes: &[u8], range: &Range<u64>) {
        // A ring; `passed` instructions have been written to it.
        let mut history = [0; HISTORY];
        let mut passed = 0;
        let mut next_site = 0;
        let mut falls_through = true;
        let mut address = range.start;
        while address < range.end {
            let rest = bytes.get((address - range.start) as usize..).unwrap_or(&[]);
            let Some(decoded) = decoder.decode(rest, address) else {
                return;
            };
            let end = address + u64::from(decoded.len);
            while let Some(site) = self.sites.as_mut_slice().get_mut(next_site)
                && site.address < end
            {
                let is_call = matches!(decoded.flow, Flow::Syscall | Flow::OtherSystemCall);
                site.status = if site.address == address && is_call {
                    Status::Instruction
                } else {
                    Status::Inside
                };
                site.history = history;
                site.history.rotate_left(passed % HISTORY);
                next_site += 1;
            }
            self.note_flow(&decoded);
            if decoded.flow == Flow::Padding && !falls_through {
                self.note_dead(address, end);
            } else {
                falls_through =
                    !matches!(decoded.flow, Flow::Jump(_) | Flow::IndirectJump | Flow::PointerJump | Flow::End);
            }
            if let Some(oldest) = history.get_mut(passed % HISTORY) {
                *oldest = address;
            }
            passed += 1;
            address = end;
        }
        self.complete = address == range.end;
    }

    fn note_flow(&mut self, decoded: &Decoded) {
        match decoded.flow {
            Flow::Jump(target) | Flow::Branch(target) | Flow::ShortBranch(target) => {
                if self.is_near_a_site(target) {
                    self.targets.push(target);
                }
            }
            Flow::IndirectJump => self.has_indirect_jump = true,
            _ => {}
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
        self.sites.as_slice().iter().any(|site| site.address.abs_diff(address) < NEIGHBOURHOOD)
    }
}
