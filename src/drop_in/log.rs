//! The log that `INTERCEPT_LOG` asks for: a line for each call.
//!
//! ```text
//! /lib/x86_64-linux-gnu/libc.so.6 0xf6a2d -- read(3, "\177ELF"..., 832) = 832
//! ```
//!
//! The object whose instruction it is, the instruction's address in the object's
//! file, as addr2line(1) takes it, and the call. A line goes out in one write, so
//! lines of several threads and processes do not mix.

use core::ffi::CStr;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use interceptor_abi::env::FIRST_DESCRIPTOR;
use interceptor_calls as calls;
use syscalls::{Errno, Sysno, syscall};

use super::objects;
use crate::diagnostics::{Lossy, Why, say};
use crate::hook::Guest;
use crate::lifecycle::{self, Kept};
use crate::line::Line;
use crate::sys;
use crate::thread;

/// Longest line.
const LINE: usize = 4096;
/// The instruction's length: it ends at the address that is known of it.
const INSTRUCTION: u64 = 2;

/// The descriptor that was opened, -1 without a log. It may have another number now.
static OPENED: AtomicI32 = AtomicI32::new(-1);

/// Opens the log, in place of one that is open. A path that ends with `-` gets the process's
/// id behind it.
pub(super) fn start(path: &[u8], is_kept: bool) {
    if path.is_empty() || sys::is_confined() {
        return;
    }
    match open(path, is_kept) {
        Ok(fd) => {
            stop();
            OPENED.store(fd, Relaxed);
        }
        Err(error) => {
            say(format_args!("no log: {}: {}", Lossy(path), Why(error)));
        }
    }
}

fn open(path: &[u8], is_kept: bool) -> sys::Result<i32> {
    const AT_FDCWD: i32 = -100;
    const O_WRONLY_CREAT_APPEND: usize = 0o1 | 0o100 | 0o2000;
    const O_TRUNC: usize = 0o1000;
    const O_CLOEXEC: usize = 0o2000000;
    const MODE: usize = 0o644;
    let mut name = heapless::Vec::<u8, 4096>::new();
    name.extend_from_slice(path).map_err(|_| Errno::ENAMETOOLONG)?;
    if path.ends_with(b"-") {
        let mut id = Line::<LINE>::new();
        let _ = write!(id, "{}", sys::getpid());
        name.extend_from_slice(id.bytes()).map_err(|_| Errno::ENAMETOOLONG)?;
    }
    name.push(0).map_err(|_| Errno::ENAMETOOLONG)?;
    let name = CStr::from_bytes_with_nul(&name).map_err(|_| Errno::EINVAL)?;
    let truncate = if is_kept { 0 } else { O_TRUNC };
    let flags = O_WRONLY_CREAT_APPEND | O_CLOEXEC | truncate;
    // SAFETY: the path ends with NUL.
    let low = unsafe { syscall!(Sysno::openat, AT_FDCWD, name.as_ptr(), flags, MODE) }? as i32;
    let high = sys::duplicate_above(low, FIRST_DESCRIPTOR);
    sys::close(low);
    high
}

/// Ends the log.
pub(super) fn stop() {
    if is_on() {
        let fd = number();
        OPENED.store(-1, Relaxed);
        lifecycle::keep_descriptor(Kept::Log, -1);
        sys::close(fd);
    }
}

/// Takes the log's descriptor out of the program's reach.
pub(super) fn keep() {
    if is_on() {
        lifecycle::keep_descriptor(Kept::Log, OPENED.load(Relaxed));
    }
}

/// Its number in the process that asks.
fn number() -> i32 {
    thread::own_block().map_or(-1, |block| block.descriptor(Kept::Log))
}

/// Whether calls are logged. Not any more once the program has confined itself.
pub(super) fn is_on() -> bool {
    OPENED.load(Relaxed) >= 0 && !sys::is_confined()
}

/// Logs a call that was made by the instruction before `after`.
#[inline(never)]
pub(super) fn call(after: u64, nr: u64, args: &[u64; 6], outcome: calls::Outcome) {
    let mut line = Line::<LINE>::new();
    let site = after.wrapping_sub(INSTRUCTION);
    // What does not fit is cut, and no failure.
    let _ = match objects::place_of(site) {
        Some((name, address)) => write!(line, "{} {address:#x} -- ", Lossy(name)),
        None => write!(line, "? {site:#x} -- "),
    };
    let options = calls::Options { written: line.bytes().len(), ..calls::Options::default() };
    let _ = calls::format_call(&mut line, nr, args, outcome, &Guest, &options);
    let _ = line.write_str("\n");
    // A log that cannot be written must not keep the program from running.
    let _ = sys::write_all_quietly(number(), line.bytes());
}
