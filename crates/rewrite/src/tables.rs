//! Jump tables: where an indirect jump may lead.
//!
//! A compiler's `switch` takes the address of a table, loads an entry, and jumps.
//! Entries are 32-bit distances from the table, or 64-bit addresses. Which of the
//! addresses that a function takes are tables, and how long they are, is not
//! asked: each is read as a table of either kind for as long as its entries lead
//! into the text at all. That finds all entries of the tables that are there,
//! since each of those leads into the text, and some values more; what is found
//! too much costs a rung.

use core::ops::Range;

use crate::bytes::{i32_at, u64_at};

/// Data of the object that is planned.
pub trait Data {
    /// The readable bytes from an address on, as many as there are. Empty where the dynamic
    /// linker has yet to write, so that nobody knows what tables are there.
    fn bytes_from(&self, address: u64) -> Option<&[u8]>;
}

/// Entries of a table that are looked at; a longer table may lead anywhere.
const ENTRIES: usize = 4096;
/// Entries that an indexed table may lack at its start: where the least value
/// of a `switch` is not 0, its table is addressed as if there were some.
const MISSING: usize = 64;

/// Whether nobody knows yet what a table at `address` holds, which may be indexed from there.
pub(crate) fn is_unknown(data: &dyn Data, address: u64) -> bool {
    let last = address.wrapping_add(8 * MISSING as u64);
    [address, last].iter().any(|at| data.bytes_from(*at).is_some_and(<[u8]>::is_empty))
}

/// Whether the first entry of a table at `address` leads into the text, or may do so.
pub(crate) fn may_start_at(data: &dyn Data, address: u64, text: &Range<u64>) -> bool {
    if is_unknown(data, address) {
        return true;
    }
    let Some(bytes) = data.bytes_from(address) else {
        return false;
    };
    let distance = i32_at(bytes, 0).map(i64::from);
    distance.is_some_and(|distance| text.contains(&address.wrapping_add_signed(distance)))
        || u64_at(bytes, 0).is_some_and(|target| text.contains(&target))
}

/// Calls `note` with every entry that a table at `address` would have. `None`
/// if it has no end.
pub(crate) fn for_each_entry(
    data: &dyn Data,
    address: u64,
    text: &Range<u64>,
    note: &mut dyn FnMut(u64),
) -> Option<()> {
    let Some(bytes) = data.bytes_from(address) else {
        return Some(());
    };
    let distances = bytes.as_chunks::<4>().0.iter();
    let relative =
        distances.map(|entry| address.wrapping_add_signed(i64::from(i32::from_le_bytes(*entry))));
    read(relative, text, note)?;
    let absolute = bytes.as_chunks::<8>().0.iter().map(|entry| u64::from_le_bytes(*entry));
    read(absolute, text, note)
}

/// The same for a table of addresses that an instruction names as the base of
/// a scaled index.
pub(crate) fn for_each_indexed(
    data: &dyn Data,
    address: u64,
    text: &Range<u64>,
    note: &mut dyn FnMut(u64),
) -> Option<()> {
    for entry in 0..MISSING {
        let address = address.wrapping_add(8 * entry as u64);
        let Some(target) = data.bytes_from(address).and_then(|bytes| u64_at(bytes, 0)) else {
            continue;
        };
        if text.contains(&target) {
            return for_each_entry(data, address, text, note);
        }
    }
    Some(())
}

fn read(
    entries: impl Iterator<Item = u64>,
    text: &Range<u64>,
    note: &mut dyn FnMut(u64),
) -> Option<()> {
    let mut room = ENTRIES;
    for target in entries.take_while(|target| text.contains(target)) {
        room = room.checked_sub(1)?;
        note(target);
    }
    Some(())
}
