//! The instructions that nearly all code consists of: at most one of the
//! prefixes 66, f2 and f3 and one REX, an opcode of one or two bytes without
//! surprises, and the common jumps. The rest is left to the complete decoder.

use super::{Decoded, Flow, ROOM, Reference};
use crate::opcodes::{ONE, Shape, TWO};

/// What is known of an opcode: its kind, whether it has a ModRM byte, and the
/// length of what comes last.
struct Class;

impl Class {
    const IMMEDIATE: u16 = 7;
    const MODEL: u16 = 8;
    /// The prefix changes what it is.
    const VARIED: u16 = 0x10;
    const NEXT: u16 = 0;
    const JUMP: u16 = 0x20;
    const BRANCH: u16 = 0x40;
    const CALL: u16 = 0x60;
    const END: u16 = 0x80;
    const ADDRESS: u16 = 0xa0;
    const SYSCALL: u16 = 0xc0;
    const NOP: u16 = 0xe0;
    /// A move of a constant to a register.
    const CONSTANT: u16 = 0x100;
    /// As the last, to a register or to memory.
    const STORE: u16 = 0x120;
    /// Has an immediate only if it is a `test`.
    const TEST: u16 = 0x140;
    const KIND: u16 = 0x1e0;
    /// Left to the complete decoder.
    const OTHER: u16 = 0x200;
}

/// Opcodes of one byte, then those after `0f`.
static CLASSES: [u16; 512] = {
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

/// The instruction, if it is one of these. Branches that depend on its bytes
/// would be mispredicted, so there are few.
#[inline(always)]
pub(super) fn decode(bytes: &[u8; ROOM], address: u64) -> Option<Decoded> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let byte = |at: u32| (word >> (8 * at)) as u8;
    let first = byte(0);
    // Without a meaning for length or flow: fs, lock.
    let is_marked = (first == 0x64) | (first == 0xf0);
    let is_prefixed = (first == 0x66) | (first == 0xf2) | (first == 0xf3);
    let mut at = u32::from(is_prefixed | is_marked);
    let rex = byte(at);
    let has_rex = rex & 0xf0 == 0x40;
    at += u32::from(has_rex);
    let is_wide = has_rex & (rex & 8 != 0);
    let is_two = byte(at) == 0x0f;
    at += u32::from(is_two);
    let opcode = byte(at);
    at += 1;
    let class = CLASSES[256 * usize::from(is_two) + usize::from(opcode)];
    if class & Class::OTHER != 0 || (is_prefixed && class & Class::VARIED != 0) {
        return None;
    }
    let model = byte(at);
    let asked = if class & Class::MODEL != 0 { MODEL[usize::from(model)] } else { 0 };
    let is_relative = asked & RELATIVE != 0;
    let is_table = (asked & INDEXED != 0) & (byte(at + 1) & 7 == 5);
    let mut len = at as u8 + (class & Class::IMMEDIATE) as u8 + (asked & 7);
    len += if is_table { 4 } else { 0 };
    let mut reference = match (is_relative, is_table) {
        (true, _) => Reference::Relative(at as u8 + 1),
        (_, true) => Reference::Table(at as u8 + 2),
        _ => Reference::None,
    };
    let mut takes_address = false;
    let flow = match class & Class::KIND {
        Class::NEXT => Flow::Next,
        Class::END => Flow::End,
        Class::SYSCALL => Flow::Syscall,
        Class::NOP => Flow::Nop,
        Class::ADDRESS => {
            if model >= 0xc0 {
                return None;
            }
            takes_address = true;
            Flow::Next
        }
        Class::CONSTANT => {
            if is_wide {
                return None;
            }
            reference = Reference::Immediate(at as u8);
            Flow::Next
        }
        Class::STORE => {
            if model & 0x38 != 0 {
                return None;
            }
            if is_wide && reference == Reference::None {
                reference = Reference::Immediate(len - 4);
            }
            Flow::Next
        }
        Class::TEST => {
            if model & 0x30 == 0 {
                return None;
            }
            Flow::Next
        }
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
    Some(Decoded { len, flow, reference, takes_address, is_narrow: false })
}
