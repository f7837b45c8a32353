//! Landing pads: where exceptions enter a function.
//!
//! A language-specific data area as GCC and LLVM write it for C++ and Rust (the
//! Itanium C++ ABI names its header only; see `__gxx_personality_v0`).

use core::ops::Range;

use crate::bytes::Reader;

/// DW_EH_PE_omit.
const OMIT: u8 = 0xff;

/// Calls `note` with every landing pad of `function`, whose table starts
/// `bytes` and lies at `address`. `None` if the table is in a format that is
/// not understood: then there may be others.
pub(crate) fn for_each_pad(
    bytes: &[u8],
    address: u64,
    function: &Range<u64>,
    mut note: impl FnMut(u64),
) -> Option<()> {
    let mut fields = Reader::new(bytes, 0);
    let base = match fields.byte()? {
        OMIT => function.start,
        encoding => fields.encoded(encoding, address)?,
    };
    if fields.byte()? != OMIT {
        fields.uleb128()?;
    }
    let encoding = fields.byte()?;
    let len = usize::try_from(fields.uleb128()?).ok()?;
    let end = fields.at().checked_add(len)?;
    while fields.at() < end {
        let _start = fields.encoded(encoding, 0)?;
        let _len = fields.encoded(encoding, 0)?;
        match fields.encoded(encoding, 0)? {
            0 => {}
            pad => note(base.wrapping_add(pad)),
        }
        let _action = fields.uleb128()?;
    }
    Some(())
}
