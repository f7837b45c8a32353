//! Writes that are no writes: the original's way to switch its log at run time.
//!
//! A write to descriptor 123 of one of two texts, with its NUL. To begin a log the program
//! passes, where a write has no arguments, its path, and a text that begins with `0` to keep
//! what that file has. Neither the kernel nor the hook sees such a write; it returns its length.

use syscalls::Sysno;

use super::log;
use crate::sys;

const FD: u32 = 123;
const START: &[u8] = b"SYSCALL_INTERCEPT_TEST_START_LOG\0";
const STOP: &[u8] = b"SYSCALL_INTERCEPT_TEST_STOP_LOG\0";
/// Longest path.
const PATH: usize = 4096;

/// Does what such a write asks for. Returns its result; nothing for any other call.
#[inline(always)]
pub(super) fn switch(nr: u64, args: &[u64; 6]) -> Option<i64> {
    if nr as u32 != Sysno::write as u32 || args[0] as u32 != FD {
        return None;
    }
    obey(args)
}

#[cold]
fn obey(args: &[u64; 6]) -> Option<i64> {
    let [_, message, len, path, kept, _] = *args;
    let is = |text: &[u8]| {
        let mut read = [0; START.len()];
        let read = read.get_mut(..text.len());
        len == text.len() as u64
            && read
                .is_some_and(|read| sys::read_guest(message, read) == text.len() && *read == *text)
    };
    if is(START) {
        let mut first = [0];
        let is_kept = sys::read_guest(kept, &mut first) == 1 && first == *b"0";
        let mut name = [0; PATH];
        log::start(sys::read_guest_string(path, &mut name)?, is_kept);
        log::keep();
    } else if is(STOP) {
        log::stop();
    } else {
        return None;
    }
    Some(len as i64)
}
