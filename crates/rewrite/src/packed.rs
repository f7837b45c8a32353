//! A plan as one word, to be kept until the text is mapped again.

use core::ops::Range;

use crate::patch::{JUMP, MAX_WINDOW, Patch, Rung};
use crate::plan::{Reason, SitePlan, Verdict};
use crate::scan::{SITE_LEN, SiteKind};
use crate::window::Window;

/// What this version of the crate plans. Plans that another version has made are not
/// plans of this one.
pub const VERSION: u64 = parse_hex(env!("INTERCEPTOR_REWRITE_VERSION"));

/// Bits of the place in the text.
const PLACE: u32 = 32;
/// Where the kind of a candidate is.
const KIND: u32 = PLACE;
/// Where the verdict is.
const VERDICT: u32 = 40;
/// Where the lengths of a window are, or the distance of a hole.
const REACH: u32 = 48;

const TRAP: u8 = 0;
const HOLE: u8 = 1;
const WINDOW: u8 = 2;
const NOT_CODE: u8 = 3;
/// The first of the reasons.
const MISSED: u8 = 4;

const KINDS: [SiteKind; 3] = [SiteKind::Syscall, SiteKind::Int80, SiteKind::Sysenter];
const REASONS: [Reason; 7] = [
    Reason::NoFunction,
    Reason::Outside,
    Reason::Undecodable,
    Reason::Unproven,
    Reason::Prefixed,
    Reason::OtherAbi,
    Reason::Restorer,
];

impl SitePlan {
    /// What is to be written, if anything.
    pub fn patch(&self) -> Option<Patch> {
        match self.verdict {
            Verdict::Jump(patch) => Some(patch),
            Verdict::Trap => Some(Patch::trap(self.address)),
            Verdict::Missed(_) | Verdict::NotCode => None,
        }
    }

    /// The plan as a word, which says where in the text it is. `None` for a text of
    /// 4 GiB and more.
    pub fn pack(&self, base: u64) -> Option<u64> {
        let place = u32::try_from(self.address.checked_sub(base)?).ok()?;
        let kind = KINDS.iter().position(|kind| *kind == self.kind)? as u64;
        let (verdict, reach) = match self.verdict {
            Verdict::Trap => (TRAP, 0),
            Verdict::NotCode => (NOT_CODE, 0),
            Verdict::Missed(reason) => {
                (MISSED + REASONS.iter().position(|known| *known == reason)? as u8, 0)
            }
            Verdict::Jump(patch) => match (patch.rung()?, patch.hole()) {
                (_, Some(hole)) => (HOLE, hole.start.wrapping_sub(self.address) as u16),
                (Rung::Hole, None) => return None,
                (Rung::After | Rung::Before, None) => {
                    let lengths = [patch.head(), self.address..patch.window().end].map(length);
                    (WINDOW, u16::from_le_bytes(lengths))
                }
            },
        };
        let verdict = u64::from(verdict) << VERDICT;
        Some(u64::from(place) | kind << KIND | verdict | u64::from(reach) << REACH)
    }

    /// What the word says of a text at these addresses; `None` if it says nothing, or
    /// names bytes that the text does not have.
    pub fn unpack(word: u64, text: &Range<u64>) -> Option<Self> {
        let [.., kind, verdict, low, high] = word.to_le_bytes();
        let address = text.start.checked_add(word & u64::from(u32::MAX))?;
        let kind = *KINDS.get(usize::from(kind))?;
        let verdict = match verdict {
            TRAP => Verdict::Trap,
            HOLE => {
                let distance = i16::from_le_bytes([low, high]);
                let hole = address.checked_add_signed(i64::from(distance))?;
                let is_apart = hole + JUMP <= address || hole >= address + SITE_LEN;
                let jump = i8::try_from(distance.checked_sub(SITE_LEN as i16)?);
                jump.ok().filter(|_| is_apart)?;
                Verdict::Jump(Patch::hole_at(address, hole))
            }
            WINDOW => {
                let window = Window { before: low, after: high };
                let len = usize::from(low) + usize::from(high);
                let has_site = u64::from(high) >= SITE_LEN;
                (has_site && len as u64 >= JUMP && len <= MAX_WINDOW).then_some(())?;
                Verdict::Jump(Patch::window_of(address, window))
            }
            NOT_CODE => Verdict::NotCode,
            _ => Verdict::Missed(*REASONS.get(usize::from(verdict - MISSED))?),
        };
        let site = Self { address, kind, verdict };
        let candidate = address..address.checked_add(SITE_LEN)?;
        let touched = site.patch().map_or(candidate, |patch| patch.touches());
        let is_inside = text.start <= touched.start && touched.end <= text.end;
        is_inside.then_some(site)
    }
}

fn length(range: Range<u64>) -> u8 {
    (range.end - range.start) as u8
}

const fn parse_hex(digits: &str) -> u64 {
    match u64::from_str_radix(digits, 16) {
        Ok(number) => number,
        Err(_) => panic!("the build script writes a hexadecimal number"),
    }
}
