//! Makes the thunks of `asm/thunk.S` executable, once, at start-up.
//!
//! Neighbours: `tls` (the fields the holes name), `patch::stub` (stubs jump to
//! the thunks), `thread` (frames hold their leave thunk).

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys::{self, Mapping, PAGE, page_up};
use crate::tls::{self, LEVELS};

/// A place in the template that takes the displacement of a TLS field.
#[repr(C)]
struct Hole {
    /// Offset of the disp32 in the template.
    at: u32,
    /// Offset of the field in the TLS block.
    field: u32,
}

/// An indirect jump of the template, six bytes long.
#[repr(C)]
struct Jump {
    /// Offset of the jump in the template.
    at: u32,
    /// Offset of the pointer that it goes through.
    pointer: u32,
}

unsafe extern "C" {
    static interceptor_jumps: Jump;
    static interceptor_jumps_end: Jump;
    static interceptor_thunks: u8;
    static interceptor_thunks_end: u8;
    static interceptor_thunk_enter: u8;
    static interceptor_thunk_exit: u8;
    static interceptor_thunk_enter_begun: u8;
    static interceptor_thunk_exit_begun: u8;
    static interceptor_holes: Hole;
    static interceptor_holes_end: Hole;
    static interceptor_leaves: [u32; LEVELS];
    static interceptor_leave_pointers: u8;
    static interceptor_careful_pointers: u8;
}

/// Address of the enter thunk; the cold path of `asm/entry.S` retries it.
#[unsafe(no_mangle)]
static interceptor_enter_thunk: AtomicU64 = AtomicU64::new(0);
/// Address of the exit thunk.
#[unsafe(no_mangle)]
static interceptor_exit_thunk: AtomicU64 = AtomicU64::new(0);
static THUNKS: AtomicU64 = AtomicU64::new(0);

/// Bytes of the template.
pub(crate) fn len() -> u64 {
    &raw const interceptor_thunks_end as u64 - &raw const interceptor_thunks as u64
}

/// In a copy at `thunks`, the thunk that a stub jumps to with an interesting
/// call.
pub(crate) fn enter_in(thunks: u64) -> u64 {
    thunks + (&raw const interceptor_thunk_enter as u64 - &raw const interceptor_thunks as u64)
}

/// In a copy at `thunks`, the thunk that a stub's gate jumps to.
pub(crate) fn exit_in(thunks: u64) -> u64 {
    thunks + (&raw const interceptor_thunk_exit as u64 - &raw const interceptor_thunks as u64)
}

/// Copies the finished thunks. They refer to each other by distance only.
///
/// # Safety
///
/// [`len`] bytes at `to` are writable memory that nobody else uses.
pub(crate) unsafe fn copy_to(to: u64) {
    // SAFETY: the finished copy is readable and as long; the caller's.
    unsafe {
        let from = THUNKS.load(Relaxed) as *const u8;
        core::ptr::copy_nonoverlapping(from, to as *mut u8, len() as usize);
        shorten(to);
        if tls::is_unreliable() {
            divert(to);
        }
    }
}

/// Makes the copy at `thunks`, which is in use, look at nothing that is found through FS: all
/// calls take the careful way.
pub(crate) fn divert_in_use(thunks: u64) -> sys::Result<()> {
    let page = Mapping::anonymous(PAGE)?;
    // SAFETY: a copy begins an area of whole pages, and is on the first.
    unsafe {
        core::ptr::copy_nonoverlapping(thunks as *const u8, page.start as *mut u8, PAGE as usize);
        divert(page.start);
    }
    page.make_executable().and_then(|()| page.replace(thunks)).inspect_err(|_| page.unmap())
}

/// The same in a copy that is not in use yet. What is behind the first instruction begins
/// anew there: a thread may stand at any.
///
/// # Safety
///
/// A writable copy of the template is there.
unsafe fn divert(to: u64) {
    let template = &raw const interceptor_thunks as u64;
    let of = |label: *const u8| to + (label as u64 - template);
    let ways = of(&raw const interceptor_careful_pointers);
    let begun = [&raw const interceptor_thunk_enter_begun, &raw const interceptor_thunk_exit_begun];
    for (begun, way) in begun.into_iter().zip([ways, ways + 8]) {
        // SAFETY: the caller's; the instruction that is replaced is longer.
        unsafe {
            let jump = of(begun) as *mut u8;
            // jmp qword ptr [rip + disp32]
            jump.cast::<[u8; 2]>().write([0xff, 0x25]);
            jump.add(2).cast::<i32>().write_unaligned(way.wrapping_sub(jump as u64 + 6) as i32);
        }
    }
}

/// Makes the jumps to the entry direct in the copy at `to`, if it is near.
///
/// # Safety
///
/// A writable copy of the template is there.
unsafe fn shorten(to: u64) {
    let mut jump = &raw const interceptor_jumps;
    let end = &raw const interceptor_jumps_end;
    while jump < end {
        // SAFETY: between the two labels lie whole entries, each of which names
        // six bytes and eight bytes in the template; the caller's.
        unsafe {
            let Jump { at, pointer } = jump.read();
            let (at, target) = (to + u64::from(at), (to + u64::from(pointer)) as *const u64);
            let distance = target.read_unaligned().wrapping_sub(at + 5) as i64;
            if let Ok(distance) = i32::try_from(distance) {
                let code = at as *mut u8;
                code.write(0xe9);
                code.add(1).cast::<i32>().write_unaligned(distance);
                code.add(5).write(0x90);
            }
            jump = jump.add(1);
        }
    }
}

/// Address of the thunk that goes back to the program from a level.
pub(crate) fn leave(level: usize) -> u64 {
    THUNKS.load(Relaxed) + leave_offset(level)
}

/// Offset of a leave thunk in a copy of the thunks; they come last.
pub(crate) fn leave_offset(level: usize) -> u64 {
    // SAFETY: read-only data of ours.
    u64::from(unsafe { interceptor_leaves }[level])
}

/// The level whose leave thunk, in the copy that frames use, has an address.
pub(crate) fn leave_level(address: u64) -> Option<usize> {
    let is_in_copy = first_copy().contains(&address);
    (0..LEVELS).rev().find(|level| is_in_copy && address >= leave(*level))
}

/// The copy that frames leave through.
pub(crate) fn first_copy() -> Range<u64> {
    let start = THUNKS.load(Relaxed);
    start..start + len()
}

/// Copies the template to executable memory and fills its holes.
pub(crate) fn make() -> sys::Result<Mapping> {
    let start = &raw const interceptor_thunks;
    let copy = Mapping::anonymous(page_up(len()))?;
    // SAFETY: the template is `len` bytes long, and the mapping at least that.
    unsafe {
        core::ptr::copy_nonoverlapping(start, copy.start as *mut u8, len() as usize);
    }
    let mut hole = &raw const interceptor_holes;
    let end = &raw const interceptor_holes_end;
    while hole < end {
        // SAFETY: between the two labels lie whole entries, and each names
        // four bytes within the template. fs-relative displacements are sign
        // extended, so an i32 reaches a TLS block below the thread pointer.
        unsafe {
            let Hole { at, field } = hole.read();
            let displacement = (tls::offset() + i64::from(field)) as i32;
            ((copy.start + u64::from(at)) as *mut i32).write_unaligned(displacement);
            hole = hole.add(1);
        }
    }
    let pointers = &raw const interceptor_leave_pointers as u64 - start as u64;
    for level in 0..LEVELS {
        // SAFETY: the template has room for as many pointers.
        unsafe {
            let pointer = (copy.start + pointers) as *mut u64;
            pointer.add(level).write(copy.start + leave_offset(level));
        }
    }
    if let Err(error) = copy.make_executable() {
        copy.unmap();
        return Err(error);
    }
    THUNKS.store(copy.start, Relaxed);
    interceptor_enter_thunk.store(enter_in(copy.start), Relaxed);
    interceptor_exit_thunk.store(exit_in(copy.start), Relaxed);
    Ok(copy)
}
