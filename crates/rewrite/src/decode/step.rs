//! How far one instruction leads, for passing over code quickly.
//!
//! Branches that depend on the bytes of code are mispredicted, and each costs
//! as much as all the rest. So the common case has none: perhaps a REX, and an
//! opcode of one byte. Which instructions matter, and how, is told in bits, for
//! the caller to collect and to look at later.

use super::ROOM;
use super::quick::{CLASSES, Class, MODEL};
use crate::bytes::i32_at;

/// Bits of what is known of an opcode or a ModRM byte.
struct Fact;

impl Fact {
    /// The length of it and its immediate, or of it and what it asks for.
    const LEN: u32 = 7;
    /// The prefix changes what it is.
    const VARIED: u32 = 1 << 4;
    /// It is not passed.
    const STOPS: u32 = 1 << 5;
    const MATTERS: u32 = 1 << 6;
    /// A branch or a call.
    const LEADS: u32 = 1 << 7;
    const IS_NOP: u32 = 1 << 8;
    /// It is not passed with REX.W.
    const WIDE: u32 = 1 << 9;
    const REX: u32 = 1 << 10;
    /// `0f`.
    const ESCAPE: u32 = 1 << 11;
    const PREFIX: u32 = 1 << 12;
    /// It matters if its memory is given by a distance. Of a ModRM byte: it is.
    const RELATIVE: u32 = 1 << 13;
    /// Of a ModRM byte: its SIB byte may ask for more.
    const INDEXED: u32 = 1 << 14;
    /// It is not passed with a ModRM byte that has one of the bits that it has.
    const REFUSES: u32 = Self::REGISTER | Self::NOT_FIRST | Self::FIRST_TWO;
    /// Of a ModRM byte: it names no memory.
    const REGISTER: u32 = 1 << 16;
    /// The register field is not 0.
    const NOT_FIRST: u32 = 1 << 17;
    /// The register field is 0 or 1.
    const FIRST_TWO: u32 = 1 << 18;
    /// It moves a number to a register.
    const CONSTANT: u32 = 1 << 19;
    const IS_CALL: u32 = 1 << 20;
    /// A common instruction that does not lead to the next.
    const ENDS: u32 = 1 << 21;
    /// Has a ModRM byte: the sign.
    const MODEL: u32 = 1 << 31;
}

/// Opcodes of one byte, then those after `0f`.
static OPCODES: [u32; 512] = {
    let mut opcodes = [0; 512];
    let mut opcode = 0;
    while opcode < 512 {
        opcodes[opcode] = facts_of(CLASSES[opcode]);
        opcode += 1;
    }
    opcodes
};

const fn facts_of(class: u16) -> u32 {
    let carried = [
        (Class::MODEL, Fact::MODEL),
        (Class::VARIED, Fact::VARIED),
        (Class::OTHER, Fact::STOPS),
        (Class::REX, Fact::REX),
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
            Class::BRANCH => Fact::MATTERS | Fact::LEADS,
            Class::CALL => Fact::MATTERS | Fact::LEADS | Fact::IS_CALL,
            Class::ADDRESS => Fact::RELATIVE | Fact::REGISTER,
            Class::NOP => Fact::IS_NOP,
            Class::CONSTANT => Fact::MATTERS | Fact::CONSTANT | Fact::WIDE,
            Class::STORE => Fact::MATTERS | Fact::NOT_FIRST,
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
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// Its first eight bytes.
    word: u64,
    /// Bytes before its opcode, or before the second byte of that.
    skipped: u32,
    /// REX.W, if it is there.
    wide: u32,
    /// Of its opcode.
    facts: u32,
    /// Of its ModRM byte, if it has one.
    asked: u32,
    /// Bytes of the address of a table that its SIB byte asks for.
    table: u32,
}

impl Step {
    /// The instruction at the start of `bytes`.
    #[inline(always)]
    pub(crate) fn at(bytes: &[u8; ROOM]) -> Self {
        let word = u64::from_le_bytes(*bytes.first_chunk().unwrap_or(&[0; 8]));
        let has_rex = u32::from(word & 0xf0 == 0x40);
        let mut step = Self { word, skipped: has_rex, wide: 0, facts: 0, asked: 0, table: 0 };
        step.wide = word as u32 & has_rex << 3;
        step.facts = OPCODES[step.byte(0)];
        if step.facts & (Fact::ESCAPE | Fact::PREFIX) != 0 {
            step.pass_prefixes();
        }
        // All ones where there is a ModRM byte.
        let has_model = (step.facts as i32 >> 31) as u32;
        step.asked = MODELS[step.byte(1)] & has_model;
        if step.asked & Fact::INDEXED != 0 && step.byte(2) & 7 == 5 {
            step.table = 4;
        }
        step
    }

    /// A byte from the opcode on.
    #[inline(always)]
    fn byte(self, at: u32) -> usize {
        usize::from((self.word >> (8 * self.skipped % 64) >> (8 * at)) as u8)
    }

    /// Goes from what is no opcode to the one behind it, if there is one.
    #[inline(always)]
    fn pass_prefixes(&mut self) {
        let mut refused = 0;
        if self.facts & Fact::PREFIX != 0 && self.skipped == 0 {
            refused = self.facts & Fact::VARIED;
            let has_rex = u32::from(self.word & 0xf000 == 0x4000);
            self.wide = (self.word >> 8) as u32 & has_rex << 3;
            self.skipped = 1 + has_rex;
            self.facts = OPCODES[self.byte(0)];
        }
        if self.facts & Fact::ESCAPE != 0 {
            self.skipped += 1;
            self.facts = OPCODES[256 + self.byte(0)];
        }
        self.facts = if self.facts & refused != 0 { Fact::STOPS } else { self.facts };
    }

    /// Its length, unless it stops and does not end.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        (self.skipped + (self.facts & Fact::LEN) + (self.asked & Fact::LEN) + self.table) as usize
    }

    /// Whether it has to be decoded completely: it does not lead to the next
    /// instruction, or is none of the common ones. The rest is said of others.
    #[inline(always)]
    pub(crate) fn stops(self) -> bool {
        let refused = self.asked & Fact::REFUSES | self.wide << (Fact::WIDE.trailing_zeros() - 3);
        self.facts & (Fact::STOPS | refused) != 0
    }

    /// Whether it names an address, or a number that may be one.
    #[inline(always)]
    pub(crate) fn matters(self) -> bool {
        self.facts & (Fact::MATTERS | self.asked & Fact::RELATIVE) | self.table != 0
    }

    /// Whether it stops only since it does not lead to the next instruction.
    #[inline(always)]
    pub(crate) fn ends(self) -> bool {
        self.facts & Fact::ENDS != 0
    }

    #[inline(always)]
    pub(crate) fn is_nop(self) -> bool {
        self.facts & Fact::IS_NOP != 0
    }

    /// What [`is_call`](Self::is_call) asks for; not 0.
    #[inline(always)]
    pub(crate) fn facts(self) -> u32 {
        self.facts
    }

    pub(crate) fn is_call(facts: u32) -> bool {
        facts & Fact::IS_CALL != 0
    }

    /// Whether it is a branch or a call.
    #[inline(always)]
    pub(crate) fn leads(self) -> bool {
        self.facts & Fact::LEADS != 0
    }

    /// How far behind its end a branch leads.
    #[inline(always)]
    pub(crate) fn distance(self) -> i64 {
        // The distance comes last, and all is at most eight bytes long.
        let above = 64_u32.wrapping_sub(8 * self.len() as u32) % 64;
        (self.word << above) as i64 >> (72 - 8 * (self.facts & Fact::LEN))
    }

    /// Whether it takes the address at a distance behind its end.
    #[inline(always)]
    pub(crate) fn takes_address(self) -> bool {
        self.facts & self.asked & Fact::RELATIVE != 0
    }

    /// Whether a register gets its number, or memory gets all 64 bits of it.
    #[inline(always)]
    pub(crate) fn keeps_number(self) -> bool {
        let is_constant = self.facts & Fact::CONSTANT != 0;
        is_constant | ((self.wide != 0) & (self.asked & Fact::RELATIVE == 0))
    }

    /// The address of a table that it adds a scaled index to. `bytes` are those
    /// that it was seen in.
    #[inline(always)]
    pub(crate) fn table(self, bytes: &[u8; ROOM]) -> Option<i64> {
        // Behind the opcode, the ModRM and the SIB byte.
        let address = i32_at(bytes, self.skipped as usize % 16 + 3)?;
        (self.table != 0).then_some(address.into())
    }

    /// The number in its last four bytes. `bytes` are those that it was seen in.
    #[inline(always)]
    pub(crate) fn number(self, bytes: &[u8; ROOM]) -> i64 {
        i32_at(bytes, self.len().wrapping_sub(4) % 16).unwrap_or(0).into()
    }
}
