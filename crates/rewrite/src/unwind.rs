//! Function bounds from `.eh_frame_hdr` and `.eh_frame`.
//!
//! Formats: Linux Standard Base, "Exception Frames"; DWARF 5 section 6.4. All
//! offsets are checked; damaged tables yield fewer functions, never a panic.

use core::hint::select_unpredictable;
use core::ops::Range;

use crate::bytes::{Reader, i32_at, u32_at};

/// Both sections, as they are mapped.
#[derive(Clone, Copy, Default)]
pub(crate) struct Frames<'a> {
    /// Address of `.eh_frame_hdr`; table entries are relative to it.
    header: u64,
    /// The sorted table: pairs of initial location and FDE address.
    table: &'a [u8],
    /// Address of `.eh_frame`.
    address: u64,
    bytes: &'a [u8],
}

/// What an FDE says of a function.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub range: Range<u64>,
    pub landing: Landing,
    /// It is where signal handlers return to (augmentation `S`). Those often
    /// start a byte early, for unwinders that look up return addresses.
    pub is_signal_frame: bool,
    /// It starts with a stack frame that it did not make: the unlikely part of
    /// a function, which others lead into.
    pub is_part: bool,
}

/// Where exceptions land in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// Nowhere.
    None,
    /// Where the table at this address says.
    Table(u64),
    /// That could not be read.
    Unknown,
}

const ENTRY: usize = 8;
/// DW_EH_PE_udata4.
const COUNT_ENCODING: u8 = 0x03;
/// DW_EH_PE_datarel | DW_EH_PE_sdata4.
const TABLE_ENCODING: u8 = 0x3b;
/// DW_EH_PE_pcrel | DW_EH_PE_sdata4.
const FRAMES_ENCODING: u8 = 0x1b;

/// Address of `.eh_frame` that the `.eh_frame_hdr` at address `header` names.
///
/// All linkers write it relative to its own place; others are not understood.
pub fn eh_frame_address(header: u64, bytes: &[u8]) -> Option<u64> {
    if bytes.get(..2)? != [1, FRAMES_ENCODING] {
        return None;
    }
    Some(header.wrapping_add(4).wrapping_add_signed(i64::from(i32_at(bytes, 4)?)))
}

impl<'a> Frames<'a> {
    pub(crate) fn new(header: (u64, &'a [u8]), frames: (u64, &'a [u8])) -> Option<Self> {
        let bytes = header.1;
        if bytes.get(2..4)? != [COUNT_ENCODING, TABLE_ENCODING] {
            return None;
        }
        let count = u32_at(bytes, 8)? as usize;
        let table = bytes.get(12..12usize.checked_add(count.checked_mul(ENTRY)?)?)?;
        Some(Self { header: header.0, table, address: frames.0, bytes: frames.1 })
    }

    /// The number of functions.
    pub(crate) fn len(&self) -> usize {
        self.table.len() / ENTRY
    }

    /// The start of a function.
    pub(crate) fn start(&self, index: usize) -> Option<u64> {
        self.entry(index, 0)
    }

    /// The last function that starts at or before an address. `near` is the index of one
    /// that was found before: most are not far from there.
    #[inline(never)]
    pub(crate) fn index_at(&self, address: u64, near: usize) -> Option<usize> {
        let is_before = |index: usize| Some(self.start(index)? <= address);
        let (mut low, mut len) = (0, self.len());
        if is_before(near).unwrap_or(false) {
            // Ever longer steps, until one is too long.
            let mut step = 8;
            while is_before(near + step).unwrap_or(false) {
                step *= 4;
            }
            low = near;
            len = step.min(self.len() - near);
        }
        // Without a branch on what is found, which nobody can predict.
        while len > 0 {
            let half = len.div_ceil(2);
            let is_before = is_before(low + half - 1)?;
            low += select_unpredictable(is_before, half, 0);
            len = select_unpredictable(is_before, len - half, half - 1);
        }
        low.checked_sub(1)
    }

    /// What is known of a function.
    pub(crate) fn frame(&self, index: usize) -> Option<Frame> {
        let start = self.start(index)?;
        let fde = usize::try_from(self.entry(index, 4)?.checked_sub(self.address)?).ok()?;
        // A length of 0xffffffff announces the 64-bit format, which nobody uses.
        let len = u32_at(self.bytes, fde).filter(|len| (1..u32::MAX).contains(len))? as usize;
        let body = fde.checked_add(4)?;
        let end = body.checked_add(len)?;
        let cie_at = body.checked_sub(u32_at(self.bytes, body)? as usize)?;
        let cie = Cie::parse(self.bytes, cie_at)?;
        let mut fields = Reader::new(self.bytes.get(..end)?, body + 4);
        let first = fields.encoded(cie.addresses, self.address)?;
        if first != start {
            return None;
        }
        // The length has the format of the start, but is not relative.
        let len = fields.encoded(cie.addresses & 0x0f, 0)?;
        let mut landing = Landing::None;
        if cie.has_data {
            let len = usize::try_from(fields.uleb128()?).ok()?;
            let instructions = fields.at().checked_add(len)?;
            landing = self.landing(&cie, &mut fields);
            fields = Reader::new(self.bytes.get(..end)?, instructions);
        }
        // DW_CFA_def_cfa and its kin, DW_CFA_offset.
        let is_part = fields.byte().is_some_and(|first| matches!(first, 0x0c..=0x0f | 0x80..=0xbf));
        let end = start.checked_add(len).filter(|end| *end > start)?;
        let is_signal_frame = cie.is_signal_frame;
        Some(Frame { range: start..end, landing, is_signal_frame, is_part })
    }

    fn landing(&self, cie: &Cie, fields: &mut Reader<'_>) -> Landing {
        let Some(encoding) = cie.landing else {
            return Landing::None;
        };
        match fields.encoded(encoding, self.address) {
            None => Landing::Unknown,
            Some(0) => Landing::None,
            Some(table) => Landing::Table(table),
        }
    }

    /// A field of the sorted table, as an address.
    fn entry(&self, index: usize, field: usize) -> Option<u64> {
        let at = index.checked_mul(ENTRY)?.checked_add(field)?;
        Some(self.header.wrapping_add_signed(i64::from(i32_at(self.table, at)?)))
    }
}

/// How the FDEs of a CIE are encoded.
struct Cie {
    addresses: u8,
    /// FDEs have augmentation data.
    has_data: bool,
    /// Encoding of the pointer to the table of landing pads, if there is one.
    landing: Option<u8>,
    is_signal_frame: bool,
}

impl Cie {
    fn parse(bytes: &[u8], at: usize) -> Option<Self> {
        if u32_at(bytes, at.checked_add(4)?)? != 0 {
            return None;
        }
        let mut fields = Reader::new(bytes, at + 9);
        let augmentation = fields.string()?;
        let mut cie = Self { addresses: 0, has_data: false, landing: None, is_signal_frame: false };
        let Some((b'z', letters)) = augmentation.split_first() else {
            return augmentation.is_empty().then_some(cie);
        };
        cie.has_data = true;
        // Alignment factors of code and data, return register, length.
        for _ in 0..4 {
            fields.uleb128()?;
        }
        for letter in letters {
            match letter {
                b'R' => cie.addresses = fields.byte()?,
                b'L' => cie.landing = Some(fields.byte()?),
                b'P' => {
                    let encoding = fields.byte()?;
                    fields.encoded(encoding & 0x0f, 0)?;
                }
                b'S' => cie.is_signal_frame = true,
                b'B' => {}
                _ => return None,
            }
        }
        Some(cie)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::Frames;

    const HEADER: u64 = 0x1000;

    /// The table of functions that start at these addresses.
    fn header(starts: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::from([1, 0x1b, 3, 0x3b, 0, 0, 0, 0]);
        bytes.extend((starts.len() as u32).to_le_bytes());
        for start in starts {
            bytes.extend((start.wrapping_sub(HEADER) as i32).to_le_bytes());
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn a_function_is_found_from_wherever_the_search_begins() {
        for count in [0, 1, 2, 7, 8, 9, 40, 41, 42, 43, 300] {
            let starts: Vec<u64> = (0..count).map(|at| 0x2000 + at * at * 3).collect();
            let bytes = header(&starts);
            let frames = Frames::new((HEADER, &bytes), (0, &[])).expect("a table");
            for address in (0x1f00..0x2010).chain(starts.iter().flat_map(|at| at - 1..at + 2)) {
                let expected = starts.iter().rposition(|start| *start <= address);
                for near in (0..starts.len() + 2).step_by(1 + starts.len() / 16) {
                    assert_eq!(frames.index_at(address, near), expected, "{address:#x} {near}");
                }
            }
        }
    }
}
