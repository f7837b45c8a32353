//! Windows: stretches of instructions around a site that may be moved to make
//! room for a jump.
//!
//! This file looks at the instructions themselves. Whether anything leads into a
//! window is [`Entries`]' to say.

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
    /// The windows of a rung. `history` tells how far before the site the
    /// instructions start that lead to it, the nearest first.
    pub(crate) fn windows(&self, site: u64, history: &[u8], rung: Rung) -> Choices {
        let mut choices = Choices::default();
        match rung {
            Rung::Hole => {}
            Rung::After => {
                let end = self.end(site, site + JUMP);
                choices[0] =
                    end.and_then(|end| Window::between(site, site, end)).unwrap_or_default();
            }
            Rung::Before => {
                let near = history.iter().take_while(|before| (1..=FAR).contains(*before));
                let starts = near.map(|before| site - u64::from(*before));
                let movable = starts.take_while(|start| self.may_lead_to_site(*start));
                let windows = movable.filter_map(|start| {
                    Window::between(site, start, self.end(site, start + JUMP)?)
                });
                for (choice, window) in choices.iter_mut().zip(windows) {
                    *choice = window;
                }
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
            if end > self.end || !is_movable(&decoded) {
                return None;
            }
            if !decoded.flow.goes_on() && end < least {
                let padding = (self.padding_behind)(end)?;
                return self.end_in(padding, least);
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

    fn may_lead_to_site(&self, start: u64) -> bool {
        self.decode(start).is_some_and(|decoded| is_movable(&decoded) && decoded.flow.goes_on())
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
