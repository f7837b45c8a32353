//! Jump tables: where an indirect jump may lead.
//!
//! A compiler's `switch` takes the address of a table with a `lea` relative to
//! rip, loads an entry, and jumps. Entries are 32-bit distances from the table, or,
//! for labels as values, 64-bit addresses. So every address that a function
//! takes is read as a table of either kind, as long as its entries lead into
//! the function. What is not a table adds targets that are none; that costs a
//! rung, no more.

use core::ops::Range;

/// Read-only data of the object that is planned.
pub trait Data {
    /// The mapped bytes from an address on, if any.
    fn bytes_from(&self, address: u64) -> Option<&[u8]>;
}

/// Entries of a table that are looked at; a longer table may lead anywhere.
const ENTRIES: usize = 4096;

/// Whether a table at `address` may lead into `targets`, addresses of
/// `function`.
pub(crate) fn may_lead_into(
    data: &dyn Data,
    address: u64,
    function: &Range<u64>,
    targets: &Range<u64>,
) -> bool {
    let Some(bytes) = data.bytes_from(address) else {
        return false;
    };
    let distances = bytes.as_chunks::<4>().0.iter();
    let relative =
        distances.map(|entry| address.wrapping_add_signed(i64::from(i32::from_le_bytes(*entry))));
    let absolute = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|entry| u64::from_le_bytes(*entry));
    leads_into(relative, function, targets) || leads_into(absolute, function, targets)
}

fn leads_into(
    entries: impl Iterator<Item = u64>,
    function: &Range<u64>,
    targets: &Range<u64>,
) -> bool {
    let mut read = 0;
    for target in entries.take_while(|target| function.contains(target)) {
        read += 1;
        if read > ENTRIES || targets.contains(&target) {
            return true;
        }
    }
    false
}
