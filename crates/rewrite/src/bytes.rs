//! Reads integers from bytes that nobody vouches for.

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads one field after the other.
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Offset of the next field.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// Bytes up to the next zero.
    pub(crate) fn string(&mut self) -> Option<&'b [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let len = rest.iter().position(|byte| *byte == 0)?;
        self.at += len + 1;
        rest.get(..len)
    }

    /// An unsigned LEB128; bits above the 64th are lost.
    pub(crate) fn uleb128(&mut self) -> Option<u64> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// A pointer in one of the DW_EH_PE encodings that x86-64 uses; `base` is
    /// the address of the first byte. A null pointer stays 0.
    pub(crate) fn encoded(&mut self, encoding: u8, base: u64) -> Option<u64> {
        let here = base.wrapping_add(self.at as u64);
        let (value, len) = match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => (u64_at(self.bytes, self.at)?, 8),
            0x01 => return (encoding == 0x01).then(|| self.uleb128()).flatten(),
            0x02 => (u64::from(u16_at(self.bytes, self.at)?), 2),
            0x03 => (u64::from(u32_at(self.bytes, self.at)?), 4),
            0x0a => (i64::from(u16_at(self.bytes, self.at)? as i16) as u64, 2),
            0x0b => (i64::from(i32_at(self.bytes, self.at)?) as u64, 4),
            _ => return None,
        };
        self.at += len;
        match encoding & 0xf0 {
            _ if value == 0 => Some(0),
            0x00 => Some(value),
            0x10 => Some(here.wrapping_add(value)),
            // Relative to something else, or the address of a pointer.
            _ => None,
        }
    }
}
