//! The instructions that nearly all code consists of: at most one of the
//! prefixes 66, f2 and f3 and one REX, an opcode of one or two bytes without
//! surprises, and the common jumps. The rest is left to the complete decoder.

use super::{Decoded, Flow, ROOM, Reference};
use crate::opcodes::{ONE, Shape, TWO};

/// What is known of an opcode.
#[derive(Clone, Copy)]
struct Class(u8);

impl Class {
    /// Bits for the length of what follows the ModRM byte and its kin.
    const IMMEDIATE: u8 = 7;
    /// It has a ModRM byte.
    const MODEL: u8 = 8;
    /// What it does, unless it just goes on.
    const JUMP: u8 = 0x10;
    const BRANCH: u8 = 0x20;
    const CALL: u8 = 0x30;
    const END: u8 = 0x40;
    const ADDRESS: u8 = 0x50;
    const KIND: u8 = 0x70;
    /// Left to the complete decoder.
    const OTHER: u8 = 0x80;
}

/// Opcodes of one byte; these have no prefix but REX.
static ONE_BYTE: [Class; 256] = {
    let mut classes = [Class(Class::OTHER); 256];
    let mut opcode = 0;
    while opcode < 256 {
        classes[opcode] = Class(match opcode {
            0xeb => Class::JUMP | 1,
            0xe9 => Class::JUMP | 4,
            0x70..=0x7f => Class::BRANCH | 1,
            0xe8 => Class::CALL | 4,
            0xc3 => Class::END,
            0x8d => Class::ADDRESS | Class::MODEL,
            // A nop, system calls, moves of addresses, and what has gaps.
            0x62 | 0x8f | 0x90 | 0xb8..=0xbf | 0xc2 | 0xc4..=0xc7 | 0xca..=0xcf | 0xe0..=0xe3
            | 0xf4 | 0xf6 | 0xf7 | 0xfe | 0xff => Class::OTHER,
            _ => simple(ONE[opcode]),
        });
        opcode += 1;
    }
    classes
};

/// Opcodes after `0f`.
static TWO_BYTES: [Class; 256] = {
    let mut classes = [Class(Class::OTHER); 256];
    let mut opcode = 0;
    while opcode < 256 {
        classes[opcode] = Class(match opcode {
            0x80..=0x8f => Class::BRANCH | 4,
            0x10..=0x17 | 0x28..=0x2f | 0x40..=0x76 | 0x7e..=0x7f | 0x90..=0x9f | 0xa3..=0xa5
            | 0xab..=0xaf | 0xb0..=0xb7 | 0xba..=0xfe => match opcode {
                0xff => Class::OTHER,
                _ => simple(TWO[opcode]),
            },
            _ => Class::OTHER,
        });
        opcode += 1;
    }
    classes
};

const fn simple(shape: Shape) -> u8 {
    match shape {
        Shape::Bare => 0,
        Shape::Byte => 1,
        Shape::Full => 4,
        Shape::Model => Class::MODEL,
        Shape::ModelByte => Class::MODEL | 1,
        Shape::ModelFull => Class::MODEL | 4,
        _ => Class::OTHER,
    }
}

/// Lengths of what a ModRM byte asks for, itself included; and marks.
static MODEL: [u8; 256] = {
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
            (0, 4) => 2 | INDEXED,
            (_, 4) => 2 + displacement,
            (0, 5) => 5 | RELATIVE,
            _ => 1 + displacement,
        };
        model += 1;
    }
    lens
};
/// The SIB byte may ask for more.
const INDEXED: u8 = 0x40;
const RELATIVE: u8 = 0x80;

/// The instruction, if it is one of these.
#[inline(always)]
pub(super) fn decode(bytes: &[u8; ROOM], address: u64) -> Option<Decoded> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let byte = |at: u32| (word >> (8 * at)) as u8;
    let mut at = 0;
    let mut is_prefixed = false;
    if matches!(byte(0), 0x66 | 0xf2 | 0xf3) {
        is_prefixed = true;
        at = 1;
    }
    let rex = byte(at);
    if rex & 0xf0 == 0x40 {
        at += 1;
    }
    let mut opcode = byte(at);
    at += 1;
    let class = if opcode == 0x0f {
        opcode = byte(at);
        at += 1;
        TWO_BYTES[usize::from(opcode)].0
    } else {
        ONE_BYTE[usize::from(opcode)].0
    };
    // The prefix may shorten what follows, or make a branch another one.
    let is_long = class & Class::IMMEDIATE == 4 || class & Class::KIND != 0;
    if class & Class::OTHER != 0 || (is_prefixed && is_long) {
        return None;
    }
    let mut reference = Reference::None;
    let mut len = at as u8 + (class & Class::IMMEDIATE);
    if class & Class::MODEL != 0 {
        let model = byte(at);
        let asked = MODEL[usize::from(model)];
        len += asked & 7;
        if asked & RELATIVE != 0 {
            reference = Reference::Relative(at as u8 + 1);
        } else if asked & INDEXED != 0 && byte(at + 1) & 7 == 5 {
            len += 4;
            reference = Reference::Table(at as u8 + 2);
        }
        if class & Class::KIND == Class::ADDRESS && model >= 0xc0 {
            return None;
        }
    }
    let flow = match class & Class::KIND {
        Class::END => Flow::End,
        0 | Class::ADDRESS => Flow::Next,
        kind => {
            let distance = match class & Class::IMMEDIATE {
                1 => i64::from(byte(at) as i8),
                _ => i64::from((word >> (8 * at)) as i32),
            };
            let target = address.wrapping_add(u64::from(len)).wrapping_add_signed(distance);
            match kind {
                Class::JUMP => Flow::Jump(target),
                Class::BRANCH => Flow::Branch(target),
                _ => Flow::Call(target),
            }
        }
    };
    let takes_address = class & Class::KIND == Class::ADDRESS;
    Some(Decoded { len, flow, reference, takes_address, is_narrow: false })
}
