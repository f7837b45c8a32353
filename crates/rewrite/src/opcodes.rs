//! How many bytes follow an opcode: the shape of every x86-64 instruction.
//!
//! Intel SDM volume 2, appendix A, and AMD APM volume 3, appendix A, for the
//! encodings that only AMD has (3DNow!, XOP, SSE4a). What 64-bit mode does not
//! define is [`Shape::Invalid`].

/// What follows an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Not an instruction in 64-bit mode, or a prefix, or an escape to another
    /// table.
    Invalid,
    /// Nothing.
    Bare,
    /// One byte.
    Byte,
    /// Two bytes.
    Word,
    /// Two bytes and one more: `enter`.
    WordByte,
    /// Four bytes, or two with the 66 prefix.
    Full,
    /// Eight bytes with REX.W, else as `Full`: `mov reg, imm64`.
    Wide,
    /// Eight bytes, or four with the 67 prefix: `mov al, [moffs]`.
    Offset,
    /// A distance of one byte.
    Short,
    /// A distance of four bytes.
    Long,
    /// A ModRM byte and what it asks for.
    Model,
    /// As `Model`, then one byte.
    ModelByte,
    /// As `Model`, then as `Full`.
    ModelFull,
    /// A ModRM byte that names registers whatever its mode says: `mov cr0`.
    Registers,
    /// `f6`, `f7`: `Model` with an immediate only for `test`.
    Test,
    /// `c6`, `c7`: `Model` with an immediate; only `/0`, `xabort`, `xbegin`.
    Move,
    /// SSE4a: two immediate bytes after a mandatory prefix, none without.
    ExtractInsert,
}

/// Opcodes of one byte.
pub(crate) static ONE: [Shape; 256] = {
    let mut shapes = [Shape::Invalid; 256];
    let mut opcode = 0;
    while opcode < 256 {
        shapes[opcode] = one(opcode as u8);
        opcode += 1;
    }
    shapes
};

/// Opcodes after `0f`, and map 1 of VEX and EVEX.
pub(crate) static TWO: [Shape; 256] = {
    let mut shapes = [Shape::Invalid; 256];
    let mut opcode = 0;
    while opcode < 256 {
        shapes[opcode] = two(opcode as u8);
        opcode += 1;
    }
    shapes
};

const fn one(opcode: u8) -> Shape {
    use Shape as S;
    match opcode {
        // Arithmetic: six forms each, then what 64-bit mode took away.
        0x00..=0x3f => match opcode & 7 {
            0..=3 => S::Model,
            4 => S::Byte,
            5 => S::Full,
            _ => S::Invalid,
        },
        0x50..=0x5f => S::Bare,
        0x63 => S::Model,
        0x68 => S::Full,
        0x69 => S::ModelFull,
        0x6a => S::Byte,
        0x6b => S::ModelByte,
        0x6c..=0x6f => S::Bare,
        0x70..=0x7f | 0xe0..=0xe3 | 0xeb => S::Short,
        0x80 | 0x83 | 0xc0 | 0xc1 => S::ModelByte,
        0x81 => S::ModelFull,
        0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => S::Model,
        0x90..=0x99 | 0x9b..=0x9f | 0xa4..=0xa7 | 0xaa..=0xaf => S::Bare,
        0xa0..=0xa3 => S::Offset,
        0xa8 | 0xb0..=0xb7 | 0xcd | 0xe4..=0xe7 => S::Byte,
        0xa9 => S::Full,
        0xb8..=0xbf => S::Wide,
        0xc2 | 0xca => S::Word,
        0xc3 | 0xc9 | 0xcb | 0xcc | 0xcf | 0xd7 | 0xec..=0xef => S::Bare,
        0xc6 | 0xc7 => S::Move,
        0xc8 => S::WordByte,
        0xe8 | 0xe9 => S::Long,
        0xf1 | 0xf4 | 0xf5 | 0xf8..=0xfd => S::Bare,
        0xf6 | 0xf7 => S::Test,
        _ => S::Invalid,
    }
}

const fn two(opcode: u8) -> Shape {
    use Shape as S;
    match opcode {
        0x05..=0x09 | 0x0b | 0x0e | 0x30..=0x35 | 0x37 | 0x77 => S::Bare,
        0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf => S::Bare,
        0x20..=0x23 => S::Registers,
        0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => S::ModelByte,
        0x78 => S::ExtractInsert,
        0x80..=0x8f => S::Long,
        0x04 | 0x0a | 0x0c | 0x0f | 0x24..=0x27 | 0x36 | 0x38..=0x3f | 0x7a | 0x7b => S::Invalid,
        _ => S::Model,
    }
}
