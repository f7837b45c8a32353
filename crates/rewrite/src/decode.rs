//! What the planner needs to know of an instruction.
//!
//! The decoder is `yaxpeax-x86`; its types stay in this file.

use yaxpeax_x86::long_mode::{InstDecoder, Instruction, Opcode, Operand, RegSpec};

/// What an instruction does to the flow of control, and whether it may be
/// moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Goes on with the next instruction.
    Next,
    /// `nop` of any length, or `int3`: padding, when nobody can reach it.
    Padding,
    /// `syscall`.
    Syscall,
    /// `int 0x80` or `sysenter`.
    OtherSystemCall,
    /// Jumps to this address.
    Jump(u64),
    /// Jumps to this address or goes on.
    Branch(u64),
    /// A loop or jrcxz: like a branch, with an 8-bit displacement only.
    ShortBranch(u64),
    /// Jumps through a register or a table in memory.
    IndirectJump,
    /// Jumps through a pointer at a fixed address (PLT, GOT).
    PointerJump,
    /// Pushes a return address.
    Call,
    /// Does not go on: ret, ud2, hlt.
    End,
}

impl Flow {
    /// Whether the next instruction may be executed after this one.
    pub(crate) fn goes_on(self) -> bool {
        !matches!(
            self,
            Self::Jump(_) | Self::IndirectJump | Self::PointerJump | Self::End
        )
    }
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded {
    pub len: u8,
    pub flow: Flow,
}

/// Decodes instructions; made once.
pub(crate) struct Decoder(InstDecoder);

impl Decoder {
    pub(crate) fn new() -> Self {
        Self(InstDecoder::default())
    }

    /// The instruction at the start of `bytes`, which lies at `address`.
    pub(crate) fn decode(&self, bytes: &[u8], address: u64) -> Option<Decoded> {
        let instruction = self.0.decode_slice(bytes).ok()?;
        let len = instruction_len(&instruction);
        let next = address.wrapping_add(u64::from(len));
        let flow = flow(&instruction, next, bytes);
        Some(Decoded { len, flow })
    }

    /// Whether an operand of the instruction at the start of `bytes` is
    /// relative to rip.
    pub(crate) fn is_rip_relative(&self, bytes: &[u8]) -> bool {
        self.0.decode_slice(bytes).is_ok_and(|instruction| {
            (0..instruction.operand_count()).any(|n| is_rip(&instruction.operand(n)))
        })
    }
}

fn instruction_len(instruction: &Instruction) -> u8 {
    use yaxpeax_arch::LengthedInstruction;
    instruction.len().to_const() as u8
}

fn flow(instruction: &Instruction, next: u64, bytes: &[u8]) -> Flow {
    use Opcode as O;
    let opcode = instruction.opcode();
    if opcode.is_jcc() {
        return match target(instruction, next) {
            Some(target) => Flow::Branch(target),
            None => Flow::IndirectJump,
        };
    }
    match opcode {
        O::NOP => Flow::Padding,
        O::INT if bytes.first() == Some(&0xcc) => Flow::Padding,
        O::SYSCALL => Flow::Syscall,
        O::SYSENTER => Flow::OtherSystemCall,
        O::INT if bytes.first() == Some(&0xcd) && bytes.get(1) == Some(&0x80) => {
            Flow::OtherSystemCall
        }
        O::JMP => match (target(instruction, next), instruction.operand(0)) {
            (Some(target), _) => Flow::Jump(target),
            (None, operand) if is_rip(&operand) => Flow::PointerJump,
            _ => Flow::IndirectJump,
        },
        O::LOOP | O::LOOPZ | O::LOOPNZ | O::JRCXZ => match target(instruction, next) {
            Some(target) => Flow::ShortBranch(target),
            None => Flow::IndirectJump,
        },
        O::XBEGIN => Flow::ShortBranch(target(instruction, next).unwrap_or(next)),
        O::CALL | O::CALLF => Flow::Call,
        O::JMPF | O::IRET | O::IRETD | O::IRETQ => Flow::IndirectJump,
        O::RETURN | O::RETF | O::UD0 | O::UD1 | O::UD2 | O::HLT => Flow::End,
        _ => Flow::Next,
    }
}

fn target(instruction: &Instruction, next: u64) -> Option<u64> {
    let distance = match instruction.operand(0) {
        Operand::ImmediateI8 { imm } => i64::from(imm),
        Operand::ImmediateI32 { imm } => i64::from(imm),
        _ => return None,
    };
    Some(next.wrapping_add_signed(distance))
}

fn is_rip(operand: &Operand) -> bool {
    match operand {
        Operand::MemDeref { base } | Operand::Disp { base, .. } => *base == RegSpec::rip(),
        _ => false,
    }
}

/// Offset of the disp32 in an instruction with an operand relative to rip: it
/// follows the ModRM byte, which follows prefixes and opcode.
pub(crate) fn rip_displacement_at(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let 0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 =
        bytes.get(at)?
    {
        at += 1;
    }
    if let 0x40..=0x4f = bytes.get(at)? {
        at += 1;
    }
    let opcode_at = match bytes.get(at)? {
        0xc5 => at + 2,
        0xc4 => at + 3,
        0x62 => at + 4,
        0x0f if matches!(bytes.get(at + 1)?, 0x38 | 0x3a) => at + 2,
        0x0f => at + 1,
        _ => at,
    };
    let modrm_at = opcode_at + 1;
    (bytes.get(modrm_at)? & 0xc7 == 0x05).then_some(modrm_at + 1)
}
