//! Tells debuggers of stubs, by GDB's interface for code that a program makes:
//! two symbols that the debugger knows, and a list of ELF files in memory.
//!
//! Without it a backtrace of a thread that waits in a stub's `syscall` ends
//! there. Ours is in `asm/symfile.S`; each area carries a copy at its end.

use core::ptr::null_mut;

use spin::Mutex;

/// Areas that can be told of. Programs that load more objects with patch sites
/// lack backtraces out of the rest.
const CAPACITY: usize = 128;

/// `struct jit_code_entry` of GDB's manual, "JIT Compilation Interface".
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    file: u64,
    len: u64,
}

/// `struct jit_descriptor`.
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

struct List {
    used: usize,
    entries: [Entry; CAPACITY],
}

// SAFETY: reached under the lock only, or by a debugger that has stopped us.
unsafe impl Send for List {}
// SAFETY: written under the list's lock only.
unsafe impl Sync for Descriptor {}

#[unsafe(link_section = ".bss.tables")]
static LIST: Mutex<List> = Mutex::new(List {
    used: 0,
    entries: [const { Entry { next: null_mut(), previous: null_mut(), file: 0, len: 0 } };
        CAPACITY],
});

/// Where a debugger looks. Not exported, but `dist` keeps its name.
#[unsafe(no_mangle)]
static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: 0, relevant: null_mut(), first: null_mut() };

/// Where a debugger stops to look again.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // SAFETY: nothing; keeps calls of an empty function.
    unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
}

/// A place in the file that is filled for each area.
#[repr(C)]
struct Hole {
    at: u32,
    kind: u32,
}

unsafe extern "C" {
    static interceptor_symfile: u8;
    static interceptor_symfile_end: u8;
    static interceptor_symfile_holes: Hole;
    static interceptor_symfile_holes_end: Hole;
}

/// Bytes of a file.
pub(super) fn len() -> u64 {
    &raw const interceptor_symfile_end as u64 - &raw const interceptor_symfile as u64
}

/// Writes the file of an area. `values` are, in this order, the start of the
/// area, of its index, and of its stubs, and the length of the stubs.
///
/// # Safety
///
/// [`len`] bytes at `to` are writable memory that nobody else uses.
pub(super) unsafe fn write(to: u64, values: [u64; 4]) {
    // SAFETY: the caller's; the file is as long.
    unsafe {
        let from = &raw const interceptor_symfile;
        core::ptr::copy_nonoverlapping(from, to as *mut u8, len() as usize);
    }
    let mut hole = &raw const interceptor_symfile_holes;
    while hole < &raw const interceptor_symfile_holes_end {
        // SAFETY: between the two labels lie whole entries, each of which names
        // eight bytes of the file.
        unsafe {
            let Hole { at, kind } = hole.read();
            let value = values.get(kind as usize).copied().unwrap_or(0);
            ((to + u64::from(at)) as *mut u64).write_unaligned(value);
            hole = hole.add(1);
        }
    }
}

/// Tells of the file at an address, which stays there.
pub(super) fn publish(file: u64) {
    const JIT_REGISTER_FN: u32 = 1;
    let Some(mut list) = LIST.try_lock() else {
        return;
    };
    let used = list.used;
    let Some(entry) = list.entries.get_mut(used) else {
        return;
    };
    (entry.file, entry.len) = (file, len());
    let entry = &raw mut *entry;
    list.used += 1;
    // SAFETY: under the lock; entries are never removed.
    unsafe {
        let descriptor = &raw mut __jit_debug_descriptor;
        let first = (*descriptor).first;
        (*entry).next = first;
        if let Some(first) = first.as_mut() {
            first.previous = entry;
        }
        (*descriptor).first = entry;
        (*descriptor).relevant = entry;
        (*descriptor).action = JIT_REGISTER_FN;
    }
    __jit_debug_register_code();
}
