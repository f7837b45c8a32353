//! How far one instruction leads, for passing over code quickly.
//!
//! Branches that depend on the bytes of code are mispredicted, and each costs
//! as much as all the rest. So the common case has none: perhaps a REX, and an
//! opcode of one byte. What is at the places of both is looked up at once, since
//! one look after the other takes time. Which instructions matter, and how, is
//! told in bits, for the caller to collect and to look at later.

use core::hint::select_unpredictable;

use super::ROOM;
use super::class::{CLASSES, Class, MODEL};
use crate::bytes::{i32_at, u64_at};

/// Bits of what is known of an opcode or a ModRM byte.
struct Fact;

impl Fact {
    /// The length of it and its immediate, or of it and what it asks for.
    const LEN: u32 = 7;
    /// The prefix changes what it is.
    const VARIED: u32 = 1 << 4;
    /// It is not passed.
    const STOPS: u32 = 1 << 5;
    /// It moves a number of 32 bits to a register, or one of 64 to memory.
    const NUMBER: u32 = 1 << 6;
    /// A jump, a branch or a call.
    const LEADS: u32 = 1 << 7;
    const IS_NOP: u32 = 1 << 8;
    /// A common instruction that does not lead to the next.
    const ENDS: u32 = 1 << 9;
    /// `0f`.
    const ESCAPE: u32 = 1 << 11;
    const PREFIX: u32 = 1 << 12;
    /// It takes the address that its memory is given by. Of a ModRM byte: memory is given
    /// by a distance.
    const RELATIVE: u32 = 1 << 13;
    /// Of a ModRM byte: its SIB byte may ask for more. If it does: a table is named.
    const INDEXED: u32 = 1 << 14;
    const TABLE: u32 = 1 << 15;
    /// It is not passed with a ModRM byte that has one of the bits that it has.
    const REFUSES: u32 = Self::REGISTER | Self::NOT_FIRST | Self::FIRST_TWO;
    /// Of a ModRM byte: it names no memory.
    const REGISTER: u32 = 1 << 16;
    /// The register field is not 0.
    const NOT_FIRST: u32 = 1 << 17;
    /// The register field is 0 or 1.
    const FIRST_TWO: u32 = 1 << 18;
    /// Has a ModRM byte: the sign.
    const MODEL: u32 = 1 << 31;
}

/// Pages of 256 opcodes: those of one byte, those after `0f`, and those after REX.W.
static OPCODES: [u32; 3 * 256] = {
    let mut opcodes = [0; 3 * 256];
    let mut opcode = 0;
    while opcode < 256 {
        opcodes[opcode] = facts_of(CLASSES[opcode], false);
        opcodes[ESCAPED + opcode] = facts_of(CLASSES[256 + opcode], false);
        opcodes[WIDE + opcode] = facts_of(CLASSES[opcode], true);
        opcode += 1;
    }
    opcodes
};
const ESCAPED: usize = 256;
const WIDE: usize = 512;

const fn facts_of(class: u16, is_wide: bool) -> u32 {
    let carried = [
        (Class::MODEL, Fact::MODEL | Fact::TABLE),
        (Class::VARIED, Fact::VARIED),
        (Class::OTHER, Fact::STOPS),
        (Class::ESCAPE, Fact::ESCAPE),
        (Class::PREFIX, Fact::PREFIX),
    ];
    let mut facts = 1 + (class & Class::IMMEDIATE) as u32;
    let mut index = 0;
    while index < carried.len() {
        let (from, to) = carried[index];
        facts |= if class & from != 0 { to } else { 0 };
        index += 1;
    }
    facts
        | match class & Class::KIND {
            Class::NEXT => 0,
            Class::BRANCH | Class::CALL => Fact::LEADS,
            Class::ADDRESS => Fact::RELATIVE | Fact::REGISTER,
            Class::NOP => Fact::IS_NOP,
            Class::CONSTANT if !is_wide => Fact::NUMBER,
            Class::STORE if is_wide => Fact::NUMBER | Fact::NOT_FIRST,
            Class::STORE => Fact::NOT_FIRST,
            Class::TEST => Fact::FIRST_TWO,
            Class::JUMP => Fact::STOPS | Fact::ENDS | Fact::LEADS,
            Class::END => Fact::STOPS | Fact::ENDS,
            _ => Fact::STOPS,
        }
}

/// Lengths of what a ModRM byte asks for, itself included; and facts.
static MODELS: [u32; 256] = {
    let mut models = [0; 256];
    let mut model = 0;
    while model < 256 {
        let known = MODEL[model];
        let mut facts = (known & 7) as u32;
        facts |= if known & Class::RELATIVE != 0 { Fact::RELATIVE } else { 0 };
        facts |= if known & Class::INDEXED != 0 { Fact::INDEXED } else { 0 };
        facts |= if model >= 0xc0 { Fact::REGISTER } else { 0 };
        facts |= if model & 0x38 != 0 { Fact::NOT_FIRST } else { 0 };
        facts |= if model & 0x30 == 0 { Fact::FIRST_TWO } else { 0 };
        models[model] = facts;
        model += 1;
    }
    models
};

/// One instruction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// Bytes before its opcode, or before the second byte of that.
    skipped: u32,
    /// Of its opcode.
    facts: u32,
    /// Of its ModRM byte, if it has one.
    asked: u32,
}

impl Step {
    /// What a function may lead to: names that matter where numbers of 32 bits can be
    /// addresses, and where not.
    pub(crate) const NAMES: u32 = Self::ADDRESSES | Fact::NUMBER;
    pub(crate) const ADDRESSES: u32 = Fact::LEADS | Fact::RELATIVE | Fact::TABLE;

    /// The instruction at the start of `bytes`.
    #[inline(always)]
    pub(crate) fn at(bytes: &[u8; ROOM]) -> Self {
        let word = u64_at(bytes, 0).unwrap_or(0);
        let has_rex = word & 0xf0 == 0x40;
        // REX.W is the bit of 8.
        let behind_rex = byte(word, 1) | (word as usize & 8) << 6;
        let opcode = select_unpredictable(has_rex, behind_rex, byte(word, 0));
        let model = select_unpredictable(has_rex, byte(word, 2), byte(word, 1));
        let mut step =
            Self { skipped: u32::from(has_rex), facts: OPCODES[opcode], asked: MODELS[model] };
        if step.facts & (Fact::ESCAPE | Fact::PREFIX) != 0 {
            step.pass_prefixes(word);
        }
        // All ones where there is a ModRM byte.
        step.asked &= (step.facts as i32 >> 31) as u32;
        if step.asked & Fact::INDEXED != 0 && byte(word, step.skipped + 2) & 7 == 5 {
            step.asked += Fact::TABLE | 4;
        }
        step
    }

    /// Goes from what is no opcode to the one behind it, if there is one.
    #[inline(always)]
    fn pass_prefixes(&mut self, word: u64) {
        let mut refused = 0;
        if self.facts & Fact::PREFIX != 0 && self.skipped == 0 {
            refused = self.facts & Fact::VARIED;
            let has_rex = word & 0xf000 == 0x4000;
            let page = if has_rex { (word >> 2) as usize & WIDE } else { 0 };
            self.skipped = 1 + u32::from(has_rex);
            self.facts = OPCODES[byte(word, self.skipped) | page];
        }
        if self.facts & Fact::ESCAPE != 0 {
            self.skipped += 1;
            self.facts = OPCODES[byte(word, self.skipped) | ESCAPED];
        }
        self.facts = if self.facts & refused != 0 { Fact::STOPS } else { self.facts };
        self.asked = MODELS[byte(word, self.skipped + 1)];
    }

    /// Its length, if it is understood.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        (self.skipped + (self.facts & Fact::LEN) + (self.asked & Fact::LEN)) as usize
    }

    /// Whether it has to be decoded completely: it does not lead to the next
    /// instruction, or is none of the common ones. The rest is said of others.
    #[inline(always)]
    pub(crate) fn stops(&self) -> bool {
        self.facts & (Fact::STOPS | self.asked & Fact::REFUSES) != 0
    }

    /// Whether it stops only since it does not lead to the next instruction.
    #[inline(always)]
    pub(crate) fn ends(&self) -> bool {
        self.facts & Fact::ENDS != 0
    }

    /// Whether it is one of the common instructions.
    #[inline(always)]
    pub(crate) fn is_understood(&self) -> bool {
        !self.stops() || self.ends()
    }

    #[cfg(test)]
    pub(crate) fn is_nop(&self) -> bool {
        self.facts & Fact::IS_NOP != 0
    }

    /// Whether it names anything that is among `wanted`, one of the constants above.
    #[inline(always)]
    pub(crate) fn names(&self, wanted: u32) -> bool {
        // Numbers and what it leads to are facts of the opcode alone.
        let alone = Fact::LEADS | Fact::NUMBER;
        self.facts & (self.asked | alone) & wanted != 0
    }

    /// How far behind its end it leads, if it is a jump, a branch or a call; `bytes` start
    /// with it.
    #[inline(always)]
    pub(crate) fn distance(&self, bytes: &[u8]) -> Option<i64> {
        let word = u64_at(bytes, 0).filter(|_| self.facts & Fact::LEADS != 0)?;
        // The distance comes last, and all is at most eight bytes long.
        let above = 64_u32.wrapping_sub(8 * self.len() as u32) % 64;
        Some((word << above) as i64 >> (72 - 8 * (self.facts & Fact::LEN)))
    }

    /// The address of a table that it adds a scaled index to.
    pub(crate) fn table(&self, bytes: &[u8]) -> Option<i64> {
        // Behind the opcode, the ModRM and the SIB byte.
        let address = i32_at(bytes, self.skipped as usize + 3)?;
        (self.asked & Fact::TABLE != 0).then_some(address.into())
    }

    /// How far behind its end the address is that it takes.
    pub(crate) fn address(&self, bytes: &[u8]) -> Option<i64> {
        self.last(bytes).filter(|_| self.facts & self.asked & Fact::RELATIVE != 0)
    }

    /// The number that a register gets, or all 64 bits of memory.
    pub(crate) fn number(&self, bytes: &[u8]) -> Option<i64> {
        let is = self.facts & Fact::NUMBER != 0 && self.asked & Fact::RELATIVE == 0;
        self.last(bytes).filter(|_| is)
    }

    fn last(&self, bytes: &[u8]) -> Option<i64> {
        i32_at(bytes, self.len().wrapping_sub(4)).map(i64::from)
    }
}

/// A byte of the first eight, or another one.
#[inline(always)]
fn byte(word: u64, at: u32) -> usize {
    usize::from((word >> (8 * at % 64)) as u8)
}

/// The length of what compilers fill space with, if `bytes` start with it: `int3`, or
/// a `nop` of any length. 0 for anything else, and for rare forms.
#[inline(never)]
pub(crate) fn padding_len(bytes: &[u8; ROOM]) -> usize {
    let prefixes = bytes.iter().take(6).take_while(|byte| matches!(byte, 0x66 | 0x2e)).count();
    match bytes.get(prefixes..).unwrap_or(&[]) {
        [0xcc, ..] if prefixes == 0 => 1,
        [0x90, ..] => prefixes + 1,
        [0x0f, 0x1f, model, rest @ ..] if MODELS[usize::from(*model)] & Fact::INDEXED == 0 => {
            let len = (MODELS[usize::from(*model)] & Fact::LEN) as usize;
            let is_reserved = rest.iter().take(len - 1).any(|byte| *byte != 0);
            if is_reserved { 0 } else { prefixes + 2 + len }
        }
        _ => 0,
    }
}

/// Whether bytes may be the start of what fills space.
#[inline(never)]
pub(crate) fn begins_padding(bytes: &[u8]) -> bool {
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
