//! Executable memory that comes and goes: dlopen, dlclose, generated code.
//!
//! New text of files is patched when the call that mapped it comes out of
//! the kernel, before the program sees its result. An image is mapped by ld.so
//! in pieces, the first of which covers the whole with the file's beginning;
//! it is remembered, for the unwind tables that tell functions apart.

use core::ops::Range;

use syscalls::Sysno;

use super::Step;
use crate::frame::SyscallFrame;
use crate::patch;
use crate::sys::{self, page_down, page_up};
use crate::thread::{self, ThreadBlock, seats};
use crate::tls;

pub(super) const MMAP: u32 = Sysno::mmap as u32;
pub(super) const MPROTECT: u32 = Sysno::mprotect as u32;
pub(super) const PKEY_MPROTECT: u32 = Sysno::pkey_mprotect as u32;
pub(super) const MUNMAP: u32 = Sysno::munmap as u32;
pub(super) const MREMAP: u32 = Sysno::mremap as u32;

const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
/// Of flags, what kind of mapping it is.
const MAP_TYPE: u64 = 0xf;
const MAP_PRIVATE: u64 = 2;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;

/// A call of the mmap family on its way in.
pub(super) fn enter(block: &mut ThreadBlock, sysno: Sysno, frame: &SyscallFrame) -> Step {
    let args = &frame.args;
    if sysno == Sysno::munmap
        && let Some((storage, is_shared)) = thread_storage_in(args[0], args[1])
    {
        let step = unmap_around(args, &storage);
        if !is_shared {
            block.storage = (storage.start, storage.end);
        }
        return step;
    }
    if !concerns_text(frame.rax, args) {
        return Step::Forward;
    }
    if is_protection(sysno) {
        let range = args[0]..args[0].saturating_add(page_up(args[1]));
        let has_sites = !sys::is_confined() && patch::patch_written(range, args[2]);
        if !has_sites && args[2] & PROT_WRITE == 0 {
            return Step::Forward;
        }
    }
    Step::ForwardAndExit
}

fn is_protection(sysno: Sysno) -> bool {
    matches!(sysno, Sysno::mprotect | Sysno::pkey_mprotect)
}

/// Whether nothing is to be done for a call of the mmap family. Asked in the first stage of a
/// call.
pub(super) fn is_indifferent(nr: u64, args: &[u64; 6]) -> bool {
    !concerns_text(nr, args)
        && (nr as u32 != MUNMAP || thread_storage_in(args[0], args[1]).is_none())
}

/// Whether memory that is executable, or was, comes or goes, or an image begins.
fn concerns_text(nr: u64, args: &[u64; 6]) -> bool {
    match nr as u32 {
        MMAP => {
            let flags = args[3];
            let is_image_start = flags & MAP_ANONYMOUS == 0 && args[5] == 0;
            args[2] & PROT_EXEC != 0
                || is_image_start
                || (flags & MAP_FIXED != 0 && patch::is_patched(args[0], args[1]))
        }
        MPROTECT | PKEY_MPROTECT => {
            args[2] & PROT_EXEC != 0
                || (args[2] & PROT_WRITE != 0 && patch::is_patched(args[0], args[1]))
        }
        _ => patch::is_patched(args[0], args[1]),
    }
}

/// The pages with the calling thread's pointer and our words, or those of storage that
/// is shared, if the range has some of them. With whether it is shared.
fn thread_storage_in(start: u64, len: u64) -> Option<(Range<u64>, bool)> {
    let end = start.checked_add(page_up(len))?;
    if start != page_down(start) {
        return None;
    }
    if let Some(shared) = seats::pages_in(&(start..end)) {
        return Some((shared, true));
    }
    if thread::is_caller_foreign() {
        return None;
    }
    let storage = tls::pages_of(tls::thread_pointer());
    let storage = storage.start.max(start)..storage.end.min(end);
    (!storage.is_empty()).then_some((storage, false))
}

/// A thread of musl that nobody will join unmaps its own stack and storage
/// before it exits. Its `exit` is a call like any other and needs our words, so
/// they stay until the thread is gone. Those of shared storage stay for good.
fn unmap_around(args: &[u64; 6], storage: &Range<u64>) -> Step {
    let [start, len, ..] = *args;
    for piece in [start..storage.start, storage.end..start + page_up(len)] {
        if !piece.is_empty()
            && let Err(error) = sys::unmap(&piece)
        {
            return Step::Answer(-i64::from(error.into_raw()));
        }
    }
    Step::Answer(0)
}

/// The same call on its way out. Returns its result.
pub(super) fn exit(block: &mut ThreadBlock, sysno: Sysno, args: &[u64; 6], result: i64) -> i64 {
    let has_failed = (-4095..0).contains(&result);
    // A confined process is not asked what is writable, and has written nothing of that kind.
    let may_be_writable = if has_failed { !sys::is_confined() } else { args[2] & PROT_WRITE != 0 };
    if is_protection(sysno) && may_be_writable {
        patch::put_back_written(args[0], args[1]);
    }
    if has_failed {
        return result;
    }
    match sysno {
        Sysno::mmap => mapped(block, args, result as u64),
        Sysno::mprotect | Sysno::pkey_mprotect if !sys::is_confined() => {
            patch::count_missed(args[0]..args[0] + page_up(args[1]), args[2]);
        }
        Sysno::munmap => patch::forget(args[0], args[1]),
        Sysno::mremap => remapped(args, result as u64),
        _ => {}
    }
    result
}

/// Text was moved to another address, or what is mapped of it has become shorter or longer.
fn remapped(args: &[u64; 6], to: u64) {
    const MREMAP_DONTUNMAP: u64 = 4;
    let [from, old_len, new_len, flags, ..] = *args;
    let (old_len, new_len) = (page_up(old_len), page_up(new_len));
    if to == from {
        patch::forget(from + new_len, old_len.saturating_sub(new_len));
        return;
    }
    patch::restore_moved(from, old_len.min(new_len), to);
    if flags & MREMAP_DONTUNMAP == 0 {
        patch::forget(from, old_len);
    }
}

fn mapped(block: &mut ThreadBlock, args: &[u64; 6], start: u64) {
    let [_, len, prot, flags, fd, offset] = *args;
    let range = start..start + page_up(len);
    if flags & MAP_ANONYMOUS != 0 {
        // Zeros so far.
        if flags & MAP_FIXED != 0 {
            patch::forget_written(start, len);
        }
        return;
    }
    if flags & MAP_FIXED != 0 {
        patch::forget(start, len);
    }
    let (image_fd, image_start, image_end) = block.last_image;
    let is_within = image_fd == fd && image_start <= start && range.end <= image_end;
    // Segments of a small file may begin in its first page, too.
    if offset == 0 && (flags & MAP_FIXED == 0 || !is_within) {
        block.last_image = (fd, range.start, range.end);
    }
    if prot & PROT_EXEC == 0 || sys::is_confined() {
        return;
    }
    // A mapping may be longer than its file; ld.so makes such, where the first
    // segment is executable. What is behind the end cannot be read (SIGBUS).
    let Ok(size) = sys::file_size(fd as i32) else {
        return;
    };
    let until = |start: u64, end: u64, offset: u64| {
        end.min(start.saturating_add(page_up(size.saturating_sub(offset))))
    };
    let (image_fd, image_start, image_end) = block.last_image;
    let is_piece = image_fd == fd && image_start <= start && range.end <= image_end;
    let range = start..until(start, range.end, offset);
    let image =
        if is_piece { image_start..until(image_start, image_end, 0) } else { range.clone() };
    if range.is_empty() {
        return;
    }
    if flags & MAP_TYPE == MAP_PRIVATE {
        patch::patch_image(fd as i32, image, range, prot);
    } else {
        // What is written to it comes into the file.
        patch::count_missed(range, prot);
    }
}
