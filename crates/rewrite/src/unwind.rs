//! Function bounds from `.eh_frame_hdr` and `.eh_frame`.
//!
//! Formats: Linux Standard Base, "Exception Frames"; DWARF 5 section 6.4. All
//! offsets are checked; damaged tables yield fewer functions, never a panic.

use core::ops::Range;

/// Where functions start and end.
#[derive(Clone, Copy, Default)]
pub struct CodeMap<'a> {
    /// Address of `.eh_frame_hdr`; table entries are relative to it.
    header: u64,
    /// The sorted table: pairs of initial location and FDE address.
    table: &'a [u8],
    frames: u64,
    frames_bytes: &'a [u8],
}

const ENTRY: usize = 8;
const PE_UDATA4: u8 = 0x03;
const PE_SDATA4_DATAREL: u8 = 0x3b;

/// Address of `.eh_frame` that a `.eh_frame_hdr` names.
pub fn eh_frame_address(header: u64, bytes: &[u8]) -> Option<u64> {
    // Only pcrel sdata4, which all linkers write.
    if bytes.get(..2)? != [1, 0x1b] {
        return None;
    }
    Some(
        header
            .wrapping_add(4)
            .wrapping_add_signed(i64::from(i32_at(bytes, 4)?)),
    )
}

impl<'a> CodeMap<'a> {
    /// A map from the two sections, each at its address.
    pub fn new(header: (u64, &'a [u8]), frames: (u64, &'a [u8])) -> Option<Self> {
        let bytes = header.1;
        if bytes.get(2..4)? != [PE_UDATA4, PE_SDATA4_DATAREL] {
            return None;
        }
        let count = i32_at(bytes, 8)? as u32 as usize;
        let table = bytes.get(12..12usize.checked_add(count.checked_mul(ENTRY)?)?)?;
        Some(Self {
            header: header.0,
            table,
            frames: frames.0,
            frames_bytes: frames.1,
        })
    }

    /// Bounds of the function that contains an address.
    pub fn function_at(&self, address: u64) -> Option<Function> {
        let index = self.index_at(address)?;
        let function = self.function(index)?;
        function.range.contains(&address).then_some(function)
    }

    /// Where the next function starts.
    pub(crate) fn start_after(&self, function: &Function) -> Option<u64> {
        self.start(function.index + 1)
    }

    /// Where the function before ends.
    pub(crate) fn end_before(&self, function: &Function) -> Option<u64> {
        Some(self.function(function.index.checked_sub(1)?)?.range.end)
    }

    fn len(&self) -> usize {
        self.table.len() / ENTRY
    }

    fn start(&self, index: usize) -> Option<u64> {
        let at = index.checked_mul(ENTRY)?;
        Some(
            self.header
                .wrapping_add_signed(i64::from(i32_at(self.table, at)?)),
        )
    }

    /// The last entry that starts at or before an address.
    fn index_at(&self, address: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.start(middle)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    fn function(&self, index: usize) -> Option<Function> {
        let start = self.start(index)?;
        let fde = self
            .header
            .wrapping_add_signed(i64::from(i32_at(self.table, index * ENTRY + 4)?));
        let fde_at = usize::try_from(fde.checked_sub(self.frames)?).ok()?;
        let cie_field = fde_at.checked_add(4)?;
        let cie_at = cie_field.checked_sub(i32_at(self.frames_bytes, cie_field)? as u32 as usize)?;
        let encoding = pointer_encoding(self.frames_bytes.get(cie_at..)?)?;
        let range_at = fde_at + 8;
        let len = match encoding & 0x0f {
            // absptr, udata8, sdata8: eight bytes each.
            0x00 | 0x04 | 0x0c => u64_at(self.frames_bytes, range_at + 8)?,
            // udata4, sdata4.
            0x03 | 0x0b => u64::from(i32_at(self.frames_bytes, range_at + 4)? as u32),
            _ => return None,
        };
        Some(Function {
            range: start..start.checked_add(len)?,
            index,
        })
    }
}

/// A function, and its place among the others.
#[derive(Clone, Debug)]
pub struct Function {
    /// First address, and the one after the last.
    pub range: Range<u64>,
    index: usize,
}

/// The encoding of an FDE's addresses, from its CIE.
fn pointer_encoding(cie: &[u8]) -> Option<u8> {
    let augmentation = cie.get(9..)?;
    let end = augmentation.iter().position(|byte| *byte == 0)?;
    let (augmentation, mut rest) = augmentation.split_at_checked(end)?;
    rest = rest.get(1..)?;
    if augmentation.first() != Some(&b'z') {
        return Some(0);
    }
    skip_leb128(&mut rest)?; // code alignment
    skip_leb128(&mut rest)?; // data alignment
    skip_leb128(&mut rest)?; // return address register
    skip_leb128(&mut rest)?; // augmentation length
    for letter in augmentation.get(1..)? {
        match letter {
            b'R' => return rest.first().copied(),
            b'L' => rest = rest.get(1..)?,
            b'P' => {
                let size = match rest.first()? & 0x0f {
                    0x02 | 0x0a => 2,
                    0x03 | 0x0b => 4,
                    _ => 8,
                };
                rest = rest.get(1 + size..)?;
            }
            b'S' | b'B' => {}
            _ => return None,
        }
    }
    Some(0)
}

fn skip_leb128(rest: &mut &[u8]) -> Option<()> {
    let len = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    *rest = rest.get(len..)?;
    Some(())
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
