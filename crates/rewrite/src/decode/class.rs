//! The instructions that nearly all code consists of: at most one of the
//! prefixes 66, f2 and f3 and one REX, an opcode of one or two bytes without
//! surprises, and the common jumps. The rest is left to the complete decoder.

use crate::opcodes::{ONE, Shape, TWO};

/// What is known of an opcode: its kind, whether it has a ModRM byte, and the
/// length of what comes last.
pub(super) struct Class;

impl Class {
    pub(super) const IMMEDIATE: u16 = 7;
    pub(super) const MODEL: u16 = 8;
    /// The prefix changes what it is.
    pub(super) const VARIED: u16 = 0x10;
    pub(super) const NEXT: u16 = 0;
    pub(super) const JUMP: u16 = 0x20;
    pub(super) const BRANCH: u16 = 0x40;
    pub(super) const CALL: u16 = 0x60;
    pub(super) const END: u16 = 0x80;
    pub(super) const ADDRESS: u16 = 0xa0;
    pub(super) const SYSCALL: u16 = 0xc0;
    pub(super) const NOP: u16 = 0xe0;
    /// A move of a constant to a register.
    pub(super) const CONSTANT: u16 = 0x100;
    /// As the last, to a register or to memory.
    pub(super) const STORE: u16 = 0x120;
    /// Has an immediate only if it is a `test`.
    pub(super) const TEST: u16 = 0x140;
    pub(super) const KIND: u16 = 0x1e0;
    /// Left to the complete decoder, unless it is one of the next.
    pub(super) const OTHER: u16 = 0x200;
    /// REX.
    pub(super) const REX: u16 = 0x400;
    /// `0f`.
    pub(super) const ESCAPE: u16 = 0x800;
    /// fs and lock, which have no meaning for length or flow; and 66, f2 and f3,
    /// which are marked as varied.
    pub(super) const PREFIX: u16 = 0x1000;
    /// Of a ModRM byte: a distance to memory is given.
    pub(super) const RELATIVE: u16 = 0x2000;
    /// Of a ModRM byte: its SIB byte may ask for more.
    pub(super) const INDEXED: u16 = 0x4000;
}

/// Opcodes of one byte, then those after `0f`.
pub(super) const CLASSES: [u16; 512] = {
    let mut classes = [Class::OTHER; 512];
    let mut opcode = 0;
    while opcode < 256 {
        classes[opcode] = one(opcode as u8);
        classes[256 + opcode] = two(opcode as u8);
        opcode += 1;
    }
    classes
};

const fn one(opcode: u8) -> u16 {
    match opcode {
        0x0f => Class::OTHER | Class::ESCAPE,
        0x40..=0x4f => Class::OTHER | Class::REX,
        0x64 | 0xf0 => Class::OTHER | Class::PREFIX,
        0x66 | 0xf2 | 0xf3 => Class::OTHER | Class::PREFIX | Class::VARIED,
        0xeb => Class::JUMP | Class::VARIED | 1,
        0xe9 => Class::JUMP | Class::VARIED | 4,
        0x70..=0x7f => Class::BRANCH | Class::VARIED | 1,
        0xe8 => Class::CALL | Class::VARIED | 4,
        0xc3 => Class::END,
        0x8d => Class::ADDRESS | Class::MODEL,
        0xb8..=0xbf => Class::CONSTANT | Class::VARIED | 4,
        0xc7 => Class::STORE | Class::VARIED | Class::MODEL | 4,
        0xf6 | 0xf7 => Class::TEST | Class::VARIED | Class::MODEL,
        // System calls, and what has gaps.
        0x62
        | 0x8f
        | 0x90
        | 0xc2
        | 0xc4..=0xc6
        | 0xca..=0xcf
        | 0xe0..=0xe3
        | 0xf4
        | 0xfe
        | 0xff => Class::OTHER,
        _ => simple(ONE[opcode as usize]),
    }
}

const fn two(opcode: u8) -> u16 {
    match opcode {
        0x05 => Class::SYSCALL,
        0x1f => Class::NOP | Class::MODEL,
        0x80..=0x8f => Class::BRANCH | Class::VARIED | 4,
        0x10..=0x17
        | 0x28..=0x2f
        | 0x40..=0x76
        | 0x7e..=0x7f
        | 0x90..=0x9f
        | 0xa3..=0xa5
        | 0xab..=0xb7
        | 0xba..=0xfe => simple(TWO[opcode as usize]),
        _ => Class::OTHER,
    }
}

const fn simple(shape: Shape) -> u16 {
    match shape {
        Shape::Bare => 0,
        Shape::Byte => 1,
        Shape::Full => Class::VARIED | 4,
        Shape::Model => Class::MODEL,
        Shape::ModelByte => Class::MODEL | 1,
        Shape::ModelFull => Class::VARIED | Class::MODEL | 4,
        _ => Class::OTHER,
    }
}

/// Lengths of what a ModRM byte asks for, itself included; and marks.
pub(super) const MODEL: [u16; 256] = {
    let mut lens = [0; 256];
    let mut model = 0;
    while model < 256 {
        let displacement = match model >> 6 {
            1 => 1,
            2 => 4,
            _ => 0,
        };
        lens[model] = match (model >> 6, model & 7) {
            (3, _) => 1,
            (0, 4) => 2 | Class::INDEXED,
            (_, 4) => 2 + displacement,
            (0, 5) => 5 | Class::RELATIVE,
            _ => 1 + displacement,
        };
        model += 1;
    }
    lens
};
