//! What the planner needs to know of an instruction: its length, where it
//! leads, and what it refers to relative to itself.
//!
//! Not a disassembler. It knows the shape of every encoding and the meaning of
//! those that change the flow of control, so it takes a few nanoseconds for an
//! instruction, which starting a program can afford; tests hold it against a
//! full disassembler. It is lenient with reserved combinations of known
//! opcodes (a `lock` that faults, say) and strict with lengths: encodings that
//! Intel and AMD processors read differently are refused.

use crate::opcodes::{ONE, Shape, TWO};

/// What an instruction does to the flow of control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Goes on with the next instruction.
    Next,
    /// `nop` of any length: padding, when nobody can reach it.
    Nop,
    /// A `nop` with a distance in it, as LLVM makes them to be written over (XRay's sleds, patch
    /// points), with the jump or return before it.
    Reserved,
    /// `int3`: padding, when nobody can reach it.
    Breakpoint,
    /// `endbr64`: an indirect jump may lead here.
    Landing,
    /// `syscall`.
    Syscall,
    /// `int 0x80` or `sysenter`.
    OtherSystemCall,
    /// Jumps to this address.
    Jump(u64),
    /// Jumps to this address or goes on.
    Branch(u64),
    /// A loop, jrcxz or xbegin, which like a branch leads to this address.
    ShortBranch(u64),
    /// Jumps through a register or a table in memory.
    IndirectJump,
    /// Jumps through a pointer at a fixed address (PLT, GOT).
    PointerJump,
    /// Pushes a return address and jumps to this address.
    Call(u64),
    /// Pushes a return address and jumps through a register or memory.
    IndirectCall,
    /// Does not go on: ret, ud2, hlt.
    End,
}

impl Flow {
    /// Whether the next instruction may be executed after this one.
    pub(crate) fn goes_on(self) -> bool {
        !matches!(self, Self::Jump(_) | Self::IndirectJump | Self::PointerJump | Self::End)
    }

    /// Whether compilers fill space with it.
    pub(crate) fn is_padding(self) -> bool {
        matches!(self, Self::Nop | Self::Breakpoint)
    }

    /// Where it leads, but for the next instruction, if that is known.
    pub(crate) fn target(self) -> Option<u64> {
        match self {
            Self::Jump(to) | Self::Branch(to) | Self::ShortBranch(to) | Self::Call(to) => Some(to),
            _ => None,
        }
    }
}

/// An address in an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// None, or one that starts from a register.
    None,
    /// A distance from the end of the instruction, 32 bits at this offset.
    Relative(u8),
    /// A table's address, 32 bits at this offset, with a scaled index.
    Table(u8),
    /// What a `mov` gives a register, from this offset to the end: perhaps an
    /// address.
    Immediate(u8),
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded {
    /// Length in bytes.
    pub len: u8,
    pub flow: Flow,
    pub reference: Reference,
    /// A `lea`: takes the address that it refers to.
    pub takes_address: bool,
    /// Addresses are cut to 32 bits (prefix 67).
    pub is_narrow: bool,
}

impl Decoded {
    /// `0f 05`, without prefixes.
    pub(crate) const SYSCALL: Self = Self {
        len: 2,
        flow: Flow::Syscall,
        reference: Reference::None,
        takes_address: false,
        is_narrow: false,
    };
}

/// Longest instruction.
pub(crate) const MAX_LEN: usize = 15;

/// The instruction at the start of `bytes`, which lies at `address`; `None` if
/// there is none, or if `bytes` ends within it.
#[inline(never)]
pub(crate) fn decode(bytes: &[u8], address: u64) -> Option<Decoded> {
    let decoded = match bytes.first_chunk() {
        Some(enough) => Cursor { bytes: enough, at: 0 }.instruction(address)?,
        None => {
            let mut padded = [0; ROOM];
            for (to, from) in padded.iter_mut().zip(bytes) {
                *to = *from;
            }
            Cursor { bytes: &padded, at: 0 }.instruction(address)?
        }
    };
    let len = usize::from(decoded.len);
    (len <= bytes.len() && len <= MAX_LEN).then_some(decoded)
}

/// Its length, for most instructions sooner.
#[inline(never)]
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    match bytes.first_chunk().map(Step::at).filter(Step::is_understood) {
        Some(step) => Some(step.len()),
        None => decode(bytes, 0).map(|decoded| usize::from(decoded.len)),
    }
}

/// Bytes to read without a look at the length: no field of an instruction
/// starts behind them. A power of two.
pub(crate) const ROOM: usize = 32;

/// Prefixes that change a length or a meaning.
#[derive(Clone, Copy, Default)]
struct Prefixes {
    /// 66.
    short_operand: bool,
    /// 67.
    narrow: bool,
    /// f3.
    repeat: bool,
    /// f2.
    repeat_not: bool,
    /// The REX byte, or 0.
    rex: u8,
}

impl Prefixes {
    fn is_wide(self) -> bool {
        self.rex & 8 != 0
    }
}

/// A reader of one instruction.
struct Cursor<'b> {
    bytes: &'b [u8; ROOM],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> u8 {
        self.bytes[self.at % ROOM]
    }

    fn take(&mut self) -> u8 {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    #[inline]
    fn instruction(mut self, address: u64) -> Option<Decoded> {
        let mut prefixes = Prefixes::default();
        let mut opcode = self.take();
        if PREFIX[usize::from(opcode)] {
            (prefixes, opcode) = self.prefixes(opcode)?;
        }
        let one = ONE[usize::from(opcode)];
        match opcode {
            0x0f => self.two_bytes(prefixes, address),
            0xc4 | 0xc5 | 0x62 => self.vector(opcode, prefixes),
            // The XOP prefix is a `pop` whose register field is not 0.
            0x8f if self.peek() & 0x38 != 0 => self.vector(opcode, prefixes),
            _ => self.one_byte(opcode, one, prefixes, address),
        }
    }

    /// Reads prefixes, the first of which is taken already, and the opcode.
    fn prefixes(&mut self, first: u8) -> Option<(Prefixes, u8)> {
        let mut prefixes = Prefixes::default();
        let mut byte = first;
        loop {
            if self.at > MAX_LEN {
                return None;
            }
            match byte {
                0x66 => prefixes.short_operand = true,
                0x67 => prefixes.narrow = true,
                0xf3 => prefixes.repeat = true,
                0xf2 => prefixes.repeat_not = true,
                0x40..=0x4f => {
                    // Any but the last is ignored.
                    prefixes.rex = byte;
                    byte = self.take();
                    if !PREFIX[usize::from(byte)] {
                        return Some((prefixes, byte));
                    }
                    prefixes.rex = 0;
                    continue;
                }
                _ if PREFIX[usize::from(byte)] => {}
                _ => return Some((prefixes, byte)),
            }
            byte = self.take();
        }
    }

    #[inline]
    fn one_byte(
        mut self,
        opcode: u8,
        shape: Shape,
        prefixes: Prefixes,
        address: u64,
    ) -> Option<Decoded> {
        let model = self.peek();
        let register = model >> 3 & 7;
        let start = self.at as u8;
        let mut operand = self.operands(shape, opcode, prefixes)?;
        let flow = match opcode {
            0x90 if prefixes.rex & 1 == 0 && !prefixes.repeat => Flow::Nop,
            0xcc => Flow::Breakpoint,
            0xcd if model == 0x80 => Flow::OtherSystemCall,
            0xe9 => Flow::Jump(self.long_target(address, prefixes)?),
            0xe8 => Flow::Call(self.long_target(address, prefixes)?),
            // With 66, AMD processors cut the address to 16 bits.
            0x70..=0x7f | 0xe0..=0xe3 | 0xeb if prefixes.short_operand && !prefixes.is_wide() => {
                return None;
            }
            0xeb => Flow::Jump(self.short_target(address)),
            0x70..=0x7f => Flow::Branch(self.short_target(address)),
            0xe0..=0xe3 => Flow::ShortBranch(self.short_target(address)),
            0xc7 if model == 0xf8 => Flow::ShortBranch(self.long_target(address, prefixes)?),
            // A far return cannot be moved and does not go on.
            0xc2 | 0xc3 | 0xca | 0xcb | 0xf4 => Flow::End,
            0xcf => Flow::IndirectJump,
            0xff => match register {
                2 | 3 => Flow::IndirectCall,
                4 if matches!(operand, Reference::Relative(_)) => Flow::PointerJump,
                4 | 5 => Flow::IndirectJump,
                7 => return None,
                _ => Flow::Next,
            },
            0xb8..=0xbf if !prefixes.short_operand => {
                operand = Reference::Immediate(start);
                Flow::Next
            }
            0xc7 if register == 0 && operand == Reference::None && prefixes.is_wide() => {
                operand = Reference::Immediate(self.at as u8 - 4);
                Flow::Next
            }
            0xfe if register > 1 => return None,
            0x8f if register != 0 => return None,
            0x8d if model >= 0xc0 => return None,
            _ => Flow::Next,
        };
        Some(self.decoded(flow, operand, opcode == 0x8d, prefixes))
    }

    fn two_bytes(mut self, prefixes: Prefixes, address: u64) -> Option<Decoded> {
        let opcode = self.take();
        let shape = match opcode {
            0x38 => {
                self.at += 1;
                Shape::Model
            }
            0x3a => {
                self.at += 1;
                Shape::ModelByte
            }
            // 3DNow!: the opcode proper comes last.
            0x0f => Shape::ModelByte,
            _ => TWO[usize::from(opcode)],
        };
        let model = self.peek();
        let start = self.at + 1;
        let operand = self.operands(shape, opcode, prefixes)?;
        let flow = match opcode {
            0x05 => Flow::Syscall,
            0x34 => Flow::OtherSystemCall,
            // uiret; eretu and erets; skinit
            0x01 if model == 0xec && prefixes.repeat => Flow::End,
            0x01 if model == 0xca && (prefixes.repeat || prefixes.repeat_not) => Flow::End,
            0x01 if model == 0xde => Flow::End,
            0x80..=0x8f => Flow::Branch(self.long_target(address, prefixes)?),
            // Behind the ModRM byte are five at most.
            0x1f if self.bytes.get(start..self.at) > Some(&[0; 5]) => Flow::Reserved,
            0x1f => Flow::Nop,
            0x1e if model == 0xfa && prefixes.repeat => Flow::Landing,
            // sysret, ud2, sysexit, rsm, ud1, ud0
            0x07 | 0x0b | 0x35 | 0xaa | 0xb9 | 0xff => Flow::End,
            _ => Flow::Next,
        };
        Some(self.decoded(flow, operand, false, prefixes))
    }

    /// Instructions behind a VEX, EVEX or XOP prefix, whose first byte is taken.
    fn vector(mut self, escape: u8, prefixes: Prefixes) -> Option<Decoded> {
        if prefixes.rex != 0 || prefixes.short_operand || prefixes.repeat || prefixes.repeat_not {
            return None;
        }
        let first = self.take();
        let map = match escape {
            0xc5 => 1,
            0x62 => {
                // The third payload byte; a fixed bit of the second is 1.
                let second = self.take();
                self.at += 1;
                if second & 4 == 0 || first & 8 != 0 {
                    return None;
                }
                first & 7
            }
            _ => {
                self.at += 1;
                first & 0x1f
            }
        };
        let opcode = self.take();
        let shape = match (escape, map) {
            (0x8f, 8) => Shape::ModelByte,
            (0x8f, 9) => Shape::Model,
            (0x8f, 10) => Shape::ModelFull,
            (0xc4 | 0xc5, 1) if opcode == 0x77 => Shape::Bare,
            (0xc4 | 0xc5 | 0x62, 1) => match TWO[usize::from(opcode)] {
                Shape::ModelByte => Shape::ModelByte,
                // EVEX has moves where SSE4a and gaps are.
                Shape::Model | Shape::ExtractInsert => Shape::Model,
                _ if matches!(opcode, 0x7a | 0x7b) => Shape::Model,
                _ => return None,
            },
            (0xc4 | 0x62, 2) | (0x62, 5 | 6) => Shape::Model,
            (0xc4 | 0x62, 3) => Shape::ModelByte,
            _ => return None,
        };
        let operand = self.operands(shape, opcode, prefixes)?;
        Some(self.decoded(Flow::Next, operand, false, prefixes))
    }

    /// Passes what follows the opcode.
    #[inline]
    fn operands(&mut self, shape: Shape, opcode: u8, prefixes: Prefixes) -> Option<Reference> {
        let full = if prefixes.short_operand && !prefixes.is_wide() { 2 } else { 4 };
        let mut reference = Reference::None;
        self.at += match shape {
            Shape::Invalid => return None,
            Shape::Bare => 0,
            Shape::Byte | Shape::Short => 1,
            Shape::Word => 2,
            Shape::WordByte => 3,
            Shape::Full => full,
            Shape::Long => 4,
            Shape::Wide if prefixes.is_wide() => 8,
            Shape::Wide => full,
            Shape::Offset if prefixes.narrow => 4,
            Shape::Offset => 8,
            Shape::Registers => 1,
            Shape::Model => {
                reference = self.model();
                0
            }
            Shape::ModelByte => {
                reference = self.model();
                1
            }
            Shape::ModelFull => {
                reference = self.model();
                full
            }
            Shape::Test => {
                let is_test = self.peek() & 0x30 == 0;
                reference = self.model();
                match (is_test, opcode) {
                    (false, _) => 0,
                    (true, 0xf6) => 1,
                    (true, _) => full,
                }
            }
            Shape::Move => {
                let model = self.peek();
                if model & 0x38 != 0 && model != 0xf8 {
                    return None;
                }
                reference = self.model();
                if opcode == 0xc6 { 1 } else { full }
            }
            Shape::ExtractInsert => {
                reference = self.model();
                if prefixes.short_operand || prefixes.repeat_not { 2 } else { 0 }
            }
        };
        Some(reference)
    }

    /// Passes a ModRM byte, and the SIB byte and displacement that it asks for.
    #[inline]
    fn model(&mut self) -> Reference {
        let model = self.take();
        let (mode, base) = (model >> 6, model & 7);
        if mode == 3 {
            return Reference::None;
        }
        let mut reference = Reference::None;
        let mut displacement = match mode {
            0 => 0,
            1 => 1,
            _ => 4,
        };
        if base == 4 {
            let sib = self.take();
            if mode == 0 && sib & 7 == 5 {
                displacement = 4;
                reference = Reference::Table(self.at as u8);
            }
        } else if mode == 0 && base == 5 {
            displacement = 4;
            reference = Reference::Relative(self.at as u8);
        }
        self.at += displacement;
        reference
    }

    /// Where the distance in the last byte leads.
    fn short_target(&self, address: u64) -> u64 {
        let distance = self.bytes[(self.at - 1) % ROOM] as i8;
        self.next(address).wrapping_add_signed(i64::from(distance))
    }

    /// Where the distance in the last four bytes leads. With 66, processors of
    /// Intel and AMD disagree on its length, unless REX.W overrides it.
    fn long_target(&self, address: u64, prefixes: Prefixes) -> Option<u64> {
        if prefixes.short_operand && !prefixes.is_wide() {
            return None;
        }
        let start = self.at.checked_sub(4)?;
        let distance = i32::from_le_bytes(*self.bytes.get(start..)?.first_chunk()?);
        Some(self.next(address).wrapping_add_signed(i64::from(distance)))
    }

    fn next(&self, address: u64) -> u64 {
        address.wrapping_add(self.at as u64)
    }

    fn decoded(
        &self,
        flow: Flow,
        reference: Reference,
        takes_address: bool,
        prefixes: Prefixes,
    ) -> Decoded {
        let is_narrow = prefixes.narrow;
        Decoded { len: self.at as u8, flow, reference, takes_address, is_narrow }
    }
}

/// Bytes that are prefixes.
static PREFIX: [bool; 256] = {
    let mut prefix = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        prefix[byte] = matches!(
            byte,
            0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
        );
        byte += 1;
    }
    prefix
};

mod class;
mod step;
pub(crate) use step::{Step, begins_padding, padding_len};
#[cfg(test)]
mod tests;
