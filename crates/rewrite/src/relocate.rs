//! Copies instructions so that they do the same at another address.

use crate::decode::{Decoder, Flow, rip_displacement_at};

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
    let decoder = Decoder::new();
    let mut copied = 0;
    let mut written = 0;
    while copied < bytes.len() {
        let rest = bytes.get(copied..).ok_or(RelocateError::Truncated)?;
        let address = from + copied as u64;
        let decoded = decoder
            .decode(rest, address)
            .ok_or(RelocateError::Truncated)?;
        let len = usize::from(decoded.len);
        let original = rest.get(..len).ok_or(RelocateError::Truncated)?;
        let here = to + written as u64;
        let room = out.get_mut(written..).ok_or(RelocateError::NoRoom)?;
        written += match decoded.flow {
            Flow::Jump(target) => put_jump(&[0xe9], target, here, room)?,
            Flow::Branch(target) => {
                let condition = condition_of(original).ok_or(RelocateError::NotMovable)?;
                put_jump(&[0x0f, 0x80 | condition], target, here, room)?
            }
            Flow::Call | Flow::ShortBranch(_) | Flow::Syscall | Flow::OtherSystemCall => {
                return Err(RelocateError::NotMovable);
            }
            _ => {
                let copy = room.get_mut(..len).ok_or(RelocateError::NoRoom)?;
                copy.copy_from_slice(original);
                if decoder.is_rip_relative(original) {
                    shift_displacement(copy, address, here)?;
                }
                len
            }
        };
        copied += len;
    }
    Ok(written)
}

/// The condition of a `jcc`, short or long.
fn condition_of(bytes: &[u8]) -> Option<u8> {
    // Branch hints and other prefixes may come first.
    let opcode = bytes
        .iter()
        .position(|byte| matches!(byte, 0x70..=0x7f | 0x0f))?;
    match bytes.get(opcode)? {
        0x0f => Some(bytes.get(opcode + 1)? & 0x0f),
        short => Some(short & 0x0f),
    }
}

fn put_jump(opcode: &[u8], target: u64, here: u64, out: &mut [u8]) -> Result<usize, RelocateError> {
    let len = opcode.len() + 4;
    let out = out.get_mut(..len).ok_or(RelocateError::NoRoom)?;
    let distance = target.wrapping_sub(here + len as u64) as i64;
    let distance = i32::try_from(distance).map_err(|_| RelocateError::OutOfReach)?;
    let (to_opcode, to_distance) = out.split_at_mut(opcode.len());
    to_opcode.copy_from_slice(opcode);
    to_distance.copy_from_slice(&distance.to_le_bytes());
    Ok(len)
}

fn shift_displacement(copy: &mut [u8], from: u64, to: u64) -> Result<(), RelocateError> {
    let at = rip_displacement_at(copy).ok_or(RelocateError::NotMovable)?;
    let field = copy.get_mut(at..at + 4).ok_or(RelocateError::NotMovable)?;
    let old = i32::from_le_bytes(*field.first_chunk().ok_or(RelocateError::NotMovable)?);
    let new = i64::from(old) + (from.wrapping_sub(to) as i64);
    let new = i32::try_from(new).map_err(|_| RelocateError::OutOfReach)?;
    field.copy_from_slice(&new.to_le_bytes());
    Ok(())
}
