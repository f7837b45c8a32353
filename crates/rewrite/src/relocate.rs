//! Copies instructions so that they do the same at another address.

use crate::bytes::i32_at;
use crate::decode::{Decoded, Flow, Reference, decode};

/// Why instructions cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocateError {
    /// The bytes end within an instruction, or are none.
    Truncated,
    /// The output is too small.
    NoRoom,
    /// What an instruction refers to is farther than 2 GiB from the copy.
    OutOfReach,
    /// An instruction that means something else anywhere but at its place.
    NotMovable,
}

/// Copies the instructions in `bytes` from address `from` to address `to`.
/// Short jumps become long ones. Returns the number of bytes written.
///
/// # Errors
///
/// See [`RelocateError`]; then `out` holds no usable code.
pub fn relocate(bytes: &[u8], from: u64, to: u64, out: &mut [u8]) -> Result<usize, RelocateError> {
    let mut written = 0;
    for instruction in instructions(bytes, from) {
        let Instruction { address, bytes, decoded } = instruction?;
        let here = to.wrapping_add(written as u64);
        let room = out.get_mut(written..).ok_or(RelocateError::NoRoom)?;
        written += copy(bytes, &decoded, address, here, room)?;
    }
    Ok(written)
}

struct Instruction<'b> {
    address: u64,
    bytes: &'b [u8],
    decoded: Decoded,
}

fn instructions(
    bytes: &[u8],
    address: u64,
) -> impl Iterator<Item = Result<Instruction<'_>, RelocateError>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let address = address.wrapping_add((bytes.len() - rest.len()) as u64);
        let Some(decoded) = decode(rest, address) else {
            rest = &[];
            return Some(Err(RelocateError::Truncated));
        };
        let (bytes, behind) = rest.split_at_checked(usize::from(decoded.len))?;
        rest = behind;
        Some(Ok(Instruction { address, bytes, decoded }))
    })
}

/// Copies one instruction; returns its new length.
fn copy(
    bytes: &[u8],
    decoded: &Decoded,
    from: u64,
    to: u64,
    out: &mut [u8],
) -> Result<usize, RelocateError> {
    if let Some((target, opcode)) = long_form(bytes, decoded) {
        return put_jump(opcode.bytes(), target, to, out);
    }
    match decoded.flow {
        Flow::Call(_)
        | Flow::IndirectCall
        | Flow::ShortBranch(_)
        | Flow::Syscall
        | Flow::OtherSystemCall => return Err(RelocateError::NotMovable),
        _ => {}
    }
    let copy = out.get_mut(..bytes.len()).ok_or(RelocateError::NoRoom)?;
    copy.copy_from_slice(bytes);
    match decoded.reference {
        // What is cut to 32 bits may not be near here.
        Reference::Relative(_) if decoded.is_narrow => return Err(RelocateError::NotMovable),
        Reference::Relative(at) => shift(copy, usize::from(at), from, to)?,
        Reference::None | Reference::Table(_) | Reference::Immediate(_) => {}
    }
    Ok(bytes.len())
}

/// An opcode of `jmp rel32` or `jcc rel32`.
#[derive(Clone, Copy)]
enum Opcode {
    Jump,
    Branch([u8; 2]),
}

impl Opcode {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Jump => &[0xe9],
            Self::Branch(bytes) => bytes,
        }
    }
}

/// A direct jump's target, and the opcode of its form with a long distance.
/// Its prefixes are hints, and are dropped.
fn long_form(bytes: &[u8], decoded: &Decoded) -> Option<(u64, Opcode)> {
    match decoded.flow {
        Flow::Jump(target) => Some((target, Opcode::Jump)),
        Flow::Branch(target) => {
            // The opcode comes before a distance of one byte or of four.
            let last = |from_end: usize| bytes.get(bytes.len().checked_sub(from_end)?).copied();
            let condition = match last(2)? {
                short @ 0x70..=0x7f if !is_long(bytes) => short & 0x0f,
                _ => last(5)? & 0x0f,
            };
            Some((target, Opcode::Branch([0x0f, 0x80 | condition])))
        }
        _ => None,
    }
}

/// Whether the `jcc` has a distance of four bytes.
fn is_long(bytes: &[u8]) -> bool {
    let from_end = |n: usize| bytes.len().checked_sub(n).and_then(|at| bytes.get(at));
    from_end(6) == Some(&0x0f) && matches!(from_end(5), Some(0x80..=0x8f))
}

fn put_jump(opcode: &[u8], target: u64, here: u64, out: &mut [u8]) -> Result<usize, RelocateError> {
    let len = opcode.len() + 4;
    let out = out.get_mut(..len).ok_or(RelocateError::NoRoom)?;
    let distance = target.wrapping_sub(here.wrapping_add(len as u64)) as i64;
    let distance = i32::try_from(distance).map_err(|_| RelocateError::OutOfReach)?;
    let (to_opcode, to_distance) =
        out.split_at_mut_checked(opcode.len()).ok_or(RelocateError::NoRoom)?;
    to_opcode.copy_from_slice(opcode);
    to_distance.copy_from_slice(&distance.to_le_bytes());
    Ok(len)
}

/// Makes the distance at offset `at` lead to the same place as before.
fn shift(copy: &mut [u8], at: usize, from: u64, to: u64) -> Result<(), RelocateError> {
    let old = i32_at(copy, at).ok_or(RelocateError::NotMovable)?;
    let new = i64::from(old).checked_add(from.wrapping_sub(to) as i64);
    let new = new.and_then(|new| i32::try_from(new).ok()).ok_or(RelocateError::OutOfReach)?;
    let field = copy.get_mut(at..at + 4).ok_or(RelocateError::NotMovable)?;
    field.copy_from_slice(&new.to_le_bytes());
    Ok(())
}
