//! The vDSO's functions made system calls, for hooks that see them.
//!
//! They answer without the kernel what a program asks them. On request each begins with the call
//! that it stands for, and returns: a site like any other, with the rest of the function as
//! padding beside it. So whoever has found the function before calls what is there now.
//!
//! At start-up only: nobody executes them yet.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use interceptor_calls::by_name;

use super::apply::{EVERYWHERE, PROT_EXEC, PROT_READ, PROT_WRITE, Text};
use super::image::{Image, ImageVmas};
use super::near;
use super::round::Memory;
use crate::sys::{Mapping, Maps};

const NAME: &[u8] = b"[vdso]";
/// How its functions are called, before the name of their call.
const PREFIX: &[u8] = b"__vdso_";
/// Has other arguments than its call.
const NO_CALL: &[u8] = b"getrandom";
/// mov eax, number; syscall; ret.
const LEN: usize = 8;
/// What is never executed.
const INT3: u8 = 0xcc;

static ARE_CALLS: AtomicBool = AtomicBool::new(false);

/// Whether it has been done.
#[cfg(feature = "capi")]
pub(crate) fn are_calls() -> bool {
    ARE_CALLS.load(Relaxed)
}

/// Makes the functions calls, if the kernel has mapped them and lets them be written.
#[cold]
pub(crate) fn make_calls(maps: &Maps) {
    let Some(vma) = maps.vmas().find(|vma| vma.name == NAME) else {
        return;
    };
    let range = vma.range.clone();
    let pages = Mapping { start: range.start, len: range.end - range.start };
    let memory = ImageVmas::piece(range.clone());
    let image = Image::at(range.start, &memory);
    let Some((image, symbols)) = image.as_ref().and_then(|at| Some((at, at.dynamic_symbols()?)))
    else {
        return;
    };
    if pages.protect(PROT_READ | PROT_WRITE).is_err() {
        return;
    }
    for (name, address, len) in symbols.all(PREFIX).filter(|(name, ..)| *name != NO_CALL) {
        let start = image.bias().wrapping_add(address);
        let is_there = start >= range.start && len <= range.end.saturating_sub(start);
        if let Some(call) = core::str::from_utf8(name).ok().and_then(by_name)
            && is_there
        {
            write_call(start, len as usize, call.nr);
        }
    }
    let prot = PROT_READ | PROT_EXEC;
    let is_executable = pages.protect(prot).is_ok();
    let text = Text {
        range,
        prot,
        name: NAME,
        is_pristine: false,
        source: None,
        expected: None,
        is_early: true,
        is_written: false,
        limit: EVERYWHERE,
    };
    text.patch_later(Some(image), &near::map_by_asking, &Memory::default());
    ARE_CALLS.store(is_executable, Relaxed);
}

/// Makes a function a call, if it has room for one.
fn write_call(start: u64, len: usize, nr: u16) {
    if len < LEN {
        return;
    }
    let [low, high] = nr.to_le_bytes();
    let call = [0xb8, low, high, 0, 0, 0x0f, 0x05, 0xc3];
    // SAFETY: the function's own bytes, which are writable now, and executed by nobody.
    unsafe {
        (start as *mut u8).write_bytes(INT3, len);
        (start as *mut [u8; LEN]).write(call);
    }
}
