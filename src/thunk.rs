//! Makes the thunks of `asm/thunk.S` executable, once, at start-up.
//!
//! Neighbours: `tls` (the fields the holes name), `patch::stub` (stubs jump to
//! the thunks), `thread` (frames hold their leave thunk).

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys::{self, Mapping, page_up};
use crate::tls::{self, LEVELS};

/// A place in the template that takes the displacement of a TLS field.
#[repr(C)]
struct Hole {
    /// Offset of the disp32 in the template.
    at: u32,
    /// Offset of the field in the TLS block.
    field: u32,
}

unsafe extern "C" {
    static interceptor_thunks: u8;
    static interceptor_thunks_end: u8;
    static interceptor_thunk_enter: u8;
    static interceptor_thunk_exit: u8;
    static interceptor_holes: Hole;
    static interceptor_holes_end: Hole;
    static interceptor_leaves: [u32; LEVELS];
}

/// Address of the enter thunk; the cold path of `asm/entry.S` retries it.
#[unsafe(no_mangle)]
static interceptor_enter_thunk: AtomicU64 = AtomicU64::new(0);
/// Address of the exit thunk.
#[unsafe(no_mangle)]
static interceptor_exit_thunk: AtomicU64 = AtomicU64::new(0);
static THUNKS: AtomicU64 = AtomicU64::new(0);

/// Address of the thunk that a stub jumps to with an interesting call.
pub(crate) fn enter() -> u64 {
    interceptor_enter_thunk.load(Relaxed)
}

/// Address of the thunk that a stub's gate jumps to.
pub(crate) fn exit() -> u64 {
    interceptor_exit_thunk.load(Relaxed)
}

/// Address of the thunk that goes back to the program from a level.
pub(crate) fn leave(level: usize) -> u64 {
    // SAFETY: read-only data of ours.
    let offset = unsafe { interceptor_leaves }[level];
    THUNKS.load(Relaxed) + u64::from(offset)
}

/// Copies the template to executable memory and fills its holes.
pub(crate) fn make() -> sys::Result<Mapping> {
    let start = &raw const interceptor_thunks;
    let len = &raw const interceptor_thunks_end as u64 - start as u64;
    let copy = Mapping::anonymous(page_up(len))?;
    // SAFETY: the template is `len` bytes long, and the mapping at least that.
    unsafe { core::ptr::copy_nonoverlapping(start, copy.start as *mut u8, len as usize) };
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
    if let Err(error) = copy.make_executable() {
        copy.unmap();
        return Err(error);
    }
    let offset_of = |label: *const u8| label as u64 - start as u64;
    THUNKS.store(copy.start, Relaxed);
    interceptor_enter_thunk.store(copy.start + offset_of(&raw const interceptor_thunk_enter), Relaxed);
    interceptor_exit_thunk.store(copy.start + offset_of(&raw const interceptor_thunk_exit), Relaxed);
    Ok(copy)
}
