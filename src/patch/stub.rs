//! Site stubs: the template of `asm/stub.S` between relocated instructions.
//!
//! Stubs live in *areas*, one for each patched object, near its text. An area
//! starts with a copy of the thunks, so that stubs reach them by a direct jump,
//! goes on with an index of its stubs, and is never writable once it is
//! executable.

use core::ops::Range;

use interceptor_rewrite::{Patch, RelocateError};

use super::symfile;
use crate::frame::{AFTER_AHEAD, GATE_BACK, GATE_IN_LINE, LINE, RESUME_AHEAD};
use crate::sys::{self, Mapping};
use crate::{interest, thunk};

/// `jmp rel8` and `jmp rel32`.
const SHORT_JUMP: u8 = 0xeb;
const LONG_JUMP: u8 = 0xe9;
/// Length of the latter.
pub(super) const JUMP: usize = 5;
/// What is never executed.
const INT3: u8 = 0xcc;
/// Bytes from one stub to the next, whose gate has the same place in a line. The longest
/// stub is shorter: the template, 15 bytes of moved instructions that a short jump's
/// becoming a long one adds 4 to, and the jump back.
const STRIDE: u64 = 2 * LINE;

unsafe extern "C" {
    static interceptor_stub_template: u8;
    static interceptor_stub_offsets: Offsets;
}

/// Where in the template the labels of `asm/stub.S` are.
#[repr(C)]
struct Offsets {
    table: u8,
    enter: u8,
    gate_exit: u8,
    room: u8,
    entry: u8,
    anchor: u8,
    after: u8,
    template_end: u8,
}

/// Offset of a template label.
macro_rules! offset {
    ($label:ident) => {
        // SAFETY: a constant of ours.
        usize::from(unsafe { &interceptor_stub_offsets }.$label)
    };
}

/// The stubs of one object, while they are written.
pub(super) struct Area {
    mapping: Mapping,
    /// Offset of the first stub.
    first: u64,
    used: u64,
    /// Entries of the index written.
    stubs: u64,
}

/// What the index of an area says of a stub.
#[repr(C)]
#[derive(Clone, Copy)]
struct IndexEntry {
    /// Address of the site; 0 ends the index.
    site: u64,
    /// Offset of the stub in the area: of its gate.
    stub: u32,
    /// From there to where the site's jump leads.
    start: u16,
    /// Bytes of moved instructions before the site.
    before: u8,
    /// Bytes of moved instructions after the site's own.
    after: u8,
}

const ENTRY: u64 = size_of::<IndexEntry>() as u64;

/// Offset of the index in an area.
fn index_offset() -> u64 {
    thunk::len().next_multiple_of(16)
}

/// Offset of the stubs in an area for `sites` stubs.
fn stubs_offset(sites: usize) -> u64 {
    index_offset() + (sites as u64 + 1) * ENTRY
}

/// Bytes to map for `sites` stubs.
pub(super) fn area_len(sites: usize) -> u64 {
    likely_len(sites) + symfile::len()
}

/// Bytes of such an area that are used, as a rule.
pub(super) fn likely_len(sites: usize) -> u64 {
    first_stub(sites) + sites as u64 * STRIDE
}

/// Offset of the first stub in such an area.
fn first_stub(sites: usize) -> u64 {
    stubs_offset(sites).next_multiple_of(LINE) + GATE_IN_LINE
}

/// A place in a stub, in terms of the program.
pub(crate) struct Place {
    /// Where the program stands. Before the call has been made, that is the
    /// site: everything up to there can be done again. From then on it is the
    /// address after the site, or, in moved instructions, their place in the
    /// original.
    pub address: u64,
    /// The address after the program's `syscall` instruction.
    pub after: u64,
    pub anchor: u64,
    /// Where the stub begins to deal with the call.
    pub start: u64,
    pub phase: Phase,
}

/// How far the call of a stub has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In an instruction moved here from before or after the site.
    Moved,
    /// The call has not been made, and has yet to be decided about or will be
    /// made unseen.
    Ahead,
    /// At the gate, the call not made.
    AtGate,
    /// The call has come out of the gate.
    Returned,
    /// The call is done.
    Done,
}

/// The place in an area of an address. (Moved instructions keep their length,
/// but for short jumps, of which there is one at most before the site, the last, and one after.)
pub(super) fn place_in(area: Mapping, address: u64) -> Option<Place> {
    let offset = address.checked_sub(area.start)?;
    // Stubs lie in the order of their entries; what follows the last entry is zero.
    let index = index_slice(area);
    let is_not_behind = |entry: &IndexEntry| entry.site != 0 && u64::from(entry.stub) <= offset;
    let found = index.partition_point(is_not_behind).checked_sub(1)?;
    let IndexEntry { site, stub, start, before, after } = *index.get(found)?;
    let at = offset - u64::from(stub);
    let (start, before) = (u64::from(start), u64::from(before));
    let (address, phase) = if at == 0 {
        (site, Phase::AtGate)
    } else if at < offset!(room) as u64 {
        (site + 2, Phase::Returned)
    } else if at < entry() {
        (site - before + at.saturating_sub(start).min(before), Phase::Moved)
    } else if at <= GATE_BACK {
        (site, Phase::Ahead)
    } else if at < GATE_BACK + AFTER_AHEAD {
        (site + 2, Phase::Done)
    } else {
        (site + 2 + (at - GATE_BACK - AFTER_AHEAD).min(u64::from(after)), Phase::Moved)
    };
    let stub = area.start + u64::from(stub);
    Some(Place { address, after: site + 2, anchor: stub + GATE_BACK, start: stub + entry(), phase })
}

/// Offset in a stub of where it begins to deal with the call.
fn entry() -> u64 {
    offset!(entry) as u64
}

/// Where in an area the processor must go on for the program to go on at
/// `address`, if the program's own instruction there has been replaced.
pub(super) fn moved_in(area: Mapping, address: u64) -> Option<u64> {
    index_of(area).find_map(|found| {
        let IndexEntry { site, stub, start, before, after } = found;
        let (stub, before) = (area.start + u64::from(stub), u64::from(before));
        let after_site = site + 2;
        if address == site {
            Some(stub + entry())
        } else if (site - before..site).contains(&address) {
            Some(stub + u64::from(start) + (address - (site - before)))
        } else if (after_site..after_site + u64::from(after)).contains(&address) {
            Some(stub + GATE_BACK + AFTER_AHEAD + (address - after_site))
        } else {
            None
        }
    })
}

/// Whether text that an area is for has been moved by `distance`, with a jump that would lead to
/// one of the stubs from where it was. What else may be there has none.
pub(super) fn is_reached_from(area: Mapping, distance: u64) -> bool {
    index_of(area).any(|IndexEntry { site, stub, start, before, .. }| {
        let mut at = (site - u64::from(before)).wrapping_add(distance);
        let mut code = [0; JUMP];
        if sys::read_guest(at, &mut code) == 0 {
            return false;
        }
        if let [SHORT_JUMP, displacement, ..] = code {
            // To a long one.
            at = (at + 2).wrapping_add_signed(i64::from(displacement as i8));
            sys::read_guest(at, &mut code);
        }
        let target = area.start + u64::from(stub) + u64::from(start);
        jump_target(at, code) == Some(target.wrapping_add(distance))
    })
}

/// Where code at an address leads, if it begins with a long jump.
pub(super) fn jump_target(address: u64, code: [u8; JUMP]) -> Option<u64> {
    let [LONG_JUMP, displacement @ ..] = code else {
        return None;
    };
    let end = address.wrapping_add(JUMP as u64);
    Some(end.wrapping_add_signed(i64::from(i32::from_le_bytes(displacement))))
}

/// The whole index of an area, with the room for entries that it has not.
fn index_slice(area: Mapping) -> &'static [IndexEntry] {
    let first = (area.start + index_offset()) as *const IndexEntry;
    // SAFETY: the index is part of the sealed area, which stays as long as its text.
    // The stubs begin behind it, the first stub with the first entry.
    unsafe {
        let len = match *first {
            IndexEntry { site: 0, .. } => 0,
            IndexEntry { stub, .. } => (u64::from(stub) - index_offset()) / ENTRY,
        };
        core::slice::from_raw_parts(first, len as usize)
    }
}

fn index_of(area: Mapping) -> impl Iterator<Item = IndexEntry> {
    let first = (area.start + index_offset()) as *const IndexEntry;
    // SAFETY: the index is part of the sealed area and ends with an entry whose
    // site is 0.
    let entries = (0..).map(move |n| unsafe { first.add(n).read() });
    entries.take_while(|entry| entry.site != 0)
}

/// Whether the template is what `frame` says of it.
pub(crate) fn template_is_sound() -> bool {
    let anchor = offset!(anchor);
    anchor as u64 == GATE_BACK
        && (offset!(after) - anchor) as u64 == AFTER_AHEAD
        && [0, anchor].iter().all(|at| template()[*at..][..RESUME_AHEAD as usize] == [0x0f, 0x05])
}

impl Area {
    /// Starts to fill writable memory.
    pub(super) fn new(mapping: Mapping, sites: usize) -> Self {
        // SAFETY: the mapping is ours, writable and `area_len` bytes long.
        unsafe { thunk::copy_to(mapping.start) };
        let first = first_stub(sites);
        Self { mapping, first, used: first, stubs: 0 }
    }

    /// Writes the stub of a patch and returns its address.
    ///
    /// `text` is the original text of the site's window, `window_start` on.
    #[inline(never)] // from two places
    pub(super) fn add(&mut self, patch: &Patch, text: &[u8]) -> Result<u64, RelocateError> {
        let stub = self.used;
        let address = self.mapping.start + stub;
        let room = (self.mapping.len - symfile::len() - stub).min(STRIDE) as usize;
        // SAFETY: the part of our writable mapping that nobody uses yet.
        let out = unsafe { core::slice::from_raw_parts_mut(address as *mut u8, room) };
        let mut writer = Writer { out, at: 0, address, text, text_address: patch.window().start };
        writer.template(self.mapping.start, patch.site() + 2)?;
        let start = writer.head(patch.head())?;
        writer.tail(patch.tail())?;
        writer.jump(patch.resume())?;
        let entry = IndexEntry {
            site: patch.site(),
            stub: stub as u32,
            start: start as u16,
            before: (patch.head().end - patch.head().start) as u8,
            after: (patch.tail().end - patch.tail().start) as u8,
        };
        let index = (self.mapping.start + index_offset()) as *mut IndexEntry;
        // SAFETY: the index has room for every site of the area, and an end.
        unsafe { index.add(self.stubs as usize).write(entry) };
        self.stubs += 1;
        self.used += STRIDE;
        Ok(address + start as u64)
    }

    /// Ends the writing. Returns the address of the symbol file, which may be published when
    /// all text can be executed. The memory is gone if it fails.
    pub(super) fn seal(self) -> crate::sys::Result<u64> {
        let area = self.mapping.start;
        let file = area + self.used;
        let stubs = area + self.first;
        if self.used + symfile::len() > self.mapping.len {
            self.mapping.unmap();
            return Err(syscalls::Errno::EOVERFLOW);
        }
        // SAFETY: there is room for it behind the stubs.
        unsafe { symfile::write(file, [area, area + index_offset(), stubs, file - stubs]) };
        if let Err(error) = self.mapping.make_executable() {
            self.mapping.unmap();
            return Err(error);
        }
        Ok(file)
    }
}

fn template() -> &'static [u8] {
    let len = offset!(template_end);
    // SAFETY: the bytes between two labels of our read-only data.
    unsafe { core::slice::from_raw_parts(&raw const interceptor_stub_template, len) }
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    /// Address of `out`.
    address: u64,
    /// The original text of the site's window.
    text: &'a [u8],
    text_address: u64,
}

impl Writer<'_> {
    /// Moves instructions to `to`. Returns how long they are there.
    fn relocate(&mut self, range: &Range<u64>, to: Range<usize>) -> Result<usize, RelocateError> {
        let offset = |address: u64| (address - self.text_address) as usize;
        let bytes = self.text.get(offset(range.start)..offset(range.end));
        let bytes = bytes.ok_or(RelocateError::Truncated)?;
        let address = self.address + to.start as u64;
        let out = self.out.get_mut(to).ok_or(RelocateError::NoRoom)?;
        interceptor_rewrite::relocate(bytes, range.start, address, out)
    }

    /// What comes before the site, so that it ends where the stub deals with the call.
    /// Returns where it begins.
    fn head(&mut self, range: Range<u64>) -> Result<usize, RelocateError> {
        let (room, end) = (offset!(room), entry() as usize);
        if range.is_empty() {
            return Ok(end);
        }
        let start = end - self.relocate(&range, room..end)?;
        self.relocate(&range, start..end)?;
        if let Some(unused) = self.out.get_mut(room..start) {
            unused.fill(INT3);
        }
        Ok(start)
    }

    /// What comes after it.
    fn tail(&mut self, range: Range<u64>) -> Result<(), RelocateError> {
        self.at += self.relocate(&range, self.at..self.out.len())?;
        Ok(())
    }

    fn template(&mut self, thunks: u64, after_site: u64) -> Result<(), RelocateError> {
        let template = template();
        let out = self.out.get_mut(..template.len()).ok_or(RelocateError::NoRoom)?;
        out.copy_from_slice(template);
        let table = offset!(table) - 8;
        if let Some(hole) = self.out.get_mut(table..table + 8) {
            hole.copy_from_slice(&interest::table().to_le_bytes());
        }
        self.displacement(offset!(enter), thunk::enter_in(thunks))?;
        self.displacement(offset!(gate_exit), thunk::exit_in(thunks))?;
        self.displacement(offset!(after), after_site)?;
        self.at += template.len();
        Ok(())
    }

    fn jump(&mut self, target: u64) -> Result<(), RelocateError> {
        let opcode = self.out.get_mut(self.at).ok_or(RelocateError::NoRoom)?;
        *opcode = LONG_JUMP;
        self.at += JUMP;
        self.displacement(self.at, target)
    }

    /// Makes the disp32 that ends at `end` lead to `target`.
    fn displacement(&mut self, end: usize, target: u64) -> Result<(), RelocateError> {
        let distance = target.wrapping_sub(self.address + end as u64) as i64;
        let distance = i32::try_from(distance).map_err(|_| RelocateError::OutOfReach)?;
        let hole = self.out.get_mut(end - 4..end).ok_or(RelocateError::NoRoom)?;
        hole.copy_from_slice(&distance.to_le_bytes());
        Ok(())
    }
}
