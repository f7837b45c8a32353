//! Windows: stretches of instructions around a site that may be moved to make
//! room for a jump.
//!
//! This file looks at the instructions themselves. Whether anything leads into a
//! window is [`Entries`]' to say.

use core::iter;
use core::ops::Range;

use crate::decode::{Decoded, Flow, Reference, decode};
use crate::patch::{JUMP, Rung};
use crate::scan::SITE_LEN;

/// A window by its distances from the site: bytes before it, and up to its end.
/// Nothing is 0 bytes long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub before: u8,
    pub after: u8,
}

/// Windows of one site, best first.
pub(crate) type Choices = [Window; 3];

/// How far before a site a window may start.
const FAR: u8 = 20;

impl Window {
    pub(crate) fn exists(self) -> bool {
        self.after != 0
    }

    pub(crate) fn rung(self) -> Rung {
        if self.before == 0 { Rung::After } else { Rung::Before }
    }

    pub(crate) fn range(self, site: u64) -> Range<u64> {
        site.wrapping_sub(u64::from(self.before))..site.wrapping_add(u64::from(self.after))
    }

    /// Addresses that nothing may lead to: all but the first.
    pub(crate) fn interior(self, site: u64) -> Range<u64> {
        let range = self.range(site);
        range.start.wrapping_add(1)..range.end
    }

    fn between(site: u64, start: u64, end: u64) -> Option<Self> {
        let before = u8::try_from(site.checked_sub(start)?).ok()?;
        let after = u8::try_from(end.checked_sub(site)?).ok()?;
        Some(Self { before, after })
    }
}

/// Code around a site.
pub(crate) struct Surroundings<'t> {
    pub bytes: &'t [u8],
    /// Address of `bytes`.
    pub base: u64,
    /// Where the function ends.
    pub end: u64,
    /// Padding that starts at an address and that nobody executes or has taken.
    pub padding_behind: &'t dyn Fn(u64) -> Option<Range<u64>>,
}

impl Surroundings<'_> {
    /// The windows of those rungs that are to be tried. `history` tells how far before the site
    /// the instructions start that lead to it, the nearest first.
    pub(crate) fn windows(
        &self,
        site: u64,
        history: &[u8],
        is_tried: impl Fn(Rung) -> bool,
    ) -> Choices {
        let mut choices = Choices::default();
        let mut room = choices.iter_mut();
        let near = history.iter().take_while(|before| (1..=FAR).contains(*before));
        for before in iter::once(&0).chain(near) {
            let start = site - u64::from(*before);
            let rung = if start == site { Rung::After } else { Rung::Before };
            if start < site && !self.may_lead_to(start, site) {
                break;
            }
            if is_tried(rung)
                && let Some(end) = self.end(site, start + JUMP)
                && let Some(window) = Window::between(site, start, end)
                && let Some(choice) = room.next()
            {
                *choice = window;
            }
        }
        choices
    }

    /// Where the first instruction ends that ends at `least` or behind, if all
    /// from the site on may be moved.
    fn end(&self, site: u64, least: u64) -> Option<u64> {
        let mut end = site + SITE_LEN;
        while end < least {
            let decoded = self.decode(end)?;
            end += u64::from(decoded.len);
            let is_in_place = end >= least || keeps_length(&decoded);
            if end > self.end || !is_movable(&decoded) || !is_in_place {
                return None;
            }
            if !decoded.flow.goes_on() {
                if self.decode(end).is_some_and(|next| next.flow == Flow::Reserved) {
                    return None;
                }
                if end < least {
                    let padding = (self.padding_behind)(end)?;
                    return self.end_in(padding, least);
                }
            }
        }
        Some(end)
    }

    /// The same within padding, which is overwritten to its last byte.
    fn end_in(&self, padding: Range<u64>, least: u64) -> Option<u64> {
        let mut end = padding.start;
        while end < least {
            end += u64::from(self.decode(end)?.len);
        }
        (end <= padding.end).then_some(end)
    }

    /// Whether the instruction at `start` may be moved together with those between it and the site.
    fn may_lead_to(&self, start: u64, site: u64) -> bool {
        self.decode(start).is_some_and(|decoded| {
            let is_last = start + u64::from(decoded.len) == site;
            is_movable(&decoded) && decoded.flow.goes_on() && (is_last || keeps_length(&decoded))
        })
    }

    fn decode(&self, address: u64) -> Option<Decoded> {
        let at = usize::try_from(address.checked_sub(self.base)?).ok()?;
        decode(self.bytes.get(at..)?, address)
    }
}

/// Whether an instruction does the same elsewhere, and nobody minds where.
///
/// A call would push an address in the stub. Loops have no long form. A system
/// call is a site of its own. `endbr64` marks a place that is jumped to.
fn is_movable(decoded: &Decoded) -> bool {
    let is_flow_movable = match decoded.flow {
        Flow::Next
        | Flow::Nop
        | Flow::Jump(_)
        | Flow::Branch(_)
        | Flow::PointerJump
        | Flow::End => true,
        Flow::Breakpoint
        | Flow::Reserved
        | Flow::Landing
        | Flow::Syscall
        | Flow::OtherSystemCall
        | Flow::ShortBranch(_)
        | Flow::IndirectJump
        | Flow::Call(_)
        | Flow::IndirectCall => false,
    };
    let is_cut = decoded.is_narrow && matches!(decoded.reference, Reference::Relative(_));
    is_flow_movable && !is_cut
}

/// Whether a copy that leads to the next instruction is as long. What comes behind one that is
/// not would have another distance from the start, by which addresses in a stub are told.
fn keeps_length(decoded: &Decoded) -> bool {
    const LONG_BRANCH: u8 = 6;
    !matches!(decoded.flow, Flow::Branch(_)) || decoded.len == LONG_BRANCH
}

/// Addresses around a site that something leads to, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries(u64);

impl Entries {
    /// Addresses before the site that have a bit, and behind.
    pub(crate) const REACH: u64 = 32;

    /// Anything may be led to.
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// Notes that something leads to an address.
    #[inline]
    pub(crate) fn note(&mut self, site: u64, address: u64) {
        let bit = address.wrapping_add(Self::REACH).wrapping_sub(site);
        if bit < u64::from(u64::BITS) {
            self.0 |= 1 << bit;
        }
    }

    /// Whether it is not known yet that something leads to an address, and it
    /// would cost one of the windows.
    pub(crate) fn matter(self, site: u64, address: u64, choices: &Choices) -> bool {
        let is_interior = |window: &Window| window.interior(site).contains(&address);
        !self.has(site, address) && choices.iter().any(is_interior)
    }

    fn has(self, site: u64, address: u64) -> bool {
        let bit = address.wrapping_add(Self::REACH).wrapping_sub(site);
        bit >= u64::from(u64::BITS) || self.0 >> bit & 1 != 0
    }

    /// Whether nothing leads to an address of the window but the first.
    pub(crate) fn spare(self, site: u64, window: Window) -> bool {
        window.interior(site).all(|address| !self.has(site, address))
    }
}
